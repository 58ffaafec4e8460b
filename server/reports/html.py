"""Render documents as one HTML page: no script, nothing fetched, every text escaped."""

from functools import lru_cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from server.reports.document import Document, plain

TEMPLATES: Final = Path(__file__).parent / "templates"


def to_html(documents: tuple[Document, ...]) -> bytes:
    """Return documents as a page in UTF-8, one section each, that prints one to a page.

    Args:
        documents: At least one.
    """
    cleaned = plain(documents)
    first = cleaned[0]
    page = _template().render(documents=cleaned, language=first["language"], title=first["title"])
    return page.encode()


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template("document.html.jinja")
