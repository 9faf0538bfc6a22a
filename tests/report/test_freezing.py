from typing import Any

import pytest

from audit.record import Record
from audit.report import freezing, markdown, page
from audit.report.terminal import terminal_summary
from audit.types import Freeze

SENTENCE = "Every criterion fixed before the run was met, within the scope and limits stated here."
UNFROZEN = (
    "Every criterion of the policy was met, within the scope and limits stated here; nothing shows that they were "
    "fixed before the run."
)


def a_freeze(**more: Any) -> Freeze:
    parts: dict[str, Any] = {
        "path": "policies/invented.frozen.json",
        "sha256": "0" * 64,
        "on": "2026-11-19T10:00:00+00:00",
        "author": "A. Author",
        "before_run": True,
        "same_text": True,
    }
    return Freeze(**parts | more)


STATED = "by A. Author; date and author are as policies/invented.frozen.json states them."


@pytest.mark.parametrize(
    ("freeze", "told"),
    [
        (None, freezing.NONE),
        (
            a_freeze(),
            f"Frozen on 19 November 2026, 10:00 UTC, before the run began, {STATED} Nothing that a verdict rests on "
            "differs from what was frozen.",
        ),
        (
            a_freeze(same_text=False),
            f"Frozen on 19 November 2026, 10:00 UTC, before the run began, {STATED} Nothing that a verdict rests on "
            "differs from what was frozen; the text of the policy file does.",
        ),
        (
            a_freeze(before_run=False, differences=("a", "b")),
            f"Frozen on 19 November 2026, 10:00 UTC, which is after the run began, {STATED} Not as it was frozen: a; "
            "b.",
        ),
        (
            Freeze(path="p.frozen.json", problem="Invalid JSON"),
            "The freeze file p.frozen.json cannot be used (Invalid JSON), so nothing here shows when the criteria were "
            "fixed.",
        ),
    ],
)
def test_what_is_known_of_the_freeze_is_told_everywhere(
    record: Record, page_tree: Any, freeze: Freeze | None, told: str
) -> None:
    given = record.model_copy(update={"freeze": freeze})

    assert freezing.told(given) == told
    assert page_tree(page.fill(given, medium="print")).words.count(told) == 2  # summary and criteria
    assert told[:40] in " ".join(terminal_summary(given).split())
    assert told[:9] in markdown.render(given).decode()


@pytest.mark.parametrize(
    ("freeze", "said"),
    [
        (None, False),
        (a_freeze(), True),
        (a_freeze(same_text=False), True),
        (a_freeze(before_run=False), False),
        (a_freeze(differences=("the bound",)), False),
        (Freeze(path="p", problem="Invalid JSON"), False),
    ],
)
def test_a_freeze_that_does_not_hold_voids_the_sentence(
    record: Record, page_tree: Any, freeze: Freeze | None, said: bool
) -> None:
    policy = record.policy.model_copy(update={"overrides": {}})
    met = record.model_copy(update={"checks": record.checks[1:2], "policy": policy, "freeze": freeze})

    assert (SENTENCE in page_tree(page.fill(met, medium="print")).words) is said


def test_without_a_freeze_nothing_is_said_to_have_been_fixed_before(record: Record, page_tree: Any) -> None:
    policy = record.policy.model_copy(update={"overrides": {}})
    met = record.model_copy(update={"checks": record.checks[1:2], "policy": policy, "freeze": None})

    words = page_tree(page.fill(met, medium="print")).words

    assert UNFROZEN in words
    assert SENTENCE not in words
