"""Types of the compiled basket evaluator."""

from typing import Self

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

__pyx_capi__: dict[str, object]
"""What other kernels cimport."""

_Int64Table = npt.NDArray[np.int64]
_Int32List = npt.NDArray[np.int32]

@disjoint_base
class Plan:
    """The compiled, immutable form of a catalogue and its campaigns."""

    @property
    def group_count(self) -> int: ...
    def __new__(
        cls,
        *,
        rows: _Int64Table,
        row_campaigns: _Int32List,
        everywhere: _Int32List,
        on_basket: _Int32List,
        campaigns: _Int64Table,
        tax_sets: _Int64Table,
        tax_entries: _Int64Table,
        sale_rank: int,
        quantum_micros: int,
        amount_end_minor: int,
        tie: int,
        round_line: bool,
        round_tax: bool,
        best_price: bool,
        group_count: int,
    ) -> Self: ...

@disjoint_base
class PreparedBasket:
    """One basket in C structs, made for one plan."""

    @property
    def plan(self) -> Plan: ...
    def __new__(
        cls,
        plan: Plan,
        *,
        lines: _Int64Table,
        own_rows: _Int64Table,
        own_campaigns: _Int32List,
        manuals: _Int64Table,
        tax_sets: _Int64Table,
        tax_entries: _Int64Table,
        blocked: bytes | None,
        moment_ns: int,
        purchase_type: int,
        has_customer: bool,
        group_count: int,
    ) -> Self: ...

@disjoint_base
class Evaluator:
    """The work space of one thread."""

    @property
    def optimal(self) -> bool: ...
    @property
    def gap(self) -> int: ...
    def worth(self) -> tuple[tuple[int, int], tuple[int, int]]: ...
    def choice(self) -> list[tuple[int, int, int, int, int]]: ...
    def evaluate(self, basket: PreparedBasket) -> int: ...
    def lines(self) -> list[tuple[int, int, int, int, int, int, list[int]]]: ...
    def records(self) -> list[tuple[int, int, int, int, int, int]]: ...
    def evaluate_many(self, baskets: list[PreparedBasket], repetitions: int) -> int: ...
