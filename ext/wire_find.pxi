# Finding texts in the tables of a hot plan, and which campaigns the conditions rule out.

cdef inline uint64_t hash_of(uint64_t seed, const Text *text) noexcept nogil:
    """Return a hash of a text; other seeds give other collisions."""
    return tc_hash(&secrets, seed, text.data, text.size)


cdef inline bint is_same(const Text *one, const Text *other) noexcept nogil:
    return one.size == other.size and (
        one.size == 0 or memcmp(one.data, other.data, one.size) == 0
    )


cdef int32_t find_word(const Word *words, uint64_t mask, const Text *text) noexcept nogil:
    """Return the number of a word, 0 when it is none."""
    cdef uint64_t hash = hash_of(secrets.seed, text)
    cdef uint64_t at = hash & mask
    while words[at].number:
        if words[at].hash == hash and is_same(&words[at].text, text):
            return words[at].number
        at = (at + 1) & mask
    return 0


cdef int32_t find_article(
    const HotData *hot, const Text *id, const Text *variant_id
) noexcept nogil:
    """Return the number of an article, -1 when there is none."""
    cdef uint64_t hash = hash_of(hash_of(secrets.seed, id), variant_id)
    cdef uint64_t at = hash & hot.article_mask
    while hot.articles[at].row_count:
        if (
            hot.articles[at].hash == hash
            and is_same(&hot.articles[at].id, id)
            and is_same(&hot.articles[at].variant_id, variant_id)
        ):
            return <int32_t>at
        at = (at + 1) & hot.article_mask
    return -1


cdef enum:
    NO_PURCHASE_TYPE = -1
    OTHER_PURCHASE_TYPE = -2  # one that the plan does not know


cdef int32_t find_purchase_type(const HotData *hot, const Text *id) noexcept nogil:
    cdef int32_t i
    if id.size == 0:
        return NO_PURCHASE_TYPE
    for i in range(hot.purchase_type_count):
        if is_same(&hot.purchase_types[i].id, id):
            return i
    return OTHER_PURCHASE_TYPE


