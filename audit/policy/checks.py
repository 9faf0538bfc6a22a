"""Turns the entries under ``checks`` into checks that are ready to run, and ``hazards`` into families."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from audit.policy.annotations import files_in, keys, tables_in
from audit.policy.criteria import criteria
from audit.policy.document import KeyPath
from audit.policy.problems import nearest, one_of, shortened
from audit.policy.reading import Reading
from audit.policy.schema import MAX_CRITERIA, CheckEntry, HazardEntry
from audit.policy.validation import validated
from audit.registry import CheckType
from audit.types import Criterion, Dataset, Decision, GivenFile, Hazard, PlannedCheck

COMMON = tuple(keys(CheckEntry))
"""Keys that every check has; the others are parameters of its type."""


@dataclass(frozen=True, kw_only=True)
class DraftCheck:
    """A check as far as it can be read without its data."""

    path: KeyPath
    id: str
    """As written; ``""`` where it is missing or wrong."""
    has_criteria: bool
    entry: CheckEntry | None
    type: CheckType | None
    params: BaseModel | None
    criteria: tuple[Criterion, ...]


def drafted(index: int, reading: Reading, check_types: Mapping[str, CheckType]) -> DraftCheck:
    """Return one entry of ``checks`` with its parameters and criteria, as far as they are right."""
    path: KeyPath = ("checks", index)
    value = reading.document.get(path)
    given: dict[str, Any] = value if isinstance(value, dict) else {}
    # Without its type nobody can say which keys are parameters; but one that is nearly `check` is a slip.
    slip = () if "check" in given else ("check",)
    common = {key: item for key, item in given.items() if key in COMMON or nearest(key, slip)}
    entry = validated(CheckEntry, common if given else value, at=path, problems=reading.problems)
    check_type = _type(path, given.get("check"), reading, check_types)
    params = None
    if check_type is not None:
        own = {key: item for key, item in given.items() if key not in COMMON}
        params = _params(path, own, check_type, reading)
    written = given.get("criteria")
    listed = written[:MAX_CRITERIA] if isinstance(written, list) else []
    name = given.get("id")
    return DraftCheck(
        path=path,
        id=name if isinstance(name, str) else "",
        has_criteria=bool(listed),
        entry=entry,
        type=check_type,
        params=params,
        criteria=criteria((*path, "criteria"), listed, check_type, params, reading),
    )


def _type(path: KeyPath, name: Any, reading: Reading, check_types: Mapping[str, CheckType]) -> CheckType | None:
    if not isinstance(name, str) or not name.strip():
        return None  # the shape of the entry says so
    if name not in check_types:
        options = list(check_types)
        reading.problems.at(
            (*path, "check"),
            found=f"the unknown check `{shortened(name)}`",
            expected=one_of(options),
            do=nearest(name, options) or "a check of your own is given before the command: --check-module FILE",
        )
    return check_types.get(name)


def _params(path: KeyPath, own: dict[str, Any], check_type: CheckType, reading: Reading) -> BaseModel | None:
    """Return a check's own parameters, with the files that it may name read: tables as their rows, others whole."""
    unreadable: list[KeyPath] = []
    files: dict[str, GivenFile] = {}
    value: Any = own
    for at in list(files_in(check_type.params, own)):
        if not isinstance(reading.document.get((*path, *at)), str):
            continue  # the shape of the parameter says so
        if (file := reading.file_at((*path, *at))) is None:
            unreadable.append(at)
        else:
            files[str(reading.document.get((*path, *at)))] = file
    for at in list(tables_in(check_type.params, own)):
        given = reading.document.get((*path, *at))
        if isinstance(given, str):
            table = reading.rows_at((*path, *at))
            if table is None:
                unreadable.append(at)
            rows: Any = [dict(row.cells) for row in table.rows] if table else []
        else:
            rows = _cells(given, reading.document.texts((*path, *at)))
        value = _with(value, at, rows)
    params = validated(
        check_type.params,
        value,
        at=path,
        problems=reading.problems,
        also=COMMON,
        known_bad=unreadable,
        files=files,
    )
    return None if unreadable else params


