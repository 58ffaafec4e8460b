# A choice of step 1: what it is worth, and its application (docs/evaluation.md, section 3.8).

cdef void add_worth(Work *work, int32_t component, tc_rat exact, int32_t many) noexcept nogil:
    """Add `many` equal amounts to the worth of a component."""
    cdef tc_rat *worth = &work.choosing.worths[component]
    if many != 1:
        exact = tc_rat_mul(&work.arena, exact, tc_rat_int(many))
    worth[0] = tc_rat_add(&work.arena, worth[0], exact)


cdef void keep_slots(Work *work, int32_t pieces, int32_t many) noexcept nogil:
    """Note which slots the units of `many` groups like the gathered one went to."""
    cdef int32_t i, slot, at
    for i in range(pieces):
        for slot in range(SLOT_COUNT):
            at = work.pieces[i].span * SLOT_COUNT + slot
            work.choosing.slot_use[at] += work.choosing.group_use[at] * many
            work.choosing.group_use[at] = 0


cdef void add_entry_worths(
    Work *work, const PlanData *plan, const BasketData *basket, int32_t first_entry
) noexcept nogil:
    """Add what the entries of step 1 are worth whose amounts are rounded line by line."""
    cdef int32_t i, source, component
    cdef tc_rat exact, total = tc_rat_int(0)
    cdef const Entry *entry
    cdef const Effect *effect
    cdef Effect sale
    for i in range(first_entry, work.entry_count):
        entry = &work.entries[i]
        source = entry.source
        sale_effect(&basket.lines[entry.line], &sale)
        effect = effect_of(plan, basket, source, &sale)
        if of_a_set(effect):
            continue
        component = work.choosing.components[entry.line]
        exact = tc_rat_mul(
            &work.arena,
            unit_amount(work, effect, entry.line),
            tc_rat_int(entry.end - entry.hit),
        )
        add_worth(work, component, exact, 1)
        if effect.kind != EFFECT_PERCENTAGE_WITH_MAX:
            continue
        total = tc_rat_add(&work.arena, total, exact)
        if i + 1 == work.entry_count or work.entries[i + 1].source != source:
            # Where the maximum binds, all lines of the campaign are of one component.
            if tc_rat_cmp(&work.arena, total, effect.cap) > 0:
                add_worth(
                    work, component, tc_rat_sub(&work.arena, effect.cap, total), 1
                )
            total = tc_rat_int(0)


cdef tc_rat unit_amount(Work *work, const Effect *effect, int32_t line) noexcept nogil:
    """Return what an effect that is rounded line by line is worth on one unit of a line."""
    cdef tc_rat value = units_value(work, &work.lines[line], 0, 1)
    if per_item(effect):
        return item_amount(work, &work.lines[line], effect, value)
    return tc_rat_mul(&work.arena, value, tc_rat_make(&work.arena, effect.rate, MICRO))


cdef int32_t open_given(Work *work, const Given *given, int32_t count) noexcept nogil:
    """Fill work.spans with the lines of what one discount is given; return how many.

    Rows of one line follow each other. work.choosing.slot_use has what is left by span and slot.
    """
    cdef int32_t i, opened = 0
    cdef Span *span
    for i in range(count):
        if i == 0 or given[i].line != given[i - 1].line:
            span = &work.spans[opened]
            memset(span, 0, sizeof(Span))
            span.line = given[i].line
            span.mask = given[i].mask
            span.start = work.lines[given[i].line].taken
            memset(
                work.choosing.slot_use + opened * SLOT_COUNT, 0, SLOT_COUNT * sizeof(int32_t)
            )
            opened += 1
        span = &work.spans[opened - 1]
        span.available += given[i].count
        work.choosing.slot_use[(opened - 1) * SLOT_COUNT + given[i].slot] += given[i].count
    return opened


cdef int note_given(
    Work *work, int32_t discount, int32_t slot, int32_t line, int32_t count, int32_t mask
) noexcept nogil:
    """Note what a discount is given. Returns a status."""
    cdef Choosing *choosing = &work.choosing
    cdef Given *row
    if count == 0:
        return STATUS_OK
    if reserve_given(&choosing.given, &choosing.given_capacity, choosing.given_count + 1):
        return STATUS_NO_MEMORY
    row = &choosing.given[choosing.given_count]
    choosing.given_count += 1
    row.discount = discount
    row.slot = slot
    row.line = line
    row.count = count
    row.mask = mask
    return STATUS_OK


cdef int reserve_given(Given **given, int32_t *capacity, int32_t count) noexcept nogil:
    cdef int32_t wanted = capacity[0]
    while wanted < count:
        wanted = 2 * wanted + 64
    if wanted == capacity[0]:
        return 0
    if grow(<void **>given, <size_t>wanted * sizeof(Given)):
        return 1
    capacity[0] = wanted
    return 0


