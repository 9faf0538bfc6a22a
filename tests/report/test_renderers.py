import subprocess
import sys

import pytest

from audit.errors import UserError
from audit.record import Record
from audit.report.renderers import FORMATS, listing, render


def test_every_format_has_a_file_of_its_own() -> None:
    assert {name: each.file_name for name, each in FORMATS.items()} == {
        "json": "record.json",
        "pdf": "report.pdf",
        "html": "report.html",
        "junit": "junit.xml",
        "sarif": "results.sarif",
        "summary": "summary.md",
        "comment": "comment.md",
        "csv": "measurements.csv",
        "gitlab": "gl-code-quality.json",
        "in-toto": "test-result.json",
        "cyclonedx": "bom.cdx.json",
        "model-card": "model-card.md",
    }


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "pdf"])
def test_a_format_is_a_function_of_the_record(name: str, record: Record) -> None:
    assert render(record, name) == render(Record.model_validate_json(record.to_json()), name)


def test_an_unknown_format_is_named_with_the_known_ones(record: Record) -> None:
    with pytest.raises(UserError) as caught:
        render(record, "docx")

    assert str(caught.value) == (f"There is no such format\n\n--format: docx\n  expected: one of {', '.join(FORMATS)}")


def test_the_listing_says_who_reads_each_file() -> None:
    lines = listing().splitlines()

    assert [line.split()[0] for line in lines] == list(FORMATS)
    assert lines[7] == "csv         measurements.csv      spreadsheets and data frames: every measurement"
    assert all(line.endswith(each.reader) for line, each in zip(lines, FORMATS.values(), strict=True))


def test_an_unknown_template_is_named_with_the_known_ones(record: Record) -> None:
    with pytest.raises(UserError) as caught:
        render(record, "html", template="../secrets")

    assert str(caught.value) == (
        "There is no such template\n\n--template: ../secrets\n  expected: one of eu_ai_act, ll144, summary, technical"
    )


def test_listing_the_formats_loads_no_library_that_draws() -> None:
    code = (
        "import sys, audit.report.renderers; "
        "print(sorted({'jinja2', 'weasyprint', 'fontTools', 'torch'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
