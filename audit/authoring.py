"""What a check of your own needs, in one place: ``docs/tutorial.md`` builds one with it.

Names that begin with an underscore elsewhere may change; those here are kept, or their change is announced.
"""

from audit.checks._competence import closed, gate
from audit.checks._stats import clustered_mean, clustered_proportion, enough_clusters
from audit.checks._stats.estimates import measure
from audit.checks._toy import DECISION, PLACE, Toy, applicants, credit
from audit.registry import Example, LaterRounds, asks_once, judges
from audit.requests import CheckRun, Scores, States, Tokenised
from audit.types import (
    Column,
    Criterion,
    Dataset,
    Decision,
    Finding,
    Forest,
    Guards,
    Interval,
    Measurement,
    Metric,
    NotAssessed,
    ParamProblem,
    Person,
    Sample,
    Table,
    ValidityCheck,
    Verdict,
    Worse,
)

__all__ = [
    "DECISION",
    "PLACE",
    "CheckRun",
    "Column",
    "Criterion",
    "Dataset",
    "Decision",
    "Example",
    "Finding",
    "Forest",
    "Guards",
    "Interval",
    "LaterRounds",
    "Measurement",
    "Metric",
    "NotAssessed",
    "ParamProblem",
    "Person",
    "Sample",
    "Scores",
    "States",
    "Table",
    "Tokenised",
    "Toy",
    "ValidityCheck",
    "Verdict",
    "Worse",
    "applicants",
    "asks_once",
    "closed",
    "clustered_mean",
    "clustered_proportion",
    "credit",
    "enough_clusters",
    "gate",
    "judges",
    "measure",
]
