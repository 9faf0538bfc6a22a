"""Explanations put together by hand: an ordinary one, a refused one, and one that is as long and hostile as can be."""

from __future__ import annotations

from typing import Any

import pytest

from audit.explanation import Explanation
from audit.types import Statement

TEXT = "Applicant Lena from Millbrook, a clerk. Income middle, debt moderate, history poor."
DIGEST = "0123456789abcdef" * 4
HOSTILE = "\u202eevil\u202c<script>alert(1)</script>{{ e }}&amp;\x07\ud800\U0010ffff\u200b'\"` 漢字"


def out(effect: float, score: float) -> dict[str, Any]:
    return {"effect": effect, "score": score, "turned": score > 0.5}


def piece(name: str, value: str, **more: Any) -> dict[str, Any]:
    start = TEXT.find(value)
    return {
        "id": name,
        "kind": "field",
        "label": name,
        "value": value,
        "spans": ((start, start + len(value)),) if start >= 0 else (),
        "standing": "legitimate",
        "attribution": {"mask": 1.1, "unk": 1.0},
        "taken_out": {"mask": out(1.79, 0.451), "unk": out(1.81, 0.455)},
        "swapped": {
            "values": 2, "of": 2, "effect": 3.04, "smallest": 1.1, "largest": 5.0, "score": 0.624, "turned": 1,
        },
        "outcome": "speaks for",
        "why": "",
    } | more  # fmt: skip


def named(field: str, value: str, **more: Any) -> dict[str, Any]:
    return {
        "field": field,
        "label": field,
        "value": value,
        "tells": (),
        "outcome": "no effect shown",
        "effect": 0.001,
        "largest": 0.004,
        "values": 7,
        "turned": 0,
        "groups": {},
    } | more


MOVED = {
    "outcome": "moved the score",
    "effect": 0.56,
    "largest": 1.15,
    "values": 63,
    "tells": ("sex",),
    "groups": {"sex": 1.15},
}
CHECKS = (
    ("completeness", "The attribution adds up", "off by 0.0% from mask in 17 steps, 0.0% from unk in 17 steps"),
    ("two_baselines", "Two baseline inputs", "mask and unk"),
    ("confirmed", "Factors confirmed by taking them out", "1 legitimate factors that speak for the decision"),
    ("comprehensiveness", "Without them the decision loses more than without others", "1.79 log-odds lost; 0 of 5"),
    ("sufficiency", "With them alone the decision loses less than with others alone", "1.23 log-odds lost, 2.17 with"),
    ("share", "They carry the score", "81% of what is lost when everything is taken out"),
    ("agreement", "Both baseline inputs rank alike", "rank correlation 1.00"),
)


def check(name: str, title: str, found: str, *, passed: bool | None = True) -> dict[str, Any]:
    return {"name": name, "title": title, "passed": passed, "found": found, "needed": "what was fixed before"}


def change(*fields: tuple[str, str, str]) -> dict[str, Any]:
    told = tuple({"field": f, "label": f, "old": old, "new": new, "steps": 1} for f, old, new in fields)
    return {"fields": told, "steps": len(told), "score": 0.95, "decided": "approve"}


BASELINE = {
    "score": 0.556, "decided": "approve", "log_odds": 0.22, "n_steps": 17, "completeness_delta": 0.001,
    "converged": True,
}  # fmt: skip


