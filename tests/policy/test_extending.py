"""A policy that takes another one and changes parts of it."""

import hashlib
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import registry
from audit.errors import UserError
from audit.policy import load, show, strict_yaml
from audit.policy.merging import REMOVE, REPLACE
from audit.resources import shipped_policies

ASK_FOR_DATA = ("content-moderation", "winogender-likelihood")
"""Shipped policies whose rows lie in a folder that the user names."""

CHILD = """\
inspectoscope: 1
extends: base.yaml
id: ours
version: 2.0.0
"""


@pytest.fixture
def child(desk):
    """A desk whose policy extends the usual one, which lies beside it."""
    desk.write("base.yaml", desk.text)
    desk.text = CHILD
    return desk


def same(one, other):
    """Return whether two policies ask and judge the same."""
    keys = ("title", "purpose", "task", "decision", "seed", "limits")
    return all(getattr(one, key) == getattr(other, key) for key in keys) and parts(one) == parts(other)


def parts(policy):
    hazards = [(h.id, h.text, h.checks, h.rule) for h in policy.hazards]
    checks = [
        (
            *(c.id, c.check, c.title, c.data, c.seed, c.params.model_dump(mode="json")),
            [(k.metric, k.relation, dict(k.bounds), k.rationale, k.set_by, k.approved_by) for k in c.criteria],
        )
        for c in policy.checks
    ]
    data = {
        name: (replace(d.card, source=""), [(r.text, dict(r.fields)) for r in d.rows])
        for name, d in policy.datasets.items()
    }
    return hazards, checks, data


# --------------------------------------------------------------------------------------------------
# What is inherited
# --------------------------------------------------------------------------------------------------


def test_extending_with_nothing_changes_nothing_but_who_the_policy_is(child):
    base = load(child.folder / "base.yaml", check_types=child.check_types, environ={})

    policy = child.load()

    assert same(policy, base)
    assert (policy.id, policy.version, policy.authors) == ("ours", "2.0.0", ())


@pytest.mark.parametrize("path", shipped_policies(), ids=lambda path: path.stem)
def test_extending_a_shipped_policy_with_nothing_changes_nothing(path, tmp_path):
    text = CHILD.replace("base.yaml", path.stem)
    own = tmp_path / "ours.yaml"
    own.write_text(text)
    if path.stem in ASK_FOR_DATA:
        with pytest.raises(UserError, match="\\$\\{"):
            load(own, check_types=registry.check_types(), environ={})
        return
    base = load(path, check_types=registry.check_types(), environ={})

    policy = load(own, check_types=registry.check_types(), environ={})

    assert same(policy, base)
    assert policy.bases[0].name == f"${{inspectoscope}}/{path.name}"
    assert policy.bases[0].sha256 == policy.files[policy.bases[0].name] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_who_a_policy_is_who_wrote_it_and_what_is_lived_with_is_not_inherited(child):
    base = (child.folder / "base.yaml").read_text()
    waiver = "waivers: [{check: swap-gap, owner: {name: A}, reason: r, expires: 2999-01-01}]\n"
    child.write("base.yaml", base + "authors: [{name: Theirs}]\n" + waiver)

    assert (child.load().authors, child.load().waivers) == ((), ())

    child.text = "inspectoscope: 1\nextends: base.yaml\n"

    assert [problem.split("\n")[0] for problem in child.problems()] == [
        "policy.yaml:1:1: no `id`",
        "policy.yaml:1:1: no `version`",
    ]


def test_parts_are_changed_by_name_and_the_rest_stays(child):
    child.text += """\
title: Ours
seed: 7
model: {decision: {positive: yes, negative: no, threshold: 0.25}}
data:
  applicants: {where: {sex: female}}
  more: {rows: [{name: x}], text: "{name}", origin: public, licence: MIT}
hazards:
  - {id: unequal-treatment, text: Otherwise.}
checks:
  - {id: look, check: probe, data: more}
  - {id: swap-gap, draws: 7}
"""

    policy = child.load()

    assert (policy.title, policy.seed, policy.decision.threshold) == ("Ours", 7, 0.25)
    assert policy.purpose.startswith("Loan approval")
    assert list(policy.datasets) == ["applicants", "more"]
    assert len(policy.datasets["applicants"].rows) == 2
    assert (policy.hazards[0].text, policy.hazards[0].checks) == ("Otherwise.", ("swap-gap",))
    assert [check.id for check in policy.checks] == ["swap-gap", "look"]
    assert policy.checks[0].params.draws == 7
    assert list(policy.checks[0].params.swap) == ["sex"]
    assert policy.checks[0].criteria[0].bounds["score_gap"] == 0.01


