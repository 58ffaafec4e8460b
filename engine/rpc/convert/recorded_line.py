"""Convert recorded lines from messages: what was evaluated once and comes back as a record."""

from collections.abc import Iterable, Sequence

from engine import limits
from engine.errors import Reason
from engine.model import (
    Application,
    ContributionStatus,
    Dimension,
    DimensionValue,
    DiscountDomain,
    DiscountRecord,
    DiscountTrigger,
    EvaluatedLine,
    FrozenFrom,
    L10nString,
    Product,
    TaxAmount,
    UnitRange,
    Variant,
)
from engine.rpc.convert.discount import discount_type_from_proto
from engine.rpc.convert.fields import Problems, members_of, numbers_of, quantity_from_proto
from engine.rpc.convert.line_behavior import behavior_from_proto
from engine.rpc.convert.market import TAX_TYPE_NUMBERS
from engine.rpc.convert.text import optional_string, optional_text, required_text
from tillcore.v1 import evaluated_line_pb2

_TAX_TYPE_OF = members_of(TAX_TYPE_NUMBERS)
_DOMAIN_OF = members_of(
    numbers_of(DiscountDomain, evaluated_line_pb2.DiscountDomain, "DISCOUNT_DOMAIN")
)
_STATUS_OF = members_of(
    numbers_of(ContributionStatus, evaluated_line_pb2.ContributionStatus, "CONTRIBUTION_STATUS")
)
_NO_NAME: L10nString = ""
_INDEX_MAX = 2**31 - 1


def recorded_lines_from_proto(
    messages: Sequence[evaluated_line_pb2.EvaluatedLine], path: str, problems: Problems
) -> tuple[EvaluatedLine, ...]:
    """Return the lines of a record, at most as many as a basket has.

    Args:
        messages: The lines.
        path: The path of what holds `line_items`.
        problems: Where bad fields are added.
    """
    if not problems.fits(path, "line_items", len(messages), limits.LINES_PER_BASKET_MAX):
        return ()
    problems.unique(path, "line_items", [each.line_item_id for each in messages], ".line_item_id")
    return tuple(
        recorded_line_from_proto(message, f"{path}.line_items[{index}]", problems)
        for index, message in enumerate(messages)
    )


def recorded_line_from_proto(
    message: evaluated_line_pb2.EvaluatedLine, path: str, problems: Problems
) -> EvaluatedLine:
    """Return a recorded line; its product and variant are what the record says of them."""
    product, variant = _product_from_proto(message, path, problems)

    def amount(name: str) -> int:
        return problems.amount(path, name, getattr(message, name))

    unit_count = None
    if message.HasField("unit_count_micros"):
        unit_count = problems.between(
            path, "unit_count_micros", message.unit_count_micros, 1, limits.QUANTITY_MICROS_MAX
        )
    behavior = None
    if message.HasField("behavior"):
        behavior = behavior_from_proto(message.behavior, f"{path}.behavior", problems)
    status = message.contribution_status
    return EvaluatedLine(
        line_item_id=record_id(path, "line_item_id", message.line_item_id, problems),
        quantity_micros=quantity_from_proto(message.quantity_micros, path, problems),
        retail_price_micros=amount("retail_price_micros"),
        sub_total_micros=amount("sub_total_micros"),
        base_price_micros=amount("base_price_micros"),
        total_micros=amount("total_micros"),
        vat_amount_micros=amount("vat_amount_micros"),
        sales_tax_amount_micros=amount("sales_tax_amount_micros"),
        total_tax_amount_micros=amount("total_tax_amount_micros"),
        taxes=tax_amounts_from_proto(message.taxes, path, problems),
        discounts=_discounts_from_proto(message, path, problems),
        cost_price_micros=problems.optional_amount(message, path, "cost_price_micros"),
        margin_micros=problems.optional_amount(message, path, "margin_micros"),
        margin_total_micros=problems.optional_amount(message, path, "margin_total_micros"),
        contribution_status=problems.choice(path, "contribution_status", status, _STATUS_OF)
        if status
        else None,
        product=product,
        variant=variant,
        unit=optional_string(message, path, "unit", problems),
        unit_count_micros=unit_count,
        behavior=behavior,
        ecom_id=problems.optional_id(path, "ecom_id", message.ecom_id),
        comment=optional_string(message, path, "comment", problems),
        bundle_label=optional_text(message, path, "bundle_label", problems),
        frozen=_frozen_from_proto(message.frozen, f"{path}.frozen", problems)
        if message.HasField("frozen")
        else None,
    )


def _frozen_from_proto(
    message: evaluated_line_pb2.FrozenFrom, path: str, problems: Problems
) -> FrozenFrom:
    """Return which earlier record a recorded line came from."""
    line_item_id = record_id(path, "line_item_id", message.line_item_id, problems)
    match message.WhichOneof("source"):
        case "return_reference" as name:
            reference = problems.required_id(path, name, message.return_reference)
            return FrozenFrom(line_item_id=line_item_id, return_reference=reference)
        case "quote_reference" as name:
            reference = problems.required_id(path, name, message.quote_reference)
            return FrozenFrom(line_item_id=line_item_id, quote_reference=reference)
        case None:
            problems.required(path, "return_reference or quote_reference")
            return FrozenFrom(line_item_id=line_item_id)


def record_id(path: str, name: str, value: str, problems: Problems) -> str:
    """Check an id that may be composed of other ids, such as that of a deposit line."""
    if not value:
        problems.required(f"{path}.{name}", "an id")
    elif len(value) > limits.RECORD_ID_CHARACTERS_MAX or "\0" in value:
        expected = f"expected 1 to {limits.RECORD_ID_CHARACTERS_MAX} characters without NUL"
        message = f"{expected}, was {len(value)}"
        problems.add(f"{path}.{name}", Reason.OUT_OF_BOUNDS, message)
    return value


