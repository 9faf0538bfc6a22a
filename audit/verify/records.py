"""Whether a record is whole, written as it is written, and says nothing that contradicts itself.

A record that agrees with itself can still be made up from beginning to end; that is said, too.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from audit import laws, verdict
from audit.attestation import Statement
from audit.capture.identity import Identity
from audit.record import CheckPart, Record
from audit.types import (
    CONFIDENCE,
    Criterion,
    Finding,
    Guards,
    Hazard,
    JudgedCheck,
    NotAssessed,
    Place,
    PlannedCheck,
    Verdict,
)
from audit.verify import texts
from audit.verify.differing import Difference, differences
from audit.verify.given import Given
from audit.verify.saying import asserted, attested, broken, counted, listed

_MARK = "\ufeff"


def check(given: Given) -> Iterator[Statement]:
    """Say what the record shows by itself."""
    record = given.record
    yield asserted(
        "the record",
        f"says that it was begun {record.created} by inspectoscope {record.tool.version}; what it says of date, "
        "machine, cost and other runs is its own word, and whether it is the record that was issued only a signature "
        "or a history can tell",
    )
    yield from _form(given)
    yield from texts.check(given)
    yield from _digests(record)
    yield from _intervals(record)
    yield from _verdicts(record)


def _form(given: Given) -> Iterator[Statement]:
    """Compare the bytes with those that this very content is written as, whatever version wrote it."""
    text = json.dumps(json.loads(given.raw), indent=1, ensure_ascii=False) + "\n"
    text = re.sub("[\ud800-\udfff]", lambda found: f"⟨U+{ord(found.group()):04X}⟩", text)
    if text.encode("utf-8") == given.raw:
        digest = hashlib.sha256(given.raw).hexdigest()
        yield attested("the record's form", f"{given.name} is written as records are; its SHA-256 is {digest}")
    else:
        yield broken(
            "the record's form",
            f"{given.name} holds a record, but not in the bytes that inspectoscope writes: it was changed by "
            "hand or by another program",
        )


def _digest_of(about: str, source: str, sha256: str) -> Statement:
    """Say whether a text in the record has the digest that the record gives for it."""
    texts = (source, _MARK + source)
    if sha256 in {hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() for text in texts}:
        return attested(about, f"has the digest that the record gives for it ({sha256})")
    return broken(about, f"is not the text with the digest {sha256}: one of the two was changed after the run")


def _digests(record: Record) -> Iterator[Statement]:
    policy = record.policy
    yield _digest_of("the policy in the record", policy.source, policy.sha256)
    for base in policy.bases:
        yield _digest_of(f"{base.name}, which the policy extends, in the record", base.source, base.sha256)
    model = record.model
    try:
        root = Identity(files=model.files).digest
    except ValueError:
        root = "no digest, because one of a file is not hexadecimal"
    if root != model.digest:
        yield broken("the model's digest", f"does not follow from those of its files: {root} instead of {model.digest}")
    elif record.evidence is not None and record.evidence.context.get("model") != model.digest:
        yield broken("the evidence", "is of another model than the record")
    else:
        yield attested(
            "the model's digest", f"follows from those of its {counted(len(model.files), 'file')} ({model.digest})"
        )


def _intervals(record: Record) -> Iterator[Statement]:
    """See that every interval is the one of the law that stands beside it."""
    wrong, seen = [], 0
    for part in record.checks:
        for i, m in enumerate(part.measurements):
            if m.law is None:
                continue
            seen += 1
            interval = list(laws.interval(m.law, m.confidence or CONFIDENCE))
            at = f"checks.{part.id}.measurements.{i} ({m.metric}{' ' + m.group if m.group else ''})"
            found = [d for d in differences([m.low, m.high], interval, at) if not d.rounding]
            wrong += found
    if wrong:
        yield broken("the intervals", f"do not follow from the laws beside them: {listed(map(str, wrong))}")
    elif seen:
        yield attested("the intervals", f"all {seen:,} follow from the laws that the record gives for them")


# ---- verdicts ------------------------------------------------------------------------------------


def _verdicts(record: Record) -> Iterator[Statement]:
    """Judge the record's own numbers again, by the rules of this version."""
    try:
        wrong = list(_judged_otherwise(record))
    except (KeyError, ValueError, IndexError) as error:
        yield broken("the verdicts", f"cannot be reached from what the record holds ({type(error).__name__}: {error})")
        return
    if wrong:
        yield broken(
            "the verdicts", f"do not follow from the numbers in the record: {listed(str(each) for each in wrong)}"
        )
    else:
        yield attested(
            "the verdicts", "follow from the numbers and the bounds in the record, and the exit code from them"
        )


