"""A policy once it has been read, checked and joined with its data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

from audit.types.basic import Place
from audit.types.decision import Decision
from audit.types.explaining import Explaining
from audit.types.judgement import Criterion, Person, Waiver
from audit.types.provider import ProviderFacts
from audit.types.regulation import Reach, Regulation
from audit.types.rows import Dataset


class FromFile:
    """Marks a check parameter that a policy may give as the path of a CSV or JSONL file.

    The policy loader reads the file (confined like every data file) and hands the check its rows.
    """

    def __get_pydantic_json_schema__(self, schema: Any, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """Tell editors that a path may stand where the rows may."""
        path = {"type": "string", "description": "Path of a CSV or JSONL file, relative to the policy."}
        cell = {"type": ["string", "number", "boolean", "null"]}
        rows = handler(schema) | {"items": {"type": "object", "additionalProperties": cell}}
        return {"anyOf": [path, rows]}


TableParam: TypeAlias = Annotated[tuple[Mapping[str, str], ...], FromFile()]
"""Rows of a small table in a check's parameters, inline or from a file; all values are text."""


@dataclass(frozen=True, kw_only=True)
class GivenFile:
    """A file that a check parameter names, as the policy loader read it: checks open none themselves.

    What was digested is what is used, so nothing can change between the policy's reading and the check's.
    """

    written: str
    """As the policy names it: the key of its digest in ``Policy.files``."""
    shown: str
    """As messages name it."""
    body: bytes = field(repr=False)


class FromContents:
    """Marks a check parameter that names a file whose bytes the check hands on as they are.

    The policy loader reads the file (confined like every data file) and gives it to the validation as context,
    by its written path. In the record and in ``policy show`` the parameter is the path again.
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Take a ``GivenFile``, or a path whose file is in the context."""
        from pydantic_core import core_schema

        del source, handler
        shown = core_schema.plain_serializer_function_ser_schema(lambda file: file.written)
        return core_schema.with_info_plain_validator_function(_given, serialization=shown)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """Tell editors that the parameter is a path."""
        del schema, handler
        return {"type": "string", "description": "Path of a file, relative to the policy."}


def _given(value: Any, info: Any) -> GivenFile:
    from pydantic_core import PydanticCustomError

    if isinstance(value, GivenFile):
        return value
    known: Mapping[str, GivenFile] = info.context or {}
    if not isinstance(value, str) or value not in known:
        raise PydanticCustomError("file_path", "the path of a file")
    return known[value]


FileParam: TypeAlias = Annotated[GivenFile, FromContents()]
"""A file in a check's parameters, given as its path."""


@dataclass(frozen=True, kw_only=True)
class ParamProblem:
    """What a check finds wrong with its parameters once it sees its data; the loader finds the line."""

    at: tuple[str | int, ...]
    """Path of the offending value inside the check's entry, such as ``("swap", "sex", "from")``."""
    found: str
    expected: str
    do: str = ""


@dataclass(frozen=True, kw_only=True)
class Hazard:
    """Something that could go wrong for someone, and the checks whose criteria watch for it.

    Its elementary hypotheses are one family: Holm's correction is made over all of them.
    """

    id: str
    text: str
    checks: tuple[str, ...]
    """None only where there is a rule on which no check bears."""
    place: Place
    rule: str = ""
    """The rule that it would break, in a plain sentence; empty where the policy puts none."""


@dataclass(frozen=True, kw_only=True)
class Freeze:
    """What the freeze file beside a policy states, and what differs from it now."""

    path: str
    sha256: str = ""
    """Of the file; ``""`` where it could not be read."""
    on: str = ""
    """ISO time, as stated."""
    author: str = ""
    """As stated."""
    before_run: bool = False
    """Whether the stated time lies before the run began."""
    same_text: bool = False
    """Whether the policy file is the same to the byte."""
    differences: tuple[str, ...] = ()
    """What verdicts rest on and is not as it was frozen, in words."""
    problem: str = ""
    """Why the file cannot be used; ``""`` where it can."""


@dataclass(frozen=True, kw_only=True)
class PlannedCheck:
    """One check of a policy, ready to run."""

    id: str
    check: str
    title: str
    data: str
    params: Any
    """An instance of the check type's ``Params``."""
    criteria: tuple[Criterion, ...]
    seed: int
    place: Place


@dataclass(frozen=True, kw_only=True)
class ReadFile:
    """A file that a policy read, to be kept with the evidence."""

    path: str
    """Where it lies on this machine; never recorded."""
    shown: str
    """As messages and the record name it."""


@dataclass(frozen=True, kw_only=True)
class ExtendedPolicy:
    """A policy that another one extends, as it was read."""

    name: str
    """As ``Policy.files`` names it."""
    sha256: str
    """Of the file's bytes."""
    source: str
    """The file's text."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Everything a policy file and its data files say."""

    id: str
    version: str
    title: str
    purpose: str
    path: str
    source: str
    sha256: str
    overrides: Mapping[str, str]
    files: Mapping[str, str]
    """Other files the policy read (tables of check parameters) → SHA-256; data files have their cards."""
    read: Mapping[str, ReadFile] = field(default_factory=dict)
    """Every file the policy read, those of data sets included, by the name that it gives them."""
    authors: tuple[Person, ...]
    task: Literal["sequence-classification", "causal-lm"]
    decision: Decision
    decision_place: Place
    datasets: Mapping[str, Dataset]
    hazards: tuple[Hazard, ...]
    checks: tuple[PlannedCheck, ...]
    seed: int
    limits: tuple[str, ...] = ()
    """Limits of this audit that only its author can know; printed beside the method's own."""
    waivers: tuple[Waiver, ...] = ()
    regulations: tuple[Regulation, ...] = ()
    """Laws and frameworks whose clauses the report holds against the results."""
    reaches: Mapping[str, Reach] = field(default_factory=dict)
    """Check type → what its result supports and does not show; only where a regulation is named."""
    bases: tuple[ExtendedPolicy, ...] = ()
    """What the policy extends, the nearest first; their digests are among ``files``."""
    provider: ProviderFacts | None = None
    """What the provider states of the system; None where no file of facts was given."""
    explain: Explaining | None = None
    """How single decisions are explained; None where the policy does not say."""
