"""Beginning, freezing and waiving from the command line, up to the record of a run."""

import io

from audit import record

WAIVER = """\
waivers:
  - check: swap
    owner: {function: head of credit}
    reason: The pilot is watched by a clerk.
    expires: 2999-12-31
"""


def test_a_frozen_and_waived_policy_is_told_as_such_and_stops_only_as_it_says(
    cli, small_policy, biased_model, tmp_path
):
    policy = small_policy("swap").change("at_most: 0.9", "at_most: 0.01")
    frozen = cli("policy", "freeze", policy.path, "--author", "A. Author")
    assert frozen.code == 0, frozen.err

    first = cli("run", policy.path, "--model", biased_model, "--out", tmp_path / "one", "--format", "json")
    policy.text += WAIVER
    policy.change("at_most: 0.01", "at_most: 0.02")
    second = cli("run", policy.path, "--model", biased_model, "--out", tmp_path / "two", "--format", "json,summary")
    policy.change("expires: 2999-12-31", "expires: 2999-12-31\n    stops: false")
    third = cli("run", policy.path, "--model", biased_model, "--out", tmp_path / "three", "--format", "json")

    assert (first.code, second.code, third.code) == (1, 1, 0)
    assert "by A. Author" in first.out
    assert "Nothing that a verdict rests on differs from what was frozen." in " ".join(first.out.split())
    assert "at most 0.01 when frozen, 0.02 now" in " ".join(second.out.split())
    assert "Waived until 31 December 2999" in second.out
    assert "Waived until 31 December 2999" in (tmp_path / "two" / "summary.md").read_text(encoding="utf-8")
    records = [record.read(tmp_path / name / "record.json") for name in ("one", "two", "three")]
    assert len({each.check("swap").verdict for each in records}) == 1
    assert [bool(each.freeze.differences) for each in records] == [False, True, True]
    assert records[2].policy.waivers[0].stops is False


def test_a_policy_begun_with_own_rows_validates_and_runs(cli, small_policy, untrained_model, tmp_path):
    folder = small_policy("swap").folder
    begun = cli(
        "policy", "init", "--domain", "credit", "--rows", folder / "applicants.csv", "--origin", "synthetic",
        "--text", "Applicant {name}, {sex}, a {job}.", "--attribute", "sex", "--out", folder / "begun.yaml",
    )  # fmt: skip

    ended = cli("run", folder / "begun.yaml", "--model", untrained_model, "--out", tmp_path / "out", "--format", "json")

    assert begun.code == 0, begun.err
    assert cli("policy", "validate", folder / "begun.yaml").code == 0
    assert ended.code == 3, ended.err  # an untrained model cannot do the task
    assert [check.id for check in record.read(tmp_path / "out" / "record.json").checks] == ["outcomes", "swap"]


def test_a_policy_is_begun_with_the_facts_that_its_provider_states(cli, untrained_model, tmp_path):
    policy = tmp_path / "credit.yaml"
    begun = cli("policy", "init", "--domain", "credit", "--out", policy, "--fact", "users=Clerks.", "--by", "A. Name")

    ended = cli("run", policy, "--model", untrained_model, "--out", tmp_path / "out", "--format", "json")

    assert begun.code == 0, begun.err
    assert ended.code == 3, ended.err
    facts = record.read(tmp_path / "out" / "record.json").provider
    assert {name: (said.text, said.by) for name, said in facts.statements.items()} == {"users": ("Clerks.", "A. Name")}
    again = cli("policy", "init", "--domain", "recruitment", "--out", tmp_path / "second.yaml")
    assert "left" in again.out
    bare = cli("policy", "init", "--domain", "credit", "--out", tmp_path / "third.yaml", "--no-provider")
    assert bare.code == 0
    assert "provider:" not in (tmp_path / "third.yaml").read_text(encoding="utf-8")
    lost = cli(
        "policy", "init", "--domain", "credit", "--out", tmp_path / "x.yaml", "--no-provider", "--fact", "users=x"
    )
    assert lost.code == 2


def test_what_will_really_be_run_is_frozen(cli, small_policy, untrained_model, tmp_path):
    policy, bound = small_policy("swap"), "checks.swap.criteria.0.at_most=0.5"
    assert cli("policy", "freeze", policy.path, "--set", bound, "--author", "A. Author").code == 0

    same = cli(
        "run", policy.path, "--set", bound, "--model", untrained_model, "--out", tmp_path / "a", "--format", "json"
    )
    other = cli("run", policy.path, "--model", untrained_model, "--out", tmp_path / "b", "--format", "json")

    assert "Nothing that a verdict rests on differs from what was frozen." in " ".join(same.out.split())
    assert "--set checks.swap.criteria.0.at_most: 0.5 when frozen, not given now" in " ".join(other.out.split())
    assert "at most 0.5 when frozen, 0.9 now" in " ".join(other.out.split())


def test_a_policy_that_extends_another_runs_and_is_verified_with_what_it_extends(
    cli, small_policy, biased_model, tmp_path
):
    base = small_policy("swap", "outcomes")
    own = base.write(
        "ours.yaml",
        "inspectoscope: 1\nextends: policy.yaml\nid: ours\nversion: 2.0.0\nchecks:\n  - {id: outcomes, remove: true}\n",
    )

    ended = cli(
        "run", own, "--model", biased_model, "--out", tmp_path / "out", "--format", "json,html,summary,sarif",
        "--evidence", tmp_path / "evidence",
    )  # fmt: skip

    assert ended.code == 0, ended.err
    kept = record.read(tmp_path / "out" / "record.json")
    assert [check.id for check in kept.checks] == ["swap"]
    assert kept.policy.bases[0].source == base.text
    assert kept.policy.files["policy.yaml"] == kept.policy.bases[0].sha256
    assert "What it extends: policy.yaml" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    verified = cli("verify", tmp_path / "out" / "record.json", "--evidence", tmp_path / "evidence", "--policy", own)
    assert verified.code == 0, verified.out
    assert "policy.yaml, which the policy extends, in the record" in verified.out
    base.change("score_gap, at_most: 0.9", "score_gap, at_most: 0.01")
    moved = cli("verify", tmp_path / "out" / "record.json", "--policy", own)
    assert moved.code == 1, moved.out
    assert "the file policy.yaml" in moved.out


def test_a_policy_is_not_begun_without_a_domain_where_nobody_can_be_asked(cli, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())

    ended = cli("policy", "init")

    assert ended.code == 2
    assert "--domain: nothing\n  expected: one of credit, honesty, medical, moderation, recruitment" in ended.err
    assert not list(tmp_path.glob("*.yaml"))
