"""Find the products in the body of an import without building any of them.

The whole body is gone through before anything is stored: one that is malformed at its end stores
nothing. What is kept of it is where each product begins and ends, so that a body of any length is
taken in with little memory.
"""

import re
from array import array
from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

import msgspec

from engine import limits
from engine.errors import FieldProblem, InvalidInput, Reason, invalid
from engine.strict_json import decode, shown_text

PRODUCTS_MAX: Final = 1_000_000
"""How many products one request may have."""

VALUE_BYTES_MAX: Final = 1024 * 1024
"""How long one product, or another member of the body, may be."""

MEMBERS_MAX: Final = 16
"""How many members the body may have; those that it may not have are refused later."""

_WINDOW_BYTES: Final = 2 * VALUE_BYTES_MAX
_LIST: Final = "products"

# Neither pattern can go back over what it has taken, so that both take time as long as the text.
_SPACE: Final = re.compile(rb"[ \t\n\r]*+")
_TO_BRACKET: Final = re.compile(
    rb'[^"\[\]{}]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"\[\]{}]*+)*+([\[\]{}])', re.DOTALL
)
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_SCALAR: Final = re.compile(rb'[^ \t\n\r,:"\[\]{}]++')

_SYNTAX: Final = msgspec.json.Decoder(msgspec.Raw)
"""Goes through a value without building it."""


class Source(Protocol):
    """The bytes of a body."""

    size: int

    def read(self, start: int, length: int) -> bytes:
        """Return bytes from an offset on, fewer at the end."""
        ...


class Span(NamedTuple):
    """Where a product is, and where its key is when products are an object by id."""

    start: int
    end: int
    key_start: int
    key_end: int


class Scanned:
    """What the body of an import consists of.

    Attributes:
        members: Its members, with an empty list in place of the products.
    """

    def __init__(self) -> None:
        self.members: dict[str, object] = {}
        self._offsets = array("Q")

    def __len__(self) -> int:
        """Return how many products there are."""
        return len(self._offsets) // 4

    def add(self, span: Span) -> None:
        """Note the next product."""
        self._offsets.extend(span)

    def span(self, index: int) -> Span:
        """Return where a product is."""
        return Span(*self._offsets[4 * index : 4 * index + 4])

    def batches(self, *, count_max: int, bytes_max: int) -> Iterator[list[Span]]:
        """Yield the products in lists of at most so many, and of so many bytes or a single one."""
        batch: list[Span] = []
        for index in range(len(self)):
            span = self.span(index)
            is_full = len(batch) == count_max or (batch and span.end - batch[0].start > bytes_max)
            if is_full:
                yield batch
                batch = []
            batch.append(span)
        if batch:
            yield batch


def scan_products(source: Source) -> Scanned:
    """Return where the products of a body are, after going through all of it.

    Args:
        source: `{"products": [...] or by id, ...}` or `{"product": {...}, ...}`.

    Raises:
        InvalidInput: It is no JSON, no object, has a member twice or too many, too many products,
            or a value that is too long or too deep.
    """
    return _Scanner(source).scan()


