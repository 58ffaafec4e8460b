# The tables of a hot plan, which engine.rpc.hot_plans brings, copied into structs. Texts are pairs
# of start and size in the bytes that come with them.

cdef int take(void **memory, Py_ssize_t count, size_t size) except -1:
    """Allocate zeroed room for a table; at least one entry."""
    memory[0] = calloc(<size_t>max(count, 1), size)
    if memory[0] == NULL:
        raise MemoryError
    return 0


cdef int set_text(
    Text *text, bytes blob, const int64_t[:, ::1] table, Py_ssize_t i, int j
) except -1:
    """Point a text into the bytes."""
    cdef int64_t start = table[i, j], size = table[i, j + 1]
    if not 0 <= start <= start + size <= len(blob):
        raise ValueError("expected a text within the bytes")
    text.data = <const uint8_t *><const char *>blob + start
    text.size = <size_t>size
    return 0


cdef uint64_t slots_for(Py_ssize_t count) noexcept:
    """Return how many slots a hash table of so many entries has: half of them stay free."""
    cdef uint64_t slots = 2
    while slots < 2 * <uint64_t>count:
        slots *= 2
    return slots


cdef int fill_words(
    Word **words, uint64_t *mask, bytes blob, const int64_t[:, ::1] table
) except -1:
    """Make a hash table of texts, which are numbered from 1."""
    cdef Py_ssize_t i
    cdef uint64_t at, hash
    cdef Text text
    cdef uint64_t slots = slots_for(table.shape[0])
    take(<void **>words, <Py_ssize_t>slots, sizeof(Word))
    mask[0] = slots - 1
    for i in range(table.shape[0]):
        set_text(&text, blob, table, i, 0)
        hash = hash_of(secrets.seed, &text)
        at = hash & mask[0]
        while words[0][at].number:
            at = (at + 1) & mask[0]
        words[0][at].hash = hash
        words[0][at].text = text
        words[0][at].number = <int32_t>i + 1
    return 0


cdef int fill_articles(HotData *data, bytes blob, const int64_t[:, ::1] table) except -1:
    """Make the hash table of articles: id, variant, head, tail, rows, bundles, deposits."""
    cdef Py_ssize_t i
    cdef uint64_t at
    cdef Article article
    cdef uint64_t slots = slots_for(table.shape[0])
    take(<void **>&data.articles, <Py_ssize_t>slots, sizeof(Article))
    data.article_mask = slots - 1
    for i in range(table.shape[0]):
        set_text(&article.id, blob, table, i, 0)
        set_text(&article.variant_id, blob, table, i, 2)
        set_text(&article.head, blob, table, i, 4)
        set_text(&article.tail, blob, table, i, 6)
        article.rows = <int32_t>table[i, 8]
        article.row_count = <int32_t>table[i, 9]
        article.bundles = <int32_t>table[i, 10]
        article.bundle_count = <int32_t>table[i, 11]
        article.deposits = <int32_t>table[i, 12]
        article.deposit_count = <int32_t>table[i, 13]
        article.hash = hash_of(hash_of(secrets.seed, &article.id), &article.variant_id)
        at = article.hash & data.article_mask
        while data.articles[at].row_count:
            at = (at + 1) & data.article_mask
        data.articles[at] = article
    return 0


cdef int fill_deposits(HotData *data, bytes blob, const int64_t[:, ::1] table) except -1:
    """Copy deposits: rule, behaviour, head, tail, price, price_minor, tax lists (of the exempt)."""
    cdef Py_ssize_t i
    cdef Deposit *deposit
    take(<void **>&data.deposits, table.shape[0], sizeof(Deposit))
    for i in range(table.shape[0]):
        deposit = &data.deposits[i]
        if not 0 <= max(table[i, 10], table[i, 11]) < data.plan.tax_set_count:
            raise ValueError("expected tax lists of the plan")
        set_text(&deposit.rule_id, blob, table, i, 0)
        set_text(&deposit.behavior, blob, table, i, 2)
        set_text(&deposit.head, blob, table, i, 4)
        set_text(&deposit.tail, blob, table, i, 6)
        deposit.price = table[i, 8]
        deposit.price_minor = table[i, 9]
        deposit.tax_set = <int32_t>table[i, 10]
        deposit.exempt_tax_set = <int32_t>table[i, 11]
    return 0


