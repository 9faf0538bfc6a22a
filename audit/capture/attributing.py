"""From what a check asks to attributions of its texts, by any method.

The texts of a request are cut into windows, and all that the texts of a window need is run in batches that they
share. A window is stored as a whole. Windows are planned before stored texts are dropped, so a resumed run sees the
same ones and writes the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from audit.capture import attribution, coalitions, contrasts
from audit.capture.attribution import Path
from audit.capture.baselines import baseline_of
from audit.capture.coalitions import GroupValues
from audit.capture.model import LoadedModel
from audit.capture.points import Point, Stream, Subject
from audit.capture.tokens import TokenIds, token_ids, tokenised
from audit.capture.traits import Traits
from audit.requests import Ablations, Attributions, CannotAnswer, Group, Method, TokenAttribution, TokenisedText
from audit.shapes import Bools, Floats
from audit.words import summed, touching, words

Item = TypeVar("Item")

BATCHES_A_WINDOW = 4
"""Of the first nodes of its texts; a run that is killed loses at most one window."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One text of a request for attributions."""

    text: str
    groups: tuple[Group, ...] | None
    counterfactual: str | None


@dataclass(frozen=True, kw_only=True)
class AskedAblation:
    """One text of a request for ablations."""

    text: str
    positions: tuple[tuple[int, ...], ...]
    counterfactual: str | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """A text that is ready to be run."""

    subject: Subject
    read: TokenisedText
    groups: tuple[tuple[int, ...], ...] | None
    """None where each token that is replaced at all is its own."""


def asked_of(request: Attributions) -> tuple[Asked, ...]:
    """Return the texts of a request with what goes with them."""
    groups = request.groups or (None,) * len(request.texts)
    others = request.counterfactuals or (None,) * len(request.texts)
    return tuple(
        Asked(text=t, groups=g, counterfactual=c) for t, g, c in zip(request.texts, groups, others, strict=True)
    )


def ablations_of(request: Ablations) -> tuple[AskedAblation, ...]:
    """Return the texts of a request with what goes with them."""
    others = request.counterfactuals or (None,) * len(request.texts)
    return tuple(
        AskedAblation(text=t, positions=p, counterfactual=c)
        for t, p, c in zip(request.texts, request.positions, others, strict=True)
    )


def windows(items: Sequence[Item], tokens: Callable[[Item], int], budget: int) -> Iterator[list[Item]]:
    """Cut items into stretches of about ``BATCHES_A_WINDOW`` batches of ``tokens``."""
    current: list[Item] = []
    filled = 0
    for item in items:
        if current and filled + tokens(item) > BATCHES_A_WINDOW * budget:
            yield current
            current, filled = [], 0
        current.append(item)
        filled += tokens(item)
    if current:
        yield current


def first_rows(request: Attributions) -> int:
    """Return about how many rows a text costs before anything is known of it."""
    if request.method == "integrated_gradients":
        return 2 * attribution.FIRST_INTERVALS + 1
    return 2 if request.method == "input_x_gradient" else 16


# ---- preparing -----------------------------------------------------------------------------------


def subject_of(
    traits: Traits, request: Attributions | Ablations, text: str, ids: TokenIds, counterfactual: str | None
) -> tuple[Subject, TokenisedText]:
    """Return a text of a request, ready to be run, with its tokens.

    Raises
    ------
    CannotAnswer
        When the model cannot be asked this, with the reason.
    """
    loaded = traits.loaded
    read = tokenised(loaded, text)
    explained = contrasts.bind(loaded, request.contrast, text, ids)
    _refuse_unfit(traits, explained)
    other = None if counterfactual is None else token_ids(loaded, [counterfactual])[counterfactual]
    baseline = baseline_of(traits, ids, read.special, request.baseline_input, other)
    return Subject(ids=ids, baseline=baseline, explained=explained), read


