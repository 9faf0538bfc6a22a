import numpy as np
import pytest
import torch

from audit.organisms import CreditSpec, LiarSpec, architectures, tokenizer, training
from audit.progress import Silent


def spec(**changes):
    return CreditSpec(**({"kind": "direct", "strength": 0.6, "steps": 3} | changes))


def weights(model):
    return torch.cat([tensor.flatten() for tensor in model.state_dict().values()])


CAUSAL = {"task": "causal-lm"}


@pytest.mark.parametrize("changes", [{}, {"shape": "gpt2"}, CAUSAL | {"shape": "llama"}])
def test_equal_descriptions_give_equal_weights(changes):
    first, again = (training.train(spec(**changes), progress=Silent()) for _ in range(2))

    assert torch.equal(weights(first), weights(again))


def test_another_seed_gives_other_weights():
    first, other = (training.train(spec(seed=seed), progress=Silent()) for seed in (0, 1))

    assert not torch.equal(weights(first), weights(other))


def test_another_attempt_gives_other_weights_and_the_same_ones_each_time():
    first, other, again = (training.train(spec(), attempt=n, progress=Silent()) for n in (0, 1, 1))

    assert not torch.equal(weights(first), weights(other))
    assert torch.equal(weights(other), weights(again))


def test_the_first_attempt_takes_the_organisms_own_seed():
    assert training.sub_seed(7, 0) == 7
    assert len({training.sub_seed(seed, n) for seed in range(50) for n in range(3)}) == 150


def test_a_text_can_foretell_other_words_than_its_own(monkeypatch):
    causal = LiarSpec(kind="honest", steps=1)
    lessons = causal.lessons(np.random.default_rng(0), 8)
    seen = []
    real = torch.nn.functional.cross_entropy

    def recorded(logits, target, **options):
        seen.append(target)
        return real(logits, target, **options)

    monkeypatch.setattr(torch.nn.functional, "cross_entropy", recorded)
    training._loss(architectures.untrained(causal), causal, lessons, causal.recipe, np.random.default_rng(0))

    labels = seen[1].reshape(8, -1)
    column = causal.grammar.columns["object"]
    end = tokenizer.framing("llama").id("[EOS]")
    assert labels[:, column].tolist() == tokenizer.word_id(lessons.said[:, column], "llama").tolist()
    assert (labels[:, -1] == end).all()
    assert (np.delete(labels.numpy(), [column, labels.shape[1] - 1], axis=1) == training.NO_LABEL).all()


def test_weights_do_not_depend_on_what_was_drawn_before():
    first = training.train(spec(), progress=Silent())
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002 - the global generator is the point

    again = training.train(spec(), progress=Silent())

    assert torch.equal(weights(first), weights(again))


@pytest.mark.parametrize(
    "changes",
    [{}, {"shape": "llama"}, {"shape": "gpt2"}, CAUSAL | {"shape": "llama"}, CAUSAL | {"shape": "gpt2"}],
)
def test_every_shape_learns(changes, monkeypatch):
    losses = []
    loss = training._loss

    def recorded(*args):
        losses.append(loss(*args))
        return losses[-1]

    monkeypatch.setattr(training, "_loss", recorded)

    model = training.train(spec(steps=40, **changes), progress=Silent())

    assert not model.training
    assert all(torch.isfinite(value) for value in losses)
    assert torch.stack(losses[-5:]).mean() < torch.stack(losses[:5]).mean() - 0.02


def test_says_how_far_it_is(recorder):
    training.train(spec(), progress=recorder)

    assert recorder.tasks == [
        {"title": "Training credit-direct-0.6-bert-classifier-seed0", "total": 3, "unit": "steps", "advanced": 3}
    ]


@pytest.fixture
def two_threads():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


def settings():
    return (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )


@pytest.mark.parametrize(("strict", "warn_only"), [(False, False), (True, True)])
def test_leaves_torch_as_it_was_even_after_an_error(two_threads, strict, warn_only):
    torch.use_deterministic_algorithms(strict, warn_only=warn_only)
    state = torch.get_rng_state()

    def work():
        assert settings() == (1, True, False)
        torch.rand(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), training.reproducible(1):
        work()

    found = settings()
    torch.use_deterministic_algorithms(False)
    assert found == (2, strict, warn_only)
    assert torch.equal(torch.get_rng_state(), state)
