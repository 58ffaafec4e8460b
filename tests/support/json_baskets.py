"""Make random contexts and baskets as JSON from a seed: the input of the command line's tests."""

import random
from typing import Any

Json = dict[str, Any]

PRODUCTS = 8
TAGS = ("retro", "food", "candy")
PURCHASE_TYPES = ("take_away", "delivery")


class JsonGenerator:
    """Draws contexts and baskets; the same seed gives the same sequence on every machine."""

    def __init__(self, seed: int) -> None:
        """Start the sequence of a seed."""
        self._random = random.Random(seed)

    def context(self) -> Json:
        """Draw a market with products and overlapping campaigns."""
        r = self._random
        market: Json = {
            "id": "dk",
            "currency": r.choice(("DKK", "EUR", "SEK")),
            "default_taxes": [
                {"name": "Moms", "rate": self._one_of("0.25", "0.19"), "type": "vat"}
            ],
            "tax_rounding": r.choice(("document", "line")),
            "inclusive_rounding": r.choice(("net", "tax")),
            "tie": r.choice(("half_up", "half_even")),
            "contribution_ratio_target": 0.4,
        }
        campaigns = [self._campaign(f"c{i}") for i in range(r.randint(0, 6))]
        products = [self._product(i) for i in range(PRODUCTS)]
        return {"market": market, "products": products, "campaigns": campaigns}

    def basket(self) -> Json:
        """Draw a basket; now and then one that is refused."""
        r = self._random
        basket: Json = {
            "evaluate_time": "2026-11-27T09:00:00+01:00",
            "line_items": [self._line() for _ in range(r.choice((0, 1, 1, 2, 3, 5, 8)))],
            "discounts": self._discounts(),
        }
        if r.random() < 0.3:
            basket["purchase_type"] = r.choice(PURCHASE_TYPES)
        if r.random() < 0.3:
            basket["customer"] = {"identifier": "C1"}
        if r.random() < 0.1:
            basket["payments"] = [{"payment_type": "cash", "amount": r.choice((5, 50, 500))}]
        return basket

    def _one_of(self, *literals: str) -> float:
        """Draw a number whose shortest literal is one of these."""
        return float(self._random.choice(literals))

    def _price(self) -> float:
        return self._random.randint(0, 30_000) / 100

    def _product(self, number: int) -> Json:
        r = self._random
        product: Json = {"id": f"p{number}", "name": f"Product {number}"}
        product["tags"] = [tag for tag in TAGS if r.random() < 0.4]
        if number == 0:
            product["unit_pricing"] = {
                "unit": "volume/dl",
                "retail_price_per_unit": self._price(),
                "multiplicity": 4.5,
            }
            return product
        product["retail_price"] = self._price()
        if r.random() < 0.3:
            product["sale_price"] = self._price()
        if r.random() < 0.4:
            product["cost_price"] = self._price()
        if r.random() < 0.2:
            product["retail_price_map"] = {r.choice(PURCHASE_TYPES): self._price()}
        if r.random() < 0.2:
            product["taxes"] = [{"name": "State", "rate": 0.0625, "type": "sales_tax"}]
        return product

    def _campaign(self, id_: str) -> Json:
        r = self._random
        effect = r.choice(("percentage", "new_price", "amount"))
        trigger = r.choice(("", "-count_or_more", "-count"))
        scope = r.choice(("single_product", "tag", "basket"))
        campaign: Json = {
            "id": id_,
            "type": f"{effect}_discount{trigger}-{scope}",
            "name": id_,
            "display_name": id_.upper(),
            "priority": r.choice((10, 50, 120)),
            "stackable": r.random() < 0.3,
        }
        if effect == "percentage":
            campaign["percentage"] = self._one_of("0.05", "0.42", "1")
        else:
            per_item = "_per_item" if r.random() < 0.5 else ""
            campaign[f"{effect}{per_item}"] = self._price()
        if scope == "single_product":
            campaign["product_id"] = f"p{r.randrange(PRODUCTS)}"
        if scope == "tag":
            campaign["tag"] = r.choice(TAGS)
        if trigger:
            campaign["count"] = r.randint(1, 4)
        if trigger == "-count":
            campaign["on"] = r.choice(("all", "cheapest", "dearest"))
        return campaign

    def _discounts(self) -> list[Json]:
        r = self._random
        if r.random() < 0.8:
            return []
        kinds = (
            {"percentage": 0.05},
            {"amount": self._price()},
            {"amount_per_item": self._price()},
            {"new_price": self._price()},
            {"new_price_per_item": self._price()},
            {"percentage_with_max": {"percentage": 0.5, "max": self._price()}},
        )
        return [{"type": r.choice(kinds)}]

    def _line(self) -> Json:
        r = self._random
        number = r.randrange(PRODUCTS + (r.random() < 0.05))
        sign = r.choice((1, 1, 1, 1, -1))
        line: Json = {"id": f"p{number}", "discounts": self._discounts()}
        if number == 0:
            return line | {"quantity": sign, "unit_count": r.randint(1, 3_000) / 100}
        return line | {"quantity": sign * r.choice((1, 1, 2, 3, 7, 2.5, 0.333))}
