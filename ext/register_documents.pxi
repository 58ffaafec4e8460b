# Reading a recorded sale from its JSON: its lines, its summary, and what is passed over.

cdef enum:
    # Codes of members beside the numbers of `Numbers.of`; the ones from PASSED on are passed over.
    GROUP = 16
    TAXES = 17
    DISCOUNT_LIST = 18
    LINES = 19
    IS_RETURN = 20
    EXPENSE = 21
    CURRENCY = 22
    PAYMENTS = 23
    SUMMARY = 24
    VOIDED = 25
    AMOUNT = 26
    NAME = 27
    RATE = 28
    TYPE = 29
    SUCCESS = 30
    TENDERED = 31
    PASSED = 36

cdef enum:
    # Of a line or a document; what has more is handed over.
    LINE_TAXES_MAX = 16
    PAYMENTS_MAX = 64

cdef enum:
    LINE_TABLE = 0
    TAX_TABLE = 1
    PAYMENT_TABLE = 2
    FOREIGN_TABLE = 3
    RECEIPT_TABLE = 4

cdef tuple SALE_MEMBERS = (
    (b"base_currency_code", CURRENCY), (b"checkout_identifier", PASSED),
    (b"identifier", PASSED + 1), (b"payments", PAYMENTS), (b"receipt_metadata", PASSED + 2),
    (b"sequence_number", PASSED + 3), (b"source", PASSED + 4), (b"summary", SUMMARY),
    (b"timing", PASSED + 5), (b"voided", VOIDED),
)
cdef tuple SUMMARY_MEMBERS = (
    (b"base_price", BASE), (b"comment", PASSED), (b"customer", PASSED + 1),
    (b"expense_reference", EXPENSE), (b"is_return", IS_RETURN), (b"line_items", LINES),
    (b"margin", MARGIN), (b"margin_total", MARGIN_TOTAL), (b"purchase_type", PASSED + 2),
    (b"quote_reference", PASSED + 3), (b"return_reference", PASSED + 4),
    (b"sales_tax_amount", SALES_TAX), (b"sub_total", SUB_TOTAL), (b"taxes", TAXES),
    (b"total", TOTAL), (b"total_discounts", DISCOUNTS), (b"total_tax_amount", TOTAL_TAX),
    (b"vat_amount", VAT),
)
cdef tuple LINE_MEMBERS = (
    (b"barcode", PASSED), (b"base_price", BASE), (b"behavior", PASSED + 1),
    (b"bundle_label", PASSED + 2), (b"comment", PASSED + 3), (b"contribution_status", PASSED + 4),
    (b"cost_price", COST), (b"dimensions", PASSED + 5), (b"discounts", DISCOUNT_LIST),
    (b"ecom_id", PASSED + 6), (b"id", PASSED + 7), (b"image_url", PASSED + 8),
    (b"line_item_id", PASSED + 9), (b"margin", MARGIN), (b"margin_total", MARGIN_TOTAL),
    (b"name", PASSED + 10), (b"product_group", GROUP), (b"quantity", QUANTITY),
    (b"quote_reference", PASSED + 11), (b"recorded_line_item_id", PASSED + 12),
    (b"retail_price", RETAIL), (b"return_reference", PASSED + 13),
    (b"sales_tax_amount", SALES_TAX), (b"sub_total", SUB_TOTAL), (b"tags", PASSED + 14),
    (b"taxes", TAXES), (b"total", TOTAL), (b"total_tax_amount", TOTAL_TAX),
    (b"unit", PASSED + 15), (b"unit_count", PASSED + 16), (b"variant_id", PASSED + 17),
    (b"variant_name", PASSED + 18), (b"vat_amount", VAT),
)
cdef tuple TAX_MEMBERS = ((b"amount", AMOUNT), (b"name", NAME), (b"rate", RATE), (b"type", TYPE))
cdef tuple DISCOUNT_MEMBERS = ((b"amount", AMOUNT), (b"discount", PASSED))
cdef tuple PAYMENT_MEMBERS = (
    (b"amount", AMOUNT), (b"error", PASSED), (b"exchange_rate", PASSED + 1),
    (b"foreign_currency", CURRENCY), (b"foreign_currency_amount", TENDERED),
    (b"identifier", PASSED + 2), (b"payment_type", TYPE), (b"success", SUCCESS),
)

cdef enum:
    SALE_NAMES = 10
    SUMMARY_NAMES = 18
    LINE_NAMES = 33
    TAX_NAMES = 4
    DISCOUNT_NAMES = 2
    PAYMENT_NAMES = 8

