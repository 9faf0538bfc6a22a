"""Charts of a record as SVG, drawn by hand: one string, placed in the PDF and in the HTML alike.

Nothing is told by colour alone: series differ in dash and marker, bounds are dashed and labelled, every
forest row prints its numbers. The ``<title>`` of each drawing holds the whole sentence, because that
becomes the alternative text of a tagged PDF (ISO 14289-1, 7.3).
"""

from __future__ import annotations

from audit.report.curve import curve
from audit.report.forest import forest
from audit.report.svg import Drawing
from audit.types import Curve, Forest


def drawings(exhibit: Forest | Curve, decimals: int | None = None) -> tuple[Drawing, ...]:
    """Return the drawings of an exhibit; none where it holds no value.

    ``decimals`` are those that the numbers of a forest are printed with elsewhere; by default what its
    own intervals are worth.
    """
    return forest(exhibit, decimals) if isinstance(exhibit, Forest) else curve(exhibit)
