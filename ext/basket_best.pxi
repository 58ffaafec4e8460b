# Best price: step 1 as a choice instead of a sequence (docs/evaluation.md, section 3.8).
#
# The answer of `priority` first; then the choices it would make if another discount came first;
# then the search, component by component. Whatever is tried is applied and valued by the same
# functions, so that the worth never rests on the search alone.

cdef void forget_outcomes(Work *work) noexcept nogil:
    """Start with nothing chosen for either sign."""
    cdef int32_t i
    work.use_count = 0
    for i in range(2):
        memset(&work.outcomes[i], 0, sizeof(Outcome))
        work.outcomes[i].worth = tc_rat_int(0)
        work.outcomes[i].optimal = True


cdef int64_t sub_total_of(
    const Work *work, const BasketData *basket, int32_t side
) noexcept nogil:
    """Return what is left of all lines of one sign."""
    cdef int32_t i
    cdef int64_t total = 0
    for i in range(basket.line_count):
        if (work.lines[i].flags & LINE_NEGATIVE) == side:
            total += work.lines[i].remaining
    return total


cdef int64_t discountable_retail(
    const Work *work, const BasketData *basket, int32_t side
) noexcept nogil:
    """Return what the discountable lines of one sign are worth before any discount."""
    cdef int32_t i
    cdef int64_t total = 0
    for i in range(basket.line_count):
        if (work.lines[i].flags & (LINE_NEGATIVE | LINE_BEHAVIOR)) == side:
            total += work.lines[i].retail
    return total


cdef tc_rat sum_worths(Work *work, const tc_rat *worths) noexcept nogil:
    """Return the worth of all components together."""
    cdef int32_t i
    cdef tc_rat total = tc_rat_int(0)
    for i in range(work.choosing.component_count + 1):
        total = tc_rat_add(&work.arena, total, worths[i])
    return total


cdef int value_priority(
    Work *work, const PlanData *plan, const BasketData *basket, int32_t side,
    int32_t first_entry, int32_t first_run, tc_rat *worth
) noexcept nogil:
    """Run step 1 by priority and work out what it is worth. Returns a status."""
    cdef int32_t status
    start_again(work, basket, side, first_entry, first_run)
    work.choosing.tracks_worth = True
    work.choosing.running = work.choosing.component_count
    status = apply_campaigns(work, plan, basket, side, 0)
    work.choosing.tracks_worth = False
    if status:
        return status
    add_entry_worths(work, plan, basket, first_entry)
    worth[0] = sum_worths(work, work.choosing.worths)
    return STATUS_OK


cdef int apply_priority(
    Work *work, const PlanData *plan, const BasketData *basket, int32_t side,
    int32_t first_entry, int32_t first_run
) noexcept nogil:
    """Run all steps by priority. Returns a status."""
    cdef int32_t status
    start_again(work, basket, side, first_entry, first_run)
    status = apply_campaigns(work, plan, basket, side, 0)
    if status:
        return status
    return apply_later_steps(work, plan, basket, side, first_entry)


cdef int keep_better(Work *work) noexcept nogil:
    """Keep what the last application gave where it is worth more. Returns a status."""
    cdef Choosing *choosing = &work.choosing
    cdef int32_t i, count = 0
    cdef bint any_better = False
    for i in range(choosing.component_count + 1):
        choosing.is_better[i] = tc_rat_cmp(
            &work.arena, choosing.worths[i], choosing.kept_worths[i]
        ) > 0
        if choosing.is_better[i]:
            any_better = True
            choosing.kept_worths[i] = choosing.worths[i]
    if not any_better:
        return STATUS_OK
    for i in range(choosing.kept_count):
        if not choosing.is_better[choosing.components[choosing.kept[i].line]]:
            choosing.kept[count] = choosing.kept[i]
            count += 1
    if reserve_given(
        &choosing.kept, &choosing.kept_capacity, count + choosing.given_count
    ):
        return STATUS_NO_MEMORY
    for i in range(choosing.given_count):
        if choosing.is_better[choosing.components[choosing.given[i].line]]:
            choosing.kept[count] = choosing.given[i]
            count += 1
    choosing.kept_count = count
    return STATUS_OK


cdef int try_given(
    Work *work, const PlanData *plan, const BasketData *basket, int32_t side,
    int32_t first_entry, int32_t first_run
) noexcept nogil:
    """Apply what stands in work.choosing.given, and keep what is better. Returns a status."""
    cdef Choosing *choosing = &work.choosing
    cdef int32_t status, count = choosing.given_count
    if reserve_given(&choosing.spare, &choosing.spare_capacity, count):
        return STATUS_NO_MEMORY
    if count:
        memcpy(choosing.spare, choosing.given, count * sizeof(Given))
    start_again(work, basket, side, first_entry, first_run)
    status = apply_choice(work, plan, basket, choosing.spare, count)
    return status if status else keep_better(work)