def data(**more: Any) -> dict[str, Any]:
    """Return an explanation as plain data."""
    return {
        "tool": {"version": "0.1.0"},
        "created": "2026-11-23T20:04:00+00:00",
        "template": "credit_decision",
        "policy": {
            "id": "credit-decision", "version": "1.0.0", "title": "Credit decision", "purpose": "Credit.",
            "path": "policy.yaml", "sha256": DIGEST, "overrides": {}, "data": "applicants", "data_sha256": DIGEST,
        },
        "model": {
            "name": "a credit model", "kind": "folder", "task": "sequence-classification", "architecture": {},
            "labels": ("deny", "approve"), "files": {"model.safetensors": DIGEST}, "digest": DIGEST,
            "dtype": "float32", "device": "cpu", "attention": "eager",
            "decision": {"kind": "classes", "positive": "approve", "negative": "deny", "threshold": 0.5},
            "remote_code": False, "pickle": False, "self_test": "passed",
        },
        "environment": {"python": "3.11"},
        "case": {
            "id": "row-7", "kind": "row", "source": "row 7 of the data set applicants", "text": TEXT, "sha256": DIGEST,
            "fields": {"name": "Lena"},
        },
        "rules": {
            "margin": 0.1, "margin_set_by": "policy", "reference_quantile": {"fixed words": 0.95, "words": 0.5},
            "most_factors": 4, "most_values": 64, "most_sets": 200, "exceeding": 0.05, "least_share": 0.5,
            "tolerance": 0.02, "max_steps": 512, "most_searched": 4096, "most_changed": 3, "seed": 0,
        },
        "outcome": {
            "decided": "deny", "other": "approve", "positive": False, "score": 0.12, "threshold": 0.5,
            "log_odds": -1.99, "distance": 1.99,
        },
        "baselines": ({"name": "mask"} | BASELINE, {"name": "unk"} | BASELINE),
        "refused_baselines": (),
        "margins": {"mask": 0.1, "unk": 0.1, "swapped": 0.1},
        "references": 11,
        "words": 6,
        "pieces": (piece("history", "poor"), piece("name", "Lena", standing="must not matter")),
        "reasons": ("history",),
        "against": (),
        "together": None,
        "checks": tuple(check(*each) for each in CHECKS),
        "refused": False,
        "named": (named("name", "Lena", **MOVED), named("town", "Millbrook"), named("job", "clerk")),
        "search": {
            "allowed": ("history",), "tried": {"1": 6}, "possible": {"1": 6},
            "found": (change(("history", "poor", "good")),), "turning": 1,
        },
    } | more  # fmt: skip


@pytest.fixture
def ordinary() -> Explanation:
    """A denied application with one reason, a flagged name and a change."""
    return Explanation.model_validate(data())


@pytest.fixture
def refused() -> Explanation:
    """The same, with reasons that do not pass."""
    failed = [check(*each, passed=each[0] != "comprehensiveness") for each in CHECKS]
    return Explanation.model_validate(data(refused=True, checks=tuple(failed)))


def overlong(*, refuse: bool) -> Explanation:
    """Everything at once, each as long as it comes."""
    long, wide = HOSTILE * 60, "W" * 400
    pieces = tuple(
        piece(f"{kind}{i}", long if i % 2 else wide, label=wide, outcome=f"speaks {kind}", spans=((i, i + 1),))
        for kind in ("for", "against")
        for i in range(4)
    )
    moved = MOVED | {"turned": 12, "groups": {"s" * 60: 1.2, "t" * 60: -1.2}, "label": wide, "tells": (wide, wide)}
    said = Statement(text=long, by=wide, on="2026-11-01")
    plain = data()
    return Explanation.model_validate(
        plain
        | {
            "policy": plain["policy"] | {"title": long, "version": wide, "id": "p" * 80},
            "model": plain["model"] | {"name": long},
            "case": plain["case"] | {"text": long, "source": long, "id": long},
            "outcome": plain["outcome"] | {"decided": wide, "other": long, "answer_mass": 0.4},
            "margins": {"mask": 1.5, "unk": 0.6, "left out": 0.1, "swapped": 0.1},
            "pieces": pieces,
            "reasons": tuple(f"for{i}" for i in range(4)),
            "against": tuple(f"against{i}" for i in range(4)),
            "checks": tuple(check(a, b, c + " and more" * 40, passed=not refuse) for a, b, c in CHECKS),
            "refused": refuse,
            "named": tuple(named(f"f{i}", long, **moved) for i in range(9)),
            "search": plain["search"]
            | {
                "allowed": tuple(wide for _ in range(9)),
                "found": tuple(change(*((wide, wide, long) for _ in range(3))) for _ in range(3)),
                "turning": 50,
                "tried": {"1": 100, "2": 900, "3": 3096},
                "possible": {"1": 100, "2": 900, "3": 99999},
            },
            "contact": said,
            "provider": said,
        }
    )
