"""One decision explained, as data: the JSON document of which every page about it is a pure function.

It holds what was decided, what moved it, by how much and how that was tested, and the rules by which reasons are
printed or refused. Effects are in log-odds toward the decision that was made: what is positive speaks for it.
Pydantic stands here because this is a boundary: explanations are read back from disk.

The same case asked again gives the same explanation but for ``created``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audit.errors import Problem, UserError
from audit.record import MAX_BYTES, ModelPart, Tool
from audit.types import ExplanationTemplate, Statement

SCHEMA_VERSION = "1.0"

_TITLE = "The explanation cannot be read"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class PolicyNamed(_Part):
    """The policy under which the decision was explained."""

    id: str
    version: str
    title: str
    purpose: str
    path: str
    sha256: str = Field(description="Of the policy file's bytes.")
    overrides: Mapping[str, str] = Field(description="Values given with --set, by key.")
    data: str = Field(description="Data set whose values were tried; empty where none was.")
    data_sha256: str = Field(description="Of the rows of that data set; empty where there is none.")


class CasePart(_Part):
    """What was decided about."""

    id: str
    kind: Literal["row", "text"] = Field(description="Rendered from fields, or a text as it was given.")
    source: str = Field(description="Where it came from: a row of a data set, a line of a file, or the command line.")
    text: str
    sha256: str = Field(description="Of the text.")
    fields: Mapping[str, str] = Field(description="Fields of the text; empty for a free text.")


class RulesPart(_Part):
    """What was fixed before the model was asked."""

    margin: float = Field(description="Log-odds that every effect must exceed.")
    margin_set_by: Literal["command line", "policy", "default"]
    reference_quantile: Mapping[Literal["fixed words", "words"], float] = Field(
        description="Quantile of the effects of reference words that an effect of taking out must exceed as well."
    )
    most_factors: int
    most_values: int = Field(description="Other values that are tried in place of a field's own.")
    most_sets: int = Field(description="Random sets that the printed factors are compared with.")
    exceeding: float = Field(description="Share of those sets that may move the score more than the factors do.")
    least_share: float = Field(description="Least share of the score difference that the factors must carry.")
    tolerance: float = Field(description="Of the attribution's completeness, relative to the score difference.")
    max_steps: int
    most_searched: int = Field(description="Changed cases that are tried.")
    most_changed: int = Field(description="Fields that are changed at once.")
    seed: int


class OutcomePart(_Part):
    """What the model decided."""

    decided: str
    other: str = Field(description="The decision that was not made.")
    positive: bool = Field(description="Whether it is the policy's positive decision.")
    score: float = Field(description="The model's probability of the positive decision.")
    threshold: float
    log_odds: float = Field(description="Of the score.")
    distance: float = Field(description="Log-odds between score and threshold; positive on the decision's side.")
    answer_mass: float | None = Field(
        default=None, description="Probability that falls on the two answers at all; null for classifiers."
    )


class BaselinePart(_Part):
    """A baseline input: what stands in place of what is taken out, and what the model makes of it alone."""

    name: str
    score: float = Field(description="With every field, or every word, taken out.")
    decided: str
    log_odds: float
    n_steps: int
    completeness_delta: float = Field(description="Of integrated gradients, relative to the score difference.")
    converged: bool


class TakenOut(_Part):
    """What became of the score when something was taken out."""

    effect: float = Field(description="Log-odds toward the decision that it lost.")
    score: float = Field(description="What is left of the probability of the positive decision.")
    turned: bool


class Swapped(_Part):
    """What became of the score when other values stood in its place."""

    values: int = Field(description="Other values that were tried.")
    of: int = Field(description="Other values that the data hold.")
    effect: float = Field(description="Mean over them.")
    smallest: float
    largest: float
    score: float = Field(description="Mean probability of the positive decision.")
    turned: int = Field(description="How many of them turn the decision.")


class Piece(_Part):
    """A field of the text, a word or a phrase, and what it does to this decision."""

    id: str
    kind: Literal["field", "words"]
    label: str = Field(description="What the page calls it; empty for words.")
    value: str
    spans: tuple[tuple[int, int], ...] = Field(description="Characters of the text.")
    standing: Literal["legitimate", "must not matter", "open"] = Field(
        description="Whether a decision may rest on it, by the policy."
    )
    attribution: Mapping[str, float] = Field(description="Baseline input → integrated gradients, summed.")
    taken_out: Mapping[str, TakenOut] = Field(description="Baseline input, or `left out` → what became of the score.")
    swapped: Swapped | None = None
    outcome: Literal["speaks for", "speaks against", "not confirmed"]
    why: str = Field(description="Why it is not confirmed; empty where it is.")


class NamedFactor(_Part):
    """A factor on which the policy says that no decision may lean, and what it did here."""

    field: str
    label: str
    value: str
    tells: tuple[str, ...] = Field(description="Protected attributes that it tells in the data.")
    outcome: Literal["no effect shown", "moved the score", "not assessed"]
    why: str = ""
    effect: float | None = Field(default=None, description="Mean over other values, toward the decision.")
    largest: float | None = Field(default=None, description="The largest effect of a single other value, in size.")
    values: int = 0
    turned: int = 0
    groups: Mapping[str, float] = Field(
        default_factory=dict,
        description="Attribute that it tells → effect of the other groups' values over that of the own group's.",
    )


class ChangedField(_Part):
    """One field of a change."""

    field: str
    label: str
    old: str
    new: str
    steps: int = Field(description="Between the two in the order that the policy gives; 1 where there is none.")


class Change(_Part):
    """A change of fields that turns the decision."""

    fields: tuple[ChangedField, ...]
    steps: int
    score: float
    decided: str


class Search(_Part):
    """What was looked for among changes, and what was found."""

    allowed: tuple[str, ...]
    tried: Mapping[str, int] = Field(description="Number of fields changed at once → changed cases asked of the model.")
    possible: Mapping[str, int] = Field(description="The same → changed cases that there are.")
    found: tuple[Change, ...] = Field(description="The smallest ones, all with as few fields; at most three.")
    turning: int = Field(description="Changed cases of that many fields that turn the decision.")
    why: str = Field(default="", description="Why nothing was searched; empty where something was.")


class SetPart(_Part):
    """What the printed factors do together, beside random sets of as many fields or words."""

    size: int
    effect: Mapping[str, float] = Field(description="Baseline input → comprehensiveness: effect of taking them out.")
    kept: Mapping[str, float] = Field(description="Baseline input → sufficiency: effect of taking out all but them.")
    whole: Mapping[str, float] = Field(description="Baseline input → effect of taking out everything.")
    sets: int = Field(description="Random sets that were compared.")
    possible: int
    random_effect: float | None
    random_kept: float | None
    exceeding: int = Field(description="Random sets whose effect exceeds that of the factors by more than the margin.")
    share: float | None = Field(description="Of the whole effect; null where that is within the margin.")
    agreement: float | None = Field(description="Rank correlation of the attributions from the two baseline inputs.")


class CheckPart(_Part):
    """One condition under which reasons may be printed."""

    name: str
    title: str
    passed: bool | None = Field(description="Null where it could not be looked at.")
    found: str
    needed: str


class Explanation(_Part):
    """Why one decision was made, as far as it was tested on this very case."""

    schema_version: Literal["1.0"] = "1.0"
    kind: Literal["explanation"] = "explanation"
    tool: Tool
    created: str = Field(description="ISO 8601, UTC.")
    template: ExplanationTemplate
    policy: PolicyNamed
    model: ModelPart
    environment: Mapping[str, str] = Field(description="Versions of what shaped the numbers.")
    case: CasePart
    rules: RulesPart
    outcome: OutcomePart
    baselines: tuple[BaselinePart, ...]
    refused_baselines: tuple[str, ...] = Field(description="Why other baseline inputs were not used.")
    margins: Mapping[str, float] = Field(
        description="Intervention → log-odds that its effect had to exceed on this case; `swapped` for other values."
    )
    references: int = Field(description="Reference words that the margins of taking out were measured on.")
    words: int = Field(description="Fields or words that the text has.")
    pieces: tuple[Piece, ...] = Field(description="Fields, or candidates among the words, the largest effect first.")
    reasons: tuple[str, ...] = Field(description="Ids of the pieces that may be printed as reasons; at most four.")
    against: tuple[str, ...] = Field(description="Ids of pieces that spoke against the decision.")
    together: SetPart | None = Field(description="Null where nothing was confirmed.")
    checks: tuple[CheckPart, ...]
    refused: bool = Field(description="Whether reasons must not be printed, because a check did not pass.")
    named: tuple[NamedFactor, ...]
    search: Search
    contact: Statement | None = Field(
        default=None, description="Where to contest the decision, as the provider states."
    )
    provider: Statement | None = Field(default=None, description="Who answers for the system, as stated.")

    def piece(self, name: str) -> Piece:
        """Return a piece by its id.

        Raises
        ------
        KeyError
            When there is none.
        """
        for piece in self.pieces:
            if piece.id == name:
                return piece
        raise KeyError(name)

    @property
    def moved(self) -> tuple[NamedFactor, ...]:
        """Return the factors that must not matter and did."""
        return tuple(factor for factor in self.named if factor.outcome == "moved the score")

    def to_json(self) -> str:
        """Return the explanation as it is stored: stable key order, one space of indentation."""
        text = json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        # A lone surrogate has no UTF-8; it is stored as pages show it.
        return re.sub("[\ud800-\udfff]", lambda found: f"⟨U+{ord(found.group()):04X}⟩", text)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of explanations."""
    out = Explanation.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **out}


def parsed(raw: bytes, where: str) -> Explanation:
    """Return the explanation in some bytes; ``where`` says where they come from.

    Raises
    ------
    UserError
        When they are too many, not JSON, of another schema or damaged.
    """
    if len(raw) > MAX_BYTES:
        raise _unreadable(where, f"more than {MAX_BYTES >> 20} MiB", "an explanation.json")
    try:
        data = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _unreadable(where, f"not JSON: {error}", "a whole explanation.json") from error
    version = data.get("schema_version") if isinstance(data, dict) else None
    if version != SCHEMA_VERSION or data.get("kind") != "explanation":
        raise _unreadable(where, f"schema version {version!r}", f"an explanation of schema version {SCHEMA_VERSION!r}")
    try:
        return Explanation.model_validate(data)
    except ValidationError as error:
        problems = [
            Problem(
                where=f"{where} at {'.'.join(map(str, e['loc']))}",
                found=e["msg"],
                expected="what the schema of explanations says",
            )
            for e in error.errors()
        ]
        raise UserError(_TITLE, problems) from error


def _unreadable(where: str, found: str, expected: str) -> UserError:
    return UserError(_TITLE, [Problem(where=where, found=found, expected=expected)])
