"""Writing the copy: into a folder beside the one that was asked for, which takes its name when all is known."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from audit import temporary
from audit.errors import UserError, user_error
from audit.pruning import baking
from audit.pruning.baking import HeadCut, PartsCut

if TYPE_CHECKING:
    from audit.capture.model import LoadedModel


def refuse_existing(save: Path) -> None:
    """Raise ``UserError`` where something has the name already: nothing is ever overwritten."""
    if save.exists() or save.is_symlink():
        raise user_error(
            "The edited model cannot be saved",
            where="--save",
            found=f"{save} exists",
            expected="a folder that does not exist yet: nothing is overwritten",
            do="give another name, or move what is there",
        )


@contextmanager
def beside(save: Path) -> Iterator[Path]:
    """Give a new folder that takes the name ``save`` when all went well, and is gone otherwise.

    What goes wrong meanwhile keeps its own name: only making the folder and giving it the name is about ``save``.
    """
    folder = save.with_name(f".{save.name}.{secrets.token_hex(4)}")
    try:
        with saving(save):
            folder.mkdir(parents=True)
        yield folder
        refuse_existing(save)
        with saving(save):
            folder.rename(save)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def saving(save: Path) -> Iterator[None]:
    """Turn what the system refuses while the copy is written into an error that names ``--save``.

    Nothing else belongs into this block: the model is read from elsewhere, and answers are stored elsewhere.
    """
    try:
        yield
    except OSError as error:
        raise user_error(
            "The edited model cannot be saved",
            where="--save",
            found=f"{error.strerror or error} ({save.parent})",
            expected="a folder that you may write to, with room for the model",
            do="make room or give another folder",
        ) from error


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a private folder for what the copies answer, which is asked once and never again."""
    title = "The copy cannot be measured"
    with ExitStack() as stack:
        with temporary.named(title):
            made = tempfile.TemporaryDirectory(prefix="inspectoscope-prune-", ignore_cleanup_errors=True)
            folder = Path(stack.enter_context(made))
        try:
            yield folder
        except UserError as error:
            # The store says where it has no room, but this one is no store that --store could move.
            at = error.problems[0]
            if not str(at.where).startswith(str(folder)):
                raise
            raise temporary.refused(title, at.found) from error


def write_copy(loaded: LoadedModel, cut: HeadCut | PartsCut, texts: Sequence[str], folder: Path, save: Path) -> None:
    """Cut a model that nobody asked yet, and write it for ``save``: passes leave traces in a configuration."""
    from safetensors import SafetensorError
    from transformers.utils import logging

    baking.bake(loaded, cut, texts)
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with saving(save):
            try:
                loaded.model.save_pretrained(folder)
            except SafetensorError as error:
                raise OSError(str(error)) from error
            loaded.tokenizer.save_pretrained(folder)
            for path in folder.iterdir():
                # Weights are written through a private temporary file, and would stay unreadable to others.
                path.chmod((folder / "config.json").stat().st_mode)
    finally:
        if bars:
            logging.enable_progress_bar()


def write_texts(texts: Mapping[str, str], folder: Path, save: Path) -> None:
    """Write what is said of the copy beside its weights."""
    with saving(save):
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
