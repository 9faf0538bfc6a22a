"""What every check promises: its documentation, parameters, metrics, requests and examples, ours and others'."""

from __future__ import annotations

import math
import re
import string
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from audit import verdict
from audit.checks import _toy
from audit.policy.schema import CheckEntry
from audit.registry import SECTIONS, CheckType, Example, LaterRounds, check_types
from audit.requests import (
    Ablations,
    Attributions,
    CannotAnswer,
    DirectionFile,
    Divergences,
    PartEffects,
    Patched,
    Request,
    Scores,
    States,
    Tokenised,
    Vocabulary,
    as_tuple,
)
from audit.types import Finding, NotAssessed, PlannedCheck, Table, TokenMap, Verdict, Worse

CHECKS = tuple(check_types().values())
EXAMPLES = tuple((check, example) for check in CHECKS for example in check.examples())

every_check = pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
every_example = pytest.mark.parametrize(
    ("check", "example"), EXAMPLES, ids=[f"{check.name}: {example.name}" for check, example in EXAMPLES]
)

UNITS = {"score", "probability", "share", "points", "ratio", "nats", "logit", "AUROC", "Brier", "correlation", "count"}
CLAIMS = re.compile(
    r"\b(compliant|certified|proves?|guarantees?|unbiased|debias\w*|fair|safe|lie detector|the model knows)\b"
)


def module_of(check: CheckType) -> ModuleType:
    return sys.modules[check.run.__module__]


def params_of(check: CheckType, example: Example) -> Any:
    return check.params.model_validate(dict(example.params))


_OUTCOMES: dict[tuple[str, str], Finding | NotAssessed] = {}


def outcome(check: CheckType, example: Example) -> Finding | NotAssessed:
    """What an example ends in; run once for all tests."""
    key = (check.name, example.name)
    if key not in _OUTCOMES:
        _OUTCOMES[key] = ended(check, example)
    return _OUTCOMES[key]


def ended(check: CheckType, example: Example, *, model: Any = None) -> Finding | NotAssessed:
    run = check.run(params_of(check, example), example.data, example.decision, np.random.default_rng(0))
    return _toy.drive(run, example.model if model is None else model)


def judged(check: CheckType, example: Example, found: Finding | NotAssessed) -> Verdict | None:
    params = params_of(check, example)
    planned = PlannedCheck(
        id="it",
        check=check.name,
        title="",
        data=example.data.name,
        params=params,
        criteria=example.criteria,
        seed=0,
        place=_toy.PLACE,
    )
    may = check.judgeable(params)
    metrics = {m.name: replace(m, descriptive=m.name not in may) for m in check.metrics}
    return verdict.judge({"it": found}, [planned], [], {"it": metrics})[0]["it"].verdict


# ---- documentation -------------------------------------------------------------------------------


@every_check
def test_the_documentation_says_what_the_method_annex_prints(check: CheckType) -> None:
    assert list(check.method) == ["", *SECTIONS]
    assert all(check.method.values())


@every_check
def test_the_documentation_opens_with_a_sentence_and_titles_are_none(check: CheckType) -> None:
    assert check.method[""].splitlines()[0][-1] in ".?"
    assert check.title
    assert check.title[-1] not in ".?"


@every_check
def test_nothing_claims_more_than_a_measurement_can_show(check: CheckType) -> None:
    words = [check.title, *check.method.values()]
    words += [text for m in check.metrics for text in (m.title, m.meaning, m.reading, m.listing, m.why_descriptive)]

    assert CLAIMS.findall("\n".join(words)) == []


@every_check
def test_a_check_is_named_as_its_file(check: CheckType) -> None:
    assert check.name == Path(module_of(check).__file__ or "").stem
    assert re.fullmatch(r"[a-z][a-z0-9_]*", check.name)
    assert re.fullmatch(r"\d+(\.\d+)*", check.version)


# ---- parameters ----------------------------------------------------------------------------------