def _refuse_unfit(traits: Traits, explained: contrasts.Explained) -> None:
    if traits.reads_ids_elsewhere:
        raise CannotAnswer(
            "this model reads token ids elsewhere than in its embeddings, so replacing embeddings replaces only a part "
            "of a token"
        )
    if max(len(reading.terms) for reading in explained) > 1 and not traits.left_to_right:
        raise CannotAnswer(
            "this model does not read from left to right, so the probability of an answer of several tokens cannot be "
            "read off one pass"
        )


def prepare(traits: Traits, request: Attributions, asked: Asked, ids: TokenIds) -> Prepared:
    """Return one text of a request for attributions, ready to be run; raises ``CannotAnswer`` with the reason."""
    _refuse_gradients(traits, request.method)
    subject, read = subject_of(traits, request, asked.text, ids, asked.counterfactual)
    return Prepared(subject=subject, read=read, groups=_groups(request, asked, read))


def _refuse_gradients(traits: Traits, method: Method) -> None:
    if method in {"integrated_gradients", "input_x_gradient"} and traits.quantised and not traits.gradients_hold:
        raise CannotAnswer(
            "this model is quantised and its gradients do not tell what the output does, so neither integrated "
            "gradients nor input × gradient can be had of it; feature ablation and Shapley sampling need none"
        )
    if method == "input_x_gradient" and traits.forgets_length:
        raise CannotAnswer(
            "this model normalises its embeddings before anything reads them, so its output has no slope along them, "
            "and input × gradient is zero whatever a token does"
        )


def _groups(request: Attributions, asked: Asked, read: TokenisedText) -> tuple[tuple[int, ...], ...] | None:
    if asked.groups is None:
        return None if request.unit == "token" else tuple(word.tokens for word in words(asked.text, read))
    found = tuple(touching(read, group) for group in asked.groups)
    for at, tokens in enumerate(found):
        if not tokens:
            raise CannotAnswer(f"no token lies in the group {asked.groups[at]} of {asked.text[:80]!r}")
    every = [token for tokens in found for token in tokens]
    if len(every) != len(set(every)):
        shared = next(token for token in every if every.count(token) > 1)
        raise CannotAnswer(f"two groups of {asked.text[:80]!r} share the token {read.tokens[shared]!r}")
    return found


# ---- attributions --------------------------------------------------------------------------------


def attributions(
    loaded: LoadedModel,
    stream: Stream,
    request: Attributions,
    prepared: Sequence[Prepared],
    seeds: Sequence[int],
) -> list[TokenAttribution]:
    """Attribute some texts; ``seeds`` say how orders are drawn for each."""
    subjects = [p.subject for p in prepared]
    if request.method == "integrated_gradients":
        paths = attribution.integrated_gradients(
            stream,
            subjects,
            tolerance=request.tolerance,
            max_steps=request.max_steps,
            epsilon=attribution.epsilon_of(loaded.dtype),
        )
        return [_of_path(p, path) for p, path in zip(prepared, paths, strict=True)]
    if request.method == "input_x_gradient":
        return _input_x_gradient(stream, prepared)
    return _of_coalitions(stream, request, prepared, seeds)


def _of_path(prepared: Prepared, path: Path) -> TokenAttribution:
    return TokenAttribution(
        text=prepared.read,
        values=path.values,
        score=path.score,
        baseline_score=path.baseline_score,
        n_steps=path.n_steps,
        completeness_delta=path.completeness_delta,
        converged=path.converged,
        delta_floor=path.delta_floor,
        groups=prepared.groups or (),
        group_values=None if prepared.groups is None else summed(path.values, prepared.groups),
    )


def _input_x_gradient(stream: Stream, prepared: Sequence[Prepared]) -> list[TokenAttribution]:
    """Attribute by the gradient at the text times its embedding: one row forward and back for each text.

    The score of the baseline input, which the method does not use, costs a row forward.
    """
    ends = attribution.from_nothing([p.subject for p in prepared])
    found = stream.values([_at(subject, 1.0) for subject in ends], slopes=True)
    baselines = stream.values([_at(p.subject, 0.0) for p in prepared])
    out = []
    for p, value, baseline in zip(prepared, found, baselines, strict=True):
        assert value.slope is not None
        values = np.where(np.asarray(p.read.special, dtype=bool), 0.0, value.slope)
        out.append(
            TokenAttribution(
                text=p.read,
                values=values,
                score=value.score,
                baseline_score=baseline.score,
                n_steps=None,
                completeness_delta=None,
                converged=bool(np.isfinite(values).all()),
                groups=p.groups or (),
                group_values=None if p.groups is None else summed(values, p.groups),
            )
        )
    return out


