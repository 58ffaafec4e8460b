"""Answer with a checkout as the store has it, without reading what has just been written."""

from engine.model import Checkout, EvaluatedLine
from engine.records.sales import read_checkout
from engine.strict_json import decode


def as_stored(made: Checkout, document: bytes) -> Checkout:
    """Return a checkout that answers like the one its document has, now and for a repetition.

    Reading takes longer than writing, and an ordinary sale says the same before and after. A
    document has things in another order, or spelled out, or not at all, where a checkout has
    behaviours, personal data, a purchase type, or units of several lines that made a discount.

    Args:
        made: The checkout.
        document: What `checkout_json` makes of it.
    """
    return made if _is_ordinary(made) else read_checkout(decode(document))


def _is_ordinary(made: Checkout) -> bool:
    return all(
        sale.fiscal_rules_data is None
        and sale.basket.purchase_type is None
        and sale.basket.customer is None
        and all(map(_is_ordinary_line, sale.basket.line_items))
        for sale in made.sales
    )


def _is_ordinary_line(line: EvaluatedLine) -> bool:
    return (
        line.behavior is None
        and line.frozen is None
        and all(each.trigger is None or len(each.trigger.units) < 2 for each in line.discounts)
    )
