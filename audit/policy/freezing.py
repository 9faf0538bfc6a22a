"""Freezes a policy, and says later what differs from what was frozen.

A freeze file states what verdicts of a policy rest on: its criteria, the parameters of its checks, its rows, its
families of hypotheses, what it inherits and what the command line changes. It stands beside the policy and goes where
the policy goes. Nothing in it is a proof of time: who can write the policy can write it too, so reports print its date
and author *as stated*. Whoever needs more commits it, signs it or has it stamped; its digest is in the record. A run
compares and never refuses.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError

from audit.errors import user_error
from audit.policy.encoding import UNFIT
from audit.policy.paths import FileRefusedError, FoundFile, contents
from audit.policy.problems import counted, shortened
from audit.policy.values import Part, expected
from audit.types import Dataset, Freeze, Policy

SUFFIX = ".frozen.json"
MAX_BYTES = 8 << 20
MAX_AUTHOR = 300
RESTED_ON = ("model", "data", "hazards", "checks", "seed", "waivers")
"""Keys of a policy that verdicts rest on."""
MOST_TOLD = 40
"""Differences that are told one by one."""


def _moment(value: str) -> str:
    try:
        moment = dt.datetime.fromisoformat(value)
    except ValueError as error:
        raise expected("a time such as 2026-11-20T10:00:00+00:00") from error
    if moment.tzinfo is None:
        raise expected("a time with its zone, such as 2026-11-20T10:00:00+00:00")
    return value


class FrozenCriterion(Part):
    """A criterion as it was frozen."""

    check: str
    metric: str
    relation: Literal["at_most", "at_least"]
    bounds: dict[str, float]


class FrozenPolicy(Part):
    """What a freeze file holds; digests are SHA-256 in hexadecimal."""

    inspectoscope_freeze: Literal[1] = 1
    frozen: Annotated[str, Field(max_length=40), AfterValidator(_moment)]
    author: str = Field(max_length=MAX_AUTHOR)
    policy: str
    version: str
    sha256: str
    overrides: dict[str, str] = Field(default_factory=dict)
    """Values given with ``--set`` that verdicts may rest on; folders of variables are where they are on a machine."""
    extends: dict[str, str] = Field(default_factory=dict)
    """Policies that it extends."""
    model: str
    criteria: list[FrozenCriterion]
    hazards: dict[str, list[str]]
    checks: dict[str, str]
    data: dict[str, str]
    files: dict[str, str]
    waivers: list[str]


def beside(path: Path) -> Path:
    """Return where the freeze file of a policy is looked for: ``policy.frozen.json`` beside ``policy.yaml``."""
    return path.with_name(path.stem + SUFFIX)


def freeze(policy: Policy, *, author: str, now: dt.datetime, out: Path | None = None) -> Path:
    """Write the freeze file of a policy and return its path.

    Raises
    ------
    UserError
        When the file is there already or cannot be written: an earlier freeze is evidence, and nothing may replace it
        by accident.
    """
    path = out or beside(Path(policy.path))
    title = "The policy cannot be frozen"
    if len(author) > MAX_AUTHOR or UNFIT.search(author):
        found = counted(len(author), "character") if len(author) > MAX_AUTHOR else "a character that cannot be shown"
        raise user_error(title, where="--author", found=found, expected=f"a name of at most {MAX_AUTHOR} characters")
    text = json.dumps(
        frozen(policy, author=author, now=now).model_dump(mode="json"), indent=1, ensure_ascii=False, sort_keys=True
    )
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text + "\n")
    except FileExistsError as error:
        raise user_error(
            title,
            where=str(path),
            found="a freeze file that is there already",
            expected="none: an earlier freeze is evidence",
            do="keep it elsewhere under another name, or write this one elsewhere with --out",
        ) from error
    except (OSError, ValueError) as error:  # a path with a NUL character is a ValueError
        found = (getattr(error, "strerror", "") or str(error)).lower()
        raise user_error(title, where=str(path), found=found, expected="a file that you may write") from error
    return path


def frozen(policy: Policy, *, author: str, now: dt.datetime) -> FrozenPolicy:
    """Return what verdicts of a policy rest on, as a freeze file holds it.

    Values given on the command line are in their place, and named beside: what is frozen is what would be run.
    """
    bases = {base.name: base.sha256 for base in policy.bases}
    return FrozenPolicy(
        frozen=now.astimezone(dt.UTC).isoformat(timespec="seconds"),
        author=author,
        policy=policy.id,
        version=policy.version,
        sha256=policy.sha256,
        overrides={key: text for key, text in policy.overrides.items() if key.split(".")[0] in RESTED_ON},
        extends=bases,
        model=_digest([policy.task, vars(policy.decision)]),
        criteria=[
            FrozenCriterion(check=check.id, metric=c.metric, relation=c.relation, bounds=dict(c.bounds))
            for check in policy.checks
            for c in check.criteria
        ],
        hazards={hazard.id: list(hazard.checks) for hazard in policy.hazards},
        checks={
            check.id: _digest([check.check, check.data, check.seed, check.params.model_dump(mode="json")])
            for check in policy.checks
        },
        data={name: rows_digest(data) for name, data in policy.datasets.items()},
        files={name: digest for name, digest in policy.files.items() if name not in bases},
        waivers=[_digest([w.hazard, w.check, w.criterion, w.expires, w.stops]) for w in policy.waivers],
    )


def rows_digest(data: Dataset) -> str:
    """Return a digest of the rows as the model is asked about them: texts, fields and outcomes, in their order."""
    digest = hashlib.sha256()
    for row in data.rows:
        digest.update(_canonical([row.text, dict(row.fields), row.label]))
    return digest.hexdigest()


def _digest(value: Any) -> str:
    return hashlib.sha256(_canonical(value)).hexdigest()


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=True).encode("ascii") + b"\n"


# ---- what differs --------------------------------------------------------------------------------


def found(policy: Policy, begun: str) -> Freeze | None:
    """Return what the freeze file beside a policy says, and what differs now; None where there is none.

    ``begun`` is the ISO time at which the run began. A file that cannot be read is told, not raised.
    """
    path = beside(Path(policy.path))
    if not path.is_symlink() and not path.exists():
        return None
    try:
        raw = contents(FoundFile(path=path, shown=str(path)), MAX_BYTES)
    except FileRefusedError as error:
        return Freeze(path=str(path), problem=error.found)
    sha256 = hashlib.sha256(raw).hexdigest()
    try:
        held = FrozenPolicy.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        at = ".".join(map(str, first["loc"]))
        problem = f"{at}: {first['msg']}" if at else first["msg"]
        return Freeze(path=str(path), sha256=sha256, problem=shortened(problem))
    moment = dt.datetime.fromisoformat(held.frozen)
    now = frozen(policy, author=held.author, now=moment)
    return Freeze(
        path=str(path),
        sha256=sha256,
        on=moment.astimezone(dt.UTC).isoformat(timespec="seconds"),
        author=held.author,
        before_run=moment <= dt.datetime.fromisoformat(begun),
        same_text=held.sha256 == now.sha256,
        differences=_told(differences(held, now)),
    )


def _told(every: Iterable[str]) -> tuple[str, ...]:
    listed = list(every)
    more = [f"{len(listed) - MOST_TOLD} further differences"] * (len(listed) > MOST_TOLD)
    return (*listed[:MOST_TOLD], *more)


def differences(then: FrozenPolicy, now: FrozenPolicy) -> Iterator[str]:
    """Yield what verdicts rest on and is not as it was frozen, in words."""
    if then.policy != now.policy:
        yield f"the policy: `{shortened(then.policy)}` was frozen"
    if then.model != now.model:
        yield "the model's task or decision"
    yield from _overrides(then, now)
    yield from _entries("extended policy", "has other content", then.extends, now.extends)
    yield from _criteria(then, now)
    yield from _entries("hazard", "watches other checks", then.hazards, now.hazards)
    yield from _entries("check", "has other parameters, data or type", then.checks, now.checks)
    yield from _entries("data set", "has other rows", then.data, now.data)
    yield from _entries("file", "has other content", then.files, now.files)
    if gone := set(then.waivers) - set(now.waivers):
        yield f"{counted(len(gone), 'waiver')} removed or changed"
    if added := set(now.waivers) - set(then.waivers):
        yield f"{counted(len(added), 'waiver')} added or changed"


def _overrides(then: FrozenPolicy, now: FrozenPolicy) -> Iterator[str]:
    for key in sorted(then.overrides.keys() | now.overrides.keys()):
        was, is_now = then.overrides.get(key), now.overrides.get(key)
        if was != is_now:
            words = ["not given" if value is None else shortened(value) for value in (was, is_now)]
            yield f"--set {shortened(key)}: {words[0]} when frozen, {words[1]} now"


def _criteria(then: FrozenPolicy, now: FrozenPolicy) -> Iterator[str]:
    was, is_now = ({(c.check, c.metric, c.relation): c.bounds for c in each.criteria} for each in (then, now))
    for key in sorted(was.keys() | is_now.keys()):
        if key not in is_now or key not in was:
            word = "gone" if key not in is_now else "new"
            yield f"the criterion of {shortened(key[0])} on {shortened(key[1])} ({key[2].replace('_', ' ')}) is {word}"
    for (check, metric, relation), bounds in was.items():
        later = is_now.get((check, metric, relation), bounds)
        for name in sorted(bounds.keys() | later.keys()):
            if bounds.get(name) != later.get(name):
                of = "" if name == metric else f" for {shortened(name)}"
                yield (
                    f"the bound of {shortened(check)} on {shortened(metric)}{of}: {relation.replace('_', ' ')} "
                    f"{_bound(bounds.get(name))} when frozen, {_bound(later.get(name))} now"
                )


def _bound(value: float | None) -> str:
    return "none" if value is None else repr(value)


def _entries(noun: str, changed: str, then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(then.keys() | now.keys()):
        if name not in now:
            yield f"the {noun} {shortened(name)} is gone"
        elif name not in then:
            yield f"the {noun} {shortened(name)} is new"
        elif then[name] != now[name]:
            yield f"the {noun} {shortened(name)} {changed}"
