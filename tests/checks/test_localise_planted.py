"""Trained credit models: the parts that carry a planted bias are few, and a clean model has none to look for."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

import audit
from audit import resources
from audit.organisms import CreditSpec, build
from audit.progress import Silent

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped credit data with one check: where is the effect of the name?"""
    folder = tmp_path_factory.mktemp("policy")
    shutil.copytree(resources.folder("policies") / "data", folder / "data")
    applicants = {
        "rows": "data/credit_applicants.csv",
        "text": "Applicant {name} from {town}, a {job}. Income {income}, debt {debt}, history {history}.",
        "groups": {"sex": ["female", "male"]},
        "cluster": "name",
        "label": "approved",
        "origin": "synthetic",
        "licence": "CC0-1.0",
    }
    swap = {"sex": {"from": "name", "pairs": "data/credit_name_pairs.csv"}}
    whole = {
        "inspectoscope": 1,
        "id": "where",
        "version": "1.0.0",
        "title": "Where the name acts",
        "purpose": "A planted model.",
        "model": {"task": "sequence-classification", "decision": {"positive": "approve", "negative": "deny"}},
        "data": {"applicants": applicants},
        "checks": [{"id": "where", "check": "localise", "data": "applicants", "swap": swap}],
    }
    path = folder / "localise.yaml"
    path.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
    return path


def audited(policy: Path, cache: Path, store: Path, **spec: Any) -> Any:
    model = build(CreditSpec(**spec), cache=cache, progress=Silent())
    (check,) = audit.run(policy, model=str(model), device="cpu", store=store, progress=False).checks
    return check


def measured(check: Any, metric: str) -> Any:
    return next(m for m in check.measurements if m.metric == metric)


@pytest.mark.parametrize(("shape", "seed"), [("gpt2", 100), ("llama", 101)])
def test_few_parts_carry_a_planted_bias_and_as_many_others_do_not(
    policy: Path, organism_cache: Path, tmp_path: Path, shape: str, seed: int
) -> None:
    check = audited(policy, organism_cache, tmp_path, kind="direct", strength=0.6, shape=shape, seed=seed)

    assert measured(check, "carried_share").low >= 0.9
    assert measured(check, "random_share").high <= 0.75
    assert all(v.passed for v in check.validity_checks), [v for v in check.validity_checks if not v.passed]
    shown = next(e for e in check.exhibits if e.id == "growth")
    size = next(row[0] for row in shown.rows if row[-1] == "yes")
    assert size <= 8


def test_a_clean_model_has_nothing_to_localise(policy: Path, organism_cache: Path, tmp_path: Path) -> None:
    check = audited(policy, organism_cache, tmp_path, kind="clean")

    assert check.verdict == "not_assessed"
    assert check.reason.startswith("nothing to localise: the swap moves the score by")
    assert check.measurements == ()
