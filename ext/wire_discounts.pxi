# Writing the discount records of a line (engine.evaluated.Discounts), the last one first.

cdef int link_records(const HotData *hot, Workspace *space, Sums *sums) noexcept nogil:
    """Put the records of each line, and those with a trigger in common, in lists: the last first.

    Returns 1 without memory.
    """
    cdef int32_t i, campaigns = hot.plan.campaign_count
    cdef const Entry *entry
    cdef Shared *shared
    if make_room(
        <void **>&space.links, &space.link_capacity, space.work.entry_count, sizeof(Link)
    ):
        return 1
    if <size_t>campaigns > space.shared_capacity:
        space.shared_capacity = 0
        if (
            grow(<void **>&space.shared, <size_t>campaigns * sizeof(Shared))
            or grow(<void **>&space.shared_campaigns, <size_t>campaigns * sizeof(int32_t))
        ):
            return 1
        memset(space.shared, 0, <size_t>campaigns * sizeof(Shared))
        space.shared_capacity = <size_t>campaigns
        space.shared_count = 0
    for i in range(space.shared_count):
        memset(&space.shared[space.shared_campaigns[i]], 0, sizeof(Shared))
    space.shared_count = 0
    for i in range(space.given.line_count):
        space.lines[i].last_record = 0
    for i in range(space.work.entry_count):
        entry = &space.work.entries[i]
        if entry.source >= 0 and hot.campaigns[entry.source].shows == SHOWS_SHARED_UNITS:
            shared = &space.shared[entry.source]
            if shared.count == 0:
                space.shared_campaigns[space.shared_count] = entry.source
                space.shared_count += 1
            shared.count += 1
            space.links[i].before_of_campaign = shared.last
            shared.last = i + 1
        if entry.amount:
            space.links[i].before_of_line = space.lines[entry.line].last_record
            space.lines[entry.line].last_record = i + 1
            if tc_add(sums.discounts, entry.amount * hot.plan.quantum, &sums.discounts):
                return 1
    return 0


cdef inline bint is_whole(const Workspace *space, int32_t line, int32_t count) noexcept nogil:
    return space.work.lines[line].units == count


cdef void put_units(
    Workspace *space, uint32_t tag, int32_t line, int32_t start, int32_t end
) noexcept nogil:
    """Write a range of units."""
    cdef Writer *writer = &space.writer
    cdef size_t mark = written(writer)
    put_plain(writer, TAG_UNIT_RANGE_END_INDEX, end)
    put_plain(writer, TAG_UNIT_RANGE_START_INDEX, start)
    put_text(writer, TAG_UNIT_RANGE_LINE_ITEM_ID, &space.lines[line].line_item_id)
    put_frame(writer, tag, mark)


cdef void put_shared_units(Workspace *space, int32_t source) noexcept nogil:
    """Write the units that set a campaign off, in the order in which they were taken."""
    cdef const Shared *shared = &space.shared[source]
    cdef const Entry *entry = &space.work.entries[shared.last - 1]
    cdef int32_t at
    if shared.count > TRIGGER_LINES_MAX:
        put_plain(&space.writer, TAG_DISCOUNT_TRIGGER_BASKET, True)
        return
    if shared.count == 1 and is_whole(space, entry.line, entry.end - entry.start):
        put_text(
            &space.writer, TAG_DISCOUNT_TRIGGER_LINE_ITEM_ID,
            &space.lines[entry.line].line_item_id,
        )
        return
    at = shared.last
    while at:
        entry = &space.work.entries[at - 1]
        put_units(space, TAG_DISCOUNT_TRIGGER_UNITS, entry.line, entry.start, entry.end)
        at = space.links[at - 1].before_of_campaign


cdef void put_trigger(
    const HotData *hot, Workspace *space, const Entry *entry
) noexcept nogil:
    cdef const HotCampaign *campaign = &hot.campaigns[entry.source]
    cdef Writer *writer = &space.writer
    cdef size_t mark = written(writer)
    cdef Shared *shared = NULL
    if campaign.shows == SHOWS_BASKET:
        put_plain(writer, TAG_DISCOUNT_TRIGGER_BASKET, True)
    elif campaign.shows == SHOWS_OWN_UNITS:
        if is_whole(space, entry.line, entry.end - entry.hit):
            put_text(
                writer, TAG_DISCOUNT_TRIGGER_LINE_ITEM_ID, &space.lines[entry.line].line_item_id
            )
        else:
            put_units(space, TAG_DISCOUNT_TRIGGER_UNITS, entry.line, entry.hit, entry.end)
    else:
        shared = &space.shared[entry.source]
        if shared.size:
            if not reserve(writer, shared.size):
                writer.at -= shared.size
                memcpy(writer.at, writer.end - shared.mark, shared.size)
            return
        put_shared_units(space, entry.source)
    put_bytes(writer, &campaign.count)
    put_frame(writer, TAG_DISCOUNT_RECORD_TRIGGER, mark)
    if campaign.shows == SHOWS_SHARED_UNITS:
        shared.mark = written(writer)
        shared.size = shared.mark - mark


