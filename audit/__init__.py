"""Audits language models and text classifiers from the inside, and writes the evidence down.

import audit
record = audit.run("policy.yaml", model="path/to/model")
record.save("report.pdf")
audit.explain("policy.yaml", model="path/to/model", row=7).save("explanation.pdf")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audit.capture.model import LoadedModel
    from audit.explaining.cases import Case, Lost
    from audit.explaining.frame import Frame
    from audit.progress import Progress
    from audit.shown import ShownExplanation, ShownRecord
    from audit.types import Policy

__version__ = "0.1.0"
__all__ = ["__version__", "explain", "run"]


def run(
    policy: str | Path,
    *,
    model: Any,
    tokenizer: Any = None,
    set: Mapping[str, str] | None = None,  # noqa: A002 - the command line's word
    device: str = "auto",
    dtype: str = "auto",
    store: str | Path | None = None,
    fail_on: Sequence[str] = ("not_met", "not_assessed", "inconclusive"),
    provider: str | Path | None = None,
    progress: bool = True,
) -> ShownRecord:
    """Audit a model from Python and return the record, which shows itself in a notebook.

    Parameters
    ----------
    policy
        Path of a policy.
    model
        A folder, a hub id, or a loaded transformers model (then ``tokenizer`` is needed too, and the
        model's digest is taken from its tensors).
    set
        Overrides by key, as with ``--set``.
    provider
        File of facts that the provider states, as with ``--provider``.

    Raises
    ------
    audit.errors.UserError
        When the policy, the data, the model or the environment cannot be used.
    """
    from audit import pipeline
    from audit.shown import ShownRecord

    options = pipeline.Options(
        overrides=_overrides(set),
        fail_on=pipeline.stopping(fail_on, where="fail_on"),
        store=_path(store),
        provider=_path(provider),
    )
    with _lent(model, tokenizer, device, dtype, "run") as load:
        record = pipeline.run(Path(policy), load, options, progress=_progress(progress))
    return ShownRecord.model_construct(**dict(record))


def explain(
    policy: str | Path,
    *,
    model: Any,
    row: int | None = None,
    text: str | None = None,
    tokenizer: Any = None,
    template: str | None = None,
    data: str | None = None,
    allow: Sequence[str] | None = None,
    margin: float | None = None,
    set: Mapping[str, str] | None = None,  # noqa: A002 - the command line's word
    device: str = "auto",
    dtype: str = "auto",
    store: str | Path | None = None,
    provider: str | Path | None = None,
    progress: bool = True,
) -> ShownExplanation:
    """Explain one decision from Python: why it was made, and what would have turned it.

    Parameters
    ----------
    policy, model, tokenizer, set, provider
        As in ``run``.
    row, text
        What was decided about: a row of the policy's data, as reports number them, or a text. One of the two.
    template
        credit_decision, medical_triage or general; by default what the policy says.
    allow
        Fields that may be changed to turn the decision; by default what the policy says.
    margin
        Log-odds that an effect must exceed to be spoken of; by default what the policy says.

    Raises
    ------
    audit.errors.UserError
        When the policy, the data, the model or the case cannot be used.
    """
    from audit.explaining import run
    from audit.explaining.frame import Wish, template_of
    from audit.shown import ShownExplanation

    chosen = _one_case(row, text)
    wish = Wish(
        template=None if template is None else template_of(template),
        data=data,
        allow=None if allow is None else tuple(allow),
        margin=margin,
    )
    options = run.Options(overrides=_overrides(set), provider=_path(provider), store=_path(store), wish=wish)
    found: list[Any] = []
    with _lent(model, tokenizer, device, dtype, "explain") as load:
        run.explain(Path(policy), load, chosen, options, found.append, progress=_progress(progress))
    return ShownExplanation.model_construct(**dict(found[0]))


def _one_case(row: int | None, text: str | None) -> Callable[[Frame], Sequence[Case | Lost]]:
    """Return what finds the case, once the policy and its data are read."""
    from audit.errors import user_error
    from audit.explaining import cases

    if text is not None and row is None:
        return lambda _: [cases.of_text(text)]
    if row is not None and text is None:
        return lambda frame: [cases.of_row(row, frame)]
    raise user_error(
        "It is not clear what is to be explained",
        where="audit.explain",
        found="no case" if row is None else "row and text",
        expected="one of row=N and text=TEXT",
    )


def _overrides(by_key: Mapping[str, str] | None) -> tuple[str, ...]:
    """Return overrides as the command line writes them."""
    return tuple(f"{key}={value}" for key, value in (by_key or {}).items())


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)


def _progress(shown: bool) -> Progress:
    from audit.progress import Silent
    from audit.terminal import progress

    return progress() if shown else Silent()


@contextmanager
def _lent(model: Any, tokenizer: Any, device: str, dtype: str, verb: str) -> Iterator[Callable[[Policy], LoadedModel]]:
    """Yield what opens the model once the policy says what it is for; one that is lent goes back as it came."""
    from audit.capture.model import Switches, adopt, left_as_found, open_model
    from audit.errors import user_error

    if isinstance(model, str | Path):
        yield lambda read: open_model(str(model), read.task, Switches(device=device, dtype=dtype))
        return

    def load(read: Policy) -> LoadedModel:
        if tokenizer is None:
            raise user_error(
                "The model has no tokenizer",
                where=f"audit.{verb}(model=...)",
                found=f"a loaded {type(model).__name__} without a tokenizer",
                expected=f"audit.{verb}(policy, model=model, tokenizer=tokenizer)",
            )
        return adopt(model, tokenizer, read.task)

    with left_as_found(model):
        yield load
