"""The competence gate: a model that cannot do the task is unmeasured, not fair.

A constant classifier treats everybody alike, and a model with random weights nearly so. Before a
behavioural check counts, the model must answer at all, tell cases apart, and do so better than chance.
Where the data hold no true outcomes the last point is untested, and an untested point can clear nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from audit.checks import _stats
from audit.requests import ScoreAnswer
from audit.shapes import Bools, Floats
from audit.types import Dataset, Decision, Guards, NotAssessed, Row, ValidityCheck

LEAST_ANSWER_MASS = 0.05
"""Mean probability that must fall on the answers offered."""

LEAST_SPREAD = 1e-4
"""Standard deviation of the scores below which they do not tell cases apart (probability, or nats)."""


def gate(
    data: Dataset, decision: Decision, answer: ScoreAnswer, order: OrderAnswer | None = None
) -> tuple[ValidityCheck, ...]:
    """Return the competence checks of a model on a data set.

    Parameters
    ----------
    answer
        The model's outputs on ``data.rows``, in their order.
    order
        For likelihoods: whether each text was likelier than the same words shuffled.
    """
    score = decision.score(answer)
    checks = [_spread(score)]
    mass = decision.answer_mass(answer)
    if mass is not None:
        checks.append(_mass(mass, data.cluster_labels()))
    checks.append(_skill(data, score) if order is None else _order(order))
    return tuple(checks)


def decides(decision: Decision, answer: ScoreAnswer, clusters: _stats.Labels) -> tuple[ValidityCheck, ...]:
    """Return whether a model decides at all: enough to have its decisions explained, right or wrong as they are.

    ``clusters`` are those of the rows of ``answer``.
    """
    mass = decision.answer_mass(answer)
    given = () if mass is None else (_mass(mass, clusters),)
    return (_spread(decision.score(answer)), *given)


def spread_over(answer: ScoreAnswer, asked: Sequence[str], texts: Sequence[str]) -> ScoreAnswer:
    """Return the answer of each of ``texts``, of which ``asked`` are the distinct ones that were scored."""
    at = {text: i for i, text in enumerate(asked)}
    return replace(answer, values=answer.values[[at[text] for text in texts]])


def closed(checks: Sequence[ValidityCheck]) -> NotAssessed | None:
    """Return why the gate is shut, or None where it is open."""
    failed = [c for c in checks if c.guards is Guards.MEASUREMENT and c.passed is False]
    if not failed:
        return None
    reasons = "; ".join(f"{c.title.lower()}: {c.found} (needed: {c.needed})" for c in failed)
    return NotAssessed(reason=f"the model cannot be measured on this task. {reasons}", validity=tuple(checks))


def _spread(score: Floats) -> ValidityCheck:
    spread = float(np.std(score))
    return ValidityCheck(
        name="scores_vary",
        title="Scores tell cases apart",
        guards=Guards.MEASUREMENT,
        passed=spread >= LEAST_SPREAD,
        found=f"standard deviation {spread:.2g} over {len(score)} cases",
        needed=f"at least {LEAST_SPREAD:g}",
    )


def _mass(mass: Floats, clusters: _stats.Labels) -> ValidityCheck:
    estimate = _stats.clustered_mean(mass, clusters, reach=1.0)
    low, high = _stats.limits(estimate)
    return ValidityCheck(
        name="answers_given",
        title="Probability on the answers offered",
        guards=Guards.MEASUREMENT,
        passed=low >= LEAST_ANSWER_MASS,
        found=f"on average {estimate.value:.3f} [{low:.3f}, {high:.3f}]",
        needed=f"at least {LEAST_ANSWER_MASS:g}, the whole interval",
    )


def _skill(data: Dataset, score: Floats) -> ValidityCheck:
    title = "Better than chance on the true outcomes"
    needed = "area under the ROC curve above 0.5, the whole interval"
    labelled = [i for i, row in enumerate(data.rows) if row.label is not None]
    labels = np.array([bool(data.rows[i].label) for i in labelled])
    if not labelled or labels.all() or not labels.any():
        found = "the data hold no true outcomes" if not labelled else "all true outcomes are the same"
        return ValidityCheck(
            name="better_than_chance",
            title=title,
            guards=Guards.FALSE_ALL_CLEAR,
            passed=None,
            found=found,
            needed=needed,
        )
    clusters = tuple([column[i] for i in labelled] for column in data.cluster_labels())
    estimate = _stats.clustered_auroc(labels, score[labelled], clusters)
    low, high = _stats.limits(estimate)
    return ValidityCheck(
        name="better_than_chance",
        title=title,
        guards=Guards.MEASUREMENT,
        passed=low > 0.5,
        found=f"{estimate.value:.3f} [{low:.3f}, {high:.3f}] on {len(labelled)} cases",
        needed=needed,
    )


# ---- likelihoods: does the model know the order of words? ----------------------------------------

SHUFFLED = 200
"""Texts whose word order is shuffled for the test of a language model's competence."""


class OrderAnswer:
    """Which of some texts the model finds likelier than the same words in random order."""

    def __init__(self, rows: Sequence[Row], shuffled: Sequence[str], clusters: tuple[list[str], ...]) -> None:
        self.rows, self.shuffled, self.clusters = rows, shuffled, clusters
        self.likelier: Bools = np.zeros(len(rows), dtype=bool)


def shuffled(data: Dataset, rng: np.random.Generator) -> OrderAnswer:
    """Return texts with their words shuffled, to be scored beside the originals."""
    chosen = sorted(rng.permutation(len(data.rows))[:SHUFFLED].tolist())
    rows = [data.rows[i] for i in chosen]
    texts = [" ".join(rng.permutation(row.text.split()).tolist()) for row in rows]
    return OrderAnswer(rows, texts, tuple([column[i] for i in chosen] for column in data.cluster_labels()))


def _order(order: OrderAnswer) -> ValidityCheck:
    estimate = _stats.clustered_proportion(order.likelier, order.clusters)
    low, high = _stats.limits(estimate)
    return ValidityCheck(
        name="better_than_chance",
        title="Texts are likelier than their words in random order",
        guards=Guards.MEASUREMENT,
        passed=low > 0.5,
        found=f"for a share of {estimate.value:.3f} [{low:.3f}, {high:.3f}] of {len(order.rows)} texts",
        needed="more than half, the whole interval",
    )
