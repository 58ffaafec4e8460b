"""Turn the text that a template made into the content of a delivery."""

import re
from typing import Final

from server.exports.transforms.job import Made, TransformError

_CHARSET: Final = re.compile(r";\s*charset\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)
_EXTENSIONS: Final = {
    "application/javascript": ".js",
    "application/json": ".json",
    "application/x-ndjson": ".ndjson",
    "application/xhtml+xml": ".xhtml",
    "application/xml": ".xml",
    "application/yaml": ".yaml",
    "text/csv": ".csv",
    "text/html": ".html",
    "text/markdown": ".md",
    "text/plain": ".txt",
    "text/tab-separated-values": ".tsv",
    "text/xml": ".xml",
}
_SUFFIXES: Final = {"json": ".json", "xml": ".xml", "yaml": ".yaml"}


def made_text(text: str, content_type: str) -> Made:
    """Return a text as content, in the characters that its content type names, or in UTF-8.

    Raises:
        TransformError: There are no such characters, or they lack one of the text.
    """
    named = _CHARSET.search(content_type)
    charset = named[1] if named else "utf-8"
    try:
        body = text.encode(charset)
    except UnicodeEncodeError as error:
        was = f"was U+{ord(text[error.start]):04X} at character {error.start}"
        raise TransformError(f"expected characters of {charset}, {was}") from None
    except LookupError:
        raise TransformError(f"expected a charset such as utf-8, was {charset}") from None
    return Made(body=body, content_type=content_type, extension=extension_of(content_type))


def extension_of(content_type: str) -> str:
    """Return the extension of files of a content type; `.txt` or `.bin` of an unknown one."""
    media_type = content_type.partition(";")[0].strip().lower()
    if known := _EXTENSIONS.get(media_type):
        return known
    if known := _SUFFIXES.get(media_type.rpartition("+")[2] if "+" in media_type else ""):
        return known
    return ".txt" if media_type.startswith("text/") else ".bin"
