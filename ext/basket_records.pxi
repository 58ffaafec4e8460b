# Discount records: who takes what from which line (docs/evaluation.md, sections 3.1 and 3.2).

cdef const Effect *effect_of(
    const PlanData *plan, const BasketData *basket, int32_t source, const Effect *sale
) noexcept nogil:
    if source >= 0:
        return &plan.campaigns[source].effect
    if source == ENTRY_SALE_PRICE:
        return sale
    return &basket.manuals[ENTRY_MANUAL - source].effect


cdef void sale_effect(const LineInput *given, Effect *effect) noexcept nogil:
    """The sale price of a line as the effect that it is."""
    effect.kind = EFFECT_NEW_PRICE_PER_ITEM
    effect.value = given.sale
    effect.cap = tc_rat_int(0)
    effect.rate = 0


cdef int reserve_entries(Work *work, int32_t count) noexcept nogil:
    cdef Entry *grown
    cdef int32_t capacity = work.entry_capacity
    if work.entry_count + count <= capacity:
        return 0
    while work.entry_count + count > capacity:
        capacity = 2 * capacity + 64
    grown = <Entry *>realloc(work.entries, capacity * sizeof(Entry))
    if grown == NULL:
        return 1
    work.entries = grown
    work.entry_capacity = capacity
    return 0


cdef int record(
    Work *work, const Effect *effect, int32_t source, int32_t index,
    int32_t start, int32_t hit, int32_t end, int64_t amount, bint allocated
) noexcept nogil:
    """Record that a discount took units start..end of a line and discounted hit..end of them.

    The caller has reserved the entry. Returns a status.
    """
    cdef Line *line = &work.lines[index]
    cdef Entry *entry = &work.entries[work.entry_count]
    cdef bint partial = end - hit != line.units
    amount = min(amount, line.remaining)
    entry.amount = amount
    entry.source = source
    entry.line = index
    entry.start = start
    entry.hit = hit
    entry.end = end
    entry.allocated = allocated
    work.entry_count += 1
    if not work.later:
        if partial and amount:
            line.flags |= LINE_MIXED
        line.remaining -= amount
        return STATUS_OK
    if amount and (partial or line.flags & LINE_RUNS):
        if discount_runs(work, line, effect, hit, end, amount, allocated):
            return STATUS_NO_MEMORY
        line.remaining -= amount
        settle_runs(work, line)
    else:
        line.remaining -= amount
    return STATUS_OK


cdef int fill_runs(
    Work *work, const PlanData *plan, const BasketData *basket, int32_t first_entry
) noexcept nogil:
    """After step 1: give every line whose units differ its runs. Returns a status."""
    cdef int32_t i
    cdef Entry *entry
    cdef Line *line
    cdef Effect sale
    for i in range(first_entry, work.entry_count):
        entry = &work.entries[i]
        line = &work.lines[entry.line]
        if not line.flags & LINE_MIXED or entry.amount == 0:
            continue
        sale_effect(&basket.lines[entry.line], &sale)
        if discount_runs(
            work, line, effect_of(plan, basket, entry.source, &sale),
            entry.hit, entry.end, entry.amount, entry.allocated,
        ):
            return STATUS_NO_MEMORY
    for i in range(first_entry, work.entry_count):
        line = &work.lines[work.entries[i].line]
        if line.flags & LINE_RUNS and line.flags & LINE_MIXED:
            line.flags &= ~LINE_MIXED
            settle_runs(work, line)
    return STATUS_OK
