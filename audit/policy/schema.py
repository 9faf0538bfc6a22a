"""The shape of a policy file. Every description is what an editor shows while a policy is written.

What can be said about one value alone is said here; what takes the data, the check types or another part
of the policy to know is found by the modules that join them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field, WithJsonSchema

from audit.policy.schema_data import DataEntry
from audit.policy.values import (
    Cell,
    Date,
    DateOrBlank,
    EnvironmentName,
    FieldName,
    Name,
    Part,
    Slug,
    VariableName,
    Words,
    expected,
)
from audit.types.explaining import LEAST_EFFECT


def _known(version: int) -> int:
    if version != 1:
        raise expected("1, the version of the format that this program reads")
    return version


FormatVersion: TypeAlias = Annotated[int, AfterValidator(_known), WithJsonSchema({"const": 1})]


MAX_DATASETS = 200
MAX_CHECKS = 500
MAX_HAZARDS = 500
MAX_CRITERIA = 50
MAX_WAIVERS = 100
MAX_ALLOWED = 100


class PersonEntry(Part):
    """Who did something, and when; blanks are printed as not supplied."""

    name: str = Field(default="", description="Name of the person.")
    function: str = Field(default="", description="Function of the person.")
    on: DateOrBlank = Field(default="", description="Date, such as 2026-11-01.")


class VariableEntry(Part):
    """A folder that stands elsewhere on every machine; ``${name}`` begins a data path with it."""

    env: EnvironmentName | None = Field(default=None, description="Environment variable that gives the folder.")
    default: Words | None = Field(
        default=None, description="Folder where neither --set nor the environment gives one; inside the policy's own."
    )
    about: str = Field(default="", description="What the folder must hold, said when it is missing.")


class DecisionEntry(Part):
    """How the model's output becomes a decision."""

    positive: str | None = Field(
        default=None,
        min_length=1,
        description=(
            "The positive decision: a label of the classifier, or the answer of a causal model exactly as it "
            'follows the text. A leading space matters: most models answer " yes", not "yes".'
        ),
    )
    negative: str | None = Field(
        default=None, min_length=1, description="The other label or answer; a causal model needs it."
    )
    threshold: float = Field(
        default=0.5, gt=0, lt=1, description="The decision is positive where its probability is above this."
    )
    likelihood: bool = Field(
        default=False, description="For a causal model: score the text's own likelihood; there is no decision."
    )


class ModelEntry(Part):
    """What kind of model is audited; which one is said on the command line."""

    task: Literal["sequence-classification", "causal-lm"] = Field(description="What the model does.")
    decision: DecisionEntry = Field(description="How its output becomes a decision.")


class HazardEntry(Part):
    """Something that could go wrong for someone."""

    id: Slug = Field(description="Short name of the hazard.")
    rule: Words | None = Field(
        default=None,
        description="The rule that this would break, in a plain sentence; the report answers it for the cases tested.",
    )
    text: Words = Field(description="What could go wrong for whom, in one sentence.")
    criteria: list[Words] = Field(
        max_length=MAX_CHECKS,
        description=(
            "Ids of the checks whose criteria watch for it: one family for Holm's correction. Empty only under a rule "
            "that no check bears on, which the report then calls not assessed."
        ),
    )


class CriterionEntry(Part):
    """A bound on a metric, fixed before the run."""

    metric: Words = Field(description="The metric that is judged.")
    at_most: float | None = Field(default=None, description="Met when the metric is shown to be at most this.")
    at_least: float | None = Field(default=None, description="Met when the metric is shown to be at least this.")
    also: dict[str, float] = Field(
        default_factory=dict,
        description="Bounds of the metrics that are judged together with this one, where they differ from it.",
    )
    rationale: Words = Field(
        description="Why the bound is this and no other, from what follows for people when it is passed."
    )
    set_by: PersonEntry = Field(default_factory=PersonEntry, description="Who set the bound.")
    approved_by: PersonEntry = Field(default_factory=PersonEntry, description="Who approved it.")


class CheckEntry(Part):
    """What every check has; the other keys are the parameters of its type."""

    id: Slug = Field(description="Short name of the check, unique in the policy.")
    check: Words = Field(description="Type of the check.")
    title: str = Field(default="", description="Title in the report; by default the title of the type.")
    data: Words = Field(description="Name of the data set.")
    criteria: list[Any] = Field(
        default_factory=list, max_length=MAX_CRITERIA, description="Bounds; a check without any measures unjudged."
    )


