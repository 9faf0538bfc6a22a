from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import laws
from audit.report import view
from audit.types import Measurement, Metric, StudentT, Worse

N = "\u202f"  # narrow no-break space
S = "\u00a0"  # no-break space


def metric(reading: str, **more: object) -> Metric:
    return Metric(name="gap", title="Gap", meaning="", reading=reading, unit="probability", worse=Worse.HIGHER, **more)


def measured(value: float, low: float, high: float, **more: object) -> Measurement:
    law = StudentT(estimate=value, se=0.1, df=9)
    return Measurement(
        metric="gap", value=value, low=low, high=high, n=10, unit="probability", law=law,
        **{"worse": Worse.HIGHER, "confidence": 0.95} | more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.042, "probability", "0.042"),
        (0.5, "probability", "0.500"),
        (0.00034, "probability", "0.00034"),
        (-0.21, "probability", "−0.210"),
        (0.042, "share", f"4.2{N}%"),
        (1.0, "share", f"100.0{N}%"),
        (0.0034, "share", f"0.34{N}%"),
        (0.834, "ratio", "0.83"),
        (0.861, "AUROC", "0.861"),
        (-1.234, "nats", f"−1.23{S}nats"),
        (1234, "count", "1234"),
        (12345, "count", f"12{N}345"),
        (1234567.0, "count", f"1{N}234{N}567"),
        (12, "layers", f"12{S}layers"),
        (1.2345, "logits", f"1.23{S}logits"),
        (3.4e-7, "probability", f"3.4{S}×{S}10⁻⁷"),
        (0.0, "probability", "0.000"),
        (0.0123, "p", "0.012"),
        (0.714, "correlation", "0.71"),
    ],
)
def test_a_number_is_printed_with_its_unit(value: float, unit: str, text: str) -> None:
    assert view.number(value, unit) == text


def test_a_number_that_rounds_to_zero_has_no_sign() -> None:
    assert view.number(-0.0001, "probability", 3) == "0.000"


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.0004, f"p{S}<{S}0.001"),
        (0.0123, f"p{S}={S}0.012"),
        (0.5, f"p{S}={S}0.500"),
        (0.9999, f"p{S}>{S}0.999"),
        (None, ""),
    ],
)
def test_a_p_value_is_printed_to_three_decimals(p: float | None, text: str) -> None:
    assert view.p_value(p) == text


def test_a_p_value_in_a_column_has_no_name() -> None:
    assert [view.p_value(p, name="") for p in (0.0004, 0.0123)] == [f"<{S}0.001", "0.012"]


@pytest.mark.parametrize(
    ("unit", "value", "low", "high", "text"),
    [
        ("probability", 0.042, 0.031, 0.053, f"0.042 [0.031,{S}0.053]"),
        ("probability", 0.21, 0.16, 0.26, f"0.21 [0.16,{S}0.26]"),
        ("share", 0.0, 0.0, 0.1157, f"0.0{N}% [0.0{N}%,{S}11.6{N}%]"),
        ("nats", -0.41, -0.79, -0.03, f"−0.41 [−0.79,{S}−0.03]{S}nats"),
        ("ratio", 0.8, 0.7, 0.91, f"0.80 [0.70,{S}0.91]"),
    ],
)
def test_an_estimate_shows_the_digits_its_interval_is_worth(
    unit: str, value: float, low: float, high: float, text: str
) -> None:
    decimals = view.common_decimals(unit, [(value, low, high)])

    assert view.spread(value, low, high, unit, decimals) == text


def test_an_estimate_shows_the_digits_that_tell_it_from_its_bound() -> None:
    spread = (0.0549, 0.0502, 0.0596)

    assert view.spread(*spread, "probability", view.common_decimals("probability", [spread])) == (
        f"0.055 [0.050,{S}0.060]"
    )
    assert view.spread(*spread, "probability", view.common_decimals("probability", [spread], [0.05])) == (
        f"0.0549 [0.0502,{S}0.0596]"
    )


def test_an_exact_value_says_so_instead_of_printing_an_interval() -> None:
    exact = Measurement(metric="gap", value=0.25, n=1, unit="probability", worse=Worse.HIGHER, exact=True)

    assert view.estimate(exact) == "0.250 (exact)"
    assert view.interval(exact) == "exact"