cdef int32_t fill_given_slot(
    Work *work, const Campaign *campaign, int32_t slot, int32_t count, int32_t *cursor,
    int32_t *pieces, int32_t *many
) noexcept nogil:
    """Take a slot's next units of a group from what it is given; return how many are missing.

    `many` is lowered to how often the same units can follow each other.
    """
    cdef int32_t taken, is_target = slot == SLOT_TARGET
    cdef int32_t wanted = campaign.target_count if is_target else campaign.part_counts[slot]
    cdef int32_t missing = wanted
    cdef int32_t *left
    cdef Span *span
    while cursor[0] < count and missing:
        span = &work.spans[work.order[cursor[0]]]
        left = &work.choosing.slot_use[work.order[cursor[0]] * SLOT_COUNT + slot]
        if left[0] == 0:
            cursor[0] += 1
            continue
        taken = min(missing, left[0])
        many[0] = min(many[0], left[0] // taken if taken == wanted else 1)
        left[0] -= taken
        if span.used == 0:
            work.pieces[pieces[0]].span = work.order[cursor[0]]
            work.pieces[pieces[0]].rank = cursor[0]
            pieces[0] += 1
        span.used += taken
        work.choosing.group_use[work.order[cursor[0]] * SLOT_COUNT + slot] = taken
        if is_target:
            span.used_hit += taken
        missing -= taken
    return max(0, missing - (wanted - 1)) if is_target else missing


cdef int32_t gather_given(
    Work *work, const Campaign *campaign, int32_t count, int32_t *cursors, int32_t *many
) noexcept nogil:
    """Collect the next group of what a campaign is given as pieces in unit order.

    Returns how many, 0 when there is no complete group left. `many` says how often it repeats.
    """
    cdef int32_t i, slot, missing = 0, pieces = 0
    cdef Span *span
    many[0] = campaign.max_groups
    for slot in range(SLOT_COUNT):
        if slot < campaign.part_count or (
            slot == SLOT_TARGET and campaign.target == TARGET_SELECTOR
        ):
            missing += fill_given_slot(
                work, campaign, slot, count, &cursors[slot], &pieces, many
            )
    for i in range(pieces):
        span = &work.spans[work.pieces[i].span]
        work.pieces[i].count = span.used
        work.pieces[i].hit = span.used_hit
        span.used = 0
        span.used_hit = 0
    if missing == 0:
        sort_pieces(work.pieces, pieces, &by_rank)
        return pieces
    for i in range(pieces):
        memset(
            work.choosing.group_use + work.pieces[i].span * SLOT_COUNT, 0,
            SLOT_COUNT * sizeof(int32_t),
        )
    return 0


cdef int note_groups(
    Work *work, int32_t discount, int32_t pieces, int32_t many
) noexcept nogil:
    """Note the slots of `many` groups like the gathered one, which counts already as taken.

    0 groups: it gives nothing, and its units go nowhere. Returns a status.
    """
    cdef int32_t i, slot, at, status
    cdef Span *span
    for i in range(pieces):
        span = &work.spans[work.pieces[i].span]
        for slot in range(SLOT_COUNT):
            at = work.pieces[i].span * SLOT_COUNT + slot
            if many > 1:
                work.choosing.slot_use[at] -= work.choosing.group_use[at] * (many - 1)
            status = note_given(
                work, discount, slot, span.line, work.choosing.group_use[at] * many, span.mask
            )
            work.choosing.group_use[at] = 0
            if status:
                return status
    return STATUS_OK


cdef int form_given_groups(
    Work *work, const PlanData *plan, int32_t discount, const Campaign *campaign, int32_t count
) noexcept nogil:
    """Form the complete groups of what a campaign is given, slot by slot. Returns a status.

    A group that gives nothing is left out, and so is what completes none.
    """
    cdef int32_t cursors[SLOT_COUNT]
    cdef int32_t i, many = 1, pieces, status, groups = 0
    cdef bint gives
    cdef Span *span
    memset(cursors, 0, sizeof(cursors))
    order_spans(work, count)
    while groups < campaign.max_groups:
        pieces = gather_given(work, campaign, count, cursors, &many)
        if pieces == 0:
            break
        many = min(many, campaign.max_groups - groups)
        place_hits(work.pieces, pieces, campaign)
        if of_a_set(&campaign.effect):
            status = value_group(
                work, plan, &campaign.effect, work.pieces, pieces, False, many, &gives
            )
            if status:
                return status
        else:
            gives = gives_something(work, &campaign.effect, work.pieces, pieces)
        many = many if gives else 0
        status = note_groups(work, discount, pieces, many)
        if status:
            return status
        for i in range(pieces):
            span = &work.spans[work.pieces[i].span]
            span.taken += work.pieces[i].count * many
            span.hit += work.pieces[i].hit * many
        groups += many
    return STATUS_OK


cdef int apply_given_set(
    Work *work, const PlanData *plan, int32_t discount, const Campaign *campaign, int32_t count,
    bint *allocated
) noexcept nogil:
    """Apply a campaign of one group to what it is given. Returns a status.

    A unit that is no triggering unit and no target is left out, and all are when nothing is given.
    """
    cdef int32_t i, status, first_given = work.choosing.given_count
    cdef int32_t taken = 0
    cdef Span *span
    if not is_set_off(work, campaign, count):
        return STATUS_OK
    hit_spans(work, campaign, count, True)
    for i in range(count):
        span = &work.spans[i]
        status = note_given(
            work, discount, 0 if span.mask & 1 else SLOT_TARGET, span.line,
            span.available if span.mask & 1 else span.hit, span.mask,
        )
        if status:
            return status
    if allocated[0]:
        status = value_whole_set(work, plan, &campaign.effect, count, True)
    else:
        status = value_spans(work, plan, campaign, count, allocated)
    for i in range(count):
        taken += work.spans[i].taken
    if taken == 0:
        work.choosing.given_count = first_given
    return status


cdef int apply_given(
    Work *work, const PlanData *plan, const BasketData *basket, const Given *given, int32_t count
) noexcept nogil:
    """Apply one discount to the units that it is given. Returns a status."""
    cdef int32_t i, index = given[0].discount, spans, status
    cdef const Discount *discount = &work.choosing.discounts[index]
    cdef const Campaign *campaign
    cdef bint allocated
    work.choosing.running = work.choosing.components[given[0].line]
    if discount.source == ENTRY_SALE_PRICE:
        for i in range(count):
            status = apply_given_sale(work, plan, basket, &given[i])
            if status:
                return status
        return STATUS_OK
    campaign = &plan.campaigns[discount.source]
    allocated = of_a_set(&campaign.effect)
    spans = open_given(work, given, count)
    if in_groups(campaign):
        status = form_given_groups(work, plan, index, campaign, spans)
        if status == STATUS_OK and not allocated:
            status = value_spans(work, plan, campaign, spans, &allocated)
    else:
        status = apply_given_set(work, plan, index, campaign, spans, &allocated)
    if status:
        return status
    return record_spans(work, campaign, discount.source, spans, allocated)


cdef int apply_given_sale(
    Work *work, const PlanData *plan, const BasketData *basket, const Given *given
) noexcept nogil:
    """Apply the sale price to units of one line. Returns a status."""
    cdef Line *line = &work.lines[given.line]
    cdef int32_t start = line.taken
    cdef int64_t amount
    cdef bint gives
    cdef Effect effect
    sale_effect(&basket.lines[given.line], &effect)
    amount = line_amount(work, plan, line, &effect, start, start + given.count, &gives)
    if not gives:
        return STATUS_OK
    if reserve_entries(work, 1):
        return STATUS_NO_MEMORY
    line.taken += given.count
    record(
        work, &effect, ENTRY_SALE_PRICE, given.line, start, start, start + given.count, amount,
        False,
    )
    return note_given(work, given.discount, 0, given.line, given.count, 1)


cdef int by_application(const void *a, const void *b) noexcept nogil:
    """By discount, then line, then slot; rows that tie are alike."""
    cdef const Given *x = <const Given *>a
    cdef const Given *y = <const Given *>b
    if x.discount != y.discount:
        return x.discount - y.discount
    if x.line != y.line:
        return x.line - y.line
    return x.slot - y.slot


cdef int32_t merge_given(Given *rows, int32_t count) noexcept nogil:
    """Sort the rows, and add up those of one discount, line and slot; return how many are left."""
    cdef int32_t i, merged = 0
    # Without rows there may be no memory for them either, which C does not sort.
    if count == 0:
        return 0
    qsort(rows, count, sizeof(Given), &by_application)
    for i in range(count):
        if merged and by_application(&rows[merged - 1], &rows[i]) == 0:
            rows[merged - 1].count += rows[i].count
        else:
            rows[merged] = rows[i]
            merged += 1
    return merged


cdef void start_again(
    Work *work, const BasketData *basket, int32_t side, int32_t first_entry, int32_t first_run
) noexcept nogil:
    """Put the lines of one sign back to where step 1 begins."""
    cdef int32_t i
    cdef Line *line
    work.later = 0
    work.entry_count = first_entry
    work.run_count = first_run
    for i in range(basket.line_count):
        line = &work.lines[i]
        if (line.flags & LINE_NEGATIVE) == side:
            line.taken = 0
            line.remaining = line.retail
            line.run_count = 0
            line.flags &= ~(LINE_MIXED | LINE_RUNS)
    for i in range(work.choosing.component_count + 1):
        work.choosing.worths[i] = tc_rat_int(0)


cdef int apply_choice(
    Work *work, const PlanData *plan, const BasketData *basket, Given *rows, int32_t count
) noexcept nogil:
    """Apply a choice to lines at the start of step 1, and work out its worth. Returns a status.

    What was applied stands in work.choosing.given, which is not `rows`; these are sorted.
    """
    cdef int32_t first = 0, end, status, first_entry = work.entry_count
    work.choosing.given_count = 0
    work.choosing.tracks_worth = True
    count = merge_given(rows, count)
    status = STATUS_OK
    while first < count and status == STATUS_OK:
        end = first + 1
        while end < count and rows[end].discount == rows[first].discount:
            end += 1
        status = apply_given(work, plan, basket, rows + first, end - first)
        first = end
    add_entry_worths(work, plan, basket, first_entry)
    work.choosing.tracks_worth = False
    return status
