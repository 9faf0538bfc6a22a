"""Checks are found, ours and others'; one that is broken stops everything."""

from __future__ import annotations

import hashlib
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import audit.checks
from audit.checks import _toy
from audit.errors import UserError
from audit.registry import BrokenCheck, check_types, sections, use_files
from audit.types import Finding

SOURCE = '''
"""Counts its rows.

What it measures
----------------
The number of rows.

Why it matters
--------------
It shows that a check of another distribution is found.

What it cannot show
-------------------
Anything else.

Validity checks
---------------
None.

References
----------
None.
"""

from pydantic import BaseModel, ConfigDict

from audit.registry import LaterRounds
from audit.requests import Tokenised
from audit.types import Finding, Measurement, Metric, Worse

NAME = "row_count"
VERSION = "1"
TITLE = "Rows"
METRICS = (
    Metric(
        name="rows", title="Rows", meaning="The number of rows.", reading="{value}", unit="count", worse=Worse.LOWER
    ),
)


class Params(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def problems(params, data, decision):
    return ()


def judgeable(params):
    return frozenset({"rows"})


def later_rounds(params, data):
    return LaterRounds()


def run(params, data, decision, rng):
    answers = yield Tokenised(texts=tuple(row.text for row in data.rows))
    n = len(answers)
    return Finding(
        measurements=(Measurement(metric="rows", value=n, n=n, unit="count", worse=Worse.LOWER, exact=True),)
    )


def examples():
    return ()
'''

Put = Callable[..., Path]


def found() -> dict[str, str]:
    """Every check type that is found now, by name; nothing is remembered."""
    return {name: check.title for name, check in check_types.__wrapped__().items()}


@pytest.fixture(autouse=True)
def forgotten(tmp_path: Path) -> Iterator[None]:
    """Modules that a test brings in are gone after it."""
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]
            vars(audit.checks).pop(name.rpartition(".")[2], None)


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Install a distribution that brings a check module, as far as an import can tell."""

    def put(module: str, source: str, *, name: str = "others") -> Path:
        folder = tmp_path / name
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[inspectoscope.checks]\n{module} = {module}\n", encoding="utf-8")
        (folder / f"{module}.py").write_text(source, encoding="utf-8")
        monkeypatch.syspath_prepend(str(folder))
        return folder

    return put


@pytest.fixture
def own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Add a file to the folder of the checks."""

    def put(name: str, source: str) -> Path:
        folder = tmp_path / "checks"
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}.py"
        path.write_text(source, encoding="utf-8")
        monkeypatch.setattr(audit.checks, "__path__", [*audit.checks.__path__, str(folder)])
        return path

    return put


# ---- found ---------------------------------------------------------------------------------------


def test_every_file_of_the_folder_is_a_check_unless_it_starts_with_an_underscore() -> None:
    files = {path.stem for path in Path(audit.checks.__file__).parent.glob("*.py")}

    assert set(found()) == {name for name in files if not name.startswith("_")}


def test_checks_come_in_the_order_of_their_names() -> None:
    assert list(found()) == sorted(found())


def test_the_check_of_another_distribution_is_found_and_runs(distribution: Put) -> None:
    distribution("others_count", SOURCE)

    check = check_types.__wrapped__()["row_count"]

    data = _toy.applicants()
    outcome = _toy.drive(check.run(check.params(), data, _toy.DECISION, np.random.default_rng(0)), _toy.Toy(weights={}))
    assert isinstance(outcome, Finding)
    assert outcome.measurements[0].value == len(data.rows)
    assert check.method["Why it matters"] == "It shows that a check of another distribution is found."


def test_a_new_file_is_enough(own_file: Put) -> None:
    own_file("row_count", SOURCE)

    assert found()["row_count"] == "Rows"


# ---- refused -------------------------------------------------------------------------------------


def refusal() -> str:
    with pytest.raises(BrokenCheck) as refused:
        found()
    assert isinstance(refused.value, UserError)
    return str(refused.value)


def test_a_file_that_cannot_be_imported_stops_everything(own_file: Put) -> None:
    own_file("broken", "import no_such_library")

    assert refusal() == textwrap.dedent("""\
        A check module cannot be used

        audit.checks.broken: it cannot be imported (ModuleNotFoundError: No module named 'no_such_library')
          expected: an importable module
          do: mend it, or uninstall the distribution that brings it: inspectoscope""")


def test_a_syntax_error_is_such_a_file(own_file: Put) -> None:
    own_file("broken", "def run(:")

    assert "audit.checks.broken: it cannot be imported (SyntaxError: " in refusal()


