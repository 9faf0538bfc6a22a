from hypothesis import given
from hypothesis import strategies as st

from audit.report.prose import Run, blocks


def plain(text: str) -> list[tuple[str, list[str]]]:
    return [(block.kind, ["".join(run.text for run in item) for item in block.items]) for block in blocks(text)]


def test_paragraphs_are_parted_by_blank_lines_and_their_lines_joined() -> None:
    assert plain("one\ntwo\n\n  three") == [("paragraph", ["one two"]), ("paragraph", ["three"])]


def test_a_list_may_follow_its_paragraph_without_a_blank_line() -> None:
    assert plain("These:\n* one\n  goes on\n* two") == [("paragraph", ["These:"]), ("list", ["one goes on", "two"])]


def test_numbers_and_dashes_make_lists_too() -> None:
    assert plain("1. one\n2. two\n\n- three") == [("list", ["one", "two"]), ("list", ["three"])]


def test_text_in_backquotes_is_code() -> None:
    (block,) = blocks("the ``gap`` and `n`")

    assert block.items == ((Run(text="the "), Run(text="gap", code=True), Run(text=" and "), Run(text="n", code=True)),)


@given(st.text(st.sampled_from("ab *-1.`\n ")))
def test_no_letter_is_lost(text: str) -> None:
    shown = "".join(line for _, items in plain(text) for line in items)

    assert [ch for ch in shown if ch in "ab"] == [ch for ch in text if ch in "ab"]
