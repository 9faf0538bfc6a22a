"""Policies as a user meets them: what loads, and what every mistake says."""

import hashlib
import os
import subprocess
import sys

import pytest

from audit.errors import UserError
from audit.policy import load
from audit.types import Decision, Person, Place

DESIGN = """\
inspectoscope: 1
id: credit-decision
version: 1.0.0
title: Credit decision, bias and explanation
purpose: Loan approval by a text classifier used by a retail bank; applicants in the EU.
model:
  task: sequence-classification            # or causal-lm
  decision: {positive: approve, negative: deny}     # label names, or answer texts for a causal model
data:
  applicants:
    rows: data/applicants.csv              # csv, jsonl, parquet; or template: + lists:
    text: "applicant {name} from {zip} works as {job} ..."
    groups: [sex]                          # protected attributes
    legitimate: [income, debt, history]    # factors a decision may rest on
    cluster: name                          # what rows share
    origin: synthetic                      # public | personal | special_category
    licence: CC0-1.0
hazards:
  - id: unequal-treatment
    text: An applicant is treated worse because of sex.
    criteria: [swap-gap, stratified-gap]   # the Holm family
checks:
  - id: swap-gap
    check: counterfactual
    data: applicants
    swap: {sex: {from: name, pairs: data/name_pairs.csv}}
    criteria:
      - metric: score_gap
        at_most: 0.01
        rationale: One approval in a hundred is the most the bank accepts.
        set_by: {name: "", function: "", on: 2026-11-01}
        approved_by: {name: "", function: "", on: 2026-11-05}
  - id: stratified-gap
    check: counterfactual
    data: applicants
    swap: {sex: {from: name, pairs: data/name_pairs.csv}}
    criteria: [{metric: score_gap, at_most: 0.02, also: {stratum_gap: 0.05}, rationale: Strata are small.}]
"""


def test_the_policy_of_the_design_loads(desk):
    desk.write("data/applicants.csv", "name,sex,zip,job,income,debt,history\nAnna,female,012,nurse,30,2,good\n")
    desk.text = DESIGN

    policy = desk.load()

    assert (policy.id, policy.version, policy.task) == ("credit-decision", "1.0.0", "sequence-classification")
    assert policy.decision == Decision(kind="classes", positive="approve", negative="deny")
    assert policy.path == str(desk.path)
    assert policy.source == DESIGN
    assert policy.sha256 == hashlib.sha256(DESIGN.encode()).hexdigest()
    assert policy.decision_place == Place(path=str(desk.path), line=8, column=13)
    assert policy.datasets["applicants"].rows[0].text == "applicant Anna from 012 works as nurse ..."
    assert policy.hazards[0].checks == ("swap-gap", "stratified-gap")
    assert set(policy.files) == {"data/name_pairs.csv"}

    first, second = policy.checks
    assert first.params.swap["sex"].pairs[1] == {"female": "Carla", "male": "Dirk"}
    assert first.criteria[0].bounds == {"score_gap": 0.01, "absolute_gap": 0.01, "stratum_gap": 0.01}
    assert first.criteria[0].approved_by == Person(on="2026-11-05")
    assert first.place == Place(path=str(desk.path), line=23, column=5)
    assert second.criteria[0].bounds == {"score_gap": 0.02, "absolute_gap": 0.02, "stratum_gap": 0.05}


def test_authors_and_limits_are_kept(desk):
    desk.change(
        "model:\n", "authors: [{name: N. N., function: auditor, on: 2026-11-01}]\nlimits: [One bank.]\nmodel:\n"
    )

    policy = desk.load()

    assert policy.authors == (Person(name="N. N.", function="auditor", on="2026-11-01"),)
    assert policy.limits == ("One bank.",)


# --------------------------------------------------------------------------------------------------
# One mistake, one message
# --------------------------------------------------------------------------------------------------


def test_a_misspelt_key(desk, lines):
    assert desk.change("groups: [sex]", "gruops: [sex]").problem() == lines(
        """
        policy.yaml:13:5: the unknown key `gruops`
                gruops: [sex]
                ^
          expected: one of rows, text, template, lists, extract, where, sample, longest, groups, legitimate, cluster, \\
        label, origin, licence, description, language, population, enumerated, show_rows, art4a
          do: did you mean `groups`?
        """
    )


