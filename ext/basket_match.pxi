# Which campaigns meet which lines, through the plan's index, and the order of the steps.

cdef int reserve_matched(Work *work, int32_t count) noexcept nogil:
    """Make room for `count` more matches (the buckets hold lines of basket discounts too)."""
    cdef int32_t capacity = work.matched_capacity
    cdef int32_t *grown
    if count <= capacity:
        return 0
    while count > capacity:
        capacity = 2 * capacity + 64
    grown = <int32_t *>realloc(work.matched, 3 * capacity * sizeof(int32_t))
    if grown == NULL:
        return 1
    work.matched = grown
    grown = <int32_t *>realloc(work.bucket, 2 * capacity * sizeof(int32_t))
    if grown == NULL:
        return 1
    work.bucket = grown
    work.matched_capacity = capacity
    return 0


cdef inline void match(
    Work *work, const PlanData *plan, const BasketData *basket, int32_t campaign, int32_t mask,
    int32_t line, int32_t *count
) noexcept nogil:
    """Note that the campaign sees the line, unless its conditions are not met."""
    if work.match_count[campaign] == 0:
        if not is_active(&plan.campaigns[campaign], basket, campaign):
            return
        work.touched[work.touched_count] = campaign
        work.touched_count += 1
    work.match_count[campaign] += 1
    work.matched[3 * count[0]] = campaign
    work.matched[3 * count[0] + 1] = line
    work.matched[3 * count[0] + 2] = mask
    count[0] += 1


cdef int match_lines(
    Work *work, const PlanData *plan, const BasketData *basket, int32_t side
) noexcept nogil:
    """Fill work.touched (in campaign order) and their lines in work.bucket. Returns a status."""
    cdef int32_t i, j, count = 0, at = 0, held, campaign
    cdef const int32_t *listed
    cdef const LineInput *given
    work.touched_count = 0
    for i in range(basket.line_count):
        if (work.lines[i].flags & (LINE_NEGATIVE | LINE_BEHAVIOR)) != side:
            continue
        given = &basket.lines[i]
        if reserve_matched(work, count + given.campaign_count + plan.everywhere_count):
            return STATUS_NO_MEMORY
        if given.campaigns >= 0:
            listed = plan.row_campaigns + 2 * given.campaigns
        else:
            listed = basket.row_campaigns + 2 * (-1 - given.campaigns)
        for j in range(given.campaign_count):
            match(work, plan, basket, listed[2 * j], listed[2 * j + 1], i, &count)
        for j in range(plan.everywhere_count):
            match(
                work, plan, basket, plan.everywhere[2 * j], plan.everywhere[2 * j + 1], i, &count
            )
    if work.touched_count <= 16:
        for i in range(1, work.touched_count):
            held = work.touched[i]
            j = i - 1
            while j >= 0 and work.touched[j] > held:
                work.touched[j + 1] = work.touched[j]
                j -= 1
            work.touched[j + 1] = held
    else:
        qsort(work.touched, work.touched_count, sizeof(int32_t), &compare_int32)
    for i in range(work.touched_count):
        campaign = work.touched[i]
        work.bucket_end[i] = at + work.match_count[campaign]
        held = at
        at = work.bucket_end[i]
        work.match_count[campaign] = held
    for i in range(count):
        campaign = work.matched[3 * i]
        held = work.match_count[campaign]
        work.bucket[2 * held] = work.matched[3 * i + 1]
        work.bucket[2 * held + 1] = work.matched[3 * i + 2]
        work.match_count[campaign] += 1
    for i in range(work.touched_count):
        work.match_count[work.touched[i]] = 0
    return STATUS_OK


cdef int compare_int32(const void *a, const void *b) noexcept nogil:
    cdef int32_t x = (<const int32_t *>a)[0], y = (<const int32_t *>b)[0]
    return (x > y) - (x < y)


cdef bint needs_runs(
    Work *work, const PlanData *plan, const BasketData *basket
) noexcept nogil:
    """Whether a later step looks at single units: a stackable campaign or a per-item effect."""
    cdef int32_t i
    for i in range(work.touched_count):
        if plan.campaigns[work.touched[i]].flags & CAMPAIGN_STACKABLE:
            return True
    for i in range(work.touched_count):
        if plan.campaigns[work.touched[i]].target == TARGET_BASKET and per_item(
            &plan.campaigns[work.touched[i]].effect
        ):
            return True
    for i in range(plan.on_basket_count):
        if per_item(&plan.campaigns[plan.on_basket[i]].effect):
            return True
    for i in range(basket.manual_count):
        if per_item(&basket.manuals[i].effect):
            return True
    return False


cdef int apply_campaigns(
    Work *work, const PlanData *plan, const BasketData *basket, int32_t side, int32_t stackable
) noexcept nogil:
    """Steps 1 and 2: the exclusive or the stackable campaigns on units. Returns a status."""
    cdef int32_t i, index, start = 0, status
    cdef int64_t total = discountable_value(work, basket, side)
    cdef const Campaign *campaign
    cdef bint sales_done = stackable
    for i in range(work.touched_count):
        index = work.touched[i]
        campaign = &plan.campaigns[index]
        if not sales_done and index >= plan.sale_rank:
            sales_done = True
            status = apply_sale_prices(work, plan, basket, side)
            if status:
                return status
        if (
            campaign.target != TARGET_BASKET
            and (campaign.flags & CAMPAIGN_STACKABLE) == stackable * CAMPAIGN_STACKABLE
            and tc_rat_cmp(&work.arena, tc_rat_int(total), campaign.min_total) >= 0
        ):
            status = apply_to_units(
                work, plan, index, work.bucket + 2 * start, work.bucket_end[i] - start
            )
            if status:
                return status
        start = work.bucket_end[i]
    return STATUS_OK if sales_done else apply_sale_prices(work, plan, basket, side)


cdef int apply_later_steps(
    Work *work, const PlanData *plan, const BasketData *basket, int32_t side, int32_t first_entry
) noexcept nogil:
    """Steps 2 to 5, after the entries of step 1 from `first_entry` on. Returns a status."""
    cdef int32_t status = STATUS_OK
    if needs_runs(work, plan, basket):
        status = fill_runs(work, plan, basket, first_entry)
    work.later = 1
    if status == STATUS_OK:
        status = apply_campaigns(work, plan, basket, side, 1)
    if status == STATUS_OK:
        status = apply_manual_lines(work, plan, basket, side)
    if status == STATUS_OK:
        status = apply_basket_campaigns(work, plan, basket, side)
    if status == STATUS_OK:
        status = apply_manual_basket(work, plan, basket, side)
    return status


cdef int discount_side(
    Work *work, const PlanData *plan, const BasketData *basket, int32_t side
) noexcept nogil:
    """Run the five steps on the lines of one sign. Returns a status."""
    cdef int32_t status, first_entry = work.entry_count
    work.later = 0
    status = match_lines(work, plan, basket, side)
    if status:
        return status
    if plan.best_price:
        return discount_side_best(work, plan, basket, side)
    status = apply_campaigns(work, plan, basket, side, 0)
    if status:
        return status
    return apply_later_steps(work, plan, basket, side, first_entry)
