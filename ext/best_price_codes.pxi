# The codes of an offer: how far its open groups are, and what one unit more adds.

cdef struct Place:               # the digits of a code
    int32_t digit[SLOTS_MAX + 1]


cdef inline int64_t floor_share(int64_t amount, int32_t parts) noexcept nogil:
    """Return amount / parts rounded down, for either sign."""
    cdef int64_t share = amount // parts
    return share - 1 if share * parts > amount else share


cdef inline int64_t nth_share(int64_t amount, int32_t parts, int32_t n) noexcept nogil:
    """Return part n of an amount that is shared evenly: the last one takes the rest."""
    cdef int64_t share = floor_share(amount, parts)
    return amount - share * (parts - 1) if n == parts - 1 else share


cdef int64_t slot_share(const Offer *offer, int32_t slot) noexcept nogil:
    """Return a slot's part of the price of a group, by the dearest unit that fits it."""
    cdef int32_t i
    cdef int64_t share, total = 0, given = 0
    for i in range(offer.slot_count):
        total += offer.dearest[i] + 1
    for i in range(offer.slot_count):
        if i == offer.slot_count - 1:
            return offer.group_price - given
        if tc_muldiv(offer.group_price, offer.dearest[i] + 1, total, 1, TC_DOWN, &share):
            share = 0
        if i == slot:
            return share
        given += share
    return 0


cdef int32_t group_size(const Offer *offer) noexcept nogil:
    cdef int32_t slot, size = 0
    for slot in range(offer.slot_count):
        size += offer.counts[slot]
    return size


