# Adding up the lines, and settling the payments (engine.evaluated, engine.settlement). Returns 1
# where it hands over: at every payment that does not fit, and out of the range of amounts.

cdef int64_t round_cash(const HotData *hot, int64_t amount) noexcept nogil:
    """Return the amount rounded to the cash increment (R5), on its absolute value."""
    cdef int64_t rest, whole, size = -amount if amount < 0 else amount
    cdef int64_t increment = hot.cash_increment
    if increment == 0 or size < hot.cash_min_amount:
        return amount
    whole = size // increment
    rest = size % increment
    if rest > increment - rest or (rest == increment - rest and hot.cash_flags & CASH_TIE_AWAY):
        whole += 1
    return whole * increment if amount >= 0 else -whole * increment


cdef inline bint is_type(const GivenPayment *payment, const char *name, size_t size) noexcept nogil:
    return payment.type.size == size and memcmp(payment.type.data, name, size) == 0


cdef inline bint is_cash(const GivenPayment *payment) noexcept nogil:
    return is_type(payment, b"cash", 4)


cdef inline bint is_entry(const GivenPayment *payment) noexcept nogil:
    """Whether it is not a payment but says what the rounding or the change was."""
    return is_type(payment, b"cash.rounding", 13) or is_type(payment, b"cash.cashback", 13)


cdef bint is_paid_elsewhere(const GivenPayment *payment) noexcept nogil:
    """Whether the part of the type before the first dot is `externally_paid`."""
    cdef size_t size = payment.type.size
    if size < 15 or memcmp(payment.type.data, b"externally_paid", 15):
        return False
    return size == 15 or payment.type.data[15] == c"."


cdef bint closes(const HotData *hot, const GivenPayment *payment, int64_t rest) noexcept nogil:
    """Whether a last payment closes the sale: enough cash, or exactly the rounded rest."""
    cdef int64_t rounded = round_cash(hot, rest)
    if is_cash(payment):
        return payment.amount >= rounded if rest > 0 else payment.amount <= rounded
    if is_paid_elsewhere(payment):
        return False
    return hot.cash_flags & CASH_SCOPE_ALL and payment.amount == rounded


cdef bint fits(const HotData *hot, const GivenPayment *payment, int64_t rest) noexcept nogil:
    """Whether a payment that does not close the sale has an amount that it may have."""
    if is_cash(payment):
        return hot.cash_increment == 0 or payment.amount % hot.cash_increment == 0
    return payment.amount <= rest if rest > 0 else payment.amount >= rest


cdef int check_entries(const Workspace *space, const Settled *settled) noexcept nogil:
    """Compare the given entries of rounding and change with what was computed."""
    cdef int32_t i
    cdef bint has_rounding = False, has_cashback = False
    cdef const GivenPayment *payment
    for i in range(space.given.payment_count):
        payment = &space.payments[i]
        if not payment.success or not is_entry(payment):
            continue
        if is_type(payment, b"cash.rounding", 13):
            if has_rounding or payment.amount != settled.rounding:
                return 1
            has_rounding = True
        else:
            if has_cashback or payment.amount != settled.cashback:
                return 1
            has_cashback = True
    return 0


cdef int check_credit(const Workspace *space) noexcept nogil:
    """Whether a payment on credit has no customer, or is more than the customer's credit."""
    cdef int32_t i
    cdef const GivenCustomer *customer = &space.given.customer
    cdef int64_t left = customer.credit_limit + customer.balance
    for i in range(space.given.payment_count):
        if not space.payments[i].is_credit:
            continue
        if not space.given.has_customer:
            return 1
        if not customer.has & HAS_LIMIT:
            continue
        if space.payments[i].amount > (left if left > 0 else 0):
            return 1
        if tc_sub(left, space.payments[i].amount, &left):
            return 1
    return 0


cdef int settle(
    const HotData *hot, const Workspace *space, int64_t total, Settled *settled
) noexcept nogil:
    """Settle the successful payments in order against the total."""
    cdef int32_t i, last = -1
    cdef int64_t rounded, rest = total
    cdef bint is_closed = False
    cdef const GivenPayment *payment
    settled.rounding = settled.cashback = 0
    if space.given.payment_count and check_credit(space):
        return 1
    for i in range(space.given.payment_count):
        if space.payments[i].success and not is_entry(&space.payments[i]):
            last = i
    for i in range(last + 1):
        payment = &space.payments[i]
        if not payment.success or is_entry(payment):
            continue
        if rest == 0 or (rest < 0) != (total < 0):
            return 1
        if i == last and closes(hot, payment, rest):
            rounded = round_cash(hot, rest)
            settled.rounding = rest - rounded
            settled.cashback = rounded - payment.amount
            rest = 0
            is_closed = True
        elif not fits(hot, payment, rest):
            return 1
        else:
            rest -= payment.amount
            if not -2 * AMOUNT_END < rest < 2 * AMOUNT_END:
                return 1
    if check_entries(space, settled):
        return 1
    settled.due = rest
    settled.cash_due = round_cash(hot, rest)
    if not is_closed:
        settled.rounding = rest - settled.cash_due
    return not (
        is_amount(settled.due) and is_amount(settled.cash_due) and is_amount(settled.cashback)
    )


