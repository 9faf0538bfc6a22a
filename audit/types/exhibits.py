"""Evidence that is shown, not judged: tables, plots, token maps, sampled cases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, kw_only=True)
class Column:
    """A table column; ``unit`` tells the report how to print its numbers ("" for text)."""

    title: str
    unit: str = ""


Cell: TypeAlias = str | float | int | None


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of cells; None prints as "not measured"."""

    id: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    kind: Literal["table"] = "table"


@dataclass(frozen=True, kw_only=True)
class Interval:
    """One line of a forest plot."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    emphasis: bool = False


@dataclass(frozen=True, kw_only=True)
class Forest:
    """Estimates with intervals on one axis, beside a null value and the policy's bounds."""

    id: str
    title: str
    unit: str
    rows: tuple[Interval, ...]
    null: float | None = None
    bounds: tuple[float, ...] = ()
    note: str = ""
    kind: Literal["forest"] = "forest"


@dataclass(frozen=True, kw_only=True)
class Series:
    """A line of a curve; low and high are empty where it has no interval."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    reference: bool = False
    """Drawn dashed: a baseline or a control beside the measured line."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Lines over a numeric axis, such as the layers of a model."""

    id: str
    title: str
    x_title: str
    y_title: str
    unit: str
    series: tuple[Series, ...]
    null: float | None = None
    note: str = ""
    kind: Literal["curve"] = "curve"


@dataclass(frozen=True, kw_only=True)
class TokenMap:
    """Attribution of one case, token by token, with what is needed to read it."""

    id: str
    title: str
    tokens: tuple[str, ...]
    """Pieces of the text as written; special tokens in their vocabulary form."""
    values: tuple[float, ...]
    protected: tuple[bool, ...]
    method: str
    baseline_input: str
    score: float
    baseline_score: float
    unit: str
    n_steps: int | None = None
    completeness_delta: float | None = None
    """Relative to the difference between the two scores."""
    note: str = ""
    kind: Literal["token_map"] = "token_map"


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Numbers over two sets of names, shaded by their size: layers and positions, say. None is "not measured"."""

    id: str
    title: str
    row_title: str
    column_title: str
    unit: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    """One tuple per row, one number per column; each a single value of these cases, without an interval."""
    note: str = ""
    kind: Literal["grid"] = "grid"


Exhibit: TypeAlias = Table | Forest | Curve | TokenMap | Grid


@dataclass(frozen=True, kw_only=True)
class Text:
    """A labelled piece of text in a sample."""

    label: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Number:
    """A labelled single-case value in a sample: exact, without an interval."""

    label: str
    value: float
    unit: str


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One randomly drawn case of a check: what went in and what came out."""

    row: int
    texts: tuple[Text, ...]
    numbers: tuple[Number, ...]
    note: str = ""
