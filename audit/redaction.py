"""Withholds quoted texts from a record so that all the rest of it can still be shown to be what it was.

Every text that a record quotes from the rows (sampled cases, token maps, cells of tables) is a leaf. A leaf has a
commitment: SHA-256 over 32 random bytes of its own (the salt) and the text. The digest in ``texts`` is taken over the
record with the commitments in place of the texts. So whoever withholds a text puts its commitment beside it and drops
its salt, and the digest stays the same: it can be held against the one in a signed report or in a history.

Each leaf has a salt of its own. What is withheld cannot be guessed from its commitment by trying likely texts, and
showing one text gives nothing away about another. Selective disclosure for JSON Web Tokens (SD-JWT) does the same.

A record is plain data here, because a digest over what lies in a file must not change when a later version gives
records further parts.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping
from copy import deepcopy
from typing import Any

from audit.record import Record, stored

WITHHELD = "[withheld]"
"""Stands where a text was."""

PERSONAL = "rows of personal data are not printed unless the policy says show_rows"

_DOMAIN = b"inspectoscope-text-1\x00"
_APART = ("texts", "history")
"""Parts that the digest cannot cover: itself, and a place in a history that is given later."""

Draw = Callable[[], bytes]


def salt() -> bytes:
    """Draw the salt of one leaf."""
    return secrets.token_bytes(32)


def commitment(value: Any, salt: bytes) -> str:
    """Return what stands for a text, or for the tokens of a map: SHA-256, hexadecimal."""
    said = json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    return hashlib.sha256(_DOMAIN + salt + said).hexdigest()


# ---- leaves --------------------------------------------------------------------------------------


def leaves(data: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paths of everything in a record that may quote a row.

    Of a table or a plot that is every word that the audit itself does not give: names of groups, metrics and
    parameters are not withheld, because without them no number could be read.
    """
    for i, check in enumerate(data["checks"]):
        at = f"checks.{i}"
        for j, sample in enumerate(check["samples"]):
            yield from (f"{at}.samples.{j}.texts.{k}.text" for k in range(len(sample["texts"])))
            if sample["note"]:
                yield f"{at}.samples.{j}.note"
        own = _own_words(data, check)
        for j, exhibit in enumerate(check["exhibits"]):
            yield from (f"{at}.exhibits.{j}.{below}" for below in _of_exhibit(exhibit, own))
        if check["detail"]:
            yield f"{at}.detail"


def _of_exhibit(exhibit: Mapping[str, Any], own: Collection[str]) -> Iterator[str]:
    match exhibit["kind"]:
        case "token_map":
            yield "tokens"
        case "table":
            for r, row in enumerate(exhibit["rows"]):
                yield from (f"rows.{r}.{c}" for c, cell in enumerate(row) if _quotes(cell, own))
        case "forest":
            yield from (f"rows.{r}.label" for r, row in enumerate(exhibit["rows"]) if _quotes(row["label"], own))


def _quotes(cell: Any, own: Collection[str]) -> bool:
    return isinstance(cell, str) and bool(cell) and cell not in own


def _own_words(data: Mapping[str, Any], check: Mapping[str, Any]) -> frozenset[str]:
    """Return the words of a check that its measurements, parameters and declared groups give."""
    words = {"unknown"}
    for m in check["measurements"]:
        words |= {m["metric"], m["group"], m["reference"], m["stratum"]}
    words |= {word for metric in check["metrics"] for word in (metric["name"], metric["title"])}
    words |= set(strings(check["params"]))
    for card in data["data"]:
        words |= {word for attribute, counts in card["groups"].items() for word in (attribute, *counts)}
    return frozenset(words)


