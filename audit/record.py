"""The record: every number of an audit, in one versioned JSON document.

The record is the product. Each report is a pure function of it, so it can be made again years later
with no model, no GPU and no data. Pydantic stands here because this is a boundary: records are read
back from disk, and a reader deserves a located message when one is damaged.

Two runs of the same audit give the same record outside ``cost``, ``runs``, ``texts`` and ``history``.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from audit.errors import Problem, UserError
from audit.types import (
    Box,
    ClauseStatus,
    CoverageKind,
    DataCard,
    Decision,
    DirectionUnit,
    Exhibit,
    ExtendedPolicy,
    Freeze,
    IntendedList,
    JudgedCriterion,
    JudgedRequirement,
    KnownRun,
    Measurement,
    Metric,
    Person,
    Place,
    Relation,
    Sample,
    SeenIn,
    Statement,
    ValidityCheck,
    Verdict,
    Waiver,
)

SCHEMA_VERSION = "1.0"
SCHEMA_FILE = Path(__file__).with_name("record.schema.json")
"""The schema as it ships, for whoever reads records with other tools."""

MAX_BYTES = 256 << 20
"""Of a record, or a report with a record in it; what is larger was not written by this program."""

_TITLE = "The record cannot be read"


class _Part(BaseModel):
    # The docstring under an attribute is its description in the schema, also in the dataclasses of the core.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class Tool(_Part):
    """The program that wrote the record."""

    name: Literal["inspectoscope"] = "inspectoscope"
    version: str


class PolicyPart(_Part):
    """The policy, whole: the criteria can be read in it exactly as they stood before the run."""

    id: str
    version: str
    title: str
    purpose: str
    path: str
    sha256: str = Field(description="Of the policy file's bytes.")
    source: str = Field(description="The policy file's text.")
    overrides: Mapping[str, str] = Field(description="Values given with --set, by key.")
    files: Mapping[str, str] = Field(description="Other files the policy read → SHA-256.")
    bases: tuple[ExtendedPolicy, ...] = Field(
        default=(), description="The policies that it extends, the nearest first, each with its text."
    )
    authors: tuple[Person, ...] = ()
    waivers: tuple[Waiver, ...] = Field(
        default=(), description="What somebody lives with for a while. None changes a verdict."
    )


class ModelPart(_Part):
    """The audited model, identified by the digest of every file that shapes its answers."""

    name: str = Field(description="Path or hub id as given, or the class of a loaded model.")
    revision: str | None = None
    kind: Literal["folder", "hub", "loaded"]
    task: Literal["sequence-classification", "causal-lm"]
    architecture: Mapping[str, str | int | float | bool] = Field(description="Facts read from the configuration.")
    labels: tuple[str, ...] = ()
    files: Mapping[str, str] = Field(description="File (or tensor group) → SHA-256.")
    digest: str = Field(description="SHA-256 over the files' digests in name order (OpenSSF model-signing manifest).")
    dtype: str
    device: str
    attention: str = Field(description="Attention implementation.")
    decision: Decision
    remote_code: bool = Field(description="Whether code from the model folder was allowed to run.")
    pickle: bool = Field(description="Whether weights were read from a format that can run code.")
    self_test: str = Field(
        description="The batch-equals-single self-test: what was compared and how far apart it came out."
    )


class DirectionPart(_Part):
    """A direction in activation space that a check found or was given; its vector is stored apart, on request."""

    layer: int = Field(description="0 enters the first block, k leaves block k.")
    position: str
    estimator: str = Field(description="mean_difference, logistic, or `stated` where its file does not say.")
    positive: str = Field(description="What it points toward.")
    negative: str
    unit: DirectionUnit
    made_by: str = Field(description="Program and version, or whoever is stated to have made it.")
    rows: int | None = Field(default=None, description="Rows it was found on.")
    clusters: int | None = None
    width: int
    length: float = Field(description="Of the vector as it is in its file.")
    digest: str = Field(description="SHA-256 of the vector's bytes, little-endian float32.")
    read_from: str = Field(
        default="", description="File it was read from, as the policy names it; empty if found here."
    )
    file: str = Field(default="", description="Name under which `run --directions` stores it; empty if read from one.")


class CheckPart(_Part):
    """One check: what was asked, what was measured, and what was made of it."""

    id: str
    check: str
    version: str = Field(description="Version of the check's method; verdicts of different versions do not compare.")
    title: str
    place: Place
    data: str = Field(description="Name of the data set in the policy.")
    params: Mapping[str, Any] = Field(description="The check's parameters, defaults filled in.")
    seed: int = Field(description="Of this check's own stream of random numbers.")
    verdict: Verdict | None = Field(description="Null for a check that measures without being judged.")
    reason: str = Field(description="Why the verdict is what it is, in a sentence.")
    detail: str = Field(default="", description="For whoever mends a check that could not be measured.")
    access: tuple[Literal["outputs", "activations", "gradients"], ...] = Field(
        default=(), description="What of the model the check read; empty where that was not noted."
    )
    metrics: tuple[Metric, ...] = Field(description="What each measured name means.")
    method: Mapping[str, str] = Field(description="The sections of the check's documentation, by heading.")
    boxes: tuple[Box, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    criteria: tuple[JudgedCriterion, ...] = ()
    validity_checks: tuple[ValidityCheck, ...] = ()
    exhibits: tuple[Exhibit, ...] = ()
    samples: tuple[Sample, ...] = ()
    limits: tuple[str, ...] = ()
    leaves_open: str = Field(
        default="", description="What it leaves open about its hazard even where every bound is kept."
    )
    directions: tuple[DirectionPart, ...] = ()

    @model_validator(mode="after")
    def _points_at_measurements(self) -> Self:
        """A verdict whose number is not there must not be printed without it."""
        pointed_at = (h.measurement for criterion in self.criteria for h in criterion.hypotheses)
        if outside := [i for i in pointed_at if not 0 <= i < len(self.measurements)]:
            raise ValueError(f"a criterion rests on measurement {outside[0]} of {len(self.measurements)}")
        return self


class ClausePart(_Part):
    """A clause, and the checks of this audit that bear on it."""

    id: str
    name: str = Field(description="As the regulation counts it.")
    gist: str = Field(description="What it asks for, in own words.")
    status: ClauseStatus
    applies_from: str = Field(description="ISO date; empty where none is known.")
    seen: SeenIn = Field(description="Whether it was read in the text or in what others say of it.")
    source: str
    note: str
    relations: Mapping[str, Relation] = Field(description="Check id → how its result bears on the clause.")


class ItemPart(_Part):
    """An item of a documentation that a regulation asks for."""

    id: str
    name: str
    gist: str
    by: Literal["audit", "part", "provider"]
    here: str = Field(description="What this report holds towards it; empty where it holds nothing.")
    checks: tuple[str, ...] = Field(description="Ids of the checks of this audit whose results are meant.")
    needs_checks: bool = Field(description="Whether it takes a result, not the report alone, to hold something.")


class DocumentationPart(_Part):
    """A documentation that a regulation asks for, item by item."""

    name: str
    intro: str
    items: tuple[ItemPart, ...]


class ReachPart(_Part):
    """What a result of a check supports, and what it does not show."""

    supports: str = Field(description="Completes the sentence: this result supports …")
    does_not_show: str = Field(description="Completes the sentence: it does not show …")


class RegulationPart(_Part):
    """A law, code, standard or framework as it was read on a stated day."""

    id: str
    title: str
    jurisdiction: str
    kind: Literal["law", "code", "standard", "framework"]
    version: str
    checked_on: str = Field(description="Date on which the table was last compared with its sources.")
    note: str
    sha256: str = Field(description="Of the table.")
    clauses: tuple[ClausePart, ...]
    documentation: DocumentationPart | None = None


class ProviderPart(_Part):
    """What the provider states of the system; the audit verified nothing of it."""

    path: str = Field(description="The file of facts, as it was named.")
    sha256: str = Field(description="Of the file's bytes.")
    statements: Mapping[str, Statement] = Field(description="Id of a fact → what is stated; the others were not.")
    coverage: Mapping[CoverageKind, IntendedList] = Field(
        default_factory=dict, description="What the system is meant for, and the data that stand for it."
    )


class RunPart(_Part):
    """How the run was asked for."""

    seed: int
    fail_on: tuple[str, ...] = Field(description="Verdicts that stop a pipeline; `regression`: what got worse.")
    exit_code: int = Field(
        description="0 nothing to stop for, 1 a criterion not met or a regression, 3 inconclusive or not assessed."
    )
    baseline: str | None = Field(default=None, description="SHA-256 of the record that the run was compared with.")
    regressions: int | None = Field(
        default=None, description="How many things got worse than in the baseline; null without one."
    )
    executor: str
    number: int = Field(
        description="How many times this policy id was run on this model, as far as the local store knows."
    )


class WithheldText(_Part):
    """A text that is no longer there."""

    commitment: str = Field(description="SHA-256 over the text's salt and the text.")
    because: str


class TextsPart(_Part):
    """Commitments to the texts that the record quotes from rows: they can be withheld and all the rest still shown."""

    digest: str = Field(description="SHA-256 over the record with commitments in place of the texts it quotes.")
    salts: Mapping[str, str] = Field(
        default_factory=dict, description="Where a quoted text stands → 32 random bytes, hexadecimal."
    )
    withheld: Mapping[str, WithheldText] = Field(default_factory=dict, description="Where a quoted text stood.")


class RunsPart(_Part):
    """All runs under the policy's id that are known where this one was made; others may have been made elsewhere."""

    runs: tuple[KnownRun, ...] = Field(description="The oldest first; where there are many, the latest of them.")
    known: int = Field(ge=0, description="How many are known, those that are not listed included.")
    unfinished: int = Field(ge=0, description="How many of the others never ended, or still went on.")
    history: bool = Field(description="Whether a history of runs was read too, beside the list in the store.")
    unread: str = Field(default="", description="Why a history that was given could not be read.")


