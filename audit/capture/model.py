"""Opening a model: what is refused, and what every pass may then rely on.

A model folder is hostile input. Weights come from safetensors only (a pickle can run code), no code from
the folder runs, and a head that the weights do not hold is refused instead of being made up at random.
Each of these has an explicit switch where there is a reason to want the other thing.
"""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from audit.capture import architecture, identity
from audit.capture.identity import Looks
from audit.capture.identity import changed as changed_files
from audit.errors import Problem, UserError, user_error
from audit.types import Decision, Place

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Task = Literal["sequence-classification", "causal-lm"]

CAPTURE_VERSION = "4"
"""Raised when a change here can move stored numbers or how they are stored; part of the key of every answer."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "tokenizer_config.json",
)
_SANE_LENGTH = 10**6
"""Tokenizers without a limit carry a huge number in its place."""


@dataclass(frozen=True, kw_only=True)
class Switches:
    """What a user may allow or choose when a model is opened; safe by default."""

    device: str = "auto"
    dtype: str = "auto"
    allow_pickle: bool = False
    allow_remote_code: bool = False
    revision: str | None = None


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A model in evaluation mode, its tokenizer and the facts that passes rely on."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    task: Task
    name: str
    kind: Literal["folder", "hub", "loaded"]
    identity: identity.Identity
    parts: architecture.Parts
    device: torch.device
    dtype: torch.dtype
    max_length: int
    switches: Switches
    context: Mapping[str, str] = field(default_factory=dict)
    """What, beside the text and the request, a stored answer depends on."""
    looks: Looks | None = None
    """How the model's files looked before they were read; None for a model that came loaded."""

    def changed(self) -> tuple[str, ...]:
        """Return the files, or tensors, that are no longer what they were when the model was opened."""
        if self.looks is not None:
            return changed_files(self.looks, self.identity)
        then, now = self.identity.files, identity.of_loaded(self.model, self.tokenizer).files
        return tuple(sorted(name for name in {*then, *now} if then.get(name) != now.get(name)))

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the label names of a classifier, in the order of its logits."""
        if self.task != "sequence-classification":
            return ()
        return tuple(str(self.model.config.id2label[i]) for i in range(self.model.config.num_labels))

    @property
    def multi_label(self) -> bool:
        """Whether the classifier's labels are independent (one sigmoid each)."""
        return bool(getattr(self.model.config, "problem_type", None) == "multi_label_classification")

    def facts(self) -> dict[str, str | int | float | bool]:
        """Return what the configuration says about the architecture."""
        config = self.model.config.get_text_config()
        out: dict[str, str | int | float | bool] = {
            "class": type(self.model).__name__,
            "family": str(self.model.config.model_type),
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "layers": len(self.parts.blocks),
            "longest_input": self.max_length,
        }
        for key in ("hidden_size", "num_attention_heads", "vocab_size"):
            value = getattr(config, key, None)
            if isinstance(value, int):
                out[key] = value
        return out


# ---- opening -------------------------------------------------------------------------------------


def open_model(reference: str, task: Task, switches: Switches, *, weights: bool = True) -> LoadedModel:
    """Open a model folder, or a model of the hub, for a task.

    Without ``weights`` everything but they is opened: enough to plan with, in no memory.

    Raises
    ------
    UserError
        When the folder is missing, cannot be read, or holds no configuration, tokenizer or safe weights; when the
        weights lack the task's head; when the device or dtype is not there.
    """
    with _reading(reference):
        folder, kind = _folder(reference, switches)
        config = _checked_config(folder, reference, switches)
        _check_weights(folder, reference, switches)
        _check_tokenizer(folder, reference)
    device, dtype = _device(switches.device), _dtype(switches, config)
    with _reading(reference):
        looks = identity.looks(folder)
        identified = identity.of_folder(folder)
    with _quiet():
        tokenizer = _load_tokenizer(folder, reference, switches)
        if weights:
            model = _load_weights(folder, reference, task, switches, dtype, device)
        else:
            model = _outline(folder, task, switches, dtype)
    name = reference if kind == "hub" else str(Path(reference).expanduser())
    return _ready(model, tokenizer, task, name, kind, identified, switches, device, looks)


