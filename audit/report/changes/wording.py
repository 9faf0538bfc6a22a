"""What is said of a comparison, in sentences: no judgement is made here, only words are found for it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from audit.report import view
from audit.types import Comparison, Loss, MeasuredChange, Shift, Topic, VerdictChange, Worse

SHIFT_WORDS = {
    Shift.WORSE: "worse beyond noise",
    Shift.BETTER: "better beyond noise",
    Shift.NOISE: "no change shown",
    Shift.UNTESTED: "not tested",
    Shift.MIRRORED: "mirrored",
}

SHIFT_SIGNS = {
    Shift.WORSE: "✖",
    Shift.BETTER: "✔",
    Shift.NOISE: "–",
    Shift.UNTESTED: "○",
    Shift.MIRRORED: "–",
}

GAP_WORDS = {"nearer": SHIFT_WORDS[Shift.BETTER], "farther": SHIFT_WORDS[Shift.WORSE]}
"""What is said of the number that tells how a gap between two groups moved."""

DOUBTS = {
    "unclear": "whether the gap between the two opened or closed is not shown",
    "turned": "the gap turned: it lies beyond its bound on the other side now",
}
"""What is said beside a number of such a gap where both of its rows stand."""

LOSS_WORDS = {
    "check": "is gone",
    "criterion": "is gone",
    "measurement": "is no longer measured",
    "not_assessed": "could not be assessed",
    "not_comparable": "can no longer be compared",
}

TOPIC_WORDS = {
    Topic.MODEL: "the model",
    Topic.POLICY: "the policy",
    Topic.CRITERIA: "bounds",
    Topic.DATA: "the data",
    Topic.METHOD: "methods",
    Topic.TOOLCHAIN: "the toolchain",
}

HOW_WORDS = {
    "paired": "same rows, in pairs",
    "independent": "as independent samples",
    "exact": "exact values",
    "none": "not compared",
}

LONGEST = 200
"""Characters of a value that differs which are printed; digests are shorter."""


@dataclass(frozen=True, kw_only=True)
class ChangeView:
    """A number of both runs as it is printed."""

    change: MeasuredChange

    @property
    def decimals(self) -> int:
        """The decimals of the old value, the new one and their difference."""
        c = self.change
        spreads = [(m.value, m.low, m.high) for m in (c.old, c.new)]
        return view.common_decimals(c.metric.unit, [*spreads, (c.difference, c.low, c.high)])

    @property
    def label(self) -> str:
        """Which group, against what and where; "" for a number of all rows."""
        m = self.change.new
        return _label(m.group, m.reference, m.stratum)

    @property
    def mirrors(self) -> str:
        """Which number tells the same change from the other side, and what is said of that one; "" where none does."""
        c = self.change
        if c.shift is not Shift.MIRRORED or c.mirror is None:
            return ""
        other = _label(c.mirror.group, c.mirror.reference, c.new.stratum)
        return f"mirrors {other}, which is {GAP_WORDS[c.mirror.gap]}"

    @property
    def note(self) -> str:
        """What a number that is measured from both sides is not to be read without; "" where there is no such thing."""
        c = self.change
        if c.mirror is None or c.shift not in {Shift.WORSE, Shift.BETTER}:
            return self.mirrors
        return DOUBTS.get(c.mirror.gap, "")

    @property
    def name(self) -> str:
        """The metric and what it was measured on."""
        return ", ".join(part for part in (self.change.metric.title, self.label) if part)

    @property
    def old(self) -> str:
        """The old value with its interval."""
        return view.estimate(self.change.old, self.decimals)

    @property
    def new(self) -> str:
        """The new value with its interval."""
        return view.estimate(self.change.new, self.decimals)

    @property
    def unit(self) -> str:
        """The unit of the difference: shares differ by points."""
        return "points" if self.change.metric.unit == "share" else self.change.metric.unit

    @property
    def difference(self) -> str:
        """The difference with its interval and its sign."""
        c = self.change
        text = view.spread(c.difference, c.low, c.high, self.unit, self.decimals, exact=c.how == "exact")
        return f"+{text}" if c.difference > 0 else text

    @property
    def p(self) -> str:
        """The adjusted p-value of how the number moved; of "worse" where nothing is said."""
        c = self.change
        opened = c.shift is Shift.MIRRORED and c.mirror is not None and c.mirror.gap == "farther"
        return view.p_value(c.p_better_adjusted if opened or c.shift is Shift.BETTER else c.p_worse_adjusted)

    @property
    def words(self) -> str:
        """What is said of it."""
        return SHIFT_WORDS[self.change.shift]

    @property
    def detectable(self) -> str:
        """The smallest change for the worse that would have been seen four times in five."""
        least = self.change.detectable
        return "" if least is None else view.number(least, self.unit, self.decimals)

    @property
    def sentence(self) -> str:
        """Everything in one line, without a full stop."""
        c = self.change
        moved = {Worse.HIGHER: "higher", Worse.LOWER: "lower", Worse.AWAY: "farther from no effect"}[c.metric.worse]
        told = f"{self.name}: {self.old} before, {self.new} now"
        if c.shift is Shift.UNTESTED:
            return f"{told}; not tested, because {c.why}"
        shown = {Shift.WORSE: f" ({moved} is worse)"}.get(c.shift, "")
        how = ", ".join(part for part in (self.p, HOW_WORDS[c.how]) if part)
        doubt = f"; {self.note}" if self.note and not self.mirrors else ""
        return f"{told}; {self.mirrors or self.words}{shown}: {self.difference}, {how}{doubt}"


def _label(group: str, reference: str, stratum: str) -> str:
    parts = [group, f"against {reference}" if reference else "", f"where {stratum}" if stratum else ""]
    return " ".join(part for part in parts if part)


def verdict_words(change: VerdictChange) -> str:
    """Return ``threshold met → threshold not met``."""
    return f"{view.VERDICT_WORDS[change.old]} → {view.VERDICT_WORDS[change.new]}"


def verdict_sentence(change: VerdictChange) -> str:
    """Return a changed verdict with the new reason, without a full stop."""
    name = f"{change.metric_title}: " if change.metric_title else ""
    return f"{name}{verdict_words(change)} ({change.new_reason or 'no reason given'})"


def loss_sentence(loss: Loss) -> str:
    """Return what is no longer seen, without a full stop."""
    return f"{loss.what} {LOSS_WORDS[loss.kind]}" + (f": {loss.reason}" if loss.reason else "")


def headline(comparison: Comparison) -> str:
    """Return the outcome in a sentence."""
    counts = _counts(comparison)
    if not counts:
        return "Nothing is shown to have got worse."
    return f"Something got worse: {_joined(counts)}."


def _counts(comparison: Comparison) -> list[str]:
    verdicts = sum(change.regression for change in comparison.verdicts)
    worse = len(comparison.shifted(Shift.WORSE))
    each = [
        (verdicts, "criterion was met and is not met", "criteria were met and are not met"),
        (worse, "number is worse beyond noise", "numbers are worse beyond noise"),
        (len(comparison.lost), "thing is no longer shown", "things are no longer shown"),
    ]
    return [f"{n} {one if n == 1 else many}" for n, one, many in each if n]


def tested(comparison: Comparison) -> str:
    """Say how much was compared, and how."""
    if not comparison.tests:
        return "No number that a criterion binds could be tested."
    said = [
        _plural(comparison.tests, "number that a criterion binds was", "numbers that criteria bind were") + " tested"
    ]
    said.append("corrected together (Holm)")
    paired = Counter(change.how for change in comparison.judged if change.p_worse is not None)
    words = [f"{n} {HOW_WORDS[how]}" for how, n in sorted(paired.items(), reverse=True)]
    out = f"{', '.join(said)}: {_joined(words)}."
    if comparison.margin:
        out += f" Only changes of more than {view.plain(comparison.margin, 'share')} of a bound count."
    return out


def explained_by(comparison: Comparison) -> str:
    """Say what else differs between the runs: a change of a number need not be one of the model."""
    topics = list(dict.fromkeys(TOPIC_WORDS[each.topic] for each in comparison.differences))
    if not topics:
        return "Both runs have the same policy, bounds, data, methods, toolchain and model files."
    return f"The runs differ in {_joined(topics)}."


def rest(comparison: Comparison) -> str:
    """Count what was not said to be worse."""
    shifts = (Shift.BETTER, Shift.MIRRORED, Shift.NOISE, Shift.UNTESTED)
    better, mirrored, noise, untested = (len(comparison.shifted(s)) for s in shifts)
    each = [
        (better, "number is better beyond noise", "numbers are better beyond noise"),
        (mirrored, "mirrors another number", "mirror another number"),
        (noise, "shows no change", "show no change"),
        (untested, "could not be tested", "could not be tested"),
    ]
    words = [f"{n} {one if n == 1 else many}" for n, one, many in each if n]
    return f"{_joined(words)}." if words else ""


def _plural(n: int, one: str, many: str) -> str:
    return f"{n} {one if n == 1 else many}"


def _joined(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)
