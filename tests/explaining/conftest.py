"""Planted credit models, explained once for many tests, and a model to be asked by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit import resources
from audit.capture.model import Switches, open_model
from audit.explaining import run
from audit.explaining.cases import Case, Lost
from audit.explaining.frame import Frame
from audit.explanation import Explanation
from audit.types import Policy

CREDIT = resources.folder("policies") / "credit-decision.yaml"


@pytest.fixture(scope="session")
def clean_model(organism_cache: Path) -> Path:
    """The demo's clean twin: an approval depends on income, debt and history alone."""
    from audit.organisms import CreditSpec, build
    from audit.progress import Silent

    return build(CreditSpec(kind="clean"), cache=organism_cache, progress=Silent())


@pytest.fixture(scope="session")
def explained_by(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Explanation | Lost]]:
    """Explain cases of a policy with a model, through the same function as the command."""
    store = tmp_path_factory.mktemp("store")

    def explain(
        model: Path,
        cases: Callable[[Frame], Sequence[Case | Lost]],
        policy: Path = CREDIT,
        **options: Any,
    ) -> list[Explanation | Lost]:
        def load(read: Policy) -> Any:
            return open_model(str(model), read.task, Switches(device="cpu"))

        found: list[Explanation | Lost] = []
        run.explain(policy, load, cases, run.Options(store=store, **options), found.append)
        return found

    return explain


class ByHand:
    """A classifier as anybody would ask it: transformers, one text at a time."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForSequenceClassification.from_pretrained(folder).eval()

    def score(self, text: str, label: str, *, without: Sequence[tuple[int, int]] = (), by: str = "mask") -> float:
        """Return P(label), with the tokens that touch some characters replaced by the mask or the unknown token."""
        import torch

        read = self.tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
        ids = read["input_ids"]
        for i, (a, b) in enumerate(read["offset_mapping"][0].tolist()):
            if any(a < end and b > start for start, end in without):
                ids[0, i] = {"mask": self.tokenizer.mask_token_id, "unk": self.tokenizer.unk_token_id}[by]
        with torch.no_grad():
            logits = self.model(input_ids=ids, attention_mask=read["attention_mask"]).logits[0].double()
        shares = torch.softmax(logits, dim=0)
        return float(shares[self.model.config.label2id[label]])

    def mean(self, texts: Sequence[str], label: str) -> float:
        """Return the mean of P(label) over texts."""
        return float(np.mean([self.score(text, label) for text in texts]))


@pytest.fixture(scope="session")
def by_hand() -> Callable[[Path], ByHand]:
    """Open a model with nothing but transformers."""
    return ByHand
