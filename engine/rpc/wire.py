"""Put serialized messages into others without reading them.

On the wire a message field is its number, its length and its bytes, and the fields of a message may
come in any order (protobuf, encoding). So serialized parts make a message when they are joined.
"""

_LENGTH_DELIMITED = 2
_BITS = 7
_MORE = 1 << _BITS


def embedded(number: int, message: bytes) -> bytes:
    """Return the field of a number that holds a serialized message."""
    tag = number << 3 | _LENGTH_DELIMITED
    return _varint(tag) + _varint(len(message)) + message


def _varint(value: int) -> bytes:
    """Return a number in groups of seven bits, the least significant first."""
    groups = bytearray()
    while value >= _MORE:
        groups.append(value & (_MORE - 1) | _MORE)
        value >>= _BITS
    groups.append(value)
    return bytes(groups)
