"""Hold the hash of the compiled codec to spreading the ids that catalogues and tills have."""

from random import Random

import pytest

from ext.wire import count_probes, folded

ID_COUNT = 10_000
PROBES_MAX = 14_000
"""A table that is filled to 31 % looks at 1.22 slots for an id; 1.4 is 18 deviations from there."""

WORD_MAX = 2**64 - 1
FLIP = 0x40


def _flipped(number: int) -> bytes:
    """Return 16 bytes that tell a number by one bit in each of 14, the last of every word too."""
    return bytes(ord("0") ^ (FLIP if number >> (15 - at) & 1 else 0) for at in range(16))


@pytest.mark.parametrize(
    "ids",
    [
        [b"%d" % number for number in range(ID_COUNT)],
        [b"%08d" % number for number in range(ID_COUNT)],
        [b"%016d" % number for number in range(ID_COUNT)],
        [b"%032d" % number for number in range(ID_COUNT)],
        [b"article %04d" % number for number in range(ID_COUNT)],
        [b"%04d0000" % number for number in range(ID_COUNT)],
        [b"%08d of the shop" % number for number in range(ID_COUNT)],
        [_flipped(number) for number in range(ID_COUNT)],
    ],
    ids=lambda ids: ids[1].decode(),
)
def test_hash_when_ids_differ_in_a_few_characters_then_looks_at_few_slots(ids: list[bytes]) -> None:
    assert ID_COUNT <= count_probes(ids) <= PROBES_MAX


def test_probes_when_an_id_is_there_twice_then_raises() -> None:
    with pytest.raises(ValueError, match="differ"):
        count_probes([b"a", b"b", b"a"])


@pytest.mark.parametrize("portable", [False, True])
def test_fold_when_numbers_are_any_then_is_that_of_the_exact_product(*, portable: bool) -> None:
    random = Random(1)
    pairs = [(random.getrandbits(64), random.getrandbits(64)) for _ in range(1_000)]
    pairs += [(0, WORD_MAX), (1, WORD_MAX), (WORD_MAX, WORD_MAX), (2**32, 2**32)]

    found = [folded(one, other, portable=portable) for one, other in pairs]

    assert [(one * other & WORD_MAX) ^ (one * other >> 64) for one, other in pairs] == found
