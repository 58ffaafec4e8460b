"""Types of the best-price search; see best_price.pyx."""

from typing import Self

from typing_extensions import disjoint_base

__pyx_capi__: dict[str, object]
"""What other kernels cimport."""

_Offer = tuple[int, int, int, int, int, int, int, int, tuple[int, ...]]

@disjoint_base
class BestPrice:
    """One problem of section 3.8, solved on demand."""

    def __new__(
        cls,
        *,
        units: list[tuple[int, int]],
        offers: list[_Offer],
        options: list[tuple[int, int, int, int]],
    ) -> Self: ...
    def solve(self, lower: int = 0) -> bool: ...
    @property
    def worth(self) -> int: ...
    @property
    def bound(self) -> int: ...
    @property
    def is_exact(self) -> bool: ...
    def choice(self) -> list[tuple[int, int] | None]: ...
