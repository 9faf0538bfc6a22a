"""Writing the copy: into a folder beside the one that was asked for, which takes its name when all is known."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from audit.errors import user_error
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
    """Give a new folder that takes the name ``save`` when all went well, and is gone otherwise."""
    folder = save.with_name(f".{save.name}.{secrets.token_hex(4)}")
    try:
        try:
            folder.mkdir(parents=True)
            yield folder
            refuse_existing(save)
            folder.rename(save)
        except OSError as error:
            raise user_error(
                "The edited model cannot be saved",
                where="--save",
                found=f"{error.strerror or error} ({save.parent})",
                expected="a folder that you may write to, with room for the model",
                do="make room or give another folder",
            ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_copy(loaded: LoadedModel, cut: HeadCut | PartsCut, texts: Sequence[str], folder: Path) -> None:
    """Cut a model that nobody asked yet, and save it: passes leave traces in a configuration."""
    from safetensors import SafetensorError
    from transformers.utils import logging

    baking.bake(loaded, cut, texts)
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        loaded.model.save_pretrained(folder)
        loaded.tokenizer.save_pretrained(folder)
        for path in folder.iterdir():
            # Weights are written through a private temporary file, and would stay unreadable to others.
            path.chmod((folder / "config.json").stat().st_mode)
    except SafetensorError as error:
        raise OSError(str(error)) from error
    finally:
        if bars:
            logging.enable_progress_bar()