def test_whatever_a_module_raises_is_told(distribution: Put) -> None:
    distribution("others_broken", "raise RuntimeError('the licence server is away')", name="others-broken")

    said = refusal()

    assert "others_broken: it cannot be imported (RuntimeError: the licence server is away)" in said
    assert said.endswith("do: mend it, or uninstall the distribution that brings it: others-broken")


def test_a_module_that_lacks_parts_is_told_all_of_them(distribution: Put) -> None:
    distribution("others_partial", SOURCE.replace("METRICS", "NUMBERS").replace("def examples", "def instances"))

    assert refusal() == textwrap.dedent("""\
        A check module cannot be used

        others_partial: it lacks METRICS, examples
          expected: a module with NAME, VERSION, TITLE, METRICS, Params, problems, judgeable, run, later_rounds, \
examples
          do: mend it, or uninstall the distribution that brings it: others""")


def test_a_check_without_a_section_of_its_documentation_is_refused(distribution: Put) -> None:
    distribution("others_undocumented", SOURCE.replace("Why it matters\n--------------\n", ""))

    assert "others_undocumented: its documentation lacks Why it matters" in refusal()


def test_two_checks_with_one_name_are_refused(distribution: Put) -> None:
    distribution("others_twin", SOURCE.replace('"row_count"', '"counterfactual"'))

    assert refusal() == textwrap.dedent("""\
        A check module cannot be used

        others_twin: the name 'counterfactual', which audit.checks.counterfactual already has
          expected: a name of its own for every check
          do: uninstall or rename one of them; this one is brought by others""")


def test_an_entry_point_to_nowhere_is_refused(distribution: Put) -> None:
    folder = distribution("others_gone", SOURCE)
    (folder / "others_gone.py").unlink()

    assert "others_gone: it cannot be imported (ModuleNotFoundError: No module named 'others_gone')" in refusal()


# ---- a file of one's own -------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Put]:
    """Name a file as the command line does."""

    def put(source: str, *, name: str = "row_count.py") -> Path:
        path = tmp_path / name
        path.write_text(source, encoding="utf-8")
        use_files((path,))
        return path

    yield put
    use_files(())


def test_a_file_of_ones_own_is_a_check_while_it_is_named(own: Put) -> None:
    path = own(SOURCE)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()

    assert check_types()["row_count"].version == f"1+{digest[:12]}"
    use_files(())
    assert "row_count" not in check_types()


def test_two_texts_of_a_check_have_two_versions(own: Put) -> None:
    own(SOURCE)
    before = check_types()["row_count"].version
    own(SOURCE + "\n# a remark\n", name="other.py")

    assert check_types()["row_count"].version != before


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def run(:", ":1:9: it cannot be run (SyntaxError: "),
        (
            "\n\nimport no_such_library",
            ":3:1: it cannot be run (ModuleNotFoundError: No module named 'no_such_library')",
        ),
        ("raise SystemError('away')", ":1:1: it cannot be run (SystemError: away)"),
        ("NAME = 'x'", ": it lacks VERSION, TITLE, "),
        (SOURCE.replace("Anything else.", ""), ": its documentation lacks What it cannot show"),
        (SOURCE.replace('"row_count"', '"counterfactual"'), ": the name 'counterfactual', which audit.checks."),
        ("#" * (1 << 20) + "#", ": more than 1 MiB"),
        ("\0", ": it cannot be run (SyntaxError: source code string cannot contain null bytes)"),
    ],
)
def test_a_file_that_is_no_check_is_told_with_its_line(own: Put, source: str, said: str) -> None:
    path = own(source)

    with pytest.raises(BrokenCheck) as refused:
        check_types()

    assert f"{path}{said}" in str(refused.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    use_files((tmp_path / "gone.py",))
    try:
        with pytest.raises(BrokenCheck, match="no such file or directory"):
            check_types()
    finally:
        use_files(())


# ---- documentation -------------------------------------------------------------------------------

DOC = SOURCE.split('"""')[1]


def test_a_section_is_what_stands_under_its_heading() -> None:
    assert sections(DOC) == {
        "": "Counts its rows.",
        "What it measures": "The number of rows.",
        "Why it matters": "It shows that a check of another distribution is found.",
        "What it cannot show": "Anything else.",
        "Validity checks": "None.",
        "References": "None.",
    }


def test_an_empty_section_is_a_missing_one() -> None:
    with pytest.raises(ValueError, match=r"^its documentation lacks What it cannot show$"):
        sections(DOC.replace("Anything else.", ""))


def test_every_missing_section_is_named() -> None:
    lacking = "^its documentation lacks What it measures, Why it matters, What it cannot show, Validity checks, Ref"
    with pytest.raises(ValueError, match=lacking):
        sections("A check.")
