"""What no measurement can know: facts that the provider of the model states, and which there are to state.

A fact that is not supplied is a finding for a reader too, so the list of facts is closed and printed whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

CoverageKind: TypeAlias = Literal["populations", "languages", "uses"]

COVERAGE_TITLES: Mapping[CoverageKind, str] = {
    "populations": "Populations",
    "languages": "Languages",
    "uses": "Intended uses",
}


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One fact as the provider states it; nothing in it was verified."""

    text: str
    by: str
    """Name and function of who states it."""
    on: str
    """ISO date on which it was stated."""


@dataclass(frozen=True, kw_only=True)
class Intended:
    """A population, language or use that the system is meant for, and the data that stand for it in the audit."""

    name: str
    data: str = ""
    """Name of a data set of the policy; empty where none stands for it."""
    group: str = ""
    """Attribute of that data set, for a part of its rows."""
    value: str = ""


@dataclass(frozen=True, kw_only=True)
class IntendedList:
    """What the system is meant for, of one kind, as the provider states it."""

    entries: tuple[Intended, ...]
    by: str
    on: str


@dataclass(frozen=True, kw_only=True)
class ProviderFacts:
    """What a provider's file supplies; what it leaves blank is not in it."""

    path: str
    sha256: str
    statements: Mapping[str, Statement] = field(default_factory=dict)
    """Id of a ``FactKind`` → what is stated."""
    coverage: Mapping[CoverageKind, IntendedList] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FactKind:
    """A fact that a report has room for."""

    id: str
    title: str
    asks: str
    """What to write, as the blank file asks for it."""
    items: tuple[str, ...] = ()
    """Items of Annex IV to Regulation (EU) 2024/1689 that it belongs to, by the ids of the shipped table."""


def _fact(name: str, title: str, asks: str, *items: str) -> FactKind:
    return FactKind(id=name, title=title, asks=asks, items=tuple(f"eu-ai-act/annex-iv/{item}" for item in items))


FACT_GROUPS: Mapping[str, tuple[FactKind, ...]] = {
    "Who answers for the system": (
        _fact("provider_name", "Provider", "Legal name of the provider.", "1/a"),
        _fact("provider_contact", "Contact", "Whom to reach about the system, and where."),
        _fact("deployer", "Deployer", "Who uses the system under their own authority."),
        _fact("commissioned_by", "Commissioned by", "Who asked for this audit."),
        _fact(
            "independence",
            "Executed by; independence",
            "Who ran the audit, and how they depend on the provider or on who built the system.",
        ),
    ),
    "The system and its use": (
        _fact(
            "intended_purpose", "Intended purpose", "What the system is for, where and under what conditions.", "1/a"
        ),
        _fact("system_version", "Version", "Version of the system, and how it relates to earlier ones.", "1/a"),
        _fact("users", "Users", "Who works with the output, and what they are trained in."),
        _fact("affected_groups", "Affected groups", "Who is decided about or otherwise touched, the vulnerable named."),
        _fact(
            "high_risk_basis",
            "Basis in Annex III or I",
            "The point of Annex III, or the act of Annex I, under which the system is classified; or why under none.",
        ),
        _fact("interactions", "Interactions", "Other systems, hardware and models that it works with.", "1/b"),
        _fact("software_versions", "Software", "Versions in production, and what must be updated.", "1/c"),
        _fact(
            "forms_supplied", "Forms of supply", "How it is supplied: package, service, built into a product.", "1/d"
        ),
        _fact("hardware", "Hardware", "Hardware that it is meant to run on.", "1/e"),
        _fact(
            "product_pictures", "Pictures of the product", "Where pictures and markings are kept, for a product.", "1/f"
        ),
        _fact("user_interface", "User interface", "What a user sees and can do.", "1/g"),
        _fact(
            "instructions_for_use", "Instructions for use", "Where the instructions are kept, and their version.", "1/h"
        ),
    ),
    "How it was made": (
        _fact(
            "base_model", "Base model", "Model of a third party that it was made from: name, version, licence.", "2/a"
        ),
        _fact("base_model_changes", "Changes to the base model", "Fine-tuning, merging, pruning and so on.", "2/a"),
        _fact("development_steps", "Development", "Methods and steps of development.", "2/a"),
        _fact("design_choices", "Design", "Logic of the design, choices, assumptions, what is optimised.", "2/b"),
        _fact("compute", "Computation", "Computation used to develop, train, test and validate it.", "2/c"),
        _fact(
            "training_data", "Data sheets", "Where the data sheets of the training data are kept; what they say.", "2/d"
        ),
        _fact(
            "planned_changes",
            "Planned changes",
            "Changes determined beforehand, and how they keep within bounds.",
            "2/f",
        ),
    ),
    "How it is deployed, which the audit of the model did not see": (
        _fact(
            "deployed_prompt", "Prompt template", "The template in use, word by word, or its digest and where it lies."
        ),
        _fact("deployed_guardrails", "Guardrails", "Filters and rules before and behind the model."),
        _fact("deployed_quantisation", "Quantisation", "Number format and quantisation in use."),
        _fact("deployed_sampling", "Temperature and sampling", "Temperature, top-p, seed, length, in use."),
        _fact("deployed_rest", "Retrieval, tools, thresholds", "What else stands between the model and the decision."),
    ),
    "Oversight and risk": (
        _fact("oversight_measures", "Human oversight", "Who can disregard, override or stop it, and how.", "2/e"),
        _fact("cybersecurity", "Cybersecurity", "Measures of cybersecurity.", "2/h"),
        _fact(
            "monitoring_control", "Functioning and control", "Capabilities, limits, foreseen unintended outcomes.", "3"
        ),
        _fact("metrics_choice", "Choice of metrics", "Why the performance metrics are the right ones.", "4"),
        _fact("risk_management", "Risk management", "The risk management system, and where its file is kept.", "5"),
        _fact("lifecycle_changes", "Changes so far", "Changes made through the lifecycle.", "6"),
        _fact("standards", "Standards", "Harmonised standards applied, or what was done instead.", "7"),
        _fact(
            "declaration",
            "Declaration of conformity",
            "Where the provider's declaration is kept, if there is one.",
            "8",
        ),
        _fact(
            "post_market_plan",
            "Post-market plan",
            "Monitoring after placing on the market; when tests are repeated.",
            "9",
        ),
    ),
}
"""Every fact that a provider can state, in the order in which reports print them."""


def fact_kinds() -> tuple[FactKind, ...]:
    """Return every fact that a provider can state."""
    return tuple(kind for kinds in FACT_GROUPS.values() for kind in kinds)
