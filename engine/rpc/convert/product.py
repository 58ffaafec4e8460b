"""Convert products with their variants, product rules and purchase types."""

from collections.abc import Iterable

from engine import limits
from engine.catalog import Unit
from engine.errors import Reason
from engine.model import (
    AttributeValue,
    ContainerDepositRule,
    Dimension,
    DimensionValue,
    Product,
    PurchaseType,
    QuantityBundle,
    Tax,
    TextAttribute,
    UnitPricing,
    Variant,
)
from engine.rpc.convert.fields import Problems
from engine.rpc.convert.market import tax_to_proto, taxes_from_proto
from engine.rpc.convert.price import (
    optional_price,
    price_map_from_proto,
    price_map_to_proto,
    price_to_proto,
    required_price,
)
from engine.rpc.convert.text import (
    optional_string,
    optional_text,
    required_text,
    text_from_proto,
    text_to_proto,
)
from engine.strict_json import shown_text
from tillcore.v1 import product_pb2

_UNITS = tuple(unit.value for unit in Unit)


def product_to_proto(product: Product) -> product_pb2.Product:
    """Return the message of a product."""
    return product_pb2.Product(
        id=product.id,
        name=text_to_proto(product.name),
        retail_price=price_to_proto(product.retail_price_micros),
        sale_price=price_to_proto(product.sale_price_micros),
        cost_price=price_to_proto(product.cost_price_micros),
        unit_pricing=_unit_pricing_to_proto(product.unit_pricing),
        taxes=tax_list_to_proto(product.taxes),
        variants=map(_variant_to_proto, product.variants),
        tags=product.tags,
        product_group=product.product_group or "",
        barcode=product.barcode,
        image_url=product.image_url,
        retail_price_map=price_map_to_proto(product.retail_price_map_micros),
        taxes_map={
            key: product_pb2.TaxList(taxes=map(tax_to_proto, taxes))
            for key, taxes in product.taxes_map.items()
        },
        dimensions=map(_dimension_to_proto, product.dimensions),
        bundles=map(_bundle_to_proto, product.bundles),
        attributes={
            key: attribute_value_to_proto(value) for key, value in product.attributes.items()
        },
        description=text_to_proto(product.description),
        short_description=text_to_proto(product.short_description),
    )


def product_from_proto(message: product_pb2.Product, path: str, problems: Problems) -> Product:
    """Return the product of a message."""
    variants = tuple(
        _variant_from_proto(variant, f"{path}.variants[{index}]", problems)
        for index, variant in enumerate(message.variants)
    )
    dimensions = tuple(
        _dimension_from_proto(dimension, f"{path}.dimensions[{index}]", problems)
        for index, dimension in enumerate(message.dimensions)
    )
    bundles = tuple(
        _bundle_from_proto(bundle, f"{path}.bundles[{index}]", problems)
        for index, bundle in enumerate(message.bundles)
    )
    problems.unique(path, "variants", [variant.id for variant in variants])
    problems.unique(path, "dimensions", [dimension.id for dimension in dimensions])
    problems.unique(path, "bundles", [bundle.id for bundle in bundles])
    return Product(
        id=problems.product_id(path, "id", message.id),
        name=required_text(message, path, "name", problems),
        barcode=optional_string(message, path, "barcode", problems),
        description=optional_text(message, path, "description", problems),
        short_description=optional_text(message, path, "short_description", problems),
        image_url=optional_string(message, path, "image_url", problems),
        product_group=problems.optional_id(path, "product_group", message.product_group),
        retail_price_micros=optional_price(message, path, "retail_price", problems),
        retail_price_map_micros=price_map_from_proto(
            message.retail_price_map, path, "retail_price_map", problems
        ),
        sale_price_micros=optional_price(message, path, "sale_price", problems),
        cost_price_micros=optional_price(message, path, "cost_price", problems),
        unit_pricing=_unit_pricing_from_proto(message, path, problems),
        taxes=tax_list_from_proto(message.taxes, f"{path}.taxes", problems)
        if message.HasField("taxes")
        else None,
        taxes_map={
            key: tax_list_from_proto(taxes, problems.key(path, "taxes_map", key), problems)
            for key, taxes in message.taxes_map.items()
        },
        tags=problems.id_set(path, "tags", message.tags),
        attributes={
            key: attribute_value_from_proto(value, problems.key(path, "attributes", key), problems)
            for key, value in message.attributes.items()
        },
        dimensions=dimensions,
        variants=variants,
        bundles=bundles,
    )


