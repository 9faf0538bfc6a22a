"""Rows of words as CSV, the same bytes on every machine."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

Row = Mapping[str, str]


def as_csv(rows: Sequence[Row]) -> bytes:
    """Return rows with the header of the first, in UTF-8 and with plain line ends."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8")
