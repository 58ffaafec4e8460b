# The five steps of section 3.4 of docs/evaluation.md, for the lines of one sign.

cdef bint is_active(
    const Campaign *campaign, const BasketData *basket, int32_t index
) noexcept nogil:
    """Whether the campaign's conditions hold for the basket."""
    if basket.blocked != NULL and basket.blocked[index]:
        return False
    if basket.moment < campaign.valid_from or basket.moment >= campaign.valid_until:
        return False
    if not campaign.purchase_types & basket.purchase_type:
        return False
    return not campaign.flags & CAMPAIGN_NEEDS_CUSTOMER or basket.has_customer


cdef int cap_spans(
    Work *work, const PlanData *plan, const Effect *effect, int32_t count, bint *allocated
) noexcept nogil:
    """Hold the sum of a percentage's amounts to its maximum. Returns a status."""
    cdef int32_t i, hit_start
    cdef int64_t total = 0, most = tc_rat_round(&work.arena, effect.cap, plan.tie)
    cdef Span *span
    for i in range(count):
        total += work.spans[i].amount
    allocated[0] = total > most
    if not allocated[0]:
        return STATUS_OK
    for i in range(count):
        span = &work.spans[i]
        hit_start = span.start + span.taken - span.hit
        work.weights[i] = tc_rat_int(0)
        if span.hit:
            work.weights[i] = units_value(
                work, &work.lines[span.line], hit_start, hit_start + span.hit
            )
    if allocate(work, most, work.weights, count, work.amounts):
        return STATUS_OUT_OF_RANGE
    for i in range(count):
        work.spans[i].amount = work.amounts[i]
    return STATUS_OK


cdef int value_whole_set(
    Work *work, const PlanData *plan, const Effect *effect, int32_t count, bint exclusive
) noexcept nogil:
    """The amount of one set of all hits, allocated over the spans. Returns a status."""
    cdef int32_t i, hit_start
    cdef int64_t amount
    cdef tc_rat total = tc_rat_int(0), exact
    cdef Span *span
    for i in range(count):
        span = &work.spans[i]
        hit_start = span.start + span.taken - span.hit
        work.weights[i] = tc_rat_int(0)
        if span.hit:
            work.weights[i] = units_value(
                work, &work.lines[span.line], hit_start, hit_start + span.hit
            )
            total = tc_rat_add(&work.arena, total, work.weights[i])
    exact = set_amount(work, effect, total)
    for i in range(count):
        if exclusive and (tc_rat_is_zero(exact) or tc_rat_is_zero(work.weights[i])):
            work.spans[i].taken = 0
            work.spans[i].hit = 0
    if tc_rat_is_zero(exact):
        return STATUS_OK
    if work.choosing.tracks_worth:
        add_worth(work, work.choosing.running, exact, 1)
    amount = tc_rat_round(&work.arena, exact, plan.tie)
    if allocate(work, amount, work.weights, count, work.amounts):
        return STATUS_OUT_OF_RANGE
    for i in range(count):
        work.spans[i].amount = work.amounts[i]
    return STATUS_OK


cdef bint is_set_off(Work *work, const Campaign *campaign, int32_t count) noexcept nogil:
    """Whether the trigger of a campaign of one group is met by the spans."""
    cdef int32_t i
    cdef int64_t units = 0
    cdef tc_rat value = tc_rat_int(0)
    cdef Span *span
    for i in range(count):
        span = &work.spans[i]
        if not span.mask & 1:
            continue
        units += span.available
        if campaign.trigger == TRIGGER_SPEND:
            value = tc_rat_add(
                &work.arena,
                value,
                units_value(
                    work, &work.lines[span.line], span.start, span.start + span.available
                ),
            )
    if campaign.trigger == TRIGGER_SPEND:
        return units > 0 and tc_rat_cmp(&work.arena, value, campaign.spend) >= 0
    return units >= campaign.count


