"""The copy is audited like any model, beside the original: a cut may close one gap and open another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from audit import pipeline
from audit.errors import UserError
from audit.progress import Progress
from audit.report import changes
from audit.report.terminal import terminal_summary
from audit.types import Policy

if TYPE_CHECKING:
    from audit.capture.model import LoadedModel, Switches


def both(
    policy: Path,
    original: str,
    copy: Path,
    dtype: str,
    out: Path,
    options: pipeline.Options,
    switches: Switches,
    progress: Progress,
    say: Callable[[str], None],
) -> list[UserError]:
    """Audit both models by the whole policy, write the reports, and put the copy's record beside the copy.

    Rows that the cut was fitted on are among those audited; what was measured on others alone is in ``prune.json``.
    """
    from audit.capture.model import open_model

    as_it = replace(switches, dtype=dtype, allow_pickle=False, revision=None)

    def load(reference: str, how: Switches) -> Callable[[Policy], LoadedModel]:
        return lambda opened: open_model(reference, opened.task, how)

    progress.note("auditing the original")
    before = pipeline.run(policy, load(original, switches), options, progress=progress)
    progress.note("auditing the copy")
    after = pipeline.run(policy, load(str(copy), as_it), replace(options, baseline=before), progress=progress)
    pipeline.prepare_output(out / "original")
    written, failed = pipeline.write(before, out / "original", ("json",))
    for more, missed in (
        pipeline.write(after, out, options.formats),
        pipeline.write(after, copy, ("json",)),
        pipeline.write_changes(pipeline.compared(before, after), out, options.formats),
    ):
        written, failed = [*written, *more], [*failed, *missed]
    say(terminal_summary(after))
    say(changes.render(pipeline.compared(before, after), "text").decode("utf-8"))
    for path in written:
        say(f"wrote {path}")
    return failed
