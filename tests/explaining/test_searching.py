"""The smallest change: fewest fields first, then fewest steps; found where there is one, within what was asked."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.explaining.cases import Case
from audit.explaining.confirming import Standpoint
from audit.explaining.frame import Frame, Wish, rules_of
from audit.explaining.searching import _count, _numeric, search
from audit.requests import ScoreAnswer
from audit.types import DataCard, Dataset, Decision, TextTemplate

LEVELS = ("0", "1", "2")
FIELDS = ("a", "b", "c")
TEMPLATE = TextTemplate("{a} {b} {c}")
CARD = DataCard(
    name="d", source="inline", sha256="", origin="synthetic", licence="CC0-1.0", rows_read=1, rows_used=1
)  # fmt: skip


def frame(most=4096, **allow):
    return Frame(
        decision=Decision(kind="classes", positive="yes", negative="no"),
        template="general",
        rules=rules_of(0, Wish(), None).model_copy(update={"most_searched": most}),
        baselines=(),
        longest=64,
        data=Dataset(name="d", rows=(), template=TEMPLATE, card=CARD),
        allow=allow or dict.fromkeys(FIELDS, LEVELS),
        values=dict.fromkeys(FIELDS, LEVELS),
    )


def case(text):
    return Case(id="x", kind="row", source="here", text=text, fields=dict(zip(FIELDS, text.split(), strict=True)))


def searched(text, rule, fixed):
    """Search with a model that is a rule on three levels; return what was found and every text that was asked."""
    at = Standpoint(frame=fixed, log_odds=rule(text))
    asked = []

    def fits(texts):
        return [True] * len(texts)
        yield

    running = search(case(text), at, fits)
    try:
        request = next(running)
        while True:
            asked += request.texts
            scores = np.array([[-rule(t), 0.0] for t in request.texts])
            request = running.send(ScoreAnswer(values=scores, names=("no", "yes"), link="softmax"))
    except StopIteration as end:
        return end.value, asked


def total(threshold):
    return lambda text: sum(map(float, text.split())) - threshold


def test_one_field_is_enough_where_it_is():
    found, _ = searched("0 1 0", total(1.5), frame())

    assert {tuple((f.field, f.old, f.new) for f in c.fields) for c in found.found} == {
        (("a", "0", "1"),), (("b", "1", "2"),), (("c", "0", "1"),),
    }  # fmt: skip
    assert found.tried == {"1": 6}


def test_the_fewest_steps_come_first():
    found, _ = searched("0 0 0", total(0.5), frame())

    assert [c.steps for c in found.found] == [1, 1, 1]
    assert found.turning == 6


def test_two_fields_are_changed_where_one_is_not_enough():
    found, _ = searched("0 0 0", total(3.5), frame())

    assert [len(c.fields) for c in found.found] == [2, 2, 2]
    assert found.tried == {"1": 6, "2": 12}


def test_nothing_is_found_where_nothing_turns_it_and_that_is_said_with_what_was_asked():
    found, asked = searched("0 0 0", total(99), frame())

    assert (found.found, found.turning, found.why) == ((), 0, "")
    assert found.tried == found.possible == {"1": 6, "2": 12, "3": 8}
    assert len(asked) == 26


def test_the_search_keeps_to_what_was_fixed():
    found, asked = searched("0 0 0", total(99), frame(most=10))

    assert len(asked) <= 10
    assert found.possible == {"1": 6, "2": 12, "3": 8}


def test_only_allowed_fields_are_changed():
    found, asked = searched("0 0 0", total(1.5), frame(b=LEVELS))

    assert found.allowed == ("b",)
    assert asked == ["0 1 0", "0 2 0"]


def test_a_free_text_has_no_fields():
    at = Standpoint(frame=frame(), log_odds=1.0)
    running = search(Case(id="x", kind="text", source="here", text="words"), at, lambda _: iter(()))

    with pytest.raises(StopIteration) as end:
        next(running)

    assert end.value.value.why == "a free text has no fields that could be changed"


def test_numbers_are_in_order_without_being_told():
    assert _numeric(("10", "9", "1e1x")) == ()
    assert _numeric(("10", "9", "100")) == ("9", "10", "100")


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6), st.integers(1, 3))
def test_changes_are_counted_without_listing_them(sizes, size):
    options = {str(i): list(range(n)) for i, n in enumerate(sizes)}

    listed = sum(
        len(list(itertools.product(*(options[name] for name in names))))
        for names in itertools.combinations(options, size)
    )
    assert _count(options, size) == listed


@given(
    st.tuples(*[st.sampled_from(LEVELS)] * 3), st.dictionaries(st.tuples(*[st.sampled_from(LEVELS)] * 3), st.booleans())
)
def test_no_smaller_change_turns_the_decision(start, table):
    def rule(text):
        return 1.0 if table.get(tuple(text.split()), False) else -1.0

    found, _ = searched(" ".join(start), rule, frame())

    own = rule(" ".join(start))
    sizes = {
        sum(a != b for a, b in zip(start, other, strict=True)): other
        for other in itertools.product(LEVELS, repeat=3)
        if rule(" ".join(other)) != own
    }
    assert bool(found.found) == bool(sizes)
    for change in found.found:
        assert len(change.fields) == min(sizes)
        changed = {**dict(zip(FIELDS, start, strict=True)), **{f.field: f.new for f in change.fields}}
        assert rule(" ".join(changed[name] for name in FIELDS)) != own
