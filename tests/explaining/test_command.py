"""``inspectoscope explain`` as a user meets it: what it writes, what it refuses, and in which words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from audit import explanation

TEXT = "Applicant Omar from Northmoor, a cook. Income high, debt moderate, history fair."


@pytest.fixture
def explain(cli, tmp_path, monkeypatch):
    """Run the command in an empty folder, without the PDF, which takes seconds to lay out."""
    monkeypatch.chdir(tmp_path)

    def run(policy, model, *arguments, formats="json,html"):
        return cli("explain", policy, "--model", model, "--format", formats, "--device", "cpu", *arguments)

    return run


@pytest.fixture(scope="session")
def slow_model(tmp_path_factory):
    """A classifier whose tokenizer is written in Python and cannot say which characters a token covers."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, ByT5Tokenizer

    folder = tmp_path_factory.mktemp("models") / "slow"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=400, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
            max_position_embeddings=256, id2label={0: "deny", 1: "approve"}, label2id={"deny": 0, "approve": 1},
        )  # fmt: skip
        BertForSequenceClassification(config).save_pretrained(folder)
    ByT5Tokenizer().save_pretrained(folder)
    return folder


def written(folder: Path) -> explanation.Explanation:
    return explanation.parsed((folder / "explanation.json").read_bytes(), "explanation.json")


# ---- what it writes -------------------------------------------------------------------------------


def test_a_row_is_explained_with_nothing_but_the_policy_and_the_model(explain, untrained_model, tmp_path):
    ended = explain("credit-decision", untrained_model, "--row", 7)

    assert ended.code in {0, 3}
    found = written(tmp_path / "explain-out")
    assert found.template == "credit_decision"
    assert (tmp_path / "explain-out" / "explanation.html").is_file()
    assert ended.out.splitlines()[0] == "row-7 (row 7 of the data set applicants)"


def test_an_untrained_model_has_no_reasons_and_says_so(explain, untrained_model, tmp_path):
    ended = explain("credit-decision", untrained_model, "--row", 7, "--margin", 5)

    assert ended.code == 3
    assert written(tmp_path / "explain-out").refused
    assert "  No reasons are given." in ended.out.splitlines()
    assert (
        "  Factors confirmed by taking them out: not shown (0 legitimate factors that speak for the decision beyond "
        "the margins; needed: at least one)."
    ) in ended.out.splitlines()


def test_a_file_of_cases_gives_a_folder_for_each_and_a_bad_case_loses_no_other(explain, untrained_model, tmp_path):
    rows = [
        {"id": "a", "text": TEXT},
        {"id": "b", "text": ""},
        {"id": "c", "text": "income " * 90},
        {
            "id": "d",
            "name": "Omar",
            "town": "Oakdale",
            "job": "cook",
            "income": "low",
            "debt": "large",
            "history": "poor",
        },
    ]
    Path("cases.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")

    ended = explain("credit-decision", untrained_model, "--cases", "cases.jsonl", "--margin", 5)

    out = tmp_path / "explain-out"
    assert ended.code == 3
    assert ended.out.splitlines()[-1] == (
        "4 cases: 0 explained, 2 without factors that pass their check, 2 that could not be explained"
    )
    assert sorted(path.name for path in out.iterdir()) == ["0001", "0004"]
    assert [written(out / name).case.kind for name in ("0001", "0004")] == ["text", "row"]
    assert [line for line in ended.err.splitlines() if "not explained" in line] == [
        "b (cases.jsonl, line 2): not explained: it has no text",
        "c (cases.jsonl, line 3): not explained: the text has 92 tokens, and this model reads at most 64 at once; "
        "a text that is cut is another text",
    ]


def test_a_file_where_the_folder_of_a_case_belongs_is_named_and_keeps_no_other_back(explain, untrained_model, tmp_path):
    Path("cases.csv").write_text(f'text\n"{TEXT}"\n"Income high."\n', encoding="utf-8")
    (tmp_path / "explain-out").mkdir()
    (tmp_path / "explain-out" / "0001").write_text("in the way")

    ended = explain("credit-decision", untrained_model, "--cases", "cases.csv", formats="json")

    assert ended.code in {2, 3}
    assert "\nA report cannot be written\n\nexplain-out/0001/explanation.json: " in ended.err
    assert written(tmp_path / "explain-out" / "0002").case.kind == "text"


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="a file that gives nothing stands there on Linux")
def test_a_model_that_cannot_be_read_is_named_and_not_the_folder_of_the_explanations(
    explain, untrained_model, tmp_path
):
    model = Path(shutil.copytree(untrained_model, tmp_path / "model"))
    (model / "model.safetensors").unlink()
    (model / "model.safetensors").symlink_to("/proc/self/mem")

    ended = explain("credit-decision", model, "--row", 7)

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"\nThe model cannot be read\n\n{model}/model.safetensors: Input/output error\n")


