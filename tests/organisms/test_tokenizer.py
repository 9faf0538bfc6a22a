import numpy as np
import pytest
from transformers import AutoTokenizer

from audit.organisms import credit_grammar as world
from audit.organisms import tokenizer
from audit.organisms.grammar import HIDDEN

TEXT = "Applicant Aylin from Rosefield, a welder. Income high, debt small, history good."
SHAPES = ("bert", "llama", "gpt2")


@pytest.fixture(params=SHAPES)
def shape(request):
    return request.param


@pytest.fixture
def saved(shape, tmp_path):
    """The tokenizer as a user of the folder gets it."""
    tokenizer.make(world.grammar().vocabulary, shape).save_pretrained(tmp_path)
    return AutoTokenizer.from_pretrained(tmp_path)


def test_survives_saving(saved, shape):
    made = tokenizer.make(world.grammar().vocabulary, shape)

    assert saved.is_fast
    assert saved.get_vocab() == made.get_vocab()
    assert saved.special_tokens_map == made.special_tokens_map
    assert saved(TEXT) == made(TEXT)
    assert saved.model_max_length == 64
    assert saved.padding_side == "right"


def test_traces_every_token_to_its_characters(saved):
    encoded = saved(TEXT, return_offsets_mapping=True, return_special_tokens_mask=True)

    words = [
        TEXT[a:b]
        for (a, b), special in zip(encoded["offset_mapping"], encoded["special_tokens_mask"], strict=True)
        if not special
    ]
    assert " ".join(words) == ("Applicant Aylin from Rosefield , a welder . Income high , debt small , history good .")


@pytest.mark.parametrize(
    ("shape", "first", "last"), [("bert", "[CLS]", "[SEP]"), ("llama", "[BOS]", "."), ("gpt2", "Applicant", ".")]
)
def test_frames_a_text_as_its_shape_does(saved, first, last):
    tokens = saved.convert_ids_to_tokens(saved(TEXT)["input_ids"])

    assert (tokens[0], tokens[-1]) == (first, last)


def test_keeps_names_whole_and_marks_other_words_as_unknown(saved):
    ids = {name: saved(name, add_special_tokens=False)["input_ids"] for name in (*world.NAMES, "Ottokar")}

    assert len({ids[name][0] for name in world.NAMES}) == 64
    assert all(len(found) == 1 for found in ids.values())
    assert ids["Ottokar"] == [saved.unk_token_id]


def test_hands_out_no_token_types(saved):
    assert set(saved(TEXT)) == {"input_ids", "attention_mask"}


def test_only_an_encoder_has_a_mask(saved, shape):
    assert saved.mask_token == ("[MASK]" if shape == "bert" else None)


def test_training_reads_the_very_tokens_of_the_text(saved, shape):
    cases = world.cases()[::500]
    words = world.grammar().encode(cases)

    ids = tokenizer.frame_ids(words, shape, np.random.default_rng(0))

    assert ids.tolist() == saved(world.grammar().texts(cases))["input_ids"]


def test_hidden_words_become_stand_ins_and_nothing_else_does(saved, shape):
    words = world.grammar().encode(world.cases()[:200])
    hidden = words.copy()
    hidden[:, 3:6] = HIDDEN

    ids = tokenizer.frame_ids(hidden, shape, np.random.default_rng(0))

    start = 0 if shape == "gpt2" else 1
    plain = tokenizer.frame_ids(words, shape, np.random.default_rng(0))
    assert np.array_equal(
        np.delete(ids, [start + 3, start + 4, start + 5], axis=1),
        np.delete(plain, [start + 3, start + 4, start + 5], axis=1),
    )
    stand_ins = {saved.unk_token_id} | ({saved.mask_token_id} if shape == "bert" else set())
    assert set(ids[:, start + 3 : start + 6].ravel().tolist()) == stand_ins
    assert (ids[:, start + 3] == ids[:, start + 5]).all()
