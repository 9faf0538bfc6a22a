"""Says an explanation in plain words; every number in them stands in the record, and every sentence follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from audit.explanation import Change, Explanation, NamedFactor, Piece
from audit.report import view
from audit.report.page import brief
from audit.requests import baseline_name

CLOSE, FAR = 0.5, 2.0
"""Log-odds from the threshold up to which a score is close to it, and from which it is far away."""

LONGEST_VALUE, LONGEST_NAME, LONGEST_LABEL, LONGEST_TEXT = 44, 24, 24, 340
"""Printed characters of a value, the name of a decision, that of a field, and the text: they fill two pages at most."""

NAMED_ROWS, FLAGS = 5, 2
"""Factors that must not matter which are printed, those that moved the score first; and those told in a sentence."""

HEADINGS: Mapping[str, Mapping[str, str]] = {
    "credit_decision": {
        "title": "Why this application was decided this way",
        "case": "The application",
        "reasons": "Reasons for the decision",
        "lead": "Each of these was stated in the application, counted towards the decision, and was tested by taking "
        "it out and asking the model again. They are in the order of their weight.",
        "for": "Written for the lender’s reviewer, who decides what the applicant is told.",
        "refused": "No reasons are given.",
    },
    "medical_triage": {
        "title": "Why this description was triaged this way",
        "case": "The description",
        "reasons": "What counted towards the triage",
        "lead": "Each of these stands in the description, counted towards the triage, and was tested by taking it out "
        "and asking the model again. They are in the order of their weight.",
        "for": "Written for a clinician. Not medical advice: it says what moved a model, not what ails a patient.",
        "refused": "No factors are named.",
    },
    "general": {
        "title": "Why the model decided this way",
        "case": "What was decided about",
        "reasons": "The main factors",
        "lead": "Each of these counted towards the decision, and was tested by taking it out and asking the model "
        "again. They are in the order of their weight.",
        "for": "Written for whoever reviews the decision.",
        "refused": "No factors are named.",
    },
}


def heading(e: Explanation, name: str) -> str:
    """Return a heading of the template that was asked for."""
    return HEADINGS[e.template][name]


MUCH = 1500
"""Printed characters of the case itself from which a page is set smaller, so that it stays one of two."""


def dense(e: Explanation) -> bool:
    """Return whether the case says so much that its pages need a smaller type."""
    said = [factor.name + factor.sentence for factor in (*reasons(e), *against(e))]
    said += [change(found) for found in e.search.found] + [flag(e, factor) for factor in e.moved[:FLAGS]]
    said += list(refusal(e)[:4]) + [factor.label[:LONGEST_LABEL] + factor.value[:24] for factor in named(e)]
    return sum(map(len, said)) + len(decision(e)) + len(brief(e.case.text, LONGEST_TEXT)) > MUCH


def positive(e: Explanation) -> str:
    """Return the name of the positive decision, whose probability is the score, in quotation marks."""
    return outcome(e.outcome.decided if e.outcome.positive else e.outcome.other)


def outcome(name: str) -> str:
    """Return the name of a decision in quotation marks."""
    return quoted(name.strip() or name, LONGEST_NAME)


def label(text: str) -> str:
    """Return the name of a field as it is printed."""
    return brief(text, LONGEST_LABEL)


def score(value: float) -> str:
    """Return a score as it is printed."""
    return view.number(value, "probability")


def effect(value: float | None) -> str:
    """Return log-odds as they are printed, with a sign."""
    if value is None:
        return view.NOT_MEASURED
    text = view.bare(value, "log-odds", 2)
    return text if text.startswith(view.MINUS) or not text.strip("0.") else f"+{text}"


def quoted(text: str, most: int = LONGEST_VALUE) -> str:
    """Return a value of the case in quotation marks."""
    return f"“{brief(text, most)}”" if text else "(blank)"


def counted(number: int, one: str, many: str) -> str:
    """Return a number of things in words."""
    return f"{view.count(number)} {one if number == 1 else many}"


# ---- what was decided, and how sure ----------------------------------------------------------------


def decision(e: Explanation) -> str:
    """Say what was decided, and by which score."""
    o = e.outcome
    limit = view.plain(o.threshold, "probability")
    return (
        f"The model decided {outcome(o.decided)}. Its score for {positive(e)} is {score(o.score)}; above "
        f"{limit} the decision is {positive(e)}, otherwise {outcome(o.other if o.positive else o.decided)}."
    )


def sureness(e: Explanation) -> str:
    """Say how far the score is from the threshold, without taking it for a chance of being right."""
    distance = abs(e.outcome.distance)
    where = "close to" if distance < CLOSE else "far from" if distance >= FAR else "at some distance from"
    means = (
        "a small shift of the score would have turned the decision"
        if distance < CLOSE
        else "only a large shift of the score would have turned the decision"
        if distance >= FAR
        else "it would have taken a clear shift of the score to turn the decision"
    )
    gap = view.number(abs(e.outcome.score - e.outcome.threshold), "points")
    return (
        f"The score lies {where} the threshold ({gap}, or {view.bare(distance, 'log-odds', 2)} log-odds): {means}. It "
        "is the model’s own figure and no chance of being right: whether scores like this one mean what they say was "
        "not looked at here."
    )


def mass(e: Explanation) -> str:
    """Say how much of the probability falls on the two answers; nothing where the model can give no others."""
    if e.outcome.answer_mass is None:
        return ""
    share = view.number(e.outcome.answer_mass, "share")
    return f"The two answers together hold {share} of the model’s probability; the score is the share between them."


# ---- factors ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Factor:
    """A factor as a row of the page."""

    name: str
    sentence: str
    without: str
    """The score without it."""
    others: str


def reasons(e: Explanation) -> tuple[Factor, ...]:
    """Return the factors that may be printed as reasons; none where reasons are refused."""
    return () if e.refused else tuple(_factor(e, e.piece(name)) for name in e.reasons)


def against(e: Explanation) -> tuple[Factor, ...]:
    """Return what spoke against the decision and may be named; none where reasons are refused."""
    pieces = (e.piece(name) for name in e.against)
    return () if e.refused else tuple(_factor(e, p) for p in pieces if p.standing != "must not matter")[:2]


def _factor(e: Explanation, piece: Piece) -> Factor:
    first = next(iter(piece.taken_out.values()))
    name = f"{_opening(piece.label)}: {quoted(piece.value)}" if piece.label else quoted(piece.value)
    return Factor(
        name=name,
        sentence=_sentence(e, piece),
        without=score(first.score) + (", turned" if first.turned else ""),
        others=_others(piece),
    )


def _sentence(e: Explanation, piece: Piece) -> str:
    first = next(iter(piece.taken_out.values()))
    it = "this statement" if piece.kind == "field" else "these words" if " " in piece.value else "this word"
    turned = f" and the decision {outcome(e.outcome.other)}" if first.turned else ""
    return (
        f"Without {it} the score for {positive(e)} would have been {score(first.score)} instead of "
        f"{score(e.outcome.score)}{turned}."
    )


def _others(piece: Piece) -> str:
    swapped, left = piece.swapped, piece.taken_out.get("left out")
    if swapped is not None:
        tried = counted(swapped.values, "other value", "other values")
        return f"{score(swapped.score)} on average over {tried}; {_turned(swapped.turned, swapped.values)}"
    return f"{score(left.score)} with it left out" if left else "no other value known"


def _turned(turned: int, of: int) -> str:
    return f"turned by {view.count(turned)}" if turned else ("it does not turn" if of == 1 else "none turns it")


def _opening(text: str) -> str:
    shown = label(text)
    return shown[:1].upper() + shown[1:]


def refusal(e: Explanation) -> tuple[str, ...]:
    """Return why reasons are not printed, a sentence for each check that did not pass."""
    return tuple(
        f"{check.title}: not shown ({check.found}; needed: {check.needed})."
        for check in e.checks
        if check.passed is False
    )


# ---- the text, with what moved it --------------------------------------------------------------------


Mark: TypeAlias = Literal["", "reason", "flag"]


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A stretch of the text, and what it is to the decision."""

    text: str
    kind: Mark = ""


