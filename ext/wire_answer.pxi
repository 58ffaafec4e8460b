# Writing an evaluated basket, the last field first, and answering requests.

cdef void put_taxes(
    const HotData *hot, Writer *writer, const HotTaxSet *taxes, const int64_t *amounts
) noexcept nogil:
    """Write the taxes of a line."""
    cdef int32_t i
    cdef size_t mark
    for i in range(taxes.entry_count - 1, -1, -1):
        mark = written(writer)
        put_amount(writer, TAG_TAX_AMOUNT_AMOUNT_MICROS, amounts[i] * hot.plan.quantum)
        put_bytes(writer, &hot.taxes[taxes.entries + i].constants)
        put_frame(writer, TAG_EVALUATED_LINE_TAXES, mark)


cdef void put_behavior(const HotData *hot, Workspace *space, const GivenLine *line) noexcept nogil:
    """Write the behaviour of a deposit."""
    cdef Writer *writer = &space.writer
    cdef size_t mark = written(writer)
    put_text(
        writer, TAG_CONTAINER_DEPOSIT_BEHAVIOR_PARENT_LINE_ITEM_ID,
        &space.lines[line.parent].line_item_id,
    )
    put_bytes(writer, &hot.deposits[line.deposit - 1].behavior)
    put_frame(writer, TAG_LINE_BEHAVIOR_CONTAINER_DEPOSIT, mark)
    put_frame(writer, TAG_EVALUATED_LINE_BEHAVIOR, mark)


cdef void put_line(const HotData *hot, Workspace *space, int32_t number) noexcept nogil:
    """Write an evaluated line."""
    cdef Writer *writer = &space.writer
    cdef const GivenLine *given = &space.lines[number]
    cdef const Article *article = &hot.articles[given.article]
    cdef const Line *line = &space.work.lines[number]
    cdef const TaxResult *result = &space.work.taxes[number]
    cdef int64_t quantum = hot.plan.quantum
    cdef int64_t base = result.base * quantum, sub_total = line.remaining * quantum
    cdef int64_t vat = result.vat * quantum, sales_tax = result.sales_tax * quantum
    cdef int64_t margin
    cdef const Text *head
    cdef size_t mark = written(writer)
    if given.has & HAS_COMMENT:
        put_text(writer, TAG_EVALUATED_LINE_COMMENT, &given.comment)
    if given.ecom_id.size:
        put_text(writer, TAG_EVALUATED_LINE_ECOM_ID, &given.ecom_id)
    if given.deposit:
        head = &hot.deposits[given.deposit - 1].head
        put_bytes(writer, &hot.deposits[given.deposit - 1].tail)
        put_behavior(hot, space, given)
    else:
        head = &article.head
        put_bytes(writer, &article.tail)
    if line.flags & ROW_UNIT_PRICED:
        put_present(writer, TAG_EVALUATED_LINE_UNIT_COUNT_MICROS, given.count)
        put_bytes(writer, &hot.rows[given.row].unit)
    if line.flags & ROW_HAS_COST:
        margin = base - line.cost * quantum
        put_plain(
            writer, TAG_EVALUATED_LINE_CONTRIBUTION_STATUS, status_of(hot, margin, base)
        )
        put_present(writer, TAG_EVALUATED_LINE_MARGIN_TOTAL_MICROS, base)
        put_present(writer, TAG_EVALUATED_LINE_MARGIN_MICROS, margin)
        put_present(writer, TAG_EVALUATED_LINE_COST_PRICE_MICROS, line.cost * quantum)
    put_discounts(hot, space, number)
    put_taxes(
        hot, writer, &hot.tax_sets[space.basket.lines[number].tax_set],
        &space.work.tax_amounts[result.amounts],
    )
    put_amount(writer, TAG_EVALUATED_LINE_TOTAL_TAX_AMOUNT_MICROS, vat + sales_tax)
    put_amount(writer, TAG_EVALUATED_LINE_SALES_TAX_AMOUNT_MICROS, sales_tax)
    put_amount(writer, TAG_EVALUATED_LINE_VAT_AMOUNT_MICROS, vat)
    put_amount(writer, TAG_EVALUATED_LINE_TOTAL_MICROS, sub_total + sales_tax)
    put_amount(writer, TAG_EVALUATED_LINE_BASE_PRICE_MICROS, base)
    put_amount(writer, TAG_EVALUATED_LINE_SUB_TOTAL_MICROS, sub_total)
    put_amount(writer, TAG_EVALUATED_LINE_RETAIL_PRICE_MICROS, line.retail * quantum)
    put_amount(writer, TAG_EVALUATED_LINE_QUANTITY_MICROS, given.quantity)
    put_bytes(writer, head)
    put_text(writer, TAG_EVALUATED_LINE_LINE_ITEM_ID, &given.line_item_id)
    put_frame(writer, TAG_EVALUATED_BASKET_LINE_ITEMS, mark)


