"""Load templates of pages: every text is escaped, and an unknown name is an error."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def html_templates(directory: Path | str, *, trims_blocks: bool = False) -> Environment:
    """Return the templates of a directory.

    Args:
        directory: Where they are.
        trims_blocks: Whether lines that hold a statement alone leave nothing in the page.
    """
    return Environment(
        loader=FileSystemLoader(directory),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=trims_blocks,
        lstrip_blocks=trims_blocks,
        keep_trailing_newline=not trims_blocks,
    )
