"""The rates at which groups are selected and score above the median, and the ratios between them, as metrics."""

from __future__ import annotations

from dataclasses import dataclass

from audit.types import Metric, Worse


@dataclass(frozen=True, kw_only=True)
class Words:
    """How a check speaks of what it compares: a law's categories, or groups beside a reference group."""

    one: str
    """Such as "the group"."""
    other: str
    """What a ratio's lower part is taken of."""
    median_of_all: str
    median_of_all_in_ratio: str
    impact_ratio: str
    """Title of the ratio of selection rates; ``scoring_ratio`` that of scoring rates."""
    scoring_ratio: str
    unequal: str
    """Why a ratio is no verdict by itself."""
    alone: str
    """Why a rate is none."""


def ratios_and_rates(words: Words) -> tuple[Metric, ...]:
    """Return ``impact_ratio``, ``scoring_ratio``, ``selection_rate`` and ``scoring_rate``, in this order."""
    return (
        _ratio(
            words,
            name="impact_ratio",
            title=words.impact_ratio,
            meaning=f"Selection rate of {words.one} divided by that of {words.other}, whatever their circumstances.",
            reading="{group} is selected at {value} times the rate of {reference}",
        ),
        _ratio(
            words,
            name="scoring_ratio",
            title=words.scoring_ratio,
            meaning=f"Share of {words.one} that scores above the {words.median_of_all_in_ratio}, divided by that share "
            f"of {words.other}.",
            reading="{group} scores above the median {value} times as often as {reference}",
        ),
        _rate(
            words,
            name="selection_rate",
            title="Selection rate",
            meaning=f"Share of {words.one} that gets the positive decision.",
            reading="{value} of {group} get the positive decision",
        ),
        _rate(
            words,
            name="scoring_rate",
            title="Scoring rate",
            meaning=f"Share of {words.one} that scores above the {words.median_of_all}.",
            reading="{value} of {group} score above the median",
        ),
    )


def _ratio(words: Words, *, name: str, title: str, meaning: str, reading: str) -> Metric:
    return Metric(
        name=name,
        title=title,
        meaning=meaning,
        reading=reading,
        unit="ratio",
        worse=Worse.LOWER,
        null=1.0,
        ideal=1.0,
        descriptive=True,
        why_descriptive=words.unequal,
    )


def _rate(words: Words, *, name: str, title: str, meaning: str, reading: str) -> Metric:
    return Metric(
        name=name,
        title=title,
        meaning=meaning,
        reading=reading,
        unit="share",
        worse=Worse.LOWER,
        descriptive=True,
        why_descriptive=words.alone,
    )