cdef Name sale_names[10]
cdef Name summary_names[18]
cdef Name line_names[33]
cdef Name tax_names[4]
cdef Name discount_names[2]
cdef Name payment_names[8]

set_names(sale_names, SALE_MEMBERS)
set_names(summary_names, SUMMARY_MEMBERS)
set_names(line_names, LINE_MEMBERS)
set_names(tax_names, TAX_MEMBERS)
set_names(discount_names, DISCOUNT_MEMBERS)
set_names(payment_names, PAYMENT_MEMBERS)

# What a line, a summary, a tax or a payment cannot be without.
cdef uint64_t SUMMARY_NEEDS = (
    1 << BASE | 1 << SALES_TAX | 1 << SUB_TOTAL | 1 << TOTAL | 1 << TOTAL_TAX | 1 << VAT
    | 1 << DISCOUNTS | 1 << LINES
)
cdef uint64_t LINE_NEEDS = (
    1 << BASE | 1 << SALES_TAX | 1 << SUB_TOTAL | 1 << TOTAL | 1 << TOTAL_TAX | 1 << VAT
    | 1 << QUANTITY | 1 << RETAIL
)
cdef uint64_t TAX_NEEDS = 1 << AMOUNT | 1 << NAME | 1 << RATE | 1 << TYPE


cdef struct TaxText:
    Slice name          # as it stands in the document: a text with its quotes, or an object
    int64_t rate, amount
    int is_vat


cdef struct LineText:
    Numbers numbers
    Slice group
    TaxText taxes[16]
    int tax_count


cdef struct PaymentText:
    Slice type
    Slice currency
    int64_t amount, tendered
    bint is_successful, has_currency, has_tendered


cdef struct SaleText:
    Numbers summary
    Numbers sums            # of the lines
    PaymentText payments[64]
    int payment_count
    Slice currency
    int kind
    bint is_voided
    int64_t quantum         # the minor unit in micros, where receipts are kept; else 0


cdef class Codes:
    """The codes of names: of line cells, tax cells, payments, and taxes of receipts.

    A name that is new goes to `admit`, which returns its code, or None to hand the document over.
    """

    cdef tuple known
    cdef object admit

    def __cinit__(self, admit):
        self.known = ({}, {}, {}, {}, {})
        self.admit = admit

    cdef int find(
        self, int table, const void *head, Py_ssize_t head_size, const Slice *text
    ) except -2:
        """Return the code of a name, -1 for none: what stands before its text, and the text."""
        cdef bytes key = PyBytes_FromStringAndSize(NULL, head_size + text.size)
        cdef char *to = PyBytes_AS_STRING(key)
        cdef dict known = <dict>self.known[table]
        memcpy(to, head, head_size)
        if text.size:
            memcpy(to + head_size, text.at, text.size)
        found = known.get(key)
        if found is None:
            found = self.admit(table, key)
            if found is None:
                return -1
            known[key] = found
        return found


cdef int next_member(
    Cursor *cursor, const Name *names, int count, int *hint, uint64_t *seen, int *code
) noexcept nogil:
    """Read the name of a member into a code; what is unknown or repeated is handed over."""
    cdef Slice text
    if read_name(cursor, &text) != TAKEN:
        return HAND_OVER
    code[0] = find_name(names, count, &text, hint)
    if code[0] < 0 or seen[0] >> code[0] & 1:
        return HAND_OVER
    seen[0] |= <uint64_t>1 << code[0]
    return TAKEN


cdef int read_tax(Cursor *cursor, TaxText *tax) noexcept nogil:
    """Read a tax with its amount."""
    cdef int hint = 0, code = 0, status
    cdef uint64_t seen = 0
    cdef Slice type
    if not take(cursor, c'{'):
        return HAND_OVER
    while True:
        if next_member(cursor, tax_names, TAX_NAMES, &hint, &seen, &code) != TAKEN:
            return HAND_OVER
        if code == AMOUNT:
            status = read_number(cursor, &tax.amount)
        elif code == RATE:
            status = read_number(cursor, &tax.rate)
        elif code == NAME:
            skip_space(cursor)
            tax.name.at = cursor.at
            status = skip_value(cursor, 0)
            tax.name.size = cursor.at - tax.name.at
        else:
            status = read_text(cursor, &type)
            tax.is_vat = status == TAKEN and type.size == 3 and memcmp(type.at, b"vat", 3) == 0
            if status == TAKEN and not tax.is_vat and (
                type.size != 9 or memcmp(type.at, b"sales_tax", 9) != 0
            ):
                status = HAND_OVER
        if status != TAKEN:
            return HAND_OVER
        if take(cursor, c'}'):
            return TAKEN if seen == TAX_NEEDS else HAND_OVER
        if not take(cursor, c','):
            return HAND_OVER


