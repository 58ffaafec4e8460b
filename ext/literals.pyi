"""Types of the writer of exact decimal literals."""

from typing import SupportsIndex

TEXT: int

def literal(micros: SupportsIndex, fraction_digits_min: SupportsIndex) -> bytes: ...
def filled(
    texts: tuple[bytes, ...], digits: bytes, values: tuple[SupportsIndex | bytes, ...]
) -> bytes: ...
