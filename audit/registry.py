"""Finds the checks: one file each in ``audit/checks``, a module named by an entry point, or a file of the user's own.

A check module has a docstring in fixed sections, ``NAME``, ``VERSION``, ``TITLE``, ``METRICS``,
``Params`` (pydantic), ``problems``, ``judgeable``, ``run``, ``later_rounds`` and ``examples``. A module
that cannot be imported, or lacks a part, stops the run: an audit that skips silently is worse than none.

A file of the user's own is named on the command line and nowhere else: it is run, so no policy may name one.
"""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from pydantic import BaseModel

from audit.errors import Problem, UserError
from audit.requests import CheckRun
from audit.types import Criterion, Dataset, Decision, Finding, Metric, ParamProblem, Place, Recipe, Verdict

SECTIONS = ("What it measures", "Why it matters", "What it cannot show", "Validity checks", "References")
"""Headings that every check's documentation has; the report prints them as the method annex."""

PARTS = ("NAME", "VERSION", "TITLE", "METRICS", "Params", "problems", "judgeable", "run", "later_rounds", "examples")
"""What a check module has beside its documentation."""

ENTRY_POINTS = "inspectoscope.checks"
"""Group under which other distributions name their check modules."""


LARGEST_MODULE = 1 << 20
"""Bytes of a check's file."""

_OWN_FILES: ContextVar[tuple[Path, ...]] = ContextVar("own check files", default=())
"""Set once, by the command line, before anything asks for the checks."""


@dataclass(frozen=True, kw_only=True)
class LaterRounds:
    """Upper bounds on what a check asks after its first round, for ``plan``."""

    scored_texts: int = 0
    state_texts: int = 0
    attributed_texts: int = 0


def asks_once(params: BaseModel, data: Dataset) -> LaterRounds:
    """Return that nothing follows the first round: ``later_rounds`` of a check that asks once."""
    del params, data
    return LaterRounds()


def judges(metrics: tuple[Metric, ...]) -> Callable[[BaseModel], frozenset[str]]:
    """Return a ``judgeable`` that does not depend on parameters: every metric that is not descriptive."""
    named = frozenset(metric.name for metric in metrics if not metric.descriptive)
    return lambda _params: named


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
    binds: frozenset[str] = frozenset()
    """Parameters that say where in the data something is, and not how it is measured (optional ``BINDS``)."""
    plant: Recipe | None = None
    """How an effect of known size is planted for it to find (optional): see ``audit.types.spikes``."""

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


class BrokenCheck(UserError):  # noqa: N818 - the name says what it is
    """A check module that cannot be used; never skipped."""


@cache
def check_types() -> Mapping[str, CheckType]:
    """Return every check type by name.

    Raises
    ------
    BrokenCheck
        When one of them cannot be imported, lacks a required part or takes another's name.
    """
    found: dict[str, CheckType] = {}
    modules: dict[str, str] = {}
    for module, brought_by, check in _every():
        if check.name in found:
            raise _broken(
                module,
                found=f"the name {check.name!r}, which {modules[check.name]} already has",
                expected="a name of its own for every check",
                do=f"uninstall or rename one of them; this one is brought by {brought_by}",
            )
        found[check.name], modules[check.name] = check, module
    return dict(sorted(found.items()))


def use_files(files: Sequence[Path]) -> None:
    """Let checks be found in files of the user's own too: Python code, run as it is once checks are asked for."""
    if tuple(files) != _OWN_FILES.get():
        _OWN_FILES.set(tuple(files))
        check_types.cache_clear()


def _every() -> Iterator[tuple[str, str, CheckType]]:
    """Yield every check with its module and with what brings it."""
    for module, brought_by in _modules():
        yield module, brought_by, _check_type(module, brought_by)
    for path in _OWN_FILES.get():
        yield str(path), str(path), _of_file(path)


def _modules() -> Iterator[tuple[str, str]]:
    """Name the module of every check, ours first, and the distribution that brings it."""
    package = importlib.import_module("audit.checks")
    for module in pkgutil.iter_modules(package.__path__):
        if not module.name.startswith("_"):
            yield f"audit.checks.{module.name}", "inspectoscope"
    for point in entry_points(group=ENTRY_POINTS):
        yield point.value, point.dist.name if point.dist else "an unnamed distribution"


def _check_type(name: str, brought_by: str) -> CheckType:
    do = f"mend it, or uninstall the distribution that brings it: {brought_by}"
    try:
        module = importlib.import_module(name)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        raise _broken(name, found=f"it cannot be imported ({said})", expected="an importable module", do=do) from error
    return _described(module, name, do)


def _of_file(path: Path) -> CheckType:
    """Return the check in a file; its version carries the file's digest, since nothing else tells two texts apart."""
    do = "mend it, or leave --check-module out"
    try:
        with path.open("rb") as stream:
            raw = stream.read(LARGEST_MODULE + 1)
    except (OSError, ValueError) as error:
        said = (getattr(error, "strerror", "") or str(error)).lower()
        raise _broken(str(path), found=said, expected="a file with Python code", do=do) from error
    if len(raw) > LARGEST_MODULE:
        raise _broken(str(path), found="more than 1 MiB", expected="the code of one check", do=do)
    digest = hashlib.sha256(raw).hexdigest()
    module = ModuleType(f"inspectoscope_check_{digest[:16]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses and pydantic look up annotations there
    try:
        exec(compile(raw, str(path), "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - asked for by name
    except Exception as error:
        del sys.modules[module.__name__]
        said = f"{type(error).__name__}: {error}"
        raise _broken(
            _line_of(error, path), found=f"it cannot be run ({said})", expected="code that runs", do=do
        ) from error
    found = _described(module, str(path), do)
    return replace(found, version=f"{found.version}+{digest[:12]}")


def _line_of(error: Exception, path: Path) -> Place | str:
    """Return the last line of a file that an error passed through."""
    if isinstance(error, SyntaxError) and error.filename == str(path) and error.lineno:
        return Place(path=str(path), line=error.lineno, column=error.offset or 1)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return Place(path=str(path), line=lines[-1] or 1) if lines else str(path)


def _described(module: ModuleType, name: str, do: str) -> CheckType:
    """Return what a module says of its check."""
    if lacking := [part for part in PARTS if not hasattr(module, part)]:
        raise _broken(name, found=f"it lacks {', '.join(lacking)}", expected=f"a module with {', '.join(PARTS)}", do=do)
    try:
        method = sections(module.__doc__ or "")
    except ValueError as error:
        raise _broken(name, found=str(error), expected=f"the sections {', '.join(SECTIONS)}", do=do) from error
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
        method=method,
        examples=module.examples,
        binds=frozenset(getattr(module, "BINDS", ())),
        plant=getattr(module, "plant", None),
    )


def _broken(module: Place | str, *, found: str, expected: str, do: str) -> BrokenCheck:
    return BrokenCheck("A check module cannot be used", [Problem(where=module, found=found, expected=expected, do=do)])


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
