"""Make reports of a register: every total of its period, and what was counted at its close.

The Z report is of a period that has ended, the X report of one that goes on.
"""

from collections.abc import Callable, Iterator, Sequence

from engine.model import Timing
from engine.model.register import (
    NO_PRODUCT_GROUP,
    PaymentFlow,
    PaymentTotals,
    Reconciliation,
    RegisterCloseStatement,
    RegisterSummary,
    SalesSummary,
    TaxSummary,
)
from server.reports import words
from server.reports.document import (
    Document,
    Emphasis,
    Layout,
    Row,
    Table,
    given_facts,
    given_tables,
)
from server.reports.places import address_lines, place_references, shown_payment_type
from server.reports.words import Word
from server.reports.writer import Writer


def register_report(
    statement: RegisterCloseStatement, writer: Writer, *, is_interim: bool = False
) -> Document:
    """Return the Z report of a register close statement.

    Args:
        statement: The statement.
        writer: Writes in the reader's language.
        is_interim: Whether it is an X report: the statement then has the totals up to its moment,
            nothing was counted, and its number is that of the period.
    """
    source, info, word = statement.source, statement.shop_info, writer.word
    address = None if info is None else info.shop_address
    name = (None if address is None else address.name) or source.shop_name or source.shop_id
    tables = _Tables(writer, statement.base_currency_code)
    summary = statement.register_summary
    title = words.X_REPORT if is_interim else words.Z_REPORT
    return Document(
        layout=Layout.REPORT,
        language=writer.language,
        title=f"{word(title)} {statement.sequence_number}",
        moment_ns=statement.timing.timestamp_ns,
        seller=name,
        seller_lines=address_lines(
            address, None if info is None else info.vat_number, source, writer
        ),
        facts=given_facts(_facts(statement, writer, is_interim=is_interim)),
        tables=given_tables(
            (
                tables.overview(summary),
                tables.taxes(summary),
                tables.reconciliations(statement.reconciliations),
                tables.payments(summary),
                tables.payments_by_kind(summary),
                tables.product_groups(summary),
                tables.expenses(summary.expenses),
                tables.events(summary),
            )
        ),
        references=given_facts(
            (
                *place_references(source, writer),
                (word(words.PERIOD_ID), summary.id),
                (word(words.JOURNAL_NUMBER), _text(statement.journal_number)),
                (word(words.JOURNAL_HASH), statement.journal_hash),
            )
        ),
    )


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _facts(
    statement: RegisterCloseStatement, writer: Writer, *, is_interim: bool
) -> Iterator[tuple[str, str | None]]:
    """Yield when, where and by whom, and the cash and the comments that stand for themselves."""
    source, summary, word = statement.source, statement.register_summary, writer.word
    code, zone = statement.base_currency_code, statement.timing.timezone
    at_open, difference = summary.cash_total_at_open_micros, summary.cash_diff_at_open_micros

    def moment(time_ns: int | None) -> str | None:
        if time_ns is None:
            return None
        return writer.moment(Timing(timestamp_ns=time_ns, timezone=zone))

    yield word(words.REGISTER), source.register_name or source.register_id
    yield word(words.CASHIER), source.cashier_name or source.cashier_id
    yield word(words.OPENED), moment(summary.opened_at_ns)
    if is_interim:
        yield word(words.TIME), moment(statement.timing.timestamp_ns)
    else:
        yield word(words.CLOSED), moment(statement.timing.timestamp_ns)
        yield word(words.COUNTED_AT), moment(statement.reconciliation_time_ns)
    yield word(words.TIMEZONE), zone
    yield word(words.CURRENCY), code
    yield word(words.CASH_AT_OPEN), None if at_open is None else writer.amount(at_open, code)
    if difference is not None:
        yield word(words.DIFFERENCE_AT_OPEN), writer.amount(difference, code)
    yield word(words.COMMENT_AT_OPEN), summary.cash_diff_comment_at_open
    yield word(words.COMMENT), statement.comment