class EvidencePart(_Part):
    """What stands for the stored answers that the checks were handed; `inspectoscope verify` reads them again."""

    root: str = Field(description="Merkle root over the answers' digests (RFC 9162, section 2.1), SHA-256.")
    answers: int = Field(description="How many answers, notes of the tokenizer and the configuration included.")
    context: Mapping[str, str] = Field(description="What, beside text and request, the answers depend on.")


class CostPart(_Part):
    """What the run cost; not compared between runs."""

    rows_asked: int = Field(description="Rows asked for by all checks before merging.")
    unique_rows_asked: int = Field(description="Distinct (text, weights) pairs among them; attribution apart.")
    rows_from_store: int = Field(description="Rows answered by the store.")
    rows_forward: int = Field(description="Texts that went through the model, counted once per pass.")
    rows_backward: int
    tokens_forward: int
    tokens_backward: int
    attribution_texts: int = Field(
        description="Texts attributed in this run; their rows count in rows_forward and rows_backward."
    )
    attribution_rows: int
    seconds: Mapping[str, float] = Field(description="Wall time by stage.")
    peak_memory_bytes: int
    peak_device_memory_bytes: int | None = None
    started: str
    finished: str
    interruptions: int = Field(description="Times this run was broken off and taken up again.")


class QualifiedCell(_Part):
    """How audits of planted models of one kind came out."""

    family: str
    kind: str
    shapes: tuple[str, ...] = Field(default=(), description="Architectures of the planted models.")
    role: Literal["plant", "clean", "decoy", "unmeasurable"]
    right: tuple[Verdict, ...] = Field(description="Verdicts that an audit of this kind of model should end with.")
    audits: int
    verdicts: Mapping[Verdict, int]
    share_right: float
    low: float = Field(description="Lower end of the exact 95 % interval of the share.")
    high: float


