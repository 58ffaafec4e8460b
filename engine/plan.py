"""Compile a market, its catalogue and its campaigns once into an immutable plan for the kernel."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from engine import limits
from engine.campaign_index import (
    CampaignIndex,
    PricedCampaign,
    in_order,
    price_in,
)
from engine.errors import FieldProblem, InvalidInput, Reason
from engine.gates import Gates
from engine.model import (
    Campaign,
    Context,
    DiscountPolicy,
    Effect,
    EffectKind,
    InclusiveRounding,
    Market,
    MarketPrice,
    Product,
    PurchaseType,
    TargetKind,
    Tax,
    TaxRounding,
    Tie,
    Trigger,
    TriggerKind,
    Variant,
)
from engine.numbers import minor_unit_micros
from engine.tax_table import TaxTable, without_sales_tax
from ext import basket as kernel
from ext import money
from ext.wire import HotPlan

EFFECTS = {
    EffectKind.AMOUNT: 0,
    EffectKind.AMOUNT_PER_ITEM: 1,
    EffectKind.PERCENTAGE: 2,
    EffectKind.PERCENTAGE_WITH_MAX: 3,
    EffectKind.NEW_PRICE: 4,
    EffectKind.NEW_PRICE_PER_ITEM: 5,
}
TRIGGERS = {
    TriggerKind.EVERY_UNIT: 0,
    TriggerKind.COUNT_OR_MORE: 1,
    TriggerKind.COUNT: 2,
    TriggerKind.BUNDLE: 3,
    TriggerKind.SPEND: 4,
}
TARGETS = {
    TargetKind.TRIGGERING_UNITS: 0,
    TargetKind.CHEAPEST: 1,
    TargetKind.DEAREST: 2,
    TargetKind.BASKET: 3,
    TargetKind.SELECTOR: 4,
}
TIES = {Tie.HALF_UP: money.HALF_UP, Tie.HALF_EVEN: money.HALF_EVEN}

CAMPAIGN_STACKABLE = 1
CAMPAIGN_NEEDS_CUSTOMER = 2
ROW_UNIT_PRICED = 1
ROW_HAS_COST = 2
LINE_BEHAVIOR = 4

ROW_COLUMNS = 10
CAMPAIGN_COLUMNS = 20 + limits.BUNDLE_PARTS_MAX
TAX_SET_COLUMNS = 6
TAX_ENTRY_COLUMNS = 4

ALL_PURCHASE_TYPES = 2**63 - 1
OTHER_PURCHASE_TYPE = 2**62
"""The bit of a basket without a purchase type that any campaign names."""
COUNT_MAX = 2**31 - 1

Int64Table = npt.NDArray[np.int64]
Int32List = npt.NDArray[np.int32]


def int64_table(rows: Sequence[Sequence[int]], columns: int) -> Int64Table:
    """Return rows of int64 for the kernel, also when there are none."""
    return np.array(rows, dtype=np.int64).reshape(len(rows), columns)


def int32_list(values: Sequence[int]) -> Int32List:
    """Return int32 values for the kernel."""
    return np.array(values, dtype=np.int32)


class Article:
    """What a line can sell: a product or a variant under one purchase type, and its values."""

    __slots__ = (
        "is_priced",
        "is_sold_here",
        "is_unit_priced",
        "product",
        "row",
        "taxes",
        "variant",
    )

    def __init__(self, product: Product | None, variant: Variant | None) -> None:
        """Name the product and the variant; the plan fills in the rest."""
        self.product = product
        self.variant = variant
        self.is_priced = False
        self.is_sold_here = True
        self.is_unit_priced = False
        self.taxes: tuple[Tax, ...] = ()
        self.row: tuple[int, ...] = ()


class PricePlan:
    """A compiled context: read only, shared by threads, evaluated by `engine.basket`.

    Raises InvalidInput when campaigns share an id, or taxes have no exact form.
    """

    def __init__(self, context: Context) -> None:
        """Compile the context."""
        market = context.market
        self.context = context
        self.market: Market = market
        self.is_best_price = market.discount_policy is DiscountPolicy.BEST_PRICE
        self.quantum_micros = minor_unit_micros(market.currency_code)
        self.products = {product.id: product for product in context.products}
        self.purchase_types = {type_.id: type_ for type_ in context.purchase_types}
        self.campaigns: tuple[PricedCampaign, ...] = in_order(context.campaigns, market)
        self.sale_rank = sum(
            c.campaign.priority_micros > market.sale_price_priority_micros for c in self.campaigns
        )
        self.campaign_ids = frozenset(campaign.id for campaign in context.campaigns)
        self.campaign_numbers = {c.campaign.id: i for i, c in enumerate(self.campaigns)}
        self.gates = Gates(self.campaigns, market.timezone)
        self.index = CampaignIndex(self.campaigns)
        self.deposit_rules = tuple(
            (rule, price)
            for rule in context.product_rules
            if (price := price_in(rule.price_micros, market.id)) is not None
        )
        self.tax_table = TaxTable()
        self.purchase_type_bits = self._purchase_type_bits()
        self.articles: dict[tuple[str, str | None], dict[str | None, tuple[int, Article]]] = {}
        """By product and variant: the kernel row and the article of each purchase type."""
        self.hot: HotPlan | None = None
        """The form that answers bytes, once `engine.rpc.hot_plans` has compiled it."""
        self.kernel = self._compile()

    def find(
        self, product_id: str, variant_id: str | None, purchase_type: str | None
    ) -> tuple[int, Article]:
        """Return the kernel row and the article of a product; raises KeyError for unknown ids."""
        by_type = self.articles[product_id, variant_id]
        return by_type.get(purchase_type) or by_type[None]

    def purchase_type_of(self, id_: str | None) -> PurchaseType | None:
        """Return the purchase type of a basket; one that the context lacks has only an id."""
        if id_ is None:
            return None
        return self.purchase_types.get(id_, PurchaseType(id=id_))

    def article(
        self,
        product: Product | None,
        variant: Variant | None,
        purchase_type: str | None,
        *,
        by_count: bool = True,
    ) -> Article:
        """Return what a line sells with its prices, taxes and flags in this market.

        `by_count` False leaves unit pricing out: a price for the quantity was entered at the till.

        The row holds price, price_minor, sale_n, sale_d, cost and multiplicity; tax set, campaigns
        and flags are added by the caller, who owns the tables that they number.
        """
        found = Article(product, variant)
        found.taxes = self._taxes(product, purchase_type)
        if product is None:
            found.row = (0, 0, 0, 0, 0, limits.MICROS_PER_UNIT)
            return found
        market_id = self.market.id
        price = _first_price(product, variant, purchase_type, market_id)
        cost = price_in(variant.cost_price_micros, market_id) if variant else None
        if cost is None:
            cost = price_in(product.cost_price_micros, market_id)
        multiplicity = limits.MICROS_PER_UNIT
        if by_count and price is None and product.unit_pricing is not None:
            price = price_in(product.unit_pricing.retail_price_per_unit_micros, market_id)
            if price is not None:
                cost = price_in(product.unit_pricing.cost_price_per_unit_micros, market_id)
                multiplicity = product.unit_pricing.multiplicity_micros
                found.is_unit_priced = True
        found.is_priced = price is not None
        found.is_sold_here = found.is_priced or not _has_any_price(product, variant)
        sale = price_in(variant.sale_price_micros, market_id) if variant else None
        if sale is None:
            sale = price_in(product.sale_price_micros, market_id)
        sale_n, sale_d = (0, 0) if sale is None else self.minor(sale)
        found.row = (
            price or 0,
            self.price_minor(price or 0),
            sale_n,
            sale_d,
            -1 if cost is None else cost,
            multiplicity,
        )
        return found

    def row_of(self, article: Article, tax_set: int, campaigns: tuple[int, int]) -> tuple[int, ...]:
        """Return the full kernel row of an article."""
        price, price_minor, sale_n, sale_d, cost, multiplicity = article.row
        flags = ROW_UNIT_PRICED if article.is_unit_priced else 0
        if article.product is not None and cost >= 0:
            flags |= ROW_HAS_COST
        return (
            price,
            price_minor,
            sale_n,
            sale_d,
            max(cost, 0),
            multiplicity,
            tax_set,
            *campaigns,
            flags,
        )

    def minor(self, micros: int) -> tuple[int, int]:
        """Return an amount as a fraction of minor units in lowest terms."""
        exact = Fraction(micros, self.quantum_micros)
        return exact.numerator, exact.denominator

    def price_minor(self, price_micros: int) -> int:
        """Return a unit price in whole minor units, -1 when it is no whole number of them."""
        whole, rest = divmod(price_micros, self.quantum_micros)
        return -1 if rest else whole

    def effect_columns(self, effect: Effect) -> tuple[int, ...]:
        """Return kind, value_n, value_d, cap_n, cap_d and rate of a resolved effect."""
        value = effect.value_micros
        assert isinstance(value, int), "effects are resolved for a market before"
        cap = effect.max_micros if isinstance(effect.max_micros, int) else 0
        is_rate = effect.kind in (EffectKind.PERCENTAGE, EffectKind.PERCENTAGE_WITH_MAX)
        amount = (0, 1) if is_rate else self.minor(value)
        return (EFFECTS[effect.kind], *amount, *self.minor(cap), value if is_rate else 0)

    def _taxes(self, product: Product | None, purchase_type: str | None) -> tuple[Tax, ...]:
        taxes = None
        if product is not None:
            if purchase_type is not None:
                taxes = product.taxes_map.get(purchase_type)
            if taxes is None:
                taxes = product.taxes
        return self.market.default_taxes if taxes is None else taxes

    def _purchase_type_bits(self) -> dict[str, int]:
        """Number the purchase types that campaigns name.

        Raises InvalidInput when there are more than limits.PURCHASE_TYPES_MAX.
        """
        named = sorted(
            {id_ for c in self.campaigns for id_ in c.campaign.conditions.purchase_types}
        )
        if len(named) > limits.PURCHASE_TYPES_MAX:
            message = (
                f"expected at most {limits.PURCHASE_TYPES_MAX} purchase types in the conditions "
                f"of campaigns, was {len(named)}"
            )
            raise InvalidInput([FieldProblem("campaigns", Reason.TOO_MANY, message)])
        return {id_: 1 << bit for bit, id_ in enumerate(named)}

    def _campaign_row(self, priced: PricedCampaign) -> tuple[int, ...]:
        campaign = priced.campaign
        types = ALL_PURCHASE_TYPES
        if campaign.conditions.purchase_types:
            types = sum(self.purchase_type_bits[t] for t in set(campaign.conditions.purchase_types))
        flags = CAMPAIGN_STACKABLE if campaign.stackable else 0
        if campaign.conditions.customer_required:
            flags |= CAMPAIGN_NEEDS_CUSTOMER
        return (
            *self.effect_columns(priced.effect),
            *self.minor(priced.min_total_micros or 0),
            *self.minor(priced.spend_micros or 0),
            priced.valid_from_ns,
            priced.valid_until_ns,
            types,
            TRIGGERS[campaign.trigger.kind],
            TARGETS[campaign.target.kind],
            campaign.trigger.count,
            _target_count(campaign),
            campaign.max_groups or COUNT_MAX,
            flags,
            *_part_columns(campaign.trigger),
        )

    def _compile(self) -> kernel.Plan:
        rows: list[tuple[int, ...]] = []
        row_campaigns: list[int] = []
        for position, product in enumerate(self.context.products):
            field = f"products[{position}].taxes"
            for variant in product.variants or (None,):
                seen = self.index.campaigns_of(product, variant)
                campaigns = (len(row_campaigns) // 2, len(seen) // 2)
                row_campaigns.extend(seen)
                by_type: dict[str | None, tuple[int, Article]] = {}
                for purchase_type in _purchase_types_of(product, variant):
                    article = self.article(product, variant, purchase_type)
                    tax_set = self.tax_table.number_of(article.taxes, field)
                    self.tax_table.number_of(without_sales_tax(article.taxes), field)
                    by_type[purchase_type] = (len(rows), article)
                    rows.append(self.row_of(article, tax_set, campaigns))
                self.articles[product.id, variant.id if variant else None] = by_type
        for taxes in (self.market.default_taxes, without_sales_tax(self.market.default_taxes)):
            self.tax_table.number_of(taxes, "market.default_taxes")
        return kernel.Plan(
            rows=int64_table(rows, ROW_COLUMNS),
            row_campaigns=int32_list(row_campaigns),
            everywhere=int32_list(self.index.everywhere),
            on_basket=int32_list(self.index.on_basket),
            campaigns=int64_table(
                [self._campaign_row(c) for c in self.campaigns], CAMPAIGN_COLUMNS
            ),
            tax_sets=int64_table(self.tax_table.sets, TAX_SET_COLUMNS),
            tax_entries=int64_table(self.tax_table.entries, TAX_ENTRY_COLUMNS),
            sale_rank=self.sale_rank,
            quantum_micros=self.quantum_micros,
            amount_end_minor=limits.AMOUNT_MICROS_END // self.quantum_micros,
            tie=TIES[self.market.tie],
            round_line=self.market.tax_rounding is TaxRounding.LINE,
            round_tax=self.market.inclusive_rounding is InclusiveRounding.TAX,
            best_price=self.is_best_price,
            group_count=self.tax_table.group_count,
        )


def compile_plan(context: Context) -> PricePlan:
    """Compile a context; raises InvalidInput as PricePlan does."""
    return PricePlan(context)


def _target_count(campaign: Campaign) -> int:
    """Return k of the target: 1 of each group, all of a set, unless the target says."""
    target, trigger = campaign.target, campaign.trigger
    if target.count is not None:
        return target.count
    of_a_set = trigger.kind not in (TriggerKind.COUNT, TriggerKind.BUNDLE)
    return COUNT_MAX if target.kind is TargetKind.SELECTOR and of_a_set else 1


def _part_columns(trigger: Trigger) -> tuple[int, ...]:
    """Return the number of the trigger's parts and the count of each, padded with zeros."""
    counts = [trigger.count]
    if trigger.kind is TriggerKind.BUNDLE:
        counts = [part.count for part in trigger.parts]
    assert len(counts) <= limits.BUNDLE_PARTS_MAX, "checked when the campaign was read"
    return (len(counts), *counts, *[0] * (limits.BUNDLE_PARTS_MAX - len(counts)))