def tax_list_to_proto(taxes: Iterable[Tax] | None) -> product_pb2.TaxList | None:
    """Return the message of a list of taxes; None stays None, which is absent."""
    return None if taxes is None else product_pb2.TaxList(taxes=map(tax_to_proto, taxes))


def tax_list_from_proto(
    message: product_pb2.TaxList, path: str, problems: Problems
) -> tuple[Tax, ...]:
    """Return the taxes of a list, which may be empty."""
    return taxes_from_proto(message.taxes, path, "taxes", problems)


def _variant_to_proto(variant: Variant) -> product_pb2.Variant:
    return product_pb2.Variant(
        id=variant.id,
        name=text_to_proto(variant.name),
        retail_price=price_to_proto(variant.retail_price_micros),
        sale_price=price_to_proto(variant.sale_price_micros),
        cost_price=price_to_proto(variant.cost_price_micros),
        retail_price_map=price_map_to_proto(variant.retail_price_map_micros),
        barcode=variant.barcode,
        image_url=variant.image_url,
        dimension_values=variant.dimension_values,
    )


def _variant_from_proto(message: product_pb2.Variant, path: str, problems: Problems) -> Variant:
    return Variant(
        id=problems.product_id(path, "id", message.id),
        name=optional_text(message, path, "name", problems),
        barcode=optional_string(message, path, "barcode", problems),
        image_url=optional_string(message, path, "image_url", problems),
        retail_price_micros=optional_price(message, path, "retail_price", problems),
        retail_price_map_micros=price_map_from_proto(
            message.retail_price_map, path, "retail_price_map", problems
        ),
        sale_price_micros=optional_price(message, path, "sale_price", problems),
        cost_price_micros=optional_price(message, path, "cost_price", problems),
        dimension_values={
            key: problems.id_at(problems.key(path, "dimension_values", key), value)
            for key, value in message.dimension_values.items()
        },
    )


def _unit_pricing_to_proto(pricing: UnitPricing | None) -> product_pb2.UnitPricing | None:
    if pricing is None:
        return None
    return product_pb2.UnitPricing(
        unit=pricing.unit,
        retail_price_per_unit=price_to_proto(pricing.retail_price_per_unit_micros),
        cost_price_per_unit=price_to_proto(pricing.cost_price_per_unit_micros),
        multiplicity_micros=pricing.multiplicity_micros,
    )


def _unit_pricing_from_proto(
    product: product_pb2.Product, product_path: str, problems: Problems
) -> UnitPricing | None:
    if not product.HasField("unit_pricing"):
        return None
    message, path = product.unit_pricing, f"{product_path}.unit_pricing"
    multiplicity = limits.MICROS_PER_UNIT
    if message.HasField("multiplicity_micros"):
        multiplicity = problems.between(
            path, "multiplicity_micros", message.multiplicity_micros, 1, limits.QUANTITY_MICROS_MAX
        )
    return UnitPricing(
        unit=_unit(message.unit, path, problems),
        retail_price_per_unit_micros=required_price(
            message, path, "retail_price_per_unit", problems
        ),
        cost_price_per_unit_micros=optional_price(message, path, "cost_price_per_unit", problems),
        multiplicity_micros=multiplicity,
    )


def _dimension_to_proto(dimension: Dimension) -> product_pb2.Dimension:
    return product_pb2.Dimension(
        id=dimension.id,
        name=text_to_proto(dimension.name),
        values=map(dimension_value_to_proto, dimension.values),
    )


def dimension_value_to_proto(value: DimensionValue) -> product_pb2.DimensionValue:
    """Return the message of one choice of a dimension."""
    return product_pb2.DimensionValue(
        id=value.id,
        name=text_to_proto(value.name),
        color=value.color,
        image_url=value.image_url,
    )


def _dimension_from_proto(
    message: product_pb2.Dimension, path: str, problems: Problems
) -> Dimension:
    values = tuple(
        DimensionValue(
            id=problems.required_id(f"{path}.values[{index}]", "id", value.id),
            name=required_text(value, f"{path}.values[{index}]", "name", problems),
            color=optional_string(value, f"{path}.values[{index}]", "color", problems),
            image_url=optional_string(value, f"{path}.values[{index}]", "image_url", problems),
        )
        for index, value in enumerate(message.values)
    )
    problems.unique(path, "values", [value.id for value in values])
    return Dimension(
        id=problems.required_id(path, "id", message.id),
        name=required_text(message, path, "name", problems),
        values=values,
    )


