# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True, auto_pickle=False, autotestdict=False
"""Add up recorded sales over columns, and read them into columns from their JSON."""
# Design:
# a) A sale is rows of numbers in columns: its kind, its lines, their taxes, its payments, and what
#    the journal counts of it. A row names its cell, the code of what it counts towards; who reads
#    sales gives the codes, and makes totals of the cells (engine.register.columns).
# b) Each table is added in one pass without the interpreter lock. What follows from other numbers
#    by the identities of a line is no column: sub total, total, taxes by type, the margin's base.
# c) Sums have 128 bits (wide_sum.h) and never wrap; parts may be added in any order, by several
#    threads, and merged. Indexes of rows are checked, since a wrong one would write anywhere.
# d) Documents are read as the server writes them, in one pass without a Python object a line. A
#    sale is taken only when its numbers are sure to be those that engine.records reads, and agree;
#    whatever else there is, errors included, is handed over to Python. Members that no total is
#    made of are passed over: they are JSON, and nothing is asked of them.
# Specification: docs/registers.md, section 5; docs/evaluation.md, sections 1 and 4.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport INT64_MIN, int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memchr, memcmp, memcpy, memset

cdef extern from "wide_sum.h" nogil:
    int tc_add_overflows(int64_t a, int64_t b, int64_t *out)
    void tc_accumulate(int64_t *low, int64_t *high, int64_t amount)

include "register_sums.pxi"
include "register_sales.pxi"
include "register_json.pxi"
include "register_documents.pxi"
include "register_payments.pxi"

SALE = KIND_SALE
RETURN = KIND_RETURN
EXPENSE_SALE = KIND_EXPENSE
VOIDED_SALE = KIND_VOIDED
WITHOUT_COST = NO_COST

READ = TAKEN
HANDED_OVER = HAND_OVER
NO_ROOM = FULL


