"""Text from the record made fit for machine formats, and those formats written the same way each time.

A reader of SARIF, CSV or a bill of materials shows what it gets in a web page, a terminal or a spreadsheet:
what does not show itself is named (``audit.text.printable``), and nothing is longer than a reader takes.
"""

from __future__ import annotations

import json
from typing import Any

from audit.text import printable

LONGEST_LINE = 2_000
LONGEST_TEXT = 20_000


def line(text: str, most: int = LONGEST_LINE) -> str:
    """Return ``text`` in one line, cut after ``most`` characters; line breaks and tabs are spaces."""
    flat = printable(" ".join(text.replace("\t", " ").splitlines())).strip(" ")
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"


def lines(text: str, most: int = LONGEST_TEXT) -> str:
    """Return ``text`` with its line feeds and nothing else that does not show itself."""
    whole = "\n".join(printable(each) for each in text.split("\n")).rstrip()
    return whole if len(whole) <= most else f"{whole[: most - 1]}…"


def document(data: Any) -> bytes:
    """Return plain data as JSON: keys in the order given, so that the same record gives the same bytes."""
    return (json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")
