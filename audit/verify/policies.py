"""Whether the policy given is the one of the run, and which bound was changed where it is not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from audit import policy as reading
from audit.attestation import Statement
from audit.errors import UserError
from audit.record import Record
from audit.registry import check_types
from audit.verify.given import Given
from audit.verify.saying import attested, broken, listed, not_covered

Bounds = Mapping[tuple[str, str, str], float]
"""(check, criterion, bound metric) → bound; the criterion is its metric and relation."""


def check(given: Given) -> Iterator[Statement]:
    """Say whether the bounds were those of the policy, and the policy is still the same."""
    record = given.record
    yield from _judged_by(record)
    if given.policy is None:
        yield not_covered("the policy file", "no policy file was given (--policy); its text stands in the record")
    else:
        yield from _compared(record, given.policy.read_bytes()[: reading.MAX_BYTES + 1], str(given.policy))
    try:
        kept = given.kept.policy_bytes() if given.kept else None
    except UserError:
        return  # told where the evidence is looked at
    if kept is not None:
        yield from _compared(record, kept, "policy.yaml in the evidence")


def _judged_by(record: Record) -> Iterator[Statement]:
    """Compare the bounds that verdicts were reached by with those in the policy's text."""
    about, known = "the bounds in the record", check_types()
    for part in record.checks:
        if part.check not in known and part.criteria:
            yield not_covered(f"the bounds of check {part.id}", f"its type `{part.check}` is not installed here")
    try:
        written = _written(record, record.policy.source.encode("utf-8", "surrogatepass"))
    except UserError as error:
        yield not_covered(about, f"could not be compared with the policy's text: {error.problems[0].found}")
        return
    judged = {
        (part.id, f"{c.metric} {c.relation}", name): bound
        for part in record.checks
        if part.check in known
        for c in part.criteria
        for name, bound in c.bounds.items()
    }
    # Bounds that follow from another one depend on data, which are not opened here.
    written = {key: bound for key, bound in written.items() if key in judged or key[2] == key[1].split()[0]}
    if unlike := list(_unlike(written, judged, "the policy's text", "the record")):
        yield broken(about, f"are not those of the policy: {listed(unlike)}")
    else:
        yield attested(about, "are those of the policy's text, with the values given by --set")


def _compared(record: Record, raw: bytes, name: str) -> Iterator[Statement]:
    digest = hashlib.sha256(raw).hexdigest()
    if digest == record.policy.sha256:
        yield attested(name, f"is the policy of the run ({digest})")
        return
    says = f"is not the policy of the run: SHA-256 {digest} instead of {record.policy.sha256}"
    try:
        then = _written(record, record.policy.source.encode("utf-8", "surrogatepass"))
        now = _written(record, raw)
    except UserError as error:
        yield broken(name, f"{says}; it cannot be read as a policy: {error.problems[0].found}")
        return
    unlike = list(_unlike(then, now, "the run", name))
    yield broken(name, f"{says}; {listed(unlike) if unlike else 'no bound of a criterion differs'}")


def _written(record: Record, raw: bytes) -> Bounds:
    """Return the bounds in a policy's text, with the run's own ``--set``; data files are not opened."""
    overrides = [f"{key}={value}" for key, value in record.policy.overrides.items()]
    bases = {base.name: base.source.encode("utf-8", "surrogatepass") for base in record.policy.bases}
    kept = reading.Kept(policy=raw, files={}, bases=bases)
    draft = reading.draft(record.policy.path, check_types=check_types(), overrides=overrides, kept=kept)
    return {
        (each.id, f"{c.metric} {c.relation}", name): bound
        for each in draft.checks
        for c in each.criteria
        for name, bound in c.bounds.items()
    }


def _unlike(then: Bounds, now: Bounds, before: str, after: str) -> Iterator[str]:
    own = {key[:2] for key in {*then, *now} if key[2] == key[1].split()[0] and then.get(key) != now.get(key)}
    for key in [*then, *(key for key in now if key not in then)]:
        if key[:2] in own and key[2] != key[1].split()[0]:
            continue  # a bound that follows from the criterion's own says nothing more
        name = f"criterion {key[1].split()[0]} of check {key[0]}"
        name += f" (bound on {key[2]})" if key[2] != key[1].split()[0] else ""
        relation = key[1].split()[1].replace("_", " ")
        if key not in now:
            yield f"{name}: {relation} {then[key]:g} in {before}, missing in {after}"
        elif key not in then:
            yield f"{name}: {relation} {now[key]:g} in {after}, missing in {before}"
        elif then[key] != now[key]:
            yield f"{name}: {relation} {then[key]:g} in {before}, {now[key]:g} in {after}"