def strings(value: Any) -> Iterator[str]:
    """Yield every text in plain data, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield key
            yield from strings(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from strings(each)


# ---- the digest ----------------------------------------------------------------------------------


def digest(data: Mapping[str, Any]) -> str:
    """Return the digest of a record with commitments in place of its texts, as its own ``texts`` part tells them.

    Raises
    ------
    ValueError
        When the record has no such part, or names a text that is not there, or a salt that is none.
    """
    if not (texts := data.get("texts")):
        raise ValueError("it commits to no texts")
    masked = {key: deepcopy(value) for key, value in data.items() if key not in _APART}
    for path, salted in texts["salts"].items():
        _put(masked, path, f"sha256:{commitment(_at(data, path), bytes.fromhex(salted))}")
    for path, said in texts["withheld"].items():
        if path in texts["salts"] or not _is_blank(_at(data, path)):
            raise ValueError(f"the text {path} is said to be withheld and is there")
        _put(masked, path, f"sha256:{said['commitment']}")
    return hashlib.sha256(stored(masked).encode("utf-8")).hexdigest()


def _is_blank(value: Any) -> bool:
    return value == WITHHELD or (isinstance(value, list) and all(each == WITHHELD for each in value))


def _steps(path: str) -> list[str | int]:
    return [int(step) if step.isdecimal() else step for step in path.split(".")]


def _at(data: Any, path: str) -> Any:
    try:
        for step in _steps(path):
            data = data[step]
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(f"there is no text {path}") from error
    return data


def _put(data: Any, path: str, value: Any) -> None:
    *down, last = _steps(path)
    for step in down:
        data = data[step]
    data[last] = value


def identity(content: bytes) -> str:
    """Return the digest by which a record is known wherever it is entered, whatever texts it withholds later.

    It is the digest of its texts' part, computed anew; of a record from before texts could be withheld, and of what
    is no record at all, that of the bytes.

    Parameters
    ----------
    content
        A record as it is stored, without its place in a history.
    """
    try:
        data = json.loads(content)
        found = digest(data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return hashlib.sha256(content).hexdigest()
    return found if found == data["texts"]["digest"] else hashlib.sha256(content).hexdigest()


# ---- sealing and withholding ---------------------------------------------------------------------


def sealed(record: Record, draw: Draw = salt) -> Record:
    """Return a finished record with the salts of its texts and the digest that they allow to withhold them under.

    Texts of data sets whose rows are not to be shown are withheld at once: nothing that is made of the record
    can then print them.
    """
    # Read once as it will be read back: a whole number in place of a fraction must not be written in two ways.
    data = json.loads(Record.model_validate_json(record.to_json()).to_json())
    data["texts"] = {"salts": {path: draw().hex() for path in leaves(data)}, "withheld": {}}
    data["texts"]["digest"] = digest(data)
    hidden = {card["name"] for card in data["data"] if not card["rows_shown"]}
    private = {i for i, check in enumerate(data["checks"]) if hidden & {check["data"], *strings(check["params"])}}
    paths = [path for path in data["texts"]["salts"] if int(path.split(".")[1]) in private]
    return Record.model_validate(withheld(data, paths, PERSONAL))


def withheld(data: Mapping[str, Any], paths: Collection[str], because: str) -> dict[str, Any]:
    """Return a record without some of its texts; the digest in it stays what it was."""
    out = deepcopy(dict(data))
    for path in paths:
        value = _at(out, path)
        said = {"commitment": commitment(value, bytes.fromhex(out["texts"]["salts"].pop(path))), "because": because}
        out["texts"]["withheld"][path] = said
        _put(out, path, [WITHHELD] * len(value) if isinstance(value, list) else WITHHELD)
    return out


def chosen(
    data: Mapping[str, Any],
    *,
    checks: Collection[str] = (),
    rows: Collection[int] = (),
    containing: Collection[str] = (),
) -> tuple[str, ...]:
    """Return the texts to withhold; where nothing is named, all that are still there.

    Parameters
    ----------
    checks
        Ids of checks; the others keep their texts.
    rows
        Numbers of rows whose samples are meant, as the report prints them.
    containing
        Words; texts that hold one of them are meant, whatever stands between its letters: tokens keep no spaces.
    """
    known = {i for i, check in enumerate(data["checks"]) if not checks or check["id"] in checks}
    out = []
    for path in data["texts"]["salts"]:
        steps = path.split(".")
        if int(steps[1]) not in known:
            continue
        of_row = steps[2] == "samples" and _at(data, ".".join(steps[:4]))["row"] in rows
        held = _at(data, path)
        text = letters("".join(held) if isinstance(held, list) else held)
        if (not rows and not containing) or of_row or any(letters(word) in text for word in containing):
            out.append(path)
    return tuple(out)


def letters(text: str) -> str:
    """Return a text as words are looked for in it: letters and digits alone, in one case."""
    return "".join(sign for sign in text.casefold() if sign.isalnum())


def same_record(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two records are the same but for texts that one of them withholds."""
    try:
        return len({digest(one), digest(other), one["texts"]["digest"], other["texts"]["digest"]}) == 1
    except (ValueError, KeyError, TypeError):
        return False
