"""What a check may ask of the model, and what it is handed.

A check yields requests, singly or as a tuple, and is sent the answers in the same order. It never
touches the model. Requests that do not depend on each other are yielded together: the scheduler
merges what all checks ask for in a round into the fewest passes.

Texts are rendered texts; the same text asked twice is run once.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from audit import shapes
from audit.shapes import Floats

# --------------------------------------------------------------------------------------------------
# Targets: which outputs
# --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ClassLogits:
    """The logits of a classifier, one column per label."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Log-probabilities of answer texts right after the text, one column per answer.

    The answer is appended as written, so it usually starts with a space.
    """

    texts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TextLikelihood:
    """Log-probability of the text itself: columns ``log_likelihood`` (nats, summed) and ``tokens``."""


Target: TypeAlias = ClassLogits | Answers | TextLikelihood


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """One number to explain: the output named ``toward`` minus the one named ``against``.

    For a classifier these are logits; an empty ``against`` stands for the log-sum-exp of all others
    (two labels: simply the other one). For answers they are log-probabilities.
    """

    target: Target
    toward: str
    against: str = ""


# --------------------------------------------------------------------------------------------------
# Requests
# --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Model outputs per text."""

    texts: tuple[str, ...]
    target: Target


Pool: TypeAlias = Literal["mean", "last", "first"]
"""Over all real tokens, special ones included; the last real token; the first token."""


@dataclass(frozen=True, kw_only=True)
class States:
    """Pooled hidden states per text and layer.

    ``layers`` are numbered as in ``audit.shapes``: 0 enters the first block, k leaves block k.
    ``weights="random"`` asks the same architecture with freshly initialised weights: what it holds
    is held by the text and the architecture, not by training.
    """

    texts: tuple[str, ...]
    layers: tuple[int, ...] | Literal["all"] = "all"
    pool: Pool = "mean"
    weights: Literal["audited", "random"] = "audited"


@dataclass(frozen=True, kw_only=True)
class Tokenised:
    """Ask how the model's tokenizer sees the texts; costs no pass."""

    texts: tuple[str, ...]


Method: TypeAlias = Literal["integrated_gradients", "feature_ablation", "input_x_gradient", "shapley_sampling"]

BaselineInput: TypeAlias = str
"""``mask``, ``unk``, ``pad``, or ``token:<text>`` for an ordinary token of the vocabulary."""


@dataclass(frozen=True, kw_only=True)
class Attributions:
    """Attribution of a contrast to the tokens of each text.

    Integrated gradients double their steps per text until the completeness delta at the true end of
    the path is at most ``tolerance`` times the score difference, or ``max_steps`` is reached.
    """

    texts: tuple[str, ...]
    contrast: Contrast
    method: Method = "integrated_gradients"
    baseline_input: BaselineInput = "mask"
    tolerance: float = 0.02
    max_steps: int = 512


@dataclass(frozen=True, kw_only=True)
class Ablations:
    """The contrast with sets of tokens replaced: for each text, a tuple of position sets.

    Positions count all tokens of the text, special ones included. The empty set is the text itself.
    """

    texts: tuple[str, ...]
    positions: tuple[tuple[tuple[int, ...], ...], ...]
    contrast: Contrast
    baseline_input: BaselineInput = "mask"


Request: TypeAlias = Scores | States | Tokenised | Attributions | Ablations

# --------------------------------------------------------------------------------------------------
# Answers
# --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ScoreAnswer:
    """Outputs (rows, options) and the names of the options."""

    values: Floats
    names: tuple[str, ...]
    link: Literal["softmax", "sigmoid", "log_probability"]
    """How a column becomes a probability."""


class StateAnswer(Protocol):
    """A lazy mapping from layer to states (rows, width): each access reads one layer from disk.

    Keep no more than one layer at a time and memory does not grow with the number of layers.
    """

    def __getitem__(self, layer: int) -> shapes.States: ...
    def __iter__(self) -> Iterator[int]: ...
    def __len__(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class TokenisedText:
    """Tokens of one text with their character spans (half open; empty for special tokens)."""

    ids: tuple[int, ...]
    tokens: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    special: tuple[bool, ...]


@dataclass(frozen=True, kw_only=True)
class TokenAttribution:
    """Signed attribution per token (special tokens hold 0: the baseline input keeps them).

    ``completeness_delta`` is sum(values) - (score - baseline_score), at the true end of the path;
    None for methods that promise no completeness.
    """

    text: TokenisedText
    values: Floats
    score: float
    baseline_score: float
    n_steps: int | None
    completeness_delta: float | None
    converged: bool


AttributionAnswer: TypeAlias = tuple[TokenAttribution, ...]
AblationAnswer: TypeAlias = tuple[Floats, ...]
"""For each text the contrast under each position set."""
TokenisedAnswer: TypeAlias = tuple[TokenisedText, ...]

Answer: TypeAlias = ScoreAnswer | StateAnswer | TokenisedAnswer | AttributionAnswer | AblationAnswer


CheckRun: TypeAlias = Generator[Request | tuple[Request, ...], Any, Any]
"""A running check: yields requests, is sent answers, returns a ``Finding`` or ``NotAssessed``."""


class CannotAnswer(Exception):  # noqa: N818 - named as a check reads it: the model cannot answer
    """Thrown into a check when its request has no usable answer (NaN scores, a refused baseline).

    A check may catch it where it can go on without that answer; uncaught, the check is not assessed
    with this message as its reason, and the other checks go on.
    """


def as_tuple(requests: Request | tuple[Request, ...]) -> tuple[Request, ...]:
    """Return what a check yielded as a tuple."""
    return requests if isinstance(requests, tuple) else (requests,)


def jsonable(request: Request | Target | Contrast) -> Mapping[str, Any]:
    """Return a request without its texts as plain data: the part that keys stored answers."""
    from dataclasses import fields

    out: dict[str, Any] = {"": type(request).__name__}
    for item in fields(request):
        if item.name in {"texts", "positions"} and isinstance(
            request, Scores | States | Tokenised | Attributions | Ablations
        ):
            continue
        value = getattr(request, item.name)
        out[item.name] = (
            jsonable(value) if isinstance(value, ClassLogits | Answers | TextLikelihood | Contrast) else value
        )
    return out
