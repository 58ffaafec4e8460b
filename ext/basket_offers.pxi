# The exclusive discounts of one sign as a problem for the search (docs/evaluation.md, section 3.8).
#
# A discount that asks nothing of other units (`asks` is 0) only matters as the best of its kind on
# a line: the line's base. The others are offers; those that see a common line, and their lines, are
# a component, which is a problem of its own.

cdef int grow_choosing(Work *work, int32_t lines) noexcept nogil:
    """Room for a choice over `lines` lines and the touched campaigns. Returns 1 without memory."""
    cdef Choosing *choosing = &work.choosing
    cdef size_t size = max(lines, 64)
    cdef int32_t discounts = work.touched_count + 1
    if discounts > choosing.discount_capacity:
        if grow(
            <void **>&choosing.discounts, (<size_t>discounts + 64) * sizeof(Discount)
        ):
            return 1
        choosing.discount_capacity = discounts + 64
    if lines <= choosing.line_capacity and choosing.line_capacity:
        return 0
    if (
        grow(<void **>&choosing.base_gains, size * sizeof(tc_rat))
        or grow(<void **>&choosing.bases, size * sizeof(int32_t))
        or grow(<void **>&choosing.components, size * sizeof(int32_t))
        or grow(<void **>&choosing.first_lines, size * sizeof(int32_t))
        or grow(<void **>&choosing.next_lines, size * sizeof(int32_t))
        or grow(<void **>&choosing.worths, (size + 1) * sizeof(tc_rat))
        or grow(<void **>&choosing.kept_worths, (size + 1) * sizeof(tc_rat))
        or grow(<void **>&choosing.is_better, (size + 1) * sizeof(uint8_t))
        or grow(<void **>&choosing.slot_use, size * SLOT_COUNT * sizeof(int32_t))
        or grow(<void **>&choosing.group_use, size * SLOT_COUNT * sizeof(int32_t))
    ):
        return 1
    memset(choosing.group_use, 0, size * SLOT_COUNT * sizeof(int32_t))
    choosing.line_capacity = <int32_t>size
    return 0


cdef void free_choosing(Choosing *choosing) noexcept nogil:
    free_search(&choosing.search)
    free(choosing.discounts)
    free(choosing.given)
    free(choosing.kept)
    free(choosing.spare)
    free(choosing.base_gains)
    free(choosing.bases)
    free(choosing.components)
    free(choosing.first_lines)
    free(choosing.next_lines)
    free(choosing.worths)
    free(choosing.kept_worths)
    free(choosing.is_better)
    free(choosing.slot_use)
    free(choosing.group_use)


cdef bint cap_may_bind(
    Work *work, const Campaign *campaign, const int32_t *lines, int32_t count
) noexcept nogil:
    """Whether the campaign's lines are worth enough to reach the maximum of its percentage."""
    cdef int32_t i
    cdef int64_t total = 0
    cdef tc_rat most
    for i in range(count):
        total += work.lines[lines[2 * i]].retail
    most = tc_rat_mul(
        &work.arena, tc_rat_int(total), tc_rat_make(&work.arena, campaign.effect.rate, MICRO)
    )
    return tc_rat_cmp(&work.arena, most, campaign.effect.cap) > 0


cdef bint asks_something(
    Work *work, const Campaign *campaign, const int32_t *lines, int32_t count
) noexcept nogil:
    """Whether what a campaign gives a unit depends on other units."""
    if campaign.target != TARGET_ALL or of_a_set(&campaign.effect):
        return True
    if campaign.trigger != TRIGGER_EVERY_UNIT and (
        campaign.trigger != TRIGGER_COUNT_OR_MORE or campaign.count > 1
    ):
        return True
    return campaign.effect.kind == EFFECT_PERCENTAGE_WITH_MAX and cap_may_bind(
        work, campaign, lines, count
    )


cdef bint may_be_set_off(
    Work *work, const Campaign *campaign, const int32_t *lines, int32_t count
) noexcept nogil:
    """Whether the lines have enough units for each part of a trigger by itself."""
    cdef int64_t supply[SLOT_COUNT]
    cdef int32_t i, slot
    cdef const Line *line
    memset(supply, 0, sizeof(supply))
    for i in range(count):
        line = &work.lines[lines[2 * i]]
        if line.flags & LINE_FRACTIONAL and in_groups(campaign):
            continue
        for slot in range(SLOT_COUNT):
            if lines[2 * i + 1] >> slot & 1:
                supply[slot] += line.units
    if not in_groups(campaign):
        return supply[0] >= max(1, campaign.count) and (
            campaign.target != TARGET_SELECTOR or supply[SLOT_TARGET] > 0
        )
    for slot in range(campaign.part_count):
        if supply[slot] < campaign.part_counts[slot]:
            return False
    return campaign.target != TARGET_SELECTOR or supply[SLOT_TARGET] > 0