cdef int add_taxes(
    const HotData *hot, Workspace *space, const HotTaxSet *taxes, const int64_t *amounts
) noexcept nogil:
    """Add the taxes of a line to those of the summary, which are in order of appearance."""
    cdef int32_t i, number
    cdef const HotTax *tax
    for i in range(taxes.entry_count):
        tax = &hot.taxes[taxes.entries + i]
        number = tax.summary
        if not space.summary_seen[number]:
            space.summary_seen[number] = 1
            space.summary_amounts[number] = 0
            space.summary[space.summary_count] = number
            space.summary_taxes[space.summary_count] = tax[0]
            space.summary_count += 1
        if tc_add(
            space.summary_amounts[number], amounts[i] * hot.plan.quantum,
            &space.summary_amounts[number],
        ):
            return 1
    return 0


cdef int make_summary_room(const HotData *hot, Workspace *space) noexcept nogil:
    """Make room for the summary's taxes; nothing has been seen yet."""
    cdef size_t count = <size_t>hot.summary_count
    if count > space.summary_capacity:
        space.summary_capacity = 0
        if (
            grow(<void **>&space.summary, count * sizeof(int32_t))
            or grow(<void **>&space.summary_amounts, count * sizeof(int64_t))
            or grow(<void **>&space.summary_seen, count)
            or grow(<void **>&space.summary_taxes, count * sizeof(HotTax))
        ):
            return 1
        space.summary_capacity = count
    if count:
        memset(space.summary_seen, 0, count)
    space.summary_count = 0
    return 0


cdef int add_up(const HotData *hot, Workspace *space, Sums *sums) noexcept nogil:
    """Add up the lines and the taxes."""
    cdef int32_t i
    cdef int64_t quantum = hot.plan.quantum, base
    cdef const TaxResult *result
    cdef const Line *line
    memset(sums, 0, sizeof(Sums))
    if make_summary_room(hot, space):
        return 1
    for i in range(space.given.line_count):
        result = &space.work.taxes[i]
        line = &space.work.lines[i]
        base = result.base * quantum
        if (
            tc_add(sums.base, base, &sums.base)
            or tc_add(sums.sub_total, line.remaining * quantum, &sums.sub_total)
            or tc_add(sums.vat, result.vat * quantum, &sums.vat)
            or tc_add(sums.sales_tax, result.sales_tax * quantum, &sums.sales_tax)
        ):
            return 1
        if line.flags & ROW_HAS_COST:
            sums.has_margin = True
            if (
                tc_add(sums.margin, base - line.cost * quantum, &sums.margin)
                or tc_add(sums.margin_total, base, &sums.margin_total)
            ):
                return 1
        if add_taxes(
            hot, space, &hot.tax_sets[space.basket.lines[i].tax_set],
            &space.work.tax_amounts[result.amounts],
        ):
            return 1
    return 0


cdef int check_sums(const Workspace *space, const Sums *sums) noexcept nogil:
    """Whether an amount of the summary leaves the range of amounts."""
    cdef int32_t i
    for i in range(space.summary_count):
        if not is_amount(space.summary_amounts[space.summary[i]]):
            return 1
    return not (
        is_amount(sums.base)
        and is_amount(sums.sub_total)
        and is_amount(sums.vat)
        and is_amount(sums.sales_tax)
        and is_amount(sums.sub_total + sums.sales_tax)
        and is_amount(sums.vat + sums.sales_tax)
        and is_amount(sums.discounts)
        and is_amount(sums.margin)
        and is_amount(sums.margin_total)
    )


cdef int32_t status_of(const HotData *hot, int64_t margin, int64_t base) noexcept nogil:
    """Return whether the market's target contribution ratio is met, 0 without one (section 4)."""
    if hot.contribution_target < 0:
        return 0
    if margin < 0:
        return STATUS_RED
    if base == 0 or tc_cmp_frac(margin, base, hot.contribution_target, MICRO) >= 0:
        return STATUS_GREEN
    return STATUS_ORANGE
