"""Convert selectors: which products a campaign is about."""

from engine.campaign_rules import selector_problems
from engine.model import Selector
from engine.rpc.convert.fields import Problems
from engine.rpc.convert.product import attribute_value_from_proto, attribute_value_to_proto
from tillcore.v1 import campaign_pb2


def selector_to_proto(selector: Selector) -> campaign_pb2.Selector:
    """Return the message of a selector."""
    return campaign_pb2.Selector(
        everything=selector.everything,
        products=selector.products,
        variants=[
            campaign_pb2.VariantReference(product_id=product_id, variant_id=variant_id)
            for product_id, variant_id in selector.variants
        ],
        tags=selector.tags,
        product_groups=selector.product_groups,
        attributes=[
            campaign_pb2.AttributeReference(
                attribute_id=attribute_id, value=attribute_value_to_proto(value)
            )
            for attribute_id, value in selector.attributes
        ],
        exclude=None if selector.exclude is None else selector_to_proto(selector.exclude),
    )


def selector_from_proto(message: campaign_pb2.Selector, path: str, problems: Problems) -> Selector:
    """Return the selector of a message; a selector that selects nothing is a problem."""
    before = problems.count
    selector = Selector(
        everything=message.everything,
        products=tuple(
            problems.product_id(path, f"products[{index}]", product_id)
            for index, product_id in enumerate(message.products)
        ),
        variants=tuple(
            (
                problems.product_id(f"{path}.variants[{index}]", "product_id", each.product_id),
                problems.product_id(f"{path}.variants[{index}]", "variant_id", each.variant_id),
            )
            for index, each in enumerate(message.variants)
        ),
        tags=problems.ids(path, "tags", message.tags),
        product_groups=problems.ids(path, "product_groups", message.product_groups),
        attributes=tuple(
            (
                problems.required_id(
                    f"{path}.attributes[{index}]", "attribute_id", each.attribute_id
                ),
                attribute_value_from_proto(
                    each.value, f"{path}.attributes[{index}].value", problems
                ),
            )
            for index, each in enumerate(message.attributes)
        ),
        exclude=selector_from_proto(message.exclude, f"{path}.exclude", problems)
        if message.HasField("exclude")
        else None,
    )
    if problems.count == before:
        problems.add_all(path, selector_problems(selector))
    return selector
