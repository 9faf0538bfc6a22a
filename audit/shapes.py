"""Names of the array axes, written once.

Annotations use them in comments and docstrings: an array documented as ``(rows, width)`` has these axes.

rows     one per rendered text, in the order it was asked for
tokens   positions of one tokenised text, special tokens included
layers   0 is the input of the first block, k the output of block k (before any final norm)
width    the model's hidden size
options  labels of a classifier, or answer texts of a causal model
draws    permutations or resamples
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
"""Statistics are computed in double precision whatever the model's dtype."""

States: TypeAlias = NDArray[np.float32]
"""Hidden states as they are stored: (rows, width)."""

Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]
