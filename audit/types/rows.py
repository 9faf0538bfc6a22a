"""Rows of a data set and the template that renders them."""

from __future__ import annotations

import hashlib
import json
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from audit.types.basic import Place

Span: TypeAlias = tuple[int, int]
"""Half-open character range in a rendered text."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One case: its rendered text, the fields it was rendered from and where they stand in the text."""

    text: str
    fields: Mapping[str, str]
    spans: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)
    label: bool | None = None
    """The true outcome, True for the positive decision; None where the data has none."""
    place: Place | None = None
    """The line of the data file, for error messages and findings."""


def rows_digest(rows: Sequence[Row]) -> str:
    """Return the SHA-256 of some rows: their texts and fields, in order."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps([row.text, dict(row.fields)], sort_keys=True).encode("ascii") + b"\n")
    return digest.hexdigest()


@dataclass(frozen=True)
class TextTemplate:
    """A text with ``{field}`` placeholders and nothing else.

    ``str.format`` is not used: a policy is hostile input, and format fields reach attributes
    (``{a.__class__}``) and conversions. ``{{`` and ``}}`` stand for braces.

    Raises
    ------
    ValueError
        When a brace is unbalanced or a placeholder is not a plain name.
    """

    source: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "_parts", tuple(_parts(self.source)))

    @property
    def parts(self) -> tuple[tuple[str, str | None], ...]:
        """Return literal text and the placeholder that follows it, None after the last."""
        return self._parts  # type: ignore[attr-defined, no-any-return]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the placeholders in order of first use."""
        return tuple(dict.fromkeys(name for _, name in self._parts if name is not None))  # type: ignore[attr-defined]

    def render(self, fields: Mapping[str, str]) -> tuple[str, dict[str, tuple[Span, ...]]]:
        """Return the text and, for each placeholder, the character spans its value fills.

        Raises
        ------
        KeyError
            When a placeholder has no value.
        """
        text: list[str] = []
        spans: dict[str, list[Span]] = {}
        at = 0
        for literal, name in self._parts:  # type: ignore[attr-defined]
            text.append(literal)
            at += len(literal)
            if name is not None:
                value = fields[name]
                spans.setdefault(name, []).append((at, at + len(value)))
                text.append(value)
                at += len(value)
        return "".join(text), {name: tuple(found) for name, found in spans.items()}


@dataclass(frozen=True)
class TemplateChoice(TextTemplate):
    """Several templates; a row's field ``template`` holds the text of the one it was rendered from."""

    options: tuple[TextTemplate, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_source", {option.source: option for option in self.options})

    @classmethod
    def of(cls, sources: Sequence[str]) -> TemplateChoice:
        """Return the choice among some template texts; raises ``ValueError`` as ``TextTemplate`` does."""
        return cls("\n".join(sources), tuple(TextTemplate(source) for source in sources))

    @property
    def parts(self) -> tuple[tuple[str, str | None], ...]:
        """Return the parts of all options, one after the other."""
        return tuple(part for option in self.options for part in option.parts)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the placeholders of all options."""
        return tuple(dict.fromkeys(name for option in self.options for name in option.names))

    def render(self, fields: Mapping[str, str]) -> tuple[str, dict[str, tuple[Span, ...]]]:
        """Render through the option that ``fields["template"]`` names."""
        option: TextTemplate = self._by_source[fields["template"]]  # type: ignore[attr-defined]
        return option.render(fields)


def _parts(source: str) -> list[tuple[str, str | None]]:
    parts: list[tuple[str, str | None]] = []
    for literal, name, spec, conversion in string.Formatter().parse(source):
        if name is not None and (not name.isidentifier() or spec or conversion):
            raise ValueError(f"{{{name}}} is not a plain field name")
        parts.append((literal, name))
    return parts


@dataclass(frozen=True, kw_only=True)
class DataCard:
    """What a reader must know about a data set before believing a number computed on it."""

    name: str
    source: str
    """A path, ``inline`` or ``template``."""
    sha256: str
    """Of the file's bytes, or of the canonical JSON of inline rows, templates and lists."""
    origin: Literal["synthetic", "public", "personal", "special_category"]
    licence: str
    description: str = ""
    language: str = ""
    population: str = ""
    """The population the rows are a sample of; empty when the policy does not name one."""
    enumerated: bool = False
    """True when the rows are all cases of a finite grammar: then there is no sampling error."""
    rows_read: int
    rows_used: int
    rows_sha256: str = ""
    """Of the rows used, their texts and fields in order: two runs with the same were made on the same rows."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Reason → number of rows left out, printed in the report."""
    sampling: str = ""
    groups: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Protected attribute → value → number of rows; the key ``""`` counts rows where it is unknown."""
    labelled: int = 0
    """Rows with a true outcome."""
    rows_shown: bool = True
    """Whether records may quote its rows: those of personal data are withheld unless the policy says otherwise."""
    special_category: Mapping[str, str] = field(default_factory=dict)
    """Answers the law asks for when personal data of special categories are used (Art. 4a)."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """The rows of one data set of a policy, with the columns that give them meaning."""

    name: str
    rows: tuple[Row, ...]
    template: TextTemplate
    groups: tuple[str, ...] = ()
    """Protected attributes: names of fields."""
    legitimate: tuple[str, ...] = ()
    """Fields a decision may rest on."""
    cluster: tuple[str, ...] = ()
    """Fields that rows share (name, template, person); one or two."""
    card: DataCard
    place: Place | None = None

    def rendered(self, fields: Mapping[str, str], like: Row) -> Row:
        """Return ``like`` with other field values, rendered through this data set's template."""
        text, spans = self.template.render(fields)
        return replace(like, text=text, fields=fields, spans=spans)

    def cluster_labels(self) -> tuple[tuple[str, ...], ...]:
        """Return, for each cluster column, the label of every row; rows are their own where none is named."""
        if not self.cluster:
            return (tuple(str(i) for i in range(len(self.rows))),)
        return tuple(tuple(row.fields[column] for row in self.rows) for column in self.cluster)
