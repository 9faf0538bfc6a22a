"""Writes the file of the provider's facts beside a policy that is begun, with what is stated already.

Nobody is made to state anything: what is left open is blank in the file and printed as not supplied. What is stated
needs somebody who states it, because a reader could ask nobody about it otherwise.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from audit.errors import Problem, UserError, user_error
from audit.policy.encoding import UNFIT
from audit.policy.problems import nearest, one_of, shortened
from audit.policy.provider import blank
from audit.types import FACT_GROUPS, Statement, fact_kinds

TITLE = "The provider's facts cannot be begun"
FILE = "provider.yaml"


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What is known of the provider's facts when a policy is begun."""

    file: str = FILE
    """Beside the policy; ``""`` for none."""
    statements: Mapping[str, Statement] = field(default_factory=dict)


def stated(facts: Sequence[str], *, by: str, on: dt.date, file: str = FILE) -> Stated:
    """Return what options say, each of ``facts`` as ``name=text``.

    Raises
    ------
    UserError
        With every fact that is no ``name=text``, unknown, or stated by nobody.
    """
    known = [kind.id for kind in fact_kinds()]
    problems, found = [], {}
    for fact in facts:
        name, equals, text = fact.partition("=")
        label = f"--fact {shortened(fact)}"
        if not equals or not text.strip():
            problems.append(Problem(where=label, found="no name=text", expected="a fact, an equals sign and its text"))
        elif name not in known:
            found_, do = f"the unknown fact `{shortened(name)}`", nearest(name, known)
            problems.append(Problem(where=label, found=found_, expected=one_of(known), do=do))
        elif unfit := UNFIT.search(text + by):
            found_ = f"the character U+{ord(unfit[0]):04X}"
            problems.append(Problem(where=label, found=found_, expected="text that can be shown"))
        found[name] = Statement(text=text.strip(), by=by.strip(), on=on.isoformat())
    if facts and not by.strip():
        expected = "the name and function of whoever states the facts"
        problems.append(
            Problem(where="--by", found="nothing", expected=expected, do='add --by "A. Name, head of credit"')
        )
    if problems:
        raise UserError(TITLE, problems)
    return Stated(file=file, statements=found)


def asked(ask: Callable[[str, str], str], *, by: str, on: dt.date) -> Stated:
    """Return what is said of the provider's facts; ``ask`` takes a question and a default.

    Facts are asked for group by group, since nobody knows all of them; an empty answer leaves a fact open.
    """
    who = by or ask("Who states facts about the system (name, function; empty to leave all of them blank)", "")
    found = {}
    for title, kinds in FACT_GROUPS.items() if who.strip() else ():
        if not ask(f"Facts on “{title}”: state them now? (yes, no)", "no").strip().lower().startswith("y"):
            continue
        for kind in kinds:
            if text := ask(f"{kind.title}: {kind.asks}", "").strip():
                found[kind.id] = f"{kind.id}={text}"
    return stated(list(found.values()), by=who, on=on)


def check(folder: Path, given: Stated) -> None:
    """See before anything is written that nothing stated would have to replace what is there.

    Raises
    ------
    UserError
    """
    path = folder / given.file
    if given.statements and (path.exists() or path.is_symlink()):
        raise user_error(
            TITLE,
            where=str(path),
            found="a file of facts that is there already",
            expected="none: what was stated is not replaced",
            do="write the facts into it by hand, or leave --fact out",
        )


def write(folder: Path, given: Stated) -> str:
    """Write the file of facts beside a policy, and return what to say of it.

    A file that is there already is left as it is: policies of one system share what is said of it.

    Raises
    ------
    UserError
        When it cannot be written.
    """
    path = folder / given.file
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(blank(given.statements))
    except FileExistsError:
        return f"left {path} as it is; the policy refers to it"
    except (OSError, ValueError) as error:
        found = (getattr(error, "strerror", "") or str(error)).lower()
        raise user_error(TITLE, where=str(path), found=found, expected="a file that you may write") from error
    said = len(given.statements)
    return f"wrote {path} ({said} of {len(fact_kinds())} facts stated; what stays blank is printed as not supplied)"
