"""Writes the first version of a policy from a domain's preset and what the user says of their own case.

What comes out is meant to be edited: each part has a comment that says what it is for, and every bound says that it is
an example. Where rows are given, what the presets cannot know is read from them (the values of the protected attribute,
how many rows there are of each), so that the policy validates as it stands.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from audit.errors import Problem, UserError, user_error
from audit.policy.drafting import Begun, GivenRows, Task, lines
from audit.policy.encoding import UNFIT
from audit.policy.paths import FileRefusedError, FoundFile, contents, neighbour
from audit.policy.presets import HonestyPreset, Preset
from audit.policy.problems import nearest, one_of, shortened
from audit.policy.tables import Table, TableError, read_table
from audit.types import TextTemplate

TITLE = "The policy cannot be begun"
TASKS: tuple[Task, ...] = ("sequence-classification", "causal-lm")
ORIGINS = ("synthetic", "public")
"""Personal data ask for what only a person can write down, so they are not begun with."""
FEWEST = 2


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the user said; ``""`` and None stand for what they left open."""

    domain: str
    task: str = ""
    positive: str = ""
    negative: str = ""
    rows: Path | None = None
    text: str = ""
    attribute: str = ""
    origin: str = ""
    out: Path | None = None
    provider: str = ""
    """File of the provider's facts that the policy refers to, beside it."""


def write(wish: Wish, preset: Preset) -> Path:
    """Write a new policy and return its path.

    Raises
    ------
    UserError
        When something that was said does not fit the rows or the domain, or the file is there already.
    """
    for name in ("positive", "negative", "text", "attribute"):
        _check_text(f"--{'decision-' if name in {'positive', 'negative'} else ''}{name}", getattr(wish, name))
    out = out_of(wish)
    if wish.task and wish.task not in TASKS:
        raise _refused("--task", wish.task, one_of(TASKS), nearest(wish.task, TASKS))
    default: Task = "causal-lm" if isinstance(preset, HonestyPreset) else "sequence-classification"
    task: Task = next((each for each in TASKS if each == wish.task), default)
    if isinstance(preset, HonestyPreset) and task != "causal-lm":
        raise _refused("--task", task, "causal-lm: only a language model answers questions")
    positive, negative = wish.positive or preset.decision.positive, wish.negative or preset.decision.negative
    if positive == negative:
        raise _refused("--decision-positive", positive, "another decision than the negative one")
    if wish.rows is None and (wish.text or wish.attribute):
        given = "--text" if wish.text else "--attribute"
        raise _refused(given, "no --rows", "a file of rows with these columns", "add --rows, or leave this out")
    rows = None if wish.rows is None else _given(wish, wish.rows, out, preset)
    begun = Begun(
        preset=preset,
        name=_slug(out.stem),
        task=task,
        positive=positive,
        negative=negative,
        rows=rows,
        provider=wish.provider,
    )
    _save(out, "\n".join(lines(begun)) + "\n")
    return out


def out_of(wish: Wish) -> Path:
    """Return where the policy is written."""
    if wish.out is not None:
        return wish.out
    return (wish.rows.parent if wish.rows is not None else Path()) / f"{wish.domain}.yaml"


def _slug(stem: str) -> str:
    words = "".join(ch if ch.isascii() and ch.isalnum() else " " for ch in stem.lower()).split()
    return "-".join(words)[:80].strip("-") or "policy"


def _check_text(where: str, text: str) -> None:
    if unfit := UNFIT.search(text):
        raise _refused(where, f"the character U+{ord(unfit[0]):04X}", "text that can be shown")


def _refused(where: str, found: str, expected: str, do: str = "") -> UserError:
    return user_error(TITLE, where=where, found=shortened(found), expected=expected, do=do)


def _save(out: Path, text: str) -> None:
    try:
        with out.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as error:
        raise _refused("--out", str(out), "a file that is not there yet", "give another name with --out") from error
    except (OSError, ValueError) as error:
        raise _refused(
            "--out", (getattr(error, "strerror", "") or str(error)).lower(), "a file that you may write"
        ) from error


# ---- rows of the user's own ----------------------------------------------------------------------