cdef class Columns:
    """Sales in columns: arrays of the caller's, of which the first rows are filled.

    Amounts are in micros. A tax names the row of its line, or -1 where the same tax of the line
    has named it before. The margin of a line without a cost is WITHOUT_COST.
    """

    cdef Rows rows
    cdef tuple arrays

    def __cinit__(
        self,
        *,
        int32_t[::1] kinds not None,
        int32_t[::1] line_cells not None,
        int32_t[::1] line_sales not None,
        int64_t[::1] bases not None,
        int64_t[::1] margins not None,
        int64_t[::1] discounts not None,
        int32_t[::1] items not None,
        int32_t[::1] tax_cells not None,
        int32_t[::1] tax_lines not None,
        int64_t[::1] tax_amounts not None,
        int32_t[::1] payment_cells not None,
        int64_t[::1] payment_amounts not None,
        int32_t[::1] foreign_cells not None,
        int64_t[::1] tendered not None,
        int64_t[::1] converted not None,
        int32_t[::1] receipt_cells not None,
        int64_t[::1] receipt_bases not None,
        int64_t[::1] receipt_amounts not None,
        bint is_full=False,
    ):
        cdef Rows *rows = &self.rows
        self.arrays = (
            kinds, line_cells, line_sales, bases, margins, discounts, items, tax_cells, tax_lines,
            tax_amounts, payment_cells, payment_amounts, foreign_cells, tendered, converted,
            receipt_cells, receipt_bases, receipt_amounts,
        )
        rows.sale_room = same_length(kinds.shape[0], kinds.shape[0], kinds.shape[0])
        rows.line_room = same_length(line_cells.shape[0], line_sales.shape[0], bases.shape[0])
        same_length(rows.line_room, margins.shape[0], discounts.shape[0])
        same_length(rows.line_room, items.shape[0], items.shape[0])
        rows.tax_room = same_length(tax_cells.shape[0], tax_lines.shape[0], tax_amounts.shape[0])
        rows.payment_room = same_length(
            payment_cells.shape[0], payment_amounts.shape[0], payment_amounts.shape[0]
        )
        rows.foreign_room = same_length(
            foreign_cells.shape[0], tendered.shape[0], converted.shape[0]
        )
        rows.receipt_room = same_length(
            receipt_cells.shape[0], receipt_bases.shape[0], receipt_amounts.shape[0]
        )
        rows.kinds = &kinds[0]
        rows.line_cells, rows.line_sales, rows.items = &line_cells[0], &line_sales[0], &items[0]
        rows.bases, rows.margins, rows.discounts = &bases[0], &margins[0], &discounts[0]
        rows.tax_cells, rows.tax_lines = &tax_cells[0], &tax_lines[0]
        rows.tax_amounts = &tax_amounts[0]
        rows.payment_cells, rows.payment_amounts = &payment_cells[0], &payment_amounts[0]
        rows.foreign_cells = &foreign_cells[0]
        rows.tendered, rows.converted = &tendered[0], &converted[0]
        rows.receipt_cells = &receipt_cells[0]
        rows.receipt_bases, rows.receipt_amounts = &receipt_bases[0], &receipt_amounts[0]
        if is_full:
            rows.sale_count, rows.line_count = rows.sale_room, rows.line_room
            rows.tax_count, rows.payment_count = rows.tax_room, rows.payment_room
            rows.foreign_count, rows.receipt_count = rows.foreign_room, rows.receipt_room

    @property
    def counts(self) -> tuple:
        """How many rows each table has: sales, lines, taxes, payments, foreign ones, receipts."""
        return (
            self.rows.sale_count, self.rows.line_count, self.rows.tax_count,
            self.rows.payment_count, self.rows.foreign_count, self.rows.receipt_count,
        )

    def clear(self):
        """Drop all rows."""
        cdef Mark mark
        memset(&mark, 0, sizeof(Mark))
        take_back(&self.rows, &mark)

    def read(
        self, const uint8_t[::1] document not None, *, bytes currency_code not None,
        int64_t quantum_micros, Codes codes not None,
    ) -> int:
        """Add a sale from its JSON, which is UTF-8.

        Returns READ; HANDED_OVER when Python has to read it; or NO_ROOM. Nothing is added then.
        Receipts are kept in whole multiples of the quantum, and not at all when it is 0.
        """
        cdef Slice currency = Slice(<const uint8_t *>PyBytes_AS_STRING(currency_code), 0)
        currency.size = len(currency_code)
        if document.shape[0] == 0:
            return HAND_OVER
        return self.read_document(
            &document[0], document.shape[0], &currency, quantum_micros, codes
        )

    # A function of its own, in which instructions are counted (benchmarks/instructions.py).
    cdef int read_document(
        self, const uint8_t *document, Py_ssize_t size, const Slice *currency, int64_t quantum,
        Codes codes,
    ) except -1:
        """Add a sale from its JSON."""
        return read_sale(&self.rows, document, size, currency, quantum, codes)

    def add(
        self, int kind, list lines not None, list payments not None, tuple summary not None,
        *, bint is_voided,
    ) -> int:
        """Add a sale whose names have codes.

        A line is (its numbers, whether it has a cost, parts); a part is a cell with its taxes,
        each (cell, whether it is VAT, amount). The numbers are base price, margin, margin total,
        sales tax, sub total, total, total tax, VAT, discounts, cost, quantity and retail price. A
        payment is (cell, amount) or (cell, amount, foreign amount). The summary has the first nine
        numbers of a line and its taxes' VAT and sales tax.

        Returns READ; HANDED_OVER when its numbers do not agree; or NO_ROOM. Nothing is added then.
        Raises OverflowError for a number beyond 64 bits.
        """
        cdef Mark mark = mark_of(&self.rows)
        cdef Numbers numbers, sums
        cdef int64_t paid = 0
        cdef int status
        memset(&sums, 0, sizeof(Numbers))
        memset(&numbers, 0, sizeof(Numbers))
        try:
            status = keep_lines(&self.rows, lines, &sums)
            if status == TAKEN:
                load(&numbers, summary, SUMS)
                numbers.vat, numbers.sales_tax = summary[SUMS], summary[SUMS + 1]
                status = check_summary(&numbers, &sums)
            if status == TAKEN and not is_voided:
                status = keep_paid(&self.rows, payments, &paid)
            if status == TAKEN:
                status = close_sale(&self.rows, &mark, &numbers, kind, paid, is_voided)
        except BaseException:
            take_back(&self.rows, &mark)
            raise
        if status != TAKEN:
            take_back(&self.rows, &mark)
        return status


