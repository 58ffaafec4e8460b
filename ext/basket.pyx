# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True, auto_pickle=False, autotestdict=False
# Design:
# a) Specification: docs/evaluation.md. One translation unit: the .pxi files hold the structs, the
#    spreading of amounts, lines and units, records, groups, steps, matching, best price, taxes, the
#    work space and the reading of tables; this file holds the Python classes. All arithmetic runs
#    without the interpreter lock.
# b) Amounts are int64 counts of the minor unit, so that most sums need no division. Values of
#    units are exact rationals (rational.h), plain integers as long as prices are whole minor units.
# c) Units are handled in runs: a discount takes units start..end of a line, so a quantity of a
#    million costs what one costs. Equal groups that follow each other on a line are one step.
# d) The plan's index leads from a product to the campaigns that name it; campaigns that match
#    nothing in the basket are never looked at.
# e) Input is checked before it gets here (engine.plan, engine.basket); the kernel checks ranges,
#    overflow and memory and reports a status.
# f) Division is C division, on magnitudes or through money128.h, where the sign is put back.
"""Evaluate baskets over C structs without the interpreter lock (docs/evaluation.md)."""

from libc.stdint cimport INT32_MAX, int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, qsort, realloc
from libc.string cimport memcpy, memset

from ext.best_price cimport (
    ACTION_BOTH,
    ACTION_TARGET,
    ACTION_TRIGGER,
    FORM_AMOUNT,
    FORM_EACH,
    FORM_PRICE,
    OFFERS_MAX,
    SLOTS_MAX,
    UNITS_MAX,
    Offer,
    Search,
    free_search,
    reserve_search,
    solve,
    value_end,
)

cdef extern from "money128.h" nogil:
    enum:
        TC_DOWN
    int tc_add(int64_t a, int64_t b, int64_t *out)
    int tc_mul(int64_t a, int64_t b, int64_t *out)
    int tc_muldiv(int64_t a, int64_t b, int64_t c, int64_t d, int mode, int64_t *out)
    int tc_muldiv_rem(int64_t a, int64_t b, int64_t c, int64_t *quotient, int64_t *remainder)

cdef extern from "rational.h" nogil:
    void tc_arena_reset(tc_arena *arena)
    void tc_arena_free(tc_arena *arena)
    tc_rat tc_rat_int(int64_t n)
    tc_rat tc_rat_make(tc_arena *arena, int64_t n, int64_t d)
    tc_rat tc_rat_add(tc_arena *arena, tc_rat a, tc_rat b)
    tc_rat tc_rat_sub(tc_arena *arena, tc_rat a, tc_rat b)
    tc_rat tc_rat_mul(tc_arena *arena, tc_rat a, tc_rat b)
    tc_rat tc_rat_div(tc_arena *arena, tc_rat a, tc_rat b)
    tc_rat tc_rat_min(tc_arena *arena, tc_rat a, tc_rat b)
    tc_rat tc_rat_negate(tc_arena *arena, tc_rat a)
    int tc_rat_cmp(tc_arena *arena, tc_rat a, tc_rat b)
    int64_t tc_rat_round(tc_arena *arena, tc_rat a, int mode)
    int tc_rat_is_zero(tc_rat a)
    int tc_rat_sign(const tc_arena *arena, tc_rat a)
    int tc_rat_parts(const tc_arena *arena, tc_rat a, int64_t *n, int64_t *d)
    int64_t tc_gcd64(int64_t a, int64_t b)

include "basket_spread.pxi"
include "basket_units.pxi"
include "basket_records.pxi"
include "basket_groups.pxi"
include "basket_sets.pxi"
include "basket_steps.pxi"
include "basket_match.pxi"
include "basket_choice.pxi"
include "basket_offers.pxi"
include "basket_orders.pxi"
include "basket_best.pxi"
include "basket_taxes.pxi"
include "basket_work.pxi"
include "basket_tables.pxi"


