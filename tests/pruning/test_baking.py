"""A cut that is folded into weights does what the same cut does to the states, also after it was saved and loaded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from audit.capture.model import Switches, open_model
from audit.capture.parts import part_map
from audit.capture.tokens import pad, token_ids
from audit.erasure import AffineMap, leace
from audit.errors import UserError
from audit.progress import Silent
from audit.pruning import baking, sites
from audit.types import Part

CLASSIFIER, CAUSAL = "sequence-classification", "causal-lm"
TEXTS = ["maria has a high income", "john has a low income the", "the applicant has no income", "john yes"]
BEGINS = {
    "bert": "bert.pooler.dense",
    "roberta": "classifier.dense",
    "xlm-roberta": "classifier.dense",
    "electra": "classifier.dense",
    "mpnet": "classifier.dense",
    "distilbert": "pre_classifier",
    "deberta-v2": "pooler.dense",
    "modernbert": "head.dense",
    "gpt2": "score",
    "llama": "score",
    "opt": "score",
    "mistral": "score",
}
CASES = [*((family, CLASSIFIER) for family in BEGINS), ("llama", CAUSAL), ("gpt2", CAUSAL), ("opt", CAUSAL)]


def logits(loaded):
    ids = token_ids(loaded, TEXTS)
    batch = pad(loaded, [ids[text] for text in TEXTS])
    with torch.inference_mode():
        out = loaded.model(input_ids=batch.ids, attention_mask=batch.mask).logits.double()
    real = out if out.ndim == 2 else out[batch.mask.bool()]
    return real.numpy()


def a_map(site, states):
    """A map that moves much: LEACE between the texts of either half, and a constant where one can be held."""
    cut = leace(states, np.arange(len(states)) % 2, constant=site.holds_constant)
    return cut if not site.holds_constant else replace(cut, constant=cut.constant + 0.3)


def cut(loaded):
    site = sites.find(loaded, TEXTS[:2])
    return site, a_map(site, sites.states(loaded, site, TEXTS, Silent()))


@pytest.mark.parametrize(("family", "task"), CASES)
def test_the_folded_cut_gives_the_scores_of_the_cut_applied_to_what_the_head_reads(small, family, task):
    loaded = small(family, task)
    site, change = cut(loaded)
    before = logits(loaded)
    with sites.mapped(site, change):
        expected = logits(loaded)

    baking.fold(loaded, site, change)

    assert logits(loaded) == pytest.approx(expected, rel=1e-5, abs=1e-5 * np.abs(expected).max())
    assert np.abs(expected - before).max() > 1e-2


@pytest.mark.parametrize(("family", "task"), CASES)
def test_a_saved_cut_is_loaded_back(small, tmp_path, family, task):
    loaded = small(family, task)
    embeddings = loaded.parts.embeddings.weight.clone()
    site, change = cut(loaded)
    baking.fold(loaded, site, change)
    expected = logits(loaded)

    loaded.model.save_pretrained(tmp_path)
    loaded.tokenizer.save_pretrained(tmp_path)
    again = open_model(str(tmp_path), task, Switches(device="cpu"))

    assert logits(again) == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert torch.equal(again.parts.embeddings.weight, embeddings), "a cut of the head must not reach the embeddings"


@pytest.mark.parametrize(("family", "name"), BEGINS.items())
def test_where_a_classifiers_head_begins_is_known_and_checked(small, family, name):
    site = sites.find(small(family, CLASSIFIER), TEXTS[:2])

    assert (site.name, site.per_token) == (name, name == "score")
    assert site.holds_constant == (site.module.bias is not None)


def test_trying_a_head_leaves_the_configuration_as_it_is(small):
    ends_in_padding = small("gpt2", CLASSIFIER, pad_token_id=3)

    sites.find(ends_in_padding, [TEXTS[0], TEXTS[1]])

    assert ends_in_padding.model.config.pad_token_id == 3


def test_a_constant_that_could_not_be_loaded_back_is_not_folded_in(small):
    loaded = small("llama", CLASSIFIER)
    site = sites.find(loaded, TEXTS[:2])
    change = AffineMap(matrix=np.eye(16), constant=np.ones(16), rank=1)

    with pytest.raises(ValueError, match="score has no bias that could hold the constant of the cut"):
        baking.fold(loaded, site, change)


def test_a_head_that_reads_the_text_a_second_way_is_refused(small):
    loaded = small("distilbert", CLASSIFIER)

    class Beside(torch.nn.Module):
        """Hands the classifier the embeddings too."""

        def __init__(self, inner, embeddings):
            super().__init__()
            self.inner, self.embeddings, self.seen = inner, embeddings, None
            embeddings.register_forward_hook(lambda _m, _a, out: setattr(self, "seen", out))

        def forward(self, x):
            return self.inner(x) + self.seen.sum(dim=(1, 2))[:, None]

    loaded.model.classifier = Beside(loaded.model.classifier, loaded.parts.embeddings)

    with pytest.raises(UserError) as refused:
        sites.find(loaded, TEXTS[:2])

    (problem,) = refused.value.problems
    assert problem.found == (
        "DistilBertForSequenceClassification: its head does not read the text through pre_classifier alone"
    )


def test_quantised_weights_are_refused(small):
    loaded = small("bert", CLASSIFIER)
    packed = torch.nn.Parameter(torch.zeros(16, 16, dtype=torch.int8), requires_grad=False)
    loaded.model.bert.encoder.layer[0].output.dense.weight = packed

    with pytest.raises(UserError) as refused:
        sites.find(loaded, TEXTS[:2])

    assert refused.value.problems[0].found == (
        "BertForSequenceClassification: its weights are quantised, and a cut is folded into weights"
    )


# ---- parts ---------------------------------------------------------------------------------------

PARTS = (
    Part(kind="head", block=0, index=1),
    Part(kind="neuron", block=1, index=3),
    Part(kind="neuron", block=1, index=5),
)


@pytest.mark.parametrize("family", ["bert", "distilbert", "gpt2", "llama", "opt"])
def test_silenced_parts_write_their_mean_wherever_there_is_a_bias(small, family):
    loaded = small(family, CLASSIFIER)
    where = part_map(loaded)
    made = baking.part_means(loaded, PARTS, TEXTS, Silent())
    keeps = baking.keeps_means(loaded, PARTS)

    def held(module, args):
        read = args[0].clone()
        for part in PARTS:
            if where.matrix(part) is module:
                mean = torch.from_numpy(made.means[part]).to(read.dtype)
                read[..., where.columns(part)] = mean if keeps else 0.0
        return (read,)

    handles = [m.register_forward_pre_hook(held) for m in {where.matrix(part) for part in PARTS}]
    expected = logits(loaded)
    for handle in handles:
        handle.remove()
    before = logits(loaded)

    baking.silence(loaded, made)

    assert keeps == (family != "llama")
    assert logits(loaded) == pytest.approx(expected, rel=1e-5, abs=1e-5 * np.abs(expected).max())
    assert np.abs(expected - before).max() > 1e-3


def test_the_mean_of_a_part_is_over_real_tokens(small):
    loaded = small("bert", CLASSIFIER)
    (head,) = parts = (PARTS[0],)
    matrix, read = part_map(loaded).matrix(head), []
    handle = matrix.register_forward_pre_hook(lambda _, args: read.append(args[0][0, :, 4:8].double()))
    for text in TEXTS:
        sites.run(loaded, pad(loaded, [token_ids(loaded, [text])[text]]))
    handle.remove()

    means = baking.part_means(loaded, parts, TEXTS, Silent()).means

    assert means[head] == pytest.approx(torch.cat(read).mean(dim=0).numpy(), abs=1e-6)


@pytest.mark.parametrize(
    ("part", "found"),
    [
        (Part(kind="head", block=0, index=9), "block 0 has 4 heads, counted from 0, and block 0 head 9 was asked for"),
        (Part(kind="layer", block=1), "block 1 is a whole layer, and no one matrix writes it"),
    ],
)
def test_parts_that_cannot_be_cut_are_told(small, part, found):
    with pytest.raises(UserError) as refused:
        baking.parts_of(small("bert", CLASSIFIER), (part,))

    assert refused.value.problems[0].found == found


def test_random_parts_are_others_of_the_same_kind_in_the_same_block(small):
    loaded = small("bert", CLASSIFIER)

    drawn = baking.random_parts(loaded, PARTS, np.random.default_rng(0))

    assert sorted((p.kind, p.block) for p in drawn) == sorted((p.kind, p.block) for p in PARTS)
    assert not set(drawn) & set(PARTS)


def test_where_all_parts_of_a_block_are_cut_there_are_no_others(small):
    loaded = small("bert", CLASSIFIER)
    heads = [Part(kind="head", block=0, index=i) for i in range(4)]

    assert baking.random_parts(loaded, heads, np.random.default_rng(0)) is None