class _Scanner:
    """Goes through a body in windows that hold at least one value each."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._window = b""
        self._base = 0
        self._at = 0
        """Counted from the beginning of the window."""

    def scan(self) -> Scanned:
        found = Scanned()
        if self._peek() != b"{":
            raise self._unexpected("an object with products")
        self._at += 1
        if self._peek() == b"}":
            self._at += 1
        else:
            self._members(found)
        if self._peek():
            raise self._unexpected("the end of the body")
        return found

    def _members(self, found: Scanned) -> None:
        while True:
            start, end = self._string()
            name = decode(self._window[start - self._base : end - self._base])
            assert isinstance(name, str)
            if name in found.members:
                raise invalid(shown_text(name, quote=False), Reason.DUPLICATE, "expected it once")
            if len(found.members) == MEMBERS_MAX:
                message = f"expected at most {MEMBERS_MAX} members, was more"
                raise invalid("", Reason.TOO_MANY, message)
            self._expect(b":")
            opening = self._peek()
            if name == _LIST and opening in (b"[", b"{"):
                found.members[name] = []
                self._products(found, is_by_id=opening == b"{")
            else:
                found.members[name] = _member(name, self._value(name))
            if not self._goes_on(b"}"):
                return

    def _products(self, found: Scanned, *, is_by_id: bool) -> None:
        closing = b"}" if is_by_id else b"]"
        self._at += 1
        if self._peek() == closing:
            self._at += 1
            return
        while True:
            if len(found) == PRODUCTS_MAX:
                message = f"expected at most {PRODUCTS_MAX} products, was more"
                raise invalid(_LIST, Reason.TOO_MANY, message)
            key_start = key_end = 0
            if is_by_id:
                key_start, key_end = self._string()
                self._expect(b":")
            self._peek()
            start = self._base + self._at
            value = self._value(f"{_LIST}[{len(found)}]")
            found.add(Span(start, start + len(value), key_start, key_end))
            if not self._goes_on(closing):
                return

    # --- values ------------------------------------------------------------------------------

    def _value(self, path: str) -> bytes:
        """Return the text of the value here, whose syntax is right, and go behind it."""
        self._peek()
        window, start = self._window, self._at
        if window[start : start + 1] in (b"{", b"["):
            end = self._end_of_nested(path)
        else:
            pattern = _STRING if window[start : start + 1] == b'"' else _SCALAR
            match = pattern.match(window, start)
            if match is None:
                raise self._unexpected("a value", path)
            end = match.end()
        if end - start > VALUE_BYTES_MAX:
            raise _too_long(path)
        value = window[start:end]
        self._check_syntax(value, path)
        self._at = end
        return value

    def _end_of_nested(self, path: str) -> int:
        """Return where the object or array here ends."""
        at, depth, find = self._at, 0, _TO_BRACKET.match
        while True:
            match = find(self._window, at)
            if match is None:
                raise self._unclosed(path)
            at = match.end()
            if match[1] in b"{[":
                depth += 1
                # The body and its list are two levels more.
                if depth > limits.JSON_DEPTH_MAX - 2:
                    message = f"expected at most {limits.JSON_DEPTH_MAX} levels of nesting"
                    raise invalid(path, Reason.MALFORMED, f"{message}, was deeper")
            else:
                depth -= 1
                if depth == 0:
                    return at

    def _check_syntax(self, value: bytes, path: str) -> None:
        """Refuse the body for a value that is no JSON.

        What is JSON, but not taken here, such as a key twice, is left to whoever decodes the value:
        it makes that one product bad, and not the body.
        """
        try:
            value.decode()
            _SYNTAX.decode(value)
        except (UnicodeDecodeError, msgspec.DecodeError) as unclear:
            try:
                decode(value)
            except InvalidInput as error:
                if any(not each.field for each in error.problems):
                    offset = self._base + self._at
                    message = f"{error.message} (after byte {offset} of the body)"
                    raise invalid(path, Reason.MALFORMED, message) from unclear

    def _string(self) -> tuple[int, int]:
        """Return where the string here begins and ends, and go behind it."""
        if self._peek() != b'"':
            raise self._unexpected("a key")
        match = _STRING.match(self._window, self._at)
        if match is None:
            raise self._unclosed("")
        if len(match[0]) > VALUE_BYTES_MAX:
            raise _too_long("")
        self._check_syntax(match[0], "")
        start = self._base + self._at
        self._at = match.end()
        return start, self._base + self._at

    # --- bytes -------------------------------------------------------------------------------

    def _peek(self) -> bytes:
        """Go over white space; return the byte there, empty at the end, with a value behind it."""
        while True:
            match = _SPACE.match(self._window, self._at)
            assert match is not None, "no space is space too"
            self._at = match.end()
            is_last = self._base + len(self._window) >= self._source.size
            if is_last or len(self._window) - self._at > VALUE_BYTES_MAX:
                return self._window[self._at : self._at + 1]
            self._base += self._at
            self._at = 0
            self._window = self._source.read(self._base, _WINDOW_BYTES)

    def _expect(self, byte: bytes) -> None:
        if self._peek() != byte:
            raise self._unexpected(f"{byte.decode()!r}")
        self._at += 1

    def _goes_on(self, closing: bytes) -> bool:
        """Go over a comma, or what closes the object or array; return whether it was a comma."""
        found = self._peek()
        if found not in (b",", closing) or not found:
            raise self._unexpected(f"',' or {closing.decode()!r}")
        self._at += 1
        return found == b","

    def _unclosed(self, path: str) -> InvalidInput:
        """Return the error for a value that does not end in this window."""
        if len(self._window) - self._at > VALUE_BYTES_MAX:
            return _too_long(path)
        message = "expected valid JSON, was a body that ends inside a value"
        return invalid(path, Reason.MALFORMED, message)

    def _unexpected(self, expected: str, path: str = "") -> InvalidInput:
        around = self._window[self._at : self._at + 40].decode(errors="replace")
        was = shown_text(around) if around else "its end"
        where = f"at byte {self._base + self._at} of the body"
        return invalid(path, Reason.MALFORMED, f"expected {expected}, was {was} {where}")


def _member(name: str, text: bytes) -> object:
    """Return a member of the body other than the products.

    Raises:
        InvalidInput: It has a key twice, or text that is not taken.
    """
    try:
        return decode(text)
    except InvalidInput as error:
        raise InvalidInput(
            FieldProblem(f"{name}.{each.field}", each.reason, each.message)
            for each in error.problems
        ) from error


def _too_long(path: str) -> InvalidInput:
    message = f"expected a value of at most {VALUE_BYTES_MAX} bytes, was longer"
    return invalid(path, Reason.OUT_OF_BOUNDS, message)
