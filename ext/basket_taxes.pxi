# Taxes and base prices (docs/evaluation.md, section 4).

cdef inline const TaxSet *tax_set_of(
    const PlanData *plan, const BasketData *basket, int32_t index
) noexcept nogil:
    if index < plan.tax_set_count:
        return &plan.tax_sets[index]
    return &basket.tax_sets[index - plan.tax_set_count]


cdef inline const TaxEntry *tax_entries_of(
    const PlanData *plan, const BasketData *basket, int32_t index
) noexcept nogil:
    if index < plan.tax_set_count:
        return plan.tax_entries + plan.tax_sets[index].entries
    return basket.tax_entries + basket.tax_sets[index - plan.tax_set_count].entries


cdef inline int64_t signed_rest(const Line *line) noexcept nogil:
    return -line.remaining if line.flags & LINE_NEGATIVE else line.remaining


cdef int reserve_tax_amounts(Work *work, int32_t count) noexcept nogil:
    cdef int64_t *grown
    cdef int32_t capacity = work.tax_amount_capacity
    if count <= capacity:
        return 0
    while count > capacity:
        capacity = 2 * capacity + 64
    grown = <int64_t *>realloc(work.tax_amounts, capacity * sizeof(int64_t))
    if grown == NULL:
        return 1
    work.tax_amounts = grown
    work.tax_amount_capacity = capacity
    return 0


cdef int open_taxes(Work *work, const PlanData *plan, const BasketData *basket) noexcept nogil:
    """Give every line its tax set and a place for its amounts. Returns a status."""
    cdef int32_t i, j, at = 0
    cdef const TaxSet *taxes
    for i in range(basket.line_count):
        taxes = tax_set_of(plan, basket, basket.lines[i].tax_set)
        if reserve_tax_amounts(work, at + taxes.entry_count):
            return STATUS_NO_MEMORY
        work.taxes[i].amounts = at
        work.taxes[i].sales_tax = 0
        for j in range(taxes.entry_count):
            work.tax_amounts[at + j] = 0
        at += taxes.entry_count
    work.tax_amount_count = at
    return STATUS_OK


cdef int base_of_lines(
    Work *work, const PlanData *plan, const TaxSet *taxes, const int32_t *lines, int32_t count
) noexcept nogil:
    """Round the base (or VAT) of lines of one VAT list once and distribute it. Returns a status."""
    cdef int32_t i
    cdef int64_t n = taxes.base_d - taxes.base_n if plan.round_tax else taxes.base_n
    cdef int64_t *parts = work.amounts + work.line_capacity
    cdef TaxResult *result
    for i in range(count):
        parts[i] = signed_rest(&work.lines[lines[i]])
    if distribute(work, parts, count, n, taxes.base_d, plan.tie, work.amounts):
        return STATUS_OUT_OF_RANGE
    for i in range(count):
        result = &work.taxes[lines[i]]
        result.vat = work.amounts[i] if plan.round_tax else parts[i] - work.amounts[i]
        result.base = parts[i] - result.vat
    return STATUS_OK


cdef int bases(Work *work, const PlanData *plan, const BasketData *basket) noexcept nogil:
    """Base and VAT of every line, by group or line by line (R4). Returns a status."""
    cdef int32_t i, at, count, status, groups = 0, group
    cdef const TaxSet *taxes
    for i in range(basket.line_count - 1, -1, -1):
        taxes = tax_set_of(plan, basket, basket.lines[i].tax_set)
        if taxes.vat_count == 0:
            work.taxes[i].vat = 0
            work.taxes[i].base = signed_rest(&work.lines[i])
        elif plan.round_line:
            status = base_of_lines(work, plan, taxes, &i, 1)
            if status:
                return status
        else:
            group = taxes.vat_group
            if work.group_first[group] < 0:
                work.order[groups] = group
                groups += 1
            work.group_next[i] = work.group_first[group]
            work.group_first[group] = i
    status = STATUS_OK
    for at in range(groups):
        group = work.order[at]
        count = 0
        i = work.group_first[group]
        taxes = tax_set_of(plan, basket, basket.lines[i].tax_set)
        while i >= 0:
            work.bucket[count] = i
            count += 1
            i = work.group_next[i]
        work.group_first[group] = -1
        if status == STATUS_OK:
            status = base_of_lines(work, plan, taxes, work.bucket, count)
    return status


cdef int split_vat(
    Work *work, const TaxSet *taxes, const TaxEntry *entries, int32_t line
) noexcept nogil:
    """Allocate a line's VAT over its VAT entries. Returns a status."""
    cdef int32_t i, at = 0
    cdef int64_t *amounts = work.tax_amounts + work.taxes[line].amounts
    cdef int64_t weights[16]
    cdef int64_t shares[16]
    if taxes.vat_count == 1 and taxes.entry_count == 1:
        amounts[0] = work.taxes[line].vat
        return STATUS_OK
    for i in range(taxes.entry_count):
        if entries[i].key < 0:
            weights[at] = entries[i].weight
            at += 1
    if at == 0:
        return STATUS_OK
    if allocate_whole(work, work.taxes[line].vat, weights, at, shares):
        return STATUS_OUT_OF_RANGE
    at = 0
    for i in range(taxes.entry_count):
        if entries[i].key < 0:
            amounts[i] = shares[at]
            at += 1
    return STATUS_OK


