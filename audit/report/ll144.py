"""The tables that New York City's Local Law 144 asks for, as its rules (6 RCNY §§ 5-300 to 5-304) name their columns.

The numbers are those of the check `impact_ratios`; nothing is computed here but the share that a category has of the
rows, by which the rule on small categories (§ 5-301(d)) goes. What the law wants published and no audit of a model can
know is printed with room for it, and never filled in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audit.record import Record
from audit.report import view
from audit.report.findings import CheckView
from audit.types import Cell, DataCard, Forest, Table, Verdict

CHECK = "impact_ratios"
LEFT_OUT = "left out"
"""Stands in place of an impact ratio that the rule on small categories takes away."""

TABLES = {"impact_sex": "sex", "impact_race": "race or ethnicity", "impact_intersectional": "sex and race or ethnicity"}
"""Exhibit of the check → what its categories are of, in the order in which the rules name them."""

_CELLS = 8
"""Category, applicants, then number, rate and ratio: of the selected, and of those above the median."""


@dataclass(frozen=True, kw_only=True)
class Category:
    """A line of a table, as it is printed."""

    name: str
    applicants: str
    share: str
    """Of all rows, those of unknown category included."""
    small: bool
    """Whether that share is below the one from which the rules want an impact ratio."""
    left_out: bool
    selected: str
    selection_rate: str
    selection_ratio: str
    above: str
    scoring_rate: str
    scoring_ratio: str


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """One of the three tables."""

    of: str
    lines: tuple[Category, ...]
    unknown: str
    """Rows in no category of this table."""
    figure: Forest | None
    """The ratios of its selection rates with their intervals; None where nobody was selected."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What one check gives towards the summary of § 5-303."""

    check: CheckView
    card: DataCard
    sheets: tuple[Sheet, ...]
    missing: tuple[str, ...]
    """Tables that the record does not hold."""
    small_share: str
    left_out_because: str

    @property
    def assessed(self) -> bool:
        """Whether there is anything to print a table of."""
        return self.check.part.verdict is not Verdict.NOT_ASSESSED and bool(self.sheets)


def summaries(record: Record, checks: Iterable[CheckView]) -> tuple[Summary, ...]:
    """Return what the checks of impact ratios found, in the order of the policy."""
    cards = {card.name: card for card in record.data}
    return tuple(_summary(check, cards[check.part.data]) for check in checks if check.part.check == CHECK)


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """The rule on small categories, as the policy applies it."""

    least: float
    applied: bool


def _summary(check: CheckView, card: DataCard) -> Summary:
    params = check.part.params
    rule = _Rule(least=params.get("small_share", 0.02), applied=bool(params.get("leave_out_small", False)))
    tables = {e.id: e for e in check.part.exhibits if isinstance(e, Table) and e.id in TABLES and _fits(e)}
    forests = {e.id: e for e in check.part.exhibits if isinstance(e, Forest)}
    return Summary(
        check=check,
        card=card,
        sheets=tuple(
            _sheet(of, tables[name], card.rows_used, rule, forests.get(name.replace("impact", "ratios")))
            for name, of in TABLES.items()
            if name in tables
        ),
        missing=tuple(of for name, of in TABLES.items() if name not in tables),
        small_share=view.plain(rule.least, "share"),
        left_out_because=str(params.get("left_out_because", "")),
    )


def _fits(table: Table) -> bool:
    """Whether a table has the cells that are read here; a record may come from another version, or a stranger."""
    whole = all(isinstance(row[1], int) for row in table.rows if len(row) == _CELLS)
    return len(table.columns) == _CELLS and bool(table.rows) and whole and {len(r) for r in table.rows} == {_CELLS}


def _sheet(of: str, table: Table, total: int, rule: _Rule, figure: Forest | None) -> Sheet:
    *known, unknown = table.rows
    rates = _decimals([row[3] for row in known] + [row[6] for row in known])
    return Sheet(
        of=of,
        lines=tuple(_category(row, total, rule, rates) for row in known),
        unknown=_number(unknown[1], "count"),
        figure=figure,
    )


def _category(row: Sequence[Cell], total: int, rule: _Rule, decimals: int | None) -> Category:
    name, applicants, selected, rate, ratio, above, scoring, scoring_ratio = row
    share = int(applicants or 0) / total if total else 0.0
    left_out = rule.applied and share < rule.least
    return Category(
        name=str(name),
        applicants=_number(applicants, "count"),
        share=view.number(share, "share", 1),
        small=share < rule.least,
        left_out=left_out,
        selected=_number(selected, "count"),
        selection_rate=_number(rate, "share", decimals),
        selection_ratio=LEFT_OUT if left_out else _number(ratio, "ratio", 2),
        above=_number(above, "count"),
        scoring_rate=_number(scoring, "share", decimals),
        scoring_ratio=LEFT_OUT if left_out else _number(scoring_ratio, "ratio", 2),
    )


def _decimals(cells: Sequence[Cell]) -> int | None:
    values = [(cell, None, None) for cell in cells if isinstance(cell, float)]
    return view.common_decimals("share", values) if values else None


def _number(cell: Cell, unit: str, decimals: int | None = None) -> str:
    if cell is None or isinstance(cell, str):
        return view.NOT_MEASURED
    return view.number(cell, unit, decimals)
