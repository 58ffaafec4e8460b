# From what a basket says to what the kernel takes (engine.lines, engine.basket). Returns 1 where it
# hands over.

cdef int32_t write_number(int32_t number, char *digits) noexcept nogil:
    """Write a positive number in decimal; return how many digits it has."""
    cdef char reversed_digits[12]
    cdef int32_t i, count = 0
    while number:
        reversed_digits[count] = <char>(c"0" + number % 10)
        number //= 10
        count += 1
    for i in range(count):
        digits[i] = reversed_digits[count - 1 - i]
    return count


cdef bint is_new_id(Workspace *space, const Text *id, int32_t number) noexcept nogil:
    """Whether no line before has an id; note that line `number` has it unless that is 0."""
    cdef uint64_t mask = space.id_capacity // 2 - 1
    cdef uint64_t hash = hash_of(secrets.seed, id)
    cdef uint64_t at = hash & mask
    cdef uint64_t *slot
    while True:
        slot = &space.ids[2 * at]
        if slot[1] == 0:
            if number:
                slot[0] = hash
                slot[1] = <uint64_t>number
            return True
        if slot[0] == hash and is_same(&space.lines[slot[1] - 1].line_item_id, id):
            return False
        at = (at + 1) & mask


cdef int number_lines(Workspace *space) noexcept nogil:
    """Give every line an id; two lines with the same one are handed over."""
    cdef int32_t i, number = 0, given = 0
    cdef size_t slots = 16
    cdef GivenLine *line
    for i in range(space.given.line_count):
        if space.lines[i].line_item_id.size:
            given += 1
    if given:
        while slots < 2 * <size_t>given:
            slots *= 2
        if space.id_capacity != 2 * slots:
            free(space.ids)
            space.id_capacity = 0
            space.ids = <uint64_t *>malloc(2 * slots * sizeof(uint64_t))
            if space.ids == NULL:
                return 1
            space.id_capacity = 2 * slots
        memset(space.ids, 0, 2 * slots * sizeof(uint64_t))
        for i in range(space.given.line_count):
            line = &space.lines[i]
            if line.line_item_id.size and not is_new_id(space, &line.line_item_id, i + 1):
                return 1
    for i in range(space.given.line_count):
        line = &space.lines[i]
        if line.line_item_id.size:
            continue
        line.line_item_id.data = <const uint8_t *>line.own_id
        line.is_numbered = True
        while True:
            number += 1
            line.line_item_id.size = <size_t>write_number(number, line.own_id)
            if given == 0 or is_new_id(space, &line.line_item_id, 0):
                break
    return 0


cdef inline int64_t minor_of(const PlanData *plan, int64_t micros) noexcept nogil:
    """Return a price in whole minor units, -1 when it is no whole number of them."""
    return -1 if micros % plan.quantum else micros // plan.quantum


cdef int find_articles(const HotData *hot, Workspace *space, int32_t *added) noexcept nogil:
    """Find what the lines sell, and how many deposits that adds."""
    cdef int32_t i
    cdef GivenLine *line
    added[0] = 0
    for i in range(space.given.line_count):
        line = &space.lines[i]
        line.article = find_article(hot, &line.id, &line.variant_id)
        if line.article < 0 or not 0 < line.quantity <= QUANTITY_MAX:
            return 1
        added[0] += hot.articles[line.article].deposit_count
    return 0


cdef int name_deposits(const HotData *hot, Workspace *space) noexcept nogil:
    """Give the deposits their ids: that of the line, a slash, and that of the rule.

    They are ids of their own as long as no line that was given has a slash in its id.
    """
    cdef int32_t i
    cdef size_t size = 0, at = 0
    cdef const Text *parent
    cdef const Text *rule
    cdef GivenLine *line
    for i in range(space.given.line_count):
        line = &space.lines[i]
        parent = &space.lines[line.parent].line_item_id
        if line.deposit:
            size += parent.size + 1 + hot.deposits[line.deposit - 1].rule_id.size
        elif memchr(line.line_item_id.data, c"/", line.line_item_id.size) != NULL:
            return 1
    if make_room(<void **>&space.deposit_ids, &space.deposit_id_capacity, size, 1):
        return 1
    for i in range(space.given.line_count):
        line = &space.lines[i]
        if line.deposit == 0:
            continue
        parent = &space.lines[line.parent].line_item_id
        rule = &hot.deposits[line.deposit - 1].rule_id
        line.line_item_id.data = space.deposit_ids + at
        memcpy(space.deposit_ids + at, parent.data, parent.size)
        space.deposit_ids[at + parent.size] = c"/"
        memcpy(space.deposit_ids + at + parent.size + 1, rule.data, rule.size)
        line.line_item_id.size = parent.size + 1 + rule.size
        at += line.line_item_id.size
    return 0