def identify(reference: str, switches: Switches) -> identity.Identity:
    """Return the digests of a model as a run would record them, without opening it.

    Reads every file once and imports no model library, so a pipeline can have it before anything else, for
    the key of a cache.

    Raises
    ------
    UserError
        When the folder is missing or holds nothing that a run would open.
    """
    with _reading(reference):
        folder, _ = _folder(reference, switches)
        _checked_config(folder, reference, switches)
        _check_weights(folder, reference, switches)
        _check_tokenizer(folder, reference)
        return identity.of_folder(folder)


def adopt(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, task: Task, name: str | None = None
) -> LoadedModel:
    """Take a model that is already in memory; its digest is taken from its tensors."""
    identified = identity.of_loaded(model, tokenizer)
    device = next(model.parameters()).device
    return _ready(model, tokenizer, task, name or type(model).__name__, "loaded", identified, Switches(), device)


@contextmanager
def left_as_found(model: PreTrainedModel) -> Iterator[None]:
    """Give a borrowed model back as it came: its mode, its gradient switches, its padding token.

    An audit needs evaluation mode, no gradients on the weights and some padding id; a caller who lends a
    model in the middle of a training run must not find any of that changed.
    """
    modes = {module: module.training for module in model.modules()}
    wanted = {parameter: parameter.requires_grad for parameter in model.parameters()}
    text_config = model.config.get_text_config()
    padding = (model.config.pad_token_id, text_config.pad_token_id)
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
        for parameter, requires_grad in wanted.items():
            parameter.requires_grad_(requires_grad)
        model.config.pad_token_id, text_config.pad_token_id = padding


def _ready(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    task: Task,
    name: str,
    kind: Literal["folder", "hub", "loaded"],
    identified: identity.Identity,
    switches: Switches,
    device: torch.device,
    looks: identity.Looks | None = None,
) -> LoadedModel:
    try:
        parts = architecture.parts(model)
    except architecture.UnknownArchitecture as error:
        raise user_error(
            "The model cannot be examined",
            where=name,
            found=str(error),
            expected="an encoder or a decoder built of a stack of blocks with weights of their own",
        ) from error
    model.eval().requires_grad_(False)
    dtype = next(p.dtype for p in model.parameters() if p.is_floating_point())
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        task=task,
        name=name,
        kind=kind,
        identity=identified,
        parts=parts,
        device=device,
        dtype=dtype,
        max_length=_max_length(model, tokenizer),
        switches=switches,
        context=_context(model, identified.digest, dtype, device, task),
        looks=looks,
    )


def _context(
    model: PreTrainedModel, digest: str, dtype: torch.dtype, device: torch.device, task: Task
) -> dict[str, str]:
    import captum
    import torch
    import transformers

    accelerator = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {
        "model": digest,
        "task": task,
        "dtype": str(dtype).removeprefix("torch."),
        "device": f"{device.type} {accelerator}",
        "attention": str(getattr(model.config, "_attn_implementation", None) or "unknown"),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "captum": captum.__version__,
        "capture": CAPTURE_VERSION,
    }


# ---- what is refused -----------------------------------------------------------------------------


@contextmanager
def _reading(reference: str) -> Iterator[None]:
    """Turn a file of the model that the system does not let us read into an error that names it."""
    try:
        yield
    except OSError as error:
        raise user_error(
            "The model cannot be read",
            where=str(error.filename or reference),
            found=error.strerror or str(error),
            expected="files that you may read, on a disk that gives them",
            do="look at who may read the file, and whether its disk is there",
        ) from error


def _folder(reference: str, switches: Switches) -> tuple[Path, Literal["folder", "hub"]]:
    path = Path(reference).expanduser()
    if path.is_dir():
        return path, "folder"
    looks_like_path = (
        reference.startswith((".", "/", "~"))
        or reference.count("/") > 1
        or (path.parent.is_dir() and "/" in reference and path.parent != Path())
    )
    if path.exists() or looks_like_path or not _HUB_ID.fullmatch(reference):
        raise user_error(
            "The model cannot be opened",
            where="--model",
            found=f"{reference!r} is not a folder" if path.exists() else f"there is no folder {reference!r}",
            expected="a folder with config.json, a tokenizer and *.safetensors, or a hub id such as owner/name",
            do="check the spelling and the folder you start from",
        )
    return _download(reference, switches), "hub"