cdef Py_ssize_t same_length(Py_ssize_t one, Py_ssize_t two, Py_ssize_t three) except -1:
    """Return the length of the columns of a table. Raise ValueError unless they have one."""
    if two != one or three != one or one > 2**31 - 1:
        raise ValueError(f"expected columns of one length, was {one}, {two}, {three}")
    return one


cdef int load(Numbers *numbers, tuple given, int count) except -1:
    """Fill the numbers of a line or of a summary."""
    cdef int place
    for place in range(count):
        numbers.of[place] = given[place]
    return 0


cdef int keep_lines(Rows *rows, list lines, Numbers *sums) except -1:
    """Add the rows of lines whose names have codes."""
    cdef Numbers line
    cdef Py_ssize_t first
    cdef int status
    cdef bint is_first
    for given, has_cost, parts in lines:
        memset(&line, 0, sizeof(Numbers))
        load(&line, given, NUMBERS)
        line.present = <uint64_t>1 << COST if has_cost else 0
        is_first = True
        for cell, taxes in parts:
            if is_first:
                for _, is_vat, amount in taxes:
                    if add_type(&line, is_vat, amount) != TAKEN:
                        return HAND_OVER
                if check_line(&line) != TAKEN or add_sums(sums, &line) != TAKEN:
                    return HAND_OVER
                is_first = False
            first = rows.tax_count
            status = add_line(rows, &line, cell, <int32_t>rows.sale_count)
            for tax_cell, _, amount in taxes:
                if status == TAKEN:
                    status = add_tax(rows, tax_cell, first, amount)
            if status != TAKEN:
                return status
    return TAKEN


cdef int keep_paid(Rows *rows, list payments, int64_t *paid) except -1:
    """Add the rows of payments whose names have codes, and their sum."""
    cdef int64_t amount
    cdef int status
    for payment in payments:
        amount = payment[1]
        if tc_add_overflows(paid[0], amount, paid):
            return HAND_OVER
        if len(<tuple>payment) == 2:
            status = add_payment(rows, payment[0], amount)
        else:
            status = add_foreign(rows, payment[0], payment[2], amount)
        if status != TAKEN:
            return status
    return TAKEN