cdef inline bint has_sale_price(
    const Work *work, const BasketData *basket, int32_t line, int32_t side
) noexcept nogil:
    return (
        basket.lines[line].sale.d != 0
        and work.lines[line].flags & (LINE_NEGATIVE | LINE_BEHAVIOR | ROW_UNIT_PRICED) == side
    )


cdef void raise_base(
    Work *work, const Effect *effect, int32_t discount, int32_t line
) noexcept nogil:
    """Let a discount that asks nothing be a line's base, if it gives more than the one before."""
    cdef tc_rat gain = unit_amount(work, effect, line)
    if tc_rat_cmp(&work.arena, gain, work.choosing.base_gains[line]) > 0:
        work.choosing.base_gains[line] = gain
        work.choosing.bases[line] = discount


cdef void add_sale_prices(Work *work, const BasketData *basket, int32_t side) noexcept nogil:
    """Add the sale prices of all lines as one discount."""
    cdef Choosing *choosing = &work.choosing
    cdef Discount *discount = &choosing.discounts[choosing.discount_count]
    cdef int32_t i
    cdef Effect sale
    discount.source = ENTRY_SALE_PRICE
    discount.first = 0
    discount.count = 0
    discount.asks = False
    discount.component = -1
    for i in range(basket.line_count):
        if has_sale_price(work, basket, i, side):
            sale_effect(&basket.lines[i], &sale)
            raise_base(work, &sale, choosing.discount_count, i)
            discount.count += 1
    choosing.discount_count += 1


cdef void list_discounts(
    Work *work, const PlanData *plan, const BasketData *basket, int32_t side
) noexcept nogil:
    """List the exclusive discounts in the order of step 1, and find the base of every line."""
    cdef Choosing *choosing = &work.choosing
    cdef int32_t i, j, start = 0
    cdef int64_t total = discountable_value(work, basket, side)
    cdef const Campaign *campaign
    cdef Discount *discount
    cdef const int32_t *lines
    cdef bint sales_done = False
    choosing.discount_count = 0
    for i in range(basket.line_count):
        choosing.base_gains[i] = tc_rat_int(0)
        choosing.bases[i] = -1
    for i in range(work.touched_count):
        if not sales_done and work.touched[i] >= plan.sale_rank:
            sales_done = True
            add_sale_prices(work, basket, side)
        campaign = &plan.campaigns[work.touched[i]]
        if (
            campaign.target != TARGET_BASKET
            and not campaign.flags & CAMPAIGN_STACKABLE
            and tc_rat_cmp(&work.arena, tc_rat_int(total), campaign.min_total) >= 0
        ):
            discount = &choosing.discounts[choosing.discount_count]
            discount.source = work.touched[i]
            discount.first = start
            discount.count = work.bucket_end[i] - start
            lines = work.bucket + 2 * start
            discount.asks = asks_something(work, campaign, lines, discount.count)
            discount.component = -1
            if not discount.asks:
                for j in range(discount.count):
                    raise_base(
                        work, &campaign.effect, choosing.discount_count, lines[2 * j]
                    )
            elif may_be_set_off(work, campaign, lines, discount.count):
                discount.component = 0
            choosing.discount_count += 1
        start = work.bucket_end[i]
    if not sales_done:
        add_sale_prices(work, basket, side)


cdef int32_t root_of(int32_t *parents, int32_t line) noexcept nogil:
    while parents[line] != line:
        parents[line] = parents[parents[line]]
        line = parents[line]
    return line


cdef void find_components(
    Work *work, const PlanData *plan, const BasketData *basket
) noexcept nogil:
    """Number the components of the offers by their first lines; note that of every line."""
    cdef Choosing *choosing = &work.choosing
    cdef int32_t *parents = work.share_order
    cdef int32_t *offered = work.item_order
    cdef const int32_t *lines
    cdef Discount *discount
    cdef int32_t i, j, a, b
    for i in range(basket.line_count):
        parents[i] = i
        offered[i] = False
    for i in range(choosing.discount_count):
        discount = &choosing.discounts[i]
        lines = work.bucket + 2 * discount.first
        if discount.component < 0:
            continue
        for j in range(discount.count):
            offered[lines[2 * j]] = True
            a = root_of(parents, lines[2 * j])
            b = root_of(parents, lines[0])
            parents[max(a, b)] = min(a, b)
    choosing.component_count = 0
    for i in range(basket.line_count):
        a = root_of(parents, i)
        if not offered[i]:
            choosing.components[i] = -1
        elif a == i:
            choosing.components[i] = choosing.component_count
            choosing.component_count += 1
        else:
            choosing.components[i] = choosing.components[a]
    for i in range(choosing.component_count):
        choosing.first_lines[i] = -1
    for i in range(basket.line_count - 1, -1, -1):
        if choosing.components[i] < 0:
            choosing.components[i] = choosing.component_count
        else:
            choosing.next_lines[i] = choosing.first_lines[choosing.components[i]]
            choosing.first_lines[choosing.components[i]] = i
    for i in range(choosing.discount_count):
        discount = &choosing.discounts[i]
        if discount.component >= 0:
            discount.component = choosing.components[work.bucket[2 * discount.first]]