def test_a_changed_bound_inherits_neither_its_reason_nor_its_approval(child):
    child.text += "checks: [{id: swap-gap, criteria: [{metric: score_gap, at_most: 0.5}]}]\n"

    assert "policy.yaml:5:36: no `rationale`" in child.problem()

    child.text = child.text.replace(
        "0.5}", "0.5, rationale: Ours.}, {metric: stratum_gap, at_most: 1, rationale: New.}"
    )
    first, second = child.load().checks[0].criteria

    assert (first.metric, first.rationale, first.approved_by.on) == ("score_gap", "Ours.", "")
    assert (second.metric, second.bounds) == ("stratum_gap", {"stratum_gap": 1})


def test_other_rows_inherit_nothing_that_was_said_of_the_old_ones(child):
    child.write("ours.csv", "name,sex,zip,job,income\nAnna,female,1,x,2\n")
    child.text += "data: {applicants: {rows: ours.csv}}\n"

    assert [problem.split("\n")[0] for problem in child.problems()] == [
        "policy.yaml:5:8: no `origin`",
        "policy.yaml:5:8: no `licence`",
    ]

    child.text = child.text.replace("ours.csv", "ours.csv, origin: public, licence: MIT")

    assert child.load().datasets["applicants"].card.source == "ours.csv"


def test_entries_are_removed_and_replaced_by_name(child):
    child.text += """\
checks:
  - {id: swap-gap, replace: true, check: probe, data: applicants}
hazards:
  - {id: unequal-treatment, remove: true}
"""

    policy = child.load()

    assert [(check.id, check.check, check.criteria) for check in policy.checks] == [("swap-gap", "probe", ())]
    assert policy.hazards == ()


def test_a_criterion_is_removed_by_its_metric(child):
    child.text += """\
hazards: [{id: unequal-treatment, remove: true}]
checks: [{id: swap-gap, criteria: [{metric: score_gap, remove: true}]}]
"""

    assert child.load().checks[0].criteria == ()


def test_a_policy_may_stand_on_one_that_stands_on_another(child):
    child.write("deeper/far.yaml", "inspectoscope: 1\nextends: data/far.yaml\nid: b\nversion: 1.0.0\nseed: 3\n")
    (child.folder / "deeper" / "data").mkdir()
    child.write("deeper/data/far.yaml", (child.folder / "base.yaml").read_text())
    child.write("deeper/data/data/applicants.csv", (child.folder / "data/applicants.csv").read_text())
    child.write("deeper/data/data/name_pairs.csv", "female,male\nAnna,Bert\n")
    child.text = CHILD.replace("base.yaml", "deeper/far.yaml")

    policy = child.load()

    assert policy.seed == 3
    assert [base.name for base in policy.bases] == ["deeper/far.yaml", "deeper/data/far.yaml"]
    assert policy.datasets["applicants"].card.source == "deeper/data/data/applicants.csv"
    assert set(policy.files) == {"deeper/far.yaml", "deeper/data/far.yaml", "deeper/data/data/name_pairs.csv"}
    assert set(policy.read) == {*policy.files, "deeper/data/data/applicants.csv"}


def test_files_of_one_name_in_two_folders_are_two_files(child):
    for name in ("policy", "data/applicants", "data/name_pairs"):
        suffix = "yaml" if name == "policy" else "csv"
        source = child.folder / ("base.yaml" if name == "policy" else f"{name}.csv")
        child.write(f"theirs/{name}.{suffix}", source.read_text())
    child.write("data/name_pairs.csv", "female,male\nAnna,Dirk\n")
    child.text = CHILD.replace("base.yaml", "theirs/policy.yaml")
    child.text += """\
checks:
  - id: again
    check: counterfactual
    data: applicants
    swap: {sex: {from: name, pairs: data/name_pairs.csv}}
"""

    policy = child.load()

    assert {"data/name_pairs.csv", "theirs/data/name_pairs.csv"} <= set(policy.files)
    assert [len(check.params.swap["sex"].pairs) for check in policy.checks] == [2, 1]


