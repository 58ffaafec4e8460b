"""Types of the compiled wire codec."""

from typing import Self

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

from ext.basket import Plan

_Int64Table = npt.NDArray[np.int64]
_Int32List = npt.NDArray[np.int32]
EVALUATE_BASKET: int
EVALUATE_BASKETS: int
STREAM_BASKETS: int

def kept_bytes() -> int: ...
def folded(one: int, other: int, *, portable: bool = False) -> int: ...
def count_probes(ids: list[bytes]) -> int: ...

_Market = tuple[str, int, dict[str, HotPlan | None]]

@disjoint_base
class HotPlan:
    """The plan of a market in the form that answers bytes."""

    @property
    def searches(self) -> bool: ...
    def __new__(
        cls,
        plan: Plan,
        blob: bytes,
        *,
        is_ready: bool,
        articles: _Int64Table,
        rows: _Int64Table,
        typed_rows: _Int64Table,
        bundles: _Int64Table,
        deposits: _Int64Table,
        purchase_types: _Int64Table,
        tax_sets: _Int64Table,
        taxes: _Int64Table,
        campaigns: _Int64Table,
        campaign_ids: _Int64Table,
        gates: _Int64Table,
        numbers: _Int32List,
        words: _Int64Table,
        shops: _Int64Table,
        foreign: _Int64Table,
        clock: _Int64Table,
        currency: _Int64Table,
        other_purchase_type: int,
        contribution_target: int,
        cash_increment: int,
        cash_min_amount: int,
        cash_flags: int,
    ) -> Self: ...

@disjoint_base
class Answerer:
    """The plans of one account, which answer bytes."""

    @property
    def searches(self) -> bool: ...
    @property
    def capsule(self) -> object: ...
    def __new__(cls, markets: list[_Market], only_market: int) -> Self: ...
    def take_used(self) -> list[int]: ...
    def answer(
        self, method: int, request: bytes, now_ns: int, *, apart: bool = False
    ) -> bytes | None: ...
    def batch(self, request: bytes) -> Batch | None: ...

@disjoint_base
class Batch:
    """The baskets of a batch."""

    @property
    def count(self) -> int: ...
    @property
    def searches(self) -> bool: ...
    def results(
        self, first: int, end: int, now_ns: int, *, apart: bool = False
    ) -> list[bytes | None]: ...