cdef int fill_hot_rows(
    HotData *data, bytes blob, const int64_t[:, ::1] table, const int64_t[:, ::1] typed
) except -1:
    """Copy rows: the kernel's row, tax set of the exempt, flags, entered cost, unit, sale price."""
    cdef Py_ssize_t i
    cdef HotRow *row
    take(<void **>&data.rows, table.shape[0], sizeof(HotRow))
    for i in range(table.shape[0]):
        row = &data.rows[i]
        if not 0 <= table[i, 0] < data.plan.row_count:
            raise ValueError("expected a row of the plan")
        if not 0 <= table[i, 1] < data.plan.tax_set_count:
            raise ValueError("expected a tax list of the plan")
        row.row = <int32_t>table[i, 0]
        row.exempt_tax_set = <int32_t>table[i, 1]
        row.flags = <int32_t>table[i, 2]
        row.has_entered_cost = table[i, 3] >= 0
        row.entered_cost = max(<int64_t>0, table[i, 3])
        set_text(&row.unit, blob, table, i, 4)
        set_text(&row.sale_id, blob, table, i, 6)
        set_text(&row.sale_rest, blob, table, i, 8)
    take(<void **>&data.typed_rows, typed.shape[0], sizeof(TypedRow))
    for i in range(typed.shape[0]):
        if not 0 <= typed[i, 1] < table.shape[0]:
            raise ValueError("expected a row")
        data.typed_rows[i].purchase_type = <int32_t>typed[i, 0]
        data.typed_rows[i].row = <int32_t>typed[i, 1]
    return 0


cdef int fill_purchase_types(HotData *data, bytes blob, const int64_t[:, ::1] table) except -1:
    """Copy purchase types: id, message and the bit of campaigns."""
    cdef Py_ssize_t i
    take(<void **>&data.purchase_types, table.shape[0], sizeof(PurchaseType))
    for i in range(table.shape[0]):
        set_text(&data.purchase_types[i].id, blob, table, i, 0)
        set_text(&data.purchase_types[i].message, blob, table, i, 2)
        data.purchase_types[i].bit = <uint64_t>table[i, 4]
    data.purchase_type_count = <int32_t>table.shape[0]
    return 0


cdef int fill_taxes(
    HotData *data, bytes blob, const int64_t[:, ::1] sets, const int64_t[:, ::1] table
) except -1:
    """Copy tax lists (first entry and count) and their entries: constants and summary."""
    cdef Py_ssize_t i
    if sets.shape[0] != data.plan.tax_set_count:
        raise ValueError("expected the tax lists of the plan")
    take(<void **>&data.tax_sets, sets.shape[0], sizeof(HotTaxSet))
    for i in range(sets.shape[0]):
        if sets[i, 1] != data.plan.tax_sets[i].entry_count:
            raise ValueError("expected the taxes of the plan")
        data.tax_sets[i].entries = <int32_t>sets[i, 0]
        data.tax_sets[i].entry_count = <int32_t>sets[i, 1]
    take(<void **>&data.taxes, table.shape[0], sizeof(HotTax))
    for i in range(table.shape[0]):
        set_text(&data.taxes[i].constants, blob, table, i, 0)
        data.taxes[i].summary = <int32_t>table[i, 2]
        data.summary_count = max(data.summary_count, data.taxes[i].summary + 1)
    return 0


cdef int fill_hot_campaigns(HotData *data, bytes blob, const int64_t[:, ::1] table) except -1:
    """Copy campaigns: what stands before and after the application, the count, basket, shows."""
    cdef Py_ssize_t i
    if table.shape[0] != data.plan.campaign_count:
        raise ValueError("expected the campaigns of the plan")
    take(<void **>&data.campaigns, table.shape[0], sizeof(HotCampaign))
    for i in range(table.shape[0]):
        set_text(&data.campaigns[i].before, blob, table, i, 0)
        set_text(&data.campaigns[i].after, blob, table, i, 2)
        set_text(&data.campaigns[i].count, blob, table, i, 4)
        data.campaigns[i].is_on_basket = <int32_t>table[i, 6]
        data.campaigns[i].shows = <int32_t>table[i, 7]
    return 0


