"""Read what a form has posted, url-encoded or with a file, each up to a maximum."""

from collections.abc import Iterator, Mapping
from email.parser import BytesParser
from email.policy import HTTP
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from engine.errors import Reason, invalid
from server.http.bodies import read_body

BYTES_MAX: Final = 8 * 1024 * 1024
"""How long a form may be; a file of two megabytes fits in each of its spellings."""

FIELDS_MAX: Final = 1_000
_URL_ENCODED: Final = "application/x-www-form-urlencoded"
_MULTIPART: Final = "multipart/form-data"


class Form(Mapping[str, str]):
    """The fields of a form; of several with one name the first counts, `every` has them all."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        """Keep the fields in their order."""
        self._every: dict[str, list[str]] = {}
        for name, value in pairs:
            # Browsers send line ends of two characters.
            self._every.setdefault(name, []).append(value.replace("\r\n", "\n"))

    def __getitem__(self, name: str) -> str:
        """Return a field."""
        return self._every[name][0]

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self._every)

    def __len__(self) -> int:
        """Return how many names there are."""
        return len(self._every)

    def text(self, name: str) -> str:
        """Return a field without white space around it, empty when it is absent."""
        return self.get(name, "").strip()

    def every(self, name: str) -> list[str]:
        """Return all fields of a name."""
        return self._every.get(name, [])


NO_FORM: Final = Form([])


async def read_form(request: Request) -> Form:
    """Return the fields that a request has posted.

    Raises:
        TooLarge: It is too long.
        InvalidInput: It is no form.
    """
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    body = await read_body(request, bytes_max=BYTES_MAX)
    if kind == _URL_ENCODED:
        return Form(_url_encoded(body))
    if kind == _MULTIPART:
        return Form(_multipart(body, content_type))
    raise invalid("", Reason.MALFORMED, "expected a form, was another content type")


def _url_encoded(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            max_num_fields=FIELDS_MAX,
            errors="strict",
        )
    except ValueError as error:
        raise invalid(
            "", Reason.MALFORMED, "expected a form in UTF-8, was something else"
        ) from error


def _multipart(body: bytes, content_type: str) -> list[tuple[str, str]]:
    """Return the parts of a form; the text of a file is taken as UTF-8, else as Windows-1252."""
    header = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    message = BytesParser(policy=HTTP).parsebytes(header + body)
    parts = list(message.iter_parts()) if message.is_multipart() else []
    if not parts or len(parts) > FIELDS_MAX:
        raise invalid("", Reason.MALFORMED, "expected the parts of a form, was something else")
    pairs: list[tuple[str, str]] = []
    for part in parts:
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            pairs.append((name, _text(content)))
    return pairs


def _text(content: bytes) -> str:
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise invalid("", Reason.MALFORMED, "expected text, was something else")