cdef void put_summary_taxes(Workspace *space) noexcept nogil:
    """Write the taxes of the summary."""
    cdef int32_t i
    cdef size_t mark
    for i in range(space.summary_count - 1, -1, -1):
        mark = written(&space.writer)
        put_amount(
            &space.writer, TAG_TAX_AMOUNT_AMOUNT_MICROS, space.summary_amounts[space.summary[i]]
        )
        put_bytes(&space.writer, &space.summary_taxes[i].constants)
        put_frame(&space.writer, TAG_EVALUATED_BASKET_TAXES, mark)


cdef int put_settlement(
    const HotData *hot, Writer *writer, const Settled *settled
) noexcept nogil:
    """Write the settlement; a refund in a foreign currency is handed over."""
    cdef int32_t i
    cdef int64_t whole, rest, amount
    cdef size_t inner, mark = written(writer)
    if hot.foreign_count and settled.cash_due < 0:
        return 1
    for i in range(hot.foreign_count - 1, -1, -1):
        if tc_muldiv_rem(settled.cash_due, MICRO, hot.foreign[i].step, &whole, &rest):
            continue
        if tc_mul(whole + (rest != 0), hot.foreign[i].increment, &amount):
            continue
        # What reaches the end of amounts is left out.
        if amount >= AMOUNT_END:
            continue
        inner = written(writer)
        put_amount(writer, TAG_FOREIGN_DUE_AMOUNT_MICROS, amount)
        put_bytes(writer, &hot.foreign[i].code)
        put_frame(writer, TAG_SETTLEMENT_FOREIGN_DUE, inner)
    put_amount(writer, TAG_SETTLEMENT_CASHBACK_MICROS, settled.cashback)
    put_amount(writer, TAG_SETTLEMENT_CASH_ROUNDING_MICROS, settled.rounding)
    put_amount(writer, TAG_SETTLEMENT_CASH_DUE_MICROS, settled.cash_due)
    put_amount(writer, TAG_SETTLEMENT_DUE_MICROS, settled.due)
    put_frame(writer, TAG_EVALUATED_BASKET_PAYMENT, mark)
    return 0


cdef void put_customer(Workspace *space) noexcept nogil:
    """Write what is recorded of the customer: of a person the identifier alone."""
    cdef Writer *writer = &space.writer
    cdef const GivenCustomer *customer = &space.given.customer
    cdef int32_t i
    cdef size_t mark = written(writer)
    if customer.texts[CUSTOMER_TEXTS - 1].size:
        for i in range(CUSTOMER_TEXTS - 1, -1, -1):
            if customer.has_texts & (1 << i) and i != CUSTOMER_REMARK:
                put_text(
                    writer, TAG_CUSTOMER_NAME + (<uint32_t>i << 3), &customer.texts[i]
                )
    put_text(writer, TAG_CUSTOMER_IDENTIFIER, &customer.identifier)
    put_frame(writer, TAG_EVALUATED_BASKET_CUSTOMER, mark)


cdef int put_account(Workspace *space) noexcept nogil:
    """Write the credit that is left and the overdue amount, if there is any."""
    cdef Writer *writer = &space.writer
    cdef const GivenCustomer *customer = &space.given.customer
    cdef int32_t i
    cdef int64_t credit = customer.credit_limit + customer.balance
    cdef size_t mark = written(writer)
    if not customer.has & HAS_LIMIT and customer.balance_overdue >= 0:
        return 0
    for i in range(space.given.payment_count):
        if space.payments[i].is_credit and tc_sub(credit, space.payments[i].amount, &credit):
            return 1
    if customer.balance_overdue < 0:
        put_present(
            writer, TAG_CUSTOMER_ACCOUNT_OVERDUE_DEPOSIT_MICROS, -customer.balance_overdue
        )
    if customer.has & HAS_LIMIT:
        credit = max(<int64_t>0, min(credit, <int64_t>AMOUNT_END - 1))
        put_present(writer, TAG_CUSTOMER_ACCOUNT_CREDIT_AVAILABLE_MICROS, credit)
    put_frame(writer, TAG_EVALUATED_BASKET_CUSTOMER_ACCOUNT, mark)
    return 0


