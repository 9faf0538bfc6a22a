"""What a policy says of explanations: whose decisions, in which words, what may be changed and what must not matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from audit.types.basic import Place

ExplanationTemplate: TypeAlias = Literal["credit_decision", "medical_triage", "general"]

EXPLANATION_TEMPLATES: tuple[str, ...] = get_args(ExplanationTemplate)

LEAST_EFFECT = 0.1
"""Log-odds below which no effect is spoken of: at even odds, two and a half points of probability."""


@dataclass(frozen=True, kw_only=True)
class Explaining:
    """How the decisions on one data set of a policy are explained.

    What it leaves out follows from the data set: the fields that a decision may rest on may be changed, and no other
    field of the text may matter.
    """

    data: str
    """Data set whose rows are explained, and whose values are tried in place of a case's own."""
    template: ExplanationTemplate = "general"
    allow: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Field that may be changed → its values in order, so that steps between them can be counted; () where there
    is no order."""
    must_not_matter: tuple[str, ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)
    """Field → what the page calls it."""
    margin: float = LEAST_EFFECT
    """Log-odds that an effect must exceed, whatever the case itself asks for beyond that."""
    baseline_inputs: tuple[str, ...] = ()
    """Two, in this order; by default the first two that the model has of the mask, the unknown and the padding token
    and some ordinary ones."""
    place: Place | None = None
