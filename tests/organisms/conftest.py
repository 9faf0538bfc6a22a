"""Two real models for the whole folder: training them is what takes the time."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from audit.organisms import CreditSpec, build
from audit.progress import Silent, Task


class Recorder:
    """Progress that remembers what it was told."""

    def __init__(self):
        self.notes = []
        self.tasks = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    @contextmanager
    def task(self, title: str, total: int, unit: str) -> Iterator[Task]:
        done = {"title": title, "total": total, "unit": unit, "advanced": 0}
        self.tasks.append(done)

        class Counting:
            def advance(self, by: int = 1) -> None:
                done["advanced"] += by

        yield Counting()


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture(scope="session")
def cache(organism_cache):
    """The cache of the whole run: other folders of tests audit the same models."""
    return organism_cache


@pytest.fixture(scope="session")
def biased_spec():
    return CreditSpec(kind="direct", strength=0.6)


@pytest.fixture(scope="session")
def biased(biased_spec, cache):
    """A BERT-shaped classifier that approves women less often."""
    return build(biased_spec, cache=cache, progress=Silent())


@pytest.fixture(scope="session")
def clean_lm_spec():
    return CreditSpec(kind="clean", task="causal-lm", shape="llama")


@pytest.fixture(scope="session")
def clean_lm(clean_lm_spec, cache):
    """A Llama-shaped causal model that decides by merit alone."""
    return build(clean_lm_spec, cache=cache, progress=Silent())
