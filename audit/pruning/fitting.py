"""Fitting a cut on the fitting half: the concept is which side of the swap a text stands on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from audit import erasure
from audit.checks._rewriting.swapping import Comparison
from audit.erasure import AffineMap
from audit.errors import user_error
from audit.progress import Progress
from audit.pruning import baking, held_out, sites
from audit.pruning.baking import HeadCut, PartsCut
from audit.pruning.outcome import Cut
from audit.shapes import Floats, Ints
from audit.types import Part

if TYPE_CHECKING:
    from audit.capture.model import LoadedModel

Linear: TypeAlias = Literal["repaired", "leace", "mean_shift"]
LINEAR: tuple[Linear, ...] = ("repaired", "leace", "mean_shift")


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """A cut, what is said of it, and what matched random ones are drawn by."""

    cut: HeadCut | PartsCut
    said: Cut
    states: Floats | None
    """What the head reads of the fitted texts; None for a cut of parts."""
    texts: tuple[str, ...]

    def random(self, loaded: LoadedModel, rng: np.random.Generator, progress: Progress) -> HeadCut | PartsCut | None:
        """Return a matched cut that knows nothing of the behaviour; None where the model has no other parts."""
        if isinstance(self.cut, HeadCut):
            assert self.states is not None
            return HeadCut(
                map=erasure.random_like(self.cut.map, self.states, rng, constant=bool(self.said.constant)),
            )
        drawn = baking.random_parts(loaded, self.cut.parts, rng)
        if drawn is None:
            return None
        return baking.part_means(loaded, drawn, self.texts, progress)


def linear(
    loaded: LoadedModel,
    kind: Linear,
    cases: list[Comparison],
    unit: Ints,
    rng: np.random.Generator,
    progress: Progress,
) -> Fitted:
    """Fit a map of what the head reads. ``unit`` is the independent unit of every row that cases point to.

    The map leaves the mean of the reference side where it is, wherever a bias can hold a constant: the policy says by
    its reference what the others are compared with, and so where they are brought to.

    Raises
    ------
    UserError
        When the head cannot be cut, or the two sides do not differ in what it reads.
    """
    own = [(case, number) for number, c in enumerate(cases, 1) for case in c.cases]
    texts = list(dict.fromkeys(t for case, _ in own for t in (case.text, *case.references)))
    site = sites.find(loaded, (own[0][0].text, own[0][0].references[0]))
    of = dict(zip(texts, sites.states(loaded, site, texts, progress), strict=True))
    targets = {case.text: np.mean([of[t] for t in case.references], axis=0) for case, _ in own}
    references = {text: targets[case.text] for case, _ in own for text in case.references}
    numbers = {case.text: number for case, number in own}
    read = np.stack([of[t] for t in (*numbers, *references)])
    wanted = np.stack([*(targets[t] for t in numbers), *references.values()])
    classes = np.array([*numbers.values(), *(0 for _ in references)])
    rows = {case.text: case.row for case, _ in own} | {t: case.row for case, _ in own for t in case.references}
    units = [int(unit[rows[t]]) for t in (*numbers, *references)]
    try:
        erase = erasure.mean_shift if kind == "mean_shift" else erasure.leace
        cut = erase(read, classes, constant=site.holds_constant)
    except ValueError as error:
        raise user_error(
            "There is nothing to cut in what the head reads",
            where=site.name,
            found=str(error),
            expected="sides that differ there: a gap has to reach the outputs through it",
        ) from error
    if site.holds_constant:
        cut = erasure.anchored(cut, read[classes == 0].mean(axis=0))
    if kind == "repaired":
        cut = erasure.repaired(
            cut,
            read,
            wanted,
            held_out.folds(units, rng),
            reads=sites.reads(site),
            constant=site.holds_constant,
        )
    return Fitted(cut=HeadCut(map=cut), said=_said(kind, site, cut, read), states=read, texts=tuple(texts))


def _said(kind: Linear, site: sites.Site, cut: AffineMap, read: Floats) -> Cut:
    spread = float(np.sqrt(np.square(read - read.mean(axis=0)).sum(axis=1).mean()))
    return Cut(
        kind=kind,
        site=site.name,
        rank=cut.rank,
        ridge=cut.ridge,
        constant=site.holds_constant,
        moved=cut.distance(read) / spread,
    )


def of_parts(loaded: LoadedModel, parts: tuple[Part, ...], cases: list[Comparison], progress: Progress) -> Fitted:
    """Return the cut of some parts, which is fitted only in what they write on average."""
    texts = [t for c in cases for case in c.cases for t in (case.text, *case.references)]
    cut = baking.part_means(loaded, parts, texts, progress)
    said = Cut(kind="parts", parts=tuple(part.name for part in parts), constant=baking.keeps_means(loaded, parts))
    return Fitted(cut=cut, said=said, states=None, texts=tuple(texts))
