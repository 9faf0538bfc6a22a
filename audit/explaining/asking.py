"""Asks the model about one case: a generator of requests, like a check, so that many cases share passes.

It attributes first, to know where to look, then intervenes, to know what moves the decision: everything that is
printed as a reason was taken out, in several ways, and the model was asked again.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from audit.checks import _attributions
from audit.explaining import confirming, faithful, searching
from audit.explaining.cases import Case
from audit.explaining.confirming import LEFT_OUT, SWAPPED, Others, Standpoint, Tried
from audit.explaining.frame import Frame, probability
from audit.explaining.named import named
from audit.explaining.pieces import (
    Mention,
    Part,
    exchanged,
    fields,
    fixed,
    mentioned,
    phrase,
    runs,
    stands_alone,
    without,
    words,
)
from audit.explanation import (
    BaselinePart,
    CheckPart,
    NamedFactor,
    OutcomePart,
    Piece,
    Search,
    SetPart,
    TakenOut,
)
from audit.requests import Ablations, CannotAnswer, Scores, Tokenised, TokenisedText
from audit.shapes import Floats

ALL_WORDS = 128
"""Words of a text up to which each is taken out by itself; of longer texts those that the attribution points at."""

POINTED_AT, REFERENCES = 48, 32
CANDIDATES, LONGEST_PHRASE = 8, 5
"""Words that the attribution, and taking out, each propose; neighbours among them are one phrase."""

LEAST_DIFFERENCE = 0.1
"""Score difference below which a completeness delta is told absolutely: a share of nothing means nothing."""

NOT_SMALL = 0.25
"""Share of the largest number from which a word is proposed."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was found of one case: the parts of its record that only the model could give."""

    outcome: OutcomePart
    baselines: tuple[BaselinePart, ...]
    refused_baselines: tuple[str, ...]
    margins: Mapping[str, float]
    references: int
    words: int
    pieces: tuple[Piece, ...]
    reasons: tuple[str, ...]
    against: tuple[str, ...]
    together: SetPart | None
    checks: tuple[CheckPart, ...]
    named: tuple[NamedFactor, ...]
    search: Search


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One case as far as it was read: its tokens, its score, its attributions."""

    case: Case
    tokens: TokenisedText
    at: Standpoint
    attributed: tuple[_attributions.Attributed, ...]

    @property
    def baselines(self) -> tuple[str, ...]:
        """Names of the baseline inputs that could be used."""
        return tuple(a.baseline_input for a in self.attributed)

    def attribution(self, part: Part) -> dict[str, float]:
        """Return what each attribution gives a part, toward the decision."""
        return {
            a.baseline_input: float(self.at.side * a.answers[0].values[list(part.positions)].sum())
            for a in self.attributed
        }

    def ablations(self, sets: Sequence[tuple[int, ...]]) -> tuple[Ablations, ...]:
        """Return the requests for the score with sets of tokens taken out, one for each baseline input."""
        return tuple(
            Ablations(
                texts=(self.case.text,),
                positions=(tuple(sets),),
                contrast=self.at.frame.contrast,
                baseline_input=name,
            )
            for name in self.baselines
        )


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What the parts of a text were found to do, one by one."""

    parts: tuple[Part, ...]
    """Fields or words: what sets are drawn from."""
    tested: tuple[Tried, ...]
    members: Mapping[str, tuple[int, ...]]
    """Piece → its places in ``parts``."""
    margins: Mapping[str, float]
    references: int
    named: tuple[NamedFactor, ...]


def explained(case: Case, frame: Frame) -> Generator[Any, Any, Found]:
    """Ask everything about one case and return what was found.

    Raises
    ------
    CannotAnswer
        With the reason, when the case cannot be explained at all.
    """
    seen, outcome, refused = yield from _read(case, frame)
    looked = yield from (_fields(seen) if case.kind == "row" else _words(seen))
    pieces = [confirming.confirmed(each, seen.at, looked.margins) for each in looked.tested]
    pieces.sort(key=lambda piece: (-confirming.strength(piece), piece.id))
    reasons = [piece for piece in pieces if piece.outcome == "speaks for" and _may_be_reason(piece, frame, case)]
    reasons = reasons[: frame.rules.most_factors]
    against = [piece.id for piece in pieces if piece.outcome == "speaks against"][: frame.rules.most_factors]
    found, whole = yield from _together(seen, looked, reasons)
    baselines = tuple(_baseline(a, loss, frame) for a, loss in zip(seen.attributed, whole, strict=True))
    search = yield from searching.search(case, seen.at, lambda texts: _fits(texts, seen))
    return Found(
        outcome=outcome,
        baselines=baselines,
        refused_baselines=tuple(dict.fromkeys(refused)),
        margins=looked.margins,
        references=looked.references,
        words=len(looked.parts),
        pieces=tuple(pieces),
        reasons=tuple(piece.id for piece in reasons),
        against=tuple(against),
        together=found,
        checks=faithful.checks(baselines, refused, reasons, found, frame),
        named=looked.named,
        search=search,
    )


