"""What must hold before a probe's numbers may count, worded once for every check."""

from __future__ import annotations

from audit.checks._probing.task import Task
from audit.checks._stats.clustering import cluster_count
from audit.types import Guards, ValidityCheck


def whole_clusters(task: Task, *, named: bool) -> ValidityCheck:
    """Return the check that no cluster stands on both sides of a fold; ``named`` where the data say what rows share."""
    crossing = task.folds.crossing
    return ValidityCheck(
        name="whole_clusters",
        title="Clusters never stand on both sides of a fold",
        guards=Guards.FALSE_ALARM,
        passed=named and not crossing,
        found="the data name no cluster"
        if not named
        else "two cluster columns are crossed, and only the first is kept whole"
        if crossing
        else f"{cluster_count(task.clusters)} clusters",
        needed="a cluster column: rows about one thing share what gives them away",
    )
