"""Add up recorded sales over columns, and read them from their JSON; see register.pyx."""

from collections.abc import Callable
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

SALE: Final[int]
RETURN: Final[int]
EXPENSE_SALE: Final[int]
VOIDED_SALE: Final[int]
WITHOUT_COST: Final[int]

READ: Final[int]
HANDED_OVER: Final[int]
NO_ROOM: Final[int]

@disjoint_base
class Codes:
    def __new__(cls, admit: Callable[[int, bytes], int | None]) -> Self: ...

@disjoint_base
class Columns:
    def __new__(
        cls,
        *,
        kinds: NDArray[np.int32],
        line_cells: NDArray[np.int32],
        line_sales: NDArray[np.int32],
        bases: NDArray[np.int64],
        margins: NDArray[np.int64],
        discounts: NDArray[np.int64],
        items: NDArray[np.int32],
        tax_cells: NDArray[np.int32],
        tax_lines: NDArray[np.int32],
        tax_amounts: NDArray[np.int64],
        payment_cells: NDArray[np.int32],
        payment_amounts: NDArray[np.int64],
        foreign_cells: NDArray[np.int32],
        tendered: NDArray[np.int64],
        converted: NDArray[np.int64],
        receipt_cells: NDArray[np.int32],
        receipt_bases: NDArray[np.int64],
        receipt_amounts: NDArray[np.int64],
        is_full: bool = False,
    ) -> Self: ...
    @property
    def counts(self) -> tuple[int, int, int, int, int, int]: ...
    def clear(self) -> None: ...
    def read(
        self, document: bytes, *, currency_code: bytes, quantum_micros: int, codes: Codes
    ) -> int: ...
    def add(
        self,
        kind: int,
        lines: list[tuple[tuple[int, ...], bool, list[tuple[int, list[tuple[int, bool, int]]]]]],
        payments: list[tuple[int, int] | tuple[int, int, int]],
        summary: tuple[int, ...],
        *,
        is_voided: bool,
    ) -> int: ...

@disjoint_base
class Sums:
    def reserve(
        self, *, lines: int, taxes: int, payments: int, foreign: int, receipts: int
    ) -> None: ...
    def add(self, columns: Columns, *, part: int = 0, parts: int = 1) -> None: ...
    @property
    def kinds(self) -> tuple[int, int, int, int]: ...
    def lines(self) -> list[tuple[int, int, int, int, int, int]]: ...
    def taxes(self) -> list[tuple[int, int, int]]: ...
    def payments(self) -> list[tuple[int, int, int, int]]: ...
    def foreign(self) -> list[tuple[int, int, int, int, int, int]]: ...
    def receipts(self) -> list[tuple[int, int, int]]: ...
