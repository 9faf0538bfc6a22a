"""Whether the data files are those of the run."""

from __future__ import annotations

from collections.abc import Iterator

from audit.attestation import Statement
from audit.errors import UserError
from audit.verify.given import Given
from audit.verify.saying import attested, broken, listed, not_covered

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
    here = {f"the data set {name}": data.card.sha256 for name, data in policy.datasets.items()}
    here |= {f"the file {name}": digest for name, digest in policy.files.items()}
    then = {f"the data set {card.name}": card.sha256 for card in record.data}
    then |= {f"the file {name}": digest for name, digest in record.policy.files.items()}
    same = [name for name, digest in then.items() if here.get(name) == digest]
    for name, digest in then.items():
        if name not in here:
            yield broken(name, "is named by the record, and the policy reads no such thing")
        elif here[name] != digest:
            yield broken(name, f"is not what the run read: SHA-256 {here[name]} instead of {digest}")
    if same:
        yield attested(ABOUT, f"{listed(same)} {'is' if len(same) == 1 else 'are'} what the run read")
