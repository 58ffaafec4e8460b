"""One transformation: what goes into a child process, and what comes out."""

from typing import Final

import msgspec

from server.exports.kinds import ExportKind
from server.exports.queue import Transform

OUTPUT_BYTES_MAX: Final = 32 * 1024 * 1024
"""How large what a transform makes may be."""

SECONDS_MAX: Final = 10.0
"""How long a transformation may take."""

MEMORY_BYTES_MAX: Final = 1024 * 1024 * 1024
"""How much address space a child process may have."""


class Element(msgspec.Struct, frozen=True, array_like=True):
    """One element of an export.

    Attributes:
        key: The element key.
        payload: The element as JSON.
    """

    key: str
    payload: bytes


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What is transformed, and how.

    Attributes:
        kind: What the elements are.
        transform: What is made of them.
        elements: One in real time, one or more from cron, in the order of the queue.
        is_interim: Whether a register close statement is none yet, but an X report.
        own_templates: The operator's directory of templates of reports; the sandbox fills it in.
    """

    kind: ExportKind
    transform: Transform
    elements: tuple[Element, ...]
    is_interim: bool = False
    own_templates: str = ""


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What a transform made.

    Attributes:
        body: The content; None where nothing is to be delivered, which is a success.
        content_type: Of the body.
        extension: Of a file with this body, with its dot.
    """

    body: bytes | None
    content_type: str
    extension: str


class TransformError(Exception):
    """A transform could not be done, and would fail again; the message says what to mend."""


def wrapped(elements: tuple[Element, ...]) -> bytes:
    """Return the dictionary of elements (reference: Exportable Content), as JSON.

    Payloads are taken over byte for byte.
    """
    keys = (msgspec.json.encode(each.key) for each in elements)
    members = (key + b":" + each.payload for key, each in zip(keys, elements, strict=True))
    return b"{" + b",".join(members) + b"}"