cdef int read_discount(Cursor *cursor, int64_t *sum) noexcept nogil:
    """Read a discount and add its amount to a sum."""
    cdef int hint = 0, code = 0, status
    cdef uint64_t seen = 0
    cdef int64_t amount = 0
    if not take(cursor, c'{'):
        return HAND_OVER
    while True:
        if next_member(cursor, discount_names, DISCOUNT_NAMES, &hint, &seen, &code) != TAKEN:
            return HAND_OVER
        status = read_number(cursor, &amount) if code == AMOUNT else skip_value(cursor, 0)
        if status != TAKEN:
            return HAND_OVER
        if take(cursor, c'}'):
            break
        if not take(cursor, c','):
            return HAND_OVER
    if not seen >> AMOUNT & 1 or tc_add_overflows(sum[0], amount, sum):
        return HAND_OVER
    return TAKEN


cdef int read_list(Cursor *cursor, LineText *line, int code) noexcept nogil:
    """Read the taxes or the discounts of a line, or the taxes of a summary."""
    cdef TaxText tax
    if not take(cursor, c'['):
        return HAND_OVER
    if take(cursor, c']'):
        return TAKEN
    while True:
        if code == DISCOUNT_LIST:
            if read_discount(cursor, &line.numbers.of[DISCOUNTS]) != TAKEN:
                return HAND_OVER
        else:
            if read_tax(cursor, &tax) != TAKEN or line.tax_count >= LINE_TAXES_MAX:
                return HAND_OVER
            if add_type(&line.numbers, tax.is_vat, tax.amount) != TAKEN:
                return HAND_OVER
            line.taxes[line.tax_count] = tax
            line.tax_count += 1
        if take(cursor, c']'):
            return TAKEN
        if not take(cursor, c','):
            return HAND_OVER


cdef int read_line(Cursor *cursor, LineText *line) noexcept nogil:
    """Read a line and check that its numbers agree."""
    cdef int hint = 0, code = 0, status
    cdef uint64_t seen = 0
    cdef Numbers *numbers = &line.numbers
    memset(numbers, 0, sizeof(Numbers))
    line.tax_count = 0
    line.group.size = 0
    if not take(cursor, c'{'):
        return HAND_OVER
    while True:
        if next_member(cursor, line_names, LINE_NAMES, &hint, &seen, &code) != TAKEN:
            return HAND_OVER
        if code < NUMBERS:
            status = read_number(cursor, &numbers.of[code])
        elif code == GROUP:
            status = read_text(cursor, &line.group)
        elif code == TAXES or code == DISCOUNT_LIST:
            status = read_list(cursor, line, code)
        else:
            status = skip_value(cursor, 0)
        if status != TAKEN:
            return HAND_OVER
        if take(cursor, c'}'):
            break
        if not take(cursor, c','):
            return HAND_OVER
    if seen & LINE_NEEDS != LINE_NEEDS or numbers.of[QUANTITY] == 0:
        return HAND_OVER
    numbers.present = seen
    if has(numbers, COST):
        # A record without margins has those of its cost (engine.records.lines).
        if not has(numbers, MARGIN):
            numbers.of[MARGIN] = numbers.of[BASE] - numbers.of[COST]
        if not has(numbers, MARGIN_TOTAL):
            numbers.of[MARGIN_TOTAL] = numbers.of[BASE]
    return check_line(numbers)


cdef int keep_line(Rows *rows, SaleText *sale, LineText *line, Codes codes) except -1:
    """Add the rows of a line that was read."""
    cdef uint8_t kind = <uint8_t>sale.kind
    cdef uint8_t head[13]
    cdef int i, cell, tax_cell, status
    cdef Py_ssize_t first = rows.tax_count, first_receipt = rows.receipt_count
    if add_sums(&sale.sums, &line.numbers) != TAKEN:
        return HAND_OVER
    cell = codes.find(LINE_TABLE, &kind, 1, &line.group)
    if cell < 0:
        return HAND_OVER
    status = add_line(rows, &line.numbers, cell, <int32_t>rows.sale_count)
    for i in range(line.tax_count):
        if status != TAKEN:
            return status
        memcpy(head, &cell, 4)
        head[4] = line.taxes[i].is_vat
        memcpy(&head[5], &line.taxes[i].rate, 8)
        tax_cell = codes.find(TAX_TABLE, head, 13, &line.taxes[i].name)
        if tax_cell < 0:
            return HAND_OVER
        status = add_tax(rows, tax_cell, first, line.taxes[i].amount)
        if status == TAKEN and sale.quantum:
            status = keep_receipt_base(rows, sale, line, i, first_receipt, codes)
    return status


