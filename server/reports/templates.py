"""Find the templates of reports: those of the operator first, then ours."""

from pathlib import Path
from typing import Final

OURS: Final = Path(__file__).parent / "templates"
HTML: Final = "document.html.jinja"
PDF: Final = "document.typ"

NAMES: Final = (HTML, PDF)
"""The templates that there are; each gets the documents of `server.reports.document`."""


def folder_of(name: str, *, own: str = "") -> Path:
    """Return the directory of a template.

    Args:
        name: One of `NAMES`.
        own: The operator's directory, which may have some of the templates; empty for none.
    """
    return Path(own) if own and (Path(own) / name).is_file() else OURS
