"""What is known of one run of a policy without opening its record."""

from __future__ import annotations

from dataclasses import dataclass

from audit.types.basic import Verdict


@dataclass(frozen=True, kw_only=True)
class KnownRun:
    """A run of a policy, as a list of runs tells it; None and empty stand for what the list does not say."""

    begun: str
    """ISO 8601, UTC."""
    finished: str | None = None
    """None where it was broken off or still goes on, and where only a history knows it."""
    ended: bool
    """Whether it came to its end, with a record."""
    model_digest: str
    policy_version: str = ""
    policy_sha256: str = ""
    changed: tuple[str, ...] | None = None
    """Keys of the policy that were set on the command line."""
    verdict: Verdict | None = None
    """The worst of its checks; None where none was judged, or where that is not known."""
    exit_code: int | None = None
    interruptions: int = 0
    """Times it was broken off and gone on with."""
    history: int | None = None
    """Its number in the history of runs, where it stands in one."""
    this: bool = False
    """Whether it is the run that the record is of."""