def models_in(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The model and every model that its fields hold, however deep."""
    yield model
    for info in model.model_fields.values():
        waiting = [info.annotation]
        while waiting:
            found = waiting.pop()
            if isinstance(found, type) and issubclass(found, BaseModel):
                yield from models_in(found)
            waiting += get_args(found)


@every_check
def test_unknown_keys_are_refused_at_every_depth(check: CheckType) -> None:
    for model in models_in(check.params):
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            model.model_validate({"no_such_key": 1})


@every_check
def test_every_parameter_is_described(check: CheckType) -> None:
    missing = [
        f"{model.__name__}.{name}"
        for model in models_in(check.params)
        for name, info in model.model_fields.items()
        if not (info.description or "").strip()
    ]

    assert missing == []


@every_check
def test_no_parameter_takes_a_key_that_every_check_has(check: CheckType) -> None:
    own = {info.alias or name for name, info in check.params.model_fields.items()}

    assert own.isdisjoint(CheckEntry.model_fields)
    assert {"id", "check", "title", "data", "criteria"} <= set(CheckEntry.model_fields)


@every_check
def test_what_only_binds_the_data_is_a_parameter(check: CheckType) -> None:
    assert check.binds <= {field.alias or name for name, field in check.params.model_fields.items()}


@every_check
def test_parameters_cannot_be_changed_once_read(check: CheckType) -> None:
    assert all(model.model_config.get("frozen") for model in models_in(check.params))


# ---- metrics -------------------------------------------------------------------------------------


@every_check
def test_metrics_have_names_of_their_own_and_known_units(check: CheckType) -> None:
    assert [name for name, count in Counter(m.name for m in check.metrics).items() if count > 1] == []
    for metric in check.metrics:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", metric.name)
        assert check.metric(metric.name) is metric
        assert metric.unit in UNITS, metric.name
        assert metric.meaning.endswith("."), metric.name
    with pytest.raises(KeyError):
        check.metric("no_such_metric")


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@every_check
def test_a_reading_names_the_number_and_nothing_unknown(check: CheckType) -> None:
    for metric in check.metrics:
        named = placeholders(metric.reading)
        assert named <= {"group", "reference", "stratum", "value", "amount", "more"}, metric.name
        assert named & {"value", "amount"}, metric.name
        # "0.2 more" needs something to be more than.
        assert ("more" in named) == ("amount" in named), metric.name
        assert "more" not in named or metric.null == 0, metric.name
        assert placeholders(metric.listing) <= {"reference", "more", "items"}, metric.name


@every_check
def test_away_from_null_has_a_null(check: CheckType) -> None:
    for metric in check.metrics:
        assert isinstance(metric.worse, Worse)
        assert metric.worse is not Worse.AWAY or metric.null is not None, metric.name


@every_check
def test_what_cannot_be_judged_says_why(check: CheckType) -> None:
    for metric in check.metrics:
        assert bool(metric.why_descriptive) == metric.descriptive, metric.name


@every_check
def test_metrics_judged_together_exist_and_can_be_judged(check: CheckType) -> None:
    for metric in check.metrics:
        for name in metric.judged_with:
            assert name != metric.name
            assert not check.metric(name).descriptive


@every_example
def test_only_metrics_of_the_check_are_judgeable(check: CheckType, example: Example) -> None:
    judgeable = check.judgeable(params_of(check, example))

    assert judgeable <= {m.name for m in check.metrics}
    # A policy may let descriptive metrics be judged, but the examples use the defaults.
    assert not [name for name in judgeable if check.metric(name).descriptive]


# ---- examples ------------------------------------------------------------------------------------


@every_check
def test_there_is_a_planted_signal_and_there_is_noise(check: CheckType) -> None:
    examples = check.examples()
    judged_ones = {example.verdict for example in examples if example.verdict is not None}
    shown = [example for example in examples if example.holds is not None]

    assert len({example.name for example in examples}) == len(examples)
    assert {Verdict.NOT_MET, Verdict.MET} <= judged_ones or len(shown) >= 2


@every_example
def test_an_example_fits_its_data(check: CheckType, example: Example) -> None:
    assert check.problems(params_of(check, example), example.data, example.decision) == ()


@every_example
def test_an_example_ends_as_it_says(check: CheckType, example: Example) -> None:
    found = outcome(check, example)

    assert example.verdict is not None or example.holds is not None
    assert judged(check, example, found) is example.verdict
    if example.holds is not None:
        assert isinstance(found, Finding)
        assert example.holds(found)


@every_check
def test_what_must_be_found_is_not_found_in_the_other_example(check: CheckType) -> None:
    shown = [(example, outcome(check, example)) for example in check.examples() if example.holds is not None]

    for example, _ in shown:
        assert example.holds is not None
        assert not all(isinstance(found, Finding) and example.holds(found) for _, found in shown)


@every_example
def test_the_same_random_numbers_give_the_same_finding(check: CheckType, example: Example) -> None:
    assert ended(check, example) == outcome(check, example)


@every_example
def test_a_finding_survives_the_record(check: CheckType, example: Example) -> None:
    found = outcome(check, example)
    kinds = get_type_hints(type(found))

    for name in kinds.keys() - {"directions"}:  # they are files; the record holds what they are, and their digests
        adapter: TypeAdapter[Any] = TypeAdapter(kinds[name])
        assert adapter.validate_json(adapter.dump_json(getattr(found, name))) == getattr(found, name), name


def findings() -> Iterator[tuple[CheckType, Example, Finding]]:
    for check, example in EXAMPLES:
        found = outcome(check, example)
        if isinstance(found, Finding):
            yield check, example, found


def test_every_estimate_has_an_interval_and_an_n_or_is_exact() -> None:
    for check, example, found in findings():
        assert found.measurements, check.name
        for m in found.measurements:
            assert m.n >= 1
            assert m.exact == (m.low is None), (check.name, m.metric)
            if not m.exact:
                assert m.low is not None
                assert m.high is not None
                assert m.low - 1e-9 <= m.value <= m.high + 1e-9, (check.name, m.metric)
                assert m.low < m.high, (check.name, m.metric)
                assert m.confidence == 0.95
                assert (m.clusters or 0) >= 1
            metric = check.metric(m.metric)
            assert m.unit == (example.decision.unit if metric.unit == "score" else metric.unit)
            assert (m.worse, m.null) == (metric.worse, metric.null)


def test_no_two_measurements_answer_to_one_name() -> None:
    for check, _, found in findings():
        names = Counter((m.metric, m.group, m.reference, m.stratum) for m in found.measurements)
        assert max(names.values()) == 1, check.name


def test_every_judgeable_metric_of_an_example_is_measured() -> None:
    for check, example, found in findings():
        assert check.judgeable(params_of(check, example)) <= {m.metric for m in found.measurements}


def test_exhibits_are_whole_and_named_once() -> None:
    for check, _, found in findings():
        assert found.exhibits, check.name
        assert len({e.id for e in found.exhibits}) == len(found.exhibits)
        for exhibit in found.exhibits:
            if isinstance(exhibit, Table):
                assert {len(row) for row in exhibit.rows} == {len(exhibit.columns)}, exhibit.id
            if isinstance(exhibit, TokenMap):
                assert len(exhibit.tokens) == len(exhibit.values) == len(exhibit.protected)


def test_samples_are_rows_of_the_data_as_they_stand_in_it() -> None:
    for check, example, found in findings():
        assert len(found.samples) >= 5, check.name
        for sample in found.samples:
            row = example.data.rows[sample.row]
            shown = " ".join(text.text for text in sample.texts)
            # A case may be shown under another name or in another wording, but its circumstances are those of its row.
            circumstances = {"income", "debt"} & set(row.fields)
            assert all(row.fields[name] in shown for name in circumstances), check.name
            assert any(value in shown for value in row.fields.values() if value), check.name
            assert all(math.isfinite(number.value) for number in sample.numbers)


def test_a_shut_gate_tells_which_numbers_shut_it() -> None:
    for check, example in EXAMPLES:
        found = outcome(check, example)
        if isinstance(found, NotAssessed):
            assert found.reason
            assert any(v.passed is False for v in found.validity), check.name


# ---- requests ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Refusing:
    """A toy that cannot answer some requests."""

    toy: Any
    refuses: Callable[[Request], bool]

    def answer(self, request: Request) -> Any:
        if self.refuses(request):
            raise CannotAnswer(f"the toy gives no {type(request).__name__}")
        return self.toy.answer(request)


_ROUNDS: dict[tuple[str, str], list[list[Request]]] = {}


def rounds(check: CheckType, example: Example) -> list[list[Request]]:
    """What an example asks and is answered, round by round; run once for all tests."""
    key = (check.name, example.name)
    if key not in _ROUNDS:
        _ROUNDS[key] = list(_asked(check, example))
    return _ROUNDS[key]


def _asked(check: CheckType, example: Example) -> Iterator[list[Request]]:
    run = check.run(params_of(check, example), example.data, example.decision, np.random.default_rng(0))
    try:
        asked = next(run)
        while True:
            try:
                answers = tuple(example.model.answer(request) for request in as_tuple(asked))
            except CannotAnswer as reason:
                asked = run.throw(reason)
                continue
            yield list(as_tuple(asked))
            asked = run.send(answers if isinstance(asked, tuple) else answers[0])
    except StopIteration:
        return


def readings(request: Request) -> int:
    """How many texts are read, and read backwards, for what is no attribution."""
    match request:
        case Scores():
            return len(request.texts)
        case PartEffects():
            return len(request.texts) * (4 if request.gradient_at == "both" else 3)
        case Patched():
            return len(request.texts) * (len(request.sets) + 1)
    return 0


@every_example
def test_the_declared_bounds_hold_for_what_is_asked_later(check: CheckType, example: Example) -> None:
    later = [request for asked in rounds(check, example)[1:] for request in asked]

    asked = LaterRounds(
        scored_texts=sum(map(readings, later)),
        state_texts=sum(len(r.texts) for r in later if isinstance(r, States)),
        attributed_texts=sum(len(r.texts) for r in later if isinstance(r, Attributions | Ablations)),
    )
    bound = check.later_rounds(params_of(check, example), example.data)
    assert asked.scored_texts <= bound.scored_texts
    assert asked.state_texts <= bound.state_texts
    assert asked.attributed_texts <= bound.attributed_texts


@every_check
def test_no_bound_is_declared_on_nothing(check: CheckType) -> None:
    # A gate may shut before a later round, so a single example may well ask for nothing more.
    examples = check.examples()
    declared = [check.later_rounds(params_of(check, example), example.data) for example in examples]

    assert set(declared) == {LaterRounds()} or any(len(rounds(check, example)) > 1 for example in examples)


def test_the_bounds_are_not_idle() -> None:
    # Some shipped check asks after its first round; else the test above would compare zeros alone.
    assert any(len(rounds(check, example)) > 1 for check, example in EXAMPLES)


REFUSALS: dict[str, Callable[[Request], bool]] = {
    "everything": lambda _: True,
    "scores": lambda r: isinstance(r, Scores),
    "states": lambda r: isinstance(r, States),
    "random weights": lambda r: isinstance(r, States) and r.weights == "random",
    "tokens": lambda r: isinstance(r, Tokenised),
    "gradients": lambda r: isinstance(r, Attributions) and r.method == "integrated_gradients",
    "attributions": lambda r: isinstance(r, Attributions),
    "feature ablation": lambda r: isinstance(r, Attributions) and r.method == "feature_ablation",
    "ablations": lambda r: isinstance(r, Ablations),
    "effects of parts": lambda r: isinstance(r, PartEffects),
    "patching": lambda r: isinstance(r, Patched),
}


@every_check
def test_what_the_model_cannot_answer_is_not_assessed_and_never_a_crash(check: CheckType) -> None:
    example = check.examples()[0]
    asked = [request for those in rounds(check, example) for request in those]
    refusals = {what: refuses for what, refuses in REFUSALS.items() if any(map(refuses, asked))}

    for what, refuses in refusals.items():
        found = ended(check, example, model=Refusing(toy=example.model, refuses=refuses))
        if isinstance(found, NotAssessed):
            assert "the toy gives no " in found.reason, what
        else:
            assert judged(check, example, found) is example.verdict, what
            assert what != "everything"
    assert len(refusals) >= 2


@every_example
def test_no_request_is_empty_or_asks_a_text_twice(check: CheckType, example: Example) -> None:
    for asked in rounds(check, example):
        for request in asked:
            if isinstance(request, Vocabulary | DirectionFile):
                continue  # asks of no text
            assert request.texts
            if isinstance(request, Divergences | PartEffects | Patched):
                pairs = list(zip(request.references, request.texts, strict=True))
                assert len(set(pairs)) == len(pairs)
            elif not isinstance(request, Tokenised):  # which compares texts in pairs, and costs no pass
                assert len(set(request.texts)) == len(request.texts)
