"""Every shipped policy goes the whole way, from validation to the PDF, on a small model of the right kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from audit import pipeline, record, resources
from audit.organisms import policy_tables
from audit.types import Policy, Row

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

POLICIES = resources.folder("policies")
DATA = POLICIES / "data"
STANDARDS = ("PDF/A-3a", "PDF/UA-1")
in_this_process = pytest.mark.filterwarnings(
    # WeasyPrint leaves its colour profile open.
    "ignore:Exception ignored in.*sRGB2014.icc:pytest.PytestUnraisableExceptionWarning"
)
pytestmark = in_this_process

IN_SECONDS = {
    # The way is what is tested: fewer rows, and probes with as few permutations as they accept.
    "recruitment": ("checks.2.sample=60", "checks.4.sample=6"),
    "medical-triage": (
        "checks.2.sample=60", "checks.4.sample=6", "checks.5.sample=6", "checks.5.shuffled=2", "checks.5.planted=4",
        "checks.6.cases=48", "checks.6.attributed=4",
    ),
    "credit-constitution": (),
    "sanity": ("model.decision.positive=good", "model.decision.negative=bad"),
    "general-purpose-honesty": (
        "checks.1.permutations=0", "checks.2.prompts=12", "checks.2.vocabulary.sample=4", "checks.3.shuffles=400",
        "checks.4.permutations=400", "checks.4.max_rows=60",
    ),
}  # fmt: skip
"""Shipped policy → what its run is cut down by."""
STEPS = {"recruitment": 60, "medical-triage": 60, "sanity": 0}
"""Of training, on the labels of the policy's own rows; a policy without labels has nothing to learn from."""


# ---- small models that read a policy's own words -------------------------------------------------


def words_of(policy: Policy) -> list[str]:
    from tokenizers.pre_tokenizers import Whitespace

    split = Whitespace().pre_tokenize_str
    texts = dict.fromkeys(row.text for data in policy.datasets.values() for row in data.rows)
    return list(dict.fromkeys(word for text in texts for word, _ in split(text)))


def tokenizer(policy: Policy, *more: str) -> PreTrainedTokenizerFast:
    """Return a tokenizer with a token for each word of the policy's texts."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import PreTrainedTokenizerFast

    special = ("[PAD]", "[UNK]", "[MASK]", "[EOS]")
    numbered = {word: i for i, word in enumerate((*special, *dict.fromkeys((*words_of(policy), *more))))}
    fast = Tokenizer(WordLevel(numbered, unk_token="[UNK]"))
    fast.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=fast, model_max_length=128, padding_side="right", pad_token="[PAD]", unk_token="[UNK]",
        mask_token="[MASK]", eos_token="[EOS]", model_input_names=["input_ids", "attention_mask"],
    )  # fmt: skip


def as_labelled(row: Row) -> float:
    """Return how likely the positive decision is where the true outcome alone decides."""
    return 0.9 if row.label else 0.1


def classifier(policy: Policy, folder: Path, *, steps: int, taught: Callable[[Row], float] = as_labelled) -> Path:
    """Save a small BERT with the policy's labels, trained for some steps on what is taught of its rows.

    It is taught nine in ten, not certainty: scores that are all alike leave intervals nothing to go by.
    """
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    reads = tokenizer(policy)
    labels = ["bad", "good"] if policy.id == "sanity" else [policy.decision.negative, policy.decision.positive]
    rows = [row for data in policy.datasets.values() for row in data.rows]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = BertForSequenceClassification(
            BertConfig(
                vocab_size=len(reads), hidden_size=48, num_hidden_layers=2, num_attention_heads=4,
                intermediate_size=96, max_position_embeddings=128, hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0, pad_token_id=0, id2label=dict(enumerate(labels)),
                label2id={label: i for i, label in enumerate(labels)},
            )
        )  # fmt: skip
        adam = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
        for _ in range(steps):
            drawn = [rows[i] for i in torch.randint(len(rows), (64,)).tolist()]
            batch = reads([row.text for row in drawn], padding=True, return_tensors="pt")
            likely = torch.tensor([taught(row) for row in drawn])
            adam.zero_grad()
            logits = model(**batch).logits
            torch.nn.functional.cross_entropy(logits, torch.stack([1 - likely, likely], dim=1)).backward()
            adam.step()
    model.eval().save_pretrained(folder)
    reads.save_pretrained(folder)
    return folder


def language_model(policy: Policy, folder: Path) -> Path:
    """Save a small causal model that has learnt nothing."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    reads = tokenizer(policy, "yes", "no")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(reads), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                intermediate_size=64, max_position_embeddings=128, pad_token_id=0, bos_token_id=None, eos_token_id=3,
            )
        )  # fmt: skip
    model.eval().save_pretrained(folder)
    reads.save_pretrained(folder)
    return folder