class QualifiedCheck(_Part):
    """What is known about how well one check sees."""

    id: str = Field(description="Id of the check in the policy.")
    check: str
    status: str = Field(description="`valid`, `not examined`, or `void: ` and why.")
    cells: tuple[QualifiedCell, ...] = ()


class QualificationPart(_Part):
    """Error rates of the instrument on models with planted behaviour: a floor for sanity, no promise."""

    made_on: str
    tool: str = Field(description="Version of inspectoscope that they were measured with.")
    checks: tuple[QualifiedCheck, ...]


class HistoryPart(_Part):
    """Where the record stands in a history of runs: its link of the chain (``audit.history.chain``)."""

    id: str = Field(description="Of the history, drawn when it was begun.")
    number: int = Field(ge=1, description="Of this run in the history; the first is 1.")
    entered: str = Field(description="ISO 8601, UTC: when the record was entered.")
    record: str = Field(description="SHA-256 of this record as it is stored, without this part.")
    previous: str = Field(description="Head of the chain before this run.")
    head: str = Field(description="SHA-256 over previous, number, record and entered: the head with this run.")


class SpikedCopy(_Part):
    """One copy of the audited model: what it was taught, what took, and what the check made of it."""

    role: Literal["unaltered", "sham", "dose"] = Field(
        description="Taught the model's own outputs; the largest dose in every text alike; a dose where it would show."
    )
    dose: float = Field(description="Multiples of the bound.")
    planted: float = Field(description="Change of the mean gap that was taught.")
    achieved: float = Field(description="Change of the mean gap on rows neither taught nor audited.")
    moved: float = Field(description="Change of the mean score of the references on the same rows.")
    taken: bool = Field(description="Whether what was taught is what the copy does; if not, it is not audited.")
    verdict: Verdict | None = Field(default=None, description="Of the criterion; null for a copy that was not audited.")
    reason: str = ""
    alarmed: bool | None = Field(
        default=None, description="Whether the criterion was not met, for a dose in its group."
    )
    value: float | None = Field(default=None, description="The criterion's metric as the check measured it.")
    low: float | None = None
    high: float | None = None


