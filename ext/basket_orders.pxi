# The choices that `priority` would make if another discount came first (docs/evaluation.md, 3.8).

cdef enum:
    # Each order costs a whole step 1, so of many discounts not every one is tried first.
    ORDERS_MAX = 64


cdef int32_t units_for(Work *work, tc_rat value, tc_rat unit, int32_t most) noexcept nogil:
    """Return how many units of a value reach another value, at most `most`."""
    cdef tc_rat count
    if tc_rat_cmp(
        &work.arena, tc_rat_mul(&work.arena, unit, tc_rat_int(most)), value
    ) <= 0:
        return most
    count = tc_rat_div(&work.arena, value, unit)
    most = <int32_t>tc_rat_round(&work.arena, count, TC_DOWN)
    return most + (tc_rat_cmp(&work.arena, tc_rat_int(most), count) < 0)


cdef void take_triggers(
    Work *work, const Campaign *campaign, int32_t count
) noexcept nogil:
    """Give a campaign of one group, beside its targets, the units that it takes to set it off.

    They come from the end of the unit order: the targets stay the cheapest, or the first.
    """
    cdef int32_t i, more
    cdef int64_t units = campaign.count if campaign.trigger == TRIGGER_COUNT_OR_MORE else 1
    cdef tc_rat value = campaign.spend if campaign.trigger == TRIGGER_SPEND else tc_rat_int(0)
    cdef tc_rat unit
    cdef Span *span
    for i in range(count):
        span = &work.spans[i]
        if span.mask & 1:
            units -= span.taken
            value = tc_rat_sub(
                &work.arena, value,
                units_value(work, &work.lines[span.line], 0, span.taken),
            )
    for i in range(count - 1, -1, -1):
        span = &work.spans[work.order[i]]
        if not span.mask & 1 or span.taken == span.available:
            continue
        more = span.available - span.taken
        unit = units_value(work, &work.lines[span.line], 0, 1)
        if tc_rat_sign(&work.arena, value) > 0:
            more = units_for(work, value, unit, more)
        else:
            more = <int32_t>min(<int64_t>more, max(units, 0))
        span.taken += more
        units -= more
        value = tc_rat_sub(
            &work.arena, value, tc_rat_mul(&work.arena, unit, tc_rat_int(more))
        )


cdef int give_set(
    Work *work, const PlanData *plan, int32_t index, const Discount *discount
) noexcept nogil:
    """Give a campaign of one group what it would take, and what sets it off. Returns a status."""
    cdef const Campaign *campaign = &plan.campaigns[discount.source]
    cdef int32_t i, status, count
    cdef Span *span
    count = open_spans(
        work, campaign, work.bucket + 2 * discount.first, discount.count, True
    )
    if count == 0 or not is_set_off(work, campaign, count):
        return STATUS_OK
    hit_spans(work, campaign, count, True)
    if campaign.target != TARGET_ALL:
        take_triggers(work, campaign, count)
    for i in range(count):
        span = &work.spans[i]
        work.lines[span.line].taken += span.taken
        status = note_given(
            work, index, 0 if span.mask & 1 else SLOT_TARGET, span.line, span.taken, span.mask
        )
        if status:
            return status
    return STATUS_OK


cdef int give_groups(
    Work *work, const PlanData *plan, int32_t index, const Discount *discount
) noexcept nogil:
    """Give a campaign of complete groups what it would take. Returns a status."""
    cdef const Campaign *campaign = &plan.campaigns[discount.source]
    cdef int32_t i, slot, status, units, count
    cdef bint is_plain = campaign.part_count == 1 and campaign.target != TARGET_SELECTOR
    cdef Span *span
    count = open_spans(
        work, campaign, work.bucket + 2 * discount.first, discount.count, True
    )
    if count == 0:
        return STATUS_OK
    memset(
        work.choosing.slot_use, 0, <size_t>count * SLOT_COUNT * sizeof(int32_t)
    )
    memset(
        work.choosing.group_use, 0, <size_t>count * SLOT_COUNT * sizeof(int32_t)
    )
    work.choosing.tracks_slots = not is_plain
    status = form_groups(work, plan, campaign, count, True, False)
    work.choosing.tracks_slots = False
    if status:
        return status
    memset(
        work.choosing.group_use, 0, <size_t>count * SLOT_COUNT * sizeof(int32_t)
    )
    for i in range(count):
        span = &work.spans[i]
        work.lines[span.line].taken += span.taken
        for slot in range(SLOT_COUNT):
            units = work.choosing.slot_use[i * SLOT_COUNT + slot]
            if is_plain:
                units = span.taken if slot == 0 else 0
            status = note_given(work, index, slot, span.line, units, span.mask)
            if status:
                return status
    return STATUS_OK


cdef int give_in_turn(
    Work *work, const PlanData *plan, const BasketData *basket, int32_t side, int32_t index
) noexcept nogil:
    """Give a discount what it would take of the free units. Returns a status."""
    cdef const Discount *discount = &work.choosing.discounts[index]
    cdef int32_t i, status
    cdef Line *line
    cdef Effect sale
    if discount.source != ENTRY_SALE_PRICE:
        if in_groups(&plan.campaigns[discount.source]):
            return give_groups(work, plan, index, discount)
        return give_set(work, plan, index, discount)
    for i in range(basket.line_count):
        line = &work.lines[i]
        if not has_sale_price(work, basket, i, side) or line.taken == line.units:
            continue
        sale_effect(&basket.lines[i], &sale)
        if tc_rat_is_zero(unit_amount(work, &sale, i)):
            continue
        status = note_given(work, index, 0, i, line.units - line.taken, 1)
        line.taken = line.units
        if status:
            return status
    return STATUS_OK


cdef bint meets_earlier(
    Work *work, const PlanData *plan, const BasketData *basket, int32_t side, int32_t index
) noexcept nogil:
    """Whether an earlier discount sees a line of this one; marks its lines as seen."""
    cdef const Discount *discount = &work.choosing.discounts[index]
    cdef int32_t *seen = work.item_order
    cdef int32_t i, line
    cdef bint meets = False
    if discount.source == ENTRY_SALE_PRICE:
        for i in range(basket.line_count):
            if has_sale_price(work, basket, i, side):
                meets |= seen[i]
                seen[i] = True
        return meets
    for i in range(discount.first, discount.first + discount.count):
        line = work.bucket[2 * i]
        meets |= seen[line]
        seen[line] = True
    return meets


cdef int try_orders(
    Work *work, const PlanData *plan, const BasketData *basket, int32_t side,
    int32_t first_entry, int32_t first_run
) noexcept nogil:
    """Try the order of step 1, and then every other discount first. Returns a status."""
    cdef int32_t first, i, status, orders = 0
    cdef Choosing *choosing = &work.choosing
    for first in range(choosing.discount_count):
        if first == 0:
            memset(work.item_order, 0, <size_t>basket.line_count * sizeof(int32_t))
        if not meets_earlier(work, plan, basket, side, first) and first:
            continue
        if orders == ORDERS_MAX:
            break
        orders += 1
        start_again(work, basket, side, first_entry, first_run)
        choosing.given_count = 0
        status = give_in_turn(work, plan, basket, side, first)
        for i in range(choosing.discount_count):
            if status == STATUS_OK and i != first:
                status = give_in_turn(work, plan, basket, side, i)
        if status == STATUS_OK:
            status = try_given(work, plan, basket, side, first_entry, first_run)
        if status:
            return status
    return STATUS_OK
