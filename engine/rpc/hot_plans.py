"""Compile plans into the form that answers the bytes of requests, without Python objects.

What of an answer does not depend on the basket is serialized here, once, by the functions that
convert every other answer; the kernel copies it (ext.wire).
"""

from collections.abc import Iterable, Sequence
from typing import Final

from google.protobuf.message import Message

from engine import readers
from engine.campaign_index import PricedCampaign
from engine.deposits import behavior_of_deposit, product_of
from engine.evaluated import (
    campaign_record,
    is_on_all,
    is_on_own_units,
    sale_price_record,
)
from engine.gates import Gate
from engine.model import (
    Application,
    CashScope,
    CashTie,
    ContainerDepositRule,
    Context,
    DiscountRecord,
    Product,
    TaxAmount,
    TaxType,
    Variant,
)
from engine.plan import (
    OTHER_PURCHASE_TYPE,
    Article,
    PricePlan,
    compile_plan,
    int32_list,
    int64_table,
)
from engine.rpc.convert.evaluated_basket import purchase_type_to_proto
from engine.rpc.convert.evaluated_line import described, discount_to_proto, tax_amount_to_proto
from engine.rpc.convert.line_behavior import behavior_to_proto
from engine.settlement import foreign_increment
from engine.tax_table import name_key, without_sales_tax
from ext.wire import HotPlan
from tillcore.v1 import evaluated_basket_pb2, evaluated_line_pb2

QUICK_PRODUCTS_MAX: Final = 2_000
"""A plan of up to so many products gets its hot plan at once, a larger one after it serves."""

FIRST_MOMENT_NS: Final = -(2**63)
"""The first moment of a catalogue that has no past, for `ext.wire.Answerer`."""

_INT64_MAX = 2**63 - 1
_ROW_IS_PRICED = 1
_SHOWS_BASKET, _SHOWS_OWN_UNITS, _SHOWS_SHARED_UNITS = range(3)
_CASH_TIE_AWAY, _CASH_SCOPE_ALL = 1, 2
_NO_PURCHASE_TYPE = -1
_NOT_SET = Application(basket=True)
"""Stands in for the application of a record, which depends on the basket."""


def attach_hot_plan(plan: PricePlan) -> None:
    """Compile the hot plan of a plan, if it has none yet; it is found at `plan.hot`."""
    if plan.hot is None:
        plan.hot = compile_hot_plan(plan)


def compile_warm_plan(context: Context) -> PricePlan:
    """Compile a context, with the hot plan when that is quick; raises as `compile_plan` does."""
    plan = compile_plan(context)
    if is_quick(plan):
        attach_hot_plan(plan)
    return plan


def is_quick(plan: PricePlan) -> bool:
    """Return whether the hot plan of a plan is compiled in no time."""
    return len(plan.products) <= QUICK_PRODUCTS_MAX


def compile_hot_plan(plan: PricePlan) -> HotPlan:
    """Return the hot plan of a plan."""
    return _Compiler(plan).hot_plan()


class _Texts:
    """Texts one after the other, each of them once."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._places: dict[bytes, tuple[int, int]] = {}

    def place(self, text: bytes | str) -> tuple[int, int]:
        """Return start and size of a text, adding it when it is new."""
        data = text.encode() if isinstance(text, str) else text
        found = self._places.get(data)
        if found is None:
            found = self._places[data] = len(self.data), len(data)
            self.data += data
        return found

    def message(self, message: Message) -> tuple[int, int]:
        """Return the place of a message: of its fields without a frame."""
        return self.place(message.SerializeToString(deterministic=True))


class _Words:
    """Texts with numbers from 1 on."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def number(self, word: str) -> int:
        """Return the number of a word, adding it when it is new."""
        return self.numbers.setdefault(word, len(self.numbers) + 1)