def test_a_folder_that_the_user_names_may_hold_the_base(child, tmp_path):
    company = tmp_path / "company"
    company.mkdir()
    for name in ("base.yaml", "data/applicants.csv", "data/name_pairs.csv"):
        target = company / name
        target.parent.mkdir(exist_ok=True)
        (child.folder / name).rename(target)
    child.text = CHILD.replace("base.yaml", "${company}/base.yaml") + "variables: {company: {about: Our policies.}}\n"

    policy = child.load(f"company={company}")

    assert policy.datasets["applicants"].card.source == "${company}/data/applicants.csv"
    assert "give it with --set company=FOLDER (Our policies.)" in child.problem()


# --------------------------------------------------------------------------------------------------
# What is refused, and where
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            "checks: [{id: swap-gab, remove: true}]\n",
            "policy.yaml:5:25: `remove` of `swap-gab`, which the policy that is extended does not have\n"
            "    checks: [{id: swap-gab, remove: true}]\n"
            "                            ^\n"
            "  expected: swap-gap\n"
            "  do: did you mean `swap-gap`?",
        ),
        (
            "data: {applicants: {remove: yes}}\n",
            "policy.yaml:5:29: the text `yes`\n"
            "    data: {applicants: {remove: yes}}\n"
            "                                ^\n"
            "  expected: remove: true, or no `remove`",
        ),
        (
            "checks: [{id: swap-gap, draws: 0}]\n",
            "policy.yaml:5:32: the number 0\n"
            "    checks: [{id: swap-gap, draws: 0}]\n"
            "                                   ^\n"
            "  expected: a number that is at least 1",
        ),
        (
            "hazards: [{id: unequal-treatment, remove: true, text: x}]\n",
            "policy.yaml:5:49: `text` beside `remove`\n"
            "    hazards: [{id: unequal-treatment, remove: true, text: x}]\n"
            "                                                    ^\n"
            "  expected: `remove: true` with id alone",
        ),
        (
            "checks: [{id: swap-gap, remove: true}, {id: look, check: probe, data: applicants}]\n",
            "base.yaml:21:16: the unknown check `swap-gap`\n"
            "        criteria: [swap-gap]\n"
            "                   ^\n"
            "  expected: look\n"
            "  do: this is inherited: put your own in policy.yaml",
        ),
    ],
)
def test_a_change_that_cannot_be_made(child, more, message):
    child.text += more

    assert child.problem() == message


def test_another_type_of_check_needs_to_inherit_nothing(child):
    child.text += "checks: [{id: swap-gap, check: probe}]\n"

    found = child.problem()

    assert found.startswith("policy.yaml:5:32: another type than that of the check that is changed")
    assert "add `replace: true`" in found


def test_all_mistakes_are_told_at_once_each_in_its_file(child):
    base = (child.folder / "base.yaml").read_text()
    child.write("base.yaml", base.replace("purpose:", "purpse:").replace("draws", "drws"))
    child.text += "sed: 3\nchecks:\n  - {id: swap-gap, remove: true, draws: 2}\n  - {id: x, replace: true}\n"

    places = [problem.split(" ")[0] for problem in child.problems()]

    assert places == [
        "policy.yaml:1:1:",
        "policy.yaml:5:1:",
        "policy.yaml:7:34:",
        "policy.yaml:8:5:",
        "policy.yaml:8:5:",
        "policy.yaml:8:13:",
        "base.yaml:5:1:",
        "base.yaml:21:16:",
    ]


