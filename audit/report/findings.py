"""What a report shows first: the lines of each check, worst first, and the one that decides each criterion.

No judgement is made here: verdicts come from the record and are only put in order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from audit.record import CheckPart, Record
from audit.report import leading, view
from audit.types import (
    VERDICT_ORDER,
    Exhibit,
    Forest,
    Hypothesis,
    JudgedCriterion,
    Measurement,
    Metric,
    TokenMap,
    Verdict,
    Worse,
)

PRINTED_LINES = 60
"""Measurements and hypotheses printed per check; the others stand in the attached record."""

LISTED = 5
"""Groups named on each side of the null value where a sentence tells of several."""

READINGS = 5
"""Measurements per check that are put into plain words."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One measurement, one elementary hypothesis, or both, as the report prints it."""

    metric: Metric
    measurement: Measurement | None
    decimals: int
    criterion: JudgedCriterion | None = None
    hypothesis: Hypothesis | None = None

    @property
    def verdict(self) -> Verdict | None:
        """The verdict on this line; None where it is not judged."""
        return self.hypothesis.verdict if self.hypothesis else None

    @property
    def value(self) -> str:
        """The value with its unit."""
        m = self.measurement
        return view.number(m.value, m.unit, self.decimals) if m else view.NOT_MEASURED

    @property
    def interval(self) -> str:
        """The interval alone."""
        return view.interval(self.measurement, self.decimals) if self.measurement else ""

    @property
    def estimate(self) -> str:
        """The value with its interval."""
        return view.estimate(self.measurement, self.decimals) if self.measurement else view.NOT_MEASURED

    @property
    def reading(self) -> str:
        """The line in plain words, without a full stop; "" where nothing was measured."""
        return view.reading(self.metric, self.measurement, self.decimals) if self.measurement else ""

    @property
    def bound(self) -> str:
        """The bound in words; "" where the line is not judged."""
        if self.criterion is None or self.hypothesis is None:
            return ""
        return view.bound(self.criterion.relation, self.hypothesis.bound, self.metric.unit, self.metric.worse)

    @property
    def accepts(self) -> str:
        """The bound as it follows the reading: said with its side where the reading names the other one.

        "0.16 lower …; the policy accepts at most 0.03" would read as if 0.16 were held against 0.03.
        """
        one_sided = self.metric.worse is Worse.HIGHER and "{more}" in self.metric.reading
        if not (one_sided and self.bound and self.measurement and self.measurement.value < (self.metric.null or 0.0)):
            return self.bound
        return f"{self.bound} higher"

    @property
    def labels(self) -> tuple[str, str, str]:
        """Group, reference and stratum."""
        source = self.hypothesis or self.measurement
        return (source.group, source.reference, source.stratum) if source else ("", "", "")

    @property
    def beyond(self) -> float:
        """How far the value lies beyond its bound (negative: within); 0 where there is none."""
        if self.measurement is None or self.criterion is None or self.hypothesis is None:
            return 0.0
        if self.criterion.relation == "at_least":
            return self.hypothesis.bound - self.measurement.value
        away = self.metric.worse is Worse.AWAY
        value = self.measurement.value - (self.metric.null or 0.0 if away else 0.0)
        return (abs(value) if away else value) - self.hypothesis.bound

    def rank(self) -> tuple[int, bool, float]:
        """Sort key: worst verdict first, unjudged last; the criterion's own metric; the farthest beyond its bound."""
        order = len(VERDICT_ORDER) if self.verdict is None else VERDICT_ORDER.index(self.verdict)
        companion = self.criterion is not None and self.criterion.metric != self.metric.name
        return order, companion, -self.beyond


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What the lines of a table are compared with: said once over the table, where most lines share it.

    A reference that is a mean over many groups is long, and repeated in every line it fills pages.
    """

    usual: str
    """Empty where no reference is that of most lines; then each line says its own."""
    everywhere: bool
    """Whether no line has another."""

    @classmethod
    def of(cls, lines: Sequence[Line]) -> Reference:
        """Return the reference of most lines."""
        counted = Counter(line.labels[1] for line in lines).most_common(1)
        usual, number = counted[0] if counted else ("", 0)
        return cls(usual=usual if 2 * number > len(lines) else "", everywhere=number == len(lines))


@dataclass(frozen=True, kw_only=True)
class CriterionView:
    """A judged criterion with its lines, worst first."""

    criterion: JudgedCriterion
    metric: Metric
    lines: tuple[Line, ...]
    bounds: tuple[tuple[str, str], ...]
    """Title of each metric that the criterion binds, and its bound in words."""

    @property
    def own(self) -> int:
        """How many lines are of the criterion's own metric; the others are bound along with it."""
        return sum(line.metric.name == self.metric.name for line in self.lines) or len(self.lines)

    @property
    def deciding(self) -> Line | None:
        """The line that a summary names: the worst, of the criterion's own metric where that came out so too."""
        own = [line for line in self.lines if line.metric.name == self.metric.name]
        as_judged = [line for line in own if line.verdict == self.criterion.verdict]
        return next(iter(as_judged or self.lines), None)

    @cached_property
    def sentences(self) -> tuple[str, ...]:
        """The criterion in plain words, without full stops: several groups at once where the metric can say so."""
        own = [
            (line, line.measurement)
            for line in self.lines
            if line.metric.name == self.metric.name and line.verdict == self.criterion.verdict and line.measurement
        ]
        if not self.metric.listing or self.criterion.verdict != Verdict.NOT_MET or len(own) < 2:
            return (self.deciding.reading,) if self.deciding and self.deciding.measurement else ()
        (reference, _), *_ = Counter(m.reference for _, m in own).most_common(1)
        out = []
        for above in (True, False):
            side = [x for x in own if (x[1].value >= (self.metric.null or 0.0)) is above]
            named = [x for x in side if x[1].reference == reference][:LISTED]
            if named:
                shown = [m for _, m in named]
                out.append(view.listing(self.metric, shown, named[0][0].decimals, len(side) - len(named)))
        return tuple(out)

    @property
    def lists_groups(self) -> bool:
        """Whether the sentences name several groups each."""
        return bool(self.sentences) and self.deciding is not None and self.sentences[0] != self.deciding.reading

    @property
    def accepted(self) -> str:
        """The bound of the criterion's own metric, in words."""
        return self.bounds[0][1]

    @property
    def reference(self) -> Reference:
        """What its lines are compared with."""
        return Reference.of(self.lines[:PRINTED_LINES])

    def number_with(self, verdict: Verdict) -> int:
        """Return how many of its hypotheses came out so."""
        return sum(line.verdict == verdict for line in self.lines)


