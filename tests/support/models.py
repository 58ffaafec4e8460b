"""Draw models that keep to every rule of the edges, for round trips through them."""

from typing import TypeVar

from hypothesis import strategies as st

from engine import limits
from engine.catalog import Unit
from engine.model import (
    AttributeValue,
    Basket,
    BasketLine,
    BundlePart,
    Campaign,
    CashRounding,
    CashScope,
    CashTie,
    Conditions,
    ContainerDepositRule,
    Context,
    Customer,
    Dimension,
    DimensionValue,
    DiscountPolicy,
    Effect,
    EffectKind,
    InclusiveRounding,
    ManualDiscount,
    Market,
    Payment,
    Product,
    PurchaseType,
    QuantityBundle,
    Selector,
    Target,
    TargetKind,
    Tax,
    TaxRounding,
    TaxType,
    TextAttribute,
    Tie,
    Trigger,
    TriggerKind,
    UnitPricing,
    Variant,
    WeeklyWindow,
)
from engine.numbers import format_micros
from engine.strict_json import NumberLiteral

T = TypeVar("T")

AMOUNT_MAX = limits.AMOUNT_MICROS_END - 1
TIME_NS_MAX = 2**63 - 10**10

_characters = st.characters(codec="utf-8", exclude_characters="\0")
texts = st.text(_characters, max_size=12)
ids = st.text(_characters, min_size=1, max_size=8)
product_ids = st.text("abc-_1æ漢", min_size=1, max_size=8)
l10n = texts | st.dictionaries(ids, texts, min_size=1, max_size=3)
amounts = st.integers(-AMOUNT_MAX, AMOUNT_MAX)
prices = st.integers(0, AMOUNT_MAX)
positives = st.integers(1, AMOUNT_MAX)
quantities = st.integers(1, limits.QUANTITY_MICROS_MAX)
signed_quantities = quantities | quantities.map(lambda quantity: -quantity)
fractions = st.integers(0, limits.MICROS_PER_UNIT)
counts = st.integers(1, limits.GROUP_COUNT_MAX)
market_prices = prices | st.dictionaries(ids, prices, min_size=1, max_size=3)
id_sets = st.lists(ids, max_size=3, unique=True).map(tuple)


def some(strategy: st.SearchStrategy[T]) -> st.SearchStrategy[tuple[T, ...]]:
    """Return a strategy of up to two values."""
    return st.lists(strategy, max_size=2).map(tuple)


def maybe(strategy: st.SearchStrategy[T]) -> st.SearchStrategy[T | None]:
    """Return a strategy of values and None."""
    return st.none() | strategy


def distinct(strategy: st.SearchStrategy[T], name: str = "id") -> st.SearchStrategy[tuple[T, ...]]:
    """Return a strategy of up to two values whose ids differ."""
    return st.lists(strategy, max_size=2, unique_by=lambda value: getattr(value, name)).map(tuple)


# --- markets ---------------------------------------------------------------------------------

_rates = st.integers(0, limits.RATE_MICROS_MAX)


@st.composite
def taxes(draw: st.DrawFn) -> tuple[Tax, ...]:
    """Draw a list of taxes, some of which compound on earlier ones of their type."""
    listed: list[Tax] = []
    for id_ in draw(st.lists(ids, max_size=3, unique=True)):
        type_ = draw(st.sampled_from(TaxType))
        below = [tax.id for tax in listed if tax.id and tax.type is type_]
        compound_on = draw(st.sets(st.sampled_from(below))) if below else set()
        tax = Tax(
            id=id_,
            name=draw(l10n),
            rate_micros=draw(_rates),
            type=type_,
            compound_on=tuple(sorted(compound_on)),
        )
        listed.append(tax)
    listed.extend(
        draw(some(st.builds(Tax, name=l10n, rate_micros=_rates, type=st.sampled_from(TaxType))))
    )
    return tuple(listed)


