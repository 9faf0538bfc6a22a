"""Which quoted texts a record withholds, and whether all the rest is what it was when they were there."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from audit import redaction
from audit.attestation import Statement
from audit.verify.given import Given
from audit.verify.saying import attested, broken, counted, listed, not_covered

ABOUT = "the quoted texts"


def check(given: Given) -> Iterator[Statement]:
    """Say whether the record has the digest under which texts may be withheld from it, and which ones were."""
    texts = given.record.texts
    if texts is None:
        return
    try:
        found = redaction.digest(json.loads(given.raw))
    except ValueError as error:
        yield broken(ABOUT, f"are not as they were committed to: {error}")
        return
    if found != texts.digest:
        yield broken(
            ABOUT,
            f"or something else in the record was changed: with commitments in their place it has the digest {found} "
            f"instead of {texts.digest}",
        )
        return
    there = f"with commitments in place of {counted(len(texts.salts) + len(texts.withheld), 'text')}"
    yield attested(ABOUT, f"and the rest of the record are those of the digest {texts.digest}, taken {there}")
    if texts.withheld:
        yield not_covered("the withheld texts", _told(given))


def _told(given: Given) -> str:
    texts = given.record.texts
    assert texts is not None
    by = Counter(said.because for said in texts.withheld.values())
    why = "; ".join(f"{number:,} because {because}" for because, number in by.items())
    where = listed(_named(given, path) for path in texts.withheld)
    return (
        f"{counted(len(texts.withheld), 'text')} of {len(texts.salts) + len(texts.withheld):,} can no longer be read "
        f"({where}): {why}. Their commitments stand in their place; that the digest was this one before, only a signed "
        "report, a history or another copy of the record can tell"
    )


def _named(given: Given, path: str) -> str:
    """Return where a text stood, with the id of its check in place of its number."""
    _, number, rest = path.split(".", 2)
    checks = given.record.checks
    return f"{checks[int(number)].id}: {rest}" if int(number) < len(checks) else path
