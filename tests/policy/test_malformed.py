"""A corpus of policies with one mistake each: every one is refused with its position, in time, without a traceback.

The files of ``malformed`` were made from ``valid.yaml.txt`` by changing one thing, and by hand where the mistake is one
of the text itself. The real check types are used, since it is their parameters that users get wrong.
"""

import time
from pathlib import Path

import pytest

from audit.errors import UserError
from audit.policy import load
from audit.registry import check_types
from audit.types import Place

FOLDER = Path(__file__).with_name("malformed")
CORPUS = sorted(FOLDER.glob("*.yaml"))
SECONDS = 10.0
"""Far more than any of them takes, on a machine that has other work; what hangs takes for ever."""


def refused(path):
    with pytest.raises(UserError) as caught:
        load(path, check_types=check_types(), environ={})
    return caught.value


def test_the_policy_that_the_corpus_was_made_from_is_valid():
    assert load(FOLDER / "valid.yaml.txt", check_types=check_types(), environ={}).id == "corpus"


def test_the_corpus_has_at_least_fifty_policies_and_no_two_alike():
    assert len({path.read_bytes() for path in CORPUS}) == len(CORPUS) >= 50


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_malformed_policy_is_refused_at_its_place(path):
    begun = time.monotonic()
    error = refused(path)

    assert time.monotonic() - begun < SECONDS
    assert error.exit_code == 2
    assert error.problems
    length = len(path.read_bytes().decode("utf-8", "replace").splitlines())
    for problem in error.problems:
        assert isinstance(problem.where, Place), problem
        assert problem.where.path == str(path)
        assert 1 <= problem.where.line <= length + 1
        assert problem.where.column >= 1
        assert problem.found
        assert problem.expected
    assert "Traceback" not in str(error)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("misspelt-key", ":5:1: the unknown key `purpse`"),
        ("duplicate-key", ":4:1: the key `id` a second time; the first is at line 2, column 1"),
        ("unknown-metric", ":33:17: the metric `score_gp`, which counterfactual does not have"),
        ("unknown-check-type", ":26:12: the unknown check `counterfactul`"),
        ("personal-without-art4a", ":18:13: data of origin `personal` without `art4a`"),
        ("expired-waiver", ":38:57: a waiver that expired on 2020-01-01"),
        ("version-as-a-number", ":3:10: the number 1.0"),
        ("swap-from-nowhere", ":30:15: no field 'nme'"),
    ],
)
def test_the_message_says_what_is_wrong(name, message):
    path = FOLDER / f"{name}.yaml"

    assert f"{path}{message}" in str(refused(path))


EXTENDING = sorted((FOLDER / "extends").glob("*.yaml"))


def test_the_policy_that_those_that_extend_were_made_from_is_valid():
    assert load(FOLDER / "extends" / "valid.yaml.txt", check_types=check_types(), environ={}).id == "child"


def test_the_corpus_has_at_least_fifteen_policies_that_extend_another():
    assert len({path.read_bytes() for path in EXTENDING}) == len(EXTENDING) >= 15


@pytest.mark.parametrize("path", EXTENDING, ids=lambda path: path.stem)
def test_a_malformed_policy_that_extends_another_is_refused_in_the_right_file(path):
    begun = time.monotonic()
    error = refused(path)

    assert time.monotonic() - begun < SECONDS
    assert error.exit_code == 2
    assert error.problems
    for problem in error.problems:
        assert isinstance(problem.where, Place), problem
        lines = Path(problem.where.path).read_text(encoding="utf-8").splitlines()
        assert Path(problem.where.path).is_relative_to(FOLDER / "extends")
        assert problem.excerpt == lines[problem.where.line - 1]
        assert 1 <= problem.where.column <= len(problem.excerpt) + 1
        assert problem.found
        assert problem.expected
    assert "Traceback" not in str(error)


@pytest.mark.parametrize(
    ("name", "file", "message"),
    [
        ("unknown-name", "unknown-name", ":2:10: the unknown policy `credit-decison`"),
        ("circle", "bases/circle", ":2:10: circle.yaml, which extends this policy itself"),
        ("leads-out", "leads-out", ":2:10: the path ../valid.yaml, which leads out of"),
        ("base-leads-out", "bases/out", ":2:10: the path ../itself.yaml, which leads out of"),
        ("base-of-another-format", "bases/other-format", ":1:16: the number 2"),
        ("base-with-a-misspelt-key", "bases/misspelt", ":5:1: the unknown key `purpse`"),
        ("remove-unknown-check", "remove-unknown-check", ":5:21: `remove` of `swop`"),
        ("remove-check-that-a-hazard-watches", "bases/valid", ":23:16: the unknown check `swap`"),
        ("other-type", "other-type", ":5:28: another type than that of the check that is changed"),
    ],
)
def test_the_message_points_into_the_file_that_is_wrong(name, file, message):
    folder = FOLDER / "extends"

    assert f"{folder / file}.yaml{message}" in str(refused(folder / f"{name}.yaml"))


def test_the_command_says_so_without_a_traceback(cli):
    for path in CORPUS[:5]:
        ended = cli("policy", "validate", path)

        assert ended.code == 2
        assert f"{path}:" in ended.err
        assert "Traceback" not in ended.err