def _judged_otherwise(record: Record) -> Iterator[Difference]:
    checks = [_planned(part) for part in record.checks]
    hazards = [
        Hazard(id=r.id, text=r.text, checks=r.checks, place=r.place or checks[0].place) for r in record.requirements
    ]
    metrics = {part.id: {m.name: m for m in part.metrics} for part in record.checks}
    findings = {part.id: _finding(part) for part in record.checks}
    judged, requirements = verdict.judge(findings, checks, hazards, metrics)
    for part in record.checks:
        now = judged[part.id]
        yield from _unlike(_name(part.verdict), _name(now.verdict), f"checks.{part.id}.verdict")
        for i, pair in enumerate(zip(part.criteria, now.criteria, strict=True)):
            then, again = (_told(criterion) for criterion in pair)
            yield from _unlike(then, again, f"checks.{part.id}.criteria.{i} ({part.criteria[i].metric})")
    then_met = {r.id: r.verdict.value for r in record.requirements}
    yield from _unlike(then_met, {r.id: r.verdict.value for r in requirements}, "requirements")
    yield from _unlike(record.run.exit_code, _exit_code(record, judged), "run.exit_code")


def _exit_code(record: Record, judged: Mapping[str, JudgedCheck]) -> int:
    """Return the exit code that follows; how many things got worse is the record's own word."""
    stops = [v for v in record.run.fail_on if v in {each.value for each in Verdict}]
    if len(stops) < len(record.run.fail_on) and record.run.regressions:
        return 1
    return verdict.exit_code(verdict.counting(judged, record.policy.waivers), [Verdict(v) for v in stops])


def _unlike(then: Any, now: Any, at: str) -> Iterator[Difference]:
    return (each for each in differences(then, now, at) if not each.rounding)


def _name(judged: Verdict | None) -> str | None:
    return None if judged is None else judged.value


def _told(criterion: Any) -> dict[str, Any]:
    """Return what is judged of a criterion; rows that a new run would need are advice, not judgement."""
    keep = ("group", "reference", "stratum", "metric", "bound", "measurement", "p_bad", "p_bad_adjusted", "p_good")
    return {
        "verdict": criterion.verdict.value,
        "hypotheses": [
            {**{name: asdict(h)[name] for name in keep}, "verdict": h.verdict.value} for h in criterion.hypotheses
        ],
    }


def _planned(part: CheckPart) -> PlannedCheck:
    criteria = tuple(
        Criterion(
            metric=c.metric,
            relation=c.relation,
            bounds=c.bounds,
            rationale=c.rationale,
            set_by=c.set_by,
            approved_by=c.approved_by,
            place=c.place,
        )
        for c in part.criteria
    )
    return PlannedCheck(
        id=part.id,
        check=part.check,
        title=part.title,
        data=part.data,
        params=None,
        criteria=criteria,
        seed=part.seed,
        place=Place(path=part.place.path, line=part.place.line, column=part.place.column),
    )


def _finding(part: CheckPart) -> Finding | NotAssessed:
    gate = any(v.guards is Guards.MEASUREMENT and v.passed is False for v in part.validity_checks)
    if not part.measurements and not gate:
        return NotAssessed(reason=part.reason, validity=part.validity_checks)
    return Finding(measurements=part.measurements, validity=part.validity_checks, leaves_open=part.leaves_open)
