"""Whether the data files are those of the run."""

from __future__ import annotations

from collections.abc import Iterator

from audit.attestation import Statement
from audit.errors import UserError
from audit.types import DataCard, rows_digest
from audit.verify.given import Given
from audit.verify.saying import attested, broken, counted, listed, not_covered

ABOUT = "the data"


def check(given: Given) -> Iterator[Statement]:
    """Say of every data set, and every other file of the policy, whether it is what the run read."""
    record = given.record
    try:
        if given.kept is None and given.policy is None:
            yield not_covered(ABOUT, "no data were given (--evidence or --policy)")
            return
        if given.lacking:
            yield not_covered(ABOUT, f"to read them {given.lacking}")
            return
        policy = given.run_policy
    except UserError as error:
        problem = error.problems[0]
        yield broken(ABOUT, f"cannot be read: {problem.where}: {problem.found}")
        return
    alone = given.kept.manifest.rows_alone if given.kept is not None else ()
    for card in record.data:
        if card.name in alone:
            yield _rows_alone(card, given)
    here = {f"the data set {name}": data.card.sha256 for name, data in policy.datasets.items() if name not in alone}
    here |= {f"the file {name}": digest for name, digest in policy.files.items()}
    then = {f"the data set {card.name}": card.sha256 for card in record.data if card.name not in alone}
    then |= {f"the file {name}": digest for name, digest in record.policy.files.items()}
    same = [name for name, digest in then.items() if here.get(name) == digest]
    for name, digest in then.items():
        if name not in here:
            yield broken(name, "is named by the record, and the policy reads no such thing")
        elif here[name] != digest:
            yield broken(name, f"is not what the run read: SHA-256 {here[name]} instead of {digest}")
    if same:
        yield attested(ABOUT, f"{listed(same)} {'is' if len(same) == 1 else 'are'} what the run read")


def _rows_alone(card: DataCard, given: Given) -> Statement:
    """Say what there is of a data set whose file was taken out of the evidence, because a row of it was erased."""
    assert given.kept is not None
    about = f"the data set {card.name}"
    rows = given.kept.rows([card.name])[card.name]
    numbers = [each.number for each in rows]
    gone = given.incomplete.get(card.name, ())
    erased = sorted(number for each in gone for number in each.rows)
    if sorted([*numbers, *erased]) != list(range(card.rows_used)):
        return broken(
            about,
            f"should hold every row of the run or say that it was erased: of {counted(card.rows_used, 'row')}, "
            f"{len(rows):,} are there and {len(erased):,} are said to be erased",
        )
    if erased:
        why = "; ".join(f"{listed(map(str, each.rows))} on {each.on} because {each.because}" for each in gone)
        return not_covered(
            about,
            f"can no longer be compared as a whole: rows were erased from it (row {why}). The {len(rows):,} others are "
            "among the answers, under the record's root",
        )
    if (found := rows_digest([each.row for each in rows])) != card.rows_sha256:
        return broken(about, f"does not hold the rows of the run: SHA-256 {found} instead of {card.rows_sha256}")
    return attested(
        about,
        f"holds the {counted(len(rows), 'row')} of the run ({card.rows_sha256}); the file that they came from was "
        "taken out of the evidence with rows of another data set",
    )