def _may_be_reason(piece: Piece, frame: Frame, case: Case) -> bool:
    """Return whether a piece may be given as a reason: what must not matter never is, whatever it did."""
    if frame.template == "credit_decision" and case.kind == "row" and frame.legitimate:
        return piece.standing == "legitimate"
    return piece.standing != "must not matter"


# ---- reading -------------------------------------------------------------------------------------


def _read(case: Case, frame: Frame) -> Generator[Any, Any, tuple[Seen, OutcomePart, list[str]]]:
    (tokens,) = yield Tokenised(texts=(case.text,))
    if len(tokens.ids) > frame.longest:
        raise CannotAnswer(
            f"the text has {len(tokens.ids):,} tokens, and this model reads at most {frame.longest:,} at once; "
            "a text that is cut is another text"
        )
    if all(tokens.special):
        raise CannotAnswer("the model's tokenizer sees no word in the text")
    answer = yield Scores(texts=(case.text,), target=frame.decision.target)
    at = Standpoint(frame=frame, log_odds=float(frame.log_odds(answer)[0]))
    explained = _attributions.Explained(
        texts=(case.text,),
        contrast=frame.contrast,
        tolerance=frame.rules.tolerance,
        max_steps=frame.rules.max_steps,
    )
    attributed, refused = yield from _attributions.from_two_baselines(frame.baselines, explained)
    if not attributed:
        raise CannotAnswer("no baseline input could be used: " + "; ".join(dict.fromkeys(refused)))
    mass = frame.decision.answer_mass(answer)
    positive = at.log_odds > frame.threshold
    outcome = OutcomePart(
        decided=frame.decided(at.log_odds),
        other=frame.negative if positive else frame.decision.positive,
        positive=positive,
        score=probability(at.log_odds),
        threshold=frame.decision.threshold,
        log_odds=at.log_odds,
        distance=at.side * (at.log_odds - frame.threshold),
        answer_mass=None if mass is None else float(mass[0]),
    )
    return Seen(case=case, tokens=tokens, at=at, attributed=tuple(attributed)), outcome, refused


def _fits(texts: Sequence[str], seen: Seen) -> Generator[Any, Any, list[bool]]:
    """Return which changed texts the model can read; only those that could be too long are looked at."""
    special = sum(seen.tokens.special)
    # Tokenizers make fewer tokens than bytes, and hardly ever twice as many: a short text needs no look.
    doubtful = [t for t in texts if 2 * len(t.encode("utf-8", "surrogatepass")) + special > seen.at.frame.longest]
    if not doubtful:
        return [True] * len(texts)
    read = yield Tokenised(texts=tuple(dict.fromkeys(doubtful)))
    longest = {text: len(tokens.ids) for text, tokens in zip(dict.fromkeys(doubtful), read, strict=True)}
    return [longest.get(text, 0) <= seen.at.frame.longest for text in texts]


# ---- the fields of a rendered text ----------------------------------------------------------------


def _fields(seen: Seen) -> Generator[Any, Any, Looked]:
    """Take out each field, and put the other values of the data in its place."""
    frame, case, at = seen.at.frame, seen.case, seen.at
    parts = fields(case, seen.tokens, frame)
    references = fixed(parts, seen.tokens)
    assert frame.data is not None, "a row comes from a data set"
    others, texts = {}, []
    for part in parts:
        own = case.fields[part.id]
        others[part.id] = _drawn([v for v in frame.values.get(part.id, ()) if v != own], frame)
        texts += [frame.data.template.render({**case.fields, part.id: v})[0] for v in others[part.id][0]]
    readable = yield from _fits(texts, seen)
    usable = [text for text, ok in zip(texts, readable, strict=True) if ok]
    taken = yield seen.ablations([(), *(part.positions for part in parts), *references])
    scores = yield from _scores(usable, frame)
    outs, margins = _taken_out(seen, parts, taken, "fixed words")
    tested = []
    found: list[NamedFactor] = []
    for part, out in zip(parts, outs, strict=True):
        values, of = others[part.id]
        mine = [(v, frame.data.template.render({**case.fields, part.id: v})[0]) for v in values]
        kept = [(v, scores[text]) for v, text in mine if text in scores]
        swapped = Others(values=tuple(v for v, _ in kept), log_odds=np.array([x for _, x in kept]), of=of)
        tested.append(Tried(part=part, attribution=seen.attribution(part), taken_out=out, others=swapped))
        if part.id in frame.must_not_matter:
            found.append(named(part.id, part.value, swapped, at))
    return Looked(
        parts=tuple(parts),
        tested=tuple(tested),
        members={part.id: (i,) for i, part in enumerate(parts)},
        margins=margins | {SWAPPED: frame.rules.margin},
        references=len(references),
        named=tuple(found),
    )


