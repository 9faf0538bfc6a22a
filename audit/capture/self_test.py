"""Before a model is trusted in batches: does it answer in a batch what it answers alone?

Padding that leaks into positions, masks or pooling mispredicts silently, every text shorter than the
longest one. The test runs a handful of the audit's own texts both ways, once per context.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from audit.capture.executors.local import LocalExecutor
from audit.capture.passes import WHOLE, Brought, Wanted
from audit.capture.store import write_whole
from audit.capture.tokens import TokenIds, answer_ids, token_ids
from audit.errors import user_error

_TEXTS = 4
_ALLOWED = {"float32": 1e-3, "float64": 1e-6}
_ALLOWED_HALF = 5e-2


def self_test(executor: LocalExecutor, texts: Sequence[str], wanted: Wanted, folder: Path) -> str:
    """Compare a batch with its rows run alone; return what was compared, in words.

    Parameters
    ----------
    texts
        The audit's texts; some are taken, and halves of them, so that lengths surely differ.
    wanted
        The outputs that the audit will ask for; states of all layers are added.
    folder
        The context's folder of the store: a passed test is remembered there.

    Raises
    ------
    UserError
        When the answers differ by more than rounding.
    """
    done = folder / "self_test.json"
    asked = json.dumps([*sorted(map(list, wanted.answers)), wanted.class_logits, wanted.likelihood])
    if done.is_file():
        remembered = json.loads(done.read_text(encoding="utf-8"))
        if asked in remembered:
            return str(remembered[asked])
    else:
        remembered = {}
    layers = tuple(range(len(executor.loaded.parts.blocks) + 1))
    wanted = wanted | Wanted(pools=frozenset({("mean", WHOLE), ("last", WHOLE)}), layers=layers)
    rows, answers = _rows(executor, texts, wanted)
    together = executor.forward(rows, wanted, answers)
    apart = executor.forward(rows[:1], wanted, {k: v[:1] for k, v in answers.items()})
    for i in range(1, len(rows)):
        apart = apart.joined(executor.forward(rows[i : i + 1], wanted, {k: v[i : i + 1] for k, v in answers.items()}))
    outputs, states = _apart(together, apart)
    allowed = _ALLOWED.get(str(executor.loaded.dtype).removeprefix("torch."), _ALLOWED_HALF)
    # A comparison with NaN is false, and a model that answers NaN is dealt with where its scores are read.
    if max(outputs, states) > allowed:
        raise user_error(
            "The model answers differently in a batch and alone",
            where=executor.loaded.name,
            found=f"outputs differ by {outputs:.2g} and states by {states:.2g} of their size",
            expected=f"at most {allowed:g}",
            do="this architecture treats padding as text; batches would be measured wrongly, so none are",
        )
    said = (
        f"{len(rows)} texts run in one batch and alone: outputs differ by at most {outputs:.1e}, "
        f"states by at most {states:.1e} of their size (allowed: {allowed:g})"
    )
    write_whole(done, json.dumps({**remembered, asked: said}, indent=1))
    return said


def _rows(
    executor: LocalExecutor, texts: Sequence[str], wanted: Wanted
) -> tuple[list[TokenIds], Mapping[tuple[str, ...], Sequence[Sequence[TokenIds]]]]:
    ordered = sorted(set(texts), key=lambda t: (len(t), t))
    picked = [ordered[i] for i in np.unique(np.linspace(0, len(ordered) - 1, _TEXTS).astype(int))]
    halves = [" ".join(t.split()[: max(1, len(t.split()) // 2)]) for t in picked]
    texts = list(dict.fromkeys(t for t in picked + halves if t))
    ids = token_ids(executor.loaded, texts)
    answers = {
        options: [[answer_ids(executor.loaded, t, option, ids[t]) for option in options] for t in texts]
        for options in wanted.answers
    }
    return [ids[t] for t in texts], answers


def _apart(a: Brought, b: Brought) -> tuple[float, float]:
    """Return the largest relative differences of outputs and of states."""
    outputs = [(a.class_logits, b.class_logits), (a.likelihood, b.likelihood)]
    outputs += [(a.answers[k], b.answers[k]) for k in a.answers]
    states = [(a.states[k], b.states[k]) for k in a.states]
    return _largest(outputs), _largest(states)


def _largest(pairs: Sequence[tuple[object, object]]) -> float:
    worst = 0.0
    for a, b in pairs:
        if a is None or b is None:
            continue
        x, y = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
        scale = float(np.abs(x).max()) or 1.0
        worst = max(worst, float(np.abs(x - y).max()) / scale)
    return worst
