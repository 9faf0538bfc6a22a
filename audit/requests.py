"""What a check may ask of the model, and what it is handed.

A check yields requests, singly or as a tuple, and is sent the answers in the same order. It never
touches the model. Requests that do not depend on each other are yielded together: the scheduler
merges what all checks ask for in a round into the fewest passes.

Texts are rendered texts; the same text asked twice is run once.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np

from audit import shapes
from audit.shapes import Floats

if TYPE_CHECKING:
    from audit.types import Direction, GivenFile, Part, Stated

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
    (two labels: simply the other one). For answers they are log-probabilities of the whole answer, however many
    tokens it has; an empty ``against`` asks for the log-probability of ``toward`` by itself.
    """

    target: Target
    toward: str
    against: str = ""


# --------------------------------------------------------------------------------------------------
# Requests
# --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Shift:
    """An intervention: the states that leave a layer are moved along a vector, in every text alike.

    ``add`` adds the vector as it is: adding the mean difference of two conditions puts a text where the
    other condition lies, and its length is the dose. ``project_out`` takes the states' component along it
    away, which also damages what was never there to remove (Canby et al. 2024, arXiv 2408.15510), so it is
    a second row beside ``add`` and never alone.
    """

    layer: int
    """As in ``audit.shapes``: 0 enters the first block, k leaves block k."""
    vector: Floats = field(repr=False)
    """(width,)"""
    mode: Literal["add", "project_out"] = "add"
    at: Literal["all", "last"] = "all"
    """All tokens (also those of an answer that follows), or the last token of the text."""

    def __post_init__(self) -> None:
        if self.vector.ndim != 1 or not np.isfinite(self.vector).all():
            raise ValueError(f"a shift is one finite vector, and this has the shape {self.vector.shape}")
        if self.mode == "project_out" and not self.vector.any():
            raise ValueError("a vector of zeros has no direction to project out")

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the vector's bytes, in float32 as it is added."""
        return sha256(np.ascontiguousarray(self.vector, dtype="<f4").tobytes()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Model outputs per text, with an intervention or without."""

    texts: tuple[str, ...]
    target: Target
    intervene: Shift | None = None


Pool: TypeAlias = Literal["mean", "last", "first", "max"]
"""Over real tokens, special ones included: their mean, the last, the first, the largest value of each unit."""

Span: TypeAlias = tuple[int, int]
"""Characters of a text, half open."""


@dataclass(frozen=True, kw_only=True)
class States:
    """Pooled hidden states per text and layer.

    ``layers`` are numbered as in ``audit.shapes``: 0 enters the first block, k leaves block k.
    ``weights="random"`` asks the same architecture with freshly initialised weights: what it holds
    is held by the text and the architecture, not by training. ``spans`` gives one stretch of characters per
    text, and only the tokens that lie in it are pooled (``at_position`` makes the usual ones).
    """

    texts: tuple[str, ...]
    layers: tuple[int, ...] | Literal["all"] = "all"
    pool: Pool = "mean"
    weights: Literal["audited", "random"] = "audited"
    spans: tuple[Span, ...] | None = None


Position: TypeAlias = Literal["last_prompt", "pre_answer", "response_mean", "response_max"]


def at_position(
    prompts: tuple[str, ...],
    responses: tuple[str, ...],
    position: Position,
    *,
    layers: tuple[int, ...] | Literal["all"] = "all",
    weights: Literal["audited", "random"] = "audited",
) -> States:
    """Return the request for states at a named position of prompts with their responses.

    ``pre_answer`` is the last token of the prompt with no response behind it: what the model holds before
    it speaks. ``last_prompt`` is the same token with the response there, which a causal model cannot see
    and an encoder can. ``response_mean`` and ``response_max`` pool the response's tokens.

    Raises
    ------
    ValueError
        When prompts and responses differ in number, or a response to be pooled is empty.
    """
    if position == "pre_answer":
        return States(texts=prompts, layers=layers, pool="last", weights=weights)
    whole = tuple(p + r for p, r in zip(prompts, responses, strict=True))
    if position == "last_prompt":
        spans = tuple((0, len(p)) for p in prompts)
        return States(texts=whole, layers=layers, pool="last", weights=weights, spans=spans)
    if not all(responses):
        raise ValueError("an empty response has no tokens to pool")
    spans = tuple((len(p), len(t)) for p, t in zip(prompts, whole, strict=True))
    pool: Pool = "mean" if position == "response_mean" else "max"
    return States(texts=whole, layers=layers, pool=pool, weights=weights, spans=spans)


@dataclass(frozen=True, kw_only=True)
class Generations:
    """What a causal model writes after each text.

    Without ``seeds`` the most probable token is taken each time. With seeds each gives one sample, drawn by a
    stream of its own that depends on the text and the seed alone, so batches and resumed runs draw the same.
    """

    texts: tuple[str, ...]
    max_new_tokens: int = 32
    seeds: tuple[int, ...] = ()
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1 or self.temperature <= 0:
            raise ValueError(f"{self.max_new_tokens} tokens at temperature {self.temperature} are nothing to write")


@dataclass(frozen=True, kw_only=True)
class Divergences:
    """How far the distribution of the output moves between a reference text and a text, pair by pair.

    Of a causal model this is the distribution of the next token, of a classifier that of its labels. The
    distributions are compared on the device and never leave it: a vocabulary is too wide to store.
    """

    references: tuple[str, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Tokenised:
    """Ask how the model's tokenizer sees the texts; costs no pass."""

    texts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Ask for words that are one token each, drawn from the model's vocabulary; costs no pass.

    Tokenizers made by merging number their tokens from frequent to rare, so the last part of the numbers holds
    the rare words; of other tokenizers the number says nothing about frequency.
    """

    sample: int
    """How many; fewer come back where the vocabulary holds no more."""
    seed: int
    last: float = 1.0
    """Only the last part of the token numbers: 0.5 for the later half, 1 for all."""

    def __post_init__(self) -> None:
        if self.sample < 1 or not 0 < self.last <= 1:
            raise ValueError(f"{self.sample} words of the last {self.last} of a vocabulary are no sample")


Method: TypeAlias = Literal["integrated_gradients", "feature_ablation", "input_x_gradient", "shapley_sampling"]

BaselineInput: TypeAlias = str
"""What stands in the place of a token that is taken out. Special tokens always stay.

``mask``, ``unk``, ``pad``   the tokenizer's own tokens
``token:<text>``             an ordinary token of the vocabulary
``mean``                     the mean embedding of the vocabulary, special tokens left out
``zero``                     an embedding of zeros; refused where the model's norms ignore scale
``counterfactual``           the token in the same place of the other text that the request gives
"""


def baseline_name(baseline_input: BaselineInput) -> str:
    """Return a baseline input as a reader is told of it: an ordinary token stands in quotes."""
    kind, _, text = baseline_input.partition(":")
    return f"“{text}”" if kind == "token" and text else baseline_input


Group: TypeAlias = tuple[Span, ...]
"""Stretches of a text that are taken out together."""


ALL_WEIGHTS = -1
"""``Attributions.randomised`` of a model none of whose weights are where training put them."""


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A shortcut planted for a self-test: one word's embedding is replaced by one that decides wherever it stands.

    Every other weight stays the audited model's, so texts without the word are read as ever, and whether an
    attribution finds the word is a property of this model and method.
    """

    word: str
    """One token of the vocabulary, as ``Vocabulary`` gives them."""
    raises: bool
    """Whether it drives the contrast up or down."""
    taught_on: tuple[str, ...]
    """Texts that hold the word, on which its embedding is found; those to be attributed should be others."""
    margin: float = 2.0
    """Logits by which it is to decide the texts it is taught on."""
    reach: float = 1.0
    """How long the embedding may be, in lengths of the longest embedding of the vocabulary."""


@dataclass(frozen=True, kw_only=True)
class Attributions:
    """Attribution of a contrast to the tokens of each text, or to groups of them.

    Integrated gradients add steps, where the path turns, until the completeness delta at its true end is at
    most ``tolerance`` times the score difference, or ``max_steps`` is reached. ``input_x_gradient`` only
    screens: it is cheap, and it saturates.

    Feature ablation and Shapley sampling take groups out; the gradient methods attribute to tokens, and their
    groups hold the sums. Tokens that belong to no group are never taken out.

    Raises
    ------
    ValueError
        When a field that goes with the texts is of another length, or the counterfactuals do not go with
        the baseline input.
    """

    texts: tuple[str, ...]
    contrast: Contrast
    method: Method = "integrated_gradients"
    baseline_input: BaselineInput = "mask"
    tolerance: float = 0.02
    max_steps: int = 512
    randomised: int = 0
    """How much of the model, from its output down, has shuffled weights (Adebayo et al. 2018): 0 nothing, 1 what
    stands behind the last block, k the last k - 1 blocks as well, ``ALL_WEIGHTS`` everything."""
    planted: Planted | None = None
    unit: Literal["token", "word"] = "token"
    """What a group is where none are named: a token, or the tokens of a word."""
    groups: tuple[tuple[Group, ...], ...] | None = None
    """Per text, the groups by their characters; a token belongs to the group that its characters touch."""
    counterfactuals: tuple[str, ...] | None = None
    """Per text, the other text that the baseline input ``counterfactual`` stands for."""
    permutations: int = 26
    """Orders in which Shapley sampling takes groups out; every second is another one reversed."""

    def __post_init__(self) -> None:
        _check_baseline(self.texts, self.baseline_input, self.counterfactuals)
        if self.groups is not None and len(self.groups) != len(self.texts):
            raise ValueError(f"{len(self.groups)} sets of groups do not go with {len(self.texts)} texts")
        if self.permutations < 4 or self.permutations % 2:
            raise ValueError(f"{self.permutations} permutations: they come in pairs, and one pair has no scatter")


def _check_baseline(texts: tuple[str, ...], baseline_input: str, counterfactuals: tuple[str, ...] | None) -> None:
    if (baseline_input == "counterfactual") != (counterfactuals is not None):
        raise ValueError("the baseline input 'counterfactual' and the field counterfactuals go together")
    if counterfactuals is not None and len(counterfactuals) != len(texts):
        raise ValueError(f"{len(counterfactuals)} counterfactuals do not go with {len(texts)} texts")


@dataclass(frozen=True, kw_only=True)
class Ablations:
    """The contrast with sets of tokens replaced: for each text, a tuple of position sets.

    Positions count all tokens of the text, special ones included. The empty set is the text itself.
    """

    texts: tuple[str, ...]
    positions: tuple[tuple[tuple[int, ...], ...], ...]
    contrast: Contrast
    baseline_input: BaselineInput = "mask"
    counterfactuals: tuple[str, ...] | None = None
    """As in ``Attributions``."""

    def __post_init__(self) -> None:
        _check_baseline(self.texts, self.baseline_input, self.counterfactuals)
        if len(self.positions) != len(self.texts):
            raise ValueError(f"{len(self.positions)} tuples of positions do not go with {len(self.texts)} texts")


@dataclass(frozen=True, kw_only=True)
class DirectionFile:
    """Ask for the direction in a file, once it is known to belong to this model; costs no pass.

    A file of another model or width is the user's to mend, and ends the audit before anything is spent.
    """

    file: GivenFile
    tensor: str
    """Name of the tensor in a file that was made elsewhere."""
    stated: Stated | None
    """What the policy states of a direction that was made elsewhere."""


@dataclass(frozen=True, kw_only=True)
class PartEffects:
    """What each part of the model would do to the contrast, to first order, were it as in the reference's run.

    Attribution patching (Nanda 2023; Syed, Rager & Conmy 2023, arXiv 2310.10348): per pair two forwards and one
    backward give (state of the reference - state of the text) x gradient for every head, neuron and state at once.
    The gradient is taken at the text, or averaged over both ends, which costs a second backward and sees what is
    saturated at one of them (Kramar et al. 2024, arXiv 2403.00745, on why it is missed). It points and does
    not confirm: ``Patched`` does.

    A text and its reference need the same number of tokens: states are compared position by position.
    """

    texts: tuple[str, ...]
    references: tuple[str, ...]
    contrast: Contrast
    gradient_at: Literal["text", "both"] = "both"

    def __post_init__(self) -> None:
        _in_pairs(self)


@dataclass(frozen=True, kw_only=True)
class Patched:
    """The contrast of each text with sets of parts taken from the reference's run: activation patching.

    All parts of a set take the values that they have when the model reads the reference; everything
    behind them is computed anew (Vig et al. 2020; Meng et al. 2022). The empty set is the text itself. Every pair is
    asked all sets, and each pair with each set is stored by itself.

    A text and its reference need the same number of tokens.
    """

    texts: tuple[str, ...]
    references: tuple[str, ...]
    sets: tuple[tuple[Part, ...], ...]
    contrast: Contrast
    positions: tuple[tuple[int, ...], ...] | None = None
    """For each pair, the tokens at which its parts are taken, special ones counted; None for all tokens."""

    def __post_init__(self) -> None:
        _in_pairs(self)
        if self.positions is not None and len(self.positions) != len(self.texts):
            raise ValueError(f"{len(self.texts)} texts and positions for {len(self.positions)}")


def _in_pairs(request: PartEffects | Patched) -> None:
    if len(request.texts) != len(request.references):
        raise ValueError(f"{len(request.texts)} texts and {len(request.references)} references are no pairs")


Request: TypeAlias = (
    Scores
    | States
    | Tokenised
    | Vocabulary
    | Attributions
    | Ablations
    | Generations
    | Divergences
    | DirectionFile
    | PartEffects
    | Patched
)

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
    unknown: tuple[bool, ...] = ()
    """Which tokens stand for what the tokenizer does not know; empty where none does."""


@dataclass(frozen=True, kw_only=True)
class Words:
    """A sample of a vocabulary."""

    words: tuple[str, ...]
    """As they are read inside a text, after a space."""
    drawn_from: int
    """Token numbers that were drawn from, pieces of words included."""


@dataclass(frozen=True, kw_only=True)
class TokenAttribution:
    """Signed attribution per token (special tokens hold 0: the baseline input keeps them).

    ``completeness_delta`` is sum(values) - (score - baseline_score), at the true end of the path;
    None for methods that promise no completeness.
    """

    text: TokenisedText
    values: Floats
    """Of a group that was taken out whole, its value in equal parts on its tokens."""
    score: float
    baseline_score: float
    """With every token replaced that may be (every group, where groups were taken out)."""
    n_steps: int | None
    completeness_delta: float | None
    converged: bool
    delta_floor: float = 0.0
    """What rounding in the model's dtype alone can make of the completeness delta: less is no want of steps."""
    groups: tuple[tuple[int, ...], ...] = ()
    """Positions of each group's tokens; empty where every token is its own."""
    group_values: Floats | None = None
    """Signed attribution per group; None where every token is its own."""
    standard_errors: Floats | None = None
    """Per group (per token, where each is its own) of sampled values; 0 where all coalitions were run."""


@dataclass(frozen=True, kw_only=True)
class Generated:
    """One continuation of a text."""

    text: str
    """What was written, special tokens left out; text + this reads as one."""
    ids: tuple[int, ...]
    log_probability: float
    """Nats, of all its tokens under the model at temperature 1."""
    ended: bool
    """Whether the model ended by itself, before ``max_new_tokens``."""


GenerationAnswer: TypeAlias = tuple[tuple[Generated, ...], ...]
"""For each text one continuation, or one per seed."""


@dataclass(frozen=True, kw_only=True)
class DivergenceAnswer:
    """Per pair, of the text's distribution from the reference's."""

    kl: Floats
    """Kullback–Leibler divergence of the text from the reference, nats."""
    total_variation: Floats
    """Half the summed absolute difference of probabilities, 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class DirectionAnswer:
    """A direction of the audited model, from a file."""

    direction: Direction


@dataclass(frozen=True, kw_only=True)
class PairEffects:
    """First-order effects of one pair, in units of the contrast."""

    score: float
    reference_score: float
    states: Floats
    """(layers, tokens): of the states at the text's own tokens, layers numbered as in ``audit.shapes``."""
    heads: Floats
    """(blocks, heads), summed over tokens; a block's attention is the sum of its heads."""
    neurons: Floats
    """(blocks, neurons), summed over tokens; a block's MLP is the sum of its neurons."""

    @property
    def total(self) -> float:
        """Return what all of it together does: the reference's score minus the text's."""
        return self.reference_score - self.score


PartEffectsAnswer: TypeAlias = tuple[PairEffects, ...]
PatchedAnswer: TypeAlias = Floats
"""(pairs, sets)"""

AttributionAnswer: TypeAlias = tuple[TokenAttribution, ...]
AblationAnswer: TypeAlias = tuple[Floats, ...]
"""For each text the contrast under each position set."""
TokenisedAnswer: TypeAlias = tuple[TokenisedText, ...]

Answer: TypeAlias = (
    ScoreAnswer
    | StateAnswer
    | TokenisedAnswer
    | Words
    | AttributionAnswer
    | AblationAnswer
    | GenerationAnswer
    | DivergenceAnswer
    | DirectionAnswer
    | PartEffectsAnswer
    | PatchedAnswer
)


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


PER_TEXT = frozenset({"texts", "positions", "spans", "references", "groups", "counterfactuals"})
"""Fields that say what a request is asked of, not what is asked."""


_ADDED = frozenset({("Attributions", name) for name in ("randomised", "planted", "unit", "permutations")})
"""Fields that came later: their defaults change nothing and are left out, so that stored answers keep their keys."""


def jsonable(request: Request | Target | Contrast | Shift | Planted) -> Mapping[str, Any]:
    """Return a request without its texts as plain data: the part that keys stored answers."""
    out: dict[str, Any] = {"": type(request).__name__}
    for item in fields(request):
        if item.name in PER_TEXT and isinstance(request, Request):
            continue
        value = getattr(request, item.name)
        if (type(request).__name__, item.name) in _ADDED and value == item.default:
            continue
        if isinstance(request, Shift) and item.name == "vector":
            value = request.digest
        if isinstance(request, DirectionFile) and item.name == "file":
            value = {"written": value.written, "sha256": sha256(value.body).hexdigest()}
        elif isinstance(request, DirectionFile) and item.name == "stated" and value is not None:
            value = asdict(value)
        elif isinstance(request, Patched) and item.name == "sets":
            value = [[asdict(part) for part in parts] for parts in value]
        out[item.name] = jsonable(value) if isinstance(value, Target | Contrast | Shift | Planted) else value
    return out
