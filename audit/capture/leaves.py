"""What a stored answer looks like as a leaf of the evidence: the bytes whose digest stands for it.

A leaf is one byte for the kind, sixteen for the request, sixteen for the text (``stored.key_of``), sixteen of salt,
then the value: numbers as 64-bit floats, notes as UTF-8 JSON, states as layer after layer, each its number in four
bytes and then 32-bit floats. Everything is little-endian but the layer's number, and nothing has two spellings.

The salt is random and each leaf has its own. Once an answer is erased and its salt with it, the digest that stays in
its place tells nothing: without a salt, whoever has the model could try likely texts until one gives that digest.
"""

from __future__ import annotations

import hashlib
import secrets
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from audit import merkle
from audit.shapes import Floats

if TYPE_CHECKING:
    from audit import shapes

SALT_BYTES = 16


class Kind(IntEnum):
    """What a stored answer is made of; also the order in which leaves are hashed."""

    NUMBERS = 0
    NOTE = 1
    STATES = 2


class Leaf(NamedTuple):
    """Which answer a leaf is of; leaves stand in the tree in the order of these."""

    kind: Kind
    request: bytes
    layers: tuple[int, ...]
    """Of states; of other answers empty."""
    text: bytes


def salts(count: int) -> list[bytes]:
    """Draw the salts of some leaves."""
    drawn = secrets.token_bytes(SALT_BYTES * count)
    return [drawn[at : at + SALT_BYTES] for at in range(0, len(drawn), SALT_BYTES)]


def digest_of(kind: Kind, request: bytes, text: bytes, salt: bytes, value: bytes) -> bytes:
    """Return the digest of an answer that is at hand as a whole."""
    return merkle.leaf(bytes([kind]) + request + text + salt + value)


class StatesLeaf:
    """The digest of one text's states, taken in layer by layer."""

    def __init__(self, request: bytes, text: bytes, salt: bytes) -> None:
        self._hash = hashlib.sha256(b"\x00" + bytes([Kind.STATES]) + request + text + salt)

    def add(self, layer: int, states: Floats | shapes.States) -> None:
        """Take in the states of the next layer: (width,)."""
        self._hash.update(layer.to_bytes(4, "big") + states.astype("<f4", copy=False).tobytes())

    def digest(self) -> bytes:
        """Return the leaf's digest."""
        return self._hash.digest()
