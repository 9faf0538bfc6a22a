"""The statistics that checks share: each verb turns rows into an estimate that knows its own error.

Nothing here judges. Every estimate carries a law (``audit.laws``) from which any bound can be tested
later; none has an interval of zero width, whatever the data: where nothing varied, clusters bound what could
have been missed. Rows that share a name, a template or a person are clusters (``clustering``).

What nearly every check uses can be had from here; ``bounded``, ``precision_recall`` and ``reliability`` are for a few.
"""

from audit.checks._stats.clustering import Labels, chosen, cluster_count, enough_clusters
from audit.checks._stats.estimates import Estimate, exact_value, limits, measure
from audit.checks._stats.means import (
    clustered_mean,
    clustered_proportion,
    mantel_haenszel,
    overlap,
    proportion_ratio,
    stratified_difference,
    stratified_mean_difference,
)
from audit.checks._stats.permutations import block_permutations, draws_needed, permutation_p
from audit.checks._stats.roc import auroc, clustered_auroc, clustered_auroc_difference

__all__ = [
    "Estimate",
    "Labels",
    "auroc",
    "block_permutations",
    "chosen",
    "cluster_count",
    "clustered_auroc",
    "clustered_auroc_difference",
    "clustered_mean",
    "clustered_proportion",
    "draws_needed",
    "enough_clusters",
    "exact_value",
    "limits",
    "mantel_haenszel",
    "measure",
    "overlap",
    "permutation_p",
    "proportion_ratio",
    "stratified_difference",
    "stratified_mean_difference",
]
