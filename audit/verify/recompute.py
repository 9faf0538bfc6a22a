"""Whether numbers and verdicts follow from the stored answers: the checks are run again, without a model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from audit import verdict
from audit.attestation import Statement
from audit.capture import stored
from audit.capture.evidence import Reader, Seal, Unanswered, seal
from audit.capture.replay import Replayed, replay
from audit.errors import UserError, user_error
from audit.record import EvidencePart, Record
from audit.registry import check_types
from audit.types import Policy
from audit.verify.answers import compared
from audit.verify.differing import Difference, differences
from audit.verify.given import Given
from audit.verify.kept import answers_in, reading
from audit.verify.saying import attested, broken, counted, listed, not_covered

ABOUT = "the measurements and verdicts"
_NOT_COMPARED = ("detail", "place.path")
"""A traceback names files of the machine it was taken on, and a policy may lie elsewhere now."""


@dataclass(frozen=True, kw_only=True)
class _Again:
    """Checks that were run again, and what they were given."""

    replayed: Replayed
    sealed: Seal | None
    """Over what they were given; None of a copy of the evidence, which is looked at as a whole."""


def check(given: Given) -> Iterator[Statement]:
    """Run the checks again and compare everything that they found."""
    record = given.record
    evidence = record.evidence
    if evidence is None or given.evidence is None:
        yield not_covered(ABOUT, "were not reached again: that takes the evidence, and none is there")
        return
    if given.lacking:
        yield not_covered(ABOUT, f"were not reached again: that {given.lacking}")
        return
    try:
        policy = _policy(given)
        if isinstance(policy, str):
            yield not_covered(ABOUT, policy)
            return
        again = _again(given, policy, evidence)
    except UserError as error:
        problem = error.problems[0]
        yield broken(ABOUT, f"cannot be reached again: {problem.where}: {problem.found}")
        return
    if again.sealed is not None and not again.replayed.unanswered:
        yield compared(again.sealed, evidence)
    yield from _compared(given, policy, again.replayed)


def _policy(given: Given) -> Policy | str:
    """Return the policy of the run with its data, or why there is none."""
    if given.kept is None and given.policy is None:
        return "were not reached again: a store holds no data; give the policy with --policy, its data beside it"
    policy = given.run_policy
    if policy.sha256 != given.record.policy.sha256:
        return "were not reached again, because the policy at hand is not the policy of the run"
    return policy


def _again(given: Given, policy: Policy, evidence: EvidencePart) -> _Again:
    from audit.pipeline import started

    assert given.evidence is not None
    answers = stored.opened(answers_in(given.evidence, evidence))
    try:
        reader = Reader(answers)
        if given.kept is None:
            _use_rows(reader, given, policy)
        left = {part.id for part in given.record.checks if not reading(part, given.incomplete)}
        replayed = replay({check.id: started(check, policy) for check in policy.checks if check.id in left}, reader)
        return _Again(replayed=replayed, sealed=seal(answers, reader.used) if given.kept is None else None)
    finally:
        answers.close()


def _use_rows(reader: Reader, given: Given, policy: Policy) -> None:
    """See that a store has the rows of the data, which are evidence too."""
    try:
        for data in policy.datasets.values():
            reader.rows(data)
    except Unanswered as missing:
        raise user_error(
            "The evidence cannot be read",
            where=str(given.evidence),
            found=f"a store without the rows of the data ({missing})",
            expected="the store of the run, and the data of the run",
        ) from missing


def _compared(given: Given, policy: Policy, replayed: Replayed) -> Iterator[Statement]:
    record, types = given.record, check_types()
    now = _parts(record, policy, replayed)
    same, rounded = [], []
    for part in record.checks:
        about = f"check {part.id}"
        if gone := reading(part, given.incomplete):
            yield not_covered(about, f"cannot be reached again: rows of {listed(gone)} were erased from the evidence")
        elif part.check in types and types[part.check].version != part.version:
            version = types[part.check].version
            yield not_covered(about, f"was made by version {part.version} of its method; here is version {version}")
        elif missing := replayed.unanswered.get(part.id):
            yield _unanswered(about, missing, given)
        elif part.id not in now:
            yield broken(about, "is in the record and not in the policy")
        elif unlike := list(_unlike(part.model_dump(mode="json"), now[part.id], _withheld(record, part.id))):
            yield from _told(about, unlike, given)
            rounded += [part.id] if all(each.rounding for each in unlike) else []
        else:
            same.append(part.id)
    if same:
        yield attested(
            ABOUT,
            f"of {listed(same)} were reached again from the stored answers, with no model, and are the same in every "
            "digit",
        )
    yield from _judged(record, now, complete=len(same) + len(rounded) == len(record.checks))


def _parts(record: Record, policy: Policy, replayed: Replayed) -> Mapping[str, Any]:
    """Return, by its id, what the record would say of every check."""
    from audit.recording import bound, check_part, metrics_of

    checks = [check for check in policy.checks if check.id in replayed.outcomes]
    metrics = {check.id: {m.name: m for m in metrics_of(check)} for check in checks}
    # Holm's correction is made over all checks of a hazard: with one of them missing there is none to make.
    hazards = [h for h in policy.hazards if replayed.outcomes.keys() >= set(h.checks)]
    digest, tool = record.model.digest, record.tool.version
    outcomes = {name: bound(outcome, digest, tool) for name, outcome in replayed.outcomes.items()}
    judged, _ = verdict.judge(outcomes, checks, hazards, metrics)
    made = {
        check.id: check_part(check, outcomes[check.id], judged[check.id], replayed.access[check.id]) for check in checks
    }
    # Through JSON as the record went: what cannot be told apart there is the same.
    return {name: json.loads(part.model_dump_json()) for name, part in made.items()}


def _unlike(then: Any, now: Any, withheld: frozenset[str]) -> Iterator[Difference]:
    for each in differences(then, now):
        # Of a withheld map of tokens every token differs.
        if not each.at.endswith(_NOT_COMPARED) and not {each.at, each.at.rpartition(".")[0]} & withheld:
            yield each


def _withheld(record: Record, check: str) -> frozenset[str]:
    """Return where in a check texts are withheld: there is nothing to compare."""
    texts = record.texts.withheld if record.texts else {}
    number = next(i for i, part in enumerate(record.checks) if part.id == check)
    return frozenset(path.split(".", 2)[2] for path in texts if path.startswith(f"checks.{number}."))


def _told(about: str, unlike: list[Difference], given: Given) -> Iterator[Statement]:
    """Say what differs; rounding alone is no other finding."""
    beyond = [each for each in unlike if not each.rounding]
    if not beyond:
        most = max(each.relative or 0.0 for each in unlike)
        yield attested(
            about,
            f"was reached again; {counted(len(unlike), 'number differs', 'numbers differ')} by rounding (at most "
            f"{most:.1g} of the value){_because(given)}",
        )
        return
    yield broken(
        about, f"does not follow from the stored answers: the record says {listed(map(str, beyond))}{_because(given)}"
    )


def _unanswered(about: str, missing: str, given: Given) -> Statement:
    says = f"asks for what is not among the stored answers ({missing})"
    if given.environment:
        return not_covered(about, f"{says}{_because(given)}")
    return broken(about, says)


def _because(given: Given) -> str:
    other = [f"{name} {both}" for name, both in given.environment.items()]
    return f"; computed with other versions: {listed(other)}" if other else ""


def _judged(record: Record, now: Mapping[str, Any], *, complete: bool) -> Iterator[Statement]:
    verdicts = {part.id: part.verdict.value if part.verdict else None for part in record.checks}
    again = {name: now[name]["verdict"] for name in verdicts if name in now}
    if complete and again == verdicts:
        yield attested("the verdicts of the run", "follow from the stored answers")
