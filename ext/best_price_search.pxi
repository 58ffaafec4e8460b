# The search: layers of states over the units in unit order, and the memory of a problem.

cdef int grow(
    void **memory, int32_t *capacity, int64_t count, size_t size
) noexcept nogil:
    """Room for `count` elements of a size, in steps. Returns 1 without memory."""
    cdef int64_t wanted = capacity[0]
    cdef void *grown
    if count <= wanted and memory[0] != NULL:
        return 0
    while wanted < count:
        wanted = 2 * wanted + 64
    grown = realloc(memory[0], <size_t>wanted * size)
    if grown == NULL:
        return 1
    memory[0] = grown
    capacity[0] = <int32_t>wanted
    return 0


cdef int resize(void **memory, size_t bytes) noexcept nogil:
    cdef void *grown = realloc(memory[0], bytes)
    if grown == NULL:
        return 1
    memory[0] = grown
    return 0


cdef int reserve_search(
    Search *search, int32_t units, int32_t options, int32_t offers
) noexcept nogil:
    """Make room for a problem, whose parts the caller fills in. Returns 1 without memory."""
    cdef size_t size = max(units, 64) + 1
    search.unit_count = units
    search.option_count = options
    search.offer_count = offers
    if units >= search.unit_capacity:
        if (
            resize(<void **>&search.units, size * sizeof(Unit))
            or resize(<void **>&search.choice, size * sizeof(int32_t))
            or resize(<void **>&search.prices, size * sizeof(int64_t))
            or resize(<void **>&search.best_prices, size * sizeof(int64_t))
            or resize(<void **>&search.price_sums, size * sizeof(int64_t))
            or resize(<void **>&search.uses, size * sizeof(int32_t))
            or resize(<void **>&search.rows, size * OFFERS_MAX * sizeof(int32_t))
            or resize(<void **>&search.parents, size * STATES_MAX * sizeof(int32_t))
            or resize(<void **>&search.choices, size * STATES_MAX * sizeof(int32_t))
        ):
            return 1
        search.unit_capacity = <int32_t>size
    if search.seen == NULL and (
        resize(<void **>&search.seen, PLACES_MAX * sizeof(int32_t))
        or resize(<void **>&search.digits, CODES_MAX * sizeof(int32_t))
        or resize(<void **>&search.states, STATES_MAX * sizeof(State))
    ):
        return 1
    return (
        grow(<void **>&search.options, &search.option_capacity, options, sizeof(Option))
        or grow(<void **>&search.offers, &search.offer_capacity, offers, sizeof(Offer))
    )


cdef void free_search(Search *search) noexcept nogil:
    free(search.units)
    free(search.options)
    free(search.offers)
    free(search.choice)
    free(search.prices)
    free(search.best_prices)
    free(search.price_sums)
    free(search.uses)
    free(search.steps)
    free(search.can_end)
    free(search.seen)
    free(search.digits)
    free(search.table)
    free(search.rows)
    free(search.states)
    free(search.layer)
    free(search.slots)
    free(search.stamps)
    free(search.parents)
    free(search.choices)


cdef int reserve_layer(Search *search, int32_t states) noexcept nogil:
    """Make room for the states that one layer can lead to, before the best are kept."""
    cdef int32_t capacity = search.slot_capacity
    if grow(<void **>&search.layer, &search.state_capacity, states, sizeof(State)):
        return 1
    while capacity < 2 * states:
        capacity = 2 * capacity if capacity else 1024
    if capacity == search.slot_capacity:
        return 0
    if (
        resize(<void **>&search.slots, <size_t>capacity * sizeof(int32_t))
        or resize(<void **>&search.stamps, <size_t>capacity * sizeof(int32_t))
    ):
        return 1
    memset(search.stamps, 0, <size_t>capacity * sizeof(int32_t))
    search.stamp = 0
    search.slot_capacity = capacity
    return 0


cdef inline uint64_t hash_of(const uint64_t *key, int32_t words) noexcept nogil:
    cdef int32_t i
    cdef uint64_t hashed = 0
    for i in range(words):
        hashed = (hashed ^ key[i]) * <uint64_t>0x9E3779B97F4A7C15
        hashed ^= hashed >> 29
    return hashed


