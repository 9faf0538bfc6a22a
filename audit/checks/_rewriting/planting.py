"""Where an effect of known size would show in the texts of a check: what recipes for planting share.

A dose is a shift of the score between two versions of the same case, so it has a size only for metrics that
average such shifts. How many decisions a shift turns depends on how close to the threshold the cases lie, and a
bound on that says nothing of how much to plant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from audit.checks import _stats
from audit.checks._rewriting import swapping
from audit.checks._rewriting.swapping import Comparison, Swap
from audit.types import CannotPlant, Dataset, Plant, PlantedCase

GAPS = frozenset({"score_gap", "absolute_gap"})
"""Metrics that a shift of the score by the bound brings to the bound."""


def of_scores(metric: str) -> None:
    """Refuse a metric that is no mean of score shifts.

    Raises
    ------
    CannotPlant
        With the reason.
    """
    if metric not in GAPS:
        raise CannotPlant(f"a shift of scores by a bound on {metric} is no dose of it; score_gap has one")


def distinct(cases: Iterable[tuple[tuple[str, ...], tuple[str, ...]]]) -> tuple[PlantedCase, ...]:
    """Return cases of (texts, references), each once."""
    return tuple(PlantedCase(texts=texts, references=references) for texts, references in dict.fromkeys(cases))


def of_swaps(swaps: Mapping[str, Swap], strata: Sequence[str], data: Dataset, metric: str, group: str | None) -> Plant:
    """Return the cases of one comparison of a swap; every other text of the check stays as it is.

    Unless ``group`` says which, it is the comparison with the fewest clusters, then the fewest cases: an
    instrument that finds the dose there has the easier ones too.

    Raises
    ------
    CannotPlant
        When the metric has no dose, or no case of ``group`` is in the rows.
    """
    of_scores(metric)
    every = [c for swap in swaps.values() for c in swapping.comparisons(swap, strata, data)]
    possible = [c for c in every if group is None or c.group == group]
    if not possible:
        raise CannotPlant(f"the rows hold no case of {group or 'any value'}")
    chosen = min(possible, key=_size)
    return Plant(
        group=chosen.group,
        reference=chosen.reference,
        cases=distinct(((case.text,), case.references) for case in chosen.cases),
        kept=_kept(every, data),
        together=_together(swaps, data),
    )


def _size(comparison: Comparison) -> tuple[int, int]:
    return _stats.cluster_count(comparison.clusters), len(comparison.cases)


def _kept(comparisons: Sequence[Comparison], data: Dataset) -> tuple[str, ...]:
    versions = (text for c in comparisons for case in c.cases for text in (case.text, *case.references))
    return tuple(dict.fromkeys((*versions, *(row.text for row in data.rows))))


def _together(swaps: Mapping[str, Swap], data: Dataset) -> tuple[tuple[str, ...], ...]:
    """Return labels of rows that are versions of one case, and those of the clusters that do not carry the swap."""
    carriers = {swap.from_ for swap in swaps.values()}
    columns = [tuple(_case_of(row.fields, swap, data) for row in data.rows) for swap in swaps.values()]
    columns += [
        labels for name, labels in zip(data.cluster, data.cluster_labels(), strict=False) if name not in carriers
    ]
    return tuple(columns)


def _case_of(fields: Mapping[str, str], swap: Swap, data: Dataset) -> str:
    """Return what is the same in all versions of a row: what it is matched by, or all of its text but the swap."""
    if swap.matched_by is not None:
        return "\N{INFORMATION SEPARATOR ONE}".join(fields[name] for name in swap.matched_by)
    return data.template.render({**fields, swap.from_: ""})[0]
