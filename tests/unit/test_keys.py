"""Hold keys, codes and scopes to their forms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.auth.gate import address_of
from server.auth.keys import CODE_CHARACTERS, KEY, code_sha256, new_code, new_key, parse_key
from server.auth.scopes import (
    KEY_SCOPES,
    NUMBERS,
    Scope,
    required_scopes,
    scopes_from_text,
    scopes_to_text,
)
from tillcore.v1 import options_pb2


def test_new_key_when_made_then_read_back_and_never_the_same() -> None:
    made = {new_key() for _ in range(200)}

    assert 200 == len({key.text for key in made}) == len({key.key_id for key in made})
    assert made == {parse_key(key.text) for key in made}
    assert {len("tillcore_") + 12 + len("_") + 43 + 6} == {len(key.text) for key in made}


def test_parse_key_when_one_character_differs_then_none() -> None:
    text = new_key().text
    for index, character in enumerate(text):
        other = "A" if character != "A" else "B"
        assert parse_key(text[:index] + other + text[index + 1 :]) is None


def test_parse_key_when_two_characters_are_swapped_or_it_is_cut_then_none() -> None:
    text = new_key().text
    swapped = {
        text[:i] + text[i + 1] + text[i] + text[i + 2 :]
        for i in range(len(text) - 1)
        if text[i] != text[i + 1]
    }
    cut = {text[:i] for i in range(len(text))} | {text + "0", f" {text}", f"{text}\n"}

    assert {None} == {parse_key(each) for each in swapped | cut}


@given(st.text())
def test_parse_key_when_any_text_then_none_or_a_key(text: str) -> None:
    key = parse_key(text)

    assert key is None or KEY.fullmatch(text)


def test_new_code_when_made_then_typed_in_any_way() -> None:
    codes = {new_code() for _ in range(200)}

    assert 200 == len(codes)
    for code in codes:
        assert CODE_CHARACTERS + 1 == len(code)
        typed = code.lower().replace("-", "").replace("0", "o").replace("1", "l")
        assert code_sha256(code) == code_sha256(typed)


def test_scopes_when_written_then_read_back() -> None:
    assert "export-admin owner" == scopes_to_text({Scope.OWNER, Scope.EXPORT_ADMIN})
    for scope in KEY_SCOPES:
        assert {scope} == scopes_from_text(scopes_to_text([scope]))
    assert frozenset(KEY_SCOPES) == scopes_from_text(scopes_to_text(KEY_SCOPES))


def test_scopes_when_compared_with_the_messages_then_the_same() -> None:
    published = {value.number for value in options_pb2.Scope.DESCRIPTOR.values}

    assert {options_pb2.SCOPE_UNSPECIFIED, *NUMBERS.values()} == published


def test_required_scopes_when_read_from_the_messages_then_every_rpc_has_some() -> None:
    table = required_scopes()

    assert all(table.values())
    assert ["EnrolDevice"] == [name for name, scopes in table.items() if Scope.PUBLIC in scopes]


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("ipv4:10.0.0.7:54321", "10.0.0.7"),
        ("ipv6:%5B::1%5D:54321", "::1"),
        ("ipv6:[2001:db8::7]:1", "2001:db8::7"),
        ("unix:", "unix"),
        ("unix:/run/tillcore.sock", "unix"),
    ],
)
def test_address_of_when_peer_is_named_then_without_port(peer: str, expected: str) -> None:
    assert expected == address_of(peer)