@dataclass(frozen=True, kw_only=True)
class MetricTable:
    """All printed measurements of one metric of a check."""

    metric: Metric
    lines: tuple[Line, ...]

    @property
    def reference(self) -> Reference:
        """What its lines are compared with."""
        return Reference.of(self.lines)


@dataclass(frozen=True, kw_only=True)
class Lead:
    """The line that stands for a check where there is room for one."""

    line: Line
    chosen: str = ""
    """Of how many numbers it is the largest (``leading``); "" where a verdict or the lack of others picks it."""

    @property
    def told(self) -> str:
        """The line in plain words, without a full stop; a number chosen for its size says so."""
        m = self.line.measurement
        if not self.chosen or m is None:
            return self.line.reading
        caveat = "" if m.exact else f", and {leading.CAVEAT}"
        return f"{self.line.reading}; this is the {self.chosen} such numbers{caveat}"


@dataclass(frozen=True, kw_only=True)
class CheckView:
    """A check as the report tells it."""

    part: CheckPart
    position: int
    """From 1, in the order of the policy; also its anchor in the document."""

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """The check's metrics by name, in the unit they were measured in.

        A metric of the score declares no unit of its own: a classifier's is a probability, a likelihood's
        nats.
        """
        units = {m.metric: m.unit for m in self.part.measurements}
        return {m.name: replace(m, unit=units.get(m.name, m.unit)) for m in self.part.metrics}

    @cached_property
    def criteria(self) -> tuple[CriterionView, ...]:
        """The criteria in the order of the policy."""
        return tuple(self._criterion(criterion) for criterion in self.part.criteria)

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """One line per measurement, with the worst hypothesis it decided, worst first."""
        worst: dict[int, Line] = {}
        for line in sorted((line for c in self.criteria for line in c.lines), key=Line.rank):
            if line.hypothesis is not None and line.measurement is not None:
                worst.setdefault(line.hypothesis.measurement, line)
        every = (worst.get(i) or self._line(m.metric, m) for i, m in enumerate(self.part.measurements))
        return tuple(sorted(every, key=Line.rank))

    @cached_property
    def tables(self) -> tuple[MetricTable, ...]:
        """The printed lines by metric; metrics in the order in which the check declares them."""
        printed = self.lines[:PRINTED_LINES]
        tables = (
            MetricTable(metric=metric, lines=tuple(line for line in printed if line.metric == metric))
            for metric in self.metrics.values()
        )
        return tuple(table for table in tables if table.lines)

    @property
    def reference(self) -> Reference:
        """What its printed lines are compared with."""
        return Reference.of(self.lines[:PRINTED_LINES])

    @property
    def unprinted(self) -> int:
        """How many measurements stand in the record only."""
        return max(len(self.lines) - PRINTED_LINES, 0)

    @cached_property
    def lead(self) -> Lead | None:
        """The worst line, or the one that ``leading`` chooses where none is judged; None where nothing was measured."""
        if not self.lines or self.lines[0].hypothesis is not None:
            return Lead(line=self.lines[0]) if self.lines else None
        # Nothing is judged, so the lines stand in the order in which the check measured them.
        index, how = leading.chosen(self.part.measurements)
        return Lead(line=self.lines[index], chosen=how)

    @cached_property
    def readings(self) -> tuple[Line, ...]:
        """The lines put into plain words: the worst ones; where none is judged the one that leads, then the first."""
        if self.lead is None:
            return ()
        return (self.lead.line, *(line for line in self.lines if line is not self.lead.line))[:READINGS]

    @property
    def headlines(self) -> tuple[str, ...]:
        """What a summary tells of the check, in sentences: how each criterion came out, else the line that leads."""
        decided = tuple(
            f"{sentence}; the policy accepts {c.deciding.accepts if len(c.sentences) == 1 else c.accepted}"
            for c in self.criteria
            if c.deciding
            for sentence in c.sentences
        )
        return decided or (() if self.lead is None else (self.lead.told,))

    @cached_property
    def exhibits(self) -> tuple[Exhibit, ...]:
        """The exhibits; a forest named after a metric gets the bounds of the criteria on that metric.

        Checks know no criteria, so they cannot draw them in.
        """
        return tuple(
            replace(shown, bounds=tuple(self._bounds.get(shown.id, ())))
            if isinstance(shown, Forest) and not shown.bounds
            else shown
            for shown in self.part.exhibits
        )

    @property
    def explains(self) -> bool:
        """Whether the check speaks about explanations of single outputs."""
        maps = any(isinstance(exhibit, TokenMap) for exhibit in self.part.exhibits)
        return maps or "attribution" in self.part.check or "gradients" in self.part.access

    @property
    def failed_validity(self) -> int:
        """How many validity checks did not pass, those that could not be run among them."""
        return sum(check.passed is not True for check in self.part.validity_checks)

    def decimals(self, metric: str) -> int:
        """Return the decimals that every number of one metric is printed with."""
        return self._decimals[metric]

    @cached_property
    def _bounds(self) -> Mapping[str, list[float]]:
        """Where the bounds of each metric lie on its axis: on both sides where both are bad."""
        bounds: dict[str, list[float]] = {}
        for criterion in self.part.criteria:
            for name, bound in criterion.bounds.items():
                null = self.metrics[name].null or 0.0
                away = self.metrics[name].worse is Worse.AWAY and criterion.relation == "at_most"
                bounds.setdefault(name, []).extend((null - bound, null + bound) if away else (bound,))
        return bounds

    @cached_property
    def _decimals(self) -> Mapping[str, int]:
        return {
            name: view.common_decimals(
                metric.unit,
                [(m.value, m.low, m.high) for m in self.part.measurements if m.metric == name],
                self._bounds.get(name, ()),
            )
            for name, metric in self.metrics.items()
        }

    def _line(
        self, name: str, m: Measurement | None, c: JudgedCriterion | None = None, h: Hypothesis | None = None
    ) -> Line:
        return Line(
            metric=self.metrics[name],
            measurement=m,
            decimals=self.decimals(name),
            criterion=c,
            hypothesis=h,
        )

    def _criterion(self, criterion: JudgedCriterion) -> CriterionView:
        measured = dict(enumerate(self.part.measurements))
        lines = [self._line(h.metric, measured.get(h.measurement), criterion, h) for h in criterion.hypotheses]
        bound_metrics = [(self.metrics[name], bound) for name, bound in criterion.bounds.items()]
        return CriterionView(
            criterion=criterion,
            metric=self.metrics[criterion.metric],
            lines=tuple(sorted(lines, key=Line.rank)),
            bounds=tuple((m.title, view.bound(criterion.relation, b, m.unit, m.worse)) for m, b in bound_metrics),
        )