cdef bint has_number(const int32_t *numbers, int32_t count, int32_t wanted) noexcept nogil:
    """Whether an ascending list has a number."""
    cdef int32_t low = 0, high = count, middle
    while low < high:
        middle = (low + high) // 2
        if numbers[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low < count and numbers[low] == wanted


cdef int meet_words(
    const HotData *hot, Met *met, const Text *texts, int32_t text_count
) noexcept nogil:
    """Find the words among texts, once for all gates. Returns 1 without memory."""
    cdef int32_t i, number
    cdef uint64_t bit
    cdef uint64_t *marks
    cdef size_t mark_count = <size_t>hot.word_count // 64 + 1
    met.count = 0
    if text_count == 0:
        return 0
    if make_room(
        <void **>&met.numbers, &met.number_capacity, <size_t>text_count, sizeof(int32_t)
    ) or make_room(<void **>&met.marks, &met.mark_capacity, mark_count, sizeof(uint64_t)):
        return 1
    memset(met.marks, 0, mark_count * sizeof(uint64_t))
    for i in range(text_count):
        number = find_word(hot.words, hot.word_mask, &texts[i])
        marks = &met.marks[number // 64]
        bit = <uint64_t>1 << (number % 64)
        if number and not marks[0] & bit:
            marks[0] |= bit
            met.numbers[met.count] = number
            met.count += 1
    return 0


cdef bint has_met(const Met *met, const int32_t *numbers, int32_t count) noexcept nogil:
    """Whether a basket has a word of an ascending list; the shorter of both is gone through."""
    cdef int32_t i
    if met.count < count:
        for i in range(met.count):
            if has_number(numbers, count, met.numbers[i]):
                return True
    elif met.count:
        for i in range(count):
            if met.marks[numbers[i] // 64] >> (numbers[i] % 64) & 1:
                return True
    return False


cdef int minute_of_week(const HotData *hot, int64_t moment, int32_t *minute) noexcept nogil:
    """Find the local minute of the week (engine.zones). Returns 1 at the end of 64 bits."""
    cdef int32_t low = 0, high = hot.clock_count, middle
    cdef int64_t local, minutes
    while low < high:
        middle = (low + high) // 2
        if hot.clock_instants[middle] <= moment:
            low = middle + 1
        else:
            high = middle
    if tc_add(moment, hot.clock_offsets[low - 1 if low else 0], &local):
        return 1
    minutes = local // NS_PER_MINUTE
    if local % NS_PER_MINUTE < 0:
        minutes -= 1
    minutes = (minutes + EPOCH_MINUTE_OF_WEEK) % WEEK_MINUTES
    minute[0] = <int32_t>(minutes + WEEK_MINUTES if minutes < 0 else minutes)
    return 0


cdef bint is_open_at(const int32_t *minutes, int32_t count, int32_t minute) noexcept nogil:
    cdef int32_t low = 0, high = count, middle
    while low < high:
        middle = (low + high) // 2
        if minutes[middle] <= minute:
            low = middle + 1
        else:
            high = middle
    return low % 2 == 1


cdef bint is_met(
    const HotData *hot, const Workspace *space, const Gate *gate, int32_t minute, int32_t shop,
    int32_t customer
) noexcept nogil:
    """Whether a basket meets the conditions of a gate (engine.gates).

    Shop and customer are numbers of words, 0 for none; no list has 0.
    """
    if gate.shop_count and not has_number(hot.numbers + gate.shops, gate.shop_count, shop):
        return False
    if gate.needs_customer and not space.given.has_customer:
        return False
    if gate.customer_count and not has_number(
        hot.numbers + gate.customers, gate.customer_count, customer
    ):
        return False
    if gate.group_count and not has_met(
        &space.met_groups, hot.numbers + gate.groups, gate.group_count
    ):
        return False
    if gate.coupon_count and not has_met(
        &space.met_coupons, hot.numbers + gate.coupons, gate.coupon_count
    ):
        return False
    return gate.minute_count == 0 or is_open_at(
        hot.numbers + gate.minutes, gate.minute_count, minute
    )


cdef int block_gated(const HotData *hot, Workspace *space) noexcept nogil:
    """Fill the bytes of the campaigns whose conditions a basket does not meet."""
    cdef int32_t i, minute = 0, shop = 0, customer = 0
    cdef const Given *given = &space.given
    if hot.clock_count and minute_of_week(hot, space.basket.moment, &minute):
        return 1
    if meet_words(hot, &space.met_coupons, space.coupons, given.coupon_count):
        return 1
    if meet_words(hot, &space.met_groups, space.groups, given.group_count):
        return 1
    if given.shop.size:
        shop = find_word(hot.words, hot.word_mask, &given.shop)
    if given.has_customer:
        customer = find_word(hot.words, hot.word_mask, &given.customer.identifier)
    for i in range(hot.gate_count):
        if not is_met(hot, space, &hot.gates[i], minute, shop, customer):
            space.blocked[hot.gates[i].campaign] = 1
    return 0


cdef int block_campaigns(const HotData *hot, Workspace *space) noexcept nogil:
    """Fill a byte for each campaign that the conditions or the basket rule out."""
    cdef int32_t i, number
    cdef size_t count = <size_t>hot.plan.campaign_count
    space.basket.blocked = NULL
    if hot.gate_count == 0 and space.given.disabled_count == 0:
        return 0
    if make_room(<void **>&space.blocked, &space.blocked_capacity, count, 1):
        return 1
    memset(space.blocked, 0, count)
    space.basket.blocked = space.blocked
    if block_gated(hot, space):
        return 1
    for i in range(space.given.disabled_count):
        number = find_word(hot.campaign_ids, hot.campaign_mask, &space.disabled[i])
        if number:
            space.blocked[number - 1] = 1
    return 0
