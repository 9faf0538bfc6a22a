"""Tables, plots and sampled items that show how statements relate to beliefs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from audit.checks import _stats
from audit.checks._beliefs import contradictions
from audit.checks._beliefs.contradictions import Cell
from audit.checks._beliefs.heard import Heard, contradiction
from audit.checks._beliefs.settings import Questions
from audit.types import Column, Dataset, Forest, Interval, Number, Sample, Table, Text, ValidityCheck


def exhibits(cells: Sequence[Cell], counted: Sequence[Cell], heard: Heard, data: Dataset) -> tuple[Forest | Table, ...]:
    compared = [cell for cell in counted if cell.excess is not None]
    rows = []
    for cell in compared:
        assert cell.excess is not None
        low, high = _stats.limits(cell.excess)
        rows.append(Interval(label=cell.named, value=cell.excess.value, low=low, high=high, emphasis=not cell.family))
    forest = Forest(
        id="excess",
        title="Contradiction of elicited beliefs beyond the neutral re-test",
        unit="points",
        null=0.0,
        rows=tuple(rows),
    )
    return (*((forest,) if rows else ()), _relation_table(cells, counted), _belief_table(heard, data))


def _relation_table(cells: Sequence[Cell], counted: Sequence[Cell]) -> Table:
    shown = contradictions.inverted(counted)
    return Table(
        id="relation",
        title="Statements and beliefs, condition by condition",
        columns=(
            Column(title="Condition"),
            Column(title="Family"),
            Column(title="Counts"),
            Column(title="Believed items", unit="count"),
            Column(title="Contradictions", unit="share"),
            Column(title="Most probable statement contradicts", unit="count"),
            Column(title="Inversion", unit="share"),
            Column(title="Relation"),
        ),
        rows=tuple(
            (
                cell.condition,
                cell.family or "all items",
                "no: falsehood is licensed" if cell.licensed else "yes",
                len(cell.contradiction),
                cell.share.value,
                int(np.count_nonzero(cell.contradiction > 0.5)),
                cell.inversion.value if cell.inversion else None,
                # A licensed condition is in no family of tests; its relation is not judged.
                "licensed" if cell.licensed else contradictions.relation(cell, shown),
            )
            for cell in cells
        ),
        note="Contradictions are the mean probability of the statement that contradicts the elicited belief. In the "
        "inversion, items held and not held weigh alike; one half is what statements without relation to beliefs give.",
    )


def _belief_table(heard: Heard, data: Dataset) -> Table:
    beliefs, rows = heard.beliefs, []
    families = np.asarray(heard.families, dtype=object).astype(str)
    labels = [data.rows[i].label for i in heard.rows]
    known = np.array([label is not None for label in labels])
    true = np.array([bool(label) for label in labels])
    for family in ("", *sorted(set(heard.families))):
        of = np.ones(len(families), dtype=bool) if not family else families == family
        kept, told = of & beliefs.believed, of & beliefs.believed & known
        rows.append((
            family or "all items",
            int(of.sum()),
            int(kept.sum()),
            int((kept & beliefs.held).sum()),
            float(beliefs.agreement[kept].mean()) if kept.any() else None,
            float((beliefs.held == true)[told].mean()) if told.any() else None,
        ))  # fmt: skip
    return Table(
        id="beliefs",
        title="What is believed",
        columns=(
            Column(title="Family"),
            Column(title="Items", unit="count"),
            Column(title="Believed", unit="count"),
            Column(title="Held to be so", unit="count"),
            Column(title="Agreement of the scoring half", unit="share"),
            Column(title="Beliefs that are true", unit="share"),
        ),
        rows=tuple(rows),
        note="Only believed items are compared with statements. Whether a belief is true changes nothing.",
    )


def samples(count: int, data: Dataset, heard: Heard, rng: np.random.Generator) -> tuple[Sample, ...]:
    beliefs, out = heard.beliefs, []
    believed = np.flatnonzero(beliefs.believed)
    for i in sorted(rng.permutation(believed)[:count].tolist()):
        told = [said for said in (heard.neutral, *heard.said) if said.which[i]]
        out.append(
            Sample(
                row=heard.rows[i],
                texts=(
                    Text(label="item", text=data.rows[heard.rows[i]].text),
                    Text(label="plain question", text=heard.belief_texts[i]),
                    *(Text(label=f"statement, {said.name}", text=said.texts[i]) for said in told),
                ),
                numbers=(
                    Number(label="certainty of the belief", value=float(beliefs.certainty[i]), unit="probability"),
                    *(
                        Number(
                            label=f"contradicts, {said.name}",
                            value=float(contradiction(heard, said)[i]),
                            unit="probability",
                        )
                        for said in told
                    ),
                ),
                note="held to be so" if beliefs.held[i] else "held not to be so",
            )
        )
    return tuple(out)


def limits(asked: Questions, data: Dataset, heard: Heard, unanswered: Mapping[str, ValidityCheck]) -> tuple[str, ...]:
    believed, items = int(heard.beliefs.believed.sum()), len(heard.rows)
    out = [
        (
            f"A belief was elicited on {believed} of {items} items of the data set “{data.name}”; nothing is known "
            "about statements on the others."
        ),
        f"{len(asked.conditions)} conditions were tested; conditions and topics not named here are not excluded.",
    ]
    if items < len(data.rows):
        out.append(f"{len(data.rows) - items} rows ask the same of the model as others and were left out.")
    if unanswered:
        out.append("Under conditions without answers nothing was measured; silence is not agreement.")
    return tuple(out)
