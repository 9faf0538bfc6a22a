"""What becomes of a decision when tokens are taken out in the order of an attribution, and in a random order.

Comprehensiveness is how far the probability of the decision falls when the highest-ranked tokens are taken out,
sufficiency how far it falls when only they are kept (DeYoung et al. 2020, ERASER), each as the mean over several
shares of the tokens (AOPC). Deletion and insertion are the same seen as curves (Petsiuk, Das & Saenko 2018): tokens go,
or come back, in ten steps. Beside them stands Kendall's rank correlation with what taking out each token by itself
does (Jain & Wallace 2019).

None of these numbers means anything alone. Taking out any token changes a score and a text with holes is none that the
model was made for, so a random order stands beside each; and they can disagree, so no single one should be relied on.

Tokens are ranked by how much they speak *for* the decision that was made: one that speaks against it comes last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from audit.shapes import Bools, Floats
from audit.types import Column, Curve, Series, Table

BINS = (0.01, 0.05, 0.1, 0.2, 0.5)
"""Shares of a text's tokens, as ERASER has them; at least one token is taken."""
POINTS = 11
"""Of the deletion and the insertion curve, both ends included."""
RANDOM_ORDERS = 3
"""Drawn per text and averaged: one alone would be as good on average, and noisier."""

TokenSet = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What one order of a text's tokens does to the probability of the decision; curves are (points,)."""

    comprehensiveness: float
    """Mean fall when the first tokens are taken out: more is better."""
    sufficiency: float
    """Mean fall when only they are kept: less is better."""
    deletion: Floats
    """Probability while tokens go, first to last: low is better."""
    insertion: Floats
    """Probability while they come back: high is better."""
    tau: float | None
    """Kendall's correlation of the order's values with leaving each token out; None for fewer than three tokens."""

    @property
    def deletion_area(self) -> float:
        """Area under the deletion curve, over the share of tokens taken out."""
        return float(np.trapezoid(self.deletion, dx=1 / (POINTS - 1)))

    @property
    def insertion_area(self) -> float:
        """Area under the insertion curve, over the share of tokens put back."""
        return float(np.trapezoid(self.insertion, dx=1 / (POINTS - 1)))


@dataclass(frozen=True, kw_only=True)
class Tested:
    """One text: what the attribution's order does, and what random ones do on average."""

    ranked: Order
    random: Order

    def beyond_random(self) -> Mapping[str, float]:
        """Return by how much the attribution's order does better; tau is that of the order itself, for 0 is chance."""
        ranked, random = self.ranked, self.random
        out = {
            "comprehensiveness_over_random": ranked.comprehensiveness - random.comprehensiveness,
            "sufficiency_over_random": random.sufficiency - ranked.sufficiency,
            "deletion_over_random": random.deletion_area - ranked.deletion_area,
            "insertion_over_random": ranked.insertion_area - random.insertion_area,
        }
        return out if ranked.tau is None else out | {"leave_one_out_agreement": ranked.tau}


@dataclass(frozen=True, kw_only=True)
class Removals:
    """Which sets of tokens are to be taken out of one text; ``read`` turns the scores into what they say."""

    side: int
    """+1 where the decision is the positive one, -1 where not."""
    values: tuple[tuple[float, ...], ...]
    """Of every token that counts: the attribution's values toward the decision, then those of random orders."""
    positions: TokenSet
    """Of the tokens that count."""
    sets: tuple[TokenSet, ...]
    """Each once; the empty one first. What an ``Ablations`` request asks for."""

    def read(self, scores: Floats) -> Tested:
        """Return what the scores of ``sets`` (contrasts, in logits) say.

        The probability of the decision is the logistic function of its contrast: exact for two options, and for
        more wherever the contrast is against all others.
        """
        score = dict(zip(self.sets, np.asarray(scores, dtype=np.float64).tolist(), strict=True))
        alone = self.side * np.array([score[()] - score[(at,)] for at in self.positions])
        ranked, *random = (self._order(np.array(values), score, alone) for values in self.values)
        return Tested(ranked=ranked, random=_mean(random))

    def _order(self, values: Floats, score: Mapping[TokenSet, float], alone: Floats) -> Order:
        def probability(taken: TokenSet) -> float:
            return float(np.exp(-np.logaddexp(0.0, -self.side * score[taken])))

        whole, order = probability(()), _ordered(self.positions, values)
        first = [(probability(out), probability(kept)) for out, kept in (_cut(order, k) for k in _bins(len(order)))]
        steps = [(probability(out), probability(kept)) for out, kept in (_cut(order, k) for k in _steps(len(order)))]
        return Order(
            comprehensiveness=whole - float(np.mean([without for without, _ in first])),
            sufficiency=whole - float(np.mean([alone for _, alone in first])),
            deletion=np.array([without for without, _ in steps]),
            insertion=np.array([alone for _, alone in steps]),
            tau=kendall(values, alone),
        )