cdef void hit_spans(
    Work *work, const Campaign *campaign, int32_t count, bint exclusive
) noexcept nogil:
    """Mark the target of one group of all units; an exclusive campaign takes only the target."""
    cdef int32_t i, at, left = campaign.target_count
    cdef int32_t slot = SLOT_TARGET if campaign.target == TARGET_SELECTOR else 0
    cdef Span *span
    if campaign.target == TARGET_ALL:
        for i in range(count):
            work.spans[i].hit = work.spans[i].available
            work.spans[i].taken = work.spans[i].available
        return
    order_spans(work, count)
    for i in range(count):
        at = count - 1 - i if campaign.target == TARGET_CHEAPEST else i
        span = &work.spans[work.order[at]]
        if span.mask >> slot & 1:
            span.hit = min(left, span.available)
            left -= span.hit
        span.taken = span.hit
        if not exclusive and span.mask & 1:
            span.taken = span.available


cdef int value_spans(
    Work *work, const PlanData *plan, const Campaign *campaign, int32_t count, bint *allocated
) noexcept nogil:
    """Work out the amounts of effects that are rounded line by line. Returns a status."""
    cdef int32_t i, start
    cdef bint gives, exclusive = not campaign.flags & CAMPAIGN_STACKABLE
    cdef Span *span
    for i in range(count):
        span = &work.spans[i]
        if span.hit == 0:
            continue
        start = span.start + span.taken - span.hit
        span.amount = line_amount(
            work, plan, &work.lines[span.line], &campaign.effect, start, start + span.hit, &gives
        )
        if not gives and exclusive and not in_groups(campaign):
            span.taken = 0
            span.hit = 0
    if campaign.effect.kind == EFFECT_PERCENTAGE_WITH_MAX:
        return cap_spans(work, plan, &campaign.effect, count, allocated)
    return STATUS_OK


cdef int apply_to_units(
    Work *work, const PlanData *plan, int32_t index, const int32_t *lines, int32_t line_count
) noexcept nogil:
    """Apply a campaign on units to the lines that its selector matches. Returns a status."""
    cdef const Campaign *campaign = &plan.campaigns[index]
    cdef bint exclusive = not campaign.flags & CAMPAIGN_STACKABLE
    cdef bint allocated = of_a_set(&campaign.effect)
    cdef int32_t count, status
    count = open_spans(work, campaign, lines, line_count, exclusive)
    if count == 0:
        return STATUS_OK
    status = STATUS_OK
    if in_groups(campaign):
        status = form_groups(work, plan, campaign, count, exclusive, False)
        if status == STATUS_OK and not exclusive and allocated:
            status = form_groups(work, plan, campaign, count, exclusive, True)
    else:
        if not is_set_off(work, campaign, count):
            return STATUS_OK
        hit_spans(work, campaign, count, exclusive)
        if allocated:
            status = value_whole_set(work, plan, &campaign.effect, count, exclusive)
    if status == STATUS_OK and not allocated:
        status = value_spans(work, plan, campaign, count, &allocated)
    if status:
        return status
    return record_spans(work, campaign, index, count, allocated)


cdef int record_spans(
    Work *work, const Campaign *campaign, int32_t index, int32_t count, bint allocated
) noexcept nogil:
    """Record what a campaign on units did on each line. Returns a status."""
    cdef bint exclusive = not campaign.flags & CAMPAIGN_STACKABLE
    cdef int32_t i, status
    cdef Span *span
    if reserve_entries(work, count):
        return STATUS_NO_MEMORY
    for i in range(count):
        span = &work.spans[i]
        if span.taken == 0:
            continue
        if exclusive:
            work.lines[span.line].taken = span.start + span.taken
        status = record(
            work, &campaign.effect, index, span.line, span.start,
            span.start + span.taken - span.hit, span.start + span.taken, span.amount, allocated,
        )
        if status:
            return status
    return STATUS_OK