def test_an_explanation_that_cannot_be_looked_at_is_made_anew(explain, untrained_model, tmp_path, monkeypatch):
    first = explain("credit-decision", untrained_model, "--row", 7, formats="json")
    (there,) = (tmp_path / "explain-out").iterdir()
    there.unlink()
    there.symlink_to("/proc/self/mem")

    again = explain("credit-decision", untrained_model, "--row", 7, formats="json")

    assert again.code == first.code
    assert not there.is_symlink()
    assert written(there.parent).case.kind == "row"


def test_an_explanation_that_is_there_already_is_not_made_again(explain, untrained_model, tmp_path, monkeypatch):
    Path("cases.csv").write_text(f'text\n"{TEXT}"\n"Income high."\n', encoding="utf-8")
    from audit.explaining import run

    made = []
    monkeypatch.setattr(run.pipeline, "check_unchanged", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    broken_off = explain("credit-decision", untrained_model, "--cases", "cases.csv")
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INSPECTOSCOPE_CACHE", str(tmp_path / "cache"))
    before = {path: path.read_bytes() for path in tmp_path.glob("explain-out/*/*")}
    monkeypatch.setattr("audit.explaining.writing.save", lambda *_: made.append(1))

    again = explain("credit-decision", untrained_model, "--cases", "cases.csv")

    assert broken_off.code == 130
    assert "Broken off. What was asked is kept: the same command goes on from here." in broken_off.err
    assert again.code in {0, 3}
    assert len(before) == 4
    assert made == []
    assert {path: path.read_bytes() for path in before} == before


def test_the_schema_is_what_explanations_follow(explain, cli, untrained_model, tmp_path):
    import jsonschema

    explain("credit-decision", untrained_model, "--row", 7)

    schema = json.loads(cli("explain", "--schema").out)
    jsonschema.validate(json.loads((tmp_path / "explain-out" / "explanation.json").read_text("utf-8")), schema)


# ---- what it refuses ------------------------------------------------------------------------------


def test_a_row_that_does_not_exist(explain, untrained_model):
    ended = explain("credit-decision", untrained_model, "--row", 960)

    assert (ended.code, ended.err.strip()) == (
        2,
        "The decision cannot be explained\n"
        "\n"
        "--row: row 960, and the data set 'applicants' has 960 rows\n"
        "  expected: a row from 0 to 959, as reports number them",
    )


def test_a_text_longer_than_the_context(explain, untrained_model):
    ended = explain("credit-decision", untrained_model, "--text", "income " * 70)

    assert ended.code == 2
    assert ended.err[ended.err.index("The decision") :].strip() == (
        "The decision cannot be explained\n"
        "\n"
        "a text given on the command line: the text has 72 tokens, and this model reads at most 64 at once; a text "
        "that is cut is another text\n"
        "  expected: a case that this model can read whole, score and attribute\n"
        "  do: docs/explaining.md says what an explanation needs of a model and of a case"
    )


def test_a_decision_label_that_the_model_does_not_have(explain, untrained_model, small_policy):
    policy = small_policy().change("positive: approve", "positive: approved")

    ended = explain(policy.path, untrained_model, "--row", 0)

    line = policy.line("decision:")
    assert (ended.code, ended.err.strip()) == (
        2,
        "The policy's decision does not fit the model\n"
        "\n"
        f"{policy.path}:{line}:13: the model has no label 'approved'\n"
        "  expected: one of 'deny', 'approve'\n"
        "  do: did you mean 'approve'?",
    )


def test_a_field_that_may_be_changed_and_is_not_in_the_data(explain, untrained_model):
    ended = explain("credit-decision", untrained_model, "--row", 0, "--allow", "incme")

    assert (ended.code, ended.err.strip()) == (
        2,
        "The decision cannot be explained\n"
        "\n"
        "--allow: no field of the text of the data set 'applicants' is called 'incme'\n"
        "  expected: one of name, town, job, income, debt, history\n"
        "  do: did you mean 'income'?",
    )


def test_an_attribution_that_does_not_converge(explain, biased_model, tmp_path):
    ended = explain("credit-decision", biased_model, "--row", 0, "--tolerance", 0.00001, "--max-steps", 17)

    assert ended.code == 3
    found = written(tmp_path / "explain-out")
    assert "completeness" in [check.name for check in found.checks if check.passed is False]
    shares = [f"{abs(b.completeness_delta):.1%} from {b.name} in 17 steps" for b in found.baselines]
    assert (
        f"  The attribution adds up: not shown (off by {', '.join(shares)} of the score difference; needed: within "
        "0.0% in at most 17 steps)."
    ) in ended.out.splitlines()


def test_a_model_without_a_fast_tokenizer(explain, slow_model):
    ended = explain("credit-decision", slow_model, "--text", "Income high.")

    assert ended.code == 2
    assert ended.err[ended.err.index("The decision") :].strip() == (
        "The decision cannot be explained\n"
        "\n"
        "a text given on the command line: this model has no fast tokenizer, so tokens cannot be traced back to the "
        "words of the text\n"
        "  expected: a case that this model can read whole, score and attribute\n"
        "  do: docs/explaining.md says what an explanation needs of a model and of a case"
    )


def test_a_quantised_model_without_gradients(explain, untrained_model, monkeypatch):
    import torch

    from audit.capture import model as models

    class Quantised(torch.autograd.Function):
        """A product in whole numbers, as quantised kernels compute it: there is no way back."""

        @staticmethod
        def forward(ctx, x, weight):  # noqa: ARG004
            step = weight.abs().max() / 127
            return x @ (torch.round(weight / step) * step).T

        @staticmethod
        def backward(ctx, gradient):
            raise NotImplementedError("int8 kernels have no backward pass")

    loaded = models._load_weights

    def quantised(*arguments):
        model = loaded(*arguments)
        for linear in (m for m in model.modules() if isinstance(m, torch.nn.Linear)):
            linear.forward = lambda x, linear=linear: Quantised.apply(x, linear.weight) + linear.bias
        return model

    monkeypatch.setattr(models, "_load_weights", quantised)

    ended = explain("credit-decision", untrained_model, "--row", 0)

    assert (ended.code, ended.err.strip()) == (
        2,
        "The decision cannot be explained\n"
        "\n"
        f"{untrained_model}: the model gives no gradients (NotImplementedError: int8 kernels have no backward pass)\n"
        "  expected: a model whose gradients are available: weights in float32, bfloat16 or float16\n"
        "  do: explain the decision with the model as it was before it was quantised, and say so where you show it",
    )


@pytest.mark.parametrize(
    ("arguments", "found"),
    [((), "no case"), (("--row", 1, "--text", "x"), "--row and --text")],
)
def test_what_is_to_be_explained_is_said_once(explain, untrained_model, arguments, found):
    ended = explain("credit-decision", untrained_model, *arguments)

    assert (ended.code, ended.err.strip()) == (
        2,
        "It is not clear what is to be explained\n"
        "\n"
        f"explain: {found}\n"
        "  expected: one of --row N, --text TEXT and --cases FILE",
    )


def test_an_unknown_template(explain, untrained_model):
    ended = explain("credit-decision", untrained_model, "--row", 1, "--template", "credit")

    assert (ended.code, ended.err.strip()) == (
        2,
        "The decision cannot be explained\n"
        "\n"
        "--template: no template is called 'credit'\n"
        "  expected: one of credit_decision, medical_triage, general\n"
        "  do: did you mean 'credit_decision'?",
    )


def test_an_unknown_format(explain, untrained_model):
    ended = explain("credit-decision", untrained_model, "--row", 1, formats="json,docx")

    assert (ended.code, ended.err.strip()) == (
        2,
        "There is no such format\n\n--format: docx\n  expected: some of json, html, pdf",
    )


def test_a_file_of_cases_with_other_columns(explain, untrained_model):
    Path("cases.csv").write_text("name,town\nOmar,Oakdale\n", encoding="utf-8")

    ended = explain("credit-decision", untrained_model, "--cases", "cases.csv")

    assert (ended.code, ended.err.strip()) == (
        2,
        "The cases cannot be read\n"
        "\n"
        "cases.csv: the columns name, town, without job, income, debt, history\n"
        "  expected: a column `text`, or the columns name, town, job, income, debt, history",
    )


def test_a_policy_that_decides_nothing(explain, small_policy, untrained_model):
    policy = small_policy("swap").change("task: sequence-classification", "task: causal-lm")
    policy.change("{positive: approve, negative: deny}", "{likelihood: true}")

    ended = explain(policy.path, untrained_model, "--row", 0)

    assert ended.code == 2
    assert "a policy that scores the likelihood of texts and decides nothing" in ended.err or "likelihood" in ended.err


def test_a_model_that_goes_away_is_told_as_by_every_command(explain, untrained_model, tmp_path):
    copied = tmp_path / "model"
    shutil.copytree(untrained_model, copied)
    (copied / "tokenizer.json").unlink()

    ended = explain("credit-decision", copied, "--row", 0)

    assert ended.code == 2
    assert "Traceback" not in ended.err