@pytest.mark.parametrize(
    ("extends", "found"),
    [
        ("credit-decison", "policy.yaml:2:10: the unknown policy `credit-decison`"),
        ("bas.yaml", "policy.yaml:2:10: bas.yaml, which does not exist"),
        ("../other.yaml", "policy.yaml:2:10: the path ../other.yaml, which leads out of"),
        ("/etc/passwd.yaml", "policy.yaml:2:10: the path /etc/passwd.yaml, which leads out of"),
        ("https://example.org/base.yaml", "policy.yaml:2:10: the address https://example.org/base.yaml"),
        ("policy.yaml", "policy.yaml:2:10: policy.yaml, which extends this policy itself"),
        ("data", "policy.yaml:2:10: the unknown policy `data`"),
        ("folder.yaml", "which is a folder"),
        ("[base.yaml]", "policy.yaml:2:10: a list"),
        ("{}", "policy.yaml:2:10: a mapping"),
        ("''", "policy.yaml:2:10: an empty text"),
        ("", "policy.yaml:2:9: nothing"),
        ("${x}/base.yaml", "the undeclared variable `x`"),
    ],
)
def test_a_base_that_cannot_be_had_is_told_alone(child, extends, found):
    (child.folder / "folder.yaml").mkdir()
    child.text = child.text.replace("base.yaml", extends)

    assert found in child.problem()


def test_a_circle_is_told_where_it_closes(child):
    child.write("base.yaml", CHILD.replace("base.yaml", "policy.yaml"))

    assert child.problem().startswith("base.yaml:2:10: policy.yaml, which extends this policy itself")


def test_a_tower_of_policies_has_an_end(child):
    for floor in range(9):
        child.write(f"b{floor}.yaml", CHILD.replace("base.yaml", f"b{floor + 1}.yaml"))
    child.text = CHILD.replace("base.yaml", "b0.yaml")

    assert "a policy that stands on more than 5 others" in child.problem()


def test_a_base_leads_out_of_its_own_folder_no_more_than_the_policy(child):
    base = (child.folder / "base.yaml").read_text()
    child.write("theirs/base.yaml", base.replace("data/", "../data/"))
    child.text = CHILD.replace("base.yaml", "theirs/base.yaml")

    found = child.problems()

    assert len(found) == 2
    assert all("which leads out of" in problem and problem.startswith("theirs/base.yaml:") for problem in found)


@pytest.mark.parametrize("version", ["2", "true", "x", ""])
def test_a_base_of_another_format_is_refused(child, version):
    base = (child.folder / "base.yaml").read_text()
    child.write("base.yaml", base.replace("inspectoscope: 1", f"inspectoscope: {version}"))

    assert child.problem().startswith("base.yaml:1:")


@pytest.mark.parametrize(
    ("part", "more"),
    [
        ("checks", "checks: [{id: look, check: probe, data: applicants}]\nhazards: []\n"),
        ("data", "data: {more: {rows: [{a: b}], text: '{a}', origin: public, licence: MIT}}\n"),
        ("model", "model: {task: causal-lm, decision: {likelihood: true}}\n"),
        ("hazards", "hazards: []\n"),
    ],
)
def test_a_part_of_the_base_that_is_of_the_wrong_kind_is_not_covered_up(child, part, more):
    base = (child.folder / "base.yaml").read_text()
    data = strict_yaml.read(base.encode(), "base.yaml").data | {part: "wrong"}
    child.write("base.yaml", json.dumps(data))
    child.text += more.replace("hazards: []\n", "" if part == "hazards" else "hazards: []\n")

    found = child.problems()

    assert any("the text `wrong`" in problem and problem.startswith("base.yaml:1:") for problem in found)


def test_a_base_is_not_taken_from_the_command_line(child):
    assert child.problem("extends=other.yaml").startswith("--set extends=other.yaml: `extends`")


def test_no_check_has_a_parameter_that_would_be_taken_for_a_mark():
    names = {
        name for check in registry.check_types().values() for name in check.params.model_json_schema()["properties"]
    }

    assert not names & {REMOVE, REPLACE, "extends"}


# --------------------------------------------------------------------------------------------------
# Shown, overridden
# --------------------------------------------------------------------------------------------------