def marked(e: Explanation, most: int = LONGEST_TEXT) -> tuple[Stretch, ...]:
    """Return the text with its reasons and what must not matter and did; cut where the page has no more room."""
    marks: list[tuple[int, int, Mark]] = []
    if not e.refused:
        marks += [(a, b, "reason") for name in e.reasons for a, b in e.piece(name).spans]
    moved = {factor.field for factor in e.moved}
    marks += [(a, b, "flag") for piece in e.pieces if piece.id in moved for a, b in piece.spans]
    out: list[Stretch] = []
    at, room = 0, most
    for start, end, kind in sorted(marks):
        if start < at or room <= 1:
            continue  # a field inside another, or nothing left to print on
        pair: tuple[tuple[str, Mark], ...] = ((e.case.text[at:start], ""), (e.case.text[start:end], kind))
        for piece, what in pair:
            shown = brief(piece, room) if piece and room > 1 else ""
            room -= len(shown)
            out += [Stretch(text=shown, kind=what)] if shown else []
        at = end
    rest = e.case.text[at:]
    return (*out, Stretch(text=brief(rest, room))) if rest and room > 1 else tuple(out)


# ---- what must not matter --------------------------------------------------------------------------


def named(e: Explanation) -> tuple[NamedFactor, ...]:
    """Return the factors that must not matter, those that moved the score first, as many as are printed."""
    order = {"moved the score": 0, "not assessed": 1, "no effect shown": 2}
    return tuple(sorted(e.named, key=lambda factor: order[factor.outcome])[:NAMED_ROWS])


