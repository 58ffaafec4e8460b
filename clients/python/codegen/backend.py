"""Build the distribution: generate first where the .proto files are, then leave it to setuptools.

A source distribution carries what was generated, so that it builds without the .proto files.
"""

from typing import Any

from setuptools import build_meta
from setuptools.build_meta import (
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
)

from codegen.generate import PROTO_ROOT, TARGET, generate

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
]

Settings = dict[str, Any] | None


def build_wheel(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Generate, build a wheel, and return its name."""
    _ensure_generated()
    return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Generate, build the wheel of an editable install, and return its name."""
    _ensure_generated()
    return build_meta.build_editable(wheel_directory, config_settings, metadata_directory)


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    """Generate, build a source distribution, and return its name."""
    _ensure_generated()
    return build_meta.build_sdist(sdist_directory, config_settings)


def _ensure_generated() -> None:
    """Generate from the checkout; a source distribution brings what was generated along.

    Raises:
        FileNotFoundError: There is neither.
    """
    if PROTO_ROOT.is_dir():
        generate()
    elif not (TARGET / "names_pb2.py").is_file():
        raise FileNotFoundError(f"expected .proto files under {PROTO_ROOT}, was none")
