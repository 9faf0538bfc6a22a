"""Whatever a policy or its data hold, the loader says what is wrong: never a traceback, never a hang."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import UserError
from audit.policy import load, show
from audit.types import Place, Policy

VALUES = (
    """
~|true|3|-1|1e-3|1e999|text|''|[]|{}|[[]]|{a: b}|[1, x]|*a|&a|&a [*a]|!!int x|!x|<<:|"\\u0000"|{name}|{{|${x}
../../etc/passwd|/dev/zero|data/applicants.csv|data/name_pairs.csv|.|/|sex|name|{sex: [female]}|[sex, sex]|{rows: 1}
{likelihood: true}|causal-lm|probe|personal|[{from: name, pattern: '{a}n{b}'}]|[{from: name, words: [a], as: t}]
2026-11-01|012|99999999999999999999|﷽|\U0001f600|\u202e|{a: data/name_pairs.csv}|{column: sex, positive: [female]}
""".strip()
    .replace("\n", "|")
    .split("|")
)
KEYS = "text|rows|template|lists|extract|where|sample|groups|cluster|label|swap|layers|also|variables|x"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, samples):
    path = tmp_path_factory.mktemp("fuzz") / "policies"
    (path / "data").mkdir(parents=True)
    (path / "data" / "applicants.csv").write_text(samples.applicants)
    (path / "data" / "name_pairs.csv").write_text(samples.name_pairs)
    return path


def outcome(folder, check_types, raw, overrides=()):
    path = folder / "policy.yaml"
    path.write_bytes(raw)
    try:
        return load(path, check_types=check_types, overrides=overrides, environ={})
    except UserError as error:
        return error


def holds(found):
    """Return whether an outcome is a policy, or an error that can be printed and says something of every problem."""
    if isinstance(found, UserError):
        str(found).encode()
        return bool(found.problems) and all(p.where and p.found and p.expected for p in found.problems)
    return isinstance(found, Policy)


@settings(max_examples=200)
@given(raw=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode(errors="replace")))
def test_any_bytes(folder, check_types, raw):
    assert holds(outcome(folder, check_types, raw))


@st.composite
def mutated(draw, text):
    """Return a valid policy with some values, keys and lines changed."""
    for _ in range(draw(st.integers(1, 4))):
        lines = text.splitlines(keepends=True)
        at = draw(st.integers(0, len(lines) - 1))
        value = draw(st.sampled_from(VALUES) | st.text(max_size=8))
        kind = draw(st.sampled_from(["value", "word", "key", "drop", "double", "swap", "insert"]))
        if kind == "value" and ":" in lines[at]:
            lines[at] = f"{lines[at].split(':')[0]}: {value}\n"
        elif kind == "word" and (words := list(re.finditer(r"[\w./{}$-]+", lines[at]))):
            word = draw(st.sampled_from(words))
            lines[at] = lines[at][: word.start()] + value + lines[at][word.end() :]
        elif kind == "key":
            indent = re.match(r"[ -]*", lines[at])[0].replace("-", " ")
            lines.insert(at, f"{indent}{draw(st.sampled_from(KEYS.split('|')))}: {value}\n")
        elif kind == "drop":
            del lines[at]
        elif kind == "double":
            lines.insert(at, lines[at])
        elif kind == "swap":
            other = draw(st.integers(0, len(lines) - 1))
            lines[at], lines[other] = lines[other], lines[at]
        else:
            column = draw(st.integers(0, len(lines[at])))
            lines[at] = lines[at][:column] + value + lines[at][column:]
        text = "".join(lines) or "a: 1\n"
    return text


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_mutated_policies(folder, check_types, samples, data):
    text = data.draw(mutated(samples.policy))

    found = outcome(folder, check_types, text.encode(errors="replace"))

    assert holds(found)
    if isinstance(found, Policy):
        assert show(folder / "policy.yaml", check_types=check_types, environ={})


OVER = """\
inspectoscope: 1
extends: policy.yaml
id: ours
version: 1.0.0
seed: 3
model: {decision: {positive: approve, negative: deny, threshold: 0.25}}
data:
  applicants: {where: {sex: female}, groups: []}
  more:
    rows: [{name: x}]
    text: "{name}"
    origin: public
    licence: MIT
hazards:
  - id: unequal-treatment
    text: Otherwise.
  - {id: other, text: New., criteria: [look]}
checks:
  - id: swap-gap
    draws: 7
    criteria: [{metric: score_gap, at_most: 0.5, rationale: Ours.}]
  - {id: look, check: probe, data: more, criteria: [{metric: alarm_rate, at_most: 1, rationale: Ours.}]}
"""
MARKS = [
    "remove: true",
    "replace: true",
    "remove: 1",
    "extends: policy.yaml",
    "extends: over.yaml",
    "extends: /etc/x.yaml",
]


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_mutated_policies_that_extend_another(folder, check_types, samples, data):
    top, base = OVER, samples.policy
    for _ in range(data.draw(st.integers(0, 2))):
        lines = top.splitlines(keepends=True)
        at = data.draw(st.integers(0, len(lines) - 1))
        indent = re.match(r"[ -]*", lines[at])[0].replace("-", " ")
        top = "".join([*lines[:at], f"{indent}{data.draw(st.sampled_from(MARKS))}\n", *lines[at:]])
    which = data.draw(st.sampled_from(["top", "base", "both"]))
    top = top if which == "base" else data.draw(mutated(top))
    base = base if which == "top" else data.draw(mutated(base))
    (folder / "policy.yaml").write_bytes(base.encode(errors="replace"))
    over = folder / "over.yaml"
    over.write_bytes(top.encode(errors="replace"))

    try:
        found = load(over, check_types=check_types, environ={})
    except UserError as error:
        found = error

    assert holds(found)
    if isinstance(found, Policy):
        assert show(over, check_types=check_types, environ={})
        assert not found.bases or found.files["policy.yaml"] == found.bases[0].sha256
    else:
        files = {str(path): path.read_text(errors="replace").splitlines() for path in folder.rglob("*.*")}
        for problem in found.problems:
            if isinstance(problem.where, Place):
                assert problem.where.line <= len(files[problem.where.path]) + 1


@settings(max_examples=200, deadline=None)
@given(
    keys=st.lists(
        st.sampled_from(["data", "applicants", "checks", "swap-gap", "criteria", "0", "swap", "sex", "rows", "seed"])
        | st.text(max_size=5),
        min_size=1,
        max_size=5,
    ),
    value=st.sampled_from(VALUES) | st.text(max_size=8),
)
def test_any_override(folder, check_types, samples, keys, value):
    override = f"{'.'.join(keys)}={value}"

    assert holds(outcome(folder, check_types, samples.policy.encode(), [override]))


@settings(max_examples=100, deadline=None)
@given(cells=st.lists(st.lists(st.text(max_size=4) | st.sampled_from(["female", "male", "1"]), max_size=6), max_size=4))
def test_any_data(folder, check_types, samples, cells):
    path = folder / "data" / "applicants.csv"
    path.write_bytes(("name,sex,zip,job,income\n" + "\n".join(",".join(r) for r in cells)).encode(errors="replace"))

    assert holds(outcome(folder, check_types, samples.policy.encode()))

    path.write_text(samples.applicants)
