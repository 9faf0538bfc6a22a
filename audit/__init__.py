"""Audits language models and text classifiers from the inside, and writes the evidence down.

import audit
record = audit.run("policy.yaml", model="path/to/model")
record.save("report.pdf")
audit.explain("policy.yaml", model="path/to/model", row=7).save("explanation.pdf")
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audit.capture.model import LoadedModel
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
    from contextlib import nullcontext

    from audit import pipeline
    from audit.capture.model import left_as_found
    from audit.progress import Silent
    from audit.shown import ShownRecord
    from audit.terminal import progress as shown

    options = pipeline.Options(
        overrides=tuple(f"{key}={value}" for key, value in (set or {}).items()),
        fail_on=pipeline.stopping(fail_on, where="fail_on"),
        store=None if store is None else Path(store),
        provider=None if provider is None else Path(provider),
    )
    load = _loader(model, tokenizer, device, dtype, "run")
    with nullcontext() if isinstance(model, str | Path) else left_as_found(model):
        record = pipeline.run(Path(policy), load, options, progress=shown() if progress else Silent())
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
    from contextlib import nullcontext

    from audit.capture.model import left_as_found
    from audit.errors import user_error
    from audit.explaining import cases, run
    from audit.explaining.frame import Frame, Wish, template_of
    from audit.progress import Silent
    from audit.shown import ShownExplanation
    from audit.terminal import progress as shown

    if (row is None) == (text is None):
        raise user_error(
            "It is not clear what is to be explained",
            where="audit.explain",
            found="no case" if row is None else "row and text",
            expected="one of row=N and text=TEXT",
        )

    def chosen(frame: Frame) -> list[cases.Case | cases.Lost]:
        return [cases.of_text(text or "") if row is None else cases.of_row(row, frame)]

    options = run.Options(
        overrides=tuple(f"{key}={value}" for key, value in (set or {}).items()),
        provider=None if provider is None else Path(provider),
        store=None if store is None else Path(store),
        wish=Wish(
            template=None if template is None else template_of(template),
            data=data,
            allow=None if allow is None else tuple(allow),
            margin=margin,
        ),
    )
    found: list[Any] = []
    load = _loader(model, tokenizer, device, dtype, "explain")
    with nullcontext() if isinstance(model, str | Path) else left_as_found(model):
        run.explain(Path(policy), load, chosen, options, found.append, progress=shown() if progress else Silent())
    return ShownExplanation.model_construct(**dict(found[0]))


def _loader(model: Any, tokenizer: Any, device: str, dtype: str, verb: str) -> Callable[[Policy], LoadedModel]:
    """Return what opens the model once the policy says what it is for."""
    from audit.capture.model import Switches, adopt, open_model
    from audit.errors import user_error

    def load(read: Policy) -> LoadedModel:
        if isinstance(model, str | Path):
            return open_model(str(model), read.task, Switches(device=device, dtype=dtype))
        if tokenizer is None:
            raise user_error(
                "The model has no tokenizer",
                where=f"audit.{verb}(model=...)",
                found=f"a loaded {type(model).__name__} without a tokenizer",
                expected=f"audit.{verb}(policy, model=model, tokenizer=tokenizer)",
            )
        return adopt(model, tokenizer, read.task)

    return load
