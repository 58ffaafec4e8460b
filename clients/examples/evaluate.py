"""Evaluate a basket over gRPC and print its summary: a client with plain grpcio and tillcore.v1.

    python -m clients.examples.evaluate [HOST:PORT [BASKET.json]]

The server is `tillcore serve --demo` at 127.0.0.1:50051 unless told otherwise, and the basket is
`basket.json` beside this file. Every number stays exact: JSON numbers are read as Decimal, travel
as integers of micros, and become Decimal again for the print.
"""

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from tillcore.v1.basket_pb2 import Basket, BasketLine, ManualDiscount, Payment
from tillcore.v1.basket_service_pb2 import EvaluateBasketRequest
from tillcore.v1.basket_service_pb2_grpc import BasketServiceStub
from tillcore.v1.discount_pb2 import DiscountType
from tillcore.v1.evaluated_basket_pb2 import EvaluatedBasket
from tillcore.v1.localized_string_pb2 import LocalizedString

TARGET = "127.0.0.1:50051"
BASKET = Path(__file__).with_name("basket.json")
TIMEOUT_SECONDS = 10.0
MICROS_PER_UNIT = 1_000_000
STATUS_KEY = "grpc-status-details-bin"


def main(target: str = TARGET, basket_path: str | Path = BASKET) -> int:
    """Evaluate the basket of a file and print it; return the exit status."""
    text = Path(basket_path).read_text(encoding="utf-8")
    basket = basket_of(json.loads(text, parse_float=Decimal, parse_int=Decimal))
    with grpc.insecure_channel(target) as channel:
        try:
            response = BasketServiceStub(channel).EvaluateBasket(
                EvaluateBasketRequest(basket=basket), timeout=TIMEOUT_SECONDS, wait_for_ready=True
            )
        except grpc.RpcError as error:
            print_error(error)
            return 1
    print_summary(response.evaluated_basket)
    return 0


def basket_of(members: dict[str, Any]) -> Basket:
    """Return the message of a basket, of those members that the sample basket has."""
    basket = Basket(
        shop=members.get("shop", ""),
        line_items=[line_of(each) for each in members["line_items"]],
        payments=[
            Payment(
                payment_type=each["payment_type"],
                amount_micros=micros(each["amount"]),
                identifier=each.get("identifier", ""),
            )
            for each in members.get("payments", [])
        ],
    )
    if "evaluate_time" in members:
        basket.evaluate_time.FromJsonString(members["evaluate_time"])
    return basket


def line_of(members: dict[str, Any]) -> BasketLine:
    """Return the message of a line; the discounts are percentages."""
    return BasketLine(
        line_item_id=members.get("line_item_id", ""),
        id=members["id"],
        variant_id=members.get("variant_id", ""),
        quantity_micros=micros(members.get("quantity", Decimal(1))),
        discounts=[
            ManualDiscount(
                id=each.get("id", ""),
                type=DiscountType(percentage_micros=micros(each["type"]["percentage"])),
            )
            for each in members.get("discounts", [])
        ],
    )


def micros(number: Decimal) -> int:
    """Return a number in micros, the form in which numbers travel."""
    return int(number * MICROS_PER_UNIT)


def shown(number_micros: int, digits: str = "0.01") -> str:
    """Return a number of micros with the digits of the currency; the value has no more of them."""
    return str((Decimal(number_micros) / MICROS_PER_UNIT).quantize(Decimal(digits)))


def text_of(text: LocalizedString) -> str:
    """Return an English text, or the first there is."""
    by_language = text.text_by_language
    return text.text or by_language.get("en") or next(iter(by_language.values()), "")


def print_summary(basket: EvaluatedBasket) -> None:
    """Print the lines and the sums."""
    print(f"{'line item':40} {'quantity':>8} {'discount':>10} {'sub_total':>10}")
    for line in basket.line_items:
        quantity = f"{Decimal(line.quantity_micros) / MICROS_PER_UNIT:f}"
        discount = sum(each.amount_micros for each in line.discounts)
        print(
            f"{text_of(line.name)[:40]:40} {quantity:>8} {shown(discount):>10} "
            f"{shown(line.sub_total_micros):>10}"
        )
    print()
    print_sum("total", basket.total_micros, basket.currency_code)
    print_sum("base_price", basket.base_price_micros)
    for tax in basket.taxes:
        rate = f"{Decimal(tax.rate_micros) / 10_000:f} %"
        print_sum(f"{text_of(tax.name)} {rate}", tax.amount_micros)
    print_sum("total_discounts", basket.total_discounts_micros)
    if basket.HasField("margin_micros"):
        print_sum("margin", basket.margin_micros)
        print_sum("margin_total", basket.margin_total_micros)
    print_sum("due", basket.payment.due_micros)
    print_sum("cash_rounding", basket.payment.cash_rounding_micros)


def print_sum(name: str, amount_micros: int, currency_code: str = "") -> None:
    """Print one amount of the summary."""
    print(f"{name:40} {'':8} {'':10} {shown(amount_micros):>10} {currency_code}".rstrip())


def print_error(error: grpc.RpcError) -> None:
    """Print the status of a failed call with every bad field that it names."""
    print(f"error: {error.code().name}: {error.details()}", file=sys.stderr)
    for each in error.trailing_metadata() or ():
        if each.key == STATUS_KEY and isinstance(each.value, bytes):
            for detail in status_pb2.Status.FromString(each.value).details:
                print_bad_fields(detail)


def print_bad_fields(detail: any_pb2.Any) -> None:
    """Print the bad fields of a status, when this is the detail that names them."""
    bad_request = error_details_pb2.BadRequest()
    if detail.Unpack(bad_request):
        for violation in bad_request.field_violations:
            print(f"  {violation.field}: {violation.description}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
