"""Read what the .proto files say of services, methods, messages and fields."""

from collections.abc import Mapping
from importlib import resources

import msgspec

FILE = "comments.json"
"""Beside the generated modules; the build writes it, since these carry no comments."""


def read_comments() -> Mapping[str, str]:
    """Return the comments by the full names of what they are about; none where there is no file."""
    file = resources.files("tillcore.v1") / FILE
    if not file.is_file():
        return {}
    return msgspec.json.decode(file.read_bytes(), type=dict[str, str])
