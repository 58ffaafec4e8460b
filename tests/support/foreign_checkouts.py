"""What CheckoutService keeps of an account, and requests that name it from another account."""

from collections.abc import Mapping
from typing import Any, Final

from tests.support.account_things import request, text
from tests.support.server import Caller
from tillcore.v1 import basket_pb2, money_pb2, product_pb2

CHECKOUT_ID: Final = "their-checkout"
BASKET_ID: Final = "their-basket"
QUOTE_ID: Final = "their-quote"
UNIT: Final = 1_000_000


def goods() -> basket_pb2.Basket:
    """Return a basket with a product that no catalogue needs to have."""
    product = product_pb2.Product(
        id="chair",
        name=text("Chair"),
        retail_price=money_pb2.MarketPrice(amount_micros=100 * UNIT),
    )
    return basket_pb2.Basket(line_items=[basket_pb2.BasketLine(product=product)])


def paid_goods() -> basket_pb2.Basket:
    """Return the same, paid."""
    basket = goods()
    basket.payments.add(payment_type="card.external", amount_micros=100 * UNIT)
    return basket


async def populate_checkouts(owner: Caller, *, register_id: str) -> str:
    """Make one of everything at an open register; return the id of the sale."""
    at = {"register_id": register_id, "cashier_id": "c"}
    made = await owner.call(
        request("CompleteCheckout", checkout_id=CHECKOUT_ID, basket=paid_goods(), **at)
    )
    await owner.call(request("SaveBasket", basket_id=BASKET_ID, basket=goods(), **at))
    await owner.call(request("CreateQuote", quote_id=QUOTE_ID, basket=goods(), **at))
    await owner.call(
        request(
            "SignUpForNewsletter", signup_id="1", register_id=register_id, email="a@example.com"
        )
    )
    return str(made.checkout.sales[0].identifier)


def at_register(register_id: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the fields of the requests that name a register."""
    at = {"register_id": register_id, "cashier_id": "c"}
    return {
        "CompleteCheckout": {"checkout_id": "1", "basket": paid_goods(), **at},
        "VoidCheckout": {"checkout_id": "2", "basket": paid_goods(), **at},
        "SaveBasket": {"basket_id": "1", "basket": goods(), **at},
        "CreateQuote": {"quote_id": "1", "basket": goods(), **at},
        "SignUpForNewsletter": {
            "signup_id": "2",
            "register_id": register_id,
            "email": "a@example.com",
        },
    }


BY_ID: Final[Mapping[str, Mapping[str, str]]] = {
    "GetCheckout": {"checkout_id": CHECKOUT_ID},
    "GetBasket": {"basket_id": BASKET_ID},
    "DeleteBasket": {"basket_id": BASKET_ID},
    "GetQuote": {"quote_id": QUOTE_ID},
}
"""The fields of the requests that name what `populate_checkouts` makes."""
