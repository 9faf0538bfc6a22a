"""Attributions from several baseline inputs and by two kinds of method, and how far they agree.

One attribution is one opinion. The baseline input shapes it (Sturmfels, Lundberg & Lee 2020) and so does the kind of
method, so whoever asks here gets several, and a number for how much they differ (Krishna et al. 2022, The
disagreement problem in explainable machine learning).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from audit.checks import _stats
from audit.requests import Attributions, CannotAnswer, Contrast, Method, TokenAttribution, baseline_name
from audit.shapes import Bools, Floats
from audit.types import Guards, Measurement, ParamProblem, ValidityCheck

LEAST_CONVERGED = 0.9
"""Share of texts whose attributions must add up; the others are left out, and a sample without them is another."""


@dataclass(frozen=True, kw_only=True)
class Explained:
    """What is attributed, and how exactly."""

    texts: tuple[str, ...]
    contrast: Contrast
    tolerance: float
    max_steps: int

    def request(self, method: Method, baseline_input: str) -> Attributions:
        """Return the request for all of it by one method from one baseline input."""
        return Attributions(
            texts=self.texts,
            contrast=self.contrast,
            method=method,
            baseline_input=baseline_input,
            tolerance=self.tolerance,
            max_steps=self.max_steps,
        )


@dataclass(frozen=True, kw_only=True)
class Attributed:
    """Attributions of some texts by one method from one baseline input."""

    method: Method
    baseline_input: str
    answers: tuple[TokenAttribution, ...]

    @property
    def label(self) -> str:
        """Method and baseline input, as the report names them."""
        return f"{self.method.replace('_', ' ')} from {baseline_name(self.baseline_input)}"

    @property
    def converged(self) -> list[int]:
        """Which texts converged; no others are used."""
        return [i for i, answer in enumerate(self.answers) if answer.converged]


Tolerance = Annotated[
    float, Field(description="Completeness delta allowed, relative to the score difference.", gt=0, le=0.2)
]
MaxSteps = Annotated[int, Field(description="Steps after which a text counts as not converged.", ge=17, le=8192)]


def same_baselines(named: Sequence[str] | None) -> list[ParamProblem]:
    """Return the problem of two baseline inputs that a policy names and that are one."""
    if named is None or named[0] != named[1]:
        return []
    return [
        ParamProblem(
            at=("baseline_inputs", 1),
            found=f"{named[1]!r} a second time",
            expected="two different baseline inputs: they are compared with each other",
        )
    ]


Asking = Generator[Any, Any, Attributed]


def attributed(method: Method, baseline_input: str, explained: Explained) -> Asking:
    """Ask for one attribution of every text.

    Raises
    ------
    CannotAnswer
        When the model has no such baseline input.
    """
    answers = yield explained.request(method, baseline_input)
    return Attributed(method=method, baseline_input=baseline_input, answers=answers)


def from_two_baselines(
    candidates: Sequence[str],
    explained: Explained,
    *,
    method: Method = "integrated_gradients",
    alike: Sequence[str] = (),
) -> Generator[Any, Any, tuple[list[Attributed], list[str]]]:
    """Attribute by one method from the first two baseline inputs that this model can use.

    Of those that are ``alike`` one is taken: two that say the same would agree and tell nothing. Returned beside the
    attributions is why others were refused.
    """
    out: list[Attributed] = []
    refused: list[str] = []
    for baseline_input in candidates:
        if len(out) == 2:
            break
        if baseline_input in alike and any(a.baseline_input in alike for a in out):
            continue
        try:
            out.append((yield from attributed(method, baseline_input, explained)))
        except CannotAnswer as reason:
            refused.append(str(reason))
    return out, refused


# ---- agreement -----------------------------------------------------------------------------------


def agreement(
    a: Attributed, b: Attributed, counts: Sequence[Bools], clusters: tuple[Sequence[str], ...]
) -> _stats.Estimate | None:
    """Return the mean rank correlation of absolute attributions over the texts that both explain.

    ``counts`` says for each text which tokens are ranked. Two tokens or fewer have no ranking to speak of; None
    where no text has more.
    """
    rows = [i for i in sorted({*a.converged} & {*b.converged}) if int(counts[i].sum()) > 2]
    if not rows:
        return None
    values = [spearman(*(np.abs(some.answers[i].values[counts[i]]) for some in (a, b))) for i in rows]
    return _stats.clustered_mean(np.array(values), _stats.chosen(clusters, rows), reach=2.0, support=(-1.0, 1.0))


def spearman(a: Floats, b: Floats) -> float:
    """Rank correlation; a constant ranking agrees with nothing, so it counts as 0."""
    from scipy.stats import rankdata

    x, y = rankdata(a), rankdata(b)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])


# ---- validity ------------------------------------------------------------------------------------


def completeness_check(gradients: Sequence[Attributed]) -> ValidityCheck:
    """Return the check that the attributions of enough texts add up to the difference of their scores."""
    shares = [len(g.converged) / len(g.answers) for g in gradients]
    return ValidityCheck(
        name="completeness",
        title="Attributions add up to the score difference",
        guards=Guards.BOTH,
        passed=min(shares) >= LEAST_CONVERGED,
        found=", ".join(
            f"{s:.0%} of texts from {baseline_name(g.baseline_input)}" for s, g in zip(shares, gradients, strict=True)
        ),
        needed=f"at least {LEAST_CONVERGED:.0%} within the tolerance; the others are left out",
    )


def two_baselines_check(gradients: Sequence[Attributed], refused: Sequence[str]) -> ValidityCheck:
    """Return the check that there was a second baseline input at all."""
    return ValidityCheck(
        name="two_baselines",
        title="Two baseline inputs",
        guards=Guards.BOTH,
        passed=len(gradients) == 2,
        found=f"{len(gradients)} could be used" + (f"; refused: {'; '.join(refused)}" if refused else ""),
        needed="two, because the baseline input shapes the answer",
    )


def above_zero_check(name: str, title: str, measured: Measurement | None, what: str) -> ValidityCheck:
    """Return the check that a mean is shown to be above zero, which is what chance alone would give.

    No more is asked: how well two rankings should agree is nowhere settled, and the number is printed.
    """
    found, passed = "it could not be measured", None
    if measured is not None:
        assert measured.low is not None, "an estimate has an interval"
        found, passed = f"{measured.value:.2f} [{measured.low:.2f}, {measured.high:.2f}]", measured.low > 0
    return ValidityCheck(
        name=name,
        title=title,
        guards=Guards.BOTH,
        passed=passed,
        found=found,
        needed=f"{what} above 0, the whole interval",
    )
