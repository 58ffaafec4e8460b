# Columns of recorded sales and their sums by cell: the tables, the loops over them.

cdef enum:
    KIND_SALE = 0
    KIND_RETURN = 1
    KIND_EXPENSE = 2
    KIND_VOIDED = 3
    KIND_COUNT = 4

# What a line without a cost has in place of its margin; no amount is as small.
cdef int64_t NO_COST = INT64_MIN


cdef struct Rows:
    # One row a sale, a line, a tax of a line, a payment, a payment in a foreign currency, and a tax
    # of a receipt, each table with how many rows it has and has room for.
    int32_t *kinds
    Py_ssize_t sale_count, sale_room
    int32_t *line_cells
    int32_t *line_sales
    int64_t *bases
    int64_t *margins
    int64_t *discounts
    int32_t *items
    Py_ssize_t line_count, line_room
    int32_t *tax_cells
    int32_t *tax_lines
    int64_t *tax_amounts
    Py_ssize_t tax_count, tax_room
    int32_t *payment_cells
    int64_t *payment_amounts
    Py_ssize_t payment_count, payment_room
    int32_t *foreign_cells
    int64_t *tendered
    int64_t *converted
    Py_ssize_t foreign_count, foreign_room
    int32_t *receipt_cells
    int64_t *receipt_bases
    int64_t *receipt_amounts
    Py_ssize_t receipt_count, receipt_room


cdef struct LineSum:
    int64_t low[5]          # base price, margin, margin total, discounts, items
    int64_t sale_count      # sales with a line of the cell
    int64_t last_sale
    int64_t high[5]


cdef struct PairSum:
    int64_t low[2]
    int64_t row_count
    int64_t high[2]


cdef struct FlowSum:
    int64_t low[4]          # credit, debit; of foreign payments in the base currency too
    int64_t row_counts[2]
    int64_t high[4]


cdef int sum_lines(
    LineSum *sums, Py_ssize_t cell_count, const Rows *rows, Py_ssize_t start, Py_ssize_t end,
    int64_t first_sale,
) noexcept nogil:
    """Add lines to their cells. Return 1 at a cell that there is not."""
    cdef Py_ssize_t i
    cdef LineSum *cell
    cdef int64_t base, margin, sale
    cdef bint has_cost
    for i in range(start, end):
        if <size_t>rows.line_cells[i] >= <size_t>cell_count:
            return 1
        cell = &sums[rows.line_cells[i]]
        base, margin = rows.bases[i], rows.margins[i]
        has_cost = margin != NO_COST
        tc_accumulate(&cell.low[0], &cell.high[0], base)
        tc_accumulate(&cell.low[1], &cell.high[1], margin if has_cost else 0)
        tc_accumulate(&cell.low[2], &cell.high[2], base if has_cost else 0)
        tc_accumulate(&cell.low[3], &cell.high[3], rows.discounts[i])
        tc_accumulate(&cell.low[4], &cell.high[4], rows.items[i])
        # The lines of a sale follow each other: a sale counts where the cell last saw another one.
        sale = first_sale + rows.line_sales[i]
        cell.sale_count += cell.last_sale != sale
        cell.last_sale = sale
    return 0


cdef int sum_taxes(
    PairSum *sums, Py_ssize_t cell_count, const Rows *rows, Py_ssize_t start, Py_ssize_t end
) noexcept nogil:
    """Add taxes to their cells, with the base prices of their lines. Return 1 at a wrong index."""
    cdef Py_ssize_t i
    cdef int32_t line
    cdef PairSum *cell
    for i in range(start, end):
        line = rows.tax_lines[i]
        if <size_t>rows.tax_cells[i] >= <size_t>cell_count or line >= rows.line_count:
            return 1
        cell = &sums[rows.tax_cells[i]]
        tc_accumulate(&cell.low[0], &cell.high[0], rows.tax_amounts[i])
        if line >= 0:
            tc_accumulate(&cell.low[1], &cell.high[1], rows.bases[line])
        cell.row_count += 1
    return 0


cdef int sum_payments(
    FlowSum *sums, Py_ssize_t cell_count, const Rows *rows, Py_ssize_t start, Py_ssize_t end
) noexcept nogil:
    """Add payments in the base currency to their cells. Return 1 at a cell that there is not."""
    cdef Py_ssize_t i
    cdef int side
    cdef FlowSum *cell
    for i in range(start, end):
        if <size_t>rows.payment_cells[i] >= <size_t>cell_count:
            return 1
        cell = &sums[rows.payment_cells[i]]
        side = rows.payment_amounts[i] < 0
        tc_accumulate(&cell.low[side], &cell.high[side], rows.payment_amounts[i])
        cell.row_counts[side] += 1
    return 0


cdef int sum_foreign(
    FlowSum *sums, Py_ssize_t cell_count, const Rows *rows, Py_ssize_t start, Py_ssize_t end
) noexcept nogil:
    """Add payments in foreign currencies to their cells. Return 1 at a cell that there is not."""
    cdef Py_ssize_t i
    cdef int side
    cdef FlowSum *cell
    for i in range(start, end):
        if <size_t>rows.foreign_cells[i] >= <size_t>cell_count:
            return 1
        cell = &sums[rows.foreign_cells[i]]
        # A tiny amount may be worth 0 in the base currency, or the other way round.
        side = rows.tendered[i] < 0 or rows.converted[i] < 0
        tc_accumulate(&cell.low[side], &cell.high[side], rows.tendered[i])
        tc_accumulate(&cell.low[2 + side], &cell.high[2 + side], rows.converted[i])
        cell.row_counts[side] += 1
    return 0


cdef int sum_receipts(
    PairSum *sums, Py_ssize_t cell_count, const Rows *rows, Py_ssize_t start, Py_ssize_t end
) noexcept nogil:
    """Add the taxes of receipts to their cells. Return 1 at a cell that there is not."""
    cdef Py_ssize_t i
    cdef PairSum *cell
    for i in range(start, end):
        if <size_t>rows.receipt_cells[i] >= <size_t>cell_count:
            return 1
        cell = &sums[rows.receipt_cells[i]]
        tc_accumulate(&cell.low[0], &cell.high[0], rows.receipt_bases[i])
        tc_accumulate(&cell.low[1], &cell.high[1], rows.receipt_amounts[i])
        cell.row_count += 1
    return 0


cdef int count_kinds(
    int64_t *counts, const Rows *rows, Py_ssize_t start, Py_ssize_t end
) noexcept nogil:
    """Count sales by their kind. Return 1 at a kind that there is not."""
    cdef Py_ssize_t i
    for i in range(start, end):
        if <size_t>rows.kinds[i] >= KIND_COUNT:
            return 1
        counts[rows.kinds[i]] += 1
    return 0
