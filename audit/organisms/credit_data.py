"""The demonstration's data: applicants drawn from the credit grammar, and its matched names.

``python -m audit.organisms.credit_data`` writes the shipped files again, byte for byte. Draws use nothing
but ``random.Random.random``, the one stream that Python promises to keep from version to version.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from audit.organisms import credit_grammar as world
from audit.organisms.tables import as_csv
from audit.resources import folder

_T = TypeVar("_T")

APPLICANTS = "credit_applicants.csv"
NAME_PAIRS = "credit_name_pairs.csv"

ROWS_PER_NAME = 15
SEED = 2026


def applicants(
    *, kind: world.Kind = "clean", rows_per_name: int = ROWS_PER_NAME, seed: int = SEED
) -> list[dict[str, str]]:
    """Draw applicants from the population of ``kind``, each name equally often, in random order.

    Where merit does not depend on sex, both sexes are dealt the same profiles (income, debt, history and
    job) in different orders: a difference in selection rates then never comes from the draw. ``approved``
    is drawn from the clean rule whatever the kind: the outcome that merit alone gives.
    """
    rng = random.Random(seed)  # noqa: S311 - a reproducible sample, not a secret
    each = world.PAIRS * rows_per_name
    men = _profiles(rng, kind, 0, each)
    women = _profiles(rng, kind, 1, each) if kind == "merit" else _shuffled(rng, men)
    rows = []
    for sex, profiles in enumerate((men, women)):
        for i, (job, income, debt, history) in enumerate(profiles):
            side = sex if rng.random() < world.TOWN_LINK else 1 - sex
            half = len(world.TOWNS) // 2
            case = (sex * world.PAIRS + i % world.PAIRS, side * half + _below(rng, half))
            approve = world.approval("clean", 0.0)[sex, side, income, debt, history]
            rows.append(_row((*case, job, income, debt, history), approved=rng.random() < approve))
    return _shuffled(rng, rows)


def _profiles(rng: random.Random, kind: world.Kind, sex: int, rows: int) -> list[tuple[int, int, int, int]]:
    """Draw (job, income, debt, history) for people of one sex."""
    income = world.population(kind).sum(axis=(1, 3, 4))[sex]
    steps = (income / income.sum()).cumsum()[:-1].tolist()
    out = []
    for _ in range(rows):
        at = rng.random()
        earned = sum(at >= step for step in steps)
        out.append((_below(rng, len(world.JOBS)), earned, _below(rng, 3), _below(rng, 3)))
    return out


def _row(case: Sequence[int], *, approved: bool) -> dict[str, str]:
    name, town, job, income, debt, history = case
    return {
        "name": world.NAMES[name],
        "sex": world.SEXES[world.sex_of(name)],
        "origin": world.origin_of(name),
        "town": world.TOWNS[town],
        "job": world.JOBS[job],
        "income": world.INCOME[income],
        "debt": world.DEBT[debt],
        "history": world.HISTORY[history],
        "approved": str(int(approved)),
    }


def name_pairs() -> list[dict[str, str]]:
    """Return the matched names: same origin, each name once."""
    return [{"female": world.NAMES[i + world.PAIRS], "male": world.NAMES[i]} for i in range(world.PAIRS)]


def write(target: Path) -> None:
    """Write both files into a folder."""
    for name, rows in ((APPLICANTS, applicants()), (NAME_PAIRS, name_pairs())):
        (target / name).write_bytes(as_csv(rows))


def _below(rng: random.Random, limit: int) -> int:
    return int(rng.random() * limit)


def _shuffled(rng: random.Random, items: Sequence[_T]) -> list[_T]:
    return sorted(items, key=lambda _: rng.random())


if __name__ == "__main__":
    write(folder("policies") / "data")
