"""The shape of a policy's data sets."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, StringConstraints, Tag

from audit.policy.values import BY_KIND, Cell, Date, FieldName, NoneKind, Part, TextKind, Words

MAX_NAMES = 100
"""Columns, lists or conditions of one data set."""
MAX_VALUES = 10_000
"""Values of one column that a policy lists."""

Row: TypeAlias = dict[str, Cell]
Values: TypeAlias = Annotated[list[Cell], Field(min_length=1, max_length=MAX_VALUES)]

RowsSpec: TypeAlias = Annotated[TextKind | Annotated[list[Row], Tag("a list"), Field(min_length=1)] | NoneKind, BY_KIND]
TemplateSpec: TypeAlias = Annotated[
    TextKind | Annotated[list[Words], Tag("a list"), Field(min_length=1)] | NoneKind, BY_KIND
]
Entry: TypeAlias = Annotated[
    Annotated[Cell, Tag("a value")] | Annotated[dict[FieldName, Cell], Tag("a mapping")],
    Discriminator(lambda value: "a mapping" if isinstance(value, dict) else "a value"),
]
ListSpec: TypeAlias = Annotated[TextKind | Annotated[list[Entry], Tag("a list"), Field(min_length=1)], BY_KIND]
GroupsSpec: TypeAlias = Annotated[
    Annotated[list[Words], Tag("a list"), Field(max_length=MAX_NAMES)]
    | Annotated[dict[Words, Values], Tag("a mapping"), Field(max_length=MAX_NAMES)],
    BY_KIND,
]
ClusterSpec: TypeAlias = Annotated[
    TextKind | Annotated[list[Words], Tag("a list"), Field(min_length=1, max_length=2)] | NoneKind, BY_KIND
]
Wanted: TypeAlias = Annotated[
    Annotated[Cell, Tag("a value")] | Annotated[Values, Tag("a list")],
    Discriminator(lambda value: "a list" if isinstance(value, list) else "a value"),
]


class PatternStep(Part):
    """Takes fields out of a column whose text has fixed parts between them."""

    from_: Words = Field(alias="from", description="Column to read.")
    pattern: Words = Field(
        description=(
            "Text with {field} placeholders, such as {occupation}.{participant}.{gender}.txt. It is not a "
            "regular expression: every field takes at least one character and ends at the first place where "
            "the text after it stands."
        )
    )
    otherwise: Literal["drop", "error"] = Field(
        default="drop", description="What becomes of a row that does not fit: dropped and counted, or an error."
    )


class WordsStep(Part):
    """Finds the one listed word in a text, so that it can be exchanged."""

    from_: Words = Field(alias="from", description="Column to read.")
    words: Annotated[
        TextKind | Annotated[list[Cell], Tag("a list"), Field(min_length=1, max_length=MAX_VALUES)], BY_KIND
    ] = Field(
        description=(
            "Words or phrases to look for, whole and in either case, the longest first: a list, or the path "
            "of a .txt file with one a line or of a table whose first column holds them."
        )
    )
    as_: FieldName = Field(alias="as", description="Field that takes the word as it stands in the text.")
    frame: FieldName = Field(
        default="frame",
        description=(
            "Field that takes the text with … in place of the word. Of two steps the first sets frame, before and "
            "after, unless the second names them itself."
        ),
    )
    before: FieldName = Field(default="before", description="Field that takes the text before the word.")
    after: FieldName = Field(
        default="after", description="Field that takes the text after it; {before}{term}{after} is the text again."
    )


def _step_kind(value: Any) -> str | None:
    if isinstance(value, PatternStep | WordsStep):  # pydantic asks again when it writes a model out
        return "pattern step" if isinstance(value, PatternStep) else "words step"
    if not isinstance(value, dict):
        return None
    return next((f"{key} step" for key in ("pattern", "words") if key in value), None)


ExtractStep: TypeAlias = Annotated[
    Annotated[PatternStep, Tag("pattern step")] | Annotated[WordsStep, Tag("words step")],
    Discriminator(
        _step_kind,
        custom_error_type="expected",
        custom_error_message="a step: a mapping with `pattern` or with `words`",
    ),
]


class SampleEntry(Part):
    """A random part of the rows."""

    rows: int = Field(ge=1, description="Rows to draw without replacement; all of them where there are fewer.")
    seed: int = Field(default=0, ge=0, lt=2**63, description="Another seed draws other rows.")


class LabelMapping(Part):
    """True outcomes in words."""

    column: Words = Field(description="Column with the true outcome; a blank cell is a row without one.")
    positive: Values = Field(description="Values that mean the positive decision.")
    negative: Values = Field(description="Values that mean the negative decision.")


class Art4a(Part):
    """What Article 4a of Regulation (EU) 2024/1689 (as amended in 2026) and sound practice ask to be written down."""

    why: Words = Field(description="Why other data, synthetic or anonymised, are not enough.")
    safeguards: Words = Field(description="Safeguards: who has access, how it is logged, how it is protected.")
    deletion: Date = Field(description="Date by which the data are deleted.")


class DataEntry(Part):
    """One data set: where its rows come from, how they become text, and what their columns mean."""

    rows: RowsSpec = Field(
        default=None,
        description=(
            "Path of a csv, tsv, jsonl or parquet file, relative to the policy (${variable}/… for a folder "
            "that the user names), or the rows themselves."
        ),
    )
    text: Words | None = Field(
        default=None, description="The text of a row, with {column} placeholders; {{ and }} stand for braces."
    )
    template: TemplateSpec = Field(
        default=None,
        description="One text or several with {field} placeholders, filled with every combination of lists.",
    )
    lists: dict[FieldName, ListSpec] = Field(
        default_factory=dict,
        max_length=MAX_NAMES,
        description=(
            "What fills a template: texts, mappings that set several fields at once, or the path of a table "
            "whose columns all become fields."
        ),
    )
    extract: list[ExtractStep] = Field(
        default_factory=list, max_length=20, description="Steps that take fields out of composite columns."
    )
    where: dict[Words, Wanted] = Field(
        default_factory=dict,
        max_length=MAX_NAMES,
        description="Keep the rows whose column has this value, or one of these.",
    )
    sample: SampleEntry | None = Field(default=None, description="Use a random part of the rows.")
    longest: int | None = Field(
        default=None,
        ge=1,
        description=(
            "Leave out rows whose text has more characters than this, and count them: a model reads so many tokens "
            "and no more, and a text is never cut."
        ),
    )
    groups: GroupsSpec = Field(
        default_factory=list,
        description="Protected attributes: columns, or columns with the values that are expected.",
    )
    legitimate: list[Words] = Field(
        default_factory=list, max_length=MAX_NAMES, description="Columns that a decision may rest on."
    )
    cluster: ClusterSpec = Field(
        default=None, description="Column that rows share (name, template, person), or two; intervals account for it."
    )
    label: Annotated[TextKind | Annotated[LabelMapping, Tag("a mapping")] | NoneKind, BY_KIND] = Field(
        default=None,
        description="Column with the true outcome as 1, 0, true or false; or a column and what its values mean.",
    )
    origin: Literal["synthetic", "public", "personal", "special_category"] = Field(
        description="Where the data come from; the last two ask for art4a."
    )
    licence: Words = Field(description="Licence of the data, as an SPDX identifier where there is one.")
    description: str = Field(default="", description="What the rows are.")
    language: Annotated[str, StringConstraints(max_length=80)] = Field(
        default="", description="Language of the texts, as a BCP 47 tag such as en or nl-BE."
    )
    population: str = Field(default="", description="The population that the rows are a sample of.")
    enumerated: bool = Field(
        default=False,
        description="The rows are all cases of a finite grammar: then there is no sampling error.",
    )
    show_rows: bool = Field(
        default=False,
        description="Let records and reports quote rows of personal data; other data are quoted in any case.",
    )
    art4a: Art4a | None = Field(
        default=None, description="What the law asks to be written down where personal data are used."
    )