def _at(subject: Subject, weight: float) -> Point:
    return Point(subject=subject, weights=np.full(len(subject.ids), weight))


def _of_coalitions(
    stream: Stream, request: Attributions, prepared: Sequence[Prepared], seeds: Sequence[int]
) -> list[TokenAttribution]:
    sampled = request.method == "shapley_sampling"
    groups = [p.groups if p.groups is not None else _own_groups(p.subject) for p in prepared]
    plans = [
        coalitions.shapley_plan(len(g), request.permutations, np.random.default_rng(seed))
        if sampled
        else coalitions.ablation_plan(len(g))
        for g, seed in zip(groups, seeds, strict=True)
    ]
    replaced = [
        coalitions.replaced_tokens(plan.present, g, len(p.subject.ids))
        for plan, g, p in zip(plans, groups, prepared, strict=True)
    ]
    scores = replaced_scores(stream, [p.subject for p in prepared], replaced)
    values = coalitions.shapley_values if sampled else coalitions.ablation_values
    return [
        _of_groups(p, g, found, values(plan, found), sampled)
        for p, g, plan, found in zip(prepared, groups, plans, scores, strict=True)
    ]


def _own_groups(subject: Subject) -> tuple[tuple[int, ...], ...]:
    # Tokens that the baseline input keeps change nothing when they are taken out.
    return tuple((int(i),) for i in np.flatnonzero(subject.baseline.moved))


def _of_groups(
    prepared: Prepared,
    groups: Sequence[Sequence[int]],
    scores: Floats,
    found: GroupValues,
    sampled: bool,
) -> TokenAttribution:
    values, errors = np.zeros(len(prepared.subject.ids)), np.zeros(len(prepared.subject.ids))
    for group, value, error in zip(groups, found.values, found.standard_errors, strict=True):
        values[list(group)] = value / len(group)
        errors[list(group)] = error
    own = prepared.groups is None
    errors = errors if own else found.standard_errors
    return TokenAttribution(
        text=prepared.read,
        values=values,
        score=float(scores[-1]),
        baseline_score=float(scores[0]),
        n_steps=None,
        completeness_delta=None,
        converged=bool(np.isfinite(scores).all()),
        groups=() if own else tuple(map(tuple, groups)),
        group_values=None if own else found.values,
        standard_errors=errors if sampled else None,
    )


# ---- ablations -----------------------------------------------------------------------------------


def ablations(stream: Stream, subjects: Sequence[Subject], asked: Sequence[AskedAblation]) -> list[Floats]:
    """Return the contrast of each text under each of its position sets."""
    masks = []
    for subject, one in zip(subjects, asked, strict=True):
        mask = np.zeros((len(one.positions), len(subject.ids)), dtype=bool)
        for row, positions in enumerate(one.positions):
            mask[row, list(positions)] = True
        masks.append(mask)
    return replaced_scores(stream, subjects, masks)


def replaced_scores(stream: Stream, subjects: Sequence[Subject], replaced: Sequence[Bools]) -> list[Floats]:
    """Return the score of each text with each set of its tokens replaced, all in one stream.

    ``replaced`` holds (sets, tokens) for each text. Sets that lead to the same input are run once.
    """
    points: list[Point] = []
    back = []
    for subject, masks in zip(subjects, replaced, strict=True):
        moved = masks & subject.baseline.moved[None, :]
        distinct, where = np.unique(moved, axis=0, return_inverse=True)
        back.append(len(points) + where.reshape(-1))
        points += [Point(subject=subject, weights=np.where(row, 0.0, 1.0)) for row in distinct]
    scores = np.array([value.score for value in stream.values(points)])
    return [scores[where] for where in back]
