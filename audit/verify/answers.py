"""Whether the stored answers are those that the record's Merkle root stands for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from audit.attestation import Statement
from audit.capture.evidence import Seal, held, seal
from audit.errors import UserError
from audit.record import EvidencePart
from audit.verify.given import Given
from audit.verify.kept import Kept
from audit.verify.saying import attested, broken, counted, listed, not_covered

ABOUT = "the evidence"


def check(given: Given) -> Iterator[Statement]:
    """Say whether every file and every answer of the evidence has its digest."""
    evidence = given.record.evidence
    if evidence is None:
        yield not_covered(ABOUT, "the record was made before evidence was kept, and names none")
        return
    if given.evidence is None:
        yield not_covered(
            ABOUT,
            f"none was given (--evidence); the record names {counted(evidence.answers, 'answer')} by the root "
            f"{evidence.root}",
        )
        return
    try:
        if given.kept is None:
            return  # a whole store holds more than one run: its root is taken over what the checks ask for
        altered = list(given.kept.altered())
        yield from (broken(f"the evidence file {name}", found) for name, found in altered)
        if not altered:
            yield attested(
                "the evidence files", f"all {len(given.kept.manifest.files)} have the digests of their manifest"
            )
        yield from _unlisted(given.kept)
        if other := _other(given.kept.manifest.context, evidence.context):
            yield broken(ABOUT, f"was made with another {listed(other)} than the record says")
            return
        yield compared(_sealed(given.kept), evidence)
    except UserError as error:
        problem = error.problems[0]
        yield broken(ABOUT, f"{problem.where}: {problem.found}")


def compared(found: Seal, evidence: EvidencePart) -> Statement:
    """Say whether answers are those of the record."""
    if found.root == evidence.root and found.answers == evidence.answers:
        there = counted(found.answers - found.erased, "answer")
        erased = f" and the digests of {found.erased:,} that were erased" if found.erased else ""
        return attested(ABOUT, f"its {there}{erased} are those that the record's root stands for ({found.root})")
    return broken(
        ABOUT,
        f"its answers are not those of the record: {found.answers:,} with the root {found.root} instead of "
        f"{evidence.answers:,} with the root {evidence.root}",
    )


def _sealed(kept: Kept) -> Seal:
    answers = kept.answers()
    try:
        return seal(answers, held(answers))
    finally:
        answers.close()


def _other(one: Mapping[str, str], two: Mapping[str, str]) -> list[str]:
    return sorted(name for name in {*one, *two} if one.get(name) != two.get(name))


def _unlisted(kept: Kept) -> Iterator[Statement]:
    there = (p.relative_to(kept.folder).as_posix() for p in kept.folder.rglob("*") if not p.is_dir())
    extra = sorted(name for name in there if name not in kept.manifest.files and name != "manifest.json")
    if extra:
        yield not_covered("further files beside the evidence", f"were not looked at: {listed(extra)}")
