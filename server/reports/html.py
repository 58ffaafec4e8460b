"""Render documents as one HTML page: no script, nothing fetched, every text escaped."""

from functools import lru_cache

from jinja2 import Template

from server.html_templates import html_templates
from server.reports.document import Document, plain
from server.reports.templates import HTML, folder_of


def to_html(documents: tuple[Document, ...], *, own_templates: str = "") -> bytes:
    """Return documents as a page in UTF-8, one section each, that prints one to a page.

    Args:
        documents: At least one.
        own_templates: The operator's directory of templates; empty for none.
    """
    cleaned = plain(documents)
    first = cleaned[0]
    page = _template(own_templates).render(
        documents=cleaned, language=first["language"], title=first["title"]
    )
    return page.encode()


@lru_cache(maxsize=1)
def _template(own: str) -> Template:
    return html_templates(folder_of(HTML, own=own)).get_template(HTML)
