import numpy as np
import pytest
from transformers.utils import logging

from audit.organisms import CreditSpec, NotTaken, verify
from audit.organisms import credit_grammar as world
from audit.progress import Silent


def test_accepts_the_model_that_was_described(biased, biased_spec):
    found = verify.verify(biased_spec, biased, progress=Silent())

    assert [e.metric for e in found] == [
        "mean_error",
        "decision_agreement",
        "name_gap",
        "name_gap_absolute",
        "widest_income_gap",
        "town_gap",
        "flip_rate",
        "selection_ratio",
    ]


@pytest.mark.parametrize(
    "other", [{"kind": "clean"}, {"kind": "proxy", "strength": 0.6}, {"kind": "direct", "strength": 0.3}]
)
def test_refuses_it_as_any_other_model(biased, other):
    with pytest.raises(NotTaken) as error:
        verify.verify(CreditSpec(**other), biased, progress=Silent())

    assert {"name_gap", "name_gap_absolute", "flip_rate"} <= {p.where for p in error.value.problems}


def test_scores_do_not_depend_on_the_batch(clean_lm, clean_lm_spec, monkeypatch):
    model, tokenizer = verify.load(clean_lm_spec, clean_lm)
    texts = [*clean_lm_spec.grammar.texts(world.cases()[::2000]), "Applicant Noor. Decision:"]
    together = verify._shares(clean_lm_spec, model, tokenizer, texts, Silent())

    monkeypatch.setattr(verify, "BATCH", 1)
    singly = verify._shares(clean_lm_spec, model, tokenizer, texts, Silent())

    assert np.allclose(together, singly, atol=1e-6)
    assert ((together.sum(axis=1) > 0.2) & (together.sum(axis=1) <= 1)).all()


def test_restores_what_transformers_says():
    before = (logging.get_verbosity(), logging.is_progress_bar_enabled())

    with verify.quiet():
        inside = (logging.get_verbosity(), logging.is_progress_bar_enabled())

    assert inside == (logging.ERROR, False)
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before
