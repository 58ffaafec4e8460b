"""Read selectors from decoded JSON: which products a campaign is about."""

from engine.attributes import attributes as attributes_by_id
from engine.campaign_rules import selector_problems
from engine.fields import Fields
from engine.model import Selector
from engine.readers import Problems, array, boolean, id_set, product_identifier


def selector(value: object, path: str, problems: Problems) -> Selector | None:
    """Read `{"all": true}`, or what is named of products, minus `exclude`; never an empty set."""
    before = problems.count
    fields = Fields(value, path, problems)
    everything = fields.default("all", boolean, value=False)
    products = fields.default("products", _PRODUCTS, value=())
    variants = fields.default("variants", _VARIANTS, value=())
    tags = fields.default("tags", id_set, value=())
    product_groups = fields.default("product_groups", id_set, value=())
    attributes = fields.default("attributes", attributes_by_id, value={})
    exclude = fields.optional("exclude", selector)
    fields.refuse_unknown()
    if problems.count > before:
        return None
    read = Selector(
        everything=everything,
        products=tuple(dict.fromkeys(products)),
        variants=tuple(dict.fromkeys(variants)),
        tags=tags,
        product_groups=product_groups,
        attributes=tuple(attributes.items()),
        exclude=exclude,
    )
    problems.add_all(path, selector_problems(read))
    return read


def _variant(value: object, path: str, problems: Problems) -> tuple[str, str]:
    """Read a reference to one variant of a product."""
    fields = Fields(value, path, problems)
    product_id = fields.required("product_id", product_identifier, otherwise="")
    variant_id = fields.required("variant_id", product_identifier, otherwise="")
    fields.refuse_unknown()
    return product_id, variant_id


_PRODUCTS = array(product_identifier)
_VARIANTS = array(_variant)
