# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True, auto_pickle=False, autotestdict=False
"""Search the choice of exclusive discounts of the largest worth (docs/evaluation.md, section 3.8).

The evaluator cimports the search; the class here shows it to tests and benchmarks.
"""
# Design:
# a) Units stand in unit order. In that order every offer is additive: what one unit more adds
#    depends only on how far the offer's open groups are. That is a small code, and a layer of the
#    dynamic program holds one state for each combination of codes. Equal units merge themselves.
# b) Sums join the key of a state where codes do not tell everything: towards a `spend`, under the
#    maximum of a percentage, and where min(a, V) of an `amount` may bind. They are exact, and stop
#    at the threshold, so that states beyond it merge.
# c) The bound puts a price on each unit: the offers then fall apart, and each has a table of the
#    best it can do alone from a unit on. Any prices bound; integer subgradient steps improve them.
#    Tables leave sums out: they then promise too much, and the maximum less the sum cuts them.
# d) Not exact, that is, bounded from above and valued by the caller: campaigns with more than
#    CODES_MAX codes (bundles of many parts and units), and sums that do not fit the key. The answer
#    is then proven only where the caller's worth reaches the bound.
# e) Integers only, and no clock: work is bounded by counts, so every machine gives one answer. A
#    layer keeps the 64 states of the highest bound; the best of the dropped ones bounds the rest.
# f) A discount that asks nothing of other units is no offer: the best of them is the unit's base.
# Specification: docs/evaluation.md, section 3.8 (best price).

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset

cdef extern from "money128.h" nogil:
    enum:
        TC_DOWN
    int tc_muldiv(
        int64_t a, int64_t b, int64_t c, int64_t d, int mode, int64_t *out
    ) noexcept

cdef enum:
    STATES_MAX = 64
    # A table of so many codes costs more than the bound that it gives is worth.
    CODES_MAX = 2048
    PLACES_MAX = 1 << 15
    # Entries of all tables: 4 MiB, and with the work below the cost of the bound.
    TABLE_MAX = 1 << 19
    # Entries of tables that subgradient steps may fill in one search.
    PRICE_WORK_MAX = 1 << 20
    PRICE_STEPS_MAX = 40

cdef enum:
    STEP_GAINS = 1      # the unit's gain counts
    STEP_HOLDS = 2      # the unit's gain joins the sum of the open group
    STEP_CLOSES = 4     # the group is complete
    STEP_SPENDS = 8     # the unit's value counts towards the spend

cdef int64_t NEVER = -(<int64_t>1 << 62)    # below any sum of values and prices

include "best_price_codes.pxi"
include "best_price_bound.pxi"
include "best_price_search.pxi"


cdef class BestPrice:
    """One problem of section 3.8, solved on demand: a window for tests and benchmarks.

    Each unit is (value, base); each offer (in_groups, form, hits_of, hits, groups_max, amount, cap,
    spend, counts); each option (unit, offer, actions, gain), ordered by unit. Numbers are whole, in
    any common unit; units stand in unit order.
    """

    cdef Search search
    cdef list units
    cdef list offers
    cdef list options

    def __cinit__(self, *, list units not None, list offers not None, list options not None):
        if len(units) > UNITS_MAX or len(offers) > OFFERS_MAX:
            raise ValueError(f"expected at most {UNITS_MAX} units and {OFFERS_MAX} offers")
        if sum([value for value, _ in units]) >= value_end(len(units), len(offers)):
            raise ValueError("expected smaller values")
        self.units = units
        self.offers = offers
        self.options = options

    cdef int load(self) except -1:
        """Fill the search, which rewrites what it is given."""
        cdef int32_t i, at = 0
        cdef Offer *offer
        if reserve_search(
            &self.search, len(self.units), len(self.options), len(self.offers)
        ):
            raise MemoryError
        for i, (value, base) in enumerate(self.units):
            self.search.units[i].value = value
            self.search.units[i].base = base
            self.search.units[i].options = at
            while at < len(self.options) and self.options[at][0] == i:
                self.search.options[at].offer = self.options[at][1]
                self.search.options[at].actions = self.options[at][2]
                self.search.options[at].gain = self.options[at][3]
                at += 1
            self.search.units[i].option_count = at - self.search.units[i].options
        for i, given in enumerate(self.offers):
            offer = &self.search.offers[i]
            offer.in_groups, offer.form, offer.hits_of, offer.hits, offer.groups_max = given[:5]
            offer.amount, offer.cap, offer.spend = given[5:8]
            offer.slot_count = len(given[8])
            for at, count in enumerate(given[8]):
                offer.counts[at] = count
        return 0

    def __dealloc__(self):
        free_search(&self.search)

    def solve(self, int64_t lower=0) -> bool:
        """Search a choice above the lower bound; return whether one was found.

        Raises MemoryError.
        """
        cdef int status
        self.load()
        with nogil:
            status = solve(&self.search, lower)
        if status:
            raise MemoryError
        return bool(self.search.found)

    @property
    def worth(self) -> int:
        """The worth of the choice found, or the lower bound."""
        return self.search.best

    @property
    def bound(self) -> int:
        """What no choice is worth more than."""
        return self.search.upper

    @property
    def is_exact(self) -> bool:
        """Whether the search sees everything that decides about the worth."""
        cdef int32_t i
        return all([self.search.offers[i].is_exact for i in range(self.search.offer_count)])

    def choice(self) -> list:
        """Return for each unit (offer, action), or None for its base; only after a find."""
        cdef int32_t i, chosen
        cdef list out = []
        for i in range(self.search.unit_count):
            chosen = self.search.choice[i]
            out.append(
                None if chosen < 0
                else (self.search.options[chosen // SLOTS_MAX].offer, chosen % SLOTS_MAX)
            )
        return out
