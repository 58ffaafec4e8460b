"""Hold the compiled kernels: numbers and bytes in, numbers and bytes out, one .pyx file each.

There is no interpreted stand-in: a kernel that is not compiled for this Python is an ImportError at
once, because a slow till that looks healthy is worse than one that does not start.
"""

from importlib.util import find_spec
from pathlib import Path


def _require_kernels(package: Path) -> None:
    """Raise ImportError unless every kernel, known by its stub, has a compiled module."""
    names = [f"{__name__}.{stub.stem}" for stub in sorted(package.glob("*.pyi"))]
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"expected compiled modules {', '.join(missing)}, was not built for this Python: "
            "run `make build` in a checkout, or install the package again with `pip install .`"
        )


_require_kernels(Path(__file__).parent)
