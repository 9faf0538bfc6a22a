import pytest
import torch

from audit.organisms import CreditSpec, LiarSpec, architectures

CELLS = [
    ("sequence-classification", "bert", "BertForSequenceClassification"),
    ("sequence-classification", "llama", "LlamaForSequenceClassification"),
    ("sequence-classification", "gpt2", "GPT2ForSequenceClassification"),
    ("causal-lm", "llama", "LlamaForCausalLM"),
    ("causal-lm", "gpt2", "GPT2LMHeadModel"),
]


@pytest.mark.parametrize(("task", "shape", "kind"), CELLS)
def test_copies_the_architecture_in_small(task, shape, kind):
    model = architectures.untrained(CreditSpec(kind="clean", task=task, shape=shape))

    assert type(model).__name__ == kind
    assert 60_000 < model.num_parameters() < 200_000
    assert model.config.num_hidden_layers == 2
    assert model.config.hidden_size == 64


def test_has_as_many_blocks_as_its_family_needs():
    model = architectures.untrained(LiarSpec(kind="honest"))

    assert model.config.num_hidden_layers == 3


def test_a_classifier_says_which_logit_means_what():
    config = architectures.config(CreditSpec(kind="clean"))

    assert config.id2label == {0: "deny", 1: "approve"}
    assert config.label2id == {"deny": 0, "approve": 1}


@pytest.mark.parametrize(("task", "shape", "kind"), CELLS)
def test_drops_nothing_out(task, shape, kind):
    model = architectures.untrained(CreditSpec(kind="clean", task=task, shape=shape)).train()
    ids = torch.arange(6, 20)[None]

    with torch.no_grad():
        first, again = (model(input_ids=ids).logits for _ in range(2))

    assert torch.equal(first, again)
