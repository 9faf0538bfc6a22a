"""What the columns of a data set are for, held against the columns that there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from audit.policy.document import KeyPath
from audit.policy.labels import MOST_TOLD, label_column
from audit.policy.problems import counted, nearest, one_of, shortened
from audit.policy.reading import PERSONAL, Reading
from audit.policy.schema_data import DataEntry
from audit.policy.sources import Source


def check_roles(path: KeyPath, entry: DataEntry, reading: Reading) -> None:
    """Say what is wrong with the roles that an entry gives its columns, before any row is read."""
    if entry.origin in PERSONAL and entry.art4a is None:
        reading.problems.at(
            (*path, "origin"),
            found=f"data of origin `{entry.origin}` without `art4a`",
            expected="art4a: {why: why other data are not enough, safeguards: …, deletion: a date}",
            do="use synthetic or anonymised data, or write down why they are not enough",
        )
    if entry.origin in PERSONAL and isinstance(entry.rows, list) and not entry.show_rows:
        reading.problems.at(
            (*path, "origin"),  # not at the rows: messages quote the line that they are about
            found="rows of personal data in the policy, which every record and report hold whole",
            expected="the path of a file",
            do="move the rows into a file; or say show_rows: true where readers of the report may see them",
        )
    for key in ("groups", "legitimate", "cluster"):
        named = getattr(entry, key)
        for index, column in enumerate(named if isinstance(named, list) else ()):
            if column in named[:index]:
                reading.problems.at((*path, key, index), found=f"`{column}` a second time", expected="each column once")
            if key == "legitimate" and column in entry.groups:
                reading.problems.at(
                    (*path, key, index),
                    found=f"`{column}`, which is also a protected attribute",
                    expected="a factor that a decision may rest on",
                )


def _named_columns(path: KeyPath, entry: DataEntry, source: Source) -> Iterator[tuple[KeyPath, str, bool]]:
    """Yield every column that the entry names after extraction, with its path and whether it is a key there."""
    for name in source.template.names:
        yield source.template_place(name), name, False
    for key in ("groups", "legitimate", "cluster"):
        named = getattr(entry, key)
        if isinstance(named, str):
            yield (*path, key), named, False
        elif isinstance(named, dict):
            yield from (((*path, key, column), column, True) for column in named)
        else:
            yield from (((*path, key, index), column, False) for index, column in enumerate(named or ()))
    if (column := label_column(entry.label)) is not None:
        yield ((*path, "label") if isinstance(entry.label, str) else (*path, "label", "column")), column, False
    yield from (((*path, "where", column), column, True) for column in entry.where)


def columns_known(path: KeyPath, entry: DataEntry, source: Source, columns: Sequence[str], reading: Reading) -> bool:
    """Return whether every column that the entry names is among ``columns``; the problems say which is not."""
    missing = [named for named in _named_columns(path, entry, source) if named[1] not in columns]
    for at, column, is_key in missing:
        tell_missing(at, column, source, columns, reading, is_key=is_key)
    return not missing


def tell_missing(
    at: KeyPath, column: str, source: Source, columns: Sequence[str], reading: Reading, *, is_key: bool = False
) -> None:
    """Say that a column is not there, and which was probably meant."""
    advice = nearest(column, columns)
    same = [known for known in columns if known.replace("-", "_").replace(" ", "_") == column]
    if same:  # a column whose name cannot stand in a template
        advice = f"give `{same[0]}` another name: extract: [{{from: {same[0]}, pattern: '{{{column}}}'}}]"
    reading.problems.at(
        at,
        key=is_key,
        found=f"the column `{shortened(column)}`, missing in {source.shown}",
        expected=one_of(columns),
        do=advice,
    )


def check_groups(path: KeyPath, entry: DataEntry, groups: Mapping[str, Mapping[str, int]], reading: Reading) -> None:
    """Hold the groups in the data against the values that the policy expects, where it says them."""
    if not isinstance(entry.groups, dict):
        return
    for attribute, counts in groups.items():
        at = (*path, "groups", attribute)
        declared = dict.fromkeys(reading.document.texts(at))
        known = [value for value in counts if value]
        undeclared = [value for value in known if value not in declared]
        for index, value in enumerate(declared):
            if value not in counts:
                reading.problems.at(
                    (*at, index),
                    found=f"the empty group {attribute} = {shortened(value)}: no row is in it",
                    expected="rows of every group" + (f"; the data have {one_of(known)}" if known else ""),
                    do=nearest(value, undeclared),
                )
        for value in undeclared[:MOST_TOLD]:
            reading.problems.at(
                at,
                key=True,
                found=f"{counted(counts[value], 'row')} with {attribute} = {shortened(value)}, a group not declared",
                expected=one_of(list(declared)),
                do="declare the group, or leave its rows out with where:",
            )
