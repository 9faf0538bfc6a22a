"""What of a record needs somebody's attention: the alerts that SARIF and GitLab show beside a policy's lines.

A group that is shown to lie beyond its bound is an alert of its own, so that a reviewer sees which group
is new. What was not decided or not measured is one alert per criterion: its groups have nothing to show
yet. Thresholds met, and checks that are not judged, are none; as alerts they would be noise.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from audit.record import Record
from audit.report import findings, plain, view
from audit.report.findings import CheckView, CriterionView, Line
from audit.types import VERDICT_ORDER, JudgedCriterion, Place, Verdict


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One thing to look at, at its line of the policy."""

    check: CheckView
    verdict: Verdict
    place: Place
    text: str
    """One line: what came out, against what was accepted."""
    stops: bool
    """Whether the run stops a pipeline because of it."""
    fingerprint: str
    """Stays the same while policy, check, metric and group do, wherever in the file they stand (SHA-256)."""
    criterion: JudgedCriterion | None = None
    line: Line | None = None
    """The measurement to show; None where there is none."""
    comparison: bool = False
    """Whether it is about that one comparison, not about its criterion as a whole."""


def alerts(record: Record) -> tuple[Alert, ...]:
    """Return what needs attention, worst verdict first, within it in the order of the policy."""
    found = [alert for check in findings.checks(record) for alert in _of_check(check, record)]
    found.sort(key=lambda alert: VERDICT_ORDER.index(alert.verdict))
    return tuple(found)


def model_label(record: Record) -> str:
    """Return the model's name; of a folder without where it lies on this machine, which differs between runs."""
    name = record.model.name
    short = PurePosixPath(name.replace("\\", "/")).name if record.model.kind == "folder" else name
    return plain.line(short or name, 200)


def policy_path(place: Place) -> str:
    """Return the path of a place with forward slashes, without ``./`` and detours."""
    return posixpath.normpath(place.path.replace("\\", "/"))


def _of_check(check: CheckView, record: Record) -> Iterator[Alert]:
    part = check.part
    if part.verdict in {None, Verdict.MET}:
        return
    assert part.verdict is not None
    open_criteria = [c for c in check.criteria if c.criterion.verdict is not Verdict.MET]
    if not open_criteria:
        words = view.sentence(f"{part.title}: {view.VERDICT_WORDS[part.verdict]}")
        yield Alert(
            check=check,
            verdict=part.verdict,
            place=part.place,
            text=plain.line(f"{words} {view.sentence(part.reason)}"),
            stops=part.verdict in record.run.fail_on,
            fingerprint=_fingerprint(record, part.id),
        )
    seen: Counter[str] = Counter()
    for criterion in open_criteria:
        for line in _lines(criterion):
            comparison = line is not None
            labels = line.labels if line else ("", "", "")
            metric = line.metric.name if line else criterion.metric.name
            key = _fingerprint(record, part.id, metric, criterion.criterion.relation, *labels)
            seen[key] += 1
            yield Alert(
                check=check,
                verdict=criterion.criterion.verdict,
                place=criterion.criterion.place,
                text=_text(check, criterion, line),
                stops=criterion.criterion.verdict in record.run.fail_on,
                # Two criteria may bound the same metric in the same way; readers drop what has no name of its own.
                fingerprint=key if seen[key] == 1 else _fingerprint(record, key, str(seen[key])),
                criterion=criterion.criterion,
                line=line or criterion.deciding,
                comparison=comparison,
            )


def _lines(criterion: CriterionView) -> tuple[Line | None, ...]:
    """Return the comparisons that each make an alert; None stands for the criterion as a whole."""
    if criterion.criterion.verdict is not Verdict.NOT_MET:
        return (None,)
    beyond = tuple(line for line in criterion.lines if line.verdict is Verdict.NOT_MET and line.measurement)
    return beyond or (None,)


def _text(check: CheckView, criterion: CriterionView, line: Line | None) -> str:
    words = view.sentence(f"{check.part.title}: {view.VERDICT_WORDS[criterion.criterion.verdict]}")
    if line is not None:
        told = f"{line.reading}; the policy accepts {line.accepts}"
        return plain.line(f"{words} {view.sentence(told)}")
    told = "; ".join((*criterion.sentences, f"the policy accepts {criterion.accepted}"))
    return plain.line(f"{words} {view.sentence(criterion.criterion.reason)} {view.sentence(told)}")


def _fingerprint(record: Record, *parts: str) -> str:
    names = [plain.line(each) for each in (record.policy.id, model_label(record), *parts)]
    return hashlib.sha256(json.dumps(names).encode("ascii")).hexdigest()
