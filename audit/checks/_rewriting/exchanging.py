"""Cases written again with one field exchanged: what moves when nothing else does.

``swapping`` compares one value of a protected attribute with another. Here no value is the reference: a hospital's name
must not matter, whichever it is, so every case is written with several names and what counts is how far its score
moves among them. Cases that differ in nothing but the field are one case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audit.checks import _stats
from audit.shapes import Bools, Floats
from audit.types import Dataset

MOST_CLUSTER_COLUMNS = 2
"""Two ways of clustering are what a variance is known for (Cameron, Gelbach & Miller 2011)."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A case with the places of one field left open."""

    row: int
    """Where the data hold the first case of this frame."""
    own: str
    """Its text as the data have it."""
    texts: tuple[str, ...]
    """With each of the values."""
    neutral: str
    """With the words that stand for no value; "" where the policy gives none."""


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """All cases in which one field is exchanged."""

    field: str
    values: tuple[str, ...]
    frames: tuple[Frame, ...]
    clusters: tuple[tuple[str, ...], ...]
    """Labels of every frame by what frames share."""

    @property
    def texts(self) -> tuple[str, ...]:
        """Every text that has to be scored, once."""
        every = (t for frame in self.frames for t in (frame.own, *frame.texts, frame.neutral))
        return tuple(dict.fromkeys(t for t in every if t))

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The text with the first value beside that with each of the others, case by case."""
        return tuple((frame.texts[0], other) for frame in self.frames for other in frame.texts[1:])


def exchange(
    data: Dataset, field: str, values: Sequence[str], neutral: str, rows: Sequence[int], most: int
) -> Exchange:
    """Write some rows with each value of a field; of rows that become the same texts the first stands for all.

    Parameters
    ----------
    rows
        In the order in which they are drawn; frames are made of them until there are ``most``.
    """
    frames: dict[tuple[str, ...], Frame] = {}
    for i in rows:
        row = data.rows[i]
        texts = tuple(data.rendered({**row.fields, field: value}, row).text for value in values)
        without = data.rendered({**row.fields, field: neutral}, row).text if neutral else ""
        frames.setdefault(texts, Frame(row=i, own=row.text, texts=texts, neutral=without))
        if len(frames) == most:
            break
    ordered = sorted(frames.values(), key=lambda frame: frame.row)
    shared = [column for column in data.cluster if column != field][:MOST_CLUSTER_COLUMNS]
    labels = tuple(tuple(data.rows[frame.row].fields[column] for frame in ordered) for column in shared)
    return Exchange(
        field=field,
        values=tuple(values),
        frames=tuple(ordered),
        clusters=labels or (tuple(str(i) for i in range(len(ordered))),),
    )


def values_of(data: Dataset, field: str, most: int, rng: np.random.Generator) -> tuple[str, ...]:
    """Return at most so many values that the data have for a field, drawn at random; empty ones are none."""
    known = sorted({row.fields[field] for row in data.rows} - {""})
    return tuple(known[i] for i in sorted(rng.permutation(len(known))[:most].tolist()))


# ---- what moves ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What the exchange of one field did, frame by frame: arrays are (frames,)."""

    move: Floats
    """Mean absolute difference of the scores of two values."""
    flips: Bools
    """Whether the decision is not the same for all values."""
    removal: Floats | None
    """Mean score with a value minus the score with none; None where the policy has no words for none."""
    decided: Bools
    """Whether the value that a case has decided it: with most of the others the decision is another one."""


def moved(exchanged: Exchange, score: dict[str, float], threshold: float) -> Moved:
    """Return what the scores of ``exchanged.texts`` say."""
    scores = np.array([[score[text] for text in frame.texts] for frame in exchanged.frames])
    count = scores.shape[1]
    pairs = np.abs(scores[:, :, None] - scores[:, None, :]).sum(axis=(1, 2)) / (count * (count - 1))
    selected = scores > threshold
    own = np.array([score[frame.own] for frame in exchanged.frames]) > threshold
    removal = None
    if exchanged.frames[0].neutral:
        removal = scores.mean(axis=1) - np.array([score[frame.neutral] for frame in exchanged.frames])
    return Moved(
        move=pairs,
        flips=np.array([len(set(way)) > 1 for way in selected.tolist()]),
        removal=removal,
        decided=np.array([_decided(f, one, way) for f, one, way in zip(exchanged.frames, selected, own, strict=True)]),
    )


def _decided(frame: Frame, selected: Bools, own: bool) -> bool:
    others = [bool(one) != own for text, one in zip(frame.texts, selected, strict=True) if text != frame.own]
    return sum(others) > len(others) / 2


def estimates(exchanged: Exchange, found: Moved) -> dict[str, _stats.Estimate]:
    """Return the mean move, the share of flips and the mean removal, with how they scatter over clusters."""
    clusters = exchanged.clusters
    out = {
        "move": _stats.clustered_mean(found.move, clusters, reach=1.0, support=(0.0, 1.0)),
        "flip_rate": _stats.clustered_proportion(found.flips, clusters),
    }
    if found.removal is not None:
        out["removal_effect"] = _stats.clustered_mean(found.removal, clusters, reach=1.0, support=(-1.0, 1.0))
    return out