cdef int32_t mask_on(const Work *work, const Discount *discount, int32_t line) noexcept nogil:
    """Return the line's mask for a campaign, 0 when it does not see the line."""
    cdef const int32_t *lines = work.bucket + 2 * discount.first
    cdef int32_t low = 0, high = discount.count, middle
    while low < high:
        middle = (low + high) // 2
        if lines[2 * middle] < line:
            low = middle + 1
        else:
            high = middle
    return lines[2 * low + 1] if low < discount.count and lines[2 * low] == line else 0


cdef int32_t open_component(Work *work, int32_t component, int64_t *units) noexcept nogil:
    """Fill work.spans with the lines of a component, in unit order in work.order; return how many.

    Beyond what a search takes in units it may stop early.
    """
    cdef int32_t count = 0, line = work.choosing.first_lines[component]
    units[0] = 0
    while line >= 0 and units[0] <= UNITS_MAX:
        work.spans[count].line = line
        units[0] += work.lines[line].units
        count += 1
        line = work.choosing.next_lines[line]
    order_spans(work, count)
    return count


cdef bint join_scale(Work *work, tc_rat value, int64_t *scale) noexcept nogil:
    """Make the scale a multiple of the value's denominator. Returns whether it can be."""
    cdef int64_t numerator, denominator
    if not tc_rat_parts(&work.arena, value, &numerator, &denominator):
        return False
    return not tc_mul(scale[0], denominator // tc_gcd64(denominator, scale[0]), scale)


cdef int64_t scaled(Work *work, tc_rat value, int64_t scale, int64_t most) noexcept nogil:
    """Return value x scale, at most `most`; the scale is one that the value joined."""
    cdef int64_t numerator, denominator, out
    if not tc_rat_parts(&work.arena, value, &numerator, &denominator) or tc_mul(
        numerator, scale // denominator, &out
    ):
        return most
    return min(out, most)


cdef tc_rat gain_on(
    Work *work, const Campaign *campaign, int32_t line
) noexcept nogil:
    """Return what a campaign adds when it discounts one unit of a line: of sets, its value."""
    if of_a_set(&campaign.effect):
        return units_value(work, &work.lines[line], 0, 1)
    return unit_amount(work, &campaign.effect, line)


cdef int64_t find_scale(
    Work *work, const PlanData *plan, int32_t component, int32_t lines, int64_t end,
    int64_t *total
) noexcept nogil:
    """Return a number whose product with every value of the component is whole, or 0.

    `total` is that product for the value of all its lines, below `end`.
    """
    cdef int32_t i, at, line
    cdef int64_t scale = 1, value = 0
    cdef bint fits = True
    cdef const Discount *discount
    cdef const Campaign *campaign
    for at in range(lines):
        line = work.spans[at].line
        value += work.lines[line].retail
        fits &= join_scale(work, units_value(work, &work.lines[line], 0, 1), &scale)
        fits &= join_scale(work, work.choosing.base_gains[line], &scale)
    for i in range(work.choosing.discount_count):
        discount = &work.choosing.discounts[i]
        if discount.component != component or not fits:
            continue
        campaign = &plan.campaigns[discount.source]
        fits &= join_scale(work, campaign.effect.value, &scale)
        fits &= join_scale(work, campaign.effect.cap, &scale)
        fits &= join_scale(work, campaign.spend, &scale)
        for at in range(lines):
            if fits and mask_on(work, discount, work.spans[at].line):
                fits &= join_scale(work, gain_on(work, campaign, work.spans[at].line), &scale)
    if not fits or tc_mul(value, scale, total) or total[0] >= end:
        return 0
    return scale


cdef void describe_offer(
    Work *work, const Campaign *campaign, Offer *offer, int64_t scale, int64_t most
) noexcept nogil:
    """Describe a campaign as an offer; amounts are cut to what all units are worth."""
    cdef int32_t i
    offer.in_groups = in_groups(campaign)
    offer.form = FORM_EACH
    if campaign.effect.kind == EFFECT_NEW_PRICE:
        offer.form = FORM_PRICE
    elif campaign.effect.kind == EFFECT_AMOUNT:
        offer.form = FORM_AMOUNT
    offer.amount = scaled(work, campaign.effect.value, scale, most + 1)
    offer.cap = -1
    if campaign.effect.kind == EFFECT_PERCENTAGE_WITH_MAX:
        offer.cap = scaled(work, campaign.effect.cap, scale, most + 1)
    offer.spend = -1
    if campaign.trigger == TRIGGER_SPEND:
        offer.spend = scaled(work, campaign.spend, scale, most + 1)
    offer.hits_of = campaign.target
    offer.hits = 0 if campaign.target == TARGET_ALL else campaign.target_count
    offer.groups_max = campaign.max_groups
    offer.slot_count = 1
    offer.counts[0] = campaign.count if campaign.trigger == TRIGGER_COUNT_OR_MORE else 1
    if not offer.in_groups:
        return
    offer.slot_count = campaign.part_count
    for i in range(campaign.part_count):
        offer.counts[i] = campaign.part_counts[i]
    if campaign.target == TARGET_SELECTOR:
        offer.counts[offer.slot_count] = campaign.target_count
        offer.slot_count += 1


cdef uint8_t actions_of(const Campaign *campaign, const Offer *offer, int32_t mask) noexcept nogil:
    """Return what a unit of this mask may do for an offer, a bit for each action."""
    cdef bint is_own = mask >> SLOT_TARGET & 1
    if offer.in_groups:
        mask &= (1 << campaign.part_count) - 1
        if campaign.target == TARGET_SELECTOR and is_own:
            mask |= 1 << campaign.part_count
        return <uint8_t>mask
    if campaign.target != TARGET_SELECTOR:
        if campaign.target == TARGET_CHEAPEST:
            return 1 << ACTION_BOTH | 1 << ACTION_TRIGGER
        return 1 << ACTION_BOTH
    if mask & 1:
        return 1 << ACTION_BOTH if is_own else 1 << ACTION_TRIGGER
    return 1 << ACTION_TARGET


cdef int32_t number_offers(Work *work, int32_t component) noexcept nogil:
    """Number the discounts of a component; return how many."""
    cdef int32_t i, offers = 0
    for i in range(work.choosing.discount_count):
        if work.choosing.discounts[i].component == component:
            work.choosing.discounts[i].offer = offers
            offers += 1
    return offers


cdef int32_t load_options(
    Work *work, const PlanData *plan, int32_t component, int32_t line, int32_t option,
    int64_t scale, int64_t most
) noexcept nogil:
    """Fill in what a unit of a line may do, from `option` on; return where that ends."""
    cdef Search *search = &work.choosing.search
    cdef int32_t i, mask
    cdef const Discount *discount
    cdef const Campaign *campaign
    for i in range(work.choosing.discount_count):
        discount = &work.choosing.discounts[i]
        if discount.component != component:
            continue
        campaign = &plan.campaigns[discount.source]
        mask = mask_on(work, discount, line)
        if mask == 0 or (in_groups(campaign) and work.lines[line].flags & LINE_FRACTIONAL):
            continue
        search.options[option].offer = discount.offer
        search.options[option].actions = actions_of(
            campaign, &search.offers[discount.offer], mask
        )
        search.options[option].gain = scaled(work, gain_on(work, campaign, line), scale, most)
        option += 1
    return option


cdef int load_search(
    Work *work, const PlanData *plan, int32_t component, int32_t lines, int32_t units,
    int32_t offers, int64_t scale, int64_t most
) noexcept nogil:
    """Fill the search with the problem of a component. Returns a status."""
    cdef Search *search = &work.choosing.search
    cdef int32_t i, j, at, line, count, unit = 0, option = 0
    cdef const Discount *discount
    if reserve_search(search, units, units * offers, offers):
        return STATUS_NO_MEMORY
    for i in range(work.choosing.discount_count):
        discount = &work.choosing.discounts[i]
        if discount.component == component:
            describe_offer(
                work, &plan.campaigns[discount.source], &search.offers[discount.offer], scale,
                most,
            )
    for at in range(lines):
        line = work.spans[work.order[at]].line
        count = load_options(work, plan, component, line, option, scale, most) - option
        for i in range(work.lines[line].units):
            search.units[unit].value = scaled(
                work, units_value(work, &work.lines[line], 0, 1), scale, most
            )
            search.units[unit].base = scaled(work, work.choosing.base_gains[line], scale, most)
            search.units[unit].options = option
            search.units[unit].option_count = count
            for j in range(count if i else 0):
                search.options[option + j] = search.options[option - count + j]
            option += count
            unit += 1
    search.option_count = option
    return STATUS_OK