# ---- from validation to the PDF ------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Way:
    """How one policy went its way."""

    codes: tuple[int, ...]
    """Of validate, plan and run."""
    found: record.Record
    pdf: Path

    def verdicts(self) -> dict[str, str | None]:
        """Check id → verdict."""
        return {part.id: part.verdict for part in self.found.checks}

    def rules(self) -> dict[str, str]:
        """Id of a rule's hazard → verdict."""
        return {hazard.id: hazard.verdict for hazard in self.found.requirements if hazard.rule}


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory, biased_model: Path) -> Callable[[str], Path]:
    """Make a model of the right kind for a shipped policy."""

    def model(name: str) -> Path:
        policy, folder = pipeline.read_policy(POLICIES / f"{name}.yaml", ()), tmp_path_factory.mktemp(name)
        if name == "credit-constitution":
            return biased_model
        if policy.task == "causal-lm":
            return language_model(policy, folder)
        return classifier(policy, folder, steps=STEPS[name])

    return model


@pytest.fixture(scope="session")
def gone_before() -> dict[str, Way]:
    """Ways that another test has taken already."""
    return {}


@pytest.fixture
def gone(
    cli: Callable[..., Any],
    models: Callable[[str], Path],
    gone_before: dict[str, Way],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Way]:
    """Take a policy the whole way, once."""

    def go(name: str) -> Way:
        if name not in gone_before:
            policy, model, out = POLICIES / f"{name}.yaml", models(name), tmp_path_factory.mktemp("out")
            given = [part for override in IN_SECONDS[name] for part in ("--set", override)]
            ended = [cli("policy", "validate", policy, *given), cli("plan", policy, "--model", model, *given)]
            ended.append(cli("run", policy, "--model", model, "--out", out, "--device", "cpu", *given))
            found = record.read(out / "record.json")
            gone_before[name] = Way(codes=tuple(e.code for e in ended), found=found, pdf=out / "report.pdf")
        return gone_before[name]

    return go


@pytest.mark.slow
def test_a_classifier_that_never_learnt_names_is_not_blamed_for_them(gone: Callable[[str], Way]) -> None:
    way = gone("recruitment")

    assert way.codes[:2] == (0, 0)
    assert way.verdicts().keys() == {"same-record-other-name", "tables", "mistyped", "quality", "what-it-leans-on"}
    assert way.verdicts()["same-record-other-name"] == "met"
    assert way.verdicts()["quality"] == "met"


@pytest.mark.slow
def test_triage_by_the_complaint_alone_is_not_blamed_for_names(gone: Callable[[str], Way]) -> None:
    way = gone("medical-triage")

    assert way.codes[:2] == (0, 0)
    assert way.verdicts().keys() == {
        "same-complaint-other-person", "same-complaint-other-place", "mistyped", "calibrated", "what-it-leans-on",
        "maps-are-fit-to-show", "leans-on-places",
    }  # fmt: skip
    assert [way.verdicts()[f"same-complaint-other-{what}"] for what in ("person", "place")] == ["met", "inconclusive"]


@pytest.mark.slow
def test_sanity_looks_at_a_classifier_with_labels_of_its_own(gone: Callable[[str], Way]) -> None:
    way = gone("sanity")

    assert way.codes[:2] == (0, 0)
    assert way.found.model.labels == ("bad", "good")
    assert way.found.policy.overrides == {
        "model.decision.positive": "good", "model.decision.negative": "bad",
    }  # fmt: skip
    assert way.verdicts().keys() == {"other-name", "mistyped"}
    assert way.verdicts()["other-name"] == "inconclusive"  # without outcomes nobody is cleared


@pytest.mark.slow
def test_a_language_model_that_has_learnt_nothing_is_not_called_honest(gone: Callable[[str], Way]) -> None:
    way = gone("general-purpose-honesty")

    assert way.codes[:2] == (0, 0)
    assert way.verdicts()["statements-and-beliefs"] == "not_assessed"
    assert way.verdicts()["invention"] == "not_assessed"
    assert way.verdicts()["watched"] == "not_assessed"