cdef bint by_tax_key(Work *work, int32_t a, int32_t b) noexcept nogil:
    return work.tax_items[a].key < work.tax_items[b].key


cdef int reserve_tax_items(Work *work, int32_t count) noexcept nogil:
    """Make room for the sales tax entries of a document. Returns 1 without memory."""
    cdef TaxItem *items
    cdef int32_t capacity = max(count, 64)
    if count <= work.tax_item_capacity:
        return 0
    items = <TaxItem *>realloc(work.tax_items, capacity * sizeof(TaxItem))
    if items == NULL:
        return 1
    work.tax_items = items
    work.tax_item_capacity = capacity
    return grow_shares(work, capacity)


cdef int one_sales_tax(
    Work *work, const PlanData *plan, const int32_t *items, int32_t count
) noexcept nogil:
    """Round one sales tax over its entries and distribute it. Returns a status."""
    cdef int32_t i
    cdef bint alike = True
    cdef int64_t rounded, given = 0
    cdef TaxItem *item
    cdef TaxItem *first = &work.tax_items[items[0]]
    cdef int64_t *amounts = work.share_amounts
    cdef int64_t *parts = work.share_amounts + work.share_capacity
    cdef tc_rat exact, total = tc_rat_int(0)
    for i in range(count):
        item = &work.tax_items[items[i]]
        parts[i] = item.sub_total
        alike &= item.exact_n == first.exact_n and item.exact_d == first.exact_d
    if alike:
        if distribute(work, parts, count, first.exact_n, first.exact_d, plan.tie, amounts):
            return STATUS_OUT_OF_RANGE
    else:
        for i in range(count):
            item = &work.tax_items[items[i]]
            exact = tc_rat_mul(
                &work.arena, tc_rat_int(item.sub_total),
                tc_rat_make(&work.arena, item.exact_n, item.exact_d),
            )
            total = tc_rat_add(&work.arena, total, exact)
            amounts[i] = tc_rat_round(&work.arena, exact, TC_DOWN)
            work.shares[i].exact = tc_rat_sub(&work.arena, exact, tc_rat_int(amounts[i]))
            given += amounts[i]
        rounded = tc_rat_round(&work.arena, total, plan.tie)
        if work.arena.failed:
            return STATUS_OUT_OF_RANGE
        if given != rounded:
            top_up(work, amounts, count, rounded - given, True)
    for i in range(count):
        item = &work.tax_items[items[i]]
        work.tax_amounts[item.place] = amounts[i]
        work.taxes[item.line].sales_tax += amounts[i]
    return STATUS_OK


cdef int sales_taxes(Work *work, const PlanData *plan, const BasketData *basket) noexcept nogil:
    """Every sales tax of the document (or line by line). Returns a status."""
    cdef int32_t i, j, first, status, count = 0
    cdef const TaxSet *taxes
    cdef const TaxEntry *entries
    cdef TaxItem *item
    for i in range(basket.line_count):
        taxes = tax_set_of(plan, basket, basket.lines[i].tax_set)
        if taxes.entry_count == taxes.vat_count:
            continue
        if reserve_tax_items(work, work.tax_amount_count):
            return STATUS_NO_MEMORY
        entries = tax_entries_of(plan, basket, basket.lines[i].tax_set)
        for j in range(taxes.entry_count):
            if entries[j].key < 0:
                continue
            item = &work.tax_items[count]
            item.key = entries[j].key
            item.line = i
            item.place = work.taxes[i].amounts + j
            item.sub_total = signed_rest(&work.lines[i])
            item.exact_n = entries[j].exact_n
            item.exact_d = entries[j].exact_d
            work.item_order[count] = count
            count += 1
    if count == 0:
        return STATUS_OK
    if not plan.round_line:
        sort_stable(work, work.item_order, count, by_tax_key)
    first = 0
    for i in range(1, count + 1):
        if i < count and not plan.round_line and (
            work.tax_items[work.item_order[i]].key == work.tax_items[work.item_order[first]].key
        ):
            continue
        status = one_sales_tax(work, plan, work.item_order + first, i - first)
        if status:
            return status
        first = i
    return STATUS_OK


cdef int tax_basket(Work *work, const PlanData *plan, const BasketData *basket) noexcept nogil:
    """Base price and taxes of every line. Returns a status."""
    cdef int32_t i, status
    status = open_taxes(work, plan, basket)
    if status == STATUS_OK:
        status = bases(work, plan, basket)
    if status:
        return status
    for i in range(basket.line_count):
        status = split_vat(
            work,
            tax_set_of(plan, basket, basket.lines[i].tax_set),
            tax_entries_of(plan, basket, basket.lines[i].tax_set),
            i,
        )
        if status:
            return status
    return sales_taxes(work, plan, basket)
