"""The parts of a text that may have moved a decision: its fields, or its words, and the tokens that stand for them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

from audit.explaining.cases import Case
from audit.explaining.frame import Frame
from audit.requests import Span, TokenisedText

Standing = Literal["legitimate", "must not matter", "open"]

_WORD = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]+")
"""A word, hyphens and apostrophes inside it included; or a run of other signs, which can decide as well."""

LONG_WORD = 24
"""Characters from which a word is cut into its tokens: scripts without spaces have no other words."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A field, a word or a phrase of one text."""

    id: str
    kind: Literal["field", "words"]
    label: str
    value: str
    spans: tuple[Span, ...]
    positions: tuple[int, ...]
    """Tokens that lie in the spans or reach into them."""
    standing: Standing


@dataclass(frozen=True, kw_only=True)
class Mention:
    """A value of a field that must not matter, found in a free text."""

    field: str
    value: str
    """As it stands in the text."""
    spans: tuple[Span, ...]


def positions(tokens: TokenisedText, spans: Sequence[Span]) -> tuple[int, ...]:
    """Return the tokens that lie in some stretches of characters, or reach into them."""
    return tuple(
        i
        for i, (a, b) in enumerate(tokens.spans)
        if b > a and not tokens.special[i] and any(a < end and b > start for start, end in spans)
    )


def fields(case: Case, tokens: TokenisedText, frame: Frame) -> list[Part]:
    """Return the fields of a rendered text, in the order of the template."""
    return [
        Part(
            id=name,
            kind="field",
            label=frame.label(name),
            value=case.fields[name],
            spans=spans,
            positions=positions(tokens, spans),
            standing=standing(name, frame),
        )
        for name, spans in case.spans.items()
    ]


def standing(name: str, frame: Frame) -> Standing:
    """Return whether a decision may rest on a field, by the policy."""
    if name in frame.must_not_matter:
        return "must not matter"
    return "legitimate" if name in frame.legitimate else "open"


def words(case: Case, tokens: TokenisedText, mentions: Sequence[Mention]) -> list[Part]:
    """Return the words of a free text; signs that are no words are taken together where they touch."""
    named = [span for mention in mentions for span in mention.spans]
    return [
        _phrase(case, tokens, (span,), named)
        for found in _WORD.finditer(case.text)
        for span in _cut(found.span(), tokens)
    ]


def phrase(case: Case, tokens: TokenisedText, run: Sequence[Part], mentions: Sequence[Mention]) -> Part:
    """Return neighbouring words as one part, with what stands between them."""
    named = [span for mention in mentions for span in mention.spans]
    return _phrase(case, tokens, ((run[0].spans[0][0], run[-1].spans[-1][1]),), named)


def _phrase(case: Case, tokens: TokenisedText, spans: tuple[Span, ...], named: Sequence[Span]) -> Part:
    start, end = spans[0]
    overlaps = any(start < b and end > a for a, b in named)
    return Part(
        id=f"{start}-{end}",
        kind="words",
        label="",
        value=case.text[start:end],
        spans=spans,
        positions=positions(tokens, spans),
        standing="must not matter" if overlaps else "open",
    )


def _cut(span: Span, tokens: TokenisedText) -> list[Span]:
    start, end = span
    if end - start <= LONG_WORD:
        return [span]
    inside = [(max(a, start), min(b, end)) for a, b in tokens.spans if b > a and a < end and b > start]
    return list(dict.fromkeys(inside)) or [span]


def fixed(parts: Sequence[Part], tokens: TokenisedText) -> list[tuple[int, ...]]:
    """Return the tokens of a template's own words: the same in every case, so nothing that differs rests on them."""
    taken = {i for part in parts for i in part.positions}
    return [(i,) for i, (a, b) in enumerate(tokens.spans) if b > a and not tokens.special[i] and i not in taken]


def mentioned(text: str, frame: Frame) -> list[Mention]:
    """Return the values of fields that must not matter that stand in a free text, as whole words in either case."""
    taken: list[Span] = []
    out: list[Mention] = []
    listed = [(value, name) for name in frame.must_not_matter for value in frame.values.get(name, ())]
    for value, name in sorted(listed, key=lambda pair: (-len(pair[0]), pair)):
        if not any(ch.isalpha() for ch in value):
            continue  # a number says nothing by itself
        pattern = rf"(?<!\w){re.escape(value)}(?!\w)"
        spans = [found.span() for found in re.finditer(pattern, text, re.IGNORECASE)]
        free = tuple(span for span in spans if not any(span[0] < b and span[1] > a for a, b in taken))
        if free:
            taken += free
            out.append(Mention(field=name, value=text[free[0][0] : free[0][1]], spans=free))
    return sorted(out, key=lambda mention: mention.spans)


def without(text: str, part: Part) -> str:
    """Return a text with a part left out, and no double space where it stood."""
    out = text
    for start, end in sorted(part.spans, reverse=True):
        before, after = out[:start], out[end:]
        out = before.rstrip() + after if before[-1:].isspace() and after[:1].isspace() else before + after
    return out.strip()


def exchanged(text: str, mention: Mention, value: str) -> str:
    """Return a text with another value wherever a mention stands."""
    out = text
    for start, end in sorted(mention.spans, reverse=True):
        out = out[:start] + value + out[end:]
    return out


def stands_alone(part: Part) -> bool:
    """Return whether a word is no part of a phrase: signs, and what must not matter, are looked at by themselves."""
    return part.standing == "must not matter" or not any(ch.isalnum() for ch in part.value)


def runs(chosen: Mapping[int, float], longest: int, *, alone: AbstractSet[int]) -> list[list[int]]:
    """Return chosen words in runs: neighbours whose numbers have one sign are one phrase, up to ``longest`` words."""
    out: list[list[int]] = []
    for at in sorted(chosen):
        last = out[-1] if out else None
        joins = last is not None and last[-1] == at - 1 and len(last) < longest and not alone & {last[-1], at}
        if last is not None and joins and (chosen[last[-1]] > 0) == (chosen[at] > 0):
            last.append(at)
        else:
            out.append([at])
    return out