def removals(
    values: Floats, counts: Bools, side: int, rng: np.random.Generator, *, random_orders: int = RANDOM_ORDERS
) -> Removals:
    """Return what is to be taken out of one text.

    Parameters
    ----------
    values
        Signed attributions of all tokens, (tokens,).
    counts
        Which tokens are ranked: all but special ones.
    side
        +1 where the decision explained is the positive one, -1 where not.
    """
    positions = tuple(np.flatnonzero(counts).tolist())
    if not positions:
        raise ValueError("a text without tokens that count has none to take out")
    ranked = side * np.asarray(values, dtype=np.float64)[list(positions)]
    every = [ranked, *(rng.permutation(len(positions)).astype(np.float64) for _ in range(random_orders))]
    sets: dict[TokenSet, None] = {(): None}
    for some in every:
        order = _ordered(positions, some)
        for k in (*_bins(len(order)), *_steps(len(order))):
            sets |= dict.fromkeys(_cut(order, k))
    sets |= dict.fromkeys((at,) for at in positions)
    return Removals(
        side=side, values=tuple(tuple(some.tolist()) for some in every), positions=positions, sets=tuple(sets)
    )


def kendall(a: Floats, b: Floats) -> float | None:
    """Kendall's tau-b; a constant ranking agrees with nothing and counts as 0, fewer than three have none."""
    from scipy.stats import kendalltau

    if len(a) < 3:
        return None
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(kendalltau(a, b).statistic)


def _ordered(positions: TokenSet, values: Floats) -> list[int]:
    return [positions[i] for i in np.argsort(-values, kind="stable")]


def _bins(tokens: int) -> list[int]:
    return [max(1, round(share * tokens)) for share in BINS]


def _steps(tokens: int) -> list[int]:
    return [round(tokens * step / (POINTS - 1)) for step in range(POINTS)]


def _cut(order: Sequence[int], k: int) -> tuple[TokenSet, TokenSet]:
    """Return what is taken out to be without the first ``k``, and what to be left with nothing else."""
    return tuple(sorted(order[:k])), tuple(sorted(order[k:]))


def _mean(orders: Sequence[Order]) -> Order:
    taus = [order.tau for order in orders if order.tau is not None]
    return Order(
        comprehensiveness=float(np.mean([order.comprehensiveness for order in orders])),
        sufficiency=float(np.mean([order.sufficiency for order in orders])),
        deletion=np.mean([order.deletion for order in orders], axis=0),
        insertion=np.mean([order.insertion for order in orders], axis=0),
        tau=float(np.mean(taus)) if taus else None,
    )


# ---- exhibits ------------------------------------------------------------------------------------


def table(texts: Sequence[Tested], ranked_by: str) -> Table:
    """Return the means over some texts, the random order beside the attribution's."""
    return Table(
        id="faithfulness",
        title="Does the ranking predict what happens when tokens are taken out?",
        columns=(
            Column(title="Order"),
            Column(title="Comprehensiveness", unit="probability"),
            Column(title="Sufficiency", unit="probability"),
            Column(title="Area of deletion", unit="probability"),
            Column(title="Area of insertion", unit="probability"),
            Column(title="Rank agreement with leaving one out", unit="correlation"),
        ),
        rows=tuple(
            (name, *_row([getattr(text, which) for text in texts]))
            for name, which in ((ranked_by, "ranked"), ("random", "random"))
        ),
        note="How far the probability of the decision falls when the highest-ranked tokens are taken out "
        "(comprehensiveness, higher is better) or when only they are kept (sufficiency, lower is better), mean over "
        "1, 5, 10, 20 and 50 % of the tokens, at least one. Areas are those under the curves: low is better for "
        "deletion, high for insertion. These numbers compare orders on one model, and not models with each other.",
    )


def _row(orders: Sequence[Order]) -> tuple[float | None, ...]:
    taus = [order.tau for order in orders if order.tau is not None]
    return (
        float(np.mean([order.comprehensiveness for order in orders])),
        float(np.mean([order.sufficiency for order in orders])),
        float(np.mean([order.deletion_area for order in orders])),
        float(np.mean([order.insertion_area for order in orders])),
        float(np.mean(taus)) if taus else None,
    )


def curves(texts: Sequence[Tested], ranked_by: str) -> tuple[Curve, Curve]:
    """Return the deletion and the insertion curve, mean over some texts, each beside that of random orders."""
    share = tuple((np.arange(POINTS) / (POINTS - 1)).tolist())

    def curve(name: str, title: str, x_title: str) -> Curve:
        return Curve(
            id=name,
            title=title,
            x_title=x_title,
            y_title="Probability of the decision",
            unit="probability",
            series=tuple(
                Series(
                    label=label,
                    x=share,
                    y=tuple(np.mean([getattr(getattr(text, which), name) for text in texts], axis=0).tolist()),
                    reference=which == "random",
                )
                for label, which in ((ranked_by, "ranked"), ("random order", "random"))
            ),
        )

    return (
        curve("deletion", "Tokens taken out, the highest-ranked first", "Share of tokens taken out"),
        curve("insertion", "Tokens put back, the highest-ranked first", "Share of tokens put back"),
    )
