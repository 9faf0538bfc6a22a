"""Policies of a megabyte, made to take long: each ends soon, with problems that can be printed."""

import time

import pytest

from audit.errors import UserError

MEGABYTE = 900_000


def many(count, entry, start="", end=""):
    return start + ",".join(entry.format(n) for n in range(count)) + end


HOSTILE = {
    "groups": lambda text: text.replace("[sex]", many(MEGABYTE // 8, "a{}", "[", "]")),
    "group values": lambda text: text.replace("[sex]", many(MEGABYTE // 8, "a{}", "{sex: [", "]}")),
    "where": lambda text: text.replace("groups: [sex]", many(MEGABYTE // 14, "a{}: 1", "where: {", "}")),
    "unknown keys": lambda text: text + "".join(f"k{n}: 1\n" for n in range(MEGABYTE // 12)),
    "checks": lambda text: text + "  - {}\n" * (MEGABYTE // 8),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_megabyte_ends(desk, name):
    desk.text = HOSTILE[name](desk.text)
    start = time.perf_counter()

    with pytest.raises(UserError) as caught:
        desk.load()

    assert len(str(caught.value)) < 100_000
    assert time.perf_counter() - start < 30
