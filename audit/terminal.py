"""What a person sees while an audit runs: bars on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TextIO

from audit.progress import Progress, Task
from audit.text import printable

QUIET_SECONDS = 10.0
"""A log gets a line at most this often while one task runs."""


def progress(stream: TextIO | None = None) -> Progress:
    """Return bars where ``stream`` (by default standard error) is a terminal, plain lines elsewhere."""
    out = sys.stderr if stream is None else stream
    return Bars(out) if out.isatty() else Lines(out)


class Lines:
    """One line when a task starts, now and then while it runs, and when it ends."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def note(self, text: str) -> None:
        """Print one line."""
        self._stream.write("".join(f"{printable(line)}\n" for line in text.splitlines()))
        self._stream.flush()

    @contextmanager
    def task(self, title: str, total: int, unit: str) -> Iterator[Task]:
        """Print how far the work is."""
        if not total:
            yield _Counted()
            return
        running = _Spoken(self, title, total, unit)
        self.note(f"{title}: {total:,} {unit}")
        yield running
        self.note(f"{title}: done in {monotonic() - running.began:.0f} s")


class _Counted:
    done = 0

    def advance(self, by: int = 1) -> None:
        """Count."""
        self.done += by


class _Spoken(_Counted):
    def __init__(self, lines: Lines, title: str, total: int, unit: str) -> None:
        self._lines, self._title, self._total, self._unit = lines, title, total, unit
        self.began = self._said = monotonic()

    def advance(self, by: int = 1) -> None:
        """Count, and say so when the last word is a while ago."""
        super().advance(by)
        now = monotonic()
        if now - self._said >= QUIET_SECONDS and self.done < self._total:
            self._said = now
            left = (now - self.began) / self.done * (self._total - self.done)
            self._lines.note(f"{self._title}: {self.done:,} of {self._total:,} {self._unit}, about {left:.0f} s left")


class Bars:
    """Rich progress bars; finished ones leave a line behind."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console

        self._console = Console(file=stream, highlight=False)

    def note(self, text: str) -> None:
        """Print one line; square brackets in it are text, not markup."""
        for line in text.splitlines():
            self._console.print(printable(line), markup=False)

    @contextmanager
    def task(self, title: str, total: int, unit: str) -> Iterator[Task]:
        """Show a bar with the time left."""
        if not total:
            yield _Counted()
            return
        from rich.markup import escape
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn(unit),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with RichProgress(*columns, console=self._console) as bars:
            shown = bars.add_task(escape(printable(title)), total=total)
            yield _Bar(bars, shown)


class _Bar:
    def __init__(self, bars: object, shown: object) -> None:
        self._bars, self._shown = bars, shown

    def advance(self, by: int = 1) -> None:
        """Move the bar."""
        self._bars.advance(self._shown, by)  # type: ignore[attr-defined]
