"""Write messages again as no library writes them, but as every library has to read them.

The pieces of a message are its fields as they stand on the wire. They are put into another order,
sub-messages fall into two parts, numbers take more bytes than they need, values come again, and
fields come along that no schema has.
"""

from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor

VARINT, FIXED_64, BYTES, GROUP, GROUP_END, FIXED_32 = range(6)
UNKNOWN_NUMBERS = (99, 1_000, 18_999, 2**29 - 1)


class Piece(NamedTuple):
    """A field on the wire: its number, its wire type, and what follows its tag."""

    number: int
    wire_type: int
    value: int | bytes


def varint(value: int, extra_bytes: int = 0) -> bytes:
    """Return a number in groups of seven bits, with so many bytes more than it needs."""
    value &= 2**64 - 1
    groups = [value & 127]
    while value := value >> 7:
        groups.append(value & 127)
    groups += [0] * min(extra_bytes, 10 - len(groups))
    return bytes([group | 128 for group in groups[:-1]] + groups[-1:])


def pieces_of(data: bytes) -> Iterator[Piece]:
    """Yield the fields of a serialized message of numbers and bytes."""
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        tag = number()
        if tag & 7 == VARINT:
            yield Piece(tag >> 3, VARINT, number())
            continue
        assert tag & 7 == BYTES, "requests have no other wire types"
        size = number()
        yield Piece(tag >> 3, BYTES, data[at : at + size])
        at += size


class Quirks:
    """Writes messages again, each time otherwise; the same seed gives the same bytes."""

    def __init__(self, seed: int, *, has_groups: bool = False) -> None:
        """Start the sequence of a seed; groups are what a reader may well refuse."""
        self._random = Random(seed)
        self._has_groups = has_groups

    def written(self, data: bytes, kind: Descriptor) -> bytes:
        """Return another form of a serialized message, which reads as the same."""
        pieces: list[Piece] = []
        for piece in pieces_of(data):
            pieces += self._forms(piece, kind.fields_by_number.get(piece.number))
        if self._chance(30):
            self._shuffle(pieces)
        while self._chance(25):
            pieces.insert(self._random.randint(0, len(pieces)), self._unknown())
        return b"".join(map(self._written, pieces))

    def _chance(self, percent: int) -> bool:
        return self._random.randrange(100) < percent

    def _forms(self, piece: Piece, field: FieldDescriptor | None) -> Iterator[Piece]:
        """Yield a field in one or two parts."""
        assert field is not None, "what is written again has known fields only"
        if piece.wire_type == VARINT:
            if self._chance(5) and field.containing_oneof is None:
                yield piece._replace(value=self._random.getrandbits(64))
            yield piece
            return
        assert isinstance(piece.value, bytes)
        if field.message_type is None:
            if self._chance(3) and not field.is_repeated:
                yield piece._replace(value=b"before")
            yield piece
            return
        if field.message_type.GetOptions().map_entry:
            yield piece
            return
        if self._chance(15) and not field.is_repeated:
            inner = list(pieces_of(piece.value))
            at = self._random.randint(0, len(inner))
            for part in (inner[:at], inner[at:]):
                yield piece._replace(value=b"".join(map(self._written, part)))
            return
        yield piece._replace(value=self.written(piece.value, field.message_type))

    def _shuffle(self, pieces: list[Piece]) -> None:
        """Mix the fields; those of one number, and those of a oneof, keep their order."""
        numbers = [piece.number for piece in pieces]
        self._random.shuffle(numbers)
        waiting: dict[int, list[Piece]] = {}
        for piece in pieces:
            waiting.setdefault(piece.number, []).append(piece)
        pieces[:] = [waiting[number].pop(0) for number in numbers]

    def _unknown(self) -> Piece:
        number = self._random.choice(UNKNOWN_NUMBERS)
        choices: Sequence[Piece] = (
            Piece(number, VARINT, self._random.getrandbits(64)),
            Piece(number, FIXED_64, self._random.randbytes(8)),
            Piece(number, FIXED_32, self._random.randbytes(4)),
            Piece(number, BYTES, self._random.randbytes(self._random.randrange(9))),
            Piece(number, GROUP, self._written(Piece(1, VARINT, 1))),
        )
        return self._random.choice(choices if self._has_groups else choices[:-1])

    def _written(self, piece: Piece) -> bytes:
        extra = self._random.randint(1, 3) if self._chance(10) else 0
        tag = varint(piece.number << 3 | piece.wire_type)
        if len(tag) + extra <= 5:
            tag = varint(piece.number << 3 | piece.wire_type, extra)
        if isinstance(piece.value, int):
            return tag + varint(piece.value, extra)
        if piece.wire_type == BYTES:
            return tag + varint(len(piece.value), min(extra, 2)) + piece.value
        if piece.wire_type == GROUP:
            return tag + piece.value + varint(piece.number << 3 | GROUP_END)
        return tag + piece.value


def damaged(data: bytes, random: Random) -> bytes:
    """Return bytes with a few of them changed, left out, doubled or cut off."""
    found = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        if not found:
            break
        at = random.randrange(len(found))
        match random.randrange(6):
            case 0:
                found[at] ^= 1 << random.randrange(8)
            case 1:
                found[at] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))
            case 2:
                del found[at : at + random.choice((1, 1, 2, 8))]
            case 3:
                del found[at:]
            case 4:
                found[at:at] = found[at : at + random.choice((1, 2, 16))]
            case _:
                found[at:at] = random.randbytes(random.choice((1, 2, 9)))
    return bytes(found)
