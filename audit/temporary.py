"""Says where it went wrong when that was in the folder for temporary files, which nobody named and few think of."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from audit.errors import UserError, user_error


@contextmanager
def named(title: str) -> Iterator[None]:
    """Turn what the system refuses in the folder for temporary files into an error that names that folder."""
    try:
        yield
    except OSError as error:
        raise refused(title, error.strerror or str(error)) from error


def refused(title: str, found: str) -> UserError:
    """Return the error that names the folder for temporary files."""
    return user_error(
        title,
        where=folder(),
        found=found,
        expected="a folder for temporary files that can be written, with room",
        do="make room there, or name another folder in the environment variable TMPDIR",
    )


def folder() -> str:
    """Return the folder for temporary files, or the variable that should name one."""
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:
        return "TMPDIR"