cdef class Sums:
    """The sums of columns by cell, in 128 bits; a cell of which no row came is zero."""

    cdef LineSum *lines_
    cdef PairSum *taxes_
    cdef FlowSum *payments_
    cdef FlowSum *foreign_
    cdef PairSum *receipts_
    cdef Py_ssize_t counts[5]
    cdef int64_t kinds_[4]
    cdef int64_t next_sale

    def __dealloc__(self):
        free(self.lines_)
        free(self.taxes_)
        free(self.payments_)
        free(self.foreign_)
        free(self.receipts_)

    cdef int grow(self, void **cells, int table, Py_ssize_t size, Py_ssize_t count) except -1:
        """Make room for so many cells of a table, new ones zero."""
        cdef Py_ssize_t before = self.counts[table]
        cdef void *grown
        if count <= before:
            return 0
        grown = realloc(cells[0], count * size)
        if grown == NULL:
            raise MemoryError
        cells[0] = grown
        memset(<char *>grown + before * size, 0, (count - before) * size)
        self.counts[table] = count
        return 0

    def reserve(
        self, *, Py_ssize_t lines, Py_ssize_t taxes, Py_ssize_t payments, Py_ssize_t foreign,
        Py_ssize_t receipts,
    ):
        """Make room for so many cells of each table. Raises MemoryError."""
        self.grow(<void **>&self.lines_, LINE_TABLE, sizeof(LineSum), lines)
        self.grow(<void **>&self.taxes_, TAX_TABLE, sizeof(PairSum), taxes)
        self.grow(<void **>&self.payments_, PAYMENT_TABLE, sizeof(FlowSum), payments)
        self.grow(<void **>&self.foreign_, FOREIGN_TABLE, sizeof(FlowSum), foreign)
        self.grow(<void **>&self.receipts_, RECEIPT_TABLE, sizeof(PairSum), receipts)

    def add(self, Columns columns not None, *, int part=0, int parts=1):
        """Add the rows of columns, or one of several parts of them.

        Raises ValueError for a row whose cell is not reserved; the sums are not to be used then.
        """
        cdef const Rows *rows = &columns.rows
        cdef int status
        if not 0 <= part < parts:
            raise ValueError(f"expected a part below {parts}, was {part}")
        with nogil:
            status = self.add_part(rows, part, parts)
        if status:
            raise ValueError("expected rows of reserved cells")
        self.next_sale += rows.sale_count

    cdef int add_part(self, const Rows *rows, int part, int parts) noexcept nogil:
        """Add a part of every table; a sale's lines stay in one."""
        return (
            count_kinds(
                self.kinds_, rows,
                rows.sale_count * part // parts, rows.sale_count * (part + 1) // parts,
            )
            or sum_lines(
                self.lines_, self.counts[LINE_TABLE], rows,
                whole_sale(rows, rows.line_count * part // parts),
                whole_sale(rows, rows.line_count * (part + 1) // parts),
                self.next_sale + 1,
            )
            or sum_taxes(
                self.taxes_, self.counts[TAX_TABLE], rows,
                rows.tax_count * part // parts, rows.tax_count * (part + 1) // parts,
            )
            or sum_payments(
                self.payments_, self.counts[PAYMENT_TABLE], rows,
                rows.payment_count * part // parts, rows.payment_count * (part + 1) // parts,
            )
            or sum_foreign(
                self.foreign_, self.counts[FOREIGN_TABLE], rows,
                rows.foreign_count * part // parts, rows.foreign_count * (part + 1) // parts,
            )
            or sum_receipts(
                self.receipts_, self.counts[RECEIPT_TABLE], rows,
                rows.receipt_count * part // parts, rows.receipt_count * (part + 1) // parts,
            )
        )

    @property
    def kinds(self) -> tuple:
        """How many sales there were: SALE, RETURN, EXPENSE_SALE, VOIDED_SALE."""
        return tuple([self.kinds_[i] for i in range(KIND_COUNT)])

    def lines(self) -> list:
        """Return for each cell: base price, margin, margin total, discounts, items, sales."""
        cdef Py_ssize_t i
        cdef LineSum *cell
        cdef list found = []
        for i in range(self.counts[LINE_TABLE]):
            cell = &self.lines_[i]
            found.append((*wide(cell.low, cell.high, 5), cell.sale_count))
        return found

    def taxes(self) -> list:
        """Return for each cell: amount, base, rows."""
        return pairs(self.taxes_, self.counts[TAX_TABLE])

    def payments(self) -> list:
        """Return for each cell: credit, debit, and how many payments of each."""
        return flows(self.payments_, self.counts[PAYMENT_TABLE], 2)

    def foreign(self) -> list:
        """Return for each cell: credit, debit, both in the base currency, payments of each."""
        return flows(self.foreign_, self.counts[FOREIGN_TABLE], 4)

    def receipts(self) -> list:
        """Return for each cell: base, amount, rows."""
        return pairs(self.receipts_, self.counts[RECEIPT_TABLE])


cdef inline Py_ssize_t whole_sale(const Rows *rows, Py_ssize_t line) noexcept nogil:
    """Return the first line from here on with which a sale begins."""
    while 0 < line < rows.line_count and rows.line_sales[line] == rows.line_sales[line - 1]:
        line += 1
    return line


cdef list wide(const int64_t *low, const int64_t *high, int count):
    """Return sums of 128 bits."""
    cdef int i
    cdef list found = []
    for i in range(count):
        found.append((<object>high[i] << 64) + low[i])
    return found


cdef list pairs(const PairSum *cells, Py_ssize_t count):
    """Return two sums and a count for each cell."""
    cdef Py_ssize_t i
    cdef list found = []
    for i in range(count):
        found.append((*wide(cells[i].low, cells[i].high, 2), cells[i].row_count))
    return found


cdef list flows(const FlowSum *cells, Py_ssize_t count, int sums):
    """Return some sums and two counts for each cell."""
    cdef Py_ssize_t i
    cdef list found = []
    for i in range(count):
        found.append(
            (*wide(cells[i].low, cells[i].high, sums), cells[i].row_counts[0],
             cells[i].row_counts[1])
        )
    return found
