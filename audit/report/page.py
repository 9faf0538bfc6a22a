"""Fills a template with a record: one HTML text for the printed page, one for the screen.

Three nets hold text from outside (policies, data, vocabularies, model names): everything is escaped,
nothing unknown is printed as blank, and every string passes ``visible`` on its way out, here and only
here, so that no template can forget it.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Undefined
from markupsafe import Markup

from audit import resources
from audit.record import Record
from audit.report import (
    charts,
    clauses,
    coverage,
    findings,
    fonts,
    freezing,
    ll144,
    prose,
    register,
    reruns,
    responsible,
    rules,
    sections,
    supplied,
    tries,
    view,
    waivers,
    withheld,
)
from audit.report.heatmap import heat_map, shaded
from audit.report.spikes import spiked
from audit.text import visible
from audit.types import Table

Medium: TypeAlias = Literal["print", "screen"]

LONGEST_TEXT = 1200
"""Characters of a sample or a parameter that are printed; the whole text is in the attached record."""

LONGEST_WORD = 20
ARCHITECTURE_WORDS: Mapping[str, str] = {
    "class": "Class in transformers",
    "family": "Family",
    "parameters": "Parameters",
    "layers": "Layers",
    "longest_input": "Longest input, in tokens",
    "hidden_size": "Width of the states",
    "num_attention_heads": "Attention heads per layer",
    "vocab_size": "Words and pieces in the vocabulary",
}
"""Facts of a configuration as a report calls them; another is printed by its own name."""
"""Characters of a word that a table cell keeps together."""

LONGEST_REPEATED = 30
"""Characters of a text that a column of a table may repeat from row to row."""

PRINTED_ROWS = 60
"""Rows of an exhibit's table, and files of a model, that are printed."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What tells this report from every other: a digest of the record, and a name made of it."""

    digest: str
    """SHA-256 of the record as it is attached and stored."""
    report_id: str


def identity(record: Record) -> Identity:
    """Return the identity of the report on ``record``."""
    digest = hashlib.sha256(record.to_json().encode("utf-8")).hexdigest()
    day = f"{view.moment(record.created):%Y%m%d}"
    return Identity(digest=digest, report_id=f"{record.policy.id}-{day}-{digest[:8]}")


def templates() -> tuple[str, ...]:
    """Return the names of the report templates: the files directly in the template folder."""
    found = resources.folder("report_templates").glob("*.html.j2")
    return tuple(sorted(path.name.removesuffix(".html.j2") for path in found))


def stylesheet(medium: Medium) -> str:
    """Return the whole style sheet of a medium; it holds nothing from outside."""
    folder = resources.folder("report_templates") / "css"
    sheets = [(folder / name).read_text(encoding="utf-8") for name in ("report.css", f"{medium}.css")]
    return "\n".join([fonts.css(embed=medium == "screen"), *sheets])


def fill(record: Record, *, medium: Medium, template: str = "technical", **more: str) -> str:
    """Return a report as HTML.

    ``more`` are further values that a medium's templates need.
    """
    return filled(
        template,
        medium=medium,
        record=record,
        checks=findings.checks(record),
        identity=identity(record),
        sections=sections.sections(template),
        **more,
    )


def filled(template: str, *, medium: Medium, **values: object) -> str:
    """Return a template as HTML, with the style sheet of its medium and the three nets of this module."""
    page = _environment().get_template(f"{template}.html.j2")
    style = Markup(stylesheet(medium))  # noqa: S704 - our own files, nothing from outside
    return page.render(medium=medium, stylesheet=style, **values)


def fill_page(name: str, **values: object) -> str:
    """Return a page for the screen that is no report on one record: a template in the folder ``pages``."""
    return filled(f"pages/{name}", medium="screen", **values)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(resources.folder("report_templates")),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    environment.globals |= _words()
    environment.filters |= {
        "number": view.number,
        "bare": view.bare,
        "plain": view.plain,
        "p_value": view.p_value,
        "when": view.when,
        "date": view.date,
        "w3c": view.w3c,
        "blocks": prose.blocks,
        "pieces": pieces,
        "sentence": view.sentence,
        "shortened": shortened,
        "brief": brief,
        "compact": compact,
    }
    return environment


def _words() -> Mapping[str, Any]:
    """Return what the templates call."""
    return {
        "VERDICT_WORDS": view.VERDICT_WORDS,
        "NOT_SUPPLIED": view.NOT_SUPPLIED,
        "PRINTED_ROWS": PRINTED_ROWS,
        "tally": findings.tally,
        "deciding": findings.deciding,
        "by_method": findings.by_method,
        "drawings": charts.drawings,
        "heat_map": heat_map,
        "shaded": shaded,
        "cells": cells,
        "repeated": repeated,
        "late_persons": late_persons,
        "waivers": waivers.views,
        "frozen": freezing.told,
        "unnamed": responsible.unnamed,
        "departures": waivers.departures,
        "command": command,
        "bearing": clauses.bearing,
        "held": clauses.held,
        "extract": clauses.extract,
        "STATUS_WORDS": clauses.STATUS_WORDS,
        "ARCHITECTURE_WORDS": ARCHITECTURE_WORDS,
        "spiked": spiked,
        "answers": rules.answers,
        "fact_groups": supplied.groups,
        "findings_register": register.entries,
        "rerun_triggers": reruns.triggers,
        "coverage_matrices": coverage.matrices,
        "withheld_texts": withheld.withheld,
        "known_runs": tries.tries,
        "bias_tables": ll144.summaries,
        "stated": supplied.statement,
        "facts_supplied": supplied.supplied,
        "facts_total": supplied.total,
        "facts_towards": supplied.towards,
    }