cdef void put_purchase_type(
    const HotData *hot, Workspace *space, int32_t purchase_type
) noexcept nogil:
    """Write the purchase type; one that the plan does not know has its id as its name."""
    cdef Writer *writer = &space.writer
    cdef size_t inner, mark = written(writer)
    if purchase_type >= 0:
        put_bytes(writer, &hot.purchase_types[purchase_type].message)
        return
    if purchase_type == OTHER_PURCHASE_TYPE:
        inner = mark
        put_text(writer, TAG_LOCALIZED_STRING_TEXT, &space.given.purchase_type)
        put_frame(writer, TAG_PURCHASE_TYPE_NAME, inner)
        put_text(writer, TAG_PURCHASE_TYPE_ID, &space.given.purchase_type)
        put_frame(writer, TAG_EVALUATED_BASKET_PURCHASE_TYPE, mark)


cdef void put_time(Writer *writer, int64_t moment) noexcept nogil:
    cdef size_t mark = written(writer)
    cdef int64_t seconds = moment // NS_PER_SECOND, nanos = moment % NS_PER_SECOND
    if nanos < 0:
        seconds -= 1
        nanos += NS_PER_SECOND
    put_plain(writer, TAG_TIMESTAMP_NANOS, nanos)
    put_plain(writer, TAG_TIMESTAMP_SECONDS, seconds)
    put_frame(writer, TAG_EVALUATED_BASKET_EVALUATE_TIME, mark)


cdef void put_sums(const HotData *hot, Writer *writer, const Sums *sums) noexcept nogil:
    """Write the sums that stand before the taxes."""
    put_amount(writer, TAG_EVALUATED_BASKET_TOTAL_DISCOUNTS_MICROS, sums.discounts)
    put_amount(
        writer, TAG_EVALUATED_BASKET_TOTAL_TAX_AMOUNT_MICROS, sums.vat + sums.sales_tax
    )
    put_amount(writer, TAG_EVALUATED_BASKET_SALES_TAX_AMOUNT_MICROS, sums.sales_tax)
    put_amount(writer, TAG_EVALUATED_BASKET_VAT_AMOUNT_MICROS, sums.vat)
    put_amount(writer, TAG_EVALUATED_BASKET_BASE_PRICE_MICROS, sums.base)
    put_amount(writer, TAG_EVALUATED_BASKET_SUB_TOTAL_MICROS, sums.sub_total)
    put_amount(writer, TAG_EVALUATED_BASKET_TOTAL_MICROS, sums.sub_total + sums.sales_tax)


cdef int put_basket(
    const HotData *hot, Workspace *space, const Sums *sums, const Settled *settled,
    int32_t purchase_type,
) noexcept nogil:
    """Write the fields of an evaluated basket."""
    cdef Writer *writer = &space.writer
    cdef int32_t i
    cdef bint has_customer = space.given.has_customer
    if has_customer and put_account(space):
        return 1
    if hot.plan.best_price:
        put_present(
            writer, TAG_EVALUATED_BASKET_GAP_MICROS,
            (space.work.outcomes[0].gap + space.work.outcomes[1].gap) * hot.plan.quantum,
        )
        put_tagged(
            writer, TAG_EVALUATED_BASKET_OPTIMAL,
            space.work.outcomes[0].optimal and space.work.outcomes[1].optimal,
        )
    if has_customer:
        put_customer(space)
    put_purchase_type(hot, space, purchase_type)
    put_time(writer, space.basket.moment)
    if sums.has_margin:
        put_plain(
            writer, TAG_EVALUATED_BASKET_CONTRIBUTION_STATUS,
            status_of(hot, sums.margin, sums.margin_total),
        )
        put_present(writer, TAG_EVALUATED_BASKET_MARGIN_TOTAL_MICROS, sums.margin_total)
        put_present(writer, TAG_EVALUATED_BASKET_MARGIN_MICROS, sums.margin)
    if put_settlement(hot, writer, settled):
        return 1
    put_summary_taxes(space)
    put_sums(hot, writer, sums)
    for i in range(space.given.line_count - 1, -1, -1):
        put_line(hot, space, i)
    put_bytes(writer, &hot.currency)
    return 0


# --- answering -----------------------------------------------------------------------------------

cdef inline bint is_time(const Given *given) noexcept nogil:
    return not given.has_time or (
        0 <= given.nanos < NS_PER_SECOND and SECONDS_MIN <= given.seconds <= SECONDS_MAX
    )