def _cells(given: Any, texts: Any) -> Any:
    """Return an inline table with its cells as text; what is no table is left for the schema to refuse."""
    if not isinstance(given, list):
        return given
    flat = [isinstance(row, dict) and not any(isinstance(cell, dict | list) for cell in row.values()) for row in given]
    return [text if is_flat else row for row, text, is_flat in zip(given, texts, flat, strict=True)]


def _with(value: Any, path: KeyPath, new: Any) -> Any:
    """Return a value with one of the values in it replaced."""
    if not path:
        return new
    copy: Any = list(value) if isinstance(value, list) else dict(value)
    copy[path[0]] = _with(copy[path[0]], path[1:], new)
    return copy


# --------------------------------------------------------------------------------------------------
# Joined with the data
# --------------------------------------------------------------------------------------------------


def planned(
    draft: DraftCheck,
    reading: Reading,
    datasets: Mapping[str, Dataset | None],
    decision: Decision | None,
    seed: int,
) -> PlannedCheck | None:
    """Return a check that is ready to run, once its type has seen its data; None where something is wrong."""
    if draft.entry is None:
        return None
    name = draft.entry.data
    if name not in datasets:
        options = list(datasets)
        reading.problems.at(
            (*draft.path, "data"),
            found=f"the unknown data set `{shortened(name)}`",
            expected=one_of(options),
            do=nearest(name, options),
        )
    data = datasets.get(name)
    if draft.type is None or draft.params is None or data is None or decision is None:
        return None
    for problem in draft.type.problems(draft.params, data, decision):
        at = (*draft.path, *problem.at)
        reading.problems.at(at, found=problem.found, expected=problem.expected, do=problem.do)
    return PlannedCheck(
        id=draft.entry.id,
        check=draft.type.name,
        title=draft.entry.title or draft.type.title,
        data=name,
        params=draft.params,
        criteria=draft.criteria,
        seed=check_seed(seed, draft.entry.id),
        place=reading.document.place_of(draft.path),
    )


def check_seed(seed: int, check_id: str) -> int:
    """Return a check's own seed: adding a check to a policy changes no other's draws.

    48 bits, so that every reader of JSON keeps it whole (RFC 8259, section 6).
    """
    return int.from_bytes(hashlib.sha256(f"{seed}:{check_id}".encode()).digest()[:6])


def unique(path: KeyPath, ids: Sequence[str], reading: Reading) -> None:
    """Say which ids of a list stand in it twice."""
    for index, name in enumerate(ids):
        if name and name in ids[:index]:
            first = reading.document.place_of((*path, ids.index(name), "id"))
            reading.problems.at(
                (*path, index, "id"),
                found=f"the id `{shortened(name)}` a second time; the first is at line {first.line}",
                expected="each id once",
            )


def hazard(index: int, reading: Reading, checks: Sequence[DraftCheck], watched: dict[str, str]) -> Hazard | None:
    """Return one entry of ``hazards``.

    ``watched`` maps the checks of the hazards before it to their hazard and is added to: a criterion belongs
    to one family, or Holm's correction would have no answer to how many hypotheses were tested.
    """
    path: KeyPath = ("hazards", index)
    entry = validated(HazardEntry, reading.document.get(path), at=path, problems=reading.problems)
    if entry is None:
        return None
    by_id = {check.id: check for check in reversed(checks) if check.id}  # of two with one id, the first
    for position, name in enumerate(entry.criteria):
        at = (*path, "criteria", position)
        if name not in by_id:
            found, expected = f"the unknown check `{shortened(name)}`", one_of(list(by_id))
            reading.problems.at(at, found=found, expected=expected, do=nearest(name, by_id))
        elif not by_id[name].has_criteria:
            found = f"the check `{name}`, which has no criteria"
            reading.problems.at(at, found=found, expected="a check that is judged")
        elif name in watched:
            found = f"the check `{name}`, which `{watched[name]}` already names"
            reading.problems.at(at, found=found, expected="each check in one hazard: its criteria are one family")
        watched.setdefault(name, entry.id)
    if not entry.criteria and entry.rule is None:
        reading.problems.at(
            (*path, "criteria"),
            found="an empty list",
            expected="at least one check; only a hazard with a `rule` may name none",
        )
    return Hazard(
        id=entry.id,
        text=entry.text,
        checks=tuple(entry.criteria),
        place=reading.document.place_of(path),
        rule=entry.rule or "",
    )