cdef class Plan:
    """The compiled, immutable form of a catalogue and its campaigns, in C structs.

    The tables come from engine.plan: int64 arrays, one row a struct. Lists of campaigns hold pairs
    of a campaign and the mask of its slots.
    """

    def __cinit__(
        self,
        *,
        const int64_t[:, ::1] rows,
        const int32_t[::1] row_campaigns,
        const int32_t[::1] everywhere,
        const int32_t[::1] on_basket,
        const int64_t[:, ::1] campaigns,
        const int64_t[:, ::1] tax_sets,
        const int64_t[:, ::1] tax_entries,
        int sale_rank,
        int64_t quantum_micros,
        int64_t amount_end_minor,
        int tie,
        bint round_line,
        bint round_tax,
        bint best_price,
        int group_count,
    ):
        fill_rows(&self.data, rows)
        fill_campaigns(&self.data, campaigns)
        fill_tax_tables(
            &self.data.tax_sets, &self.data.tax_entries, tax_sets, tax_entries
        )
        copy_int32(&self.data.row_campaigns, row_campaigns)
        copy_int32(&self.data.everywhere, everywhere)
        copy_int32(&self.data.on_basket, on_basket)
        self.data.tax_set_count = <int32_t>tax_sets.shape[0]
        self.data.everywhere_count = <int32_t>everywhere.shape[0] // 2
        self.data.on_basket_count = <int32_t>on_basket.shape[0]
        self.data.sale_rank = sale_rank
        self.data.quantum = quantum_micros
        self.data.amount_end = amount_end_minor
        self.data.tie = tie
        self.data.round_line = round_line
        self.data.round_tax = round_tax
        self.data.best_price = best_price
        self.group_count = group_count

    def __dealloc__(self):
        free(self.data.rows)
        free(self.data.campaigns)
        free(self.data.tax_sets)
        free(self.data.tax_entries)
        free(self.data.row_campaigns)
        free(self.data.everywhere)
        free(self.data.on_basket)


cdef class PreparedBasket:
    """One basket in C structs, made for one plan.

    `lines` has a row for each line: plan row (or -1 for a line with values of its own), quantity,
    unit count, flags to add, tax set (-1: the row's), price and price_minor entered at the till
    (price -1: the row's). `own_rows` has the rows of lines without a plan row, in their order,
    with `campaigns` counted in `own_campaigns`. `manuals`: kind, value_n, value_d, cap_n, cap_d,
    rate, line.
    """

    cdef BasketData data
    cdef readonly Plan plan
    cdef int group_count
    cdef object blocked

    def __cinit__(
        self,
        Plan plan not None,
        *,
        const int64_t[:, ::1] lines,
        const int64_t[:, ::1] own_rows,
        const int32_t[::1] own_campaigns,
        const int64_t[:, ::1] manuals,
        const int64_t[:, ::1] tax_sets,
        const int64_t[:, ::1] tax_entries,
        bytes blocked,
        int64_t moment_ns,
        uint64_t purchase_type,
        bint has_customer,
        int group_count,
    ):
        cdef Py_ssize_t i
        self.plan = plan
        self.group_count = max(group_count, plan.group_count)
        fill_lines(&self.data, &plan.data, lines, own_rows)
        copy_rows(<void **>&self.data.manuals, manuals, sizeof(Manual))
        for i in range(manuals.shape[0]):
            fill_effect(&self.data.manuals[i].effect, manuals, i)
            self.data.manuals[i].line = <int32_t>manuals[i, 6]
        self.data.manual_count = <int32_t>manuals.shape[0]
        copy_int32(&self.data.row_campaigns, own_campaigns)
        fill_tax_tables(
            &self.data.tax_sets, &self.data.tax_entries, tax_sets, tax_entries
        )
        self.blocked = blocked
        self.data.blocked = NULL
        if blocked is not None:
            if len(blocked) < plan.data.campaign_count:
                raise ValueError("expected a byte for each campaign")
            self.data.blocked = <const uint8_t *><const char *>blocked
        self.data.moment = moment_ns
        self.data.purchase_type = purchase_type
        self.data.has_customer = has_customer

    def __dealloc__(self):
        free(self.data.lines)
        free(self.data.manuals)
        free(self.data.row_campaigns)
        free(self.data.tax_sets)
        free(self.data.tax_entries)


cdef object rational_of(const tc_arena *arena, tc_rat value):
    """Return a rational as numerator and denominator, whatever their size."""
    cdef const tc_wide *wide
    cdef int i
    if value.d:
        return value.n, value.d
    wide = &arena.wide[value.n]
    numerator = sum([<object>wide.n[i] << (32 * i) for i in range(wide.n_len)])
    denominator = sum([<object>wide.d[i] << (32 * i) for i in range(wide.d_len)])
    return -numerator if wide.negative else numerator, denominator


