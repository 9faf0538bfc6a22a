"""A comment on a pull request: the outcome first, hostile text harmless, never too long."""

import re

import pytest

from audit.report import changes
from audit.report.changes import comment
from audit.types import Comparison

markdown_it = pytest.importorskip("markdown_it")


def told(comparison: Comparison) -> str:
    return changes.render(comparison, "markdown").decode()


def blocks(text: str) -> list[str]:
    """The raw HTML of a comment."""
    parsed = markdown_it.MarkdownIt("commonmark").enable("table").parse(text)
    every = [child for token in parsed for child in (token, *(token.children or ()))]
    return [token.content.strip() for token in every if token.type in {"html_block", "html_inline"}]


def test_the_outcome_comes_first_and_then_what_got_worse(comparison: Comparison) -> None:
    lines = told(comparison).splitlines()

    assert lines[0] == comment.MARK
    assert lines[1].startswith("## ✖ Something got worse: 1 criterion was met and is not met")
    heads = [line for line in lines if line.startswith(("###", "<details>"))]
    assert heads == [
        "### Got worse",
        "<details><summary>Beside the numbers: 3 differences</summary>",
        "<details><summary>No change shown: 14</summary>",
    ]


def test_a_number_has_its_intervals(comparison: Comparison) -> None:
    text = told(comparison).replace("\u202f", "").replace("\u00a0", " ")

    assert (
        "| ✖ Positive decisions by group&#58; Selection rate, women | 85.4% &#91;81.9%, 88.5%&#93; | 62.5% &#91;58.0%, "
        "67.0%&#93; | −22.9 &#91;−28.5, −17.3&#93; points, p &#60; 0.001 |"
    ) in text


def test_without_anything_worse_there_is_no_such_section(unchanged: Comparison) -> None:
    text = told(unchanged)

    assert text.splitlines()[1] == "## – Nothing is shown to have got worse."
    assert "### Got worse" not in text


def test_no_text_from_outside_becomes_mark_up(hostile_comparison: Comparison) -> None:
    text = told(hostile_comparison)

    assert {re.sub(r"\d+", "N", block) for block in blocks(text)} <= {
        comment.MARK,
        "</details>",
        "<details><summary>Beside the numbers: N differences</summary>",
        "<details><summary>Verdicts that changed otherwise: N</summary>",
        "<details><summary>New: N</summary>",
        "<details><summary>No change shown: N</summary>",
        "<details><summary>Not tested: N</summary>",
        "<details><summary>Better beyond noise: N</summary>",
        "<details><summary>Mirrored: N</summary>",
    }
    outside_code = re.sub("`[^`]*`", "", text)
    assert not re.search(r"@|https?:|www\.", outside_code)
    assert len({line.count(" | ") for line in text.splitlines() if line.startswith("| ✖")}) == 1


def test_a_comment_stays_below_what_github_takes_and_counts_what_it_leaves_out(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    many = replace(comparison, judged=comparison.judged * 60)

    text = told(many)

    assert 50_000 < len(text.encode()) <= comment.MOST_BYTES
    assert re.search(r"\d+ further rows are in `changes.json`\.", text)
    assert text.count("<details>") == text.count("</details>")
    assert text.endswith("certificate or legal advice.\n")


@pytest.mark.parametrize("most", [3_000, 4_000, 6_000])
def test_the_shortest_comment_still_says_the_outcome(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(comment, "MOST_BYTES", most)

    text = told(comparison)

    assert len(text.encode()) <= most
    assert text.splitlines()[1].startswith("## ✖ Something got worse")
