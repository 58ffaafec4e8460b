"""Generate the field numbers of the wire codec from the compiled schema, its one source.

What the codec knows of the messages that it reads and writes stands here: their fields with their
types, in the order of their numbers. A schema that says anything else does not build: a field that
the codec does not know would be dropped without a word.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from google.protobuf.descriptor_pb2 import FileDescriptorSet

Fields = Mapping[str, str]
"""The type of each field: `optional`, `repeated` or `oneof` and its type, in order."""

_TIMESTAMP: Final = "google.protobuf.Timestamp"

READ: Final[Mapping[str, Fields]] = MappingProxyType(
    {
        "tillcore.v1.EvaluateBasketRequest": {
            "basket": "Basket",
            "market_id": "string",
            "context": "Context",
        },
        "tillcore.v1.EvaluateBasketsRequest": {
            "baskets": "repeated Basket",
            "market_id": "string",
            "context": "Context",
        },
        "tillcore.v1.StreamBasketsRequest": {
            "sequence": "int64",
            "basket": "Basket",
            "market_id": "string",
            "context": "Context",
        },
        "tillcore.v1.Basket": {
            "line_items": "repeated BasketLine",
            "evaluate_time": "Timestamp",
            "shop": "string",
            "purchase_type": "string",
            "customer": "Customer",
            "coupons": "repeated string",
            "discounts": "repeated ManualDiscount",
            "payments": "repeated Payment",
            "campaigns": "repeated Campaign",
            "disabled_campaigns": "repeated string",
            "explain": "bool",
            "returns": "repeated ReturnedSale",
            "quotes": "repeated Quote",
        },
        "tillcore.v1.BasketLine": {
            "id": "string",
            "variant_id": "string",
            "quantity_micros": "optional sint64",
            "line_item_id": "string",
            "retail_price_micros": "optional sint64",
            "unit_count_micros": "optional sint64",
            "discounts": "repeated ManualDiscount",
            "taxes": "TaxList",
            "behavior": "LineBehavior",
            "product": "Product",
            "ecom_id": "string",
            "comment": "optional string",
        },
        "tillcore.v1.ManualDiscount": {
            "type": "DiscountType",
            "id": "string",
            "name": "LocalizedString",
        },
        "tillcore.v1.Payment": {
            "payment_type": "string",
            "amount_micros": "sint64",
            "identifier": "string",
            "success": "optional bool",
            "error": "optional string",
            "foreign_currency": "string",
            "foreign_currency_amount_micros": "optional sint64",
            "exchange_rate_micros": "optional sint64",
        },
    }
)

BOTH: Final[Mapping[str, Fields]] = MappingProxyType(
    {
        _TIMESTAMP: {"seconds": "int64", "nanos": "int32"},
        "tillcore.v1.LocalizedString": {
            "text": "optional string",
            "text_by_language": "repeated TextByLanguageEntry",
        },
        "tillcore.v1.DiscountType": {
            "amount_micros": "oneof sint64",
            "amount_per_item_micros": "oneof sint64",
            "percentage_micros": "oneof sint64",
            "percentage_with_max": "oneof PercentageWithMax",
            "new_price_micros": "oneof sint64",
            "new_price_per_item_micros": "oneof sint64",
        },
        "tillcore.v1.PercentageWithMax": {"percentage_micros": "sint64", "max_micros": "sint64"},
        "tillcore.v1.Customer": {
            "identifier": "string",
            "groups": "repeated string",
            "exempt": "bool",
            "name": "optional string",
            "street": "optional string",
            "city": "optional string",
            "postal_code": "optional string",
            "country": "optional string",
            "country_code": "optional string",
            "phone": "optional string",
            "email": "optional string",
            "additional_info": "optional string",
            "organization_number": "optional string",
            "balance_micros": "optional sint64",
            "balance_overdue_micros": "optional sint64",
            "credit_limit_micros": "optional sint64",
            "block_sales": "bool",
        },
    }
)

WRITTEN: Final[Mapping[str, Fields]] = MappingProxyType(
    {
        "tillcore.v1.EvaluateBasketResponse": {"evaluated_basket": "EvaluatedBasket"},
        "tillcore.v1.EvaluateBasketsResponse": {"results": "repeated BasketResult"},
        "tillcore.v1.BasketResult": {
            "evaluated_basket": "oneof EvaluatedBasket",
            "status": "oneof Status",
        },
        "tillcore.v1.StreamBasketsResponse": {
            "sequence": "int64",
            "evaluated_basket": "oneof EvaluatedBasket",
            "status": "oneof Status",
        },
        "tillcore.v1.EvaluatedBasket": {
            "currency_code": "string",
            "line_items": "repeated EvaluatedLine",
            "total_micros": "sint64",
            "sub_total_micros": "sint64",
            "base_price_micros": "sint64",
            "vat_amount_micros": "sint64",
            "sales_tax_amount_micros": "sint64",
            "total_tax_amount_micros": "sint64",
            "total_discounts_micros": "sint64",
            "taxes": "repeated TaxAmount",
            "payment": "Settlement",
            "margin_micros": "optional sint64",
            "margin_total_micros": "optional sint64",
            "contribution_status": "ContributionStatus",
            "evaluate_time": "Timestamp",
            "purchase_type": "PurchaseType",
            "customer": "Customer",
            "explanations": "repeated CampaignExplanation",
            "optimal": "optional bool",
            "gap_micros": "optional sint64",
            "sales": "repeated SalePart",
            "customer_account": "CustomerAccount",
        },
        "tillcore.v1.EvaluatedLine": {
            "line_item_id": "string",
            "id": "string",
            "variant_id": "string",
            "quantity_micros": "sint64",
            "retail_price_micros": "sint64",
            "sub_total_micros": "sint64",
            "base_price_micros": "sint64",
            "total_micros": "sint64",
            "vat_amount_micros": "sint64",
            "sales_tax_amount_micros": "sint64",
            "total_tax_amount_micros": "sint64",
            "taxes": "repeated TaxAmount",
            "discounts": "repeated DiscountRecord",
            "cost_price_micros": "optional sint64",
            "margin_micros": "optional sint64",
            "margin_total_micros": "optional sint64",
            "contribution_status": "ContributionStatus",
            "unit": "optional string",
            "unit_count_micros": "optional sint64",
            "behavior": "LineBehavior",
            "name": "LocalizedString",
            "variant_name": "LocalizedString",
            "barcode": "optional string",
            "image_url": "optional string",
            "product_group": "string",
            "tags": "repeated string",
            "dimensions": "repeated LineDimension",
            "ecom_id": "string",
            "comment": "optional string",
            "bundle_label": "LocalizedString",
            "frozen": "FrozenFrom",
        },
        "tillcore.v1.TaxAmount": {
            "name": "LocalizedString",
            "rate_micros": "sint64",
            "type": "TaxType",
            "amount_micros": "sint64",
        },
        "tillcore.v1.DiscountRecord": {
            "amount_micros": "sint64",
            "id": "string",
            "application": "DiscountApplication",
            "type": "DiscountType",
            "domain": "DiscountDomain",
            "identifier": "string",
            "name": "LocalizedString",
            "trigger": "DiscountTrigger",
        },
        "tillcore.v1.DiscountApplication": {
            "basket": "oneof bool",
            "line_item_id": "oneof string",
            "units": "oneof UnitRange",
        },
        "tillcore.v1.DiscountTrigger": {
            "count": "int32",
            "basket": "bool",
            "line_item_id": "string",
            "units": "repeated UnitRange",
        },
        "tillcore.v1.UnitRange": {
            "line_item_id": "string",
            "start_index": "int32",
            "end_index": "int32",
        },
        "tillcore.v1.LineBehavior": {
            "shipping": "oneof ShippingBehavior",
            "giftcard": "oneof CodeBehavior",
            "voucher": "oneof CodeBehavior",
            "giftcard_use": "oneof CodeBehavior",
            "voucher_use": "oneof CodeBehavior",
            "expense": "oneof ExpenseBehavior",
            "customer_account_deposit": "oneof CustomerAccountDepositBehavior",
            "container_deposit": "oneof ContainerDepositBehavior",
        },
        "tillcore.v1.ContainerDepositBehavior": {
            "product_id": "string",
            "tag": "string",
            "rule_id": "string",
            "parent_line_item_id": "string",
        },
        "tillcore.v1.Settlement": {
            "due_micros": "sint64",
            "cash_due_micros": "sint64",
            "cash_rounding_micros": "sint64",
            "cashback_micros": "sint64",
            "foreign_due": "repeated ForeignDue",
        },
        "tillcore.v1.ForeignDue": {"currency_code": "string", "amount_micros": "sint64"},
        "tillcore.v1.CustomerAccount": {
            "credit_available_micros": "optional sint64",
            "overdue_deposit_micros": "optional sint64",
        },
        "tillcore.v1.PurchaseType": {"id": "string", "name": "LocalizedString"},
    }
)

KNOWN: Final[Mapping[str, Fields]] = MappingProxyType({**READ, **BOTH, **WRITTEN})

_CUSTOMER: Final = "tillcore.v1.Customer"
CUSTOMER_TEXTS: Final = (
    "name",
    "street",
    "city",
    "postal_code",
    "country",
    "country_code",
    "phone",
    "email",
    "additional_info",
    "organization_number",
)
"""Fields of a customer that the codec reads and writes by their place in this row."""

ENUMS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"tillcore.v1.ContributionStatus": ("UNSPECIFIED", "GREEN", "ORANGE", "RED")}
)
"""The members, by their numbers from 0 on, of the enums whose values the codec chooses."""

_HEAD = """\
# The tags of the messages that the codec reads and writes: field number and wire type.
#
# Generated from the .proto files by proto/wire_fields.py; `make proto` writes it anew.

