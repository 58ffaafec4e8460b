"""Answer random checkouts from memory: the message is that of the document, in every field."""

import msgspec
import pytest

from engine.basket import evaluate
from engine.errors import TillcoreError
from engine.model import (
    Basket,
    Checkout,
    CheckoutSale,
    EvaluatedBasket,
    ReceiptMetadata,
    ShopAddress,
    Source,
    Timing,
)
from engine.plan import compile_plan
from engine.records.sales import read_checkout
from engine.render_sale import checkout_documents, checkout_json, sale_json
from engine.split import sale_of, split
from engine.strict_json import decode
from server.checkouts.answers import as_stored
from server.checkouts.completion import Recorded
from server.rpc.checkout_messages import checkout_to_proto
from server.storage.checkouts import SaleNumbers
from tests.support.checkouts import NOW_NS
from tests.support.random_baskets import Generator

SEEDS = range(12)
BASKETS = 40
SOURCE = Source(
    market_id="dk",
    market_name="DK",
    shop_id="aarhus",
    shop_name="Aarhus",
    register_id="till-1",
    register_name="",
    cashier_id="usc",
    cashier_name="USC",
)
RECEIPTS = (
    None,
    ReceiptMetadata(),
    ReceiptMetadata(header="", footer="Tak", shop_address=ShopAddress()),
    ReceiptMetadata(vat_number="38683829", shop_address=ShopAddress(name="", city="Aarhus")),
)


def made_of(basket: Basket, result: EvaluatedBasket, number: int) -> Checkout:
    """Return a checkout of an evaluated basket."""
    return Checkout(
        identifier=f"checkout-{number}",
        base_currency_code=result.currency_code,
        source=SOURCE,
        timing=Timing(timestamp_ns=NOW_NS + number, timezone="Europe/Copenhagen"),
        sales=tuple(
            CheckoutSale(
                identifier=f"sale-{number}-{position}",
                sequence_number=position + 1,
                basket=msgspec.structs.replace(part.summary, comment=(None, "", "Hi")[number % 3]),
                payments=part.payments,
            )
            for position, part in enumerate(split(result, basket.payments))
        ),
        payments=basket.payments,
        receipt_metadata=RECEIPTS[number % len(RECEIPTS)],
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_as_stored_when_random_checkouts_then_the_message_of_the_document(seed: int) -> None:
    generator = Generator(seed)
    context = generator.context()
    plan = compile_plan(context)
    unread_count = 0
    for number in range(BASKETS):
        basket = generator.basket(context)
        if number % 2:
            basket = msgspec.structs.replace(basket, customer=None, purchase_type=None)
        try:
            result = evaluate(basket, plan)
        except TillcoreError:
            continue
        made = made_of(basket, result, number)
        numbers = tuple(SaleNumbers(7, 9) for _ in made.sales)
        document, documents = checkout_documents(made)
        assert checkout_json(made) == document
        assert [sale_json(sale_of(made, part)) for part in made.sales] == list(documents)

        answered = as_stored(made, document)

        stored = read_checkout(decode(document))
        assert checkout_to_proto(Recorded(stored, numbers)) == checkout_to_proto(
            Recorded(answered, numbers)
        )
        unread_count += answered is made
    assert unread_count
