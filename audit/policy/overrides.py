"""Values given on the command line with ``--set key=value``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audit.errors import Problem, UserError
from audit.policy import strict_yaml
from audit.policy.annotations import keys
from audit.policy.document import Document, KeyPath
from audit.policy.encoding import UNFIT
from audit.policy.problems import named, nearest, one_of, shortened
from audit.policy.schema import Header

_TITLE = "A value given with --set cannot be used"


@dataclass(frozen=True, kw_only=True)
class Given:
    """What the command line said."""

    document: Document
    """The policy with the values in their place."""
    variables: Mapping[str, str]
    """Folders given for declared variables."""
    texts: Mapping[str, str]
    """Key → value, as given; the record keeps them."""


def applied(document: Document, overrides: Sequence[str]) -> Given:
    """Return the document with values from the command line, each ``key=value``.

    A key is a dotted path into the policy (an item of a list by its ``id`` or its position), or the name of
    a declared variable. Of two values for one key the later counts. A key that the policy leaves out may
    be given: whether there is such a key is the schema's to say.

    Raises
    ------
    UserError
        When one of them is not ``key=value``, its key leads nowhere, or its value is no scalar.
    """
    problems: list[Problem] = []
    variables: dict[str, str] = {}
    texts: dict[str, str] = {}
    declared = _declared(document)
    for override in overrides:
        label = f"--set {override}"
        try:
            key, text = _split(override)
            texts[key] = text
            if key in declared:
                variables[key] = text
            else:
                document = document.with_value(_resolved(document, key), _value(text), text, label)
        except _UnusableError as error:
            problems.append(Problem(where=label, found=error.found, expected=error.expected, do=error.do))
    if problems:
        raise UserError(_TITLE, problems)
    return Given(document=document, variables=variables, texts=texts)


class _UnusableError(Exception):
    def __init__(self, found: str, expected: str, do: str = "") -> None:
        super().__init__(found)
        self.found, self.expected, self.do = found, expected, do


def _split(override: str) -> tuple[str, str]:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise _UnusableError("no key=value", "a key, an equals sign and a value")
    if unfit := UNFIT.search(text):
        raise _UnusableError(f"a value with the character U+{ord(unfit[0]):04X}", "text that can be shown")
    return key, text


def _declared(document: Document) -> Sequence[str]:
    variables = document.data.get("variables")
    return tuple(variables) if isinstance(variables, dict) else ()


def _value(text: str) -> Any:
    try:
        return strict_yaml.scalar(text)
    except ValueError as error:
        raise _UnusableError(str(error), "text, a number, true, false or nothing") from error


def _resolved(document: Document, key: str) -> KeyPath:
    """Return the path that a dotted key names."""
    words = key.split(".")
    roots = [*(name for name in keys(Header) if name != "extends"), *_declared(document)]
    if words[0] == "extends":
        raise _UnusableError("`extends`", "the key of a value: what a policy extends stands in its file")
    if words[0] not in keys(Header):
        raise _UnusableError(f"the unknown key `{shortened(words[0])}`", one_of(roots), nearest(words[0], roots))
    value: Any = document.data
    path: list[str | int] = []
    for word in words:
        step = _step(value, word, path)
        value = value.get(step, {}) if isinstance(value, dict) else value[int(step)]
        path.append(step)
    if isinstance(value, dict | list) and value:
        raise _UnusableError(
            f"`{key}`, which holds {named(value)}", "the key of one value", f"go on with one of its keys: {key}.…"
        )
    return tuple(path)


def _step(value: Any, word: str, path: Sequence[str | int]) -> str | int:
    at = ".".join(map(str, path))
    if isinstance(value, dict):
        named_by_user = at in {"data", "variables"}
        if named_by_user and word not in value:
            raise _UnusableError(f"`{shortened(word)}` in `{at}`", one_of(list(value)), nearest(word, value))
        return word
    if isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict) and item.get("id") == word:
                return index
        if word.isascii() and word.isdigit() and len(word) < 6 and int(word) < len(value):
            return int(word)
        options = list(_item_names(value))
        raise _UnusableError(f"`{shortened(word)}` in `{at}`", one_of(options), nearest(word, options))
    raise _UnusableError(f"`{shortened(word)}` under `{at}`, which is {named(value)}", "a key that the policy has")


def _item_names(items: list[Any]) -> Iterator[str]:
    for index, item in enumerate(items):
        name = item.get("id") if isinstance(item, dict) else None
        yield name if isinstance(name, str) else str(index)
