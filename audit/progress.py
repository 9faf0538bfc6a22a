"""Progress that a person can watch and a log can hold.

Stages report to a ``Progress``; the command line decides whether that is a bar or plain lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Task(Protocol):
    """A running piece of work whose size is known."""

    def advance(self, by: int = 1) -> None:
        """Say that ``by`` more units are done."""


class Progress(Protocol):
    """Where stages say what they are doing."""

    def note(self, text: str) -> None:
        """Say one thing that happened."""

    @contextmanager
    def task(self, title: str, total: int, unit: str) -> Iterator[Task]:
        """Show work of ``total`` units while the block runs."""
        ...


class _SilentTask:
    def advance(self, by: int = 1) -> None:
        """Do nothing."""


class Silent:
    """Progress for tests and library use: says nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    @contextmanager
    def task(self, title: str, total: int, unit: str) -> Iterator[Task]:  # noqa: ARG002 - the protocol's
        """Show nothing."""
        yield _SilentTask()
