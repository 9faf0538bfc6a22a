"""Data sets and models small enough to be worked out by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from audit.checks import _toy
from audit.registry import CheckType, check_types
from audit.types import DataCard, Dataset, Decision, Finding, Measurement, NotAssessed, Row, TextTemplate


@dataclass(frozen=True, kw_only=True)
class Rule(_toy.Toy):
    """A toy whose logit is any function of a text's words."""

    rule: Callable[[tuple[str, ...]], float]
    weights: Mapping[str, float] = field(default_factory=dict)

    def logit(self, words: Iterable[str]) -> float:
        return self.rule(tuple(words))


MakeData = Callable[..., Dataset]
Run = Callable[..., Finding | NotAssessed]
Find = Callable[..., Measurement]


@pytest.fixture
def make_data() -> MakeData:
    """Make a data set of rows of fields; ``label`` says the true outcome of a row."""

    def make(
        rows: Sequence[Mapping[str, str]],
        *,
        text: str,
        groups: tuple[str, ...] = (),
        legitimate: tuple[str, ...] = (),
        cluster: tuple[str, ...] = (),
        label: Callable[[Mapping[str, str]], bool | None] = lambda _: None,
        enumerated: bool = False,
    ) -> Dataset:
        template = TextTemplate(text)
        made = []
        for fields in rows:
            rendered, spans = template.render(fields)
            made.append(Row(text=rendered, fields=fields, spans=spans, label=label(fields), place=_toy.PLACE))
        card = DataCard(
            name="cases",
            source="inline",
            sha256="",
            origin="synthetic",
            licence="CC0-1.0",
            enumerated=enumerated,
            rows_read=len(made),
            rows_used=len(made),
        )
        return Dataset(
            name="cases",
            rows=tuple(made),
            template=template,
            groups=groups,
            legitimate=legitimate,
            cluster=cluster,
            card=card,
        )

    return make


@pytest.fixture
def make_rule() -> Callable[[Callable[[tuple[str, ...]], float]], Rule]:
    """Make a model of a function from a text's words to its logit."""
    return lambda rule: Rule(rule=rule)


@pytest.fixture
def run_check() -> Run:
    """Run a check by name on a toy; its parameters must fit the data."""

    def run(
        name: str,
        params: Mapping[str, Any],
        data: Dataset,
        model: Any,
        decision: Decision = _toy.DECISION,
        seed: int = 0,
    ) -> Finding | NotAssessed:
        check = check_types()[name]
        read = check.params.model_validate(dict(params))
        assert check.problems(read, data, decision) == ()
        return _toy.drive(check.run(read, data, decision, np.random.default_rng(seed)), model)

    return run


@pytest.fixture
def problems_of() -> Callable[..., list[tuple[tuple[str | int, ...], str]]]:
    """What a check says of its parameters before anything runs: where, and what was found."""

    def problems(
        name: str, params: Mapping[str, Any], data: Dataset, decision: Decision = _toy.DECISION
    ) -> list[tuple[tuple[str | int, ...], str]]:
        check: CheckType = check_types()[name]
        read = check.params.model_validate(dict(params))
        return [(problem.at, problem.found) for problem in check.problems(read, data, decision)]

    return problems


@pytest.fixture
def the() -> Find:
    """The one measurement of a finding that has these names."""

    def find(found: Finding | NotAssessed, metric: str, **names: str) -> Measurement:
        assert isinstance(found, Finding), found
        those = [
            m
            for m in found.measurements
            if m.metric == metric and all(getattr(m, key) == name for key, name in names.items())
        ]
        assert len(those) == 1, [(m.group, m.reference, m.stratum) for m in those]
        return those[0]

    return find


@pytest.fixture
def check_of() -> Callable[[Finding | NotAssessed, str], Any]:
    """A validity check of a finding, by name."""

    def find(found: Finding | NotAssessed, name: str) -> Any:
        (one,) = [v for v in found.validity if v.name == name]
        return one

    return find


@pytest.fixture
def reordered() -> Callable[[Dataset, int], Dataset]:
    """The same rows in another order."""

    def shuffle(data: Dataset, seed: int) -> Dataset:
        order = np.random.default_rng(seed).permutation(len(data.rows))
        return replace(data, rows=tuple(data.rows[i] for i in order))

    return shuffle
