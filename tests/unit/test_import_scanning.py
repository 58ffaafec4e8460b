"""Find products in bodies: what is found is what a decoder finds, and bad bodies are refused."""

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import limits
from engine.errors import InvalidInput, Overloaded
from server.http.errors import TooLarge
from server.http.imports import scanning
from server.http.imports.scanning import Scanned, scan_products
from server.http.imports.spooling import MEMORY_BYTES_MAX, Body, Budget, _Gzip

VALUE_MAX = scanning.VALUE_BYTES_MAX


class Text:
    """A body in memory, of which no more is read at once than a window."""

    def __init__(self, data: bytes) -> None:
        self.size = len(data)
        self.data = data

    def read(self, start: int, length: int) -> bytes:
        """Return bytes from an offset on."""
        assert length <= 2 * VALUE_MAX, "a window"
        return self.data[start : start + length]


def scan(data: bytes) -> Scanned:
    """Scan a body."""
    return scan_products(Text(data))


def products(data: bytes) -> list[object]:
    """Return the products that are found in a body, those of an object by id in pairs."""
    found = scan(data)
    every: list[object] = []
    for index in range(len(found)):
        span = found.span(index)
        value = json.loads(data[span.start : span.end])
        key = data[span.key_start : span.key_end]
        every.append([json.loads(key), value] if key else value)
    return every


def problem(data: bytes) -> tuple[str, str]:
    """Return the field and the reason for which a body is refused."""
    with pytest.raises(InvalidInput) as caught:
        scan(data)
    return caught.value.problems[0].field, caught.value.problems[0].reason.name


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(
    st.lists(JSON, max_size=6),
    JSON,
    st.sampled_from([None, 1, "\t"]),
    st.sampled_from(["escaped", "as it is"]),
)
def test_scan_when_body_is_json_then_the_products_are_those_of_a_decoder(
    listed: list[object], other: object, indent: int | str | None, characters: str
) -> None:
    body = {"shops": other, "products": listed, "metadata": other}
    data = json.dumps(body, indent=indent, ensure_ascii=characters == "escaped").encode()
    found = scan(data)

    assert listed == products(data)
    assert ["shops", "products", "metadata"] == list(found.members)


def test_scan_when_products_are_by_id_then_keys_are_found() -> None:
    data = b' {"products" : { "a\\"}" : {"x": "[{\\\\"} ,\n"b":1 } } '

    assert [['a"}', {"x": "[{\\"}], ["b", 1]] == products(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"[]",
        b"\xef\xbb\xbf{}",
        b"{",
        b'{"products"',
        b'{"products":',
        b'{"products":[',
        b'{"products":[{}',
        b'{"products":[{}]',
        b'{"products":[{},]}',
        b'{"products":[,{}]}',
        b'{"products":[{} {}]}',
        b'{"products":[{}]} x',
        b'{"products":[{}]}}',
        b'{"products":[{"a":1,,}]}',
        b'{"products":[{"a":01}]}',
        b'{"products":[{"a":[1}]]}',
        b'{"products":[{"a":"x}]}',
        b'{"products":[nope]}',
        b'{"products":[{"a":"\xff"}]}',
        b'{"products":{"a"}}',
        b'{"products":{a:1}}',
        b'{"products":{"a":1,}}',
        b"{products:[]}",
        b'{"products":[]"shops":[]}',
        b'{"products":[],}',
    ],
)
def test_scan_when_body_is_malformed_then_all_of_it_is_refused(data: bytes) -> None:
    assert problem(data)[1] == "MALFORMED"


@pytest.mark.parametrize(
    "product", [b'{"a":1,"a":2}', b'{"a":"\\ud800"}', b'{"a":"\\u0000"}', b'{"a":NaN}', b"7"]
)
def test_scan_when_one_product_is_not_taken_then_the_body_is(product: bytes) -> None:
    assert len(scan(b'{"products":[{},' + product + b",{}]}")) == 3


def test_scan_when_member_is_repeated_then_refused() -> None:
    assert ("products", "DUPLICATE") == problem(b'{"products":[],"products":[]}')


def test_scan_when_another_member_is_bad_then_its_path_is_named() -> None:
    assert ("shops.a", "DUPLICATE") == problem(b'{"shops":{"a":true,"a":true}}')


def test_scan_when_members_are_many_then_refused() -> None:
    members = ",".join(f'"m{index}":0' for index in range(scanning.MEMBERS_MAX + 1))

    assert ("", "TOO_MANY") == problem(f"{{{members}}}".encode())


def test_scan_when_products_are_many_then_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "PRODUCTS_MAX", 3)

    assert len(scan(b'{"products":[1,2,3]}')) == 3
    assert ("products", "TOO_MANY") == problem(b'{"products":[1,2,3,4]}')