cdef int add_deposits(const HotData *hot, Workspace *space, int32_t added) noexcept nogil:
    """Put the deposits that rules add after their lines (engine.deposits), from the last one on."""
    cdef int32_t i, j, to = space.given.line_count + added
    cdef const Article *article
    cdef GivenLine *line
    cdef GivenLine *deposit
    if make_room(<void **>&space.lines, &space.line_capacity, to, sizeof(GivenLine)):
        return 1
    for i in range(space.given.line_count - 1, -1, -1):
        article = &hot.articles[space.lines[i].article]
        to -= 1 + article.deposit_count
        line = &space.lines[to]
        if to != i:
            line[0] = space.lines[i]
        if line.is_numbered:
            line.line_item_id.data = <const uint8_t *>line.own_id
        for j in range(article.deposit_count):
            deposit = &space.lines[to + 1 + j]
            memset(deposit, 0, sizeof(GivenLine))
            deposit.quantity = line.quantity
            deposit.ecom_id = line.ecom_id
            deposit.parent = to
            deposit.deposit = article.deposits + j + 1
    space.given.line_count += added
    return name_deposits(hot, space)


cdef void resolve_deposit(
    const HotData *hot, const GivenLine *line, LineInput *input, bint is_exempt
) noexcept nogil:
    cdef const Deposit *deposit = &hot.deposits[line.deposit - 1]
    memset(input, 0, sizeof(LineInput))
    input.price = deposit.price
    input.price_minor = deposit.price_minor
    input.multiplicity = MICRO
    input.quantity = line.quantity
    input.tax_set = deposit.exempt_tax_set if is_exempt else deposit.tax_set
    input.flags = LINE_BEHAVIOR


cdef int resolve_line(
    const HotData *hot, GivenLine *line, LineInput *input, int32_t purchase_type, bint is_exempt
) noexcept nogil:
    cdef const Article *article = &hot.articles[line.article]
    cdef const HotRow *found
    cdef const Row *row
    cdef int32_t at = article.rows
    while (
        hot.typed_rows[at].purchase_type >= 0 and hot.typed_rows[at].purchase_type != purchase_type
    ):
        at += 1
    line.row = hot.typed_rows[at].row
    found = &hot.rows[line.row]
    row = &hot.plan.rows[found.row]
    input.price = row.price
    input.price_minor = row.price_minor
    input.sale = row.sale
    input.cost = row.cost
    input.multiplicity = row.multiplicity
    input.quantity = line.quantity
    input.count = 0
    input.tax_set = found.exempt_tax_set if is_exempt else row.tax_set
    input.campaigns = row.campaigns
    input.campaign_count = row.campaign_count
    input.flags = row.flags
    for at in range(article.bundles, article.bundles + article.bundle_count):
        # A line that is so many bundles has a label that says so.
        if line.quantity % hot.bundles[at] == 0:
            return 1
    if line.has & HAS_PRICE:
        if line.has & HAS_COUNT or not 0 <= line.price < AMOUNT_END:
            return 1
        input.price = line.price
        input.price_minor = minor_of(hot.plan, line.price)
        if row.flags & ROW_UNIT_PRICED:
            input.flags = ROW_HAS_COST if found.has_entered_cost else 0
            input.cost = found.entered_cost
            input.multiplicity = MICRO
        return 0
    if not found.flags & ROW_IS_PRICED:
        return 1
    if not row.flags & ROW_UNIT_PRICED:
        return (line.has & HAS_COUNT) != 0
    input.count = line.count
    return (
        not line.has & HAS_COUNT
        or not 0 < line.count <= QUANTITY_MAX
        or line.quantity != MICRO
    )


