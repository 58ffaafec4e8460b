"""The methods of IntegrationService that look something up: customers, shipping, products."""

from collections.abc import Iterable, Mapping
from typing import Any

from engine import limits
from engine.errors import Reason
from engine.rpc.basket_service import parse
from engine.rpc.calls import Behaviour
from engine.rpc.convert.campaign import campaign_to_proto
from engine.rpc.convert.customer import customer_to_proto
from engine.rpc.convert.fields import Problems
from engine.rpc.convert.market import tax_to_proto
from server.auth import current_principal
from server.integrations.answers import (
    Found,
    read_campaigns,
    read_customers,
    read_options,
    read_products,
)
from server.integrations.desk import Desk
from server.integrations.integration import Action, IntegrationKind
from server.rpc.integration_messages import KINDS
from server.rpc.integration_requests import wanted
from server.rpc.request_ids import required_id, the_id
from tillcore.v1 import basket_pb2, line_behavior_pb2
from tillcore.v1 import integration_lookup_pb2 as pb


class IntegrationLookupMethods:
    """Ask for what changes nothing."""

    def __init__(self, desk: Desk) -> None:
        """Ask at a desk."""
        self._desk = desk

    def behaviours(self) -> dict[str, Behaviour]:
        """Return the methods by their names."""
        return {
            "GetRegisterIntegrations": self.get_register_integrations,
            "LookUpCustomers": self.look_up_customers,
            "GetShippingOptions": self.get_shipping_options,
            "GetCustomerDiscounts": self.get_customer_discounts,
            "SearchProducts": self.search_products,
        }

    async def get_register_integrations(self, data: bytes) -> bytes:
        """Answer a GetRegisterIntegrationsRequest."""
        request = parse(pb.GetRegisterIntegrationsRequest, data)
        register_id = the_id(request, "register_id")
        principal = current_principal()
        principal.check_register(register_id)
        found = await self._desk.usable(account_id=principal.account_id, register_id=register_id)
        integrations = [
            pb.RegisterIntegration(
                integration_id=each.identifier, name=each.name, kind=KINDS[each.kind]
            )
            for each in found
        ]
        return pb.GetRegisterIntegrationsResponse(integrations=integrations).SerializeToString()

    async def look_up_customers(self, data: bytes) -> bytes:
        """Answer a LookUpCustomersRequest."""
        request = parse(pb.LookUpCustomersRequest, data)
        problems = Problems()
        whom = wanted(request, IntegrationKind.CUSTOMER_LOOKUP, problems)
        members = _search_term(request, problems)
        problems.finish()
        customers, _, _ = await self._desk.ask(
            whom, Action.SEARCH, members, lambda value, _: read_customers(value)
        )
        answer = pb.LookUpCustomersResponse(customers=_known(map(customer_to_proto, customers)))
        return answer.SerializeToString()

    async def get_shipping_options(self, data: bytes) -> bytes:
        """Answer a GetShippingOptionsRequest."""
        request = parse(pb.GetShippingOptionsRequest, data)
        problems = Problems()
        whom = wanted(request, IntegrationKind.SHIPPING_OPTIONS, problems)
        address = _address(request.address, problems)
        problems.finish()
        options, _, _ = await self._desk.ask(
            whom, Action.READ, {"address": address}, lambda value, _: read_options(value)
        )
        messages = [
            pb.ShippingOption(
                id=each.id,
                price_micros=each.price_micros,
                title=each.title,
                subtitle=each.subtitle,
            )
            for each in options
        ]
        return pb.GetShippingOptionsResponse(options=messages).SerializeToString()

    async def get_customer_discounts(self, data: bytes) -> bytes:
        """Answer a GetCustomerDiscountsRequest."""
        request = parse(pb.GetCustomerDiscountsRequest, data)
        problems = Problems()
        whom = wanted(request, IntegrationKind.CUSTOMER_DISCOUNTS, problems)
        customer_id = required_id(request, "customer_id", problems)
        problems.finish()
        campaigns, _, _ = await self._desk.ask(
            whom,
            Action.READ,
            {"customer_id": customer_id},
            lambda value, _: read_campaigns(value),
        )
        answer = pb.GetCustomerDiscountsResponse(campaigns=map(campaign_to_proto, campaigns))
        return answer.SerializeToString()

    async def search_products(self, data: bytes) -> bytes:
        """Answer a SearchProductsRequest."""
        request = parse(pb.SearchProductsRequest, data)
        problems = Problems()
        whom = wanted(request, IntegrationKind.PRODUCT_SEARCH, problems)
        members = _search_term(request, problems)
        problems.finish()
        products, _, _ = await self._desk.ask(
            whom, Action.SEARCH, members, lambda value, _: read_products(value)
        )
        answer = pb.SearchProductsResponse(products=map(_product_to_proto, products))
        return answer.SerializeToString()


def _known(messages: Iterable[basket_pb2.Customer | None]) -> list[basket_pb2.Customer]:
    return [each for each in messages if each is not None]


def _search_term(request: Any, problems: Problems) -> Mapping[str, object]:
    value = str(request.search_term)
    if not value:
        problems.required("search_term", "a text")
    elif len(value) > limits.ID_CHARACTERS_MAX or "\0" in value:
        expected = f"expected at most {limits.ID_CHARACTERS_MAX} characters without NUL"
        problems.add("search_term", Reason.OUT_OF_BOUNDS, f"{expected}, was {len(value)}")
    return {"search_term": value}


def _address(
    message: line_behavior_pb2.ShippingAddress, problems: Problems
) -> Mapping[str, object]:
    """Return the members of an address that are given."""
    members: dict[str, object] = {}
    for field, value in message.ListFields():
        members[field.name] = problems.text("address", field.name, value)
    return members


def _product_to_proto(found: Found) -> pb.FoundProduct:
    return pb.FoundProduct(
        id=found.id,
        variant_id=found.variant_id,
        name=found.name,
        variant_name=found.variant_name,
        description=found.description,
        barcode=found.barcode,
        image_url=found.image_url,
        product_group=found.product_group,
        retail_price_micros=found.retail_price_micros,
        sale_price_micros=found.sale_price_micros,
        cost_price_micros=found.cost_price_micros,
        taxes=map(tax_to_proto, found.taxes),
    )
