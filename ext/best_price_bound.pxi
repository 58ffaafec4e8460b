# The bound: with a price for each unit, the offers fall apart (Lagrangian relaxation).

cdef inline int32_t code_of(const Offer *offer, const State *state) noexcept nogil:
    return <int32_t>(state.key[offer.word] >> offer.shift & offer.mask)


cdef void place_rows(Search *search) noexcept nogil:
    """Find for each unit and offer the table row of the units from there on."""
    cdef int32_t unit, i, index, row
    cdef int32_t *rows
    cdef Offer *offer
    for index in range(search.offer_count):
        offer = &search.offers[index]
        search.rows[search.unit_count * search.offer_count + index] = (
            offer.table + offer.unit_count * offer.code_count
        )
    for unit in range(search.unit_count - 1, -1, -1):
        rows = search.rows + unit * search.offer_count
        for index in range(search.offer_count):
            rows[index] = rows[search.offer_count + index]
        for i in range(search.units[unit].option_count):
            index = search.options[search.units[unit].options + i].offer
            rows[index] -= search.offers[index].code_count


cdef void fill_row(
    const Search *search, const Offer *offer, const Option *option, int64_t price,
    int64_t *row, const int64_t *later
) noexcept nogil:
    """Work out the best of an offer from one unit on, by code: to pass it over, or to use it."""
    cdef int32_t code, action
    cdef int64_t best, worth
    cdef const Step *step = search.steps + offer.first_step
    for code in range(offer.code_count):
        best = later[code]
        for action in range(offer.action_count):
            if option.actions >> action & 1 and step.code >= 0 and later[step.code] > NEVER:
                worth = step.added - price + later[step.code]
                if step.flags & STEP_GAINS:
                    worth += option.gain
                best = max(best, worth)
            step += 1
        row[code] = best


cdef void note_uses(Search *search, int32_t index) noexcept nogil:
    """Count the units that one best way of an offer uses, under the present prices."""
    cdef int32_t unit, i, action, code = 0
    cdef int64_t worth
    cdef const Offer *offer = &search.offers[index]
    cdef const Option *option
    cdef const Step *step
    cdef const int64_t *row
    cdef const int64_t *later
    for unit in range(search.unit_count):
        row = search.table + search.rows[unit * search.offer_count + index]
        later = search.table + search.rows[(unit + 1) * search.offer_count + index]
        if row == later or row[code] == later[code]:
            continue
        option = search.options + search.units[unit].options
        for i in range(search.units[unit].option_count):
            if option.offer == index:
                break
            option += 1
        for action in range(offer.action_count):
            step = search.steps + offer.first_step + code * offer.action_count + action
            if not option.actions >> action & 1 or step.code < 0 or later[step.code] == NEVER:
                continue
            worth = step.added - search.prices[unit] + later[step.code]
            if step.flags & STEP_GAINS:
                worth += option.gain
            if worth == row[code]:
                search.uses[unit] += 1
                code = step.code
                break


cdef int64_t fill_tables(Search *search) noexcept nogil:
    """Fill the tables under the present prices; return the bound of all units."""
    cdef int32_t unit, i, index, row
    cdef int64_t root
    cdef const Option *option
    cdef Offer *offer
    search.price_sums[search.unit_count] = 0
    for unit in range(search.unit_count - 1, -1, -1):
        search.price_sums[unit] = search.price_sums[unit + 1] + search.prices[unit]
        search.uses[unit] = 0
    for index in range(search.offer_count):
        offer = &search.offers[index]
        row = search.rows[search.unit_count * search.offer_count + index]
        for i in range(offer.code_count):
            search.table[row + i] = 0 if search.can_end[offer.first_end + i] else NEVER
    for unit in range(search.unit_count - 1, -1, -1):
        for i in range(search.units[unit].option_count):
            option = search.options + search.units[unit].options + i
            index = option.offer
            fill_row(
                search, &search.offers[index], option, search.prices[unit],
                search.table + search.rows[unit * search.offer_count + index],
                search.table + search.rows[(unit + 1) * search.offer_count + index],
            )
    root = search.price_sums[0]
    for index in range(search.offer_count):
        offer = &search.offers[index]
        root += at_most(offer, search.table[offer.table], 0)
        note_uses(search, index)
    return root


cdef inline int64_t at_most(const Offer *offer, int64_t worth, int64_t sum) noexcept nogil:
    """Return what an offer can still do when it has given `sum` already."""
    return min(worth, offer.cap - sum) if offer.cap >= 0 else worth


cdef int64_t value_end(int64_t units, int64_t offers) noexcept nogil:
    """Return what the values of all units stay below, so that no sum of the bound overflows.

    Prices are at most that, the worth of an offer is not below minus the prices of all units, and
    the worths of all offers are added up.
    """
    return (<int64_t>1 << 61) // ((units + 1) * (offers + 2))


cdef int64_t improve_prices(Search *search, int64_t lower) noexcept nogil:
    """Lower the bound by subgradient steps; leave the best tables and return their bound.

    A step is worth (bound - lower) x pace / 1000 / (sum of squares): the pace starts at 1.2 and
    falls by 0.6 whenever three steps in a row were none better.
    """
    cdef int32_t unit, excess, step, failures = 0, steps = PRICE_STEPS_MAX
    cdef int64_t root, best, squares, by = 0, pace = 1200, entries = 1
    cdef size_t size = <size_t>search.unit_count * sizeof(int64_t)
    search.value = 0
    for unit in range(search.unit_count):
        search.prices[unit] = search.units[unit].base
        search.value += search.units[unit].value
    for unit in range(search.offer_count):
        entries += (
            search.offers[unit].unit_count * search.offers[unit].code_count
            * search.offers[unit].action_count
        )
    steps = <int32_t>min(<int64_t>PRICE_STEPS_MAX, PRICE_WORK_MAX // entries)
    root = fill_tables(search)
    best = root
    memcpy(search.best_prices, search.prices, size)
    for step in range(steps):
        if best <= lower:
            break
        squares = 0
        for unit in range(search.unit_count):
            excess = search.uses[unit] - 1
            if excess > 0 or (excess < 0 and search.prices[unit] > search.units[unit].base):
                squares += excess * excess
        if squares == 0:
            break
        if tc_muldiv(root - lower, pace, squares, 1000, TC_DOWN, &by):
            break
        for unit in range(search.unit_count):
            excess = search.uses[unit] - 1
            search.prices[unit] = min(
                search.value,
                max(search.units[unit].base, search.prices[unit] + (by + 1) * excess),
            )
        root = fill_tables(search)
        if root < best:
            best = root
            failures = 0
            memcpy(search.best_prices, search.prices, size)
        else:
            failures += 1
            if failures == 3:
                pace = pace * 3 // 5
                failures = 0
    if root != best:
        memcpy(search.prices, search.best_prices, size)
        best = fill_tables(search)
    return best