def test_an_interval_of_another_level_says_so() -> None:
    m = measured(0.2, 0.1, 0.3, confidence=0.9)

    assert view.estimate(m, 1) == f"0.2 [0.1,{S}0.3] (90{N}% interval)"


def test_a_bound_is_printed_as_it_was_set() -> None:
    assert view.bound("at_most", 0.05, "probability", Worse.HIGHER) == "at most 0.05"
    assert view.bound("at_least", 0.8, "share", Worse.LOWER) == f"at least 80{N}%"
    assert view.bound("at_most", 0.1, "nats", Worse.AWAY) == f"at most 0.1{S}nats in either direction"
    assert view.plain(1e-7, "probability") == "0.0000001"
    assert view.plain(-2.0, "ratio") == "−2"


def test_a_reading_gives_the_amount_with_its_interval() -> None:
    sentence = metric("Comments naming '{group}' are scored {amount} {more} than '{reference}'.")

    told = view.reading(sentence, measured(0.21, 0.16, 0.26, group="gay", reference="white"), 2)

    assert told == f"Comments naming 'gay' are scored 0.21 [0.16,{S}0.26] higher than 'white'"


def test_a_reading_of_a_negative_value_mirrors_the_interval() -> None:
    told = view.reading(metric("{amount} {more}"), measured(-0.02, -0.05, 0.01), 2)

    assert told == f"0.02 [−0.01,{S}0.05] lower"


def test_a_reading_prints_the_interval_once() -> None:
    told = view.reading(metric("{value}, that is {amount}"), measured(-0.2, -0.3, -0.1), 1)

    assert told == f"−0.2 [−0.3,{S}−0.1], that is 0.2"


def test_a_reading_never_looks_into_objects() -> None:
    with pytest.raises(ValueError, match="not a plain field name"):
        view.reading(metric("{group.__class__}"), measured(0.2, 0.1, 0.3))


def test_a_group_name_with_braces_stays_a_name() -> None:
    assert view.reading(metric("{group}"), measured(0.2, 0.1, 0.3, group="{value}")) == "{value}"


def test_higher_and_lower_are_told_from_the_value_of_no_effect() -> None:
    assert view.reading(metric("{more}", null=1.0), measured(0.8, 0.7, 0.9)) == "lower"
    assert view.reading(metric("{more}", null=0.5), measured(0.8, 0.7, 0.9)) == "higher"


@pytest.mark.parametrize(
    ("text", "when", "date"),
    [
        ("2026-11-20T10:05:00Z", "20 November 2026, 10:05 UTC", "20 November 2026"),
        ("2026-11-20T00:05:00+02:00", "19 November 2026, 22:05 UTC", "19 November 2026"),
        ("2026-11-05", "5 November 2026, 00:00 UTC", "5 November 2026"),
        ("last week", "last week", "last week"),
        ("", "not supplied", "not supplied"),
    ],
)
def test_times_are_told_in_utc(text: str, when: str, date: str) -> None:
    assert view.when(text) == when
    assert view.date(text) == date


finite = st.floats(min_value=-1e6, max_value=1e6, allow_nan=False)


@given(finite, st.sampled_from(["probability", "share", "ratio", "AUROC", "nats", "count", "logits", ""]))
def test_no_number_holds_a_hyphen_for_a_minus_or_a_comma(value: float, unit: str) -> None:
    text = view.number(value, unit)

    assert "-" not in text
    assert "," not in text
    assert ("−" in text.split("×")[0]) == (value < 0 and any(digit in "123456789" for digit in text))


@given(st.floats(0.001, 0.2), st.floats(0.001, 0.999), st.decimals("0.02", "0.98", places=4))
def test_no_printed_number_lies_on_the_wrong_side_of_its_bound(se: float, value: float, bound: Decimal) -> None:
    low, high = laws.interval(StudentT(estimate=value, se=se, df=30))
    decimals = view.common_decimals("probability", [(value, low, high)], [float(bound)])

    for number in (value, low, high):
        printed = Decimal(view.number(number, "probability", decimals).replace("−", "-"))
        assert (printed >= bound) if number >= float(bound) else (printed <= bound)


def test_reasons_are_sentences_with_one_full_stop() -> None:
    assert [view.sentence(text) for text in ("it failed", "It failed.", "did it?", "")] == [
        "It failed.",
        "It failed.",
        "Did it?",
        "",
    ]
