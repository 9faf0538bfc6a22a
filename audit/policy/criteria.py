"""Turns the entries under a check's ``criteria`` into bounds that ``verdict`` can judge."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from audit.policy.document import KeyPath
from audit.policy.problems import nearest, one_of, shortened
from audit.policy.reading import Reading
from audit.policy.schema import CriterionEntry, PersonEntry
from audit.policy.validation import validated
from audit.registry import CheckType
from audit.types import Criterion, Metric, Person


def criteria(
    path: KeyPath, listed: list[Any], check_type: CheckType | None, params: BaseModel | None, reading: Reading
) -> tuple[Criterion, ...]:
    """Return the criteria that are right; the problems say what is wrong with the others.

    What needs the check type is left unsaid where the type is unknown, and what needs its parameters
    where these are wrong.
    """
    out: list[Criterion] = []
    for index, value in enumerate(listed):
        at = (*path, index)
        entry = validated(CriterionEntry, value, at=at, problems=reading.problems)
        if entry is None:
            continue
        relation = _relation(at, entry, reading)
        metric = _metric(at, entry.metric, check_type, params, reading) if check_type else None
        if metric is None or relation is None:
            continue
        bound = entry.at_most if relation == "at_most" else entry.at_least
        assert bound is not None
        assert check_type is not None
        judgeable = frozenset(metric.judged_with) if params is None else check_type.judgeable(params)
        if any(other.metric == metric.name and other.relation == relation for other in out):
            reading.problems.at(
                at, found=f"a second `{relation}` for {metric.name}", expected="one bound each way for a metric"
            )
        out.append(
            Criterion(
                metric=metric.name,
                relation=relation,
                bounds={metric.name: bound, **_further(at, entry, metric, bound, judgeable, reading)},
                rationale=entry.rationale,
                set_by=person(entry.set_by),
                approved_by=person(entry.approved_by),
                place=reading.document.place_of(at),
            )
        )
    return tuple(out)


def person(entry: PersonEntry) -> Person:
    """Return a person as the record keeps them."""
    return Person(name=entry.name, function=entry.function, on=entry.on)


def _relation(path: KeyPath, entry: CriterionEntry, reading: Reading) -> Literal["at_most", "at_least"] | None:
    if (entry.at_most is None) == (entry.at_least is None):
        both = entry.at_most is not None
        reading.problems.at(
            path,
            found="both `at_most` and `at_least`" if both else "a criterion without a bound",
            expected="one of at_most, at_least",
            do="write two criteria" if both else "",
        )
        return None
    return "at_most" if entry.at_most is not None else "at_least"


def _metric(
    path: KeyPath, name: str, check_type: CheckType, params: BaseModel | None, reading: Reading
) -> Metric | None:
    """Return the metric of a criterion if it may be judged under the check's parameters."""
    names = [metric.name for metric in check_type.metrics]
    at = (*path, "metric")
    if name not in names:
        reading.problems.at(
            at,
            found=f"the metric `{shortened(name)}`, which {check_type.name} does not have",
            expected=one_of([metric.name for metric in check_type.metrics if not metric.descriptive]),
            do=nearest(name, names),
        )
        return None
    metric = check_type.metric(name)
    if params is None:
        return metric
    judgeable = [known for known in names if known in check_type.judgeable(params)]
    if name not in judgeable:
        why = "a descriptive metric" if metric.descriptive else "which may not be judged under these parameters"
        reading.problems.at(
            at,
            found=f"a criterion on `{name}`, {why}" + (f": {metric.why_descriptive}" if metric.why_descriptive else ""),
            expected=one_of(judgeable)
            if judgeable
            else f"no criterion: these parameters let {check_type.name} judge nothing",
            do="judge behaviour, and leave this metric to be read beside it" if metric.descriptive else "",
        )
        return None
    return metric


def _further(
    path: KeyPath, entry: CriterionEntry, metric: Metric, bound: float, judgeable: frozenset[str], reading: Reading
) -> dict[str, float]:
    """Return the bounds of the metrics judged together with this one; the main bound where none is given.

    Only metrics that these parameters let be measured are bound: without declared strata there is no gap in
    a stratum that a criterion could miss.
    """
    together = tuple(name for name in metric.judged_with if name in judgeable)
    for name in entry.also:
        if name not in together:
            reading.problems.at(
                (*path, "also", name),
                key=True,
                found=f"the metric `{shortened(name)}`, which is not judged with {metric.name} here",
                expected=one_of(together) if together else "nothing: no other metric is judged with this one",
                do=nearest(name, together),
            )
    return {name: entry.also.get(name, bound) for name in together}