@pytest.mark.slow
def test_a_constitution_is_answered_rule_by_rule(gone: Callable[[str], Way]) -> None:
    way = gone("credit-constitution")

    assert way.codes == (0, 0, 1)
    rules = way.rules()
    assert rules.keys() == {"name", "equals", "merit", "candour", "steadiness", "reasons"}
    assert (rules["name"], rules["equals"]) == ("not_met", "not_met")  # what was planted in this model
    assert (rules["merit"], rules["reasons"]) == ("met", "not_assessed")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(IN_SECONDS))
def test_the_report_of_a_shipped_policy_follows_the_standards(
    name: str, gone: Callable[[str], Way], verapdf: Any
) -> None:
    pdf = gone(name).pdf

    assert [verapdf.check(pdf, standard).broken for standard in STANDARDS] == [{}, {}]


# ---- what was planted is found, and what was not is cleared --------------------------------------


def by_sex(row: Row) -> float:
    """The label decides, and women get the positive decision less often."""
    return max(as_labelled(row) - 0.6 * (row.fields["sex"] == "female"), 0.02)


def by_origin(row: Row) -> float:
    return max(as_labelled(row) - 0.6 * (row.fields["origin"] == "south_asian"), 0.02)


def by_what_is_said(row: Row) -> float:
    return 0.9 if "delighted" in row.text or "rent" in row.text else 0.1


def by_sex_and_what_is_said(row: Row) -> float:
    return max(by_what_is_said(row) - 0.6 * (row.fields["sex"] == "female"), 0.02)


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A model with a known fault or with none, and what its audit must say of the checks that are about it."""

    policy: str
    taught: Callable[[Row], float]
    steps: int
    expected: dict[str, str]
    unmet: tuple[str, ...] = ()
    """Hazards that must come out unmet; every other hazard of these checks must not."""


PLANTED = {
    "recruitment, sex decides": Planted(
        policy="recruitment", taught=by_sex, steps=200, unmet=("name-decides",),
        expected={"same-record-other-name": "not_met"},
    ),
    "recruitment, the record decides": Planted(
        policy="recruitment", taught=as_labelled, steps=200,
        expected={"same-record-other-name": "met", "quality": "met"},
    ),
    "triage, origin decides": Planted(
        policy="medical-triage", taught=by_origin, steps=300, unmet=("names-decide",),
        expected={"same-complaint-other-person": "not_met", "same-complaint-other-place": "met"},
    ),
    # No score moves at all with a place, so the bound is that of 24 towns and 12 hospitals without a single event.
    "triage, the complaint decides": Planted(
        policy="medical-triage", taught=as_labelled, steps=200,
        expected={"same-complaint-other-person": "met", "same-complaint-other-place": "inconclusive"},
    ),
    "sanity, sex decides": Planted(
        policy="sanity", taught=by_sex_and_what_is_said, steps=200, unmet=("name-counts",),
        expected={"other-name": "not_met"},
    ),
    # Sanity knows no outcomes, so that nothing shows that the model can do its task: it alarms, and clears nobody.
    "sanity, what is said decides": Planted(
        policy="sanity", taught=by_what_is_said, steps=200, expected={"other-name": "inconclusive"},
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found_by_its_check_and_a_clean_model_is_cleared(name: str, tmp_path: Path) -> None:
    from audit.capture.model import Switches, open_model

    case = PLANTED[name]
    path = POLICIES / f"{case.policy}.yaml"
    policy = pipeline.read_policy(path, ())
    model = classifier(policy, tmp_path / "model", steps=case.steps, taught=case.taught)
    options = pipeline.Options(overrides=IN_SECONDS[case.policy], store=tmp_path / "store")

    found = pipeline.run(path, lambda p: open_model(str(model), p.task, Switches(device="cpu")), options)

    verdicts = {part.id: part.verdict for part in found.checks}
    assert {check: verdicts[check] for check in case.expected} == case.expected
    about = [hazard for hazard in found.requirements if set(hazard.checks) & case.expected.keys()]
    assert tuple(hazard.id for hazard in about if hazard.verdict == "not_met") == case.unmet


# ---- the data ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", policy_tables.tables())
def test_shipped_tables_are_what_their_lists_give(name: str) -> None:
    columns, rows = policy_tables.tables()[name]

    assert (DATA / name).read_bytes().decode() == policy_tables.as_csv(columns, rows)
