"""Builds the data sets of a policy: from rows as they stand in a file to the texts a model is shown.

The order is fixed: rows are read, fields extracted, rows chosen by ``where``, texts rendered, a sample
drawn. What is left out on the way is counted by reason and printed in the report.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from audit.errors import Problem
from audit.policy import extract
from audit.policy.document import KeyPath
from audit.policy.labels import label_column, labelled, meanings
from audit.policy.paths import KeptData
from audit.policy.problems import counted, nearest, one_of, shortened
from audit.policy.reading import PERSONAL, Reading
from audit.policy.roles import check_groups, check_roles, columns_known, tell_missing
from audit.policy.schema_data import DataEntry, PatternStep, SampleEntry, WordsStep
from audit.policy.sources import Source, row_template, source
from audit.policy.tables import TableRow
from audit.types import DataCard, Dataset, Row, rows_digest


def dataset(name: str, entry: DataEntry, reading: Reading) -> Dataset | None:
    """Return a data set of the policy, or None when the problems say what is wrong with it."""
    path: KeyPath = ("data", name)
    before = len(reading.problems)
    check_roles(path, entry, reading)
    found = source(path, entry, reading)
    state = None if found is None else _extracted(path, entry, found, reading)
    if found is None or state is None or not columns_known(path, entry, found, state.columns, reading):
        return None
    state = _chosen(path, entry, state, reading)
    rows = _rendered(path, entry, state, reading)
    if not rows and len(reading.problems) == before:
        _tell_empty(path, state, reading)
    rows, sampling = _sampled(rows, entry.sample)
    groups = {attribute: _counts(attribute, rows) for attribute in entry.groups}
    check_groups(path, entry, groups, reading)
    if len(reading.problems) > before:
        return None
    card = _card(name, entry, state)
    return Dataset(
        name=name,
        rows=rows,
        template=found.template,
        groups=tuple(entry.groups),
        legitimate=tuple(entry.legitimate),
        cluster=_cluster(entry),
        card=replace(
            card,
            rows_used=len(rows),
            rows_sha256=rows_digest(rows),
            sampling=sampling,
            groups=groups,
            labelled=_known(rows),
        ),
        place=reading.document.key_place(path),
    )


def restored(name: str, entry: DataEntry, kept: KeptData, reading: Reading) -> Dataset | None:
    """Return a data set whose rows were kept and whose file was not; None when the problems say what is wrong."""
    path: KeyPath = ("data", name)
    template = row_template(path, entry, reading)
    if template is None:
        return None
    return Dataset(
        name=name,
        rows=kept.rows,
        template=template,
        groups=tuple(entry.groups),
        legitimate=tuple(entry.legitimate),
        cluster=_cluster(entry),
        card=kept.card,
        place=reading.document.key_place(path),
    )


def _cluster(entry: DataEntry) -> tuple[str, ...]:
    return (entry.cluster,) if isinstance(entry.cluster, str) else tuple(entry.cluster or ())


@dataclass(frozen=True, kw_only=True)
class _State:
    """What is left of a source, and what was left out and why."""

    source: Source
    rows: Sequence[TableRow]
    columns: tuple[str, ...]
    dropped: Counter[str]


def _known(rows: Sequence[Row]) -> int:
    return sum(row.label is not None for row in rows)


# --------------------------------------------------------------------------------------------------
# From rows to texts
# --------------------------------------------------------------------------------------------------


def _extracted(path: KeyPath, entry: DataEntry, found: Source, reading: Reading) -> _State | None:
    """Return the rows with the fields of every step, or None at the first step that cannot be made."""
    table = found.table
    state = _State(source=found, rows=table.rows, columns=table.columns, dropped=Counter())
    for index, step in enumerate(entry.extract):
        at = (*path, "extract", index)
        taking = _step(at, step, state, reading)
        if taking is None:
            return None
        kept, dropped = extract.applied(taking, state.rows)
        if dropped and isinstance(step, PatternStep) and step.otherwise == "error":
            _tell_unfit((*at, "pattern"), step, dropped, found, reading)
            return None
        counts = state.dropped + Counter(reason for _, reason in dropped)
        state = replace(state, rows=kept, columns=(*state.columns, *taking.fields), dropped=counts)
    return state


def _tell_unfit(
    at: KeyPath, step: PatternStep, dropped: Sequence[tuple[TableRow, str]], found: Source, reading: Reading
) -> None:
    row, _ = dropped[0]
    place, line = found.table.locate(row, step.from_)
    quoted = reading.may_quote(at)
    cell = f"`{shortened(row.cells[step.from_])}`" if quoted else "a text that does not fit"
    further = f", and in {counted(len(dropped) - 1, 'further row')}" if len(dropped) > 1 else ""
    reading.problems.add(
        Problem(
            where=place,
            found=f"{cell} in the column `{step.from_}`{further}",
            expected=f"text that fits {step.pattern}, since line {reading.document.place_of(at).line} of the "
            "policy takes a row that does not for an error",
            do="correct the row, or let it be dropped and counted with otherwise: drop",
            excerpt=line if quoted else "",
        )
    )


def _step(path: KeyPath, step: PatternStep | WordsStep, state: _State, reading: Reading) -> extract.Step | None:
    """Return what a step does, or None when it cannot be done to these columns."""
    if step.from_ not in state.columns:
        tell_missing((*path, "from"), step.from_, state.source, state.columns, reading)
        return None
    taking = _taking(path, step, state, reading)
    twice = [field for field in taking.fields if field in state.columns] if taking else []
    if twice:
        reading.problems.at(
            path,
            found=f"the field `{twice[0]}`, which is already there",
            expected="names that are not taken yet",
            do="give the field another name",
        )
    return None if twice else taking


def _taking(path: KeyPath, step: PatternStep | WordsStep, state: _State, reading: Reading) -> extract.Step | None:
    try:
        if isinstance(step, PatternStep):
            return extract.by_pattern(step.from_, step.pattern)
        words = _words((*path, "words"), step, reading)
        if words is None:
            return None
        return extract.by_words(step.from_, words, term=step.as_, **_names(step, state))
    except ValueError as error:
        reading.problems.at(
            (*path, "pattern" if isinstance(step, PatternStep) else "words"),
            found=shortened(str(error)),
            expected="text with {field} placeholders and fixed parts between them"
            if isinstance(step, PatternStep)
            else f"words of at most {extract.MAX_WORD} characters",
        )
        return None


def _names(step: WordsStep, state: _State) -> dict[str, str | None]:
    """Return the names of a step's further fields; a default that an earlier step has taken stays that step's."""
    taken = set(state.columns) - set(state.source.table.columns)
    names = {"frame": step.frame, "before": step.before, "after": step.after}
    return {key: None if key not in step.model_fields_set and name in taken else name for key, name in names.items()}


def _words(path: KeyPath, step: WordsStep, reading: Reading) -> list[str] | None:
    if isinstance(step.words, str):
        read = reading.words_at(path)
        if read is None:
            return None
        words = read
    else:
        words = reading.document.texts(path)
    listed = [word for word in words if word.strip()]
    if not listed:
        reading.problems.at(path, found="a list without words", expected="at least one word")
        return None
    return listed


def _chosen(path: KeyPath, entry: DataEntry, state: _State, reading: Reading) -> _State:
    """Return what ``where`` keeps. A value that no row has is a problem: it is misspelt, or the data changed."""
    for column in entry.where:
        at = (*path, "where", column)
        given = reading.document.texts(at)
        wanted = given if isinstance(given, list) else [given]
        present = dict.fromkeys(row.cells[column] for row in state.source.table.rows if column in row.cells)
        present |= dict.fromkeys(row.cells[column] for row in state.rows)
        for index, value in enumerate(wanted):
            if value not in present:
                reading.problems.at(
                    (*at, index) if isinstance(given, list) else at,
                    found=f"the value `{shortened(value)}`, which no row has in the column `{column}`",
                    expected=one_of(list(present)),
                    do=nearest(value, present),
                )
        taken = set(wanted)
        kept = [row for row in state.rows if row.cells[column] in taken]
        left_out = len(state.rows) - len(kept)
        reason = f"{column} is not {shortened(' or '.join(wanted))}"
        counts = state.dropped + Counter({reason: left_out} if left_out else {})
        state = replace(state, rows=kept, dropped=counts)
    return state


def _rendered(path: KeyPath, entry: DataEntry, state: _State, reading: Reading) -> tuple[Row, ...]:
    """Return the rows with their texts and labels; a row without text, or with too much, is dropped and counted."""
    labels: Sequence[bool | None] = [None] * len(state.rows)
    column = label_column(entry.label)
    if column is not None and entry.label is not None:
        means = meanings((*path, "label"), entry.label, reading)
        if means is not None:
            labels = labelled((*path, "label"), state.rows, column, means, state.source.table, reading)
    rows = []
    for row, label in zip(state.rows, labels, strict=True):
        # A cell of nothing but spaces says no more about a person than an empty one.
        fields = {**row.cells, **{name: "" for name in entry.groups if not row.cells[name].strip()}}
        text, spans = state.source.template.render(fields)
        if not text.strip():
            state.dropped["the text is empty"] += 1
        elif entry.longest is not None and len(text) > entry.longest:
            state.dropped[f"the text has more than {entry.longest:,} characters"] += 1
        else:
            rows.append(Row(text=text, fields=fields, spans=spans, label=label, place=row.place))
    return tuple(rows)


def _sampled(rows: tuple[Row, ...], sample: SampleEntry | None) -> tuple[tuple[Row, ...], str]:
    """Return the sample in the order of the rows, and how it was drawn.

    A row is drawn when the SHA-256 of seed and position is among the smallest: the same rows on every
    machine and with every version of any library.
    """
    if sample is None:
        return rows, ""
    if sample.rows >= len(rows):
        fewer = f", fewer than the {sample.rows:,} asked for" if sample.rows > len(rows) else ""
        return rows, f"all of {counted(len(rows), 'row')}{fewer}"
    order = sorted(range(len(rows)), key=lambda at: hashlib.sha256(f"{sample.seed}:{at}".encode()).digest())
    drawn = tuple(rows[at] for at in sorted(order[: sample.rows]))
    how = f"{sample.rows:,} of {counted(len(rows), 'row')}, drawn without replacement with seed {sample.seed}"
    return drawn, how


def _tell_empty(path: KeyPath, state: _State, reading: Reading) -> None:
    reasons = "; ".join(f"{count:,} because {reason}" for reason, count in state.dropped.items())
    reading.problems.at(
        path,
        key=True,
        found=f"no rows: {len(state.source.table.rows):,} read" + (f", dropped {reasons}" if reasons else ""),
        expected="at least one row",
    )


# --------------------------------------------------------------------------------------------------
# The card
# --------------------------------------------------------------------------------------------------


def _counts(attribute: str, rows: Sequence[Row]) -> Mapping[str, int]:
    return dict(sorted(Counter(row.fields[attribute] for row in rows).items()))


def _card(name: str, entry: DataEntry, state: _State) -> DataCard:
    return DataCard(
        name=name,
        source=state.source.written,
        sha256=state.source.table.sha256,
        origin=entry.origin,
        licence=entry.licence,
        description=entry.description,
        language=entry.language,
        population=entry.population,
        enumerated=entry.enumerated,
        rows_read=len(state.source.table.rows),
        rows_used=0,
        dropped=dict(state.dropped),
        rows_shown=entry.origin not in PERSONAL or entry.show_rows,
        special_category=entry.art4a.model_dump() if entry.art4a else {},
    )
