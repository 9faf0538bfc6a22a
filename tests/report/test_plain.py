import json

from hypothesis import given
from hypothesis import strategies as st

from audit.report import plain


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_a_line_is_one_line_that_shows_itself_and_is_no_longer_than_asked(text: str, most: int) -> None:
    line = plain.line(text, most)

    assert len(line) <= most
    assert len(line.splitlines()) <= 1
    line.encode("utf-8")


def test_lines_keep_their_line_feeds_only() -> None:
    assert plain.lines("a\n\tb\u202e\ud800\n\n") == "a\n⟨U+0009⟩b⟨U+202E⟩⟨U+D800⟩"
    assert plain.lines("abcdef", 4) == "abc…"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_a_document_reads_back_as_it_was(text: str) -> None:
    assert json.loads(plain.document({"x": text})) == {"x": text}
