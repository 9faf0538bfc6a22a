"""Whether the factors that would be printed carry this very decision, and the conditions under which they are printed.

Comprehensiveness is what the decision loses without them, sufficiency what it loses with nothing but them (DeYoung et
al. 2020, ERASER). Neither means anything alone, so random sets of as many fields or words stand beside them, and what
is gained by taking out everything.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from audit.explaining.frame import Frame
from audit.explaining.pieces import Part
from audit.explanation import BaselinePart, CheckPart, Piece, SetPart
from audit.requests import baseline_name
from audit.shapes import Floats


@dataclass(frozen=True, kw_only=True)
class Sets:
    """Sets of fields or words to take out, and to keep: the factors first, then random ones of the same size."""

    size: int
    possible: int
    out: tuple[tuple[int, ...], ...]
    kept: tuple[tuple[int, ...], ...]
    """For each set, the tokens of everything else."""

    @property
    def positions(self) -> tuple[tuple[int, ...], ...]:
        """Return what to ask for: the text itself, everything, then each set taken out, then each one kept."""
        everything = tuple(sorted({*self.out[0], *self.kept[0]}))
        return ((), everything, *self.out, *self.kept)


def sets(factors: Sequence[int], parts: Sequence[Part], frame: Frame) -> Sets:
    """Return the sets that are compared; ``factors`` are places in ``parts``.

    All sets of the same size where they are few, random ones otherwise; never the factors themselves.
    """
    own = frozenset(factors)
    usable = [i for i, part in enumerate(parts) if part.positions]
    possible = math.comb(len(usable), len(own)) - 1
    chosen: list[frozenset[int]] = [own]
    if possible <= frame.rules.most_sets:
        chosen += [found for found in map(frozenset, itertools.combinations(usable, len(own))) if found != own]
    else:
        rng = np.random.default_rng(frame.rules.seed)
        while len(chosen) <= frame.rules.most_sets:
            drawn = frozenset(rng.choice(usable, size=len(own), replace=False).tolist())
            if drawn not in chosen:
                chosen.append(drawn)
    return Sets(
        size=len(own),
        possible=possible,
        out=tuple(_tokens(parts, those) for those in chosen),
        kept=tuple(_tokens(parts, set(usable) - those) for those in chosen),
    )


def _tokens(parts: Sequence[Part], those: Sequence[int] | set[int] | frozenset[int]) -> tuple[int, ...]:
    return tuple(sorted({position for i in those for position in parts[i].positions}))


def together(
    asked: Sets, answers: Mapping[str, Floats], side: float, agreement: float | None, margin: float
) -> SetPart:
    """Return what the factors do together; ``answers`` are log-odds by baseline input, in the order of ``positions``.

    Random sets are compared under the first baseline input.
    """
    losses = {name: side * (values[0] - values) for name, values in answers.items()}
    n = len(asked.out)
    first = next(iter(losses.values()))
    out, kept = first[2 : 2 + n], first[2 + n :]
    whole = float(first[1])
    others = n - 1
    return SetPart(
        size=asked.size,
        effect={name: float(x[2]) for name, x in losses.items()},
        kept={name: float(x[2 + n]) for name, x in losses.items()},
        whole={name: float(x[1]) for name, x in losses.items()},
        sets=others,
        possible=asked.possible,
        random_effect=float(out[1:].mean()) if others else None,
        random_kept=float(kept[1:].mean()) if others else None,
        exceeding=int((out[1:] > out[0] + margin).sum()),
        share=float(out[0]) / whole if abs(whole) > margin else None,
        agreement=agreement,
    )


def checks(
    baselines: Sequence[BaselinePart],
    refused: Sequence[str],
    reasons: Sequence[Piece],
    found: SetPart | None,
    frame: Frame,
) -> tuple[CheckPart, ...]:
    """Return the conditions under which reasons may be printed, each with what was found."""
    out = [_converged(baselines, frame), _two(baselines, refused), _any(reasons, frame)]
    if found is not None:
        out += [_comprehensive(found, frame), _sufficient(found), _share(found, frame), _agreement(found)]
    return tuple(out)


def _converged(baselines: Sequence[BaselinePart], frame: Frame) -> CheckPart:
    found = ", ".join(
        f"{abs(b.completeness_delta):.1%} from {baseline_name(b.name)} in {b.n_steps} steps" for b in baselines
    )
    return CheckPart(
        name="completeness",
        title="The attribution adds up",
        passed=all(b.converged for b in baselines),
        found=f"off by {found} of the score difference" if found else "there is none",
        needed=f"within {frame.rules.tolerance:.1%} in at most {frame.rules.max_steps} steps",
    )


def _two(baselines: Sequence[BaselinePart], refused: Sequence[str]) -> CheckPart:
    why = f"; {refused[0]}" if refused and len(baselines) < 2 else ""
    return CheckPart(
        name="two_baselines",
        title="Two baseline inputs",
        passed=len(baselines) == 2,
        found=f"{' and '.join(baseline_name(b.name) for b in baselines) or 'none'}{why}",
        needed="two, because the baseline input shapes the answer",
    )


def _any(reasons: Sequence[Piece], frame: Frame) -> CheckPart:
    kinds = "legitimate factors" if frame.template == "credit_decision" else "factors"
    return CheckPart(
        name="confirmed",
        title="Factors confirmed by taking them out",
        passed=bool(reasons),
        found=f"{len(reasons)} {kinds} that speak for the decision beyond the margins",
        needed="at least one",
    )


def _comprehensive(found: SetPart, frame: Frame) -> CheckPart:
    share = found.exceeding / found.sets if found.sets else 0.0
    compared = f"{found.exceeding} of {found.sets} other sets lose more" if found.sets else "there is no other set"
    return CheckPart(
        name="comprehensiveness",
        title="Without them the decision loses more than without others",
        passed=share <= frame.rules.exceeding and min(found.effect.values()) > 0,
        found=f"{_number(min(found.effect.values()))} log-odds lost; {compared}",
        needed=f"at most {frame.rules.exceeding:.0%} of sets of as many that lose more, beyond the margin",
    )


def _sufficient(found: SetPart) -> CheckPart:
    kept = next(iter(found.kept.values()))
    return CheckPart(
        name="sufficiency",
        title="With them alone the decision loses less than with others alone",
        passed=None if found.random_kept is None else kept < found.random_kept,
        found=f"{_number(kept)} log-odds lost"
        + ("" if found.random_kept is None else f", {_number(found.random_kept)} with other sets on average"),
        needed="less than with other sets of as many on average",
    )


def _share(found: SetPart, frame: Frame) -> CheckPart:
    return CheckPart(
        name="share",
        title="They carry the score",
        passed=None if found.share is None else found.share >= frame.rules.least_share,
        found="the score with everything taken out is the same, within the margin"
        if found.share is None
        else f"{found.share:.0%} of what is lost when everything is taken out",
        needed=f"at least {frame.rules.least_share:.0%}",
    )


def _agreement(found: SetPart) -> CheckPart:
    return CheckPart(
        name="agreement",
        title="Both baseline inputs rank alike",
        passed=None if found.agreement is None else found.agreement > 0,
        found="too few fields or words to rank"
        if found.agreement is None
        else f"rank correlation {_number(found.agreement)}",
        needed="above 0",
    )


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
