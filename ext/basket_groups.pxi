# Campaigns on units: spans, groups, and the amounts of both (docs/evaluation.md, section 3.3).

cdef bint dearer(Work *work, int32_t a, int32_t b) noexcept nogil:
    return (
        work.lines[work.spans[a].line].order_price > work.lines[work.spans[b].line].order_price
    )


cdef inline bint in_groups(const Campaign *campaign) noexcept nogil:
    return campaign.trigger == TRIGGER_COUNT or campaign.trigger == TRIGGER_BUNDLE


cdef inline bint joins_no_group(const Campaign *campaign) noexcept nogil:
    """Whether fractional lines are left out; `count` on the basket counts each as one."""
    if campaign.trigger == TRIGGER_COUNT:
        return campaign.target != TARGET_BASKET
    return campaign.trigger == TRIGGER_BUNDLE


cdef int32_t open_spans(
    Work *work, const Campaign *campaign, const int32_t *lines, int32_t count, bint exclusive
) noexcept nogil:
    """Fill work.spans with the lines that have units for the campaign; return how many.

    `lines` holds pairs of a line and its mask.
    """
    cdef int32_t i, start, opened = 0
    cdef Line *line
    cdef Span *span
    for i in range(count):
        line = &work.lines[lines[2 * i]]
        if line.flags & LINE_FRACTIONAL and joins_no_group(campaign):
            continue
        start = line.taken if exclusive else 0
        if start == line.units:
            continue
        span = &work.spans[opened]
        span.line = lines[2 * i]
        span.mask = lines[2 * i + 1]
        span.start = start
        span.available = line.units - start
        span.taken = 0
        span.hit = 0
        span.done = 0
        span.amount = 0
        span.total = 0
        span.used = 0
        span.used_hit = 0
        opened += 1
    return opened


cdef void order_spans(Work *work, int32_t count) noexcept nogil:
    cdef int32_t i
    for i in range(count):
        work.order[i] = i
    sort_stable(work, work.order, count, dearer)


cdef bint gives_something(
    Work *work, const Effect *effect, const Piece *pieces, int32_t count
) noexcept nogil:
    """Whether a group's exact amount is not zero, for effects that are rounded line by line."""
    cdef int32_t i
    cdef Line *line
    cdef Span *span
    cdef tc_rat value
    if not per_item(effect) and effect.rate == 0:
        return False
    for i in range(count):
        if pieces[i].hit == 0:
            continue
        span = &work.spans[pieces[i].span]
        line = &work.lines[span.line]
        value = units_value(work, line, span.start, span.start + 1)
        if per_item(effect):
            value = item_amount(work, line, effect, value)
        if not tc_rat_is_zero(value):
            return True
    return False


cdef int32_t hits_in_run(Work *work, const Piece *piece) noexcept nogil:
    """How many times the piece's hits stand in one run of its line, at least once."""
    cdef const Span *span = &work.spans[piece.span]
    cdef Line *line = &work.lines[span.line]
    cdef int32_t i, at = span.start + span.total - span.hit + span.done
    if not line.flags & LINE_RUNS:
        return line.units
    for i in range(line.runs, line.runs + line.run_count):
        if work.runs[i].end > at:
            return max(1, (work.runs[i].end - at) // piece.hit)
    return 1


cdef int value_group(
    Work *work, const PlanData *plan, const Effect *effect, const Piece *pieces, int32_t count,
    bint placed, int32_t many, bint *gives
) noexcept nogil:
    """Work out the amount of `many` equal groups and add it to the spans. Returns a status.

    `placed` says that the spans' totals are known, so that the hits have their places on the line.
    """
    cdef int32_t i, at
    cdef int64_t amount
    cdef Span *span
    cdef tc_rat total = tc_rat_int(0), exact
    for i in range(count):
        work.weights[i] = tc_rat_int(0)
        if pieces[i].hit:
            span = &work.spans[pieces[i].span]
            at = span.start + (span.total - span.hit + span.done if placed else 0)
            work.weights[i] = units_value(work, &work.lines[span.line], at, at + pieces[i].hit)
            total = tc_rat_add(&work.arena, total, work.weights[i])
    exact = set_amount(work, effect, total)
    gives[0] = not tc_rat_is_zero(exact)
    if not gives[0]:
        return STATUS_OK
    if work.choosing.tracks_worth:
        add_worth(work, work.choosing.running, exact, many)
    amount = tc_rat_round(&work.arena, exact, plan.tie)
    if allocate(work, amount, work.weights, count, work.amounts):
        return STATUS_OUT_OF_RANGE
    for i in range(count):
        work.spans[pieces[i].span].amount += work.amounts[i] * many
    return STATUS_OK


cdef int by_rank(const void *a, const void *b) noexcept nogil:
    return (<const Piece *>a).rank - (<const Piece *>b).rank


cdef int by_span(const void *a, const void *b) noexcept nogil:
    return (<const Piece *>a).span - (<const Piece *>b).span


cdef void sort_pieces(
    Piece *pieces, int32_t count, int (*compare)(const void *, const void *) noexcept nogil
) noexcept nogil:
    """Sort the pieces of a group: mostly a few, so by insertion."""
    cdef int32_t i, j
    cdef Piece held
    if count > 12:
        qsort(pieces, count, sizeof(Piece), compare)
        return
    for i in range(1, count):
        held = pieces[i]
        j = i - 1
        while j >= 0 and compare(&held, &pieces[j]) < 0:
            pieces[j + 1] = pieces[j]
            j -= 1
        pieces[j + 1] = held


cdef void place_hits(Piece *pieces, int32_t count, const Campaign *campaign) noexcept nogil:
    """Mark a group's discounted units, and put its pieces in basket order.

    These are all units, the last k, the first k, or those gathered for the target's own selector.
    """
    cdef int32_t i, left = campaign.target_count
    if campaign.target == TARGET_ALL:
        for i in range(count):
            pieces[i].hit = pieces[i].count
    elif campaign.target == TARGET_CHEAPEST:
        for i in range(count - 1, -1, -1):
            pieces[i].hit = min(left, pieces[i].count)
            left -= pieces[i].hit
    elif campaign.target == TARGET_DEAREST:
        for i in range(count):
            pieces[i].hit = min(left, pieces[i].count)
            left -= pieces[i].hit
    sort_pieces(pieces, count, &by_span)