cdef int fill_gates(
    HotData *data, const int64_t[:, ::1] table, const int32_t[::1] numbers
) except -1:
    """Copy gates: campaign, customer needed, and start and count of shops, customers, groups,
    coupons and minutes in the numbers; all but the minutes are words."""
    cdef Py_ssize_t i, j, k
    cdef Gate *gate
    for i in range(table.shape[0]):
        for j in range(2, 12, 2):
            if not 0 <= table[i, j] <= table[i, j] + table[i, j + 1] <= numbers.shape[0]:
                raise ValueError("expected a list within the numbers")
            for k in range(table[i, j], table[i, j] + table[i, j + 1] if j < 10 else 0):
                if not 0 < numbers[k] <= data.word_count:
                    raise ValueError("expected words of the plan")
        if not 0 <= table[i, 0] < data.plan.campaign_count:
            raise ValueError("expected a campaign of the plan")
    take(<void **>&data.numbers, numbers.shape[0], sizeof(int32_t))
    for i in range(numbers.shape[0]):
        data.numbers[i] = numbers[i]
    take(<void **>&data.gates, table.shape[0], sizeof(Gate))
    for i in range(table.shape[0]):
        gate = &data.gates[i]
        gate.campaign = <int32_t>table[i, 0]
        gate.needs_customer = <int32_t>table[i, 1]
        gate.shops = <int32_t>table[i, 2]
        gate.shop_count = <int32_t>table[i, 3]
        gate.customers = <int32_t>table[i, 4]
        gate.customer_count = <int32_t>table[i, 5]
        gate.groups = <int32_t>table[i, 6]
        gate.group_count = <int32_t>table[i, 7]
        gate.coupons = <int32_t>table[i, 8]
        gate.coupon_count = <int32_t>table[i, 9]
        gate.minutes = <int32_t>table[i, 10]
        gate.minute_count = <int32_t>table[i, 11]
    data.gate_count = <int32_t>table.shape[0]
    return 0


cdef int fill_foreign(HotData *data, bytes blob, const int64_t[:, ::1] table) except -1:
    """Copy currencies: code, increment and step."""
    cdef Py_ssize_t i
    take(<void **>&data.foreign, table.shape[0], sizeof(Foreign))
    for i in range(table.shape[0]):
        set_text(&data.foreign[i].code, blob, table, i, 0)
        data.foreign[i].increment = table[i, 2]
        data.foreign[i].step = table[i, 3]
    data.foreign_count = <int32_t>table.shape[0]
    return 0


cdef int fill_clock(
    HotData *data, const int64_t[:, ::1] clock, const int64_t[:, ::1] bundles
) except -1:
    """Copy the clock (instants and offsets) and the sizes of bundles."""
    cdef Py_ssize_t i
    take(<void **>&data.clock_instants, clock.shape[0], sizeof(int64_t))
    take(<void **>&data.clock_offsets, clock.shape[0], sizeof(int64_t))
    for i in range(clock.shape[0]):
        data.clock_instants[i] = clock[i, 0]
        data.clock_offsets[i] = clock[i, 1]
    data.clock_count = <int32_t>clock.shape[0]
    take(<void **>&data.bundles, bundles.shape[0], sizeof(int64_t))
    for i in range(bundles.shape[0]):
        data.bundles[i] = bundles[i, 0]
    return 0


cdef void free_hot(HotData *data) noexcept:
    free(data.articles)
    free(data.words)
    free(data.campaign_ids)
    free(data.shops)
    free(data.purchase_types)
    free(data.rows)
    free(data.typed_rows)
    free(data.bundles)
    free(data.deposits)
    free(data.tax_sets)
    free(data.taxes)
    free(data.campaigns)
    free(data.gates)
    free(data.numbers)
    free(data.foreign)
    free(data.clock_instants)
    free(data.clock_offsets)
