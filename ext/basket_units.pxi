# Lines, their units, and what is left of them (docs/evaluation.md, sections 2 and 3.2).

cdef int price_line(const PlanData *plan, const LineInput *given, Line *line) noexcept nogil:
    """R1: the line's retail and cost price, units and order price. Returns 1 on overflow."""
    cdef int64_t quantity = given.quantity, by, per
    line.flags = given.flags
    if quantity < 0:
        quantity = -quantity
        line.flags |= LINE_NEGATIVE
    line.quantity = quantity
    line.units = 1
    line.taken = 0
    line.run_count = 0
    line.cost = 0
    by = quantity
    per = MICRO
    if line.flags & ROW_UNIT_PRICED:
        by = given.count
        per = given.multiplicity
    elif quantity % MICRO == 0:
        line.units = <int32_t>(quantity // MICRO)
        by = line.units
        per = 1
    else:
        line.flags |= LINE_FRACTIONAL
    if per == 1 and given.price_minor >= 0:
        line.unit_value = given.price_minor
        line.order_price = given.price
        if tc_mul(given.price_minor, by, &line.retail):
            return 1
    else:
        if tc_muldiv(given.price, by, per, plan.quantum, plan.tie, &line.retail):
            return 1
        if per == 1:
            line.order_price = given.price
            line.unit_value = -1
            if line.retail % line.units == 0:
                line.unit_value = line.retail // line.units
        else:
            line.unit_value = line.retail
            if line.retail < plan.amount_end:
                line.order_price = line.retail * plan.quantum
    if line.retail >= plan.amount_end:
        return 1
    if line.flags & ROW_HAS_COST:
        if tc_muldiv(given.cost, by, per, plan.quantum, plan.tie, &line.cost):
            return 1
        if line.cost >= plan.amount_end:
            return 1
    line.remaining = line.retail
    return 0


cdef int reserve_runs(Work *work, int32_t count) noexcept nogil:
    cdef Run *grown
    cdef int32_t capacity = work.run_capacity
    if work.run_count + count <= capacity:
        return 0
    while work.run_count + count > capacity:
        capacity = 2 * capacity + 64
    grown = <Run *>realloc(work.runs, capacity * sizeof(Run))
    if grown == NULL:
        return 1
    work.runs = grown
    work.run_capacity = capacity
    return 0


cdef tc_rat evenly(Work *work, int64_t amount, int32_t count, int32_t units) noexcept nogil:
    """Return amount x count / units, exactly."""
    cdef int64_t product
    if tc_mul(amount, count, &product):
        return tc_rat_mul(
            &work.arena, tc_rat_int(amount), tc_rat_make(&work.arena, count, units)
        )
    return tc_rat_make(&work.arena, product, units)


cdef tc_rat units_value(Work *work, Line *line, int32_t start, int32_t end) noexcept nogil:
    """Return what units start..end of the line are worth in the running step."""
    cdef int32_t i, first, last, count = end - start
    cdef tc_rat total
    if not work.later:
        if line.unit_value >= 0:
            return tc_rat_int(line.unit_value * count)
        return evenly(work, line.retail, count, line.units)
    if count == line.units:
        return tc_rat_int(line.remaining)
    if not line.flags & LINE_RUNS:
        return evenly(work, line.remaining, count, line.units)
    total = tc_rat_int(0)
    first = 0
    for i in range(line.runs, line.runs + line.run_count):
        last = min(work.runs[i].end, end)
        first = max(first, start)
        if last > first:
            total = tc_rat_add(
                &work.arena,
                total,
                tc_rat_mul(&work.arena, work.runs[i].value, tc_rat_int(last - first)),
            )
        first = work.runs[i].end
    return total


cdef tc_rat item_amount(
    Work *work, const Line *line, const Effect *effect, tc_rat value
) noexcept nogil:
    """Return what a per-item effect takes from one unit of this value."""
    cdef tc_rat limit = effect.value
    if line.flags & LINE_FRACTIONAL:
        limit = tc_rat_mul(
            &work.arena, limit, tc_rat_make(&work.arena, line.quantity, MICRO)
        )
    if effect.kind == EFFECT_AMOUNT_PER_ITEM:
        return tc_rat_min(&work.arena, limit, value)
    if line.flags & ROW_UNIT_PRICED or tc_rat_cmp(&work.arena, value, limit) <= 0:
        return tc_rat_int(0)
    return tc_rat_sub(&work.arena, value, limit)


cdef tc_rat items_amount(
    Work *work, Line *line, const Effect *effect, int32_t start, int32_t end
) noexcept nogil:
    """Return the exact sum of a per-item effect over units start..end."""
    cdef int32_t i, first, last
    cdef tc_rat total
    if not (work.later and line.flags & LINE_RUNS):
        total = item_amount(work, line, effect, units_value(work, line, 0, 1))
        return tc_rat_mul(&work.arena, total, tc_rat_int(end - start))
    total = tc_rat_int(0)
    first = 0
    for i in range(line.runs, line.runs + line.run_count):
        last = min(work.runs[i].end, end)
        first = max(first, start)
        if last > first:
            total = tc_rat_add(
                &work.arena,
                total,
                tc_rat_mul(
                    &work.arena,
                    item_amount(work, line, effect, work.runs[i].value),
                    tc_rat_int(last - first),
                ),
            )
        first = work.runs[i].end
    return total


cdef inline bint per_item(const Effect *effect) noexcept nogil:
    return effect.kind == EFFECT_AMOUNT_PER_ITEM or effect.kind == EFFECT_NEW_PRICE_PER_ITEM


cdef inline bint of_a_set(const Effect *effect) noexcept nogil:
    return effect.kind == EFFECT_AMOUNT or effect.kind == EFFECT_NEW_PRICE


cdef tc_rat set_amount(Work *work, const Effect *effect, tc_rat value) noexcept nogil:
    """Return the exact amount of `amount` or `new_price` on a set of this value."""
    if effect.kind == EFFECT_AMOUNT:
        return tc_rat_min(&work.arena, effect.value, value)
    if tc_rat_cmp(&work.arena, value, effect.value) <= 0:
        return tc_rat_int(0)
    return tc_rat_sub(&work.arena, value, effect.value)


cdef int64_t percentage_of(
    Work *work, const PlanData *plan, const Effect *effect, tc_rat value
) noexcept nogil:
    """Return round(value x rate)."""
    cdef int64_t amount
    if value.d == 1:
        if tc_muldiv(value.n, effect.rate, MICRO, 1, plan.tie, &amount):
            work.arena.failed = 1
            return 0
        return amount
    value = tc_rat_mul(&work.arena, value, tc_rat_make(&work.arena, effect.rate, MICRO))
    return tc_rat_round(&work.arena, value, plan.tie)


cdef int64_t line_amount(
    Work *work, const PlanData *plan, Line *line, const Effect *effect,
    int32_t start, int32_t end, bint *gives
) noexcept nogil:
    """Return the rounded amount on one line of an effect that is rounded line by line (R2)."""
    cdef tc_rat value
    if per_item(effect):
        value = items_amount(work, line, effect, start, end)
        gives[0] = not tc_rat_is_zero(value)
        return tc_rat_round(&work.arena, value, plan.tie)
    value = units_value(work, line, start, end)
    gives[0] = effect.rate != 0 and not tc_rat_is_zero(value)
    return percentage_of(work, plan, effect, value)


cdef tc_rat left_of_unit(
    Work *work, Line *line, const Effect *effect, tc_rat value, tc_rat kept
) noexcept nogil:
    """Return what is left of a discounted unit; `kept` is the share that an allocation left."""
    if kept.d != 1 or kept.n >= 0:
        return tc_rat_mul(&work.arena, value, kept)
    if per_item(effect):
        return tc_rat_sub(&work.arena, value, item_amount(work, line, effect, value))
    return tc_rat_mul(
        &work.arena, value, tc_rat_make(&work.arena, MICRO - effect.rate, MICRO)
    )


cdef int discount_runs(
    Work *work, Line *line, const Effect *effect, int32_t start, int32_t end,
    int64_t amount, bint allocated
) noexcept nogil:
    """Split the runs at start and end and lower the values between. Returns 1 without memory."""
    cdef int32_t i, first, last, piece_end, target
    cdef Run *run
    cdef tc_rat value, total, kept = tc_rat_int(-1)
    if reserve_runs(work, line.run_count + 4):
        return 1
    if not line.flags & LINE_RUNS:
        line.flags |= LINE_RUNS
        line.runs = work.run_count
        line.run_count = 1
        run = &work.runs[work.run_count]
        run.end = line.units
        run.value = evenly(work, line.remaining if work.later else line.retail, 1, line.units)
        work.run_count += 1
    if allocated:
        total = tc_rat_int(0)
        first = 0
        for i in range(line.runs, line.runs + line.run_count):
            last = min(work.runs[i].end, end)
            first = max(first, start)
            if last > first:
                total = tc_rat_add(
                    &work.arena, total,
                    tc_rat_mul(&work.arena, work.runs[i].value, tc_rat_int(last - first)),
                )
            first = work.runs[i].end
        if tc_rat_is_zero(total):
            kept = tc_rat_int(1)
        else:
            kept = tc_rat_sub(
                &work.arena, tc_rat_int(1), tc_rat_div(&work.arena, tc_rat_int(amount), total)
            )
            if tc_rat_sign(&work.arena, kept) < 0:
                kept = tc_rat_int(0)
    target = work.run_count
    first = 0
    for i in range(line.runs, line.runs + line.run_count):
        last = work.runs[i].end
        while first < last:
            value = work.runs[i].value
            if first < start:
                piece_end = min(last, start)
            elif first < end:
                piece_end = min(last, end)
                value = left_of_unit(work, line, effect, value, kept)
            else:
                piece_end = last
            work.runs[target].value = value
            work.runs[target].end = piece_end
            target += 1
            first = piece_end
    line.runs = work.run_count
    line.run_count = target - work.run_count
    work.run_count = target
    return 0


cdef void settle_runs(Work *work, Line *line) noexcept nogil:
    """Spread the line's remainder over its units in proportion to their exact remainders."""
    cdef int32_t i, first = 0
    cdef tc_rat total = tc_rat_int(0), factor
    for i in range(line.runs, line.runs + line.run_count):
        total = tc_rat_add(
            &work.arena, total,
            tc_rat_mul(&work.arena, work.runs[i].value, tc_rat_int(work.runs[i].end - first)),
        )
        first = work.runs[i].end
    if tc_rat_is_zero(total):
        factor = evenly(work, line.remaining, 1, line.units)
        for i in range(line.runs, line.runs + line.run_count):
            work.runs[i].value = factor
        return
    if total.d == 1 and total.n == line.remaining:
        return
    factor = tc_rat_div(&work.arena, tc_rat_int(line.remaining), total)
    for i in range(line.runs, line.runs + line.run_count):
        work.runs[i].value = tc_rat_mul(&work.arena, work.runs[i].value, factor)
