"""Reads what a provider states about a system, and writes the blank file that asks for it.

A statement is somebody's, made on a day: one without ``by`` and ``on`` is refused, because a reader could ask nobody
about it. A blank is no mistake; reports print it as not supplied.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TypeVar

from audit.errors import UserError
from audit.policy import strict_yaml
from audit.policy.document import KeyPath
from audit.policy.problems import Problems, nearest, one_of, shortened
from audit.policy.schema_provider import IntendedListEntry, ProviderFile, StatementEntry
from audit.policy.validation import validated
from audit.types import (
    COVERAGE_TITLES,
    FACT_GROUPS,
    CoverageKind,
    Intended,
    IntendedList,
    ProviderFacts,
    Statement,
    fact_kinds,
)

TITLE = "The provider's facts cannot be used"
UNREADABLE = "The provider's facts cannot be read"
Entry = TypeVar("Entry", StatementEntry, IntendedListEntry)


def read(raw: bytes, shown: str) -> ProviderFacts:
    """Return the facts of a provider's file.

    Raises
    ------
    UserError
        With everything that is wrong in it; what keeps it from being read at all (broken YAML) is told alone.
    """
    try:
        document = strict_yaml.read(raw, shown)
    except UserError as error:  # the reader of YAML speaks of policies
        raise UserError(UNREADABLE, error.problems) from error
    problems = Problems(document)
    entry = validated(ProviderFile, document.data, at=(), problems=problems)
    statements: dict[str, Statement] = {}
    coverage: dict[CoverageKind, IntendedList] = {}
    if entry is not None:
        statements = _statements(entry, problems)
        coverage = _coverage(entry, problems)
    problems.stop(title=TITLE)
    return ProviderFacts(path=shown, sha256=hashlib.sha256(raw).hexdigest(), statements=statements, coverage=coverage)


def _statements(entry: ProviderFile, problems: Problems) -> dict[str, Statement]:
    known = [kind.id for kind in fact_kinds()]
    out = {}
    for name, value in entry.facts.items():
        at = ("facts", name)
        if not _known(name, known, at, problems) or value is None:
            continue
        stated = validated(StatementEntry, value, at=at, problems=problems)
        if stated is not None and stated.text.strip() and _signed(stated, at, problems):
            out[name] = Statement(text=stated.text.strip(), by=stated.by.strip(), on=stated.on)
    return out


def _coverage(entry: ProviderFile, problems: Problems) -> dict[CoverageKind, IntendedList]:
    out: dict[CoverageKind, IntendedList] = {}
    for name in entry.coverage:
        _known(name, list(COVERAGE_TITLES), ("coverage", name), problems)
    for kind in COVERAGE_TITLES:
        at = ("coverage", kind)
        if entry.coverage.get(kind) is None:
            continue
        stated = validated(IntendedListEntry, entry.coverage[kind], at=at, problems=problems)
        if stated is None or not stated.entries:
            continue
        _check_links(stated, at, problems)
        if _signed(stated, at, problems):
            entries = tuple(Intended(name=e.name, data=e.data, group=e.group, value=e.value) for e in stated.entries)
            out[kind] = IntendedList(entries=entries, by=stated.by.strip(), on=stated.on)
    return out


def _known(name: str, options: Sequence[str], at: KeyPath, problems: Problems) -> bool:
    if name in options:
        return True
    found = f"the unknown key `{shortened(name)}`"
    problems.at(at, key=True, found=found, expected=one_of(options), do=nearest(name, options))
    return False


def _signed(stated: Entry, at: KeyPath, problems: Problems) -> bool:
    """Return whether a statement says who makes it and when; what lacks is noted."""
    for key, wish in (("by", "who states it: name and function"), ("on", "the date on which it was stated")):
        if not getattr(stated, key).strip():
            problems.at(at, key=True, found=f"a statement without `{key}`", expected=f"`{key}`: {wish}")
            return False
    return True


def _check_links(stated: IntendedListEntry, at: KeyPath, problems: Problems) -> None:
    for i, entry in enumerate(stated.entries):
        lacks = "data" if entry.group and not entry.data else "group" if entry.value and not entry.group else ""
        lacks = lacks or ("value" if entry.group and not entry.value else "")
        if lacks:
            problems.at(
                (*at, "entries", i),
                found=f"a part of a data set without `{lacks}`",
                expected="`data`, `group` and `value` together, or `data` alone, or none of them",
            )


# ---- the blank file ------------------------------------------------------------------------------

_INTRO = """\
# Facts about a system that no measurement can know, as its provider states them.
# Fill in what you can; what stays blank is printed in the report as "not supplied".
# Every statement needs `by` (name and function) and `on` (a date such as 2026-11-01).
# Reports print statements as they stand, marked as stated by the provider and not verified.
# Used by: inspectoscope run POLICY --model MODEL --provider THIS_FILE, or `provider: THIS_FILE` in the policy.
inspectoscope: 1
facts:"""

_COVERAGE = """
# What the system is meant for. Each entry may name the data that stand for it in the audit: a data set of the policy,
# or the rows of it where an attribute has a value. One that names none is printed as not tested.
coverage:
  # such as: entries: [{name: Applicants over sixty, data: applicants, group: age, value: over-60}]"""

_ENTRIES: dict[CoverageKind, str] = {
    "populations": "Groups of people that it is used on.",
    "languages": "Languages of its input, such as {name: German, data: applicants}.",
    "uses": "Uses that it is meant for.",
}


def blank(statements: Mapping[str, Statement] | None = None) -> str:
    """Return a file that asks for every fact and supplies none but the given ones."""
    nothing = Statement(text="", by="", on="")
    lines = [_INTRO]
    for title, kinds in FACT_GROUPS.items():
        lines += ["", f"  # ---- {title} ----"]
        for kind in kinds:
            items = ", ".join(item.removeprefix("eu-ai-act/annex-iv/") for item in kind.items)
            lines.append(f"  # {kind.asks}" + (f" (AI Act, Annex IV, {items})" if items else ""))
            said = (statements or {}).get(kind.id, nothing)
            text, by = (json.dumps(words, ensure_ascii=False) for words in (said.text, said.by))
            lines.append(f'  {kind.id}: {{text: {text}, by: {by}, on: "{said.on}"}}')
    lines.append(_COVERAGE)
    for name, asks in _ENTRIES.items():
        lines += [f"  # {asks}", f'  {name}: {{entries: [], by: "", on: ""}}']
    return "\n".join(lines) + "\n"