cdef inline tc_rat exact_minor(const PlanData *plan, int64_t micros) noexcept nogil:
    """Return an amount in minor units as a fraction in lowest terms."""
    cdef tc_rat found
    cdef int64_t divisor = tc_gcd64(micros, plan.quantum)
    found.n = micros // divisor
    found.d = plan.quantum // divisor
    return found


cdef int resolve_manual(
    const PlanData *plan, const GivenManual *given, Manual *manual, int32_t line
) noexcept nogil:
    cdef bint is_rate = (
        given.kind == EFFECT_PERCENTAGE or given.kind == EFFECT_PERCENTAGE_WITH_MAX
    )
    if (
        given.kind < 0
        or not 0 <= given.value < AMOUNT_END
        or not 0 <= given.cap < AMOUNT_END
        or (is_rate and given.value > MICRO)
        or given.has_name != given.has_text
    ):
        return 1
    manual.line = line
    manual.unused = 0
    manual.effect.kind = given.kind
    manual.effect.unused = 0
    manual.effect.rate = given.value if is_rate else 0
    manual.effect.value = exact_minor(plan, 0 if is_rate else given.value)
    manual.effect.cap = exact_minor(plan, given.cap)
    return 0


cdef int resolve_manuals(const PlanData *plan, Workspace *space) noexcept nogil:
    cdef int32_t i, j, at = 0
    cdef const GivenLine *line
    cdef int32_t count = space.given.line_manual_count + space.given.manual_count
    if make_room(
        <void **>&space.basket.manuals, &space.kernel_manual_capacity, count, sizeof(Manual)
    ):
        return 1
    for i in range(space.given.line_count):
        line = &space.lines[i]
        for j in range(line.manual_count):
            if resolve_manual(
                plan, &space.line_manuals[line.manuals + j], &space.basket.manuals[at], i
            ):
                return 1
            at += 1
    for i in range(space.given.manual_count):
        if resolve_manual(plan, &space.manuals[i], &space.basket.manuals[at], -1):
            return 1
        at += 1
    space.basket.manual_count = count
    return 0


cdef inline bint is_amount(int64_t value) noexcept nogil:
    return -AMOUNT_END < value < AMOUNT_END


cdef int check_customer(const Workspace *space) noexcept nogil:
    cdef const GivenCustomer *customer = &space.given.customer
    return (
        customer.identifier.size == 0
        or (customer.block_sales and space.given.line_count)
        or not is_amount(customer.balance)
        or not is_amount(customer.balance_overdue)
        or not is_amount(customer.credit_limit)
    )


cdef int resolve(const HotData *hot, Workspace *space, int32_t purchase_type) noexcept nogil:
    """Fill the kernel's basket; its moment is in it already."""
    cdef int32_t i, added = 0
    cdef Given *given = &space.given
    cdef BasketData *basket = &space.basket
    cdef bint is_exempt = given.has_customer and given.customer.exempt
    if given.has_customer and check_customer(space):
        return 1
    if given.shop.size and hot.shop_count and not find_word(
        hot.shops, hot.shop_mask, &given.shop
    ):
        return 1
    if find_articles(hot, space, &added) or number_lines(space):
        return 1
    if added and add_deposits(hot, space, added):
        return 1
    if make_room(
        <void **>&basket.lines, &space.input_capacity, given.line_count, sizeof(LineInput)
    ):
        return 1
    for i in range(given.line_count):
        if space.lines[i].deposit:
            resolve_deposit(hot, &space.lines[i], &basket.lines[i], is_exempt)
        elif resolve_line(hot, &space.lines[i], &basket.lines[i], purchase_type, is_exempt):
            return 1
    basket.line_count = given.line_count
    basket.has_customer = given.has_customer
    basket.purchase_type = hot.other_purchase_type
    if purchase_type >= 0:
        basket.purchase_type = hot.purchase_types[purchase_type].bit
    return resolve_manuals(hot.plan, space) or block_campaigns(hot, space)
