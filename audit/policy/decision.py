"""Turns ``model`` into the decision under audit."""

from __future__ import annotations

from audit.policy.document import KeyPath
from audit.policy.problems import Problems
from audit.policy.schema import ModelEntry
from audit.types import Decision

_PATH: KeyPath = ("model", "decision")


def decision(entry: ModelEntry, problems: Problems) -> Decision | None:
    """Return how outputs become decisions, or None when the problems say what is wrong with it."""
    return _likelihood(entry, problems) if entry.decision.likelihood else _choice(entry, problems)


def _likelihood(entry: ModelEntry, problems: Problems) -> Decision | None:
    before = len(problems)
    if entry.task != "causal-lm":
        problems.at(
            (*_PATH, "likelihood"),
            key=True,
            found=f"`likelihood` for the task {entry.task}",
            expected="the labels of the classifier: {positive: …, negative: …}",
        )
    for key in ("positive", "negative", "threshold"):
        if key in entry.decision.model_fields_set:
            problems.at(
                (*_PATH, key),
                key=True,
                found=f"`{key}` beside `likelihood: true`",
                expected="nothing: where the likelihood of the text is scored, nothing is decided",
            )
    return Decision(kind="likelihood") if len(problems) == before else None


def _choice(entry: ModelEntry, problems: Problems) -> Decision | None:
    given = entry.decision
    causal = entry.task == "causal-lm"
    if given.positive is None:
        problems.at(
            _PATH,
            key=True,
            found="a decision without `positive`",
            expected="{positive: …, negative: …}" + (", or {likelihood: true}" if causal else ""),
        )
        return None
    if causal and given.negative is None:
        problems.at(
            _PATH,
            key=True,
            found="a causal model's decision without `negative`",
            expected="the answer that means the other decision, as it follows the text",
        )
        return None
    if given.positive == given.negative:
        problems.at((*_PATH, "negative"), found="the same as `positive`", expected="another label or answer")
        return None
    return Decision(
        kind="answers" if causal else "classes",
        positive=given.positive,
        negative=given.negative or "",
        threshold=given.threshold,
    )
