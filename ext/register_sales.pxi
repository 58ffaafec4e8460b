# The rows of one sale: its numbers, the sums that they have to keep, and taking it back.

cdef enum:
    # The numbers of a line and of a summary, by their place in `Numbers.of`.
    BASE = 0
    MARGIN = 1
    MARGIN_TOTAL = 2
    SALES_TAX = 3
    SUB_TOTAL = 4
    TOTAL = 5
    TOTAL_TAX = 6
    VAT = 7
    DISCOUNTS = 8
    SUMS = 9            # a summary has the sums of those before
    COST = 9
    QUANTITY = 10
    RETAIL = 11
    NUMBERS = 12

cdef int64_t AMOUNT_END = 10**18        # limits.AMOUNT_MICROS_END
cdef int64_t QUANTITY_MAX = 10**12      # limits.QUANTITY_MICROS_MAX
cdef int64_t MICROS = 1_000_000


cdef struct Numbers:
    int64_t of[12]
    uint64_t present            # a bit for each place
    int64_t vat, sales_tax      # the amounts of the taxes by type


cdef struct Mark:
    Py_ssize_t sales, lines, taxes, payments, foreign, receipts


cdef inline Mark mark_of(const Rows *rows) noexcept nogil:
    """Return where the rows of the next sale begin."""
    cdef Mark mark
    mark.sales, mark.lines, mark.taxes = rows.sale_count, rows.line_count, rows.tax_count
    mark.payments, mark.foreign = rows.payment_count, rows.foreign_count
    mark.receipts = rows.receipt_count
    return mark


cdef inline void take_back(Rows *rows, const Mark *mark) noexcept nogil:
    """Drop the rows of a sale that is not taken."""
    rows.sale_count, rows.line_count, rows.tax_count = mark.sales, mark.lines, mark.taxes
    rows.payment_count, rows.foreign_count = mark.payments, mark.foreign
    rows.receipt_count = mark.receipts


cdef inline bint has(const Numbers *numbers, int place) noexcept nogil:
    return numbers.present >> place & 1


cdef int check_line(Numbers *line) noexcept nogil:
    """Check that the numbers of a line agree (engine.records.lines); absent margins become 0."""
    cdef int64_t *of = line.of
    cdef int place
    for place in range(NUMBERS):
        if not -AMOUNT_END < of[place] < AMOUNT_END:
            return HAND_OVER
    if not (-AMOUNT_END < line.vat < AMOUNT_END and -AMOUNT_END < line.sales_tax < AMOUNT_END):
        return HAND_OVER
    if of[SUB_TOTAL] != of[RETAIL] - of[DISCOUNTS] or of[VAT] != line.vat:
        return HAND_OVER
    if of[SALES_TAX] != line.sales_tax or of[TOTAL_TAX] != line.vat + line.sales_tax:
        return HAND_OVER
    if of[BASE] != of[SUB_TOTAL] - line.vat or of[TOTAL] != of[SUB_TOTAL] + line.sales_tax:
        return HAND_OVER
    if has(line, COST):
        if of[MARGIN] != of[BASE] - of[COST] or of[MARGIN_TOTAL] != of[BASE]:
            return HAND_OVER
    elif has(line, MARGIN) or has(line, MARGIN_TOTAL):
        return HAND_OVER
    if (of[RETAIL] < 0 < of[QUANTITY]) or (of[QUANTITY] < 0 < of[RETAIL]):
        return HAND_OVER
    return TAKEN if -QUANTITY_MAX <= of[QUANTITY] <= QUANTITY_MAX else HAND_OVER


cdef inline int32_t items_of(int64_t quantity) noexcept nogil:
    """Return how many items a line moves (engine.register.rows.item_count)."""
    cdef int64_t magnitude = -quantity if quantity < 0 else quantity
    cdef int64_t count = magnitude // MICROS
    if count * MICROS != magnitude:
        count = 1
    return <int32_t>(-count if quantity < 0 else count)