def _given(wish: Wish, rows: Path, out: Path, preset: Preset) -> GivenRows:
    if wish.origin not in ORIGINS:
        raise _refused(
            "--origin",
            wish.origin or "nothing",
            one_of(ORIGINS) + ": a report says where rows come from",
            "for personal data begin with synthetic rows, then write origin and art4a as the policy guide says"
            if wish.origin
            else "",
        )
    written = _relative(rows, out)
    table = _table(rows)
    if not wish.text:
        raise _refused("--text", "nothing", 'how a row becomes text, such as --text "{comment}"')
    names = _placeholders(wish.text)
    for name in names:
        _check_column("--text", name, table)
    if isinstance(preset, HonestyPreset):
        attribute, sizes = "", Counter[str]()
    else:
        attribute = wish.attribute
        sizes = _sizes(attribute, table)
    return GivenRows(
        written=written, text=wish.text, attribute=attribute, origin=wish.origin, sizes=dict(sizes.most_common())
    )


def _relative(rows: Path, out: Path) -> str:
    """Return a path as the policy may write it: a policy reads only files of its own folder."""
    found = os.path.relpath(rows.resolve(), out.parent.resolve())
    if found.startswith(".."):
        raise _refused(
            "--out",
            str(out),
            "a file in the folder of the rows or above it: a policy reads only files of its own folder",
            f"--out {rows.parent / out.name}",
        )
    return Path(found).as_posix()


def _table(rows: Path) -> Table:
    try:
        return read_table(contents(FoundFile(path=rows.resolve(), shown=str(rows))), str(rows))
    except FileRefusedError as error:
        raise _refused("--rows", error.found, error.expected, error.do or neighbour(rows)) from error
    except TableError as error:
        raise UserError(TITLE, list(error.problems)) from error


def _placeholders(text: str) -> Sequence[str]:
    try:
        names = tuple(TextTemplate(text).names)
    except ValueError as error:
        raise _refused("--text", str(error), "text with {column} placeholders") from error
    if not names:
        raise _refused("--text", text, "text with at least one {column} placeholder")
    return names


def _check_column(where: str, name: str, table: Table) -> None:
    if name not in table.columns:
        raise _refused(where, f"the column `{name}`", one_of(table.columns), nearest(name, table.columns))


def _sizes(attribute: str, table: Table) -> Counter[str]:
    if not attribute:
        raise _refused("--attribute", "nothing", "the column of a protected attribute: " + one_of(table.columns))
    _check_column("--attribute", attribute, table)
    sizes = Counter(row.cells[attribute] for row in table.rows if row.cells[attribute].strip())
    compared = [value for value, size in sizes.items() if size >= FEWEST]
    if len(compared) < FEWEST:
        raise _refused(
            "--attribute",
            f"`{attribute}`, of which {len(compared) or 'no'} value{'' if len(compared) == 1 else 's'} "
            f"{'has' if len(compared) == 1 else 'have'} {FEWEST} rows or more",
            "at least two groups to compare",
        )
    return sizes


# ---- asking --------------------------------------------------------------------------------------


def asked(wish: Wish, domains: Sequence[str], ask: Callable[[str, str], str], preset: Callable[[str], Preset]) -> Wish:
    """Return what was said, with what was left open asked for; ``ask`` takes a question and a default."""
    domain = wish.domain or ask(f"Domain ({', '.join(domains)})", domains[0])
    check_domain(domain, domains)
    found = preset(domain)
    default = "causal-lm" if isinstance(found, HonestyPreset) else "sequence-classification"
    rows = wish.rows or _path(ask("File of your own rows (csv, tsv, jsonl, parquet; empty for made cases)", ""))
    own = rows is not None
    decides = own and not isinstance(found, HonestyPreset)
    return Wish(
        domain=domain,
        task=wish.task or ask("Task (sequence-classification, causal-lm)", default),
        positive=wish.positive or ask("Positive decision (label, or answer text)", found.decision.positive),
        negative=wish.negative or ask("Negative decision", found.decision.negative),
        rows=rows,
        text=wish.text or (ask("Text of a row, with {column} placeholders", "") if own else ""),
        attribute=wish.attribute or (ask("Column of the protected attribute", "") if decides else ""),
        origin=wish.origin or (ask("Where the rows come from (synthetic, public)", "") if own else ""),
        out=wish.out or _path(ask("File to write", str(out_of(Wish(domain=domain, rows=rows))))),
        provider=wish.provider,
    )


def check_domain(name: str, domains: Sequence[str]) -> None:
    """Stop where there is no such domain.

    Raises
    ------
    UserError
    """
    if name not in domains:
        raise UserError(
            TITLE,
            [
                Problem(
                    where="--domain",
                    found=shortened(name) or "nothing",
                    expected=one_of(domains),
                    do=nearest(name, domains),
                )
            ],
        )


def _path(text: str) -> Path | None:
    return Path(text) if text.strip() else None