class SpikedCriterion(_Part):
    """What the check of one criterion found of effects of known size in copies of the audited model."""

    id: str = Field(description="Id of the check in the policy.")
    check: str
    metric: str
    bound: float
    status: str = Field(description="`valid`, `not spiked: ` and why, or `void: ` and why.")
    unit: str = ""
    group: str = Field(default="", description="Where the doses were planted.")
    reference: str = ""
    own: float | None = Field(default=None, description="The audited model's own value on the audited rows.")
    own_verdict: Verdict | None = None
    rows: Mapping[Literal["all", "taught", "measured", "audited"], int] = Field(default_factory=dict)
    training: Mapping[str, str | int | float] = Field(default_factory=dict)
    copies: tuple[SpikedCopy, ...] = ()
    outcome: Literal["seen", "missed", "false_alarm", "undecided"] | None = Field(
        default=None,
        description="Largest dose found and copies without a dose silent; largest dose missed; an alarm without a "
        "dose; or copies in which training did not take.",
    )
    found_from: float | None = Field(default=None, description="Smallest dose from which on every dose was found.")
    bound_to: Mapping[str, Any] = Field(default_factory=dict, description="Version and parameters of the check.")


class SpikePart(_Part):
    """Effects of known size in copies of the audited model: what the policy's checks would have found."""

    made_on: str
    tool: str
    seed: int
    bound_to: Mapping[str, Any] = Field(description="Digests of the model, the policy and its data; the precision.")
    criteria: tuple[SpikedCriterion, ...]


class Record(_Part):
    """Everything an audit found, and everything needed to understand it."""

    schema_version: Literal["1.0"] = "1.0"
    tool: Tool
    created: str = Field(description="ISO 8601, UTC: when the audit was begun (a resumed run keeps it).")
    policy: PolicyPart
    freeze: Freeze | None = Field(
        default=None, description="What a freeze file beside the policy stated; null where there was none."
    )
    model: ModelPart
    environment: Mapping[str, str] = Field(description="Versions of what shaped the numbers.")
    data: tuple[DataCard, ...]
    checks: tuple[CheckPart, ...]
    requirements: tuple[JudgedRequirement, ...]
    qualification: QualificationPart | None = Field(
        default=None,
        description="Measured error rates of the instrument; null where it has not been qualified.",
    )
    spike: SpikePart | None = Field(
        default=None,
        description="Effects of known size in copies of the audited model; null where none were planted.",
    )
    limits: tuple[str, ...]
    regulations: tuple[RegulationPart, ...] = Field(
        default=(), description="What the policy's laws and frameworks ask for, and which checks bear on it."
    )
    reaches: Mapping[str, ReachPart] = Field(
        default_factory=dict, description="Check id → the fixed sentences of its type."
    )
    provider: ProviderPart | None = Field(
        default=None, description="What the provider states; null where no file of facts was given."
    )
    run: RunPart
    runs: RunsPart | None = Field(
        default=None, description="Null in records made before runs were listed. Not compared between runs."
    )
    texts: TextsPart | None = Field(
        default=None,
        description="Null in records made before texts could be withheld. Not compared between runs.",
    )
    evidence: EvidencePart | None = Field(
        default=None, description="Null in records made before evidence was kept; they say nothing of it."
    )
    cost: CostPart | None = Field(description="Not compared between runs.")
    history: HistoryPart | None = Field(
        default=None, description="Null where the run was not entered into a history. Not compared between runs."
    )

    def check(self, check_id: str) -> CheckPart:
        """Return one check by its id.

        Raises
        ------
        KeyError
            When the record has no such check.
        """
        for part in self.checks:
            if part.id == check_id:
                return part
        raise KeyError(check_id)

    def to_json(self) -> str:
        """Return the record as it is stored: stable key order, one space of indentation."""
        return stored(self._data())

    def content(self) -> bytes:
        """Return what a history keeps and digests of the record: ``content_of`` what would be stored."""
        return content_of(self._data())

    def _data(self) -> dict[str, Any]:
        data = self.model_dump(mode="json")
        for name in ("evidence", "runs", "texts"):
            if data[name] is None:
                data.pop(name)  # a record from before keeps its bytes, and its reports their digest
        return data

    def comparable(self) -> dict[str, Any]:
        """Return the record without what may differ between runs of the same audit."""
        out = self.model_dump(mode="json")
        for name in ("cost", "runs", "texts", "history"):
            out.pop(name)
        if out["evidence"]:
            out["evidence"].pop("root")  # over salted answers: it is another one in every store
        return out