cdef inline int add_line(
    Rows *rows, const Numbers *line, int32_t cell, int32_t sale
) noexcept nogil:
    """Add the row of a line that is checked."""
    cdef Py_ssize_t i = rows.line_count
    if i >= rows.line_room:
        return FULL
    rows.line_cells[i] = cell
    rows.line_sales[i] = sale
    rows.bases[i] = line.of[BASE]
    rows.margins[i] = line.of[MARGIN] if has(line, COST) else NO_COST
    rows.discounts[i] = line.of[DISCOUNTS]
    rows.items[i] = items_of(line.of[QUANTITY])
    rows.line_count = i + 1
    return TAKEN


cdef inline int add_tax(Rows *rows, int32_t cell, Py_ssize_t first, int64_t amount) noexcept nogil:
    """Add the row of a tax of the line that was added last; its base counts once for each tax.

    `first` is where the rows of the line's taxes begin.
    """
    cdef Py_ssize_t i = rows.tax_count, before
    cdef int32_t line = <int32_t>(rows.line_count - 1)
    if i >= rows.tax_room:
        return FULL
    for before in range(first, i):
        if rows.tax_cells[before] == cell:
            line = -1
    rows.tax_cells[i] = cell
    rows.tax_lines[i] = line
    rows.tax_amounts[i] = amount
    rows.tax_count = i + 1
    return TAKEN


cdef inline int add_payment(Rows *rows, int32_t cell, int64_t amount) noexcept nogil:
    """Add the row of a payment in the base currency."""
    cdef Py_ssize_t i = rows.payment_count
    if i >= rows.payment_room:
        return FULL
    rows.payment_cells[i] = cell
    rows.payment_amounts[i] = amount
    rows.payment_count = i + 1
    return TAKEN


cdef inline int add_foreign(
    Rows *rows, int32_t cell, int64_t tendered, int64_t converted
) noexcept nogil:
    """Add the row of a payment in a foreign currency; both amounts have one sign."""
    cdef Py_ssize_t i = rows.foreign_count
    if i >= rows.foreign_room:
        return FULL
    if (tendered < 0 < converted) or (converted < 0 < tendered):
        return HAND_OVER
    rows.foreign_cells[i] = cell
    rows.tendered[i] = tendered
    rows.converted[i] = converted
    rows.foreign_count = i + 1
    return TAKEN


cdef inline int add_receipt(
    Rows *rows, int32_t cell, int64_t base, int64_t amount
) noexcept nogil:
    """Add the row of a tax of a receipt."""
    cdef Py_ssize_t i = rows.receipt_count
    if i >= rows.receipt_room:
        return FULL
    rows.receipt_cells[i] = cell
    rows.receipt_bases[i] = base
    rows.receipt_amounts[i] = amount
    rows.receipt_count = i + 1
    return TAKEN


cdef inline int add_sums(Numbers *sums, const Numbers *line) noexcept nogil:
    """Add a line to the sums of its sale, or its taxes to those of a line."""
    cdef int place
    for place in range(SUMS):
        if tc_add_overflows(sums.of[place], line.of[place], &sums.of[place]):
            return HAND_OVER
    return TAKEN


cdef inline int add_type(Numbers *numbers, bint is_vat, int64_t amount) noexcept nogil:
    """Add the amount of a tax to those of its type."""
    cdef int64_t *sum = &numbers.vat if is_vat else &numbers.sales_tax
    return HAND_OVER if tc_add_overflows(sum[0], amount, sum) else TAKEN


cdef int check_summary(const Numbers *summary, const Numbers *sums) noexcept nogil:
    """Check that a summary is the sum of its lines (engine.records.sales)."""
    cdef int place
    for place in range(SUMS):
        if summary.of[place] != sums.of[place]:
            return HAND_OVER
    return TAKEN


cdef int close_sale(
    Rows *rows, const Mark *mark, const Numbers *summary, int kind, int64_t paid, bint is_voided
) noexcept nogil:
    """Add the row of a sale of which the lines are added, when its taxes and payments agree.

    A voided one keeps no other row.
    """
    if is_voided:
        take_back(rows, mark)
        kind = KIND_VOIDED
    elif (
        summary.vat != summary.of[VAT]
        or summary.sales_tax != summary.of[SALES_TAX]
        or paid != summary.of[TOTAL]
    ):
        return HAND_OVER
    if rows.sale_count >= rows.sale_room:
        return FULL
    rows.kinds[rows.sale_count] = kind
    rows.sale_count += 1
    return TAKEN