def flag(e: Explanation, factor: NamedFactor) -> str:
    """Say that a factor that must not matter moved the score, and how."""
    assert factor.effect is not None, "it moved the score, so it was measured"
    toward = e.outcome.decided if factor.effect > 0 else e.outcome.other
    what = f"{_opening(factor.label)} {quoted(factor.value, 30)}"
    size = view.bare(abs(factor.effect), "log-odds", 2)
    parts = [
        f"{what} moved the score towards {outcome(toward)}: {size} log-odds on average against "
        f"{counted(factor.values, 'other value', 'other values')}"
        + (f", {view.bare(factor.largest or 0.0, 'log-odds', 2)} at most." if factor.values > 1 else ".")
    ]
    for group, apart in list(factor.groups.items())[:1]:
        near = outcome(e.outcome.decided if apart > 0 else e.outcome.other)
        parts.append(
            f"It tells {label(group.replace('_', ' '))} in these data: values of its own group keep the score "
            f"{view.bare(abs(apart), 'log-odds', 2)} log-odds nearer to {near} than values of other groups do."
        )
    if factor.turned:
        parts.append(f"With {view.count(factor.turned)} of them the decision would have been otherwise.")
    return " ".join(parts)


def outcome_class(factor: NamedFactor) -> str:
    """Return the badge of an outcome."""
    return {"moved the score": "not_met", "no effect shown": "met", "not assessed": "not_assessed"}[factor.outcome]


def group_effects(factor: NamedFactor) -> str:
    """Return what the attributes that a factor tells did."""
    told = [f"{brief(name.replace('_', ' '), 14)} {effect(value)}" for name, value in factor.groups.items()]
    return "; ".join(told[:2]) if told else "none told"


# ---- changes ---------------------------------------------------------------------------------------


