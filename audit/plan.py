"""What an audit would cost and what it could show, before anything is spent.

The first round of requests is counted exactly; what checks ask later is bounded by what each declares. The
power lines say what the numbers of rows and clusters allow at best: a plan whose zero events leave 10 %
possible cannot meet a bound of 5 %.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audit.registry import LaterRounds
from audit.types import ALPHA, Binomial, PlannedCheck, Policy


@dataclass(frozen=True, kw_only=True)
class FirstRound:
    """What the first round asks, counted by the capture stage."""

    texts_asked: int
    unique_texts: int
    stored_texts: int
    passes: int
    tokens: int
    longest: int
    states_bytes: int


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Speeds measured in earlier runs of the same model on the same kind of device; None where unknown."""

    tokens_per_second: float | None = None
    attributed_texts_per_second: float | None = None


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a plan."""

    title: str
    value: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A plan, ready to print."""

    first: tuple[Line, ...]
    later: tuple[Line, ...]
    power: tuple[Line, ...]


def plan(
    policy: Policy, first: FirstRound, later: Mapping[str, LaterRounds], rates: Rates, *, weights_bytes: int
) -> Plan:
    """Put a plan together."""
    return Plan(
        first=_first(first, rates, weights_bytes),
        later=tuple(line for check in policy.checks for line in _later(check, later[check.id], rates)),
        power=tuple(line for check in policy.checks for line in _power(check, policy)),
    )


def _first(first: FirstRound, rates: Rates, weights_bytes: int) -> tuple[Line, ...]:
    new = first.unique_texts - first.stored_texts
    seconds = None
    if rates.tokens_per_second and first.unique_texts:
        seconds = first.tokens / rates.tokens_per_second * new / first.unique_texts
    return (
        Line(title="texts asked for", value=f"{first.texts_asked:,}", note="by all checks, before merging"),
        Line(
            title="different texts",
            value=f"{first.unique_texts:,}",
            note=f"{first.stored_texts:,} of them are stored already",
        ),
        Line(title="passes", value=f"{first.passes:,}", note="batches over the model"),
        Line(title="tokens", value=f"{first.tokens:,}", note=f"the longest text has {first.longest:,}"),
        Line(title="stored states", value=_bytes(first.states_bytes), note="on disk"),
        Line(title="memory", value=_bytes(weights_bytes), note="for the weights; batches and statistics come on top"),
        Line(
            title="time",
            value="unknown" if seconds is None else f"about {seconds:,.0f} s",
            note="no earlier run of this model was timed here" if seconds is None else "at the speed of earlier runs",
        ),
    )


def _later(check: PlannedCheck, later: LaterRounds, rates: Rates) -> list[Line]:
    counts = ((later.scored_texts, "scored"), (later.state_texts, "read for states"))
    out = [Line(title=check.id, value=f"at most {n:,} texts {what}", note="bound") for n, what in counts if n]
    if later.attributed_texts:
        seconds = ""
        if rates.attributed_texts_per_second:
            seconds = f", about {later.attributed_texts / rates.attributed_texts_per_second:,.0f} s"
        out.append(
            Line(title=check.id, value=f"at most {later.attributed_texts:,} texts attributed{seconds}", note="bound")
        )
    return out


def _power(check: PlannedCheck, policy: Policy) -> list[Line]:
    from audit.laws import interval

    data = policy.datasets[check.data]
    clusters = min(len(set(column)) for column in data.cluster_labels())
    if not check.criteria:
        return []
    _, high = interval(Binomial(successes=0, trials=clusters), 1 - 2 * ALPHA)
    note = f"{len(data.rows):,} rows in {clusters:,} clusters"
    possible = f"no event at all would leave a rate of {100 * high:.1f} % possible"
    lines = [Line(title=check.id, value=possible, note=note)]
    half_width = _half_width(clusters)
    for criterion in check.criteria:
        bound = criterion.bounds[criterion.metric]
        lines.append(
            Line(
                title=check.id,
                value=f"{criterion.metric} within {bound:g} can be shown while clusters scatter by at most "
                f"{abs(bound) / half_width:.3g} (standard deviation)",
                note="if the true value is zero",
            )
        )
    return lines


def _half_width(clusters: int) -> float:
    """Half the width of a 95 % interval for a mean over clusters, in standard deviations of a cluster."""
    from scipy.special import stdtrit

    half: float = float(stdtrit(max(clusters - 1, 1), 1 - ALPHA)) / clusters**0.5
    return half


def _bytes(count: int) -> str:
    size, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):  # noqa: B007 - the unit that the loop stops at is the answer
        if size < 1000:
            break
        size /= 1000
    return f"{size:,.0f} {unit}" if size >= 10 or unit == "B" else f"{size:,.1f} {unit}"


def widest(lines: Sequence[Line]) -> int:
    """Return the width of the first column."""
    return max((len(line.title) for line in lines), default=0)