def markets() -> st.SearchStrategy[Market]:
    """Draw markets."""
    cash_roundings = st.builds(
        CashRounding,
        increment_micros=st.sampled_from([0, 50_000, 500_000, 1_000_000]),
        tie=st.sampled_from(CashTie),
        min_amount_micros=prices,
        applies_to=st.sampled_from(CashScope),
    )
    return st.builds(
        Market,
        id=ids,
        currency_code=st.sampled_from(["DKK", "SEK", "EUR", "CAD"]),
        default_taxes=taxes(),
        timezone=st.sampled_from(["UTC", "Europe/Copenhagen", "America/Toronto"]),
        shops=id_sets,
        tax_rounding=st.sampled_from(TaxRounding),
        inclusive_rounding=st.sampled_from(InclusiveRounding),
        tie=st.sampled_from(Tie),
        discount_policy=st.sampled_from(DiscountPolicy),
        sale_price_priority_micros=amounts,
        cash_rounding=cash_roundings,
        contribution_ratio_target_micros=maybe(fractions),
        exchange_rates_micros=st.dictionaries(
            st.sampled_from(["NOK", "GBP", "JPY"]), positives, max_size=2
        ),
    )


# --- products --------------------------------------------------------------------------------

_price_maps = st.dictionaries(ids, market_prices, max_size=2)
attribute_values: st.SearchStrategy[AttributeValue] = (
    ids | amounts | st.builds(TextAttribute, text=l10n)
)


def products() -> st.SearchStrategy[Product]:
    """Draw products."""
    unit_pricings = st.builds(
        UnitPricing,
        unit=st.sampled_from([unit.value for unit in Unit]),
        retail_price_per_unit_micros=market_prices,
        cost_price_per_unit_micros=maybe(market_prices),
        multiplicity_micros=quantities,
    )
    values = st.builds(
        DimensionValue, id=ids, name=l10n, color=maybe(texts), image_url=maybe(texts)
    )
    variants = st.builds(
        Variant,
        id=product_ids,
        name=maybe(l10n),
        barcode=maybe(texts),
        image_url=maybe(texts),
        retail_price_micros=maybe(market_prices),
        retail_price_map_micros=_price_maps,
        sale_price_micros=maybe(market_prices),
        cost_price_micros=maybe(market_prices),
        dimension_values=st.dictionaries(ids, ids, max_size=2),
    )
    bundles = st.builds(
        QuantityBundle,
        id=ids,
        name=l10n,
        quantity_micros=quantities,
        is_default=st.booleans(),
        name_per_quantity=maybe(l10n),
        color=maybe(texts),
        image_url=maybe(texts),
    )
    return st.builds(
        Product,
        id=product_ids,
        name=l10n,
        barcode=maybe(texts),
        description=maybe(l10n),
        short_description=maybe(l10n),
        image_url=maybe(texts),
        product_group=maybe(ids),
        retail_price_micros=maybe(market_prices),
        retail_price_map_micros=_price_maps,
        sale_price_micros=maybe(market_prices),
        cost_price_micros=maybe(market_prices),
        unit_pricing=maybe(unit_pricings),
        taxes=maybe(taxes()),
        taxes_map=st.dictionaries(ids, taxes(), max_size=2),
        tags=id_sets,
        attributes=st.dictionaries(ids, attribute_values, max_size=2),
        dimensions=distinct(st.builds(Dimension, id=ids, name=l10n, values=distinct(values))),
        variants=distinct(variants),
        bundles=distinct(bundles),
    )


# --- campaigns -------------------------------------------------------------------------------


def _selectors() -> st.SearchStrategy[Selector]:
    named = st.builds(
        Selector,
        products=st.lists(product_ids, min_size=1, max_size=2).map(tuple),
        variants=some(st.tuples(product_ids, product_ids)),
        tags=some(ids),
        product_groups=some(ids),
        attributes=some(st.tuples(ids, attribute_values)),
    )
    everything = st.just(Selector(everything=True))
    return named | everything | st.builds(Selector, everything=st.just(value=True), exclude=named)


def effects(values: st.SearchStrategy[int | dict[str, int]]) -> st.SearchStrategy[Effect]:
    """Draw effects whose amounts come from `values`."""
    amount_kinds = [kind for kind in EffectKind if not kind.value.startswith("percentage")]
    return st.one_of(
        st.builds(Effect, kind=st.sampled_from(amount_kinds), value_micros=values),
        st.builds(Effect, kind=st.just(EffectKind.PERCENTAGE), value_micros=fractions),
        st.builds(
            Effect,
            kind=st.just(EffectKind.PERCENTAGE_WITH_MAX),
            value_micros=fractions,
            max_micros=values,
        ),
    )


