"""What a plain YAML scalar means: less than YAML 1.1 says, so that nothing changes its type by surprise.

YAML 1.1 reads ``no`` as false, ``012`` as ten, ``1:30`` as ninety and ``2026-11-01`` as a date. Here only
what JSON would also read as something else than text is something else than text, in the spellings
of YAML 1.2's core schema; everything else stays as it was written.
"""

from __future__ import annotations

import math
import re
from typing import TypeAlias

Scalar: TypeAlias = str | int | float | bool | None

MAX_DIGITS = 18
"""Longer whole numbers are refused: nothing in a policy counts so far; it is an identifier without quotes."""

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Scalar] = {"": None, "~": None, "null": None, "true": True, "false": False}

CORE_TAGS = {f"tag:yaml.org,2002:{name}": name for name in ("str", "int", "float", "bool", "null", "map", "seq")}


def plain(text: str) -> Scalar:
    """Return the value of an unquoted scalar.

    Raises
    ------
    ValueError
        When it is a number too long or too large to hold.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        if len(text.lstrip("+-")) > MAX_DIGITS:
            raise ValueError(f"a whole number of {len(text.lstrip('+-'))} digits")
        return int(text)
    if _FLOAT.fullmatch(text):
        value = float(text)
        if not math.isfinite(value):
            raise ValueError("a number too large to hold")
        return value
    return text


def tagged(text: str, tag: str) -> Scalar:
    """Return the value of a scalar with one of YAML's own tags, such as ``!!str 5``.

    Raises
    ------
    ValueError
        When the text is not of that type.
    """
    if tag == "str":
        return text
    value = plain(text)
    if tag == "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    types = {"int": int, "float": float, "bool": bool, "null": type(None)}
    if type(value) is not types.get(tag):
        raise ValueError(f"a value that is not {tag}, with the tag !!{tag}")
    return value