@pytest.mark.parametrize("depth", [1, 500_000])
def test_scan_when_product_is_deeper_than_allowed_then_refused(depth: int) -> None:
    levels = limits.JSON_DEPTH_MAX - 2
    fits = b"[" * levels + b"]" * levels
    deeper = b"[" * depth + fits + b"]" * depth

    assert len(scan(b'{"products":[' + fits + b"]}")) == 1
    assert ("products[0]", "MALFORMED") == problem(b'{"products":[' + deeper + b"]}")


def test_scan_when_product_is_longer_than_allowed_then_refused() -> None:
    fits = b'"' + b"x" * (VALUE_MAX - 2) + b'"'

    assert len(scan(b'{"products":[1,' + fits + b"]}")) == 2
    for longer in (b'"x' + fits[1:], b'["' + b"x" * 3 * VALUE_MAX + b'"]'):
        assert ("products[1]", "OUT_OF_BOUNDS") == problem(b'{"products":[1,' + longer + b"]}")


def test_scan_when_body_is_longer_than_a_window_then_all_products_are_found() -> None:
    listed = [{"id": str(index), "text": '\\"{[' * 40_000} for index in range(30)]
    data = json.dumps({"products": listed}, indent=2).encode()

    assert len(data) > 4 * VALUE_MAX
    assert listed == products(data)


def test_scan_when_there_is_much_space_then_it_is_gone_over() -> None:
    space = b" " * 3 * VALUE_MAX

    assert len(scan(space + b'{"products":[1' + space + b",2]}" + space)) == 2


def test_batches_when_products_are_many_or_long_then_split() -> None:
    found = scan(json.dumps({"products": ["x" * 100, "y", "z", "x" * 100, "y"]}).encode())

    batches = found.batches(count_max=2, bytes_max=150)

    assert [2, 2, 1] == [len(batch) for batch in batches]
    assert [1] * 5 == [len(batch) for batch in found.batches(count_max=9, bytes_max=1)]


# --- bodies ----------------------------------------------------------------------------------


def test_body_when_it_is_long_then_it_reads_as_written_from_a_file() -> None:
    budget, parts = Budget(), [bytes([index]) * 700_000 for index in range(4)]
    body = Body(budget, bytes_max=10_000_000)
    for part in parts:
        body.write(part)
    text = b"".join(parts)
    read = body.read(0, body.size), body.read(MEMORY_BYTES_MAX - 5, 10), body.read(body.size, 9)
    body.close()

    assert (text, text[MEMORY_BYTES_MAX - 5 : MEMORY_BYTES_MAX + 5], b"") == read


def test_body_when_longer_than_allowed_then_refused() -> None:
    body = Body(Budget(), bytes_max=10)
    body.write(b"x" * 10)

    with pytest.raises(TooLarge):
        body.write(b"x")


def test_budget_when_all_bodies_are_too_much_then_refused_until_one_is_closed() -> None:
    budget = Budget(10)
    first, second = Body(budget, bytes_max=10), Body(budget, bytes_max=10)
    first.write(b"x" * 8)
    with pytest.raises(Overloaded):
        second.write(b"x" * 3)
    first.close()
    second.write(b"x" * 3)

    assert second.size == 3


def test_gzip_when_it_is_a_bomb_then_refused_and_little_was_kept() -> None:
    body = Body(Budget(), bytes_max=3_000_000)
    bomb = zlib.compress(bytes(100_000_000), wbits=31)

    with pytest.raises(TooLarge):
        _Gzip(body).write(bomb)
    size = body.size
    body.close()

    assert size <= 3_000_000


@pytest.mark.parametrize("cut", [None, -1, 5])
def test_gzip_when_it_is_cut_or_none_then_refused(cut: int | None) -> None:
    whole = zlib.compress(b"{}" * 1000, wbits=31)

    with pytest.raises(InvalidInput):
        inflate(b"{}" if cut is None else whole[:cut])


def inflate(data: bytes) -> None:
    """Take in a body that says that it is gzip."""
    gzip = _Gzip(Body(Budget(), bytes_max=10_000))
    gzip.write(data)
    gzip.end()


def test_gzip_when_it_has_several_members_then_all_are_taken() -> None:
    body = Body(Budget(), bytes_max=5_000_000)
    gzip = _Gzip(body)
    for part in (b"a" * 2_000_000, b"b"):
        gzip.write(zlib.compress(part, wbits=31))
    gzip.end()
    text = body.read(0, body.size)
    body.close()

    assert b"a" * 2_000_000 + b"b" == text