class _Compiler:
    """Fills the tables of one hot plan, whose columns are those of ext/wire_plan.pxi."""

    def __init__(self, plan: PricePlan) -> None:
        self._plan = plan
        self._texts = _Texts()
        self._words = _Words()
        self._articles: list[tuple[int, ...]] = []
        self._rows: list[tuple[int, ...]] = []
        self._typed_rows: list[tuple[int, ...]] = []
        self._bundles: list[tuple[int, ...]] = []
        self._deposits: list[tuple[int, ...]] = []
        self._numbers: list[int] = []
        self._purchase_types = self._numbered_purchase_types()

    def hot_plan(self) -> HotPlan:
        """Return the plan with all tables."""
        plan, market = self._plan, self._plan.market
        for product in plan.products.values():
            if self._is_answered(product):
                for variant in product.variants or (None,):
                    self._add_article(product, variant)
        tax_sets, taxes = self._taxes()
        gates = [self._gate(gate) for gate in plan.gates]
        clock = plan.gates.clock
        foreign = self._foreign()
        currency = evaluated_basket_pb2.EvaluatedBasket(currency_code=market.currency_code)
        target = market.contribution_ratio_target_micros
        rule = market.cash_rounding
        tables: dict[str, tuple[Sequence[Sequence[int]], int]] = {
            "articles": (self._articles, 14),
            "rows": (self._rows, 10),
            "typed_rows": (self._typed_rows, 2),
            "bundles": (self._bundles, 1),
            "deposits": (self._deposits, 12),
            "purchase_types": (self._purchase_type_rows(), 5),
            "tax_sets": (tax_sets, 2),
            "taxes": (taxes, 3),
            "campaigns": ([self._campaign(each) for each in plan.campaigns], 8),
            "campaign_ids": (self._places(each.campaign.id for each in plan.campaigns), 2),
            "gates": (gates, 12),
            "words": (self._places(self._words.numbers), 2),
            "shops": (self._places(dict.fromkeys(market.shops)), 2),
            "foreign": (foreign, 4),
            "clock": (
                []
                if clock is None
                else list(zip(clock.instants_ns, clock.offsets_ns, strict=True)),
                2,
            ),
            "currency": ([self._texts.message(currency)], 2),
        }
        return HotPlan(
            plan.kernel,
            bytes(self._texts.data),
            **{name: int64_table(rows, columns) for name, (rows, columns) in tables.items()},
            is_ready=(target is None or target >= 0)
            and all(row[3] < _INT64_MAX for row in foreign),
            numbers=int32_list(self._numbers),
            other_purchase_type=OTHER_PURCHASE_TYPE,
            contribution_target=-1 if target is None else target,
            cash_increment=rule.increment_micros,
            cash_min_amount=rule.min_amount_micros,
            cash_flags=(_CASH_TIE_AWAY if rule.tie is CashTie.AWAY else 0)
            | (_CASH_SCOPE_ALL if rule.applies_to is CashScope.ALL else 0),
        )

    def _places(self, texts: Iterable[str]) -> list[tuple[int, int]]:
        return [self._texts.place(text) for text in texts]

    # --- articles ------------------------------------------------------------------------------

    def _is_answered(self, product: Product) -> bool:
        """Return whether lines of a product are answered: whether ids say what is meant."""
        ids = [variant.id for variant in product.variants]
        rules = self._rules_of(product)
        return (
            all(map(_is_product_id, (product.id, *ids)))
            and len(set(ids)) == len(ids)
            and len({rule.id for rule, _ in rules}) == len(rules)
        )

    def _rules_of(self, product: Product) -> list[tuple[ContainerDepositRule, int]]:
        return [each for each in self._plan.deposit_rules if each[0].tag in product.tags]

    def _add_deposits(self, product: Product) -> tuple[int, int]:
        """Add what rules add to the lines of a product; return the start and the count."""
        plan, start = self._plan, len(self._deposits)
        for rule, price_micros in self._rules_of(product):
            sold = product_of(rule, price_micros)
            behavior = behavior_to_proto(behavior_of_deposit(product, rule, ""))
            assert behavior is not None, "a deposit has a behaviour"
            head, tail = self._described(sold, None)
            article = plan.article(sold, None, None)
            exempt = without_sales_tax(article.taxes)
            self._deposits.append(
                (
                    *self._texts.place(rule.id),
                    *self._texts.message(behavior.container_deposit),
                    *head,
                    *tail,
                    *article.row[:2],
                    plan.tax_table.number_of(article.taxes, "taxes"),
                    plan.tax_table.number_of(exempt, "taxes"),
                )
            )
        return start, len(self._deposits) - start

    def _described(
        self, product: Product, variant: Variant | None
    ) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return what the catalogue says of a line before its numbers, and after them."""
        whole = described(product, variant).SerializeToString(deterministic=True)
        variant_id = variant.id if variant else ""
        # The ids come first: their numbers are the lowest.
        size = evaluated_line_pb2.EvaluatedLine(id=product.id, variant_id=variant_id).ByteSize()
        return self._texts.place(whole[:size]), self._texts.place(whole[size:])

    def _add_article(self, product: Product, variant: Variant | None) -> None:
        variant_id = variant.id if variant else None
        by_type = self._plan.articles[product.id, variant_id]
        first_row, first_bundle = len(self._typed_rows), len(self._bundles)
        head, tail = self._described(product, variant)
        for purchase_type in sorted(by_type, key=lambda each: (each is None, each or "")):
            number = _NO_PURCHASE_TYPE
            if purchase_type is not None:
                number = self._purchase_types[purchase_type]
            row, article = by_type[purchase_type]
            self._typed_rows.append((number, len(self._rows)))
            self._rows.append(self._row(row, article, purchase_type))
        self._bundles += [
            (each.quantity_micros,) for each in product.bundles if each.quantity_micros
        ]
        self._articles.append(
            (
                *self._texts.place(product.id),
                *self._texts.place(variant_id or ""),
                *head,
                *tail,
                first_row,
                len(by_type),
                first_bundle,
                len(self._bundles) - first_bundle,
                *self._add_deposits(product),
            )
        )

    def _row(self, row: int, article: Article, purchase_type: str | None) -> tuple[int, ...]:
        plan, product = self._plan, article.product
        assert product is not None, "the rows of a plan are those of products"
        exempt = plan.tax_table.number_of(without_sales_tax(article.taxes), "taxes")
        unit, entered_cost = (0, 0), -1
        if article.is_unit_priced:
            assert product.unit_pricing is not None, "what is priced by count has a unit"
            unit = self._texts.message(
                evaluated_line_pb2.EvaluatedLine(unit=product.unit_pricing.unit)
            )
            entered = plan.article(product, article.variant, purchase_type, by_count=False)
            entered_cost = entered.row[4]
        sale_id = sale_rest = (0, 0)
        if article.row[3]:
            sale_id, sale_rest = self._record(sale_price_record(plan, article, 0, _NOT_SET))
        flags = _ROW_IS_PRICED if article.is_priced else 0
        return (row, exempt, flags, entered_cost, *unit, *sale_id, *sale_rest)

    def _record(self, record: DiscountRecord) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return what a record says before its application, and between it and the trigger."""
        message = discount_to_proto(record)
        before = self._texts.message(evaluated_line_pb2.DiscountRecord(id=message.id))
        for name in ("amount_micros", "id", "application", "trigger"):
            message.ClearField(name)
        return before, self._texts.message(message)

    # --- purchase types and taxes --------------------------------------------------------------

    def _numbered_purchase_types(self) -> dict[str, int]:
        plan = self._plan
        named = {each for by_type in plan.articles.values() for each in by_type if each is not None}
        ids = sorted(named | plan.purchase_types.keys() | plan.purchase_type_bits.keys())
        return {id_: number for number, id_ in enumerate(ids)}

    def _purchase_type_rows(self) -> list[tuple[int, ...]]:
        return [
            (
                *self._texts.place(id_),
                *self._texts.message(
                    evaluated_basket_pb2.EvaluatedBasket(
                        purchase_type=purchase_type_to_proto(self._plan.purchase_type_of(id_))
                    )
                ),
                self._plan.purchase_type_bits.get(id_, OTHER_PURCHASE_TYPE),
            )
            for id_ in self._purchase_types
        ]

    def _taxes(self) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
        """Return the tax lists of the kernel, and their entries."""
        plan, table = self._plan, self._plan.tax_table
        sets: list[tuple[int, ...]] = [(0, columns[4]) for columns in table.sets]
        entries: list[tuple[int, ...]] = []
        summaries: dict[object, int] = {}
        articles = [each for by_type in plan.articles.values() for _, each in by_type.values()]
        known = {table.number_of(each.taxes, "taxes"): each.taxes for each in articles}
        default = plan.market.default_taxes
        known.setdefault(table.number_of(default, "taxes"), default)
        for of_article in known.values():
            for taxes in (of_article, without_sales_tax(of_article)):
                at = table.number_of(taxes, "taxes")
                sets[at] = (len(entries), len(taxes))
                for tax in taxes:
                    key = (name_key(tax.name), tax.rate_micros, tax.type is TaxType.VAT)
                    message = tax_amount_to_proto(
                        TaxAmount(
                            name=tax.name,
                            rate_micros=tax.rate_micros,
                            type=tax.type,
                            amount_micros=0,
                        )
                    )
                    summary = summaries.setdefault(key, len(summaries))
                    entries.append((*self._texts.message(message), summary))
        return sets, entries

    # --- campaigns -----------------------------------------------------------------------------

    def _campaign(self, priced: PricedCampaign) -> tuple[int, ...]:
        before, after = self._record(campaign_record(priced, 0, _NOT_SET, None))
        count = evaluated_line_pb2.DiscountTrigger(count=priced.campaign.trigger.unit_count)
        shows = _SHOWS_SHARED_UNITS
        if is_on_own_units(priced):
            shows = _SHOWS_OWN_UNITS
        elif is_on_all(priced):
            shows = _SHOWS_BASKET
        return (*before, *after, *self._texts.message(count), priced.is_on_basket, shows)

    def _gate(self, gate: Gate) -> tuple[int, ...]:
        conditions = gate.conditions
        needs_customer = (
            conditions.customer_required or conditions.customer_ids or conditions.customer_groups
        )
        return (
            gate.number,
            bool(needs_customer),
            *self._list(sorted(map(self._words.number, conditions.shops))),
            *self._list(sorted(map(self._words.number, conditions.customer_ids))),
            *self._list(sorted(map(self._words.number, conditions.customer_groups))),
            *self._list(sorted(map(self._words.number, conditions.coupons))),
            *self._list(gate.opening_minutes),
        )

    def _list(self, numbers: Sequence[int]) -> tuple[int, int]:
        """Add a list of numbers and return its start and count."""
        start = len(self._numbers)
        self._numbers += numbers
        return start, len(numbers)

    def _foreign(self) -> list[tuple[int, ...]]:
        """Return the currencies in which the cash due is said, in the order of their codes."""
        found: list[tuple[int, ...]] = []
        for code, rate in sorted(self._plan.market.exchange_rates_micros.items()):
            increment = foreign_increment(code)
            place = self._texts.message(evaluated_basket_pb2.ForeignDue(currency_code=code))
            found.append((*place, increment, min(rate * increment, _INT64_MAX)))
        return found


def _is_product_id(id_: str) -> bool:
    """Return whether a request can name an id at all."""
    problems = readers.Problems()
    readers.product_identifier(id_, "", problems)
    return problems.count == 0
