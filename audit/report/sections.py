"""The sections of a report: their order, numbers and titles, by template.

Parts name each other by anchor. A template that prints few parts has no sections; what a part would link to is then
said to stand in the technical report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Section:
    """A numbered section; appendices have letters."""

    anchor: str
    number: str
    title: str

    @property
    def kind(self) -> str:
        """What a reference calls it."""
        return "appendix" if self.number.isalpha() else "section"


_APPENDICES = (
    ("environment", "Environment"),
    ("model-files", "Model files"),
    ("cost", "Cost of the run"),
    ("policy", "Policy, whole"),
    ("glossary", "Glossary"),
    ("repeat", "How to repeat this audit"),
)

_TECHNICAL = (
    ("summary", "Summary"),
    ("control", "Document control"),
    ("scope", "Roles, scope and access"),
    ("system", "System description"),
    ("criteria", "Criteria"),
    ("data", "Data"),
    ("methods", "Methods"),
    ("results", "Results"),
    ("explanation", "Explanation quality"),
    ("limits", "Interpretation and limits"),
    ("coverage", "Coverage"),
    ("hazards", "Hazards"),
    ("register", "Findings register"),
    ("law", "Regulations and frameworks"),
    ("monitoring", "Monitoring and re-runs"),
    ("signoff", "Sign-off"),
)

_BY_ARTICLE = (
    ("summary", "Summary"),
    ("control", "Document control"),
    ("scope", "Roles, scope and access"),
    ("hazards", "Article 9(2): hazards"),
    ("register", "Article 9(5): findings register"),
    ("criteria", "Article 9(6) and (8): criteria"),
    ("data", "Article 10: data of the tests"),
    ("coverage", "Article 10(3) and (4): coverage"),
    ("system", "Article 11, Annex IV, 1: system description"),
    ("methods", "Article 11, Annex IV, 2(g): methods"),
    ("law", "Article 11, Annex IV, and Article 13: evidence clause by clause"),
    ("limits", "Article 13(3)(b): interpretation and limits"),
    ("results", "Articles 13(3)(b) and 15: results"),
    ("explanation", "Article 14(4)(c): explanation quality"),
    ("monitoring", "Article 72: monitoring and re-runs"),
    ("signoff", "Annex IV, 2(g): sign-off"),
)
"""What Regulation (EU) 2024/1689 asks a provider for, in the order of its articles: where a reader may look here."""

_ORDERS: Mapping[str, Sequence[tuple[str, str]]] = {"eu_ai_act": _BY_ARTICLE, "summary": (), "ll144": ()}


def sections(template: str) -> tuple[Section, ...]:
    """Return the sections of a template; one that is not known has those of the technical report."""
    order = _ORDERS.get(template, _TECHNICAL)
    if not order:
        return ()
    numbered = [(anchor, str(i), title) for i, (anchor, title) in enumerate(order, start=1)]
    lettered = [(anchor, chr(ord("A") + i), title) for i, (anchor, title) in enumerate(_APPENDICES)]
    return tuple(Section(anchor=a, number=number, title=title) for a, number, title in [*numbered, *lettered])