def _download(reference: str, switches: Switches) -> Path:
    from huggingface_hub import snapshot_download

    wanted = ["*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken", "*.safetensors"]
    wanted += ["*.bin"] if switches.allow_pickle else []
    wanted += ["*.py"] if switches.allow_remote_code else []
    try:
        return Path(snapshot_download(reference, revision=switches.revision, allow_patterns=wanted))
    except Exception as error:
        raise user_error(
            "The model cannot be fetched",
            where="--model",
            found=f"{reference!r} is no folder here, and the hub answered: {_first_line(error)}",
            expected="a model folder, or a hub id that can be reached from this machine",
            do="download the model where there is a network and give the folder",
        ) from error


def _checked_config(folder: Path, reference: str, switches: Switches) -> dict[str, Any]:
    path = folder / "config.json"
    title = "The model cannot be opened"
    if not path.is_file():
        raise user_error(
            title,
            where=reference,
            found="no config.json in the folder",
            expected="a model saved with save_pretrained",
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise user_error(
            title, where=str(path), found=f"not JSON: {error}", expected="the model's configuration"
        ) from error
    if not isinstance(config, dict):
        raise user_error(title, where=str(path), found="not an object", expected="the model's configuration")
    if "auto_map" in config and not switches.allow_remote_code:
        raise user_error(
            title,
            where=f"{path} at auto_map",
            found="the model wants to run code from its own folder",
            expected="a model that transformers knows by itself",
            do="read that code; if you trust it, add --allow-remote-code",
        )
    return config


def _check_weights(folder: Path, reference: str, switches: Switches) -> None:
    if any(folder.glob("*.safetensors")):
        return
    pickles = sorted(p.name for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl") for p in folder.glob(pattern))
    if pickles and switches.allow_pickle:
        return
    raise user_error(
        "The model cannot be opened",
        where=reference,
        found=f"weights only as {', '.join(pickles)}, a format that can run code when it is read"
        if pickles
        else "no weights",
        expected="weights in *.safetensors",
        do="convert them with save_pretrained on a machine you can lose; if you trust them, add --allow-pickle"
        if pickles
        else "",
    )


def _check_tokenizer(folder: Path, reference: str) -> None:
    if not any((folder / name).is_file() for name in _TOKENIZER_FILES):
        raise user_error(
            "The model cannot be opened",
            where=reference,
            found="no tokenizer in the folder",
            expected=f"one of {', '.join(_TOKENIZER_FILES[:4])}",
            do="save the model's tokenizer into the same folder with tokenizer.save_pretrained(...)",
        )


def _device(name: str) -> torch.device:
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise user_error(
            "The device is unknown", where="--device", found=name, expected="auto, cpu, cuda or cuda:0"
        ) from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        seen = torch.cuda.device_count()
        raise user_error(
            "The device is not there",
            where="--device",
            found=name,
            expected=f"one of {seen} CUDA devices" if seen else "cpu (no CUDA device is visible)",
        )
    return device


def _dtype(switches: Switches, config: Mapping[str, Any]) -> torch.dtype:
    import torch

    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if switches.dtype == "auto":
        if _device(switches.device).type == "cpu":
            return torch.float32
        return known.get(str(config.get("dtype", config.get("torch_dtype"))), torch.float32)
    if switches.dtype not in known:
        raise user_error(
            "The dtype is unknown",
            where="--dtype",
            found=switches.dtype,
            expected=f"auto, {', '.join(known)}",
        )
    return known[switches.dtype]


# ---- loading -------------------------------------------------------------------------------------


def _load_tokenizer(folder: Path, reference: str, switches: Switches) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(str(folder), trust_remote_code=switches.allow_remote_code)
    except Exception as error:
        raise user_error(
            "The tokenizer cannot be opened",
            where=reference,
            found=_first_line(error),
            expected="a tokenizer that transformers can load",
        ) from error


def _load_weights(
    folder: Path, reference: str, task: Task, switches: Switches, dtype: torch.dtype, device: torch.device
) -> PreTrainedModel:
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    loader = AutoModelForSequenceClassification if task == "sequence-classification" else AutoModelForCausalLM
    spread = {"device_map": "auto"} if _exceeds_one_device(folder, device, switches) else {}
    try:
        model, report = loader.from_pretrained(
            str(folder),
            dtype=dtype,
            use_safetensors=None if switches.allow_pickle else True,
            trust_remote_code=switches.allow_remote_code,
            output_loading_info=True,
            **spread,
        )
    except Exception as error:
        if damaged := _damaged(folder):
            raise user_error(
                "The model cannot be opened",
                where=str(damaged[0]),
                found=f"a file that breaks off or is damaged ({damaged[1]})",
                expected="weights as they were saved",
                do="copy the file again from where the model comes from",
            ) from error
        raise user_error(
            "The model cannot be opened",
            where=reference,
            found=_first_line(error),
            expected=f"a model that transformers can load for {task}",
        ) from error
    if missing := sorted(report["missing_keys"]):
        raise user_error(
            "The model was not trained for this task",
            where=reference,
            found=f"the weights lack {', '.join(missing[:4])}{' …' if len(missing) > 4 else ''}",
            expected=f"a model whose weights hold all that {task} needs",
            do="set model.task in the policy to what the model was trained for, or give the fine-tuned model",
        )
    return model if spread else _on(device, model, reference)


def _damaged(folder: Path) -> tuple[Path, str] | None:
    """Return the first file of weights that is not whole, and what is wrong with it."""
    from safetensors import SafetensorError, safe_open

    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt"):
                pass
        except SafetensorError as error:
            return path, str(error).splitlines()[0]
    return None


def _on(device: torch.device, model: PreTrainedModel, reference: str) -> PreTrainedModel:
    import torch

    try:
        return model.to(device)
    except torch.OutOfMemoryError as error:
        raise user_error(
            "The model does not fit the device",
            where=reference,
            found=_first_line(error),
            expected=f"room for the weights on {device}",
            do="give --dtype bfloat16, or --device auto, which spreads a large model over what there is",
        ) from error


def _outline(folder: Path, task: Task, switches: Switches, dtype: torch.dtype) -> PreTrainedModel:
    """Build the model without allocating its weights."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

    loader = AutoModelForSequenceClassification if task == "sequence-classification" else AutoModelForCausalLM
    config = AutoConfig.from_pretrained(str(folder), trust_remote_code=switches.allow_remote_code)
    with torch.device("meta"):
        return loader.from_config(config, dtype=dtype, trust_remote_code=switches.allow_remote_code)


def _exceeds_one_device(folder: Path, device: torch.device, switches: Switches) -> bool:
    import torch

    if device.type != "cuda" or switches.device != "auto":
        return False
    weights = sum(p.stat().st_size for p in folder.glob("*.safetensors"))
    free, _ = torch.cuda.mem_get_info(device)
    return bool(weights * 1.2 > free)


def _max_length(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the longest input in tokens; RoBERTa's positions start behind its padding id."""
    config = model.config.get_text_config()
    positions = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None) or _SANE_LENGTH
    table = architecture.position_table(model)
    if table is not None and table.padding_idx is not None:
        positions = min(positions, table.num_embeddings - table.padding_idx - 1)
    return min(int(positions), int(min(tokenizer.model_max_length, _SANE_LENGTH)))


# ---- the decision must be one this model can make ------------------------------------------------


def check_decision(loaded: LoadedModel, decision: Decision, place: Place) -> None:
    """Check that the policy's decision names labels, or answers, that the model has.

    Raises
    ------
    UserError
        When a label name is unknown or an answer has no tokens.
    """
    problems: list[Problem] = []
    if decision.kind == "classes":
        named = filter(None, (decision.positive, decision.negative))
        problems += [_unknown_label(name, loaded.labels, place) for name in named if name not in loaded.labels]
    if decision.kind == "answers":
        problems += [
            Problem(
                where=place, found=f"the answer {text!r} has no tokens", expected="a text that the tokenizer can write"
            )
            for text in (decision.positive, decision.negative)
            if not loaded.tokenizer(text, add_special_tokens=False)["input_ids"]
        ]
    if problems:
        raise UserError("The policy's decision does not fit the model", problems)


def _unknown_label(name: str, labels: Sequence[str], place: Place) -> Problem:
    import difflib

    near = difflib.get_close_matches(name, labels, n=1, cutoff=0.5)
    return Problem(
        where=place,
        found=f"the model has no label {name!r}",
        expected=f"one of {', '.join(repr(x) for x in labels[:20])}",
        do=f"did you mean {near[0]!r}?" if near else "use the label names of the model's config.json (id2label)",
    )


# ---- helpers -------------------------------------------------------------------------------------


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:300] if text else ''}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' progress bars and advice off the terminal while a model is opened."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