cdef const HotData *find_plan(
    const Markets *markets, int32_t market, const Text *shop, int64_t moment, bint has_time
) noexcept nogil:
    """Return the plan of a shop at a moment, NULL to hand over."""
    cdef const Market *found = &markets.markets[market]
    cdef const HotData *plan = found.plan
    cdef int32_t i
    if has_time and moment < found.at:
        return NULL
    for i in range(found.shop_count if shop.size else 0):
        if is_same(&found.shops[i].id, shop):
            plan = found.shops[i].plan
            break
    return plan if plan != NULL and plan.is_ready else NULL


cdef int32_t find_market(const Markets *markets, const Text *id) noexcept nogil:
    """Return the number of a market, -1 to hand over."""
    cdef int32_t i
    if id.size == 0:
        return markets.only
    for i in range(markets.count):
        if is_same(&markets.markets[i].id, id):
            return i
    return -1


cdef int answer_given(
    const Markets *markets, Workspace *space, int32_t market, int64_t now, bint searches
) noexcept nogil:
    """Evaluate the basket that was read, and write it."""
    cdef const HotData *hot
    cdef Given *given = &space.given
    cdef int32_t purchase_type
    cdef Sums sums
    cdef Settled settled
    if not is_time(given):
        return 1
    space.basket.moment = now
    if given.has_time:
        space.basket.moment = given.seconds * NS_PER_SECOND + given.nanos
    hot = find_plan(markets, market, &given.shop, space.basket.moment, given.has_time)
    if hot == NULL or (hot.plan.best_price and not searches):
        return 1
    purchase_type = find_purchase_type(hot, &given.purchase_type)
    if resolve(hot, space, purchase_type):
        return 1
    if evaluate_one(&space.work, hot.plan, &space.basket, hot.group_count) != STATUS_OK:
        return 1
    if (
        add_up(hot, space, &sums)
        or link_records(hot, space, &sums)
        or check_sums(space, &sums)
        or settle(hot, space, sums.sub_total + sums.sales_tax, &settled)
        or put_basket(hot, space, &sums, &settled, purchase_type)
    ):
        return 1
    return space.writer.failed


cdef int answer_one(
    const Markets *markets, Workspace *space, int method, Reader request, int64_t now,
    bint searches
) noexcept nogil:
    """Answer a request of one basket; the answer is what the writer has."""
    cdef int32_t market
    cdef Writer *writer = &space.writer
    memset(&space.given, 0, sizeof(Given))
    start_writing(writer)
    if read_request(request, space, method):
        return 1
    market = find_market(markets, &space.given.market_id)
    if market < 0 or answer_given(markets, space, market, now, searches):
        return 1
    if method == TC_STREAM_BASKETS:
        put_frame(writer, TAG_STREAM_BASKETS_RESPONSE_EVALUATED_BASKET, 0)
        put_plain(writer, TAG_STREAM_BASKETS_RESPONSE_SEQUENCE, space.given.sequence)
    else:
        put_frame(writer, TAG_EVALUATE_BASKET_RESPONSE_EVALUATED_BASKET, 0)
    markets.used[market] = 1
    return writer.failed


cdef int add_result(
    const Markets *markets, Workspace *space, int32_t market, Reader basket, int64_t now,
    bint searches
) noexcept nogil:
    """Answer a basket of a batch before what the writer has."""
    cdef size_t mark = written(&space.writer)
    memset(&space.given, 0, sizeof(Given))
    if read_basket(basket, space) or answer_given(markets, space, market, now, searches):
        space.writer.at = space.writer.end - mark
        return 1
    put_frame(&space.writer, TAG_BASKET_RESULT_EVALUATED_BASKET, mark)
    put_frame(&space.writer, TAG_EVALUATE_BASKETS_RESPONSE_RESULTS, mark)
    if space.writer.failed:
        # A result without its frames is none.
        space.writer.at = space.writer.end - mark
    return space.writer.failed


cdef int answer_batch(
    const Markets *markets, Workspace *space, Reader request, int64_t now, bint searches
) noexcept nogil:
    """Answer a whole batch, from its last basket on; one that is handed over takes all along."""
    cdef int32_t i, market, count = 0
    cdef Reader basket
    memset(&space.given, 0, sizeof(Given))
    start_writing(&space.writer)
    if read_batch(request, space, &count):
        return 1
    market = find_market(markets, &space.given.market_id)
    if market < 0:
        return 1
    for i in range(count - 1, -1, -1):
        basket.at = space.slices[i].data
        basket.end = basket.at + space.slices[i].size
        if add_result(markets, space, market, basket, now, searches):
            return 1
    markets.used[market] = 1
    return 0