def _drawn(values: Sequence[str], frame: Frame) -> tuple[tuple[str, ...], int]:
    """Return the other values that are tried, drawn where there are too many, and how many there are."""
    most = frame.rules.most_values
    if len(values) <= most:
        return tuple(values), len(values)
    drawn = np.random.default_rng(frame.rules.seed).choice(len(values), size=most, replace=False)
    return tuple(values[i] for i in sorted(drawn.tolist())), len(values)


def _scores(texts: Sequence[str], frame: Frame) -> Generator[Any, Any, dict[str, float]]:
    """Return the log-odds of texts."""
    if not texts:
        return {}
    distinct = tuple(dict.fromkeys(texts))
    answer = yield Scores(texts=distinct, target=frame.decision.target)
    return dict(zip(distinct, frame.log_odds(answer).tolist(), strict=True))


def _taken_out(
    seen: Seen, parts: Sequence[Part], answers: Sequence[tuple[Floats]], references: Any
) -> tuple[list[dict[str, TakenOut]], dict[str, float]]:
    """Return what became of the score without each part, by baseline input, and the margins of this case.

    Behind the parts stand the references of ``fixed words``; of ``words`` the parts are the references themselves.
    """
    rules = seen.at.frame.rules
    outs: list[dict[str, TakenOut]] = [{} for _ in parts]
    margins = {}
    for name, (values,) in zip(seen.baselines, answers, strict=True):
        whole = float(values[0])
        behind = values[1:] if references == "words" else values[1 + len(parts) :]
        lost = [seen.at.effect(x, of=whole) for x in behind.tolist()]
        margins[name] = confirming.margin_of(rules.margin, lost, rules.reference_quantile[references])
        for part, out, value in zip(parts, outs, values[1:].tolist(), strict=False):
            if part.positions:
                out[name] = seen.at.taken_out(value, of=whole)
    return outs, margins


# ---- the words of a free text ---------------------------------------------------------------------


def _words(seen: Seen) -> Generator[Any, Any, Looked]:
    """Take out words, then the phrases that they and the attribution propose; leave them out of the text as well."""
    frame, case = seen.at.frame, seen.case
    mentions = mentioned(case.text, frame)
    parts = [part for part in words(case, seen.tokens, mentions) if part.positions]
    if not parts:
        raise CannotAnswer("the text holds no word that the model's tokenizer sees")
    attributed = [seen.attribution(part) for part in parts]
    pointed = np.array([np.mean(list(a.values())) for a in attributed])
    looked_at = _looked_at(pointed, frame)
    taken = yield seen.ablations([(), *(parts[i].positions for i in looked_at)])
    singles, margins = _taken_out(seen, [parts[i] for i in looked_at], taken, "words")
    lost = {i: float(np.mean([o.effect for o in out.values()])) for i, out in zip(looked_at, singles, strict=True)}
    chosen = _candidates(pointed, lost)
    members = runs(chosen, LONGEST_PHRASE, alone={i for i, part in enumerate(parts) if stands_alone(part)})
    phrases = [phrase(case, seen.tokens, [parts[i] for i in run], mentions) for run in members]
    tested = yield from _phrases(seen, phrases)
    found = yield from _mentioned(seen, mentions)
    return Looked(
        parts=tuple(parts),
        tested=tuple(tested),
        members={part.id: tuple(run) for part, run in zip(phrases, members, strict=True)},
        margins=margins | {LEFT_OUT: frame.rules.margin, SWAPPED: frame.rules.margin},
        references=len(looked_at),
        named=tuple(found),
    )


def _looked_at(pointed: Floats, frame: Frame) -> list[int]:
    """Return the words that are taken out one by one: all, or those pointed at and as many again as a comparison."""
    if len(pointed) <= ALL_WORDS:
        return list(range(len(pointed)))
    first = np.argsort(-np.abs(pointed), kind="stable")
    rng = np.random.default_rng(frame.rules.seed)
    more = rng.choice(first[POINTED_AT:], size=REFERENCES, replace=False)
    return sorted({*first[:POINTED_AT].tolist(), *more.tolist()})