cdef int32_t groups_in_supply(const Offer *offer) noexcept nogil:
    """Return how many groups the units suffice for, if none went to two slots."""
    cdef int32_t slot, most, groups = UNITS_MAX
    for slot in range(offer.slot_count):
        if offer.hits_of == HITS_OWN and slot == offer.slot_count - 1:
            most = (offer.supply[slot] + offer.counts[slot] - 1) // offer.counts[slot]
            groups = min(groups, most)
        else:
            groups = min(groups, offer.supply[slot] // offer.counts[slot])
    return groups


cdef void group_step(
    const Offer *offer, const Place *place, int32_t slot, Place *target, Step *step,
    bint counts_groups,
) noexcept nogil:
    """Work out one unit more in a slot of complete groups; the code is filled in by the caller."""
    cdef int32_t i, n, first, present = 0, size = group_size(offer), own = offer.slot_count - 1
    cdef bint is_hit, is_complete = True
    n = place.digit[slot] // offer.counts[slot]
    step.group = <int16_t>n
    first = place.digit[slot] % offer.counts[slot]
    for i in range(offer.slot_count):
        present += max(0, min(place.digit[i] - n * offer.counts[i], offer.counts[i]))
    step.added = 0
    step.flags = 0
    if offer.hits_of == HITS_OWN:
        is_hit = slot == own
        if is_hit and first == 0:
            step.added = -offer.group_price
        if is_hit and first == offer.counts[own] - 1 and offer.cuts_parts:
            step.flags |= STEP_CLOSES
    elif offer.hits_of == HITS_ALL:
        is_hit = True
        step.added = -nth_share(slot_share(offer, slot), offer.counts[slot], first)
    else:
        n = present - (size - offer.hits) if offer.hits_of == HITS_CHEAPEST else present
        is_hit = 0 <= n < offer.hits
        if is_hit:
            step.added = -nth_share(offer.group_price, offer.hits, n)
    if is_hit:
        step.flags |= STEP_HOLDS if offer.pays_at_close else STEP_GAINS
    target[0] = place[0]
    target.digit[slot] += 1
    for i in range(offer.slot_count):
        is_complete &= target.digit[i] >= offer.counts[i]
    if is_complete:
        for i in range(offer.slot_count):
            target.digit[i] -= offer.counts[i]
        if counts_groups:
            target.digit[offer.slot_count] += 1
        if offer.pays_at_close:
            step.flags |= STEP_CLOSES
            step.added = offer.group_cap


cdef bint group_may_end(const Offer *offer, const Place *place) noexcept nogil:
    """Whether no group is open; the last one may hold fewer units of the own selector."""
    cdef int32_t i, own = offer.slot_count - 1
    cdef bint is_empty = True, is_short = offer.hits_of == HITS_OWN
    for i in range(offer.slot_count):
        is_empty &= place.digit[i] == 0
        if i == own:
            is_short &= place.digit[i] > 0
        else:
            is_short &= place.digit[i] == offer.counts[i]
    return is_empty or is_short


cdef bint set_step(
    const Offer *offer, const Place *place, int32_t action, Place *target, Step *step,
    int32_t most, bint marks_first,
) noexcept nogil:
    """Work out one unit more of one group of all units. Returns whether it may join.

    Digit 0 counts the triggering units, digit 1 the hits, as far as either matters.
    """
    cdef int32_t hits = place.digit[1]
    cdef bint has_limit = offer.hits > 0, is_hit = action != ACTION_TRIGGER
    step.added = 0
    step.flags = 0
    step.group = 0
    if has_limit and is_hit and hits == offer.hits:
        if action == ACTION_TARGET or offer.hits_of == HITS_CHEAPEST:
            return False
        is_hit = False
    # The cheapest stand last: after the first hit every unit is one.
    if offer.hits_of == HITS_CHEAPEST and not is_hit and hits:
        return False
    target[0] = place[0]
    if action != ACTION_TARGET:
        target.digit[0] = min(place.digit[0] + 1, offer.counts[0])
        if offer.spend >= 0:
            step.flags |= STEP_SPENDS
    if is_hit:
        step.flags |= STEP_GAINS
        if marks_first and hits == 0:
            step.added = -offer.group_price
        target.digit[1] = min(hits + 1, most)
    return True


cdef int32_t number_of(Search *search, int32_t place, int32_t *end) noexcept nogil:
    """Return the code of a place, the next number when it is new; -1 when there is no more room."""
    if search.seen[place] < 0 and end[0] < CODES_MAX:
        search.seen[place] = end[0]
        search.digits[end[0]] = place
        end[0] += 1
    return search.seen[place]


cdef int number_codes(Search *search, Offer *offer) noexcept nogil:
    """Number the codes that units can reach, from 0, and fill in the steps between them.

    Returns 1 without memory, -1 when there are too many codes.
    """
    cdef int32_t radix[SLOTS_MAX + 1]
    cdef int32_t i, code, action, most = 0, digit_count, end = 1
    cdef int64_t places = 1
    cdef bint marks_first = False, joins, counts_groups = False
    cdef Place place, target
    cdef Step step
    offer.action_count = offer.slot_count if offer.in_groups else 3
    offer.code_count = CODES_MAX
    if reserve_codes(search, offer):
        return 1
    if offer.in_groups:
        digit_count = offer.slot_count
        most = groups_in_supply(offer)
        counts_groups = offer.groups_max < most
        most = min(most, offer.groups_max)
        offer.open_max = most if offer.slot_count > 1 else 1
        for i in range(digit_count):
            radix[i] = min(offer.supply[i], most * offer.counts[i]) + 1
        if counts_groups:
            radix[digit_count] = most + 1
            digit_count += 1
    else:
        digit_count = 2
        marks_first = offer.group_price != 0
        most = offer.hits if offer.hits else marks_first or offer.hits_of == HITS_OWN
        radix[0] = offer.counts[0] + 1
        radix[1] = most + 1
    for i in range(digit_count):
        places *= radix[i]
        if places > PLACES_MAX:
            return -1
    memset(search.seen, 255, <size_t>places * sizeof(int32_t))    # -1 everywhere
    memset(&place, 0, sizeof(Place))
    search.seen[0] = 0
    search.digits[0] = 0
    code = 0
    while code < end:
        read_place(&place, search.digits[code], radix, digit_count)
        for action in range(offer.action_count):
            if offer.in_groups:
                joins = place.digit[action] + 1 < radix[action]
                if counts_groups:
                    i = most - place.digit[offer.slot_count]
                    joins = joins and place.digit[action] < i * offer.counts[action]
                if joins:
                    group_step(offer, &place, action, &target, &step, counts_groups)
            else:
                joins = set_step(offer, &place, action, &target, &step, most, marks_first)
            step.code = -1
            if joins:
                step.code = number_of(search, place_of(&target, radix, digit_count), &end)
                if step.code < 0:
                    return -1
            search.steps[offer.first_step + code * offer.action_count + action] = step
        if offer.in_groups:
            joins = group_may_end(offer, &place)
        else:
            joins = code == 0 or place.digit[0] == offer.counts[0]
        search.can_end[offer.first_end + code] = joins
        code += 1
    offer.code_count = end
    return 0


cdef inline void read_place(
    Place *place, int32_t number, const int32_t *radix, int32_t count
) noexcept nogil:
    cdef int32_t i
    for i in range(count):
        place.digit[i] = number % radix[i]
        number //= radix[i]


cdef inline int32_t place_of(
    const Place *place, const int32_t *radix, int32_t count
) noexcept nogil:
    cdef int32_t i, number = 0
    for i in range(count - 1, -1, -1):
        number = number * radix[i] + place.digit[i]
    return number


cdef void use_one_code(Search *search, Offer *offer) noexcept nogil:
    """Forget how far groups are: a bound on every unit by itself, and no exact worth."""
    cdef int32_t action
    cdef Step *step
    offer.is_exact = False
    offer.pays_at_close = False
    offer.cuts_parts = False
    offer.code_count = 1
    search.can_end[offer.first_end] = True
    for action in range(offer.action_count):
        step = &search.steps[offer.first_step + action]
        step.code = 0
        step.added = 0
        step.group = 0
        step.flags = STEP_GAINS
        if not offer.in_groups:
            if action == ACTION_TRIGGER:
                step.flags = 0
            if action != ACTION_TARGET and offer.spend >= 0:
                step.flags |= STEP_SPENDS
        elif offer.hits_of == HITS_OWN:
            step.flags = STEP_GAINS if action == offer.slot_count - 1 else 0
            if step.flags:
                step.added = -floor_share(offer.group_price, offer.counts[action])
        elif offer.hits_of == HITS_ALL:
            step.added = -floor_share(slot_share(offer, action), offer.counts[action])
        else:
            step.added = -floor_share(offer.group_price, offer.hits)


cdef int64_t least_value(Search *search, int32_t index, int32_t count) noexcept nogil:
    """Return what the `count` units of the offer of least value are worth together."""
    cdef int64_t least[UNITS_MAX]
    cdef int64_t total = 0
    cdef int32_t i, j, held = 0
    for i in range(search.option_count):
        if search.options[i].offer != index:
            continue
        j = held
        held += 1
        while j > 0 and least[j - 1] > search.options[i].gain:
            least[j] = least[j - 1]
            j -= 1
        least[j] = search.options[i].gain
    for i in range(min(count, held)):
        total += least[i]
    return total


cdef void cut_gains(Search *search, int32_t index, int64_t most) noexcept nogil:
    cdef int32_t i
    for i in range(search.option_count):
        if search.options[i].offer == index:
            search.options[i].gain = min(search.options[i].gain, most)


cdef void clear_gains(Search *search, int32_t index) noexcept nogil:
    cdef int32_t i
    for i in range(search.option_count):
        if search.options[i].offer == index:
            search.options[i].gain = 0


cdef void settle_amount(Search *search, int32_t index) noexcept nogil:
    """Find the form in which min(amount, value of a group's hits) is additive."""
    cdef Offer *offer = &search.offers[index]
    cdef int32_t sure = 1            # hits that a group has at least
    if offer.in_groups and offer.hits_of != HITS_OWN:
        sure = offer.hits if offer.hits else group_size(offer)
    if least_value(search, index, sure) >= offer.amount:
        offer.group_price = -offer.amount
        clear_gains(search, index)
        return
    cut_gains(search, index, offer.amount)
    offer.form = FORM_EACH
    if not offer.in_groups:
        offer.cap = offer.amount
    elif offer.hits_of == HITS_OWN:
        offer.cuts_parts = offer.counts[offer.slot_count - 1] > 1
        offer.group_cap = offer.amount
    elif sure > 1:
        offer.pays_at_close = True
        offer.group_cap = min(offer.amount, dearest_group(offer))


cdef int64_t dearest_group(const Offer *offer) noexcept nogil:
    """Return what the hits of a group are worth at most."""
    cdef int32_t slot
    cdef int64_t total = 0, dearest = 0
    for slot in range(offer.slot_count):
        total += min(offer.counts[slot], offer.supply[slot]) * offer.dearest[slot]
        dearest = max(dearest, offer.dearest[slot])
    return min(total, min(offer.hits, offer.unit_count) * dearest) if offer.hits else total


cdef void settle_form(Search *search, int32_t index) noexcept nogil:
    """Work out supplies and the form of an offer's worth."""
    cdef Offer *offer = &search.offers[index]
    cdef Option *option
    cdef int32_t i, slot
    cdef int64_t total = 0
    offer.is_exact = True
    offer.pays_at_close = False
    offer.cuts_parts = False
    offer.group_price = 0
    offer.group_cap = -1
    offer.unit_count = 0
    for slot in range(SLOTS_MAX):
        offer.supply[slot] = 0
        offer.dearest[slot] = 0
    for i in range(search.option_count):
        option = &search.options[i]
        if option.offer != index:
            continue
        offer.unit_count += 1
        total += option.gain
        for slot in range(SLOTS_MAX):
            if option.actions >> slot & 1:
                offer.supply[slot] += 1
                offer.dearest[slot] = max(offer.dearest[slot], option.gain)
    if not offer.in_groups and offer.hits >= offer.unit_count:
        offer.hits = 0
    if offer.form == FORM_PRICE:
        offer.group_price = min(offer.amount, total + 1)
    elif offer.form == FORM_AMOUNT:
        offer.amount = min(offer.amount, total + 1)
        settle_amount(search, index)
    if offer.form == FORM_EACH and offer.cap >= total:
        offer.cap = -1
    if not offer.in_groups and offer.hits == 0 and offer.hits_of == HITS_CHEAPEST:
        offer.hits_of = HITS_ALL


cdef int reserve_codes(Search *search, Offer *offer) noexcept nogil:
    """Make room for the steps of the offer's codes after those of the offers before it."""
    return (
        grow(
            <void **>&search.steps, &search.step_capacity,
            offer.first_step + offer.code_count * max(offer.action_count, 3), sizeof(Step),
        )
        or grow(
            <void **>&search.can_end, &search.end_capacity,
            offer.first_end + offer.code_count, sizeof(uint8_t),
        )
    )


cdef int32_t bits_of(const Offer *offer) noexcept nogil:
    """Return how many bits a code of the offer takes."""
    cdef int32_t bits = 0
    while 1 << bits < offer.code_count:
        bits += 1
    return bits


cdef int build_codes(Search *search) noexcept nogil:
    """Give every offer its codes, and their places in the key. Returns 1 without memory."""
    cdef int32_t i, status, bits, step = 0, end = 0, shift = 0, word = 0
    cdef int64_t entries = 0, rows
    cdef Offer *offer
    for i in range(search.offer_count):
        offer = &search.offers[i]
        settle_form(search, i)
        offer.first_step = step
        offer.first_end = end
        rows = offer.unit_count + 1
        status = number_codes(search, offer)
        if status > 0:
            return 1
        if status < 0 or entries + rows * offer.code_count > TABLE_MAX or (
            shift + bits_of(offer) > 64 and word + 1 == KEY_WORDS
        ):
            use_one_code(search, offer)
        bits = bits_of(offer)
        if shift + bits > 64:
            shift = 0
            word += 1
        offer.word = word
        offer.shift = shift if bits else 0
        offer.mask = (<uint64_t>1 << bits) - 1
        offer.table = <int32_t>entries
        shift += bits
        entries += rows * offer.code_count
        step += offer.code_count * offer.action_count
        end += offer.code_count
    place_sums(search, word + 1)
    return grow(
        <void **>&search.table, &search.table_capacity, <int32_t>entries, sizeof(int64_t)
    )


cdef void place_sums(Search *search, int32_t word) noexcept nogil:
    """Give the sums the words of the key that codes left over."""
    cdef int32_t i, wanted
    cdef Offer *offer
    for i in range(search.offer_count):
        offer = &search.offers[i]
        offer.gain_word = -1
        offer.spend_word = -1
        if offer.cap >= 0 or offer.pays_at_close or offer.cuts_parts:
            wanted = offer.open_max if offer.pays_at_close else 1
            if word + wanted <= KEY_WORDS:
                offer.gain_word = word
                word += wanted
            else:
                offer.is_exact = False
        if offer.spend >= 0:
            if word < KEY_WORDS:
                offer.spend_word = word
                word += 1
            else:
                offer.is_exact = False
    search.words = word