def content_of(data: Mapping[str, Any]) -> bytes:
    """Return a stored record, as plain data, without its place in a history.

    The head of a chain is a digest over this, so it cannot be part of it. Taken from the data as they lie and
    not from a ``Record``, the digest does not change when a later version gives records further parts.
    """
    return stored({key: value for key, value in data.items() if key != "history"}).encode("utf-8")


def stored(data: Mapping[str, Any]) -> str:
    """Return plain data as a record is stored."""
    text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    # A lone surrogate, as byte-level vocabularies hold them, has no UTF-8, and readers differ on its
    # JSON escape: it is stored as reports show it.
    return re.sub("[\ud800-\udfff]", lambda found: f"⟨U+{ord(found.group()):04X}⟩", text)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the record."""
    out = Record.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **out}


def read(path: Path) -> Record:
    """Read a record back.

    Raises
    ------
    UserError
        When the file is missing, is not JSON, is of a newer schema or has been damaged.
    """
    return parsed(file_bytes(path), str(path))


def file_bytes(path: Path, expected: str = "a record.json") -> bytes:
    """Return the bytes of a file that holds a record.

    Raises
    ------
    UserError
        When it cannot be read, or is larger than any record.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        inside = path / "record.json"
        do = f"name the file in it: {inside}" if os.path.isfile(inside) else ""  # noqa: PTH113 - of a name that is too long, too
        raise _unreadable(str(path), error.strerror or str(error), expected, do) from error
    if len(raw) > MAX_BYTES:
        raise _unreadable(str(path), f"more than {MAX_BYTES >> 20} MiB", expected)
    return raw


def parsed(raw: bytes, where: str) -> Record:
    """Return the record in some bytes; ``where`` says where they come from.

    Raises
    ------
    UserError
        When they are not JSON, of a newer schema or damaged.
    """
    try:
        data = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        again = "run the audit again; stored answers are reused"
        raise _unreadable(where, f"not JSON: {error}", "a whole record.json", again) from error
    version = data.get("schema_version") if isinstance(data, dict) else None
    if version != SCHEMA_VERSION:
        newer = "read it with the version of inspectoscope that wrote it, or a newer one"
        raise _unreadable(where, f"schema version {version!r}", f"schema version {SCHEMA_VERSION!r}", newer)
    try:
        return Record.model_validate(data)
    except ValidationError as error:
        problems = [
            Problem(
                where=f"{where} at {'.'.join(map(str, e['loc']))}",
                found=e["msg"],
                expected="what the record's schema says",
            )
            for e in error.errors()
        ]
        raise UserError(_TITLE, problems) from error


def _unreadable(where: str, found: str, expected: str, do: str = "") -> UserError:
    return UserError(_TITLE, [Problem(where=where, found=found, expected=expected, do=do)])