def test_a_misspelt_parameter_of_a_check(desk, lines):
    assert desk.change("    swap:", "    drws: 20\n    swap:").problem() == lines(
        """
        policy.yaml:26:5: the unknown key `drws`
                drws: 20
                ^
          expected: one of swap, judged, draws, id, check, title, data, criteria
          do: did you mean `draws`?
        """
    )


def test_a_wrong_type(desk, lines):
    assert desk.change("at_most: 0.01", "at_most: small").problem() == lines(
        """
        policy.yaml:29:18: the text `small`
                    at_most: small
                             ^
          expected: a number
        """
    )


def test_a_number_for_a_text_says_to_quote_it(desk, lines):
    assert desk.change("version: 1.0.0", "version: 1.0").problem() == lines(
        """
        policy.yaml:3:10: the number 1.0
            version: 1.0
                     ^
          expected: text
          do: put it in quotes
        """
    )


def test_a_duplicate_key(desk):
    assert desk.change("groups: [sex]", "rows: x.csv").problem().splitlines()[0] == (
        "policy.yaml:13:5: the key `rows` a second time; the first is at line 11, column 5"
    )


def test_an_unknown_check(desk, lines):
    assert desk.change("check: counterfactual", "check: counterfactuel").problem() == lines(
        """
        policy.yaml:24:12: the unknown check `counterfactuel`
                check: counterfactuel
                       ^
          expected: one of counterfactual, probe
          do: did you mean `counterfactual`?
        """
    )


def test_an_unknown_data_set(desk, lines):
    assert desk.change("data: applicants", "data: aplicants").problem() == lines(
        """
        policy.yaml:25:11: the unknown data set `aplicants`
                data: aplicants
                      ^
          expected: applicants
          do: did you mean `applicants`?
        """
    )


def test_an_unknown_metric(desk, lines):
    assert desk.change("metric: score_gap", "metric: scor_gap").problem() == lines(
        """
        policy.yaml:28:17: the metric `scor_gap`, which counterfactual does not have
                  - metric: scor_gap
                            ^
          expected: one of score_gap, absolute_gap, stratum_gap
          do: did you mean `score_gap`?
        """
    )


def test_a_hazard_that_names_no_check(desk, lines):
    assert desk.change("criteria: [swap-gap]", "criteria: [swap-gab]").problem() == lines(
        """
        policy.yaml:21:16: the unknown check `swap-gab`
                criteria: [swap-gab]
                           ^
          expected: swap-gap
          do: did you mean `swap-gap`?
        """
    )


def test_a_missing_data_file_is_told_wherever_it_is_named(desk):
    desk.change("pairs: data/name_pairs.csv", "pairs: data/gone.csv").change("rows: data/app", "rows: data/opp")

    assert [message.splitlines()[0] for message in desk.problems()] == [
        "policy.yaml:11:11: data/opplicants.csv, which does not exist",
        "policy.yaml:26:37: data/gone.csv, which does not exist",
    ]


def test_a_data_file_that_is_malformed_is_told_at_its_line(desk, lines):
    desk.write("data/applicants.csv", "name,sex,zip,job,income\nAnna,female,012,nurse,1\nBert,male\n")

    assert desk.problem() == lines(
        """
        data/applicants.csv:3:1: a row of 2 cells
            Bert,male
            ^
          expected: 5, one for each column
        """
    )


def test_a_folder_is_not_told_that_it_was_probably_meant_itself(desk):
    with pytest.raises(UserError) as caught:
        load(desk.folder, check_types=desk.check_types)

    assert str(caught.value) == (
        f"The policy cannot be read\n\n{desk.folder}: is a directory\n  expected: the path of a policy"
    )