class WaiverEntry(Part):
    """A decision to live with what some checks may find, until a date; it is printed and changes no verdict."""

    hazard: Words | None = Field(default=None, description="Id of the hazard whose checks are waived; or say `check`.")
    check: Words | None = Field(default=None, description="Id of the check that is waived; or say `hazard`.")
    criterion: Words | None = Field(
        default=None, description="Metric of the one criterion of the check that is waived; all of them without it."
    )
    owner: PersonEntry = Field(description="Who answers for it: a name, a function or both.")
    reason: Words = Field(description="Why it is lived with, and what is done about it.")
    expires: Date = Field(description="Last day on which it holds, such as 2027-01-31; after it the policy is refused.")
    stops: bool = Field(
        default=True,
        description="Whether what is waived still stops a pipeline; with false it does not count for the exit code.",
    )


class ExplainEntry(Part):
    """How single decisions are explained by `inspectoscope explain`."""

    data: Words = Field(description="Data set whose rows are explained and whose values are tried instead.")
    template: Literal["credit_decision", "medical_triage", "general"] = Field(
        default="general", description="Wording of the page."
    )
    allow: dict[FieldName, list[Cell]] = Field(
        default_factory=dict,
        max_length=MAX_ALLOWED,
        description=(
            "Fields that may be changed to turn a decision, each with its values from one end to the other, or [] "
            "where they have no order; by default the fields that a decision may rest on."
        ),
    )
    must_not_matter: list[FieldName] = Field(
        default_factory=list,
        max_length=MAX_ALLOWED,
        description="Fields of the text on which no decision may lean; by default all but the legitimate ones.",
    )
    words: dict[FieldName, Words] = Field(
        default_factory=dict, max_length=MAX_ALLOWED, description="What the page calls a field."
    )
    margin: float = Field(
        default=LEAST_EFFECT, gt=0, le=10, description="Log-odds that an effect must exceed to be spoken of."
    )
    baseline_inputs: list[Words] = Field(
        default_factory=list,
        max_length=2,
        description="Two of mask, unk, pad or token:<text>, that stand for a word taken out.",
    )


class Header(Part):
    """A policy, with the parts that are read one by one left unread."""

    inspectoscope: FormatVersion = Field(description="Version of this format: 1.")
    extends: Words | None = Field(
        default=None,
        description=(
            "The policy that this one changes parts of: the name of a shipped one, or a .yaml file. What is not "
            "written here is that policy's, except id, version, authors and waivers."
        ),
    )
    id: Slug = Field(description="Short name of the policy; it stays the same over its versions.")
    version: Words = Field(description="Version of the policy, such as 1.0.0.")
    title: Words = Field(description="Title of the report.")
    purpose: Words = Field(description="What the model decides, for whom, about whom, and where.")
    authors: list[PersonEntry] = Field(default_factory=list, description="Who wrote the policy.")
    seed: int = Field(
        default=0, ge=0, lt=2**63, description="Of all random draws; every check derives its own from it."
    )
    limits: list[Words] = Field(default_factory=list, description="Limits of this audit that only its author can know.")
    regulations: list[Words] = Field(
        default_factory=list,
        max_length=50,
        description="Laws and frameworks to hold the results against: ids of shipped ones, or .yaml files.",
    )
    waivers: list[Any] = Field(
        default_factory=list,
        max_length=MAX_WAIVERS,
        description="What is lived with for a while, and who answers for it; printed in every report.",
    )
    provider: Words | None = Field(
        default=None,
        description="File of facts that the provider states; `inspectoscope policy provider` writes a blank.",
    )
    explain: ExplainEntry | None = Field(default=None, description="How single decisions are explained.")
    variables: dict[VariableName, VariableEntry] = Field(
        default_factory=dict, max_length=50, description="Folders that data paths may begin with."
    )
    model: Any = Field(description="What kind of model is audited.")
    data: dict[Name, Any] = Field(min_length=1, max_length=MAX_DATASETS, description="Data sets by name.")
    hazards: list[Any] = Field(
        default_factory=list,
        max_length=MAX_HAZARDS,
        description="What could go wrong, and the checks that watch for it.",
    )
    checks: list[Any] = Field(min_length=1, max_length=MAX_CHECKS, description="What is measured.")


class PolicyFile(Header):
    """A policy: what to look for in a model and what counts as too much."""

    model: ModelEntry = Field(description="What kind of model is audited.")
    data: dict[Name, DataEntry] = Field(min_length=1, max_length=MAX_DATASETS, description="Data sets by name.")
    hazards: list[HazardEntry] = Field(
        default_factory=list,
        max_length=MAX_HAZARDS,
        description="What could go wrong, and the checks that watch for it.",
    )
    waivers: list[WaiverEntry] = Field(
        default_factory=list,
        max_length=MAX_WAIVERS,
        description="What is lived with for a while, and who answers for it; printed in every report.",
    )
