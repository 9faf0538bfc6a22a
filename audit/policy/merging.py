"""Lays one policy over another: what is written takes the place of what was, part by part, with its position.

The rules are those of ``audit.policy.extending``. A part of the wrong kind (text where checks should stand) is taken as
it is: the schema then says what is wrong with it, where it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from audit.errors import Problem
from audit.policy.document import Document, KeyPath
from audit.policy.problems import named, nearest, one_of, shortened
from audit.types import Place

OWN = ("inspectoscope", "extends", "id", "version", "authors", "waivers")
"""Keys of a policy that are never inherited."""
ABOUT_ROWS = ("origin", "licence", "description", "language", "population", "enumerated", "art4a")
"""Keys of a data set that say something of its rows."""
ROWS = ("rows", "template", "lists")
MARKS = REMOVE, REPLACE = ("remove", "replace")


@dataclass(frozen=True, kw_only=True)
class Combined:
    """One policy laid over another, and what could not be laid."""

    document: Document
    problems: tuple[Problem, ...]


def combined(top: Document, base: Document) -> Combined:
    """Return one policy laid over another; neither is validated yet."""
    laying = _Laying(top=top, base=base)
    laying.check_format()
    data = {
        key: laying.part(key) for key in dict.fromkeys([*base.data, *top.data]) if key in top.data or key not in OWN
    }
    document = replace(top, data=data, places=laying.places, key_places=laying.key_places, written=laying.written)
    return Combined(document=document, problems=tuple(laying.problems))


@dataclass(kw_only=True)
class _Laying:
    """Takes parts of two documents into a third, each with the positions of everything in it."""

    top: Document
    base: Document
    places: dict[KeyPath, Place] = field(default_factory=dict)
    key_places: dict[KeyPath, Place] = field(default_factory=dict)
    written: dict[KeyPath, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.places[()] = self.top.place_of(())

    # ---- parts of a policy -----------------------------------------------------------------------

    def check_format(self) -> None:
        if (version := self.base.data.get("inspectoscope")) != 1 or isinstance(version, bool):
            at: KeyPath = ("inspectoscope",)
            found = named(version) if at[0] in self.base.data else "no `inspectoscope`"
            self._problem(self.base, at, found, "inspectoscope: 1, the version of the format that this program reads")

    def part(self, key: str) -> Any:
        at = (key,)
        if key not in self.top.data or key not in self.base.data or key in OWN:
            document = self.top if key in self.top.data else self.base
            if key in self.top.data and key not in OWN:
                self._check_new(at)
            return self.take(document, at, at)
        if key == "model":
            return self.mapping(at, at, at)
        if key in {"variables", "data"}:
            return self.by_name(at, changed=key == "data")
        if key in {"checks", "hazards"}:
            return self.by_id(at)
        return self.take(self.top, at, at)

    def by_name(self, at: KeyPath, *, changed: bool) -> Any:
        """Lay mappings of named entries over each other; entries themselves are changed, or replaced whole."""
        top, base = self.top.get(at), self.base.get(at)
        if not (isinstance(top, dict) and isinstance(base, dict)):
            return self.take(self.top if isinstance(base, dict) else self.base, at, at)
        self._stand(self.top, at, at)
        out = {}
        for name in dict.fromkeys([*base, *top]):
            path = (*at, name)
            if name not in top:
                out[name] = self.take(self.base, path, path)
            elif not changed:
                out[name] = self.take(self.top, path, path)
            elif self.stays(path, name in base, list(base)):
                out[name] = self.entry(path, path if name in base else None, path)
        return out

    def by_id(self, at: KeyPath) -> Any:
        """Lay lists of entries with an ``id`` over each other: the base's order, then what is new."""
        top, base = self.top.get(at), self.base.get(at)
        if not (isinstance(top, list) and isinstance(base, list)):
            return self.take(self.top if isinstance(base, list) else self.base, at, at)
        self._stand(self.top, at, at)
        known = _positions(base)
        laid: dict[int, int] = {}
        new = []
        for index, entry in enumerate(top):
            name = _id(entry)
            if name in known and known[name] in laid:
                self._twice(at, index, laid[known[name]], name)
            elif name in known:
                laid[known[name]] = index
            else:
                new.append(index)
        plan: list[tuple[int | None, int | None]] = [(laid.get(position), position) for position in range(len(base))]
        plan += [(index, None) for index in new]
        out: list[Any] = []
        for mine, theirs in plan:
            to = (*at, len(out))
            if mine is None:
                out.append(self.take(self.base, (*at, theirs), to))  # type: ignore[arg-type]
            elif self.stays((*at, mine), theirs is not None, [name for name in known if name]):
                out.append(self.entry((*at, mine), None if theirs is None else (*at, theirs), to))
        return out

    def entry(self, mine: KeyPath, theirs: KeyPath | None, to: KeyPath) -> Any:
        """Lay one check, hazard or data set over the base's; ``theirs`` is None for one that is new."""
        value = self.top.get(mine)
        if theirs is None or (isinstance(value, dict) and REPLACE in value):
            return self.take(self.top, mine, to, without=MARKS)
        return self.mapping(mine, theirs, to, without=MARKS)

    def mapping(self, mine: KeyPath, theirs: KeyPath, to: KeyPath, without: Sequence[str] = ()) -> Any:
        """Lay one mapping over another, key by key; ``without`` are keys of the upper one that are not taken."""
        top, base = self.top.get(mine), self.base.get(theirs)
        if not isinstance(base, dict):
            return self.take(self.base, theirs, to)
        if not isinstance(top, dict):
            return self.take(self.top, mine, to)
        other = self._other_type(mine, top, base)
        lost = ABOUT_ROWS if mine[0] == "data" and any(key in top for key in ROWS) else ()
        self._stand(self.top, mine, to)
        out = {}
        for key in dict.fromkeys([*base, *top]):
            if key == "criteria" and mine[0] == "checks" and key in top and key in base:
                out[key] = self.criteria((*mine, key), (*theirs, key), (*to, key))
            elif key in top and (key in without or (other and key == "check")):
                if key in base:
                    out[key] = self.take(self.base, (*theirs, key), (*to, key))
            elif key in top:
                out[key] = self.take(self.top, (*mine, key), (*to, key))
            elif key not in lost:
                out[key] = self.take(self.base, (*theirs, key), (*to, key))
        return out

    def criteria(self, mine: KeyPath, theirs: KeyPath, to: KeyPath) -> Any:
        """Put the criteria on a metric in the place of the base's on it; others stay."""
        top, base = self.top.get(mine), self.base.get(theirs)
        if not isinstance(base, list):
            return self.take(self.base, theirs, to)
        if not isinstance(top, list):
            return self.take(self.top, mine, to)
        self._stand(self.top, mine, to)
        known = list(dict.fromkeys(metric for item in base if (metric := _metric(item))))
        kept = [index for index, item in enumerate(top) if self.stays((*mine, index), _metric(item) in known, known)]
        changed = {_metric(item) for item in top if _metric(item)}
        plan: list[tuple[Document, KeyPath]] = []
        for position, item in enumerate(base):
            metric = _metric(item)
            if metric not in changed:
                plan.append((self.base, (*theirs, position)))
            elif metric not in {_metric(each) for each in base[:position]}:
                plan += [(self.top, (*mine, index)) for index in kept if _metric(top[index]) == metric]
        plan += [(self.top, (*mine, index)) for index in kept if _metric(top[index]) not in known]
        return [self.take(document, path, (*to, at), without=MARKS) for at, (document, path) in enumerate(plan)]

    # ---- remove and replace ----------------------------------------------------------------------

    def stays(self, at: KeyPath, known: bool, names: Sequence[str]) -> bool:
        """Return whether an entry is to be laid, and say what is wrong with how it is marked."""
        value = self.top.get(at)
        if not isinstance(value, dict):
            return True
        for mark in (REMOVE, REPLACE):
            if mark in value:
                self._check_mark(at, value, mark, known, names)
        return REMOVE not in value or (known and value[REMOVE] is not True)

    def _check_mark(self, at: KeyPath, value: dict[str, Any], mark: str, known: bool, names: Sequence[str]) -> None:
        criterion = len(at) > 2
        key = "metric" if criterion else "id"
        name = value.get(key) if isinstance(at[-1], int) else at[-1]
        if value[mark] is not True:
            self._problem(self.top, (*at, mark), named(value[mark]), f"{mark}: true, or no `{mark}`")
        elif criterion and mark == REPLACE:
            self._problem(
                self.top, (*at, mark), "`replace` in a criterion", "no `replace`: criteria are replaced whole", key=True
            )
        elif not known:
            shown = shortened(str(name))
            self._problem(
                self.top, (*at, mark), f"`{mark}` of `{shown}`, which the policy that is extended does not have",
                one_of(names), nearest(shown, names), key=True,
            )  # fmt: skip
        elif mark == REMOVE and (more := [other for other in value if other not in {REMOVE, key}]):
            self._problem(
                self.top, (*at, more[0]), f"`{shortened(more[0])}` beside `remove`", f"`remove: true` with {key} alone"
                if isinstance(at[-1], int) else "`remove: true` alone", key=True,
            )  # fmt: skip

    def _check_new(self, at: KeyPath) -> None:
        """See that nothing is marked where the base has no such part at all."""
        value = self.top.get(at)
        if at[0] == "data" and isinstance(value, dict):
            for name in value:
                self.stays((*at, name), False, ())
        elif at[0] in {"checks", "hazards"} and isinstance(value, list):
            for index in range(len(value)):
                self.stays((*at, index), False, ())

    def _other_type(self, mine: KeyPath, top: dict[str, Any], base: dict[str, Any]) -> bool:
        """Return whether a check would get another type, and say so."""
        other = mine[0] == "checks" and "check" in top and top["check"] != base.get("check")
        if other:
            self._problem(
                self.top, (*mine, "check"), "another type than that of the check that is changed",
                f"the type {shortened(str(base.get('check')))}: parameters of one type mean nothing to another",
                "add `replace: true` to inherit nothing of it, or give the new check an id of its own",
            )  # fmt: skip
        return other

    def _twice(self, at: KeyPath, index: int, first: int, name: str) -> None:
        line = self.top.place_of((*at, first, "id")).line
        found = f"the id `{shortened(name)}` a second time; the first is at line {line}"
        self._problem(self.top, (*at, index, "id"), found, "each id once")

    def _problem(
        self, document: Document, at: KeyPath, found: str, expected: str, do: str = "", *, key: bool = False
    ) -> None:
        where = document.where(at, key=key)
        self.problems.append(
            Problem(where=where, found=found, expected=expected, do=do, excerpt=document.excerpt(where))
        )

    # ---- taking ----------------------------------------------------------------------------------

    def take(self, document: Document, source: KeyPath, to: KeyPath, without: Iterable[str] = ()) -> Any:
        """Return a value of a document, with the positions of everything in it taken along."""
        value = document.get(source)
        self._stand(document, source, to)
        if isinstance(value, dict):
            left = [key for key in value if key not in without]
            return {key: self.take(document, (*source, key), (*to, key)) for key in left}
        if isinstance(value, list):
            return [self.take(document, (*source, at), (*to, at)) for at in range(len(value))]
        return value

    def _stand(self, document: Document, source: KeyPath, to: KeyPath) -> None:
        for held, into in (
            (document.places, self.places),
            (document.key_places, self.key_places),
            (document.written, self.written),
        ):
            if source in held:
                into[to] = held[source]  # type: ignore[assignment]


def _id(entry: Any) -> str:
    name = entry.get("id") if isinstance(entry, dict) else None
    return name if isinstance(name, str) else ""


def _metric(item: Any) -> str:
    name = item.get("metric") if isinstance(item, dict) else None
    return name if isinstance(name, str) else ""


def _positions(entries: list[Any]) -> dict[str, int]:
    """Return where the first entry of each id stands."""
    out: dict[str, int] = {}
    for position, entry in enumerate(entries):
        if name := _id(entry):
            out.setdefault(name, position)
    return out
