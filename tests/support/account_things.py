"""Examples of everything that AdminService manages by id, each with a change of it."""

from collections.abc import Callable
from typing import Any, NamedTuple

from google.protobuf import message_factory

from tests.support.server import METHODS
from tillcore.v1 import (
    admin_cashier_pb2,
    admin_market_pb2,
    admin_payment_type_pb2,
    admin_purchase_type_pb2,
    admin_register_pb2,
    admin_shop_pb2,
    localized_string_pb2,
    market_pb2,
    product_pb2,
)

UNIT = 1_000_000


class Thing(NamedTuple):
    """One kind of thing.

    Attributes:
        noun: Its name in fields.
        example: Returns one with the id.
        change: Changes it; returns the only field that is touched.
        needs: The kinds that have to be there first, the direct one last.
    """

    noun: str
    example: Callable[[str], Any]
    change: Callable[[Any], str]
    needs: tuple[str, ...] = ()

    @property
    def camel(self) -> str:
        """The noun as methods have it."""
        return "".join(word.capitalize() for word in self.noun.split("_"))


def text(value: str) -> localized_string_pb2.LocalizedString:
    """Return a localized text for every language."""
    return localized_string_pb2.LocalizedString(text=value)


def market(id_: str) -> admin_market_pb2.AccountMarket:
    """Return a Danish market with every rule set."""
    return admin_market_pb2.AccountMarket(
        name="Danmark",
        market=market_pb2.Market(
            id=id_,
            currency_code="DKK",
            timezone="Europe/Copenhagen",
            default_taxes=[
                market_pb2.Tax(
                    id="moms",
                    name=text("Moms"),
                    rate_micros=UNIT // 4,
                    type=market_pb2.TAX_TYPE_VAT,
                )
            ],
            tax_rounding=market_pb2.TAX_ROUNDING_LINE,
            inclusive_rounding=market_pb2.INCLUSIVE_ROUNDING_TAX,
            tie=market_pb2.TIE_HALF_EVEN,
            discount_policy=market_pb2.DISCOUNT_POLICY_PRIORITY,
            sale_price_priority_micros=50 * UNIT,
            cash_rounding=market_pb2.CashRounding(
                increment_micros=UNIT // 2,
                tie=market_pb2.CASH_TIE_AWAY,
                applies_to=market_pb2.CASH_SCOPE_CASH,
            ),
            contribution_ratio_target_micros=400_000,
        ),
    )


def shop(id_: str) -> admin_shop_pb2.Shop:
    """Return a shop of the market `m`."""
    return admin_shop_pb2.Shop(
        id=id_,
        market_id="m",
        name="Aarhus \U0001f3ea",
        address=admin_shop_pb2.Shop.Address(
            name="Tillcore, Aarhus", street="Katrinebjergvej 115", zip="8200", city="Aarhus"
        ),
        vat_number="38683829",
        receipt_header="Tak for handlen!",
        receipt_footer="Hav en god dag\nVarer ombyttes ikke.",
    )


def register(id_: str) -> admin_register_pb2.Register:
    """Return a register of the shop `s`."""
    return admin_register_pb2.Register(id=id_, shop_id="s", name="Till 1")


def cashier(id_: str) -> admin_cashier_pb2.Cashier:
    """Return a cashier."""
    return admin_cashier_pb2.Cashier(
        id=id_, display_name="USC", full_name="Ursula S. Cashier", image_url="https://a.example/u"
    )


def payment_type(id_: str) -> admin_payment_type_pb2.PaymentType:
    """Return a payment type that is counted."""
    return admin_payment_type_pb2.PaymentType(id=id_, name="Cash", should_be_reconciled=True)


def purchase_type(id_: str) -> admin_purchase_type_pb2.AccountPurchaseType:
    """Return a purchase type with its name in two languages."""
    names = localized_string_pb2.LocalizedString(text_by_language={"da": "Ta' med", "en": "To go"})
    return admin_purchase_type_pb2.AccountPurchaseType(
        purchase_type=product_pb2.PurchaseType(id=id_, name=names)
    )


def _rename(field: str) -> Callable[[Any], str]:
    def change(message: Any) -> str:
        setattr(message, field, "Another")
        return field

    return change


def _tax(message: Any) -> str:
    message.market.default_taxes[0].rate_micros = 120_000
    return "market"


def _name(message: Any) -> str:
    message.purchase_type.name.CopyFrom(text("Away"))
    return "purchase_type"


THINGS = (
    Thing("market", market, _tax),
    Thing("shop", shop, _rename("receipt_footer"), needs=("market",)),
    Thing("register", register, _rename("name"), needs=("market", "shop")),
    Thing("cashier", cashier, _rename("full_name")),
    Thing("payment_type", payment_type, _rename("name")),
    Thing("purchase_type", purchase_type, _name),
)

BY_NOUN = {thing.noun: thing for thing in THINGS}

PARENT_IDS = {"market": "m", "shop": "s"}
"""The ids that the examples name what they belong to by."""


def id_of(message: Any) -> str:
    """Return the id of an example, which some have inside."""
    for inner in ("market", "purchase_type"):
        if inner in message.DESCRIPTOR.fields_by_name:
            return str(getattr(message, inner).id)
    return str(message.id)


def request(method: str, **fields: Any) -> Any:
    """Return the request of a method of AdminService."""
    kind = message_factory.GetMessageClass(METHODS[method].input_type)
    return kind(**fields)