cdef enum:
"""


class Drift(Exception):
    """The schema and the codec differ; the message names the field."""


_WIRE_TYPES: Final = MappingProxyType({"string": 2, "message": 2})
"""The wire types that are not 0, of the types that the codec knows."""


def fields_of(schema: bytes) -> dict[str, dict[str, tuple[int, str, int]]]:
    """Return number, type and wire type of the fields of every message, in order of the numbers.

    Args:
        schema: A serialized google.protobuf.FileDescriptorSet with all imports.
    """
    found: dict[str, dict[str, tuple[int, str, int]]] = {}
    for file in FileDescriptorSet.FromString(schema).file:
        for message in file.message_type:
            fields: dict[str, tuple[int, str, int]] = {}
            for field in sorted(message.field, key=lambda each: each.number):
                kind = field.Type.Name(field.type).removeprefix("TYPE_").lower()
                spelled = field.type_name.rpartition(".")[2] or kind
                if field.label == field.LABEL_REPEATED:
                    spelled = f"repeated {spelled}"
                elif field.proto3_optional:
                    spelled = f"optional {spelled}"
                elif field.HasField("oneof_index"):
                    spelled = f"oneof {spelled}"
                fields[field.name] = field.number, spelled, _WIRE_TYPES.get(kind, 0)
            found[f"{file.package}.{message.name}"] = fields
    return found


def differences(schema: bytes) -> Iterator[str]:
    """Yield in words what the schema has that the codec does not know, and the other way round."""
    found = fields_of(schema)
    for name, known in KNOWN.items():
        fields = found.get(name, {})
        for field, (number, spelled, _) in fields.items():
            if field not in known:
                yield f"{name}.{field} ({spelled} = {number}): not known to the codec"
            elif known[field] != spelled:
                yield f"{name}.{field}: expected {known[field]}, was {spelled}"
        for field in known.keys() - fields.keys():
            yield f"{name}.{field}: expected {known[field]}, was absent"
        if list(fields) != list(known) and fields.keys() == known.keys():
            yield f"{name}: expected the numbers in the order {', '.join(known)}"
    texts = [found[_CUSTOMER][field][0] for field in CUSTOMER_TEXTS if field in found[_CUSTOMER]]
    if texts != list(range(texts[0], texts[0] + len(CUSTOMER_TEXTS))):
        first, last = CUSTOMER_TEXTS[0], CUSTOMER_TEXTS[-1]
        yield f"{_CUSTOMER}: expected numbers without a gap from {first} to {last}"
    yield from _enum_differences(schema)


def _enum_differences(schema: bytes) -> Iterator[str]:
    for file in FileDescriptorSet.FromString(schema).file:
        for enum in file.enum_type:
            expected = ENUMS.get(f"{file.package}.{enum.name}")
            if expected is None:
                continue
            was = [(each.number, each.name) for each in enum.value]
            for number, name in enumerate(expected):
                if not any(n == number and full.endswith(f"_{name}") for n, full in was):
                    yield f"{file.package}.{enum.name}: expected {name} = {number}, was absent"
            if len(was) != len(expected):
                yield f"{file.package}.{enum.name}: expected {len(expected)} members"


def tags_of(schema: bytes) -> str:
    """Return the text of ext/wire_fields.pxi.

    Raises:
        Drift: The schema has a field that the codec does not know, or in another form.
    """
    found = list(differences(schema))
    if found:
        listed = "\n  ".join(found)
        message = (
            "expected the messages that ext/wire knows (see proto/wire_fields.py and ext/wire_"
        )
        raise Drift(f"{message}*.pxi, and teach them the fields), was\n  {listed}")
    rows = [
        f"    {_constant(name)}_{field.upper()} = {number << 3 | wire_type}"
        for name, fields in fields_of(schema).items()
        if name in KNOWN
        for field, (number, _, wire_type) in fields.items()
    ]
    return _HEAD + "\n".join(rows) + "\n"


def _constant(name: str) -> str:
    """Return a message's name as the beginning of a constant: `TAG_BASKET_LINE`."""
    simple = name.rpartition(".")[2]
    return "TAG" + "".join(f"_{c}" if c.isupper() else c.upper() for c in simple)


def write_tags(schema: Path, target: Path) -> None:
    """Write ext/wire_fields.pxi where it differs, so that nothing is compiled in vain.

    Raises:
        Drift: As `tags_of` does.
    """
    text = tags_of(schema.read_bytes())
    if not target.is_file() or target.read_text("utf-8") != text:
        target.write_text(text, "utf-8")
