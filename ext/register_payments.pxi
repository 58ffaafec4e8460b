# Reading the payments of a recorded sale, and the sale as a whole.

cdef uint64_t SALE_NEEDS = (
    1 << CURRENCY | 1 << SUMMARY | <uint64_t>1 << (PASSED + 1) | <uint64_t>1 << (PASSED + 3)
    | <uint64_t>1 << (PASSED + 4) | <uint64_t>1 << (PASSED + 5)
)
"""Currency, summary, identifier, sequence number, source and timing."""


cdef int read_payment(Cursor *cursor, PaymentText *payment) noexcept nogil:
    """Read a payment."""
    cdef int hint = 0, code = 0, status
    cdef uint64_t seen = 0
    payment.is_successful = True
    if not take(cursor, c'{'):
        return HAND_OVER
    while True:
        if next_member(cursor, payment_names, PAYMENT_NAMES, &hint, &seen, &code) != TAKEN:
            return HAND_OVER
        if code == AMOUNT:
            status = read_number(cursor, &payment.amount)
        elif code == TENDERED:
            status = read_number(cursor, &payment.tendered)
        elif code == TYPE:
            status = read_text(cursor, &payment.type)
        elif code == CURRENCY:
            status = read_text(cursor, &payment.currency)
        elif code == SUCCESS:
            status = read_flag(cursor, &payment.is_successful)
        else:
            status = skip_value(cursor, 0)
        if status != TAKEN:
            return HAND_OVER
        if take(cursor, c'}'):
            break
        if not take(cursor, c','):
            return HAND_OVER
    payment.has_currency, payment.has_tendered = seen >> CURRENCY & 1, seen >> TENDERED & 1
    return TAKEN if seen >> AMOUNT & 1 and seen >> TYPE & 1 else HAND_OVER


cdef int read_payments(Cursor *cursor, SaleText *sale) noexcept nogil:
    """Read the payments of a sale, which may stand before its kind is known."""
    if not take(cursor, c'['):
        return HAND_OVER
    if take(cursor, c']'):
        return TAKEN
    while True:
        if sale.payment_count >= PAYMENTS_MAX:
            return HAND_OVER
        if read_payment(cursor, &sale.payments[sale.payment_count]) != TAKEN:
            return HAND_OVER
        sale.payment_count += 1
        if take(cursor, c']'):
            return TAKEN
        if not take(cursor, c','):
            return HAND_OVER


cdef int keep_payment(
    Rows *rows, const SaleText *sale, const PaymentText *payment, Codes codes
) except -1:
    """Add the row of a successful payment."""
    cdef uint8_t head[4]
    cdef int cell
    cdef bint is_base = not payment.has_currency or (
        payment.currency.size == 3 and memcmp(payment.currency.at, sale.currency.at, 3) == 0
    )
    head[0] = <uint8_t>sale.kind
    if is_base:
        cell = codes.find(PAYMENT_TABLE, head, 1, &payment.type)
        return HAND_OVER if cell < 0 else add_payment(rows, cell, payment.amount)
    if payment.currency.size != 3 or not payment.has_tendered:
        return HAND_OVER
    memcpy(&head[1], payment.currency.at, 3)
    cell = codes.find(FOREIGN_TABLE, head, 4, &payment.type)
    return HAND_OVER if cell < 0 else add_foreign(rows, cell, payment.tendered, payment.amount)


cdef int keep_payments(Rows *rows, const SaleText *sale, int64_t *paid, Codes codes) except -1:
    """Add the rows of the successful payments of a sale, and their sum."""
    cdef int i, status
    for i in range(sale.payment_count):
        if not sale.payments[i].is_successful:
            continue
        if tc_add_overflows(paid[0], sale.payments[i].amount, paid):
            return HAND_OVER
        status = keep_payment(rows, sale, &sale.payments[i], codes)
        if status != TAKEN:
            return status
    return TAKEN


cdef int read_members(Cursor *cursor, Rows *rows, SaleText *sale, Codes codes) except -1:
    """Read the members of a sale."""
    cdef int hint = 0, code = 0, status
    cdef uint64_t seen = 0
    if not take(cursor, c'{'):
        return HAND_OVER
    while True:
        if next_member(cursor, sale_names, SALE_NAMES, &hint, &seen, &code) != TAKEN:
            return HAND_OVER
        if code == SUMMARY:
            status = read_summary(cursor, rows, sale, codes)
        elif code == PAYMENTS:
            status = read_payments(cursor, sale)
        elif code == VOIDED:
            status = read_flag(cursor, &sale.is_voided)
        elif code == CURRENCY:
            status = read_text(cursor, &sale.currency)
        else:
            status = skip_value(cursor, 0)
        if status != TAKEN:
            return status
        if take(cursor, c'}'):
            break
        if not take(cursor, c','):
            return HAND_OVER
    skip_space(cursor)
    return TAKEN if seen & SALE_NEEDS == SALE_NEEDS and cursor.at == cursor.end else HAND_OVER


cdef int read_sale(
    Rows *rows, const uint8_t *document, Py_ssize_t size, const Slice *currency, int64_t quantum,
    Codes codes,
) except -1:
    """Read a sale into the columns; after anything but TAKEN they are as before."""
    cdef SaleText sale
    cdef Cursor cursor = Cursor(document, document + size)
    cdef Mark mark = mark_of(rows)
    cdef int64_t paid = 0
    cdef int status
    memset(&sale.summary, 0, sizeof(Numbers))
    memset(&sale.sums, 0, sizeof(Numbers))
    sale.payment_count, sale.kind, sale.is_voided, sale.quantum = 0, KIND_SALE, False, quantum
    status = read_members(&cursor, rows, &sale, codes)
    if status == TAKEN and (
        sale.currency.size != currency.size
        or memcmp(sale.currency.at, currency.at, currency.size) != 0
    ):
        status = HAND_OVER
    if status == TAKEN and not sale.is_voided:
        status = keep_payments(rows, &sale, &paid, codes)
    if status == TAKEN:
        status = close_sale(rows, &mark, &sale.summary, sale.kind, paid, sale.is_voided)
    if status != TAKEN:
        take_back(rows, &mark)
    return status