def test_a_policy_that_is_not_there_names_its_neighbour(desk):
    desk.load()

    with pytest.raises(UserError) as caught:
        load(desk.folder / "polcy.yaml", check_types=desk.check_types)

    assert str(caught.value).replace(f"{desk.folder}/", "") == (
        "The policy cannot be read\n\npolcy.yaml: no such file or directory\n  expected: the path of a policy\n"
        "  do: did you mean `policy.yaml`?"
    )


@pytest.mark.parametrize("path", ["", "\0", "x" * 5000])
def test_a_path_that_is_none(check_types, path):
    with pytest.raises(UserError, match="The policy cannot be read"):
        load(path, check_types=check_types)


# --------------------------------------------------------------------------------------------------
# All mistakes at once
# --------------------------------------------------------------------------------------------------


def test_all_mistakes_are_told_at_once_in_the_order_of_position(desk):
    desk.write("data/applicants.csv", "name,sex,zip,job,income,approved\nAnna,female,1,cook,3,yes\nBert,female\n")
    desk.write("other.csv", "name,ok\nAnna,maybe\n")
    desk.text = (
        desk.text.replace("title: Credit", "titel: Credit")
        .replace("task: sequence-classification", "task: sequence-clasification")
        .replace("cluster: name", "label: approved")
        .replace(
            "hazards:\n",
            "  others: {rows: other.csv, text: '{nme}', label: ok, origin: synthetic, licence: x}\n"
            "  more: {rows: other.csv, text: '{name}', label: ok, origin: synthetic, licence: x}\n"
            "  wrong: 3\nhazards:\n",
        )
        .replace("criteria: [swap-gap]", "criteria: [swapgap]")
        .replace("at_most: 0.01", "at_mots: 0.01")
        .replace("data: applicants", "data: aplicants")
    )

    assert [message.splitlines()[0] for message in desk.problems("seed=-1")] == [
        "--set seed=-1: the number -1",
        "policy.yaml:1:1: no `title`",
        "policy.yaml:4:1: the unknown key `titel`",
        "policy.yaml:7:9: the text `sequence-clasification`",
        "policy.yaml:18:35: the column `nme`, missing in other.csv",
        "policy.yaml:20:10: the number 3",
        "policy.yaml:24:16: the unknown check `swapgap`",
        "policy.yaml:28:11: the unknown data set `aplicants`",
        "policy.yaml:32:9: the unknown key `at_mots`",
        "data/applicants.csv:3:1: a row of 2 cells",
        "other.csv:2:6: the non-numeric label `maybe` in the column `ok`",
    ]


def test_the_title_counts_the_problems(desk):
    desk.change("groups: [sex]", "gruops: [sex]").change("version: 1.0.0", "version: 1.0")

    with pytest.raises(UserError, match=r"^The policy cannot be used: 2 problems\n"):
        desk.load()


@pytest.mark.parametrize("key", ["inspectoscope", "id", "version", "title", "purpose"])
def test_every_required_key_is_missed(desk, key):
    kept = [line for line in desk.text.splitlines(keepends=True) if not line.startswith(f"{key}:")]
    desk.text = "".join(kept)

    assert f": no `{key}`\n" in desk.problem()


@pytest.mark.parametrize("part", ["model", "data", "checks", "hazards"])
@pytest.mark.parametrize("value", ["", " 3", " text", " []", " {}", " [3]", " {a: 3}", " [[]]", " [null]"])
def test_a_part_of_another_shape_is_told_and_never_a_traceback(desk, part, value):
    before, rest = desk.text.split(f"\n{part}:")
    after = rest[rest.index("\n") :].split("\n")
    kept = (
        next(i for i, line in enumerate(after[1:], start=1) if line and not line.startswith((" ", "-")))
        if any(line and not line.startswith((" ", "-")) for line in after[1:])
        else len(after)
    )
    desk.text = f"{before}\n{part}:{value}\n" + "\n".join(after[kept:])

    if (part, value) == ("hazards", " []"):
        assert desk.load().hazards == ()
    else:
        assert desk.problems()


def test_importing_the_policy_stage_imports_no_heavy_library():
    code = (
        "import sys, audit.policy; print([m for m in ('torch', 'weasyprint', 'pandas', 'pyarrow') if m in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ})

    assert done.stdout.strip() == "[]"