cdef inline bint same_key(const uint64_t *a, const uint64_t *b, int32_t words) noexcept nogil:
    cdef int32_t i
    for i in range(words):
        if a[i] != b[i]:
            return False
    return True


cdef void keep_best(State *states, int32_t count, int32_t wanted) noexcept nogil:
    """Partition the states: the `wanted` of the highest bound come first, in any order."""
    cdef int32_t low = 0, high = count - 1, i, j
    cdef int64_t pivot
    cdef State held
    while low < high:
        pivot = states[low + (high - low) // 2].bound
        i = low
        j = high
        while i <= j:
            while states[i].bound > pivot:
                i += 1
            while states[j].bound < pivot:
                j -= 1
            if i <= j:
                held = states[i]
                states[i] = states[j]
                states[j] = held
                i += 1
                j -= 1
        if wanted - 1 <= j:
            high = j
        elif wanted - 1 >= i:
            low = i
        else:
            return


cdef inline int64_t rest_of(
    const Search *search, const Offer *offer, const int32_t *rows, int32_t index,
    const State *state
) noexcept nogil:
    """Return what an offer can still do, from the units of `rows` on, in this state."""
    cdef int64_t worth = search.table[rows[index] + code_of(offer, state)]
    if offer.cap >= 0 and offer.gain_word >= 0:
        return at_most(offer, worth, <int64_t>state.key[offer.gain_word])
    return at_most(offer, worth, 0)


cdef bint take_step(
    const Search *search, const Offer *offer, const Option *option, int64_t value,
    int32_t action, State *state
) noexcept nogil:
    """Let a state use a unit of this value. Returns whether it can."""
    cdef int32_t i, word, code = code_of(offer, state)
    cdef const Step *step = (
        search.steps + offer.first_step + code * offer.action_count + action
    )
    cdef int64_t sum, more
    if step.code < 0:
        return False
    state.key[offer.word] += (
        (<uint64_t>step.code << offer.shift) - (<uint64_t>code << offer.shift)
    )
    if step.flags & STEP_SPENDS and offer.spend_word >= 0:
        sum = <int64_t>state.key[offer.spend_word] + value
        state.key[offer.spend_word] = <uint64_t>min(sum, offer.spend)
    if offer.gain_word < 0:
        state.value += step.added
        if step.flags & STEP_GAINS:
            state.value += option.gain
        return True
    word = offer.gain_word
    if offer.pays_at_close:
        word += step.group
    sum = <int64_t>state.key[word]
    more = sum
    if step.flags & (STEP_GAINS | STEP_HOLDS):
        more = min(sum + option.gain, offer.cap if offer.cap >= 0 else offer.group_cap)
    state.key[word] = <uint64_t>more
    if not offer.pays_at_close:
        state.value += step.added + more - sum
        if step.flags & STEP_CLOSES:
            state.key[word] = 0
    elif step.flags & STEP_CLOSES:
        word = offer.gain_word
        state.value += <int64_t>state.key[word]
        for i in range(offer.open_max - 1):
            state.key[word + i] = state.key[word + i + 1]
        state.key[word + offer.open_max - 1] = 0
    return True


cdef void add_state(Search *search, const State *state, int32_t *count) noexcept nogil:
    """Add a state to the layer, unless one of its key has as much value."""
    cdef int32_t mask = search.slot_capacity - 1
    cdef int32_t at = <int32_t>(hash_of(state.key, search.words) & <uint64_t>mask)
    while search.stamps[at] == search.stamp:
        if same_key(search.layer[search.slots[at]].key, state.key, search.words):
            if state.value > search.layer[search.slots[at]].value:
                search.layer[search.slots[at]] = state[0]
            return
        at = (at + 1) & mask
    search.stamps[at] = search.stamp
    search.slots[at] = count[0]
    search.layer[count[0]] = state[0]
    count[0] += 1


cdef int expand(
    Search *search, int32_t unit, int32_t states, int64_t lower, int32_t *count
) noexcept nogil:
    """Let every state of a layer use the unit in every way. Returns 1 without memory."""
    cdef int32_t i, j, action, stuck, ways = 1
    cdef const Unit *of = &search.units[unit]
    cdef const int32_t *rows = search.rows + (unit + 1) * search.offer_count
    cdef const Option *option
    cdef const Offer *offer
    cdef int64_t rest, without, more
    cdef State next
    for i in range(of.option_count):
        ways += search.offers[search.options[of.options + i].offer].action_count
    if reserve_layer(search, states * ways):
        return 1
    search.stamp += 1
    count[0] = 0
    for i in range(states):
        rest = search.price_sums[unit + 1]
        stuck = -1               # the offer that cannot end unless it uses this unit
        for j in range(search.offer_count):
            without = rest_of(search, &search.offers[j], rows, j, &search.states[i])
            if without == NEVER:
                stuck = j if stuck == -1 else -2
            else:
                rest += without
        if stuck == -2:
            continue
        next = search.states[i]
        next.parent = i
        next.choice = -1
        next.value += of.base
        next.bound = next.value + rest
        if stuck == -1 and next.bound > lower:
            add_state(search, &next, count)
        for j in range(of.option_count):
            option = &search.options[of.options + j]
            offer = &search.offers[option.offer]
            without = rest
            if stuck == -1:
                without -= rest_of(search, offer, rows, option.offer, &search.states[i])
            elif stuck != option.offer:
                continue
            for action in range(offer.action_count):
                if not option.actions >> action & 1:
                    continue
                next = search.states[i]
                if not take_step(search, offer, option, of.value, action, &next):
                    continue
                more = rest_of(search, offer, rows, option.offer, &next)
                next.bound = next.value + without + more
                if more != NEVER and next.bound > lower:
                    next.parent = i
                    next.choice = (of.options + j) * SLOTS_MAX + action
                    add_state(search, &next, count)
    return 0


cdef bint is_complete(const Search *search, const State *state) noexcept nogil:
    """Whether every offer may end in this state."""
    cdef int32_t i, code
    cdef const Offer *offer
    for i in range(search.offer_count):
        offer = &search.offers[i]
        code = code_of(offer, state)
        if not search.can_end[offer.first_end + code]:
            return False
        if offer.spend_word >= 0 and code and (
            <int64_t>state.key[offer.spend_word] < offer.spend
        ):
            return False
    return True


cdef int search_layers(Search *search, int64_t lower) noexcept nogil:
    """Search a choice above the lower bound, layer by layer. Returns 1 without memory."""
    cdef int32_t unit, i, kept = 1, count = 0, last = -1
    cdef int64_t dropped = lower
    memset(&search.states[0], 0, sizeof(State))
    for unit in range(search.unit_count):
        if expand(search, unit, kept, lower, &count):
            return 1
        kept = min(count, STATES_MAX)
        if count > kept:
            keep_best(search.layer, count, kept)
            for i in range(kept, count):
                dropped = max(dropped, search.layer[i].bound)
        memcpy(search.states, search.layer, <size_t>kept * sizeof(State))
        for i in range(kept):
            search.parents[unit * STATES_MAX + i] = search.states[i].parent
            search.choices[unit * STATES_MAX + i] = search.states[i].choice
    search.best = lower
    for i in range(kept):
        if search.states[i].value > search.best and is_complete(search, &search.states[i]):
            search.best = search.states[i].value
            last = i
    search.found = last >= 0
    search.upper = min(search.upper, max(search.best, dropped))
    if search.found:
        for unit in range(search.unit_count - 1, -1, -1):
            search.choice[unit] = search.choices[unit * STATES_MAX + last]
            last = search.parents[unit * STATES_MAX + last]
    return 0


cdef int solve(Search *search, int64_t lower) noexcept nogil:
    """Search a choice that is worth more than `lower`. Returns 1 without memory."""
    search.best = lower
    search.upper = lower
    search.found = False
    if build_codes(search):
        return 1
    place_rows(search)
    search.upper = max(lower, improve_prices(search, lower))
    if search.upper == lower:
        return 0
    return search_layers(search, lower)