def _candidates(pointed: Floats, lost: Mapping[int, float]) -> dict[int, float]:
    """Return the words that either way of looking proposes, each with its attribution.

    A word is proposed where its number is not small beside the largest of its kind; in a short text every word would
    be among the first few.
    """
    by_attribution = dict(enumerate(pointed.tolist()))
    return {i: by_attribution[i] for i in sorted({*_largest(by_attribution), *_largest(lost)})}


def _largest(numbers: Mapping[int, float]) -> list[int]:
    ordered = sorted(numbers, key=lambda i: (-abs(numbers[i]), i))[:CANDIDATES]
    return [i for i in ordered if abs(numbers[i]) >= NOT_SMALL * abs(numbers[ordered[0]])]


def _phrases(seen: Seen, phrases: Sequence[Part]) -> Generator[Any, Any, list[Tried]]:
    taken = yield seen.ablations([(), *(part.positions for part in phrases)])
    outs, _ = _taken_out(seen, phrases, taken, "words")
    left = {part.id: without(seen.case.text, part) for part in phrases}
    readable = {id_: text for id_, text in left.items() if text}
    scores = yield from _scores(tuple(readable.values()), seen.at.frame)
    for part, out in zip(phrases, outs, strict=True):
        if left[part.id] in scores:
            out[LEFT_OUT] = seen.at.taken_out(scores[left[part.id]])
    return [
        Tried(part=part, attribution=seen.attribution(part), taken_out=out)
        for part, out in zip(phrases, outs, strict=True)
    ]


def _mentioned(seen: Seen, mentions: Sequence[Mention]) -> Generator[Any, Any, list[NamedFactor]]:
    """Exchange what must not matter, where it stands in the text, for its other values in the data."""
    frame, out = seen.at.frame, []
    for mention in mentions:
        values, of = _drawn([v for v in frame.values[mention.field] if v.casefold() != mention.value.casefold()], frame)
        texts = {value: exchanged(seen.case.text, mention, value) for value in values}
        readable = yield from _fits(list(texts.values()), seen)
        kept = [pair for pair, ok in zip(texts.items(), readable, strict=True) if ok]
        scores = yield from _scores([text for _, text in kept], frame)
        others = Others(
            values=tuple(value for value, _ in kept), log_odds=np.array([scores[text] for _, text in kept]), of=of
        )
        out.append(named(mention.field, mention.value, others, seen.at))
    return out


# ---- the factors together -------------------------------------------------------------------------


def _together(
    seen: Seen, looked: Looked, reasons: Sequence[Piece]
) -> Generator[Any, Any, tuple[SetPart | None, list[float]]]:
    """Take out the factors together, and random sets of as many; return that, and the score of each baseline input."""
    frame = seen.at.frame
    if not reasons:
        everything = tuple(sorted({i for part in looked.parts for i in part.positions}))
        answers = yield seen.ablations([(), everything])
        return None, [_shifted(values, seen) for (values,) in answers]
    own = [i for piece in reasons for i in looked.members[piece.id]]
    asked = faithful.sets(own, looked.parts, frame)
    answers = yield seen.ablations(asked.positions)
    by_name = {name: values for name, (values,) in zip(seen.baselines, answers, strict=True)}
    agreement = _agreement(seen, looked)
    part = faithful.together(asked, by_name, seen.at.side, agreement, frame.rules.margin)
    return part, [_shifted(values, seen) for values in by_name.values()]


def _shifted(values: Floats, seen: Seen) -> float:
    """Return the log-odds with everything taken out."""
    return float(seen.at.log_odds - (values[0] - values[1]))


def _agreement(seen: Seen, looked: Looked) -> float | None:
    if len(seen.attributed) < 2 or len(looked.parts) < 3:
        return None
    a, b = (
        np.array([a.answers[0].values[list(part.positions)].sum() for part in looked.parts]) for a in seen.attributed
    )
    return _attributions.spearman(np.abs(a), np.abs(b))


def _baseline(a: _attributions.Attributed, log_odds: float, frame: Frame) -> BaselinePart:
    answer = a.answers[0]
    assert answer.n_steps is not None
    assert answer.completeness_delta is not None
    difference = max(abs(answer.score - answer.baseline_score), LEAST_DIFFERENCE)
    return BaselinePart(
        name=a.baseline_input,
        score=probability(log_odds),
        decided=frame.decided(log_odds),
        log_odds=log_odds,
        n_steps=answer.n_steps,
        completeness_delta=answer.completeness_delta / difference,
        converged=answer.converged,
    )
