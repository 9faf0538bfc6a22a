"""Writes ``bom.cdx.json``: a CycloneDX 1.6 bill of materials of the model, with its card and declarations.

The model card holds what was measured, with intervals, and what limits it. The declarations map each
criterion of the policy (a requirement) to a claim about the model and to the record as evidence. A criterion that
is met is claimed, one that is not met is counter-claimed, any other is neither. No conformance is scored:
a score would be an overall grade, which an audit does not give.

Every ``bom-ref`` is made of positions, never of names, so that no name can take the place of another.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from audit.record import Record
from audit.report import findings, page, plain, view
from audit.report.findings import CheckView, CriterionView
from audit.types import DataCard, Measurement, Metric, Verdict

MODEL = "model"
RECORD = "evidence-record"

_CLAIMED = {Verdict.MET: "claims", Verdict.NOT_MET: "counterClaims"}


def render(record: Record) -> bytes:
    """Return ``bom.cdx.json``."""
    checks = findings.checks(record)
    digest = page.identity(record).digest
    criteria = [
        (f"check-{check.position}-criterion-{i}", check, criterion)
        for check in checks
        for i, criterion in enumerate(check.criteria, start=1)
    ]
    return plain.document(
        {
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            # Made of the record's digest: the same record is the same document.
            "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'urn:sha256:{digest}')}",
            "version": 1,
            "metadata": {
                "timestamp": view.w3c(record.created),
                "tools": {"components": [_tool(record)]},
                "component": _model(record, checks),
            },
            **_declarations(record, criteria, digest),
        }
    )


def _tool(record: Record) -> dict[str, Any]:
    return {"type": "application", "name": "Inspectoscope", "version": plain.line(record.tool.version, 100)}


def _properties(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": plain.line(f"inspectoscope:{name}"), "value": plain.line(value)} for name, value in values.items()]


# ---- the model and its card ----------------------------------------------------------------------


def _model(record: Record, checks: tuple[CheckView, ...]) -> dict[str, Any]:
    model = record.model
    files = [
        {
            "type": "file",
            "bom-ref": f"file-{i}",
            "name": plain.line(name),
            "hashes": [{"alg": "SHA-256", "content": digest}],
        }
        for i, (name, digest) in enumerate(model.files.items(), start=1)
    ]
    return {
        "type": "machine-learning-model",
        "bom-ref": MODEL,
        "name": plain.line(model.name),
        **({"version": plain.line(model.revision, 1_024)} if model.revision else {}),
        "modelCard": _card(record, checks),
        # The root digest is of the files' digests, not of bytes anybody holds, so it is no component hash.
        "properties": _properties(
            {
                "model:digest": model.digest,
                "model:kind": model.kind,
                "model:dtype": model.dtype,
                **{f"architecture:{name}": str(value) for name, value in model.architecture.items()},
            }
        ),
        **({"components": files} if model.kind != "loaded" and files else {}),
    }


def _card(record: Record, checks: tuple[CheckView, ...]) -> dict[str, Any]:
    model = record.model
    family = model.architecture.get("model_type")
    limits = dict.fromkeys(plain.line(limit) for limit in (*record.limits, *(t for c in checks for t in c.part.limits)))
    assessments = [
        assessment for each in record.requirements if (assessment := _fairness(each.text, each.checks, checks))
    ]
    considerations = {
        "useCases": [plain.line(record.policy.purpose)] if record.policy.purpose.strip() else [],
        "technicalLimitations": list(limits),
        "fairnessAssessments": assessments,
    }
    return {
        "modelParameters": {
            "task": model.task,
            **({"architectureFamily": plain.line(str(family))} if family else {}),
            "datasets": [_dataset(card, i) for i, card in enumerate(record.data, start=1)],
            "inputs": [{"format": "text"}],
            "outputs": [{"format": plain.line(label)} for label in model.labels] or [{"format": "text"}],
        },
        "quantitativeAnalysis": {"performanceMetrics": [m for check in checks for m in _metrics(check)]},
        "considerations": {name: value for name, value in considerations.items() if value},
    }


def _dataset(card: DataCard, i: int) -> dict[str, Any]:
    """Return a data set that the model was audited with; what it was trained on is not known here."""
    told = {"description": plain.line(card.description)} if card.description else {}
    facts = {
        "role": "audit",
        "source": card.source,
        "sha256": card.sha256,
        "origin": card.origin,
        "licence": card.licence or view.NOT_SUPPLIED,
        "rows_read": str(card.rows_read),
        "rows_used": str(card.rows_used),
    }
    return {
        "type": "dataset",
        "bom-ref": f"data-{i}",
        "name": plain.line(card.name),
        **told,
        "contents": {"properties": _properties(facts)},
    }


def _metrics(check: CheckView) -> Iterator[dict[str, Any]]:
    for m in check.part.measurements:
        bounds = (
            {}
            if m.low is None or m.high is None
            else {"confidenceInterval": {"lowerBound": repr(m.low), "upperBound": repr(m.high)}}
        )
        yield {"type": _type(check, check.metrics[m.metric], m), "value": repr(m.value), "slice": _slice(m), **bounds}


def _type(check: CheckView, metric: Metric, m: Measurement) -> str:
    return plain.line(f"{check.part.id}: {metric.title}" + (f" ({m.unit})" if m.unit else ""))


def _slice(m: Measurement) -> str:
    parts = {"group": m.group, "reference": m.reference, "stratum": m.stratum}
    told = "; ".join(f"{name}: {plain.line(text)}" for name, text in parts.items() if text)
    return f"{told or 'all rows'}; n: {m.n}"


def _fairness(text: str, ids: tuple[str, ...], checks: tuple[CheckView, ...]) -> dict[str, str]:
    """Return who was shown to be at risk of a hazard; nothing where nobody was."""
    groups = dict.fromkeys(
        plain.line(line.labels[0])
        for check in checks
        if check.part.id in ids
        for criterion in check.criteria
        for line in criterion.lines
        if line.verdict is Verdict.NOT_MET and line.labels[0]
    )
    return {"groupAtRisk": plain.line(", ".join(groups)), "harms": plain.line(text)} if groups else {}


# ---- what is declared ----------------------------------------------------------------------------


def _declarations(
    record: Record, criteria: list[tuple[str, CheckView, CriterionView]], digest: str
) -> dict[str, dict[str, Any]]:
    policy = {
        "bom-ref": "policy",
        "name": plain.line(record.policy.title),
        "version": plain.line(record.policy.version, 1_024),
        "description": plain.line(f"Policy {record.policy.id}, SHA-256 {record.policy.sha256}"),
        "requirements": [_requirement(ref, check, criterion) for ref, check, criterion in criteria],
    }
    evidence = {
        "bom-ref": RECORD,
        "description": f"record.json with every number of the audit, SHA-256 {digest}",
        "created": view.w3c(record.created),
    }
    attestation = {
        "summary": findings.counted(findings.checks(record)),
        "map": [_mapped(ref, criterion) for ref, _, criterion in criteria],
    }
    claims = [_claim(ref, check, criterion) for ref, check, criterion in criteria if _kind(criterion)]
    return {
        "declarations": {"attestations": [attestation], "claims": claims, "evidence": [evidence]},
        "definitions": {"standards": [policy]},
    }


def _kind(criterion: CriterionView) -> str:
    return _CLAIMED.get(criterion.criterion.verdict, "")


def _requirement(ref: str, check: CheckView, criterion: CriterionView) -> dict[str, Any]:
    judged = criterion.criterion
    bounds = "; ".join(f"{title} {bound}" for title, bound in criterion.bounds)
    return {
        "bom-ref": ref,
        "identifier": plain.line(f"{check.part.id}/{judged.metric}/{judged.relation}"),
        "title": plain.line(f"{check.part.title}: {bounds}"),
        "text": plain.line(judged.rationale),
        "properties": _properties({"policy:line": f"{judged.place.path}:{judged.place.line}"}),
    }


def _mapped(ref: str, criterion: CriterionView) -> dict[str, Any]:
    kind = _kind(criterion)
    judged = criterion.criterion
    told = f"{view.VERDICT_WORDS[judged.verdict]}. {judged.reason}"
    return {
        "requirement": ref,
        **({kind: [f"{ref}-claim"]} if kind else {}),
        "conformance": {"rationale": plain.line(told)},
    }


def _claim(ref: str, check: CheckView, criterion: CriterionView) -> dict[str, Any]:
    told = "; ".join((*criterion.sentences, f"the policy accepts {criterion.accepted}"))
    words = view.VERDICT_WORDS[criterion.criterion.verdict]
    return {
        "bom-ref": f"{ref}-claim",
        "target": MODEL,
        "predicate": plain.line(f"{check.part.title}: {words}. {view.sentence(told)}"),
        "reasoning": plain.line(criterion.criterion.reason),
        "evidence": [RECORD],
    }
