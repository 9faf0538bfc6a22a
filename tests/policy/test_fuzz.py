"""Whatever a policy or its data hold, the loader says what is wrong: never a traceback, never a hang."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import UserError
from audit.policy import load, show
from audit.types import Policy

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