def change(found: Change) -> str:
    """Say one change that turns the decision."""
    parts = [
        f"{label(field.label)} {quoted(field.new, 26)} instead of {quoted(field.old, 26)}" for field in found.fields
    ]
    return view.sentence(f"{joined(parts)}: score {score(found.score)}, decision {outcome(found.decided)}")


def searched(e: Explanation) -> str:
    """Say what was searched, and whether anything was found."""
    s = e.search
    if s.why:
        return view.sentence(f"Not searched: {s.why}")
    tried, possible = sum(s.tried.values()), sum(s.possible.values())
    labels = joined([label(_label(e, name)) for name in s.allowed[:4]]) + (" and more" if len(s.allowed) > 4 else "")
    most = max(s.tried, key=int)
    once = "one field at a time" if most == "1" else f"up to {'two' if most == '2' else 'three'} fields at once"
    scope = (
        f"Searched were {labels}, {once}, over the values in the data: {view.count(tried)} of {view.count(possible)} "
        "changed cases were asked of the model."
    )
    if not s.found:
        return f"{scope} None of them turns the decision."
    size = len(s.found[0].fields)
    fields = counted(size, "field", "fields")
    return (
        f"{scope} Of those that change {fields}, {view.count(s.turning)} "
        f"{'turns' if s.turning == 1 else 'turn'} the decision"
        + (f"; the smallest {view.count(len(s.found))} stand here." if s.turning > len(s.found) else ".")
    )


def _label(e: Explanation, name: str) -> str:
    return next((piece.label for piece in e.pieces if piece.id == name), name.replace("_", " "))


def joined(parts: Sequence[str]) -> str:
    """Return parts as a list in a sentence."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


# ---- how it was tested -----------------------------------------------------------------------------


def margins(e: Explanation) -> str:
    """Say which effects count, and who fixed that."""
    by = {"command line": "on the command line", "policy": "in the policy", "default": "by default"}
    lowest = view.bare(e.rules.margin, "log-odds", 2)
    raised = [f"{view.bare(m, 'log-odds', 2)} for {n}" for n, m in e.margins.items() if m > e.rules.margin]
    words = "the template’s own words" if e.case.kind == "row" else "the words of the text"
    more = f"; {words}, taken out in the same way, raise it to {joined(raised)}" if raised else ""
    return (
        f"An effect counts where it exceeds {lowest} log-odds, fixed {by[e.rules.margin_set_by]} before the model was "
        f"asked{more}. A factor is confirmed where all ways of taking it out agree in sign and each exceeds its margin."
    )


def baselines(e: Explanation) -> str:
    """Say what stood in place of what was taken out, and what the model makes of that alone."""
    told = [f"{baseline_name(b.name)} (score {score(b.score)}, {outcome(b.decided)})" for b in e.baselines]
    what = "every field" if e.case.kind == "row" else "every word"
    return f"What was taken out was replaced by {joined(told)}; in brackets what the model makes of {what} taken out."


def limits(e: Explanation) -> tuple[str, ...]:
    """Return what an explanation does not show."""
    common = [
        "It says what moved this model on this case, not that the decision is right, or that the law is met.",
        (
            "A factor that is not listed may still have counted together with others: what was tested is one factor "
            "at a time, and the listed ones together."
        ),
        (
            "“No effect shown” means none above the stated margin, on this case, for the values tried. It says "
            "nothing of other cases, and clears nobody."
        ),
        (
            "Taking words out makes texts that the model was not made for; other values from the data are the better "
            "test, where there are any."
        ),
    ]
    own = {
        "credit_decision": "It is not an adverse action notice or a notice under any law. Which reasons are given to "
        "the applicant, and in which words, the lender decides and answers for.",
        "medical_triage": "It is not a diagnosis and no ground to change an urgency by itself: the symptoms, seen by a "
        "clinician, decide.",
        "general": "It is no statement of reasons under any law by itself.",
    }
    if e.search.found:
        common.append("A change that would have turned the model’s decision is no promise of another decision.")
    return (own[e.template], *common)