def checks(record: Record) -> tuple[CheckView, ...]:
    """Return the checks of a record in the order of its policy."""
    return tuple(CheckView(part=part, position=i) for i, part in enumerate(record.checks, start=1))


def tally(views: Iterable[CheckView]) -> Mapping[Verdict | None, int]:
    """Return how many checks came out in each way, worst first, unjudged last."""
    found = Counter(check.part.verdict for check in views)
    return {verdict: found[verdict] for verdict in (*VERDICT_ORDER, None) if found[verdict]}


def counted(views: Sequence[CheckView]) -> str:
    """Return ``6 checks: 1 threshold not met, 1 inconclusive, …`` for summaries in a line."""
    each = ", ".join(f"{n} {view.VERDICT_WORDS[verdict]}" for verdict, n in tally(views).items())
    return f"{len(views)} {'check' if len(views) == 1 else 'checks'}: {each}."


def deciding(views: Iterable[CheckView], verdict: Verdict) -> tuple[tuple[CheckView, CriterionView], ...]:
    """Return the criteria that came out as ``verdict`` and have a line to show for it."""
    return tuple(
        (check, criterion)
        for check in views
        for criterion in check.criteria
        if criterion.criterion.verdict == verdict and criterion.deciding and criterion.deciding.measurement
    )


def by_method(views: Sequence[CheckView]) -> tuple[tuple[CheckView, ...], ...]:
    """Return the checks grouped by type and version: each group is documented once."""
    groups: dict[tuple[str, str], list[CheckView]] = {}
    for check in views:
        groups.setdefault((check.part.check, check.part.version), []).append(check)
    return tuple(tuple(group) for group in groups.values())
