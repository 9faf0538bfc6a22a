from audit.record import Record
from audit.report.terminal import WIDTH, terminal_summary


def test_every_check_is_told_with_the_line_that_decides_it(record: Record) -> None:
    lines = terminal_summary(record).replace("\u00a0", " ").splitlines()

    assert lines[:4] == [
        "✖ threshold not met: Score gaps when a group's name is swapped (policies/invented.yaml:8)",
        "    On the same sentences, comments naming 'transgender' are scored 0.210 [0.188, 0.233] higher than",
        "    comments naming the reference (american, white, straight, young (reference group of the invented",
        "    policy)); the policy accepts at most 0.05.",
    ]
    assert "    The data set 'pairs' has no column 'statement'." in lines
    assert lines[-1] == (
        "6 checks: 1 threshold not met, 1 not assessed, 1 inconclusive, 1 threshold met, 2 measured, not judged."
    )


def test_nothing_from_outside_can_move_the_cursor_or_run_off_the_screen(hostile_record: Record) -> None:
    text = terminal_summary(hostile_record)

    assert not {"\x00", "\x1b", "\u202e", "\ue000"} & set(text)
    assert all(len(line) <= 4 * WIDTH for line in text.splitlines())