class _Tables:
    """Makes the tables of a report in one base currency."""

    def __init__(self, writer: Writer, currency_code: str) -> None:
        self._writer = writer
        self._code = currency_code

    def _amount(self, micros: int | None) -> str:
        return self._writer.amount(micros, self._code)

    def _words(self, *all_words: Word) -> tuple[str, ...]:
        return tuple(map(self._writer.word, all_words))

    def _kinds(self, summary: RegisterSummary) -> tuple[SalesSummary, ...]:
        return (summary.sales, summary.returns, summary.expenses, summary.all)

    def overview(self, summary: RegisterSummary) -> Table:
        """Return every total of sales, returns and expenses, and of all of them."""
        amount, count = self._amount, self._writer.count
        rows: tuple[tuple[Word, Callable[[SalesSummary], str]], ...] = (
            (words.COUNT, lambda each: count(each.count)),
            (words.ITEMS, lambda each: count(each.item_count)),
            (words.DISCOUNTS, lambda each: amount(-each.total_discounts_micros)),
            (words.SUB_TOTAL, lambda each: amount(each.sub_total_micros)),
            (words.VAT, lambda each: amount(each.vat_amount_micros)),
            (words.SALES_TAX, lambda each: amount(each.sales_tax_amount_micros)),
            (words.TOTAL_TAX, lambda each: amount(each.total_tax_amount_micros)),
            (words.NET, lambda each: amount(each.base_price_micros)),
            (words.MARGIN_TOTAL, lambda each: amount(each.margin_total_micros)),
            (words.MARGIN, lambda each: amount(each.margin_micros)),
        )
        kinds = self._kinds(summary)
        total = Row(
            cells=(self._writer.word(words.TOTAL), *(amount(each.total_micros) for each in kinds)),
            emphasis=Emphasis.SUM,
        )
        return Table(
            columns=self._words(
                words.OVERVIEW, words.SALES, words.RETURNS, words.EXPENSES, words.ALL
            ),
            rows=(
                *(Row(cells=(self._writer.word(word), *map(of, kinds))) for word, of in rows),
                total,
            ),
        )

    def taxes(self, summary: RegisterSummary) -> Table:
        """Return the taxes of all, and below each those of the kinds where there are several."""
        kinds = (
            (words.SALES, summary.sales),
            (words.RETURNS, summary.returns),
            (words.EXPENSES, summary.expenses),
        )
        used = [(word, each) for word, each in kinds if each.tax_summaries]
        return Table(
            columns=self._words(words.TAXES, words.NET, words.TAX),
            rows=tuple(
                row
                for tax in summary.all.tax_summaries
                for row in self._tax_rows(tax, used if len(used) > 1 else [])
            ),
        )

    def _tax_rows(
        self, tax: TaxSummary, kinds: Sequence[tuple[Word, SalesSummary]]
    ) -> Iterator[Row]:
        writer = self._writer
        name = f"{writer.text(tax.name)} {writer.percentage(tax.rate_micros)}"
        yield Row(cells=(name, *self._tax_amounts(tax)))
        for word, kind in kinds:
            for each in kind.tax_summaries:
                if (each.name, each.rate_micros, each.type) == (
                    tax.name,
                    tax.rate_micros,
                    tax.type,
                ):
                    cells = (writer.word(word), *self._tax_amounts(each))
                    yield Row(cells=cells, emphasis=Emphasis.DETAIL)

    def _tax_amounts(self, tax: TaxSummary) -> tuple[str, str]:
        return self._amount(tax.source_amount_micros), self._amount(tax.amount_micros)

    def reconciliations(self, reconciliations: tuple[Reconciliation, ...]) -> Table:
        """Return what should have been there, what was counted, and what left the drawer."""
        return Table(
            columns=self._words(
                words.RECONCILIATION,
                words.EXPECTED,
                words.COUNTED,
                words.DIFFERENCE,
                words.DEPOSITED,
            ),
            rows=tuple(map(self._reconciliation, reconciliations)),
        )

    def _reconciliation(self, each: Reconciliation) -> Row:
        """Return a row in the currency that was counted; what needs no counting was not."""
        code = each.currency_code

        def amount(micros: int | None) -> str:
            return self._writer.amount(micros, code)

        name = shown_payment_type(each.payment_type_identifier, self._writer, is_short=False)
        counted = (each.counted_micros, each.difference_micros)
        return Row(
            cells=(
                f"{name}, {code}",
                amount(each.total_micros),
                *(amount(micros if each.should_be_reconciled else None) for micros in counted),
                amount(each.deposited_amount_micros),
            )
        )

    def payments(self, summary: RegisterSummary) -> Table:
        """Return what came in and went out by payment type, foreign currencies below."""
        return Table(
            columns=self._words(
                words.PAYMENTS, words.COUNT, words.RECEIVED, words.PAID_OUT, words.TOTAL
            ),
            rows=tuple(
                row for payment in summary.all.payments for row in self._payment_rows(payment)
            ),
        )

    def _payment_rows(self, payment: PaymentTotals) -> Iterator[Row]:
        name = shown_payment_type(payment.type, self._writer, is_short=False)
        yield Row(cells=(name, *self._flow(payment.total, self._code)))
        if not payment.foreign:
            return
        base = (self._code, *self._flow(payment.base, self._code))
        yield Row(cells=base, emphasis=Emphasis.DETAIL)
        for each in payment.foreign:
            cells = (each.currency_code, *self._flow(each.tendered, each.currency_code))
            yield Row(cells=cells, emphasis=Emphasis.DETAIL)
            if each.converted_micros is not None:
                worth = (f"{each.currency_code} = {self._code}", "", "", "")
                converted = self._amount(each.converted_micros)
                yield Row(cells=(*worth, converted), emphasis=Emphasis.DETAIL)

    def _flow(self, flow: PaymentFlow, code: str) -> tuple[str, ...]:
        amounts = (flow.credit_micros, flow.debit_micros, flow.total_micros)
        shown = (self._writer.amount(each, code) for each in amounts)
        return (self._writer.count(flow.transaction_count), *shown)

    def payments_by_kind(self, summary: RegisterSummary) -> Table:
        """Return the totals of payment types by kind of sale, where there is more than one."""
        kinds = self._kinds(summary)
        totals = [{each.type: each.total.total_micros for each in kind.payments} for kind in kinds]
        is_needed = sum(map(bool, totals[:-1])) > 1
        return Table(
            columns=self._words(
                words.PAYMENT_TYPE, words.SALES, words.RETURNS, words.EXPENSES, words.ALL
            ),
            rows=tuple(
                Row(
                    cells=(
                        shown_payment_type(name, self._writer, is_short=False),
                        *(self._amount(each.get(name)) for each in totals),
                    )
                )
                for name in totals[-1]
                if is_needed
            ),
        )

    def product_groups(self, summary: RegisterSummary) -> Table:
        """Return what was sold and returned by product group."""
        sales, returns = summary.sales_by_product_group, summary.returns_by_product_group
        return Table(
            columns=self._words(
                words.PRODUCT_GROUP, words.ITEMS, words.SALES, words.RETURNS, words.TAX, words.TOTAL
            ),
            rows=tuple(
                Row(
                    cells=(
                        self._group(key),
                        self._writer.count(each.item_count),
                        self._amount(sales[key].total_micros if key in sales else None),
                        self._amount(returns[key].total_micros if key in returns else None),
                        self._amount(each.total_tax_amount_micros),
                        self._amount(each.total_micros),
                    )
                )
                for key, each in summary.all_by_product_group.items()
            ),
        )

    def _group(self, key: str) -> str:
        return self._writer.word(words.NO_GROUP) if key == NO_PRODUCT_GROUP else key

    def expenses(self, expenses: SalesSummary) -> Table:
        """Return what was paid out by expense."""
        return Table(
            columns=self._words(words.EXPENSES, words.COUNT, words.TAX, words.TOTAL),
            rows=tuple(
                Row(
                    cells=(
                        key,
                        self._writer.count(each.count),
                        self._amount(each.total_tax_amount_micros),
                        self._amount(each.total_micros),
                    )
                )
                for key, each in expenses.expenses_by_id.items()
            ),
        )

    def events(self, summary: RegisterSummary) -> Table:
        """Return how often each event was counted."""
        return Table(
            columns=self._words(words.EVENTS, words.COUNT),
            rows=tuple(
                Row(
                    cells=(
                        self._writer.word(words.REGISTER_EVENTS[event]),
                        self._writer.count(count),
                    )
                )
                for event, count in summary.event_counts.items()
                if count
            ),
        )
