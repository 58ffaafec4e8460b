"""List the targets: every row of the table, by the module that measures it."""

from typing import Final

import msgspec

from benchmarks.target import Target


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that one module measures in one process of their own.

    Attributes:
        name: How the command line calls it.
        module: What has the function `measured`.
        rows: The rows, in the table's order.
    """

    name: str
    module: str
    rows: tuple[Target, ...]


ENGINE: Final = Group(
    name="engine",
    module="benchmarks.engine_rows",
    rows=(
        Target(key="kernel", what="the kernel, 10 lines, 5 campaigns", bound=1.2, unit="us"),
        Target(
            key="decimal",
            what="the same rules in decimal.Decimal, by the kernel",
            bound=60,
            unit="x",
            is_least=True,
        ),
        Target(key="campaigns", what="5000 active campaigns, by 5", bound=1.15, unit="x"),
        Target(key="lines", what="a line of 1000, by a line of 100", bound=1.25, unit="x"),
        Target(key="quantity", what="quantity 1,000,000, by 10", bound=1.15, unit="x"),
        Target(
            key="threads",
            what="gain of two threads, by that of two processes",
            bound=0.93,
            unit="x",
            is_least=True,
        ),
        Target(
            key="kernel_memory",
            what="memory after 1,000,000 evaluations",
            bound=100,
            unit="KiB",
        ),
    ),
)

BEST_PRICE: Final = Group(
    name="best_price",
    module="benchmarks.best_price_rows",
    rows=(
        Target(key="best_20", what="best price, 20 units, 5 offers, p95", bound=0.5, unit="ms"),
        Target(
            key="best_20_proven",
            what="of these, proven to be the best",
            bound=100,
            unit="%",
            is_least=True,
        ),
        Target(key="best_40", what="best price, 40 units, 10 offers, p95", bound=5, unit="ms"),
        Target(
            key="best_40_gap",
            what="of these, with a proven gap",
            bound=100,
            unit="%",
            is_least=True,
        ),
        Target(
            key="best_highs",
            what="equal to HiGHS on 1000 random baskets",
            bound=100,
            unit="%",
            is_least=True,
        ),
    ),
)

WIRE: Final = Group(
    name="wire",
    module="benchmarks.wire_rows",
    rows=(
        Target(key="wire", what="request bytes to response bytes, 10 lines", bound=5, unit="us"),
    ),
)

DOORS: Final = Group(
    name="doors",
    module="benchmarks.compare.doors",
    rows=(
        Target(
            key="grpcio",
            what="EvaluateBasket over grpcio, by an empty echo there",
            bound=90,
            unit="%",
            is_least=True,
        ),
        Target(
            key="front",
            what="EvaluateBasket over the fast front, one core",
            bound=60_000,
            unit="calls/s",
            is_least=True,
        ),
        Target(
            key="front_grpcpp",
            what="its processor time, by an empty grpc++ echo",
            bound=1,
            unit="x",
        ),
        Target(
            key="batch",
            what="EvaluateBaskets, 100 a message, one core",
            bound=50_000,
            unit="baskets/s",
            is_least=True,
        ),
    ),
)

REGISTER: Final = Group(
    name="register",
    module="benchmarks.register",
    rows=(
        Target(key="close", what="register close, 1 M sales", bound=35, unit="ms"),
        Target(
            key="close_duckdb",
            what="the same in duckdb, by that",
            bound=3,
            unit="x",
            is_least=True,
        ),
        Target(
            key="close_equal",
            what="equal to the running totals, bit for bit",
            bound=100,
            unit="%",
            is_least=True,
        ),
        Target(
            key="close_growth",
            what="closing with 100,000 sales, by 10 sales",
            bound=1.5,
            unit="x",
        ),
    ),
)

CHECKOUTS: Final = Group(
    name="checkouts",
    module="benchmarks.checkouts",
    rows=(
        Target(
            key="checkouts_unary",
            what="durable checkouts, 64 callers, SQLite",
            bound=1500,
            unit="/s",
            is_least=True,
        ),
        Target(
            key="checkouts_many",
            what="durable checkouts in batches or a stream, SQLite",
            bound=8000,
            unit="/s",
            is_least=True,
        ),
        Target(
            key="checkouts_memory",
            what="memory for each 10,000 checkouts, after warm-up",
            bound=1,
            unit="kB",
        ),
    ),
)

EXPORTS: Final = Group(
    name="exports",
    module="benchmarks.export_rows",
    rows=(
        Target(
            key="first_attempt",
            what="first attempt at an export after its checkout, p99",
            bound=250,
            unit="ms",
        ),
    ),
)

GROUPS: Final = (ENGINE, BEST_PRICE, WIRE, DOORS, REGISTER, CHECKOUTS, EXPORTS)

ROWS: Final = tuple(row for group in GROUPS for row in group.rows)