cdef class Evaluator:
    """The work space of one thread: evaluates prepared baskets one after the other."""

    cdef Work work
    cdef PreparedBasket basket

    def __dealloc__(self):
        free_work(&self.work)

    def evaluate(self, PreparedBasket basket not None) -> int:
        """Evaluate; return -2 when all is well, or what is out of range: a line, or -1 for a total.

        Raises MemoryError. The results are read with `lines` and `records` before the next call.
        """
        cdef int status
        self.basket = basket
        with nogil:
            status = evaluate_one(
                &self.work, &basket.plan.data, &basket.data, basket.group_count
            )
        if status == STATUS_NO_MEMORY:
            raise MemoryError
        if status == STATUS_OUT_OF_RANGE:
            return self.work.bad_line
        return -2

    def lines(self) -> list:
        """Return for each line, in micros: retail, sub_total, base, VAT, sales tax, cost, taxes."""
        cdef int32_t i, j
        cdef int64_t sign
        cdef int64_t quantum = self.basket.plan.data.quantum
        cdef const TaxSet *taxes
        cdef Line *line
        cdef TaxResult *result
        cdef list out = []
        for i in range(self.basket.data.line_count):
            line = &self.work.lines[i]
            result = &self.work.taxes[i]
            taxes = tax_set_of(
                &self.basket.plan.data, &self.basket.data, self.basket.data.lines[i].tax_set
            )
            sign = -quantum if line.flags & LINE_NEGATIVE else quantum
            out.append((
                line.retail * sign,
                line.remaining * sign,
                result.base * quantum,
                result.vat * quantum,
                result.sales_tax * quantum,
                line.cost * sign,
                [
                    self.work.tax_amounts[result.amounts + j] * quantum
                    for j in range(taxes.entry_count)
                ],
            ))
        return out

    def records(self) -> list:
        """Return the discounts in the order of application.

        Each is (line, source, start, hit, end, amount in micros). The source is a campaign's index,
        -1 for a sale price, -2 - i for manual discount i. Units start..end were taken, hit..end
        discounted; records without an amount only say what was taken.
        """
        cdef int32_t i
        cdef int64_t sign
        cdef int64_t quantum = self.basket.plan.data.quantum
        cdef Entry *entry
        cdef list out = []
        for i in range(self.work.entry_count):
            entry = &self.work.entries[i]
            sign = -quantum if self.work.lines[entry.line].flags & LINE_NEGATIVE else quantum
            out.append((
                entry.line, entry.source, entry.start, entry.hit, entry.end, entry.amount * sign
            ))
        return out

    @property
    def optimal(self) -> bool:
        """Whether no choice is worth more than what was applied; true under `priority`."""
        if not self.basket.plan.data.best_price:
            return True
        return bool(self.work.outcomes[0].optimal and self.work.outcomes[1].optimal)

    @property
    def gap(self) -> int:
        """What a better choice could add to the worth at most, in micros."""
        if not self.basket.plan.data.best_price:
            return 0
        return (
            self.work.outcomes[0].gap + self.work.outcomes[1].gap
        ) * self.basket.plan.data.quantum

    def worth(self) -> tuple:
        """Return the worth of step 1 under best price by side, positive and negative quantities.

        Each is a numerator and a denominator in minor units.
        """
        return (
            rational_of(&self.work.arena, self.work.outcomes[0].worth),
            rational_of(&self.work.arena, self.work.outcomes[1].worth),
        )

    def choice(self) -> list:
        """Return the choice that was applied: (side, source, slot, line, count) in step-1 order.

        The side is 0 for positive quantities and 1 for negative ones; it has none when the answer
        of `priority` stands. The source is a campaign's index or -1, the slot of a target's own
        selector 7.
        """
        cdef int32_t side, i
        cdef const Use *use
        cdef list out = []
        if not self.basket.plan.data.best_price:
            return out
        for side in range(2):
            for i in range(self.work.outcomes[side].uses, self.work.outcomes[side].uses_end):
                use = &self.work.uses[i]
                out.append((side, use.source, use.slot, use.line, use.count))
        return out

    def evaluate_many(self, list baskets not None, int repetitions) -> int:
        """Evaluate all baskets `repetitions` times without the interpreter lock; return a checksum.

        Results are dropped: this is for measuring. Raises OverflowError for a basket out of range.
        """
        cdef Py_ssize_t i, count = len(baskets)
        cdef int _repetition, status = STATUS_OK
        cdef int64_t checksum = 0
        cdef PreparedBasket basket
        cdef void **pointers = <void **>malloc(2 * max(count, 1) * sizeof(void *))
        cdef int *groups = <int *>malloc(max(count, 1) * sizeof(int))
        if pointers == NULL or groups == NULL:
            free(pointers)
            free(groups)
            raise MemoryError
        for i in range(count):
            basket = baskets[i]
            pointers[2 * i] = &basket.plan.data
            pointers[2 * i + 1] = &basket.data
            groups[i] = basket.group_count
        with nogil:
            for _repetition in range(repetitions):
                for i in range(count):
                    status |= evaluate_one(
                        &self.work,
                        <const PlanData *>pointers[2 * i],
                        <const BasketData *>pointers[2 * i + 1],
                        groups[i],
                    )
                    if (<const BasketData *>pointers[2 * i + 1]).line_count:
                        checksum += self.work.taxes[0].base + self.work.lines[0].remaining
        free(pointers)
        free(groups)
        if status:
            raise OverflowError("a basket is out of range")
        return checksum
