# The work space of one evaluation, and the evaluation itself.

cdef int grow(void **memory, size_t bytes) noexcept nogil:
    cdef void *grown = realloc(memory[0], bytes)
    if grown == NULL:
        return 1
    memory[0] = grown
    return 0


cdef int grow_shares(Work *work, int32_t count) noexcept nogil:
    """Room for spreading an amount over `count` parts. Returns 1 without memory."""
    cdef size_t size = count
    if count <= work.share_capacity:
        return 0
    if (
        grow(<void **>&work.shares, size * sizeof(Share))
        or grow(<void **>&work.share_amounts, 2 * size * sizeof(int64_t))
        or grow(<void **>&work.share_order, size * sizeof(int32_t))
        or grow(<void **>&work.spare_order, size * sizeof(int32_t))
        or grow(<void **>&work.item_order, size * sizeof(int32_t))
    ):
        return 1
    work.share_capacity = count
    return 0


cdef int grow_lines(Work *work, int32_t count) noexcept nogil:
    """Room for a basket of `count` lines. Returns 1 without memory."""
    cdef size_t size = max(count, 64)
    if count <= work.line_capacity:
        return 0
    if (
        grow(<void **>&work.lines, size * sizeof(Line))
        or grow(<void **>&work.taxes, size * sizeof(TaxResult))
        or grow(<void **>&work.spans, size * sizeof(Span))
        or grow(<void **>&work.pieces, size * sizeof(Piece))
        or grow(<void **>&work.weights, size * sizeof(tc_rat))
        or grow(<void **>&work.amounts, 2 * size * sizeof(int64_t))
        or grow(<void **>&work.order, size * sizeof(int32_t))
        or grow(<void **>&work.group_next, size * sizeof(int32_t))
        or reserve_matched(work, <int32_t>size)
        or grow_shares(work, <int32_t>size)
    ):
        return 1
    work.line_capacity = <int32_t>size
    return 0


cdef int grow_campaigns(Work *work, int32_t campaigns, int32_t groups) noexcept nogil:
    """Room for the counters of a plan's campaigns and VAT groups. Returns 1 without memory."""
    cdef int32_t i
    if campaigns > work.campaign_capacity:
        if (
            grow(<void **>&work.match_count, <size_t>campaigns * sizeof(int32_t))
            or grow(<void **>&work.touched, <size_t>campaigns * sizeof(int32_t))
            or grow(<void **>&work.bucket_end, <size_t>campaigns * sizeof(int32_t))
        ):
            return 1
        memset(work.match_count, 0, <size_t>campaigns * sizeof(int32_t))
        work.campaign_capacity = campaigns
    if groups > work.group_capacity:
        if grow(<void **>&work.group_first, <size_t>groups * sizeof(int32_t)):
            return 1
        for i in range(groups):
            work.group_first[i] = -1
        work.group_capacity = groups
    return 0


cdef void free_work(Work *work) noexcept nogil:
    tc_arena_free(&work.arena)
    free(work.lines)
    free(work.taxes)
    free(work.tax_amounts)
    free(work.entries)
    free(work.spans)
    free(work.pieces)
    free(work.shares)
    free(work.share_amounts)
    free(work.tax_items)
    free(work.weights)
    free(work.amounts)
    free(work.runs)
    free(work.order)
    free(work.share_order)
    free(work.item_order)
    free(work.spare_order)
    free(work.matched)
    free(work.group_first)
    free(work.bucket)
    free(work.bucket_end)
    free(work.touched)
    free(work.match_count)
    free(work.group_next)
    free(work.uses)
    free_choosing(&work.choosing)


cdef inline bint is_within(const PlanData *plan, int64_t amount) noexcept nogil:
    return -plan.amount_end < amount < plan.amount_end


cdef int check_lines(
    Work *work, const PlanData *plan, const BasketData *basket
) noexcept nogil:
    """Whether an amount of a line leaves the range of amounts. Returns a status.

    Taxes have the sign of their base, so one tax is never larger than their sum.
    """
    cdef int32_t i
    cdef int64_t total, cost
    cdef const TaxResult *result
    for i in range(basket.line_count):
        result = &work.taxes[i]
        total = signed_rest(&work.lines[i]) + result.sales_tax
        cost = work.lines[i].cost
        if work.lines[i].flags & LINE_NEGATIVE:
            cost = -cost
        if not (
            is_within(plan, total)
            and is_within(plan, result.base)
            and is_within(plan, result.vat + result.sales_tax)
            and is_within(plan, result.base - cost)
        ):
            work.bad_line = i
            return STATUS_OUT_OF_RANGE
    return STATUS_OK


cdef int price_lines(Work *work, const PlanData *plan, const BasketData *basket) noexcept nogil:
    """Price every line; retail prices stay in range alone and together. Returns a status."""
    cdef int32_t i
    cdef int64_t total = 0
    for i in range(basket.line_count):
        if price_line(plan, &basket.lines[i], &work.lines[i]):
            work.bad_line = i
            return STATUS_OUT_OF_RANGE
        total = min(total + work.lines[i].retail, plan.amount_end)
    return STATUS_OUT_OF_RANGE if total == plan.amount_end else STATUS_OK


cdef int evaluate_one(
    Work *work, const PlanData *plan, const BasketData *basket, int32_t groups
) noexcept nogil:
    """Evaluate into the work space. Returns a status; work.bad_line names a line or is -1."""
    cdef int32_t i, status
    cdef bint has_positive = False, has_negative = False
    work.bad_line = -1
    work.entry_count = 0
    work.run_count = 0
    if plan.best_price:
        forget_outcomes(work)
    tc_arena_reset(&work.arena)
    if grow_lines(work, basket.line_count) or grow_campaigns(work, plan.campaign_count, groups):
        return STATUS_NO_MEMORY
    status = price_lines(work, plan, basket)
    if status:
        return status
    for i in range(basket.line_count):
        if work.lines[i].flags & LINE_NEGATIVE:
            has_negative = True
        else:
            has_positive = True
    if has_positive:
        status = discount_side(work, plan, basket, 0)
    if status == STATUS_OK and has_negative:
        status = discount_side(work, plan, basket, LINE_NEGATIVE)
    if status == STATUS_OK:
        status = tax_basket(work, plan, basket)
    if status == STATUS_OK and work.arena.failed:
        status = STATUS_OUT_OF_RANGE
    if status == STATUS_OK:
        status = check_lines(work, plan, basket)
    return status
