"""Finds the checks: one file each in ``audit/checks``, or a module named by an entry point.

A check module has a docstring in fixed sections, ``NAME``, ``VERSION``, ``TITLE``, ``METRICS``,
``Params`` (pydantic), ``problems``, ``judgeable``, ``run``, ``later_rounds`` and ``examples``. A module
that cannot be imported, or lacks a part, stops the run: an audit that skips silently is worse than none.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

import numpy as np
from pydantic import BaseModel

from audit.requests import CheckRun
from audit.types import Criterion, Dataset, Decision, Finding, Metric, ParamProblem, Verdict

SECTIONS = ("What it measures", "Why it matters", "What it cannot show", "Validity checks", "References")
"""Headings that every check's documentation has; the report prints them as the method annex."""


@dataclass(frozen=True, kw_only=True)
class LaterRounds:
    """Upper bounds on what a check asks after its first round, for ``plan``."""

    scored_texts: int = 0
    state_texts: int = 0
    attributed_texts: int = 0


@dataclass(frozen=True, kw_only=True)
class Example:
    """A toy audit with a known answer: a planted signal to find, or noise that must not be found.

    ``model`` answers requests without a neural network (see ``audit.checks._toy``).
    """

    name: str
    params: Mapping[str, Any]
    data: Dataset
    decision: Decision
    model: Any
    criteria: tuple[Criterion, ...] = ()
    verdict: Verdict | None = None
    """Expected once the criteria are judged; None where only ``holds`` is asked."""
    holds: Callable[[Finding], bool] | None = None


@dataclass(frozen=True, kw_only=True)
class CheckType:
    """A kind of check that a policy may name."""

    name: str
    version: str
    title: str
    metrics: tuple[Metric, ...]
    params: type[BaseModel]
    problems: Callable[[Any, Dataset, Decision], tuple[ParamProblem, ...]]
    """What is wrong with the parameters given this data; called before anything runs."""
    judgeable: Callable[[Any], frozenset[str]]
    """Names of the metrics that may carry a criterion under these parameters."""
    run: Callable[[Any, Dataset, Decision, np.random.Generator], CheckRun]
    later_rounds: Callable[[Any, Dataset], LaterRounds]
    method: Mapping[str, str]
    examples: Callable[[], tuple[Example, ...]]

    def metric(self, name: str) -> Metric:
        """Return one metric by name.

        Raises
        ------
        KeyError
            When the check has no such metric.
        """
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise KeyError(name)


class BrokenCheck(RuntimeError):  # noqa: N818 - the name says what it is
    """A check module that cannot be used; never skipped."""


@cache
def check_types() -> Mapping[str, CheckType]:
    """Return every check type by name.

    Raises
    ------
    BrokenCheck
        When one of them cannot be imported or lacks a required part.
    """
    found: dict[str, CheckType] = {}
    package = importlib.import_module("audit.checks")
    names = [f"audit.checks.{m.name}" for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_")]
    names += [point.value for point in entry_points(group="inspectoscope.checks")]
    for name in names:
        try:
            check = _check_type(importlib.import_module(name))
        except Exception as error:
            raise BrokenCheck(f"the check module {name} cannot be used: {error}") from error
        if check.name in found:
            raise BrokenCheck(f"two check modules call themselves {check.name!r}; the second is {name}")
        found[check.name] = check
    return dict(sorted(found.items()))


def _check_type(module: ModuleType) -> CheckType:
    return CheckType(
        name=module.NAME,
        version=module.VERSION,
        title=module.TITLE,
        metrics=module.METRICS,
        params=module.Params,
        problems=module.problems,
        judgeable=module.judgeable,
        run=module.run,
        later_rounds=module.later_rounds,
        method=sections(module.__doc__ or ""),
        examples=module.examples,
    )


def sections(doc: str) -> dict[str, str]:
    """Split a check's docstring into its sections.

    Raises
    ------
    ValueError
        When a required section is missing or empty.
    """
    pieces = re.split(r"^([^\n]+)\n-{3,}\n", doc, flags=re.MULTILINE)
    found = {title.strip(): body.strip() for title, body in zip(pieces[1::2], pieces[2::2], strict=True)}
    if missing := [title for title in SECTIONS if not found.get(title)]:
        raise ValueError(f"its documentation lacks {', '.join(missing)}")
    return {"": pieces[0].strip()} | found