def _first_price(
    product: Product, variant: Variant | None, purchase_type: str | None, market_id: str
) -> int | None:
    """Return the unit price by the order of docs/evaluation.md, section 2."""
    listed: list[MarketPrice | None] = []
    for article in (variant, product):
        if article is not None:
            if purchase_type is not None:
                listed.append(article.retail_price_map_micros.get(purchase_type))
            listed.append(article.retail_price_micros)
    return next(
        (here for price in listed if (here := price_in(price, market_id)) is not None), None
    )


def _has_any_price(product: Product, variant: Variant | None) -> bool:
    """Return whether any market has a price of the article, for any purchase type."""
    prices: list[MarketPrice | None] = []
    for article in (variant, product):
        if article is not None:
            prices += [article.retail_price_micros, *article.retail_price_map_micros.values()]
    if product.unit_pricing is not None:
        prices.append(product.unit_pricing.retail_price_per_unit_micros)
    return any(price is not None and price != {} for price in prices)


def _purchase_types_of(product: Product, variant: Variant | None) -> list[str | None]:
    """Return None (the base situation) and the purchase types that change price or taxes."""
    named = {*product.retail_price_map_micros, *product.taxes_map}
    if variant is not None:
        named.update(variant.retail_price_map_micros)
    return [None, *sorted(named)]