cdef int apply_sale_prices(
    Work *work, const PlanData *plan, const BasketData *basket, int32_t side
) noexcept nogil:
    """The sale price of every line, on its free units. Returns a status."""
    cdef int32_t i, start
    cdef int64_t amount
    cdef bint gives
    cdef Line *line
    cdef Effect effect
    if reserve_entries(work, basket.line_count):
        return STATUS_NO_MEMORY
    for i in range(basket.line_count):
        line = &work.lines[i]
        if basket.lines[i].sale.d == 0 or line.flags & (LINE_BEHAVIOR | ROW_UNIT_PRICED):
            continue
        start = line.taken
        if (line.flags & LINE_NEGATIVE) != side or start == line.units:
            continue
        sale_effect(&basket.lines[i], &effect)
        amount = line_amount(work, plan, line, &effect, start, line.units, &gives)
        if gives:
            line.taken = line.units
            record(work, &effect, ENTRY_SALE_PRICE, i, start, start, line.units, amount, False)
    return STATUS_OK


cdef int64_t discountable_value(
    const Work *work, const BasketData *basket, int32_t side
) noexcept nogil:
    """Return what is left of the discountable lines of one sign."""
    cdef int32_t i
    cdef int64_t total = 0
    for i in range(basket.line_count):
        if (work.lines[i].flags & (LINE_NEGATIVE | LINE_BEHAVIOR)) == side:
            total += work.lines[i].remaining
    return total


cdef int64_t whole_line_amount(
    Work *work, const PlanData *plan, Line *line, const Effect *effect
) noexcept nogil:
    """Return the amount of a manual discount on what is left of the whole line."""
    cdef bint gives
    cdef int64_t amount
    if of_a_set(effect):
        return tc_rat_round(
            &work.arena, set_amount(work, effect, tc_rat_int(line.remaining)), plan.tie
        )
    amount = line_amount(work, plan, line, effect, 0, line.units, &gives)
    if effect.kind == EFFECT_PERCENTAGE_WITH_MAX:
        amount = min(amount, tc_rat_round(&work.arena, effect.cap, plan.tie))
    return amount


cdef int apply_manual_lines(
    Work *work, const PlanData *plan, const BasketData *basket, int32_t side
) noexcept nogil:
    """Step 3. Returns a status."""
    cdef int32_t i, status
    cdef Line *line
    cdef const Manual *manual
    if reserve_entries(work, basket.manual_count):
        return STATUS_NO_MEMORY
    for i in range(basket.manual_count):
        manual = &basket.manuals[i]
        if manual.line < 0:
            break
        line = &work.lines[manual.line]
        if (line.flags & LINE_NEGATIVE) != side:
            continue
        status = record(
            work, &manual.effect, ENTRY_MANUAL - i, manual.line, 0, 0, line.units,
            whole_line_amount(work, plan, line, &manual.effect), not per_item(&manual.effect),
        )
        if status:
            return status
    return STATUS_OK


cdef int apply_to_basket(
    Work *work, const PlanData *plan, const BasketData *basket, const Effect *effect,
    int32_t source, int32_t side, int64_t *given
) noexcept nogil:
    """Apply a discount on the basket to the discountable lines of one sign. Returns a status."""
    cdef int32_t i, status, count = 0
    cdef int64_t total = 0, amount
    cdef int64_t *weights = work.amounts + work.line_capacity
    cdef bint gives, allocated = not per_item(effect)
    cdef Line *line
    given[0] = 0
    for i in range(basket.line_count):
        line = &work.lines[i]
        if (line.flags & (LINE_NEGATIVE | LINE_BEHAVIOR)) == side:
            work.order[count] = i
            weights[count] = line.remaining
            total += line.remaining
            if not allocated:
                work.amounts[count] = line_amount(
                    work, plan, line, effect, 0, line.units, &gives
                )
            count += 1
    if count == 0:
        return STATUS_OK
    if allocated:
        if of_a_set(effect):
            amount = tc_rat_round(
                &work.arena, set_amount(work, effect, tc_rat_int(total)), plan.tie
            )
        else:
            amount = percentage_of(work, plan, effect, tc_rat_int(total))
            if effect.kind == EFFECT_PERCENTAGE_WITH_MAX:
                amount = min(amount, tc_rat_round(&work.arena, effect.cap, plan.tie))
        if allocate_whole(work, amount, weights, count, work.amounts):
            return STATUS_OUT_OF_RANGE
    if reserve_entries(work, count):
        return STATUS_NO_MEMORY
    for i in range(count):
        if work.amounts[i] == 0:
            continue
        given[0] += work.amounts[i]
        status = record(
            work, effect, source, work.order[i], 0, 0, work.lines[work.order[i]].units,
            work.amounts[i], allocated,
        )
        if status:
            return status
    return STATUS_OK