def _unit(name: str, path: str, problems: Problems) -> str:
    """Return the name of a unit of unit pricing."""
    if name not in _UNITS:
        known = ", ".join(_UNITS)
        if name:
            message = f"expected one of {known}, was {shown_text(name)}"
            problems.add(f"{path}.unit", Reason.UNKNOWN_VALUE, message)
        else:
            problems.required(f"{path}.unit", f"one of {known}")
    return name


def _bundle_to_proto(bundle: QuantityBundle) -> product_pb2.QuantityBundle:
    return product_pb2.QuantityBundle(
        id=bundle.id,
        name=text_to_proto(bundle.name),
        quantity_micros=bundle.quantity_micros,
        is_default=bundle.is_default,
        name_per_quantity=text_to_proto(bundle.name_per_quantity),
        color=bundle.color,
        image_url=bundle.image_url,
    )


def _bundle_from_proto(
    message: product_pb2.QuantityBundle, path: str, problems: Problems
) -> QuantityBundle:
    return QuantityBundle(
        id=problems.required_id(path, "id", message.id),
        name=required_text(message, path, "name", problems),
        quantity_micros=problems.between(
            path, "quantity_micros", message.quantity_micros, 1, limits.QUANTITY_MICROS_MAX
        ),
        is_default=message.is_default,
        name_per_quantity=optional_text(message, path, "name_per_quantity", problems),
        color=optional_string(message, path, "color", problems),
        image_url=optional_string(message, path, "image_url", problems),
    )


def attribute_value_to_proto(value: AttributeValue) -> product_pb2.AttributeValue:
    """Return the message of an attribute value."""
    if isinstance(value, str):
        return product_pb2.AttributeValue(option_id=value)
    if isinstance(value, int):
        return product_pb2.AttributeValue(number_micros=value)
    return product_pb2.AttributeValue(text=text_to_proto(value.text))


def attribute_value_from_proto(
    message: product_pb2.AttributeValue, path: str, problems: Problems
) -> AttributeValue:
    """Return the attribute value of a message."""
    match message.WhichOneof("value"):
        case "option_id":
            return problems.required_id(path, "option_id", message.option_id)
        case "number_micros":
            return problems.amount(path, "number_micros", message.number_micros)
        case "text":
            return TextAttribute(text=text_from_proto(message.text, f"{path}.text", problems))
        case None:
            problems.required(path, "one of option_id, number_micros, text")
            return ""


def product_rule_to_proto(rule: ContainerDepositRule) -> product_pb2.ContainerDepositRule:
    """Return the message of a product rule."""
    return product_pb2.ContainerDepositRule(
        id=rule.id,
        name=rule.name,
        display_name=text_to_proto(rule.display_name),
        tag=rule.tag,
        price=price_to_proto(rule.price_micros),
        product_group=rule.product_group or "",
    )


def product_rule_from_proto(
    message: product_pb2.ContainerDepositRule, path: str, problems: Problems
) -> ContainerDepositRule:
    """Return the product rule of a message."""
    return ContainerDepositRule(
        id=problems.required_id(path, "id", message.id),
        name=problems.required_text(path, "name", message.name),
        display_name=required_text(message, path, "display_name", problems),
        tag=problems.required_id(path, "tag", message.tag),
        price_micros=required_price(message, path, "price", problems),
        product_group=problems.optional_id(path, "product_group", message.product_group),
    )


def purchase_type_to_proto(purchase_type: PurchaseType) -> product_pb2.PurchaseType:
    """Return the message of a purchase type."""
    return product_pb2.PurchaseType(id=purchase_type.id, name=text_to_proto(purchase_type.name))


def purchase_type_from_proto(
    message: product_pb2.PurchaseType, path: str, problems: Problems
) -> PurchaseType:
    """Return the purchase type of a message; without a name its name is empty."""
    return PurchaseType(
        id=problems.required_id(path, "id", message.id),
        name=optional_text(message, path, "name", problems) or "",
    )
