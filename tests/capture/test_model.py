"""What is refused when a model is opened, and in which words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from audit.capture.identity import of_folder
from audit.capture.model import Switches, adopt, check_decision, open_model
from audit.capture.tokens import plan_batches, token_ids
from audit.errors import UserError
from audit.types import Decision, Place

PLACE = Place(path="policy.yaml", line=7, column=13)
UNREADABLE = Path("/proc/self/mem")
"""A file that is there, and that nobody can read from its start: not even who may read everything."""


def refusal(reference, task="sequence-classification", **switches):
    with pytest.raises(UserError) as error:
        open_model(str(reference), task, Switches(**switches))
    return str(error.value)


def test_a_saved_classifier_opens_with_its_labels_and_digest(saved):
    loaded = open_model(str(saved), "sequence-classification", Switches())

    assert loaded.labels == ("deny", "approve")
    written = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    written |= {"special_tokens_map.json"} & {file.name for file in saved.iterdir()}  # transformers 4 writes it too
    assert set(loaded.identity.files) == written
    assert not loaded.model.training
    assert loaded.facts()["layers"] == 3


def test_the_digest_moves_with_the_weights_and_not_with_a_note_beside_them(saved):
    before = of_folder(saved).digest
    (saved / "README.md").write_text("hello")
    assert of_folder(saved).digest == before

    weights = bytearray((saved / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (saved / "model.safetensors").write_bytes(weights)
    assert of_folder(saved).digest != before


def test_a_loaded_model_is_known_by_its_tensors(load):
    loaded = load("bert", "sequence-classification")
    same = adopt(loaded.model, loaded.tokenizer, "sequence-classification")
    with torch.no_grad():
        loaded.model.classifier.bias[0] += 1
        changed = adopt(loaded.model, loaded.tokenizer, "sequence-classification")
        loaded.model.classifier.bias[0] -= 1

    assert same.identity.digest == loaded.identity.digest
    assert changed.identity.digest != loaded.identity.digest


def test_a_missing_folder(tmp_path):
    assert refusal(tmp_path / "nowhere") == "\n".join(
        [
            "The model cannot be opened",
            "",
            f"--model: there is no folder '{tmp_path}/nowhere'",
            "  expected: a folder with config.json, a tokenizer and *.safetensors, or a hub id such as owner/name",
            "  do: check the spelling and the folder you start from",
        ]
    )


@pytest.mark.skipif(not UNREADABLE.exists(), reason="a file that gives nothing stands at /proc/self/mem on Linux")
@pytest.mark.parametrize(("file", "where"), [("model.safetensors", "/model.safetensors"), ("config.json", "")])
def test_a_file_that_cannot_be_read(saved, file, where):
    (saved / file).unlink()
    (saved / file).symlink_to(UNREADABLE)

    told = refusal(saved)

    assert told == "\n".join(
        [
            "The model cannot be read",
            "",
            f"{saved}{where}: Input/output error",
            "  expected: files that you may read, on a disk that gives them",
            "  do: look at who may read the file, and whether its disk is there",
        ]
    )


def test_a_folder_without_a_tokenizer(saved):
    for path in saved.glob("tokenizer*"):
        path.unlink()

    message = refusal(saved)

    assert f"{saved}: no tokenizer in the folder" in message
    assert "save the model's tokenizer into the same folder with tokenizer.save_pretrained(...)" in message


def test_weights_that_break_off_are_named_with_their_file(saved):
    weights = saved / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])

    told = refusal(saved)

    assert told.startswith(f"The model cannot be opened\n\n{weights}: a file that breaks off or is damaged (")
    assert told.endswith("  do: copy the file again from where the model comes from")


def test_pickled_weights_are_refused_and_never_opened(saved):
    (saved / "model.safetensors").unlink()
    (saved / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch /tmp/owned'\ntR.")

    message = refusal(saved)

    assert "weights only as pytorch_model.bin, a format that can run code when it is read" in message
    assert "--allow-pickle" in message


def test_code_in_the_folder_is_refused(saved):
    config = json.loads((saved / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "evil.Model"}
    (saved / "config.json").write_text(json.dumps(config))

    message = refusal(saved)

    assert f"{saved}/config.json at auto_map: the model wants to run code from its own folder" in message


def test_a_model_without_the_task_s_head_is_refused_instead_of_getting_a_random_one(load, tmp_path):
    loaded = load("gpt2", "causal-lm")
    loaded.model.save_pretrained(tmp_path)
    loaded.tokenizer.save_pretrained(tmp_path)

    message = refusal(tmp_path)

    assert message.startswith("The model was not trained for this task")
    assert "the weights lack score.weight" in message
    assert "set model.task in the policy to what the model was trained for" in message


def test_a_device_that_is_not_there(saved):
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    assert "--device: cuda:3\n  expected: cpu (no CUDA device is visible)" in refusal(saved, device="cuda:3")


def test_an_unknown_dtype(saved):
    assert "--dtype: float8\n  expected: auto, float32, bfloat16, float16" in refusal(saved, dtype="float8")


def test_a_decision_with_a_label_that_the_model_lacks(load):
    loaded = load("bert", "sequence-classification")

    with pytest.raises(UserError) as error:
        check_decision(loaded, Decision(kind="classes", positive="aprove", negative="deny"), PLACE)

    assert str(error.value) == "\n".join(
        [
            "The policy's decision does not fit the model",
            "",
            "policy.yaml:7:13: the model has no label 'aprove'",
            "  expected: one of 'deny', 'approve'",
            "  do: did you mean 'approve'?",
        ]
    )


def test_a_text_longer_than_the_context_is_refused_not_cut(load):
    loaded = load("roberta", "sequence-classification")
    assert loaded.max_length == 60

    with pytest.raises(UserError) as error:
        token_ids(loaded, ["maria " * 59])

    assert "data: 61 tokens in 'maria maria" in str(error.value)
    assert "expected: 1 to 60 tokens: what this model can read at once" in str(error.value)


def test_batches_hold_to_the_budget_and_do_not_depend_on_the_order_asked():
    rng = np.random.default_rng(1)
    lengths = {f"text {i}": int(n) for i, n in enumerate(rng.integers(1, 40, size=200))}

    batches = plan_batches(lengths, budget=128)

    assert sorted(t for batch in batches for t in batch) == sorted(lengths)
    assert all(len(b) * max(lengths[t] for t in b) <= 128 for b in batches)
    assert batches == plan_batches(dict(reversed(lengths.items())), budget=128)


def test_few_texts_of_mixed_lengths_are_not_padded_to_the_longest():
    lengths = {f"short {i}": 10 for i in range(30)} | {"long": 100, "longer": 120, "longest": 200}

    batches = plan_batches(lengths, budget=4096)

    assert batches == [[f"short {i}" for i in sorted(range(30), key=str)], ["long", "longer", "longest"]]


def test_more_texts_than_a_tokenizer_is_handed_at_once_keep_their_own_tokens(load):
    loaded = load("bert", "sequence-classification")
    words = ("maria", "john", "the", "applicant", "has", "a", "high", "low", "income", "debt")
    texts = [" ".join(words[int(digit)] for digit in str(i)) for i in range(1100)]

    together = token_ids(loaded, texts)

    assert list(together) == texts
    for i in (0, 511, 512, 1023, 1024, 1099):
        assert together[texts[i]].tolist() == loaded.tokenizer(texts[i])["input_ids"]
