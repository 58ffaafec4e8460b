"""Share the best-price search with the kernels that cimport it; see best_price.pyx."""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint64_t

cdef enum:
    SLOTS_MAX = 8
    # More units make a layer dearer and the bound weaker; beyond, the greedy orders stand.
    UNITS_MAX = 256
    # A code per offer has to fit the key of a state.
    OFFERS_MAX = 128
    KEY_WORDS = 8

cdef enum:
    FORM_EACH = 0       # the gain of every hit
    FORM_PRICE = 1      # the value of the hits of a group, less `amount`
    FORM_AMOUNT = 2     # the value of the hits of a group, `amount` at most

cdef enum:
    HITS_ALL = 0
    HITS_CHEAPEST = 1
    HITS_DEAREST = 2
    HITS_OWN = 4        # units of the target's own selector

cdef enum:
    ACTION_TRIGGER = 0  # of one group: sets off, and is not hit
    ACTION_TARGET = 1   # is hit, and does not set off
    ACTION_BOTH = 2

cdef struct Unit:
    int64_t value
    int64_t base            # the gain of the best discount that asks for nothing; 0 without one
    int32_t options         # start in Search.options
    int32_t option_count

cdef struct Option:         # what one unit may do for one offer
    int64_t gain            # FORM_EACH: when hit; else the unit's value
    int32_t offer
    uint8_t actions         # bit i: slot i of complete groups, or an ACTION_ of one group

cdef struct Offer:
    # The caller's part.
    int64_t amount          # of FORM_PRICE and FORM_AMOUNT
    int64_t cap             # on all gains together, -1: none
    int64_t spend           # what the triggering units are worth at least, -1: nothing
    int32_t in_groups       # complete groups, else one group of all units
    int32_t form
    int32_t hits_of         # HITS_...
    int32_t hits            # units hit of a group at most, 0: all; HITS_OWN: count of its slot
    int32_t groups_max
    int32_t slot_count      # of complete groups; the last is the own selector's under HITS_OWN
    int32_t counts[SLOTS_MAX]  # units of a slot in a group; [0] of one group: that set it off
    # Worked out by the search.
    int64_t group_price     # what a complete group takes off the sum of its gains
    int64_t group_cap       # what the gains of one group are cut to, when `pays_at_close`
    int32_t supply[SLOTS_MAX]
    int64_t dearest[SLOTS_MAX]
    int32_t unit_count
    int32_t is_exact        # whether codes and sums say everything that decides about the worth
    int32_t pays_at_close
    int32_t cuts_parts      # the sum starts anew with each group of the own selector
    int32_t action_count
    int32_t code_count
    int32_t first_step      # in Search.steps: by action, then code
    int32_t first_end       # in Search.can_end: by code
    int32_t table           # in Search.table: a row of codes for each unit, and one for the end
    int32_t word            # of the key, its shift and mask
    int32_t shift
    uint64_t mask
    int32_t open_max        # groups that can be open at once
    int32_t gain_word       # of the sum of gains, by open group; -1: none
    int32_t spend_word

cdef struct Step:           # one unit more: the next code, and what it adds
    int64_t added
    int32_t code            # -1: not possible
    int16_t flags
    int16_t group           # of the open groups, the oldest is 0

cdef struct State:
    uint64_t key[KEY_WORDS]
    int64_t value
    int64_t bound
    int32_t parent
    int32_t choice          # -1: the base, else option x SLOTS_MAX + action

cdef struct Search:
    # The problem: units in unit order, the offers, and what each unit may do.
    Unit *units
    Option *options
    Offer *offers
    int32_t unit_count
    int32_t option_count
    int32_t offer_count
    # The answer.
    int64_t best            # the worth of the choice, or the lower bound when none is better
    int64_t upper           # no choice is worth more
    int32_t found           # whether the search found a choice above the lower bound
    int32_t *choice         # by unit: -1 or option x SLOTS_MAX + action
    # Memory, kept between calls.
    int64_t value           # of all units
    int64_t *prices         # by unit, of the bound
    int64_t *best_prices
    int64_t *price_sums
    int32_t *uses
    Step *steps
    uint8_t *can_end
    int32_t *seen           # codes by place of their digits, while they are numbered
    int32_t *digits
    int64_t *table
    int32_t *rows           # by unit and offer: the row of Search.table for the units from there on
    State *states
    State *layer
    int32_t *slots          # a hash table of the layer's states
    int32_t *stamps
    int32_t *parents
    int32_t *choices
    int32_t unit_capacity
    int32_t option_capacity
    int32_t offer_capacity
    int32_t step_capacity
    int32_t end_capacity
    int32_t table_capacity
    int32_t state_capacity
    int32_t slot_capacity
    int32_t stamp
    int32_t words           # of a key that are in use

cdef int64_t value_end(int64_t units, int64_t offers) noexcept nogil
cdef int reserve_search(
    Search *search, int32_t units, int32_t options, int32_t offers
) noexcept nogil
cdef int solve(Search *search, int64_t lower) noexcept nogil
cdef void free_search(Search *search) noexcept nogil