cdef int32_t all_lines(Work *work, const BasketData *basket, int32_t side) noexcept nogil:
    """Fill work.spans with every discountable line of one sign; return how many."""
    cdef int32_t i, count = 0
    for i in range(basket.line_count):
        if (work.lines[i].flags & (LINE_NEGATIVE | LINE_BEHAVIOR)) == side:
            memset(&work.spans[count], 0, sizeof(Span))
            work.spans[count].line = i
            work.spans[count].mask = 1
            work.spans[count].available = work.lines[i].units
            count += 1
    return count


cdef int apply_basket_campaign(
    Work *work, const PlanData *plan, const BasketData *basket, int32_t index,
    const int32_t *lines, int32_t line_count, int32_t side, int64_t total, int64_t *given
) noexcept nogil:
    """Apply a basket campaign if it is set off; `lines` NULL: by every line. Returns a status."""
    cdef const Campaign *campaign = &plan.campaigns[index]
    cdef Former former
    cdef int32_t count
    given[0] = 0
    if tc_rat_cmp(&work.arena, tc_rat_int(total), campaign.min_total) < 0:
        return STATUS_OK
    if lines == NULL:
        count = all_lines(work, basket, side)
    else:
        count = open_spans(work, campaign, lines, line_count, False)
    if campaign.trigger == TRIGGER_BUNDLE:
        order_spans(work, count)
        start_groups(work, &former, campaign, count)
        if gather_group(work, &former) == 0:
            return STATUS_OK
    elif not is_set_off(work, campaign, count):
        return STATUS_OK
    return apply_to_basket(work, plan, basket, &campaign.effect, index, side, given)


cdef int apply_basket_campaigns(
    Work *work, const PlanData *plan, const BasketData *basket, int32_t side
) noexcept nogil:
    """Step 4: campaigns set off by matched lines (touched) and by any line (on_basket), merged."""
    cdef int32_t i, at, index, start, count, stackable, status
    cdef int64_t total = -1, given
    cdef const int32_t *lines
    cdef bint slot_taken = False
    for stackable in range(2):
        i = 0
        at = 0
        while i < work.touched_count or at < plan.on_basket_count:
            lines = NULL
            count = 0
            if at == plan.on_basket_count or (
                i < work.touched_count and work.touched[i] < plan.on_basket[at]
            ):
                index = work.touched[i]
                start = work.bucket_end[i - 1] if i else 0
                lines = work.bucket + 2 * start
                count = work.bucket_end[i] - start
                i += 1
                if plan.campaigns[index].target != TARGET_BASKET:
                    continue
            else:
                index = plan.on_basket[at]
                at += 1
                if not is_active(&plan.campaigns[index], basket, index):
                    continue
            if (plan.campaigns[index].flags & CAMPAIGN_STACKABLE) != (
                stackable * CAMPAIGN_STACKABLE
            ):
                continue
            if slot_taken and not stackable:
                break
            if total < 0:
                total = discountable_value(work, basket, side)
            status = apply_basket_campaign(
                work, plan, basket, index, lines, count, side, total, &given
            )
            if status:
                return status
            slot_taken |= not stackable and given > 0
    return STATUS_OK


cdef int apply_manual_basket(
    Work *work, const PlanData *plan, const BasketData *basket, int32_t side
) noexcept nogil:
    """Step 5. Returns a status."""
    cdef int32_t i, status
    cdef int64_t given
    for i in range(basket.manual_count):
        if basket.manuals[i].line >= 0:
            continue
        status = apply_to_basket(
            work, plan, basket, &basket.manuals[i].effect, ENTRY_MANUAL - i, side, &given
        )
        if status:
            return status
    return STATUS_OK