@st.composite
def _actions(draw: st.DrawFn) -> tuple[Trigger, Target, int | None]:
    """Draw a trigger with a target and a limit that go with it."""
    kind = draw(st.sampled_from(TriggerKind))
    if kind is TriggerKind.BUNDLE:
        parts = st.lists(
            st.builds(BundlePart, selector=_selectors(), count=counts), min_size=1, max_size=2
        )
        trigger = Trigger(kind=kind, parts=tuple(draw(parts)))
    elif kind is TriggerKind.SPEND:
        spend = st.integers(1, 10**9) | st.dictionaries(ids, st.integers(1, 10**9), min_size=1)
        trigger = Trigger(kind=kind, selector=draw(_selectors()), spend_micros=draw(spend))
    else:
        count = 1 if kind is TriggerKind.EVERY_UNIT else draw(counts)
        trigger = Trigger(kind=kind, selector=draw(_selectors()), count=count)
    is_grouping = kind in (TriggerKind.COUNT, TriggerKind.BUNDLE)
    ends = st.sampled_from([TargetKind.CHEAPEST, TargetKind.DEAREST])
    end_counts = st.integers(1, trigger.unit_count) if is_grouping else counts
    targets: list[st.SearchStrategy[Target]] = [
        st.just(Target()),
        st.just(Target(kind=TargetKind.BASKET)),
        st.builds(Target, kind=ends, count=end_counts),
        st.builds(
            Target, kind=st.just(TargetKind.SELECTOR), count=maybe(counts), selector=_selectors()
        ),
    ]
    target = draw(st.one_of(targets))
    has_limit = is_grouping and target.kind is not TargetKind.BASKET
    return trigger, target, draw(maybe(counts)) if has_limit else None


@st.composite
def campaigns(draw: st.DrawFn) -> Campaign:
    """Draw campaigns of the full form."""
    trigger, target, max_groups = draw(_actions())
    windows = st.builds(
        WeeklyWindow,
        weekdays=st.lists(st.integers(1, 7), min_size=1, max_size=3, unique=True).map(tuple),
        start_minute=st.integers(0, 1439),
        end_minute=st.integers(0, 1440),
    )
    conditions = st.builds(
        Conditions,
        markets=id_sets,
        shops=id_sets,
        valid_from=st.sampled_from([None, "2026-01-31", "2026-01-31T08:00:00+01:00"]),
        valid_until=st.sampled_from([None, "2026-02-28", "2026-03-01T08:00:00Z"]),
        weekly_windows=some(windows),
        purchase_types=id_sets,
        customer_required=st.booleans(),
        customer_ids=id_sets,
        customer_groups=id_sets,
        coupons=id_sets,
    )
    return Campaign(
        id=draw(ids),
        type="campaign",
        name=draw(st.text(_characters, min_size=1, max_size=8)),
        display_name=draw(l10n),
        priority_micros=draw(amounts),
        trigger=trigger,
        target=target,
        effect=draw(effects(market_prices)),
        conditions=draw(conditions),
        min_total_micros=draw(maybe(market_prices)),
        max_groups=max_groups,
        stackable=draw(st.booleans()),
    )


def contexts() -> st.SearchStrategy[Context]:
    """Draw contexts."""
    rules = st.builds(
        ContainerDepositRule,
        id=ids,
        name=st.text(_characters, min_size=1, max_size=8),
        display_name=l10n,
        tag=ids,
        price_micros=market_prices,
        product_group=maybe(ids),
    )
    return st.builds(
        Context,
        market=markets(),
        products=distinct(products()),
        campaigns=distinct(campaigns()),
        product_rules=distinct(rules),
        purchase_types=distinct(st.builds(PurchaseType, id=ids, name=l10n)),
    )


# --- baskets ---------------------------------------------------------------------------------


