from typing import Any

from audit.record import Record
from audit.report import junit, markdown, page, waivers
from audit.report.comment import render as comment
from audit.report.terminal import terminal_summary
from audit.types import Person, Place, Waiver

SENTENCE = "Every criterion of the policy was met, within the scope and limits stated here"


def waiver(**more: Any) -> Waiver:
    parts: dict[str, Any] = {
        "check": "swap-gap",
        "criterion": "score_gap",
        "checks": ("swap-gap",),
        "owner": Person(function="Head of trust (invented)", on="2026-11-02"),
        "reason": "A new model is trained; moderators read every hidden comment until then",
        "expires": "2026-12-31",
        "stops": False,
        "place": Place(path="policies/invented.yaml", line=60, column=5),
    }
    return Waiver(**parts | more)


def waiving(record: Record, *given: Waiver, **policy: object) -> Record:
    return record.model_copy(update={"policy": record.policy.model_copy(update={"waivers": given, **policy})})


TOLD = (
    "Waived until 31 December 2026: the criterion on score_gap of swap-gap (swap-gap: threshold not met). Owner: Head "
    "of trust (invented); 2 November 2026. Reason: A new model is trained; moderators read every hidden comment until "
    "then. By the waiver's own word (stops: false) it does not count for the exit code."
)


def test_a_waiver_is_told_with_what_came_out_in_spite_of_it(record: Record) -> None:
    (found,) = waivers.views(waiving(record, waiver()))

    assert found.told == TOLD


def test_a_waiver_of_a_hazard_names_every_check_and_counts_by_default(record: Record) -> None:
    (found,) = waivers.views(
        waiving(
            record,
            waiver(hazard="unequal-treatment", check="", criterion="", checks=("swap-gap", "beliefs"), stops=True),
        )
    )

    assert found.scope == "every check of the hazard unequal-treatment"
    assert found.results == "swap-gap: threshold not met, beliefs: not assessed"
    assert found.effect == "This waiver takes nothing out of the exit code."


def test_a_report_with_a_waiver_does_not_say_that_every_criterion_was_met(record: Record, page_tree: Any) -> None:
    met = record.model_copy(update={"checks": record.checks[1:2]})
    without = page_tree(page.fill(waiving(met, overrides={}), medium="print")).words
    held = waiver(check="selection-rates", criterion="", checks=("selection-rates",))

    words = page_tree(page.fill(waiving(met, held, overrides={}), medium="print")).words

    assert SENTENCE in without
    assert SENTENCE not in words
    assert "All 1 judged checks met their thresholds, with 1 waiver in force (see section 5)." in words


def test_the_summary_and_the_criteria_section_print_every_waiver(record: Record, page_tree: Any) -> None:
    words = page_tree(page.fill(waiving(record, waiver()), medium="print")).words
    summary, criteria = words.split("5 Criteria Each")[0], words.split("5 Criteria Each")[1]

    assert TOLD in summary
    assert "Head of trust (invented); 2 November 2026" in criteria
    assert "By the waiver's own word (stops: false) it does not count for the exit code." in criteria


def test_a_policy_without_waivers_says_so(record: Record, page_tree: Any) -> None:
    assert "None: the policy waives nothing." in page_tree(page.fill(record, medium="print")).words


def test_markdown_terminal_and_junit_print_waivers(record: Record) -> None:
    given = waiving(record, waiver(reason="Look @everyone [here](http://a.example)"))

    for text in (markdown.render(given).decode(), comment(given).decode()):
        assert "**Waivers** (none changes a verdict)" in text
        assert "Waived until 31 December 2026" in text
        assert "@everyone" not in text
    assert "Waived until 31 December 2026" in terminal_summary(given)
    assert 'name="waiver.1"' in junit.render(given).decode()


def test_waivers_beyond_a_comments_room_are_counted(record: Record) -> None:
    lines = markdown.waived(waiving(record, *[waiver()] * 14))

    assert "- 2 further waivers are in `record.json`." in lines
