"""Read the parameters of web services: from the query and from a form, lists and objects too."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from starlette.requests import Request

from engine.errors import Reason, invalid
from engine.readers import Problems, text
from server.http.bodies import read_body

FORM: Final = "application/x-www-form-urlencoded"
COUNT_MAX: Final = 20_000
"""How many parameters a request may have."""

_NAME: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]{0,63})(?:\[([A-Za-z0-9_]{0,64})\])?")

_SHOWN_CHARACTERS_MAX: Final = 64


class Parameters(NamedTuple):
    """The parameters of a request by their names.

    `itemsList[]`, `itemsList[0]` and `itemsList` are one list, in the order in which they came;
    `client[nom]` is the member `nom` of `client`.

    Attributes:
        lists: The values of each name without its brackets.
        members: The values of each name with words in brackets, the last one of each word.
    """

    lists: Mapping[str, list[str]]
    members: Mapping[str, dict[str, str]]

    def one(self, *names: str) -> str:
        """Return the last value under the first of some names that has one, else nothing."""
        for name in names:
            for value in reversed(self.lists.get(name, [])):
                if value:
                    return value
        return ""

    @property
    def names(self) -> frozenset[str]:
        """Every name that came, without brackets."""
        return frozenset(self.lists) | frozenset(self.members)


async def read_parameters(request: Request) -> Parameters:
    """Return the parameters of the query and of the body; the body wins where both have one.

    Raises:
        InvalidInput: They are no parameters, too many, or texts that cannot be kept.
        TooLarge: The body is too long.
    """
    lists, members = _read(request.scope["query_string"], "query")
    if request.method == "POST":
        body = await read_body(request)
        if body:
            _check_type(request)
        in_body = _read(body, "body")
        lists |= in_body[0]
        for name, each in in_body[1].items():
            members[name] = members.get(name, {}) | each
    return Parameters(lists, members)


def query_parameters(request: Request) -> Parameters:
    """Return the parameters of the query alone.

    Raises:
        InvalidInput: They are no parameters, too many, or texts that cannot be kept.
    """
    return Parameters(*_read(request.scope["query_string"], "query"))


def _check_type(request: Request) -> None:
    given = request.headers.get("content-type", FORM).partition(";")[0].strip().lower()
    if given != FORM:
        message = f"expected a body of the type {FORM}, was {given[:100]}"
        raise invalid("", Reason.WRONG_TYPE, message)


def _read(data: bytes, place: str) -> tuple[dict[str, list[str]], dict[str, dict[str, str]]]:
    try:
        pairs = parse_qsl(
            data.decode(), keep_blank_values=True, errors="strict", max_num_fields=COUNT_MAX
        )
    except UnicodeDecodeError as error:
        message = f"expected parameters in UTF-8, percent-encoded, was other: {error.reason}"
        raise invalid(place, Reason.MALFORMED, message) from None
    except ValueError:
        message = f"expected at most {COUNT_MAX} parameters, was more"
        raise invalid(place, Reason.TOO_MANY, message) from None
    problems = Problems()
    lists: dict[str, list[str]] = {}
    members: dict[str, dict[str, str]] = {}
    for name, value in pairs:
        match = _NAME.fullmatch(name)
        if match is None:
            lists.setdefault(name[:_SHOWN_CHARACTERS_MAX], []).append("")
            continue
        text(value, name, problems)
        outer, inner = match.groups()
        if inner and not inner.isdecimal():
            members.setdefault(outer, {})[inner] = value
        else:
            lists.setdefault(outer, []).append(value)
    problems.finish()
    return lists, members