def behaviors() -> st.SearchStrategy[dict[str, object]]:
    """Draw the behaviours of lines, as the reference documents write them."""
    code = {"code": ids, "integration_id": ids, "payment_type_id": ids}
    numbers = amounts.map(format_micros).map(NumberLiteral)
    reports = st.lists(texts | numbers, max_size=2) | st.fixed_dictionaries({"text": texts})
    address = {"country_code": st.sampled_from(["DK", "se"]), "city": texts, "street": texts}
    shipping = st.fixed_dictionaries(
        {},
        optional={
            "address": st.fixed_dictionaries({}, optional=address),
            "customer_info": st.fixed_dictionaries({}, optional={"email": texts}),
            "method_id": ids,
        },
    )
    deposit = st.fixed_dictionaries(
        {"product_id": ids, "tag": ids, "rule_id": ids, "parent_line_item_id": ids}
    )
    account = st.fixed_dictionaries({"customer_id": ids, "payment_type_id": ids})
    sold = st.fixed_dictionaries(code, optional={"report": reports})
    used = st.fixed_dictionaries(code)
    kinds: list[st.SearchStrategy[dict[str, object]]] = [
        st.fixed_dictionaries({name: used if name.endswith("_use") else sold})
        for name in ("giftcard", "voucher", "giftcard_use", "voucher_use")
    ]
    images = st.lists(texts, max_size=2)
    expense = st.fixed_dictionaries({"identifier": ids, "image_urls": images})
    return st.one_of(
        *kinds,
        st.fixed_dictionaries({"shipping": shipping}),
        st.fixed_dictionaries({"expense": expense}),
        st.fixed_dictionaries({"customer_account_deposit": account}),
        st.fixed_dictionaries({"container_deposit": deposit}),
    )


_OWN_PRODUCTS = st.builds(Product, id=product_ids, name=l10n, retail_price_micros=market_prices)
"""Small ones: whole products and campaigns are drawn with contexts."""

_OWN_CAMPAIGNS = st.builds(
    Campaign,
    id=ids,
    type=st.just("campaign"),
    name=ids,
    display_name=l10n,
    priority_micros=amounts,
    trigger=st.just(Trigger(kind=TriggerKind.EVERY_UNIT, selector=Selector(everything=True))),
    target=st.just(Target()),
    effect=effects(market_prices),
)


@st.composite
def _lines(draw: st.DrawFn) -> tuple[BasketLine, ...]:
    discounts = some(
        st.builds(ManualDiscount, effect=effects(prices), id=maybe(ids), name=maybe(l10n))
    )
    common = {
        "quantity_micros": signed_quantities,
        "variant_id": maybe(product_ids),
        "retail_price_micros": maybe(prices),
        "unit_count_micros": maybe(quantities),
        "behavior": maybe(behaviors()),
        "taxes": maybe(taxes()),
        "discounts": discounts,
        "ecom_id": maybe(ids),
        "comment": maybe(texts),
    }
    lines = st.one_of(
        st.builds(BasketLine, id=product_ids, line_item_id=maybe(ids), **common),
        st.builds(BasketLine, product=_OWN_PRODUCTS, line_item_id=maybe(ids), **common),
    )
    return tuple(draw(st.lists(lines, max_size=3, unique_by=lambda line: line.line_item_id)))


def customers() -> st.SearchStrategy[Customer]:
    """Draw customers."""
    names = (
        "name street city postal_code country country_code phone email additional_info "
        "organization_number"
    )
    money = ("balance_micros", "balance_overdue_micros", "credit_limit_micros")
    return st.builds(
        Customer,
        identifier=ids,
        block_sales=st.booleans(),
        groups=id_sets,
        exempt=st.booleans(),
        **{name: maybe(texts) for name in names.split()},
        **{name: maybe(amounts) for name in money},
    )


def baskets() -> st.SearchStrategy[Basket]:
    """Draw baskets that say nothing about explanations, which messages do not have."""
    payments = st.builds(
        Payment,
        payment_type=ids,
        amount_micros=amounts,
        identifier=maybe(ids),
        success=st.booleans(),
        error=maybe(texts),
        foreign_currency=st.sampled_from([None, "SEK"]),
        foreign_currency_amount_micros=maybe(amounts),
        exchange_rate_micros=maybe(positives),
    )
    return st.builds(
        Basket,
        line_items=_lines(),
        evaluate_time_ns=maybe(st.integers(-TIME_NS_MAX, TIME_NS_MAX)),
        shop=maybe(ids),
        purchase_type=maybe(ids),
        customer=maybe(customers()),
        coupons=id_sets,
        discounts=some(
            st.builds(ManualDiscount, effect=effects(prices), id=maybe(ids), name=maybe(l10n))
        ),
        payments=some(payments),
        campaigns=distinct(_OWN_CAMPAIGNS),
        disabled_campaigns=some(ids),
        explain=st.booleans(),
    )