def tax_amounts_from_proto(
    messages: Iterable[evaluated_line_pb2.TaxAmount], path: str, problems: Problems
) -> tuple[TaxAmount, ...]:
    """Return the taxes of a line or of a summary, which are at `path`."""
    return tuple(
        _tax_amount_from_proto(message, f"{path}.taxes[{index}]", problems)
        for index, message in enumerate(messages)
    )


def _tax_amount_from_proto(
    message: evaluated_line_pb2.TaxAmount, path: str, problems: Problems
) -> TaxAmount:
    rate_micros = message.rate_micros
    return TaxAmount(
        name=required_text(message, path, "name", problems),
        rate_micros=problems.between(path, "rate_micros", rate_micros, 0, limits.RATE_MICROS_MAX),
        type=problems.choice(path, "type", message.type, _TAX_TYPE_OF),
        amount_micros=problems.amount(path, "amount_micros", message.amount_micros),
    )


# --- products --------------------------------------------------------------------------------


def _product_from_proto(
    message: evaluated_line_pb2.EvaluatedLine, path: str, problems: Problems
) -> tuple[Product | None, Variant | None]:
    """Return what a record tells of its product and variant; None when it tells nothing."""
    dimensions = tuple(
        _dimension_from_proto(each, f"{path}.dimensions[{index}]", problems)
        for index, each in enumerate(message.dimensions)
    )
    product = Product(
        id=problems.optional_id(path, "id", message.id) or "",
        name=optional_text(message, path, "name", problems) or _NO_NAME,
        barcode=optional_string(message, path, "barcode", problems),
        image_url=optional_string(message, path, "image_url", problems),
        product_group=problems.optional_id(path, "product_group", message.product_group),
        tags=problems.id_set(path, "tags", message.tags),
        dimensions=dimensions,
    )
    variant_id = problems.optional_id(path, "variant_id", message.variant_id)
    variant_name = optional_text(message, path, "variant_name", problems)
    variant = None
    if variant_id is not None or variant_name is not None or dimensions:
        variant = Variant(
            id=variant_id or "",
            name=variant_name,
            dimension_values={each.id: each.values[0].id for each in dimensions},
        )
    if variant is None and product == Product(id="", name=_NO_NAME):
        return None, None
    return product, variant


def _dimension_from_proto(
    message: evaluated_line_pb2.LineDimension, path: str, problems: Problems
) -> Dimension:
    value, inner = message.value, f"{path}.value"
    return Dimension(
        id=problems.required_id(path, "id", message.id),
        name=optional_text(message, path, "name", problems) or _NO_NAME,
        values=(
            DimensionValue(
                id=problems.required_id(inner, "id", value.id),
                name=required_text(value, inner, "name", problems),
                color=optional_string(value, inner, "color", problems),
                image_url=optional_string(value, inner, "image_url", problems),
            ),
        ),
    )


# --- discounts -------------------------------------------------------------------------------


def _discounts_from_proto(
    line: evaluated_line_pb2.EvaluatedLine, path: str, problems: Problems
) -> tuple[DiscountRecord, ...]:
    return tuple(
        _discount_from_proto(message, f"{path}.discounts[{index}]", problems)
        for index, message in enumerate(line.discounts)
    )


def _discount_from_proto(
    message: evaluated_line_pb2.DiscountRecord, path: str, problems: Problems
) -> DiscountRecord:
    domain, trigger = message.domain, None
    if message.HasField("trigger"):
        trigger = _trigger_from_proto(message.trigger, f"{path}.trigger", problems)
    return DiscountRecord(
        amount_micros=problems.amount(path, "amount_micros", message.amount_micros),
        id=record_id(path, "id", message.id, problems),
        application=_application_from_proto(message.application, f"{path}.application", problems),
        effect=discount_type_from_proto(message.type, f"{path}.type", problems),
        domain=problems.choice(path, "domain", domain, _DOMAIN_OF) if domain else None,
        identifier=problems.optional_id(path, "identifier", message.identifier),
        name=optional_text(message, path, "name", problems),
        trigger=trigger,
    )


def _application_from_proto(
    message: evaluated_line_pb2.DiscountApplication, path: str, problems: Problems
) -> Application:
    match message.WhichOneof("scope"):
        case "line_item_id":
            line_item_id = record_id(path, "line_item_id", message.line_item_id, problems)
            return Application(line_item_id=line_item_id)
        case "units":
            return Application(units=_units_from_proto(message.units, f"{path}.units", problems))
        case "basket" if message.basket:
            pass
        case _:
            problems.required(path, "basket, line_item_id or units")
    return Application(basket=True)


def _trigger_from_proto(
    message: evaluated_line_pb2.DiscountTrigger, path: str, problems: Problems
) -> DiscountTrigger:
    line_item_id = None
    if message.line_item_id:
        line_item_id = record_id(path, "line_item_id", message.line_item_id, problems)
    return DiscountTrigger(
        count=problems.between(path, "count", message.count, 0, _INDEX_MAX),
        basket=message.basket,
        line_item_id=line_item_id,
        units=tuple(
            _units_from_proto(each, f"{path}.units[{index}]", problems)
            for index, each in enumerate(message.units)
        ),
    )


def _units_from_proto(
    message: evaluated_line_pb2.UnitRange, path: str, problems: Problems
) -> UnitRange:
    start, end = message.start_index, message.end_index
    return UnitRange(
        line_item_id=record_id(path, "line_item_id", message.line_item_id, problems),
        start_index=problems.between(path, "start_index", start, 0, _INDEX_MAX),
        end_index=problems.between(path, "end_index", end, start + 1, _INDEX_MAX),
    )
