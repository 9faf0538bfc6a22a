"""What an example of a check consists of beside its model: cases, a bound, and chance that falls alike every time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Literal

import numpy as np

from audit.shapes import Floats
from audit.types import Criterion, DataCard, Dataset, Person, Place, Row, TextTemplate

PLACE = Place(path="example", line=1)


def dataset(
    cases: Iterable[tuple[Mapping[str, str], bool | None]],
    text: str,
    *,
    name: str = "toy",
    groups: tuple[str, ...] = (),
    legitimate: tuple[str, ...] = (),
    cluster: tuple[str, ...] = (),
) -> Dataset:
    """Return a data set of fields with their true outcomes."""
    template = TextTemplate(text)
    rows = []
    for fields, label in cases:
        rendered, spans = template.render(fields)
        rows.append(Row(text=rendered, fields=fields, spans=spans, label=label, place=PLACE))
    card = DataCard(
        name=name,
        source="template",
        sha256="",
        origin="synthetic",
        licence="CC0-1.0",
        rows_read=len(rows),
        rows_used=len(rows),
    )
    return Dataset(
        name=name,
        rows=tuple(rows),
        template=template,
        groups=groups,
        legitimate=legitimate,
        cluster=cluster,
        card=card,
    )


def criterion(metric: str, relation: Literal["at_most", "at_least"], bound: float, **also: float) -> Criterion:
    """Return a bound on a metric, and on those judged with it."""
    return Criterion(
        metric=metric,
        relation=relation,
        bounds={metric: bound, **also},
        rationale="example",
        set_by=Person(),
        approved_by=Person(),
        place=PLACE,
    )


def uniform(text: str) -> float:
    """Return a number in [0, 1) that depends on the text alone."""
    return _seed(text) / 2**64


def noise(text: str, size: int) -> Floats:
    """Return standard normal numbers that depend on the text alone."""
    return np.random.default_rng(_seed(text)).normal(size=size)


def _seed(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def hash_of(word: str) -> int:
    """Return a stable id for a word (``hash`` changes between processes)."""
    return int.from_bytes(word.encode()[-6:].rjust(6), "big")
