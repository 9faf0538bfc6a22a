"""Where the rows of a data set come from: a file, the policy itself, or a template and its lists."""

from __future__ import annotations

from dataclasses import dataclass

from audit.policy.document import KeyPath
from audit.policy.problems import Problems, nearest, one_of, shortened
from audit.policy.reading import Reading
from audit.policy.schema_data import DataEntry
from audit.policy.tables import Table, TableRow
from audit.policy.templates import FieldList, ListError, canonical_digest, field_list, product, unused
from audit.types import Place, TemplateChoice, TextTemplate


@dataclass(frozen=True, kw_only=True)
class Source:
    """The rows of a data set before anything is taken out of them, and what makes them text."""

    table: Table
    template: TextTemplate
    template_path: KeyPath
    written: str
    """A path as the policy writes it, ``inline`` or ``template``."""
    shown: str
    """As messages name it."""

    def template_place(self, name: str) -> KeyPath:
        """Return the path of the template that uses a name; of several, the first that does."""
        if isinstance(self.template, TemplateChoice):
            for index, option in enumerate(self.template.options):
                if name in option.names:
                    return (*self.template_path, index)
        return self.template_path


def source(path: KeyPath, entry: DataEntry, reading: Reading) -> Source | None:
    """Return the rows that a data set names, or None when something is wrong with them."""
    before = len(reading.problems)
    _check_keys(path, entry, reading.problems)
    if len(reading.problems) > before:
        return None
    if entry.template is not None:
        return _from_template(path, entry, reading)
    template = row_template(path, entry, reading)
    if isinstance(entry.rows, str):
        read = reading.table_at((*path, "rows"))
        table, shown = read or (None, "")
        written = reading.name_at((*path, "rows"))
    else:
        table, shown, written = _inline((*path, "rows"), reading), "the rows", "inline"
    if template is None or table is None:
        return None
    return Source(table=table, template=template, template_path=(*path, "text"), written=written, shown=shown)


def row_template(path: KeyPath, entry: DataEntry, reading: Reading) -> TextTemplate | None:
    """Return what makes text of a data set's rows, or None when something is wrong with it."""
    return _template((*path, "text"), [str(entry.text)], several=False, problems=reading.problems)


def _check_keys(path: KeyPath, entry: DataEntry, problems: Problems) -> None:
    """Say which of rows, text, template and lists do not belong together."""
    if entry.rows is None and entry.template is None:
        problems.at(path, key=True, found="neither `rows` nor `template`", expected="one of them")
    if entry.rows is not None and entry.template is not None:
        problems.at((*path, "template"), key=True, found="`rows` and `template`", expected="one of them")
    if entry.rows is not None and entry.template is None:
        if entry.text is None:
            problems.at(
                path,
                key=True,
                found="`rows` without `text`",
                expected='the text of a row, such as text: "{comment}"',
            )
        if entry.lists:
            problems.at((*path, "lists"), key=True, found="`lists` without `template`", expected="a template to fill")
    if entry.template is not None and entry.text is not None:
        problems.at((*path, "text"), key=True, found="`text` beside `template`", expected="only the template")


def _template(path: KeyPath, sources: list[str], *, several: bool, problems: Problems) -> TextTemplate | None:
    before = len(problems)
    for index, text in enumerate(sources):
        try:
            TextTemplate(text)
        except ValueError as error:
            problems.at(
                (*path, index) if several else path,
                found=f"a template that cannot be read: {shortened(str(error))}",
                expected="text with {column} placeholders, and {{ and }} for braces",
            )
    if len(problems) > before:
        return None
    return TemplateChoice.of(sources) if several else TextTemplate(sources[0])


# --------------------------------------------------------------------------------------------------
# Rows in the policy itself
# --------------------------------------------------------------------------------------------------


def _inline(path: KeyPath, reading: Reading) -> Table | None:
    document, problems = reading.document, reading.problems
    cells: list[dict[str, str]] = document.texts(path)
    columns = tuple(cells[0])
    before = len(problems)
    for number, row in enumerate(cells):
        for column in row.keys() - set(columns):
            problems.at(
                (*path, number, column),
                key=True,
                found=f"the column `{shortened(column)}`, which the first row does not have",
                expected=one_of(columns),
                do=nearest(column, columns),
            )
        for column in [column for column in columns if column not in row]:
            problems.at(
                (*path, number),
                found=f"a row without `{shortened(column)}`",
                expected="the columns of the first row",
                do=f"write {shortened(column)}: null where the value is not known",
            )
    if len(problems) > before:
        return None

    def locate(row: TableRow, column: str) -> tuple[Place, str]:
        place = document.place_of((*path, row.number, column))
        return place, document.excerpt(place)

    rows = tuple(
        TableRow(cells=row, place=document.place_of((*path, number)), number=number) for number, row in enumerate(cells)
    )
    return Table(columns=columns, rows=rows, sha256=canonical_digest(cells), locate=locate)


# --------------------------------------------------------------------------------------------------
# A template and its lists
# --------------------------------------------------------------------------------------------------


def _from_template(path: KeyPath, entry: DataEntry, reading: Reading) -> Source | None:
    several = isinstance(entry.template, list)
    texts = entry.template if isinstance(entry.template, list) else [str(entry.template)]
    at = (*path, "template")
    template = _template(at, texts, several=several, problems=reading.problems)
    lists = [_list((*path, "lists", name), name, reading) for name in entry.lists]
    if template is None or any(found is None for found in lists):
        return None
    filled = [found for found in lists if found is not None]
    for found in unused(template.names, filled):
        reading.problems.at(
            (*path, "lists", found.name),
            key=True,
            found=f"the list `{found.name}`, of which no template uses a field",
            expected=one_of([f"{{{field}}}" for field in found.fields]) + " in a template",
            do="remove the list: it would count every text several times",
        )
    try:
        place = reading.document.place_of(at)
        table = product(texts, filled, several=several, place=place)
    except ListError as error:
        where = (*path, "lists", error.name) if error.name else (*path, "template")
        reading.problems.at(where, key=True, found=error.found, expected=error.expected, do=error.do)
        return None
    return Source(table=table, template=template, template_path=at, written="template", shown="the lists")


def _list(path: KeyPath, name: str, reading: Reading) -> FieldList | None:
    entries = reading.document.texts(path)
    if isinstance(entries, str):
        table = reading.rows_at(path)
        if table is None:
            return None
        entries = [dict(row.cells) for row in table.rows]
        if not entries:
            reading.problems.at(path, found="a table without rows", expected="at least one entry")
            return None
    try:
        return field_list(name, entries)
    except ListError as error:
        reading.problems.at(path, key=True, found=error.found, expected=error.expected, do=error.do)
        return None
