"""Take newsletter signups at the till (export: newsletter signup events)."""

import re
from typing import Final

import msgspec

from engine.errors import Reason
from engine.fields import Fields, read_whole
from engine.model.value import Value
from engine.readers import Problems, text, wrong_type
from engine.strict_json import shown_text

EMAIL_CHARACTERS_MAX: Final = 254
"""Longest address that a mail server takes (RFC 5321, section 4.5.3.1.3, without the brackets)."""

_LOCAL_CHARACTERS_MAX = 64
_LABEL = r"(?!-)[^\W_](?:[^\W_]|-){0,62}(?<!-)"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?=[^0-9]){_LABEL}")
_ATOM = r"[^\s\x00-\x1f\x7f\"(),:;<>@\[\]\\.]+"
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_ENCODER = msgspec.json.Encoder(order="sorted")


class NewsletterSignup(Value, frozen=True):
    """A person who wants the newsletter; personal data."""

    email: str
    first_name: str | None = None
    last_name: str | None = None


def read_signup(value: object) -> NewsletterSignup:
    """Return the signup of a decoded JSON object `{"email", "first_name"?, "last_name"?}`.

    Raises:
        InvalidInput: With every bad field.
    """
    return read_whole(value, _signup)


def _signup(fields: Fields) -> NewsletterSignup:
    signup = NewsletterSignup(
        email=fields.required("email", email, otherwise=""),
        first_name=fields.optional("first_name", text),
        last_name=fields.optional("last_name", text),
    )
    fields.refuse_unknown()
    return signup


def email(value: object, path: str, problems: Problems) -> str | None:
    """Read an e-mail address that a mail server may take: `name@domain.tld`.

    Whether it exists only a mail tells. Quoted names and address literals, which people do not
    have, are refused, and so is anything that could end a header line.
    """
    if type(value) is not str:
        wrong_type("an e-mail address", value, path, problems)
        return None
    if len(value) <= EMAIL_CHARACTERS_MAX:
        local, _, domain = value.partition("@")
        is_local = len(local) <= _LOCAL_CHARACTERS_MAX and _LOCAL.fullmatch(local)
        if is_local and _DOMAIN.fullmatch(domain):
            return value
    message = f"expected an e-mail address such as name@example.com, was {shown_text(value)}"
    problems.add(path, Reason.MALFORMED, message)
    return None


def signup_json(signup: NewsletterSignup) -> bytes:
    """Return a signup as it is exported."""
    members = msgspec.structs.asdict(signup)
    return _ENCODER.encode({name: value for name, value in members.items() if value is not None})