cdef int keep_receipt_base(
    Rows *rows, const SaleText *sale, const LineText *line, int tax, Py_ssize_t first, Codes codes
) except -1:
    """Add the base of a line to a tax of the receipt, once for each type and rate."""
    cdef Py_ssize_t before
    cdef int cell
    if line.numbers.of[BASE] % sale.quantum:
        return HAND_OVER
    cell = receipt_cell(sale, &line.taxes[tax], codes)
    for before in range(first, rows.receipt_count):
        if rows.receipt_cells[before] == cell:
            return TAKEN
    return HAND_OVER if cell < 0 else add_receipt(rows, cell, line.numbers.of[BASE], 0)


cdef int receipt_cell(const SaleText *sale, const TaxText *tax, Codes codes) except -2:
    """Return the cell of a tax of a receipt, -1 for none."""
    cdef uint8_t head[10]
    cdef Slice nothing
    nothing.at, nothing.size = NULL, 0
    head[0] = <uint8_t>sale.kind
    head[1] = tax.is_vat
    memcpy(&head[2], &tax.rate, 8)
    return codes.find(RECEIPT_TABLE, head, 10, &nothing)


cdef int read_lines(Cursor *cursor, Rows *rows, SaleText *sale, Codes codes) except -1:
    """Read the lines of a sale into the columns."""
    cdef LineText line
    cdef int status
    if not take(cursor, c'['):
        return HAND_OVER
    if take(cursor, c']'):
        return TAKEN
    while True:
        status = read_line(cursor, &line)
        if status == TAKEN:
            status = keep_line(rows, sale, &line, codes)
        if status != TAKEN:
            return status
        if take(cursor, c']'):
            return TAKEN
        if not take(cursor, c','):
            return HAND_OVER


cdef int read_summary(Cursor *cursor, Rows *rows, SaleText *sale, Codes codes) except -1:
    """Read the summary of a sale with its lines; the kind has to stand before them."""
    cdef int hint = 0, code = 0, status
    cdef uint64_t seen = 0
    cdef bint flag = False
    cdef LineText taxes
    memset(&taxes.numbers, 0, sizeof(Numbers))
    taxes.tax_count = 0
    if not take(cursor, c'{'):
        return HAND_OVER
    while True:
        if next_member(cursor, summary_names, SUMMARY_NAMES, &hint, &seen, &code) != TAKEN:
            return HAND_OVER
        if code < SUMS:
            status = read_number(cursor, &sale.summary.of[code])
        elif code == LINES:
            status = read_lines(cursor, rows, sale, codes)
        elif code == TAXES:
            status = read_list(cursor, &taxes, code)
        elif code == IS_RETURN and not seen >> LINES & 1:
            status = read_flag(cursor, &flag)
            sale.kind = KIND_RETURN if flag else KIND_SALE
        elif code >= PASSED:
            status = skip_value(cursor, 0)
        else:
            # An expense, whose lines count twice; or what comes too late.
            status = HAND_OVER
        if status != TAKEN:
            return status
        if take(cursor, c'}'):
            break
        if not take(cursor, c','):
            return HAND_OVER
    if seen & SUMMARY_NEEDS != SUMMARY_NEEDS:
        return HAND_OVER
    sale.summary.vat, sale.summary.sales_tax = taxes.numbers.vat, taxes.numbers.sales_tax
    status = check_summary(&sale.summary, &sale.sums)
    return keep_receipt(rows, sale, &taxes, codes) if status == TAKEN else status


cdef int keep_receipt(
    Rows *rows, const SaleText *sale, const LineText *taxes, Codes codes
) except -1:
    """Add the taxes of a summary to those of the receipt, in whole minor units."""
    cdef int i, cell, status = TAKEN
    if sale.quantum == 0:
        return TAKEN
    if sale.summary.of[TOTAL] % sale.quantum:
        return HAND_OVER
    for i in range(taxes.tax_count):
        cell = receipt_cell(sale, &taxes.taxes[i], codes)
        if cell < 0 or taxes.taxes[i].amount % sale.quantum:
            return HAND_OVER
        status = add_receipt(rows, cell, 0, taxes.taxes[i].amount)
        if status != TAKEN:
            return status
    return TAKEN