cdef tc_rat coarse_bound(Work *work, const PlanData *plan, int32_t component) noexcept nogil:
    """Return a bound of a component's worth: the best that any discount does on each line alone."""
    cdef int32_t i, line = work.choosing.first_lines[component]
    cdef tc_rat gain, best, total = tc_rat_int(0)
    cdef const Discount *discount
    while line >= 0:
        best = work.choosing.base_gains[line]
        for i in range(work.choosing.discount_count):
            discount = &work.choosing.discounts[i]
            if discount.component == component and mask_on(work, discount, line):
                gain = gain_on(work, &plan.campaigns[discount.source], line)
                if tc_rat_cmp(&work.arena, gain, best) > 0:
                    best = gain
        total = tc_rat_add(
            &work.arena, total,
            tc_rat_mul(&work.arena, best, tc_rat_int(work.lines[line].units)),
        )
        line = work.choosing.next_lines[line]
    return total


cdef int give_found(
    Work *work, const PlanData *plan, int32_t component, int32_t lines
) noexcept nogil:
    """Turn the choice that the search found into what each discount is given. Returns a status."""
    cdef Choosing *choosing = &work.choosing
    cdef Search *search = &choosing.search
    cdef int32_t at, i, line, chosen, offer, discount, slot, mask, unit = 0, status
    cdef int32_t by_offer[OFFERS_MAX]
    cdef const Campaign *campaign
    for i in range(choosing.discount_count):
        if choosing.discounts[i].component == component:
            by_offer[choosing.discounts[i].offer] = i
    for at in range(lines):
        line = work.spans[work.order[at]].line
        for i in range(work.lines[line].units):
            chosen = search.choice[unit]
            unit += 1
            discount = choosing.bases[line]
            slot = 0
            mask = 1
            if chosen >= 0:
                offer = search.options[chosen // SLOTS_MAX].offer
                discount = by_offer[offer]
                campaign = &plan.campaigns[choosing.discounts[discount].source]
                mask = mask_on(work, &choosing.discounts[discount], line)
                slot = chosen % SLOTS_MAX
                if not in_groups(campaign):
                    slot = 0 if mask & 1 else SLOT_TARGET
                elif campaign.target == TARGET_SELECTOR and slot == campaign.part_count:
                    slot = SLOT_TARGET
            if discount < 0:
                continue
            status = note_given(work, discount, slot, line, 1, mask)
            if status:
                return status
    return STATUS_OK


cdef int search_component(
    Work *work, const PlanData *plan, const BasketData *basket, int32_t component, tc_rat *upper
) noexcept nogil:
    """Search the best choice for one component; `upper` bounds its worth. Returns a status.

    What is found joins work.choosing.given.
    """
    cdef Choosing *choosing = &work.choosing
    cdef Search *search = &choosing.search
    cdef int64_t units, scale = 0, total = 0, lower
    cdef int32_t lines, offers, status
    lines = open_component(work, component, &units)
    offers = number_offers(work, component)
    if units <= UNITS_MAX and offers <= OFFERS_MAX:
        scale = find_scale(
            work, plan, component, lines, value_end(units, offers), &total
        )
    if scale == 0:
        upper[0] = coarse_bound(work, plan, component)
        return STATUS_OK
    status = load_search(
        work, plan, component, lines, <int32_t>units, offers, scale, total
    )
    if status:
        return status
    lower = scaled(work, choosing.kept_worths[component], scale, total)
    if solve(search, lower):
        return STATUS_NO_MEMORY
    upper[0] = tc_rat_make(&work.arena, search.upper, scale)
    return give_found(work, plan, component, lines) if search.found else STATUS_OK


cdef int give_bases(Work *work, const BasketData *basket) noexcept nogil:
    """Give every line that no offer sees to its base. Returns a status."""
    cdef Choosing *choosing = &work.choosing
    cdef int32_t i, status
    for i in range(basket.line_count):
        if choosing.components[i] == choosing.component_count and choosing.bases[i] >= 0:
            status = note_given(work, choosing.bases[i], 0, i, work.lines[i].units, 1)
            if status:
                return status
    return STATUS_OK


cdef int search_choices(
    Work *work, const PlanData *plan, const BasketData *basket, int32_t side,
    int32_t first_entry, int32_t first_run, tc_rat *upper
) noexcept nogil:
    """Find the best choice, kept in work.choosing.kept, and a bound of all. Returns a status."""
    cdef Choosing *choosing = &work.choosing
    cdef int32_t i, status
    cdef tc_rat bound
    choosing.kept_count = 0
    for i in range(choosing.component_count + 1):
        choosing.kept_worths[i] = tc_rat_int(0)
    status = try_orders(work, plan, basket, side, first_entry, first_run)
    if status:
        return status
    choosing.given_count = 0
    start_again(work, basket, side, first_entry, first_run)
    upper[0] = tc_rat_int(0)
    for i in range(choosing.component_count):
        status = search_component(work, plan, basket, i, &bound)
        if status:
            return status
        upper[0] = tc_rat_add(&work.arena, upper[0], bound)
    status = give_bases(work, basket)
    if status == STATUS_OK:
        status = try_given(work, plan, basket, side, first_entry, first_run)
    # Where nothing asks for other units, the bases cannot be bettered.
    upper[0] = tc_rat_add(
        &work.arena, upper[0], choosing.kept_worths[choosing.component_count]
    )
    return status


cdef int64_t gap_between(Work *work, tc_rat upper, tc_rat worth) noexcept nogil:
    """Return upper - worth rounded up to the minor unit, at least 0."""
    cdef int64_t gap
    upper = tc_rat_sub(&work.arena, upper, worth)
    if tc_rat_sign(&work.arena, upper) <= 0:
        return 0
    gap = tc_rat_round(&work.arena, upper, TC_DOWN)
    return gap + (tc_rat_cmp(&work.arena, tc_rat_int(gap), upper) < 0)


cdef int note_uses(Work *work, Outcome *outcome) noexcept nogil:
    """Remember the choice that was applied last, for whoever asks. Returns a status."""
    cdef Choosing *choosing = &work.choosing
    cdef int32_t i, wanted
    cdef Use *use
    choosing.given_count = merge_given(choosing.given, choosing.given_count)
    wanted = work.use_count + choosing.given_count
    if wanted > work.use_capacity:
        if grow(<void **>&work.uses, (2 * <size_t>wanted + 64) * sizeof(Use)):
            return STATUS_NO_MEMORY
        work.use_capacity = 2 * wanted + 64
    outcome.uses = work.use_count
    for i in range(choosing.given_count):
        use = &work.uses[work.use_count]
        use.source = choosing.discounts[choosing.given[i].discount].source
        use.slot = choosing.given[i].slot
        use.line = choosing.given[i].line
        use.count = choosing.given[i].count
        work.use_count += 1
    outcome.uses_end = work.use_count
    return STATUS_OK


cdef int apply_kept(
    Work *work, const PlanData *plan, const BasketData *basket, int32_t side,
    int32_t first_entry, int32_t first_run
) noexcept nogil:
    """Run all steps with the choice that was kept. Returns a status."""
    cdef int32_t status
    start_again(work, basket, side, first_entry, first_run)
    status = apply_choice(
        work, plan, basket, work.choosing.kept, work.choosing.kept_count
    )
    if status:
        return status
    return apply_later_steps(work, plan, basket, side, first_entry)


cdef int discount_side_best(
    Work *work, const PlanData *plan, const BasketData *basket, int32_t side
) noexcept nogil:
    """Run the five steps on the lines of one sign, step 1 by choice. Returns a status.

    Where the exact numbers of a choice outgrow their range, the answer of `priority` stands.
    """
    cdef Outcome *outcome = &work.outcomes[1 if side else 0]
    cdef int32_t status, first_entry = work.entry_count, first_run = work.run_count
    cdef int64_t by_priority
    cdef tc_rat worth, upper = tc_rat_int(0)
    cdef bint is_better
    if grow_choosing(work, basket.line_count):
        return STATUS_NO_MEMORY
    list_discounts(work, plan, basket, side)
    find_components(work, plan, basket)
    status = value_priority(work, plan, basket, side, first_entry, first_run, &outcome.worth)
    if status == STATUS_OK and not work.arena.failed:
        status = search_choices(work, plan, basket, side, first_entry, first_run, &upper)
    if status == STATUS_NO_MEMORY:
        return status
    if status or work.arena.failed:
        work.arena.failed = False
        status = apply_priority(work, plan, basket, side, first_entry, first_run)
        outcome.optimal = False
        outcome.gap = discountable_retail(work, basket, side)
        return status
    worth = sum_worths(work, work.choosing.kept_worths)
    is_better = tc_rat_cmp(&work.arena, worth, outcome.worth) > 0
    status = apply_priority(work, plan, basket, side, first_entry, first_run)
    if is_better and status == STATUS_OK and not work.arena.failed:
        by_priority = sub_total_of(work, basket, side)
        status = apply_kept(work, plan, basket, side, first_entry, first_run)
        if status == STATUS_NO_MEMORY:
            return status
        if status == STATUS_OK and not work.arena.failed and (
            sub_total_of(work, basket, side) <= by_priority
        ):
            outcome.worth = worth
            outcome.gap = gap_between(work, upper, worth)
            outcome.optimal = outcome.gap == 0
            return note_uses(work, outcome)
        work.arena.failed = False
        status = apply_priority(work, plan, basket, side, first_entry, first_run)
    outcome.gap = gap_between(work, upper, outcome.worth)
    outcome.optimal = outcome.gap == 0 and not is_better
    return status