def _shown(value: object) -> object:
    """Return what Jinja may print of a value.

    Raises
    ------
    TypeError
        For a fraction, which only ``view`` may turn into text, and for None and truth values: a blank
        field is a defect of the template.
    """
    if isinstance(value, Markup | Undefined):
        return value
    if isinstance(value, str):
        return visible(value, fonts.coverage())
    if isinstance(value, int) and not isinstance(value, bool):
        return view.count(value)
    raise TypeError(f"a template prints {value!r} as it stands; make it text first")


# ---- small helpers of the templates --------------------------------------------------------------


def shortened(text: str, most: int = LONGEST_TEXT) -> str:
    """Return ``text``, cut with a note of its length where it is longer than ``most`` characters."""
    if len(text) <= most:
        return text
    return f"{text[:most]}… ({view.count(len(text))} characters in all)"


def brief(text: str, most: int) -> str:
    """Return ``text`` in at most ``most`` printed characters, where a page has room for no more.

    What does not show itself is printed as its code point, which is longer than itself: it is counted as printed.
    """
    shown = visible(text, fonts.coverage())
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def pieces(text: str) -> list[str]:
    """Return ``text`` cut where a table cell may break it: inside words that no column can hold.

    Behind a mark that joins words where there is one (``score_gap_within_strata``), else where the room ends.
    """
    apart = re.split(rf"(\S{{{LONGEST_WORD},}})", text)
    joined = rf"[^/_.\s-]{{1,{LONGEST_WORD - 1}}}[/_.-]?|[/_.-]"
    return [part for i, words in enumerate(apart) for part in (re.findall(joined, words) if i % 2 else [words]) if part]


def compact(value: object) -> str:
    """Return a check's parameter as compact JSON, cut where it is long (tables of swaps, word lists)."""
    if value is None:
        return "not set"
    if value == "":
        return "empty"
    if isinstance(value, int) and not isinstance(value, bool):
        return view.count(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return shortened(text, 300)


@dataclass(frozen=True, kw_only=True)
class Printed:
    """A cell of an exhibit's table as text."""

    text: str
    numeric: bool


def cells(table: Table) -> tuple[tuple[Printed, ...], ...]:
    """Return the printed rows of a table, every column with decimals of its own."""
    decimals = [_column_decimals(table, i) for i in range(len(table.columns))]
    return tuple(
        tuple(
            _cell(cell, column.unit, places) for cell, column, places in zip(row, table.columns, decimals, strict=True)
        )
        for row in table.rows[:PRINTED_ROWS]
    )


def repeated(table: Table) -> dict[int, str]:
    """Return, by column, a long text that most of its rows have in common: it is printed once, under the table."""
    out = {}
    for i in range(1, len(table.columns)):
        counted = Counter(row[i] for row in table.rows).most_common(1)
        for text, number in counted:
            if isinstance(text, str) and len(text) > LONGEST_REPEATED and number > max(len(table.rows) / 2, 3):
                out[i] = shortened(text, 300)
    return out


def _column_decimals(table: Table, i: int) -> int | None:
    values = [cell for cell in (row[i] for row in table.rows) if isinstance(cell, float)]
    if not values:
        return None
    return view.common_decimals(table.columns[i].unit, [(value, None, None) for value in values])


def _cell(cell: str | float | None, unit: str, decimals: int | None) -> Printed:
    if cell is None:
        return Printed(text=view.NOT_MEASURED, numeric=True)
    if isinstance(cell, str):
        return Printed(text=shortened(cell, 300), numeric=False)
    if isinstance(cell, int):
        return Printed(text=view.number(cell, unit), numeric=True)
    return Printed(text=view.number(cell, unit, decimals), numeric=True)


def late_persons(record: Record) -> tuple[tuple[str, str, str], ...]:
    """Return check title, role and date of every criterion dated after the day on which the run began."""
    begun = view.moment(record.created).date()
    return tuple(
        (check.title, role, on)
        for check in record.checks
        for criterion in check.criteria
        for role, on in (("setting", criterion.set_by.on), ("approval", criterion.approved_by.on))
        if _is_date(on) and view.moment(on).date() > begun
    )


def _is_date(text: str) -> bool:
    try:
        view.moment(text)
    except ValueError:
        return False
    return True


def command(record: Record) -> str:
    """Return the command that repeats the audit.

    A folder is named by what it holds: where it lay on another machine helps nobody.
    """
    model = record.model
    words = ["inspectoscope", "run", record.policy.path, "--model", model.name if model.kind == "hub" else "MODEL"]
    if model.revision:
        words += ["--revision", model.revision]
    for key, value in record.policy.overrides.items():
        words += ["--set", f"{key}={value}"]
    words += ["--dtype", model.dtype, "--executor", record.run.executor, "--fail-on", ",".join(record.run.fail_on)]
    words += ["--baseline", "BASELINE"] * (record.run.baseline is not None)
    words += ["--allow-remote-code"] * model.remote_code + ["--allow-pickle"] * model.pickle
    return shlex.join(words)