def test_what_is_shown_says_which_file_each_value_comes_from_and_is_the_policy_written_out(child):
    child.text += "checks: [{id: swap-gap, draws: 7}]\n"
    before = child.load("seed=3")

    text = show(child.path, check_types=child.check_types, overrides=["seed=3"], environ={})
    shown = text.replace(f"{child.folder}/", "")

    digest = hashlib.sha256((child.folder / "base.yaml").read_bytes()).hexdigest()
    assert shown.splitlines()[0] == f"# extends base.yaml: base.yaml, SHA-256 {digest}"
    for line in (
        "id: ours  # line 3",
        'title: "Credit decision, bias and explanation"  # base.yaml:4',
        "seed: 3  # --set seed=3",
        "    draws: 7  # line 5",
        "    threshold: 0.5  # default",
        "        pairs: data/name_pairs.csv  # base.yaml:26, data/name_pairs.csv",
    ):
        assert line in shown.splitlines(), line
    child.text = shown
    assert same(child.load(), before)


def test_what_is_inherited_can_be_given_on_the_command_line(child):
    assert child.load("checks.swap-gap.criteria.0.at_most=0.5").checks[0].criteria[0].bounds["score_gap"] == 0.5


# --------------------------------------------------------------------------------------------------
# Properties
# --------------------------------------------------------------------------------------------------

CHANGES = {
    "title": st.sampled_from(["A", "B"]),
    "seed": st.integers(0, 9),
    "limits": st.lists(st.sampled_from(["l", "m"]), max_size=2),
    "draws": st.integers(1, 9),
    "bound": st.sampled_from([0.1, 0.2]),
    "threshold": st.sampled_from([0.25, 0.75]),
    "text": st.sampled_from(["h", "i"]),
    "groups": st.sampled_from([["sex"], []]),
    "added": st.just(True),
    "removed": st.just(True),
}


def changed(data, changes):
    """Write changes into a policy by hand, and return them as a policy that extends it would."""
    over = {"inspectoscope": 1, "extends": "base.yaml", "id": "ours", "version": "2.0.0"}
    for key in ("title", "seed", "limits"):
        if key in changes:
            data[key] = over[key] = changes[key]
    if "threshold" in changes:
        decision = data["model"]["decision"] | {"threshold": changes["threshold"]}
        data["model"]["decision"] = decision
        over["model"] = {"decision": decision}
    if "groups" in changes:
        data["data"]["applicants"]["groups"] = changes["groups"]
        over["data"] = {"applicants": {"groups": changes["groups"]}}
    check, mine = data["checks"][0], {"id": "swap-gap"}
    if "draws" in changes:
        check["draws"] = mine["draws"] = changes["draws"]
    if "bound" in changes:
        criterion = {"metric": "score_gap", "at_most": changes["bound"], "rationale": "Ours."}
        check["criteria"], mine["criteria"] = [criterion], [criterion]
    over["checks"] = [mine] if len(mine) > 1 else []
    if "added" in changes:
        more = {"id": "look", "check": "probe", "data": "applicants"}
        data["checks"].append(more)
        over["checks"].insert(0, more)
    hazard = {"id": "unequal-treatment"}
    if "removed" in changes:
        data["hazards"] = []
        over["hazards"] = [hazard | {"remove": True}]
    elif "text" in changes:
        data["hazards"][0]["text"] = changes["text"]
        over["hazards"] = [hazard | {"text": changes["text"]}]
    return data | {"id": "ours", "version": "2.0.0"}, over


@settings(max_examples=150)
@given(changes=st.fixed_dictionaries({}, optional=CHANGES))
def test_changing_and_resolving_is_writing_it_out(folder, check_types, samples, changes):
    written, over = changed(strict_yaml.read(samples.policy.encode(), "p").data, changes)
    (folder / "base.yaml").write_text(samples.policy)
    (folder / "over.yaml").write_text(json.dumps(over))
    (folder / "written.yaml").write_text(json.dumps(written))

    one, other = (load(folder / f"{name}.yaml", check_types=check_types, environ={}) for name in ("over", "written"))

    assert same(one, other)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, samples):
    path = tmp_path_factory.mktemp("extending")
    (path / "data").mkdir()
    (path / "data" / "applicants.csv").write_text(samples.applicants)
    (path / "data" / "name_pairs.csv").write_text(samples.name_pairs)
    return path