cdef void put_hit_units(Workspace *space, const Entry *entry) noexcept nogil:
    """Write the application of a discount to units of its line."""
    cdef Writer *writer = &space.writer
    cdef size_t mark = written(writer)
    if is_whole(space, entry.line, entry.end - entry.hit):
        put_text(
            writer, TAG_DISCOUNT_APPLICATION_LINE_ITEM_ID, &space.lines[entry.line].line_item_id
        )
    else:
        put_units(space, TAG_DISCOUNT_APPLICATION_UNITS, entry.line, entry.hit, entry.end)
    put_frame(writer, TAG_DISCOUNT_RECORD_APPLICATION, mark)


cdef inline void put_on_basket(Writer *writer) noexcept nogil:
    """Write the application of a discount to the basket."""
    cdef size_t mark = written(writer)
    put_plain(writer, TAG_DISCOUNT_APPLICATION_BASKET, True)
    put_frame(writer, TAG_DISCOUNT_RECORD_APPLICATION, mark)


cdef void put_discount_type(Writer *writer, const GivenManual *manual) noexcept nogil:
    """Write the kind of a manual discount."""
    cdef size_t mark = written(writer), inner
    if manual.kind == EFFECT_AMOUNT:
        put_present(writer, TAG_DISCOUNT_TYPE_AMOUNT_MICROS, manual.value)
    elif manual.kind == EFFECT_AMOUNT_PER_ITEM:
        put_present(writer, TAG_DISCOUNT_TYPE_AMOUNT_PER_ITEM_MICROS, manual.value)
    elif manual.kind == EFFECT_PERCENTAGE:
        put_present(writer, TAG_DISCOUNT_TYPE_PERCENTAGE_MICROS, manual.value)
    elif manual.kind == EFFECT_NEW_PRICE:
        put_present(writer, TAG_DISCOUNT_TYPE_NEW_PRICE_MICROS, manual.value)
    elif manual.kind == EFFECT_NEW_PRICE_PER_ITEM:
        put_present(writer, TAG_DISCOUNT_TYPE_NEW_PRICE_PER_ITEM_MICROS, manual.value)
    else:
        inner = mark
        put_amount(writer, TAG_PERCENTAGE_WITH_MAX_MAX_MICROS, manual.cap)
        put_amount(writer, TAG_PERCENTAGE_WITH_MAX_PERCENTAGE_MICROS, manual.value)
        put_frame(writer, TAG_DISCOUNT_TYPE_PERCENTAGE_WITH_MAX, inner)
    put_frame(writer, TAG_DISCOUNT_RECORD_TYPE, mark)


cdef void put_manual(Workspace *space, const Entry *entry) noexcept nogil:
    """Write what a record of a manual discount says beside its amount."""
    cdef Writer *writer = &space.writer
    cdef int32_t number = ENTRY_MANUAL - entry.source
    cdef bint is_on_line = number < space.given.line_manual_count
    cdef const GivenManual *manual
    cdef char digits[12]
    cdef Text position
    cdef size_t mark
    if is_on_line:
        manual = &space.line_manuals[number]
    else:
        manual = &space.manuals[number - space.given.line_manual_count]
    if manual.has_name:
        mark = written(writer)
        put_text(writer, TAG_LOCALIZED_STRING_TEXT, &manual.name)
        put_frame(writer, TAG_DISCOUNT_RECORD_NAME, mark)
    put_discount_type(writer, manual)
    if is_on_line:
        mark = written(writer)
        put_text(
            writer, TAG_DISCOUNT_APPLICATION_LINE_ITEM_ID, &space.lines[entry.line].line_item_id
        )
        put_frame(writer, TAG_DISCOUNT_RECORD_APPLICATION, mark)
    else:
        put_on_basket(writer)
    if manual.id.size:
        put_text(writer, TAG_DISCOUNT_RECORD_ID, &manual.id)
    else:
        position.data = <const uint8_t *>digits
        position.size = <size_t>write_number(manual.position, digits)
        put_text(writer, TAG_DISCOUNT_RECORD_ID, &position)


cdef void put_discounts(const HotData *hot, Workspace *space, int32_t line) noexcept nogil:
    """Write the discount records of a line."""
    cdef Writer *writer = &space.writer
    cdef const Entry *entry
    cdef const HotCampaign *campaign
    cdef const HotRow *row = &hot.rows[space.lines[line].row]
    cdef int32_t at = space.lines[line].last_record
    cdef size_t mark
    while at:
        entry = &space.work.entries[at - 1]
        at = space.links[at - 1].before_of_line
        mark = written(writer)
        if entry.source >= 0:
            campaign = &hot.campaigns[entry.source]
            put_trigger(hot, space, entry)
            put_bytes(writer, &campaign.after)
            if campaign.is_on_basket:
                put_on_basket(writer)
            else:
                put_hit_units(space, entry)
            put_bytes(writer, &campaign.before)
        elif entry.source == ENTRY_SALE_PRICE:
            put_bytes(writer, &row.sale_rest)
            put_hit_units(space, entry)
            put_bytes(writer, &row.sale_id)
        else:
            put_manual(space, entry)
        put_amount(writer, TAG_DISCOUNT_RECORD_AMOUNT_MICROS, entry.amount * hot.plan.quantum)
        put_frame(writer, TAG_EVALUATED_LINE_DISCOUNTS, mark)
