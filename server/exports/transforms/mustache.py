"""Fill Mustache templates.

As the public specification has it, with its optional modules for dynamic names and inheritance, and
without lambdas: `{{ }}` escapes `& " < >` for HTML whatever the content type is, and `{{{ }}}` or
`{{& }}` does not. What a template sees is in `server.exports.transforms.view`.
"""

from collections.abc import Mapping
from typing import Any, NoReturn

import chevron  # type: ignore[import-untyped]  # the stubs are of another package of this name
from chevron import renderer

from server.exports.queue import Mustache
from server.exports.transforms.job import Job, Made, TransformError
from server.exports.transforms.made_text import made_text
from server.exports.transforms.view import view


class _Nowhere:
    """Stands for the inside of an inverted section in the library's stack of contexts.

    The library's own mark is a bare object, whose attributes (`__doc__`) its look-up would show.
    """

    def __getitem__(self, key: str) -> NoReturn:
        raise KeyError(key)


renderer._INVERTED_SECTION_MARKER = _Nowhere()


def transform(job: Job) -> Made:
    """Fill the template of a job.

    Raises:
        TransformError: The template is not well formed, or what it makes fits no charset.
    """
    template = job.transform
    assert isinstance(template, Mustache)
    text = render(template.template, view(job.elements), template.partials)
    return made_text(text, template.content_type)


def render(template: str, data: object, partials: Mapping[str, str]) -> str:
    """Return a filled template.

    Args:
        template: The template.
        data: A value of `view.shown`.
        partials: Further templates by name; one that is not there is empty.

    Raises:
        TransformError: The template or a partial is not well formed.
        RecursionError: Partials or sections nest too deeply.
    """
    settings: dict[str, Any] = {"partials_dict": dict(partials), "lambdas": {}}
    try:
        text: str = chevron.render(template, data, **settings)
        return text
    except chevron.ChevronError as error:
        sentence = " ".join(str(error).split())
        raise TransformError(f"expected a Mustache template, was other: {sentence}") from None
    except (IndexError, TypeError, ValueError):
        # The library's tokenizer stumbles over `{{}}` and delimiters that are none.
        message = "expected a Mustache template, was one with an empty or malformed tag"
        raise TransformError(message) from None
