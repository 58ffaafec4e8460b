"""Make CSV tables in tests: the golden day of a register as elements, and tables read back."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from engine.model import Checkout, CheckoutSale, Sale
from engine.model.register import CloseRules, Closing, PaymentCount, PaymentType, RegisterPeriod
from engine.numbers import parse_decimal
from engine.records.sales import read_sale
from engine.register.rendering import statement_json
from engine.register.reports import close_statement
from engine.register.totals import RegisterTotals
from engine.render_sale import checkout_json, sale_json
from engine.strict_json import decode
from server.exports.csv_rows import CsvColumn, CsvRow, CsvTransform, RowType
from server.exports.kinds import ExportKind
from server.exports.transforms.csv_table import transform
from server.exports.transforms.job import Element, Job
from tests.support.goldens import ROOT, from_json, to_json
from tests.support.sales import UNIT

SUPPORT: Final = ROOT.parent / "support"
DATA: Final = ROOT.parent / "data" / "exports"
SAMPLE: Final = Element(key="sample", payload=(SUPPORT / "sample_sale.json").read_bytes())
"""The sale of the reference (models: sale)."""

Elements = tuple[Element, ...]


def _day() -> Any:
    document: Any = from_json((ROOT / "registers" / "days.json").read_bytes())
    return document["cases"][0]


@lru_cache(maxsize=1)
def day() -> tuple[Sale, ...]:
    """Return the sales of the golden day: two, a return, an expense, a third, and a void one."""
    case = _day()
    shared = {name: case[name] for name in ("base_currency_code", "source", "timing")}
    return tuple(read_sale(decode(to_json({**shared, **each}))) for each in case["sales"])


def day_elements() -> Elements:
    """Return the sales of the golden day as they are exported."""
    return tuple(Element(key=each.identifier, payload=sale_json(each)) for each in day())


def statement() -> Element:
    """Return the register close statement of the golden day."""
    case = _day()
    totals = RegisterTotals("DKK")
    for each in day():
        totals.add(each)
    like = day()[0]
    closed = close_statement(
        totals,
        RegisterPeriod(
            id="p1",
            base_currency_code="DKK",
            opened_at_ns=case["period"]["opened_at_ns"],
            cash_total_at_open_micros=500 * UNIT,
        ),
        [
            PaymentCount(
                payment_type_identifier=each["payment_type_identifier"],
                counted_micros=parse_decimal(each["counted"]),
                currency_code=each.get("currency_code"),
                deposited_amount_micros=3020 * UNIT if "deposited_amount" in each else None,
            )
            for each in case["counts"]
        ],
        rules=CloseRules(
            payment_types=tuple(
                PaymentType(identifier=name, should_be_reconciled=is_counted)
                for name, is_counted in case["payment_types"]
            )
        ),
        closing=Closing(
            sequence_number=1,
            source=like.source,
            timing=like.timing,
            reconciliation_time_ns=like.timing.timestamp_ns,
        ),
    )
    return Element(key="z-1", payload=statement_json(closed))


def exchange() -> Element:
    """Return a checkout: the first sale of the golden day, and the return of its shirt."""
    sold, _, returned, *_ = day()
    checkout = Checkout(
        identifier="K",
        base_currency_code="DKK",
        source=sold.source,
        timing=sold.timing,
        sales=tuple(
            CheckoutSale(
                identifier=each.identifier,
                sequence_number=each.sequence_number,
                basket=each.summary,
                payments=each.payments,
            )
            for each in (sold, returned)
        ),
        payments=(*sold.payments, *returned.payments),
    )
    return Element(key="K", payload=checkout_json(checkout))


def stock_events() -> Elements:
    """Return some stock events."""
    document: dict[str, msgspec.Raw] = msgspec.json.decode(
        (DATA / "stock_events.json").read_bytes(), type=dict[str, msgspec.Raw]
    )
    return tuple(Element(key=key, payload=bytes(each)) for key, each in document.items())


ELEMENTS: Final[Mapping[str, tuple[ExportKind, Callable[[], Elements]]]] = {
    "sample": (ExportKind.SALE, lambda: (SAMPLE,)),
    "day": (ExportKind.SALE, day_elements),
    "checkout": (ExportKind.CHECKOUT, lambda: (exchange(),)),
    "statement": (ExportKind.REGISTER_CLOSE_STATEMENT, lambda: (statement(),)),
    "stock": (ExportKind.STOCK_EVENT, stock_events),
}
"""What the examples of docs/csv_exports.md are made of."""


def columns(*names: str) -> tuple[CsvColumn, ...]:
    """Return columns that are headed by the names of their values."""
    return tuple(CsvColumn(header=name, value=name) for name in names)


def made(setup: CsvTransform, elements: Iterable[Element], kind: ExportKind) -> bytes | None:
    """Return the file of some elements."""
    return transform(Job(kind=kind, transform=setup, elements=tuple(elements))).body


def table(
    names: str,
    row: CsvRow,
    elements: Iterable[Element] = (SAMPLE,),
    kind: ExportKind = ExportKind.SALE,
    **setup: Any,
) -> list[list[str]]:
    """Return the fields of the rows that elements make, without heads and with decimal points.

    Args:
        names: Names of values, one for each column, with spaces between.
        row: What the rows are.
        elements: What they are made of.
        kind: What the elements are.
        **setup: Further members of the transform.
    """
    transform_ = CsvTransform(
        columns=columns(*names.split()),
        rows=(row,),
        has_header=False,
        **{"decimal_separator": ".", **setup},
    )
    body = made(transform_, elements, kind)
    return [] if body is None else read(body.decode(), transform_.separator)


def read(text: str, separator: str = ";") -> list[list[str]]:
    """Return the fields of a CSV text."""
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))


def one_value(payload: object, **setup: Any) -> str:
    """Return the file with the value `v` of an element, as a text."""
    encoded = msgspec.json.encode({"product": {"v": payload}})
    transform_ = CsvTransform(
        columns=(CsvColumn(header="v", value="product.v"),),
        rows=(CsvRow(type=RowType.ELEMENT),),
        has_header=False,
        **setup,
    )
    body = made(transform_, (Element(key="e", payload=encoded),), ExportKind.PRODUCT_EDIT)
    assert body is not None
    return body.decode(transform_.encoding.value)
