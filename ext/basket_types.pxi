# The structs of the evaluator: the plan (read only), one basket, and the work space.
#
# Amounts are int64 counts of the minor unit; unit values are exact rationals of it. `price`,
# `quantity`, `count` and `multiplicity` are micros. Times are nanoseconds since 1970-01-01 UTC.

cdef enum:
    MICRO = 1000000

# Effects, triggers and targets; engine.plan maps the model's words to these numbers.
cdef enum:
    EFFECT_AMOUNT = 0
    EFFECT_AMOUNT_PER_ITEM = 1
    EFFECT_PERCENTAGE = 2
    EFFECT_PERCENTAGE_WITH_MAX = 3
    EFFECT_NEW_PRICE = 4
    EFFECT_NEW_PRICE_PER_ITEM = 5

cdef enum:
    TRIGGER_EVERY_UNIT = 0
    TRIGGER_COUNT_OR_MORE = 1
    TRIGGER_COUNT = 2
    TRIGGER_BUNDLE = 3
    TRIGGER_SPEND = 4

cdef enum:
    TARGET_ALL = 0
    TARGET_CHEAPEST = 1
    TARGET_DEAREST = 2
    TARGET_BASKET = 3
    TARGET_SELECTOR = 4

# A line's mask for a campaign: bit i, part i of the trigger; the last bit, the target's selector.
cdef enum:
    SLOT_COUNT = 8
    SLOT_TARGET = 7
    SUBSET_COUNT = 256

cdef enum:
    CAMPAIGN_STACKABLE = 1
    CAMPAIGN_NEEDS_CUSTOMER = 2

cdef enum:
    ROW_UNIT_PRICED = 1     # the price is for `multiplicity` units of count
    ROW_HAS_COST = 2

cdef enum:
    LINE_BEHAVIOR = 4       # no automatic and no basket discount
    LINE_NEGATIVE = 8
    LINE_FRACTIONAL = 16
    LINE_MIXED = 32         # units of the line differ in what is left of them
    LINE_RUNS = 64          # the runs of the line are filled

cdef enum:
    ENTRY_SALE_PRICE = -1
    ENTRY_MANUAL = -2       # and below: -2 - index of the manual discount

cdef enum:
    STATUS_OK = 0
    STATUS_OUT_OF_RANGE = 1
    STATUS_NO_MEMORY = 2

cdef struct Effect:
    tc_rat value            # minor units; unused for percentages
    tc_rat cap              # minor units, of percentage_with_max
    int64_t rate            # micros, of percentages
    int32_t kind
    int32_t unused

cdef struct Campaign:
    Effect effect
    tc_rat min_total
    tc_rat spend
    int64_t valid_from
    int64_t valid_until
    uint64_t purchase_types  # bit i: purchase type i, bit 63: none; all bits: any
    int32_t trigger
    int32_t target
    int32_t count
    int32_t target_count
    int32_t max_groups
    int32_t flags
    int32_t part_count
    int32_t part_counts[SLOT_COUNT]

cdef struct Row:             # what a line copies from its product for one purchase type
    int64_t price            # micros; per `multiplicity` when unit priced
    int64_t price_minor      # the same in minor units, -1 when it is no whole number of them
    tc_rat sale              # minor units; d == 0 when there is no sale price
    int64_t cost             # micros
    int64_t multiplicity     # micros
    int32_t tax_set
    int32_t campaigns        # start in the campaign list: pairs of campaign and mask
    int32_t campaign_count
    int32_t flags

cdef struct TaxSet:          # a list of taxes: base = sub_total * base_n / base_d
    int64_t base_n
    int64_t base_d
    int32_t vat_group
    int32_t entries
    int32_t entry_count
    int32_t vat_count

cdef struct TaxEntry:
    int64_t exact_n          # the exact amount is sub_total * exact_n / exact_d
    int64_t exact_d
    int64_t weight           # of a VAT entry among those of its set
    int32_t key              # equal for equal name, rate and type; -1 for VAT
    int32_t unused

cdef struct PlanData:
    Row *rows
    int32_t *row_campaigns
    int32_t *everywhere      # campaigns on units that match every product, with their masks
    int32_t *on_basket       # campaigns that may apply without a matching product
    Campaign *campaigns
    TaxSet *tax_sets
    TaxEntry *tax_entries
    int32_t row_count
    int32_t everywhere_count
    int32_t on_basket_count
    int32_t campaign_count
    int32_t tax_set_count
    int32_t sale_rank        # campaigns before this index come before sale prices
    int64_t quantum          # micros of a minor unit
    int64_t amount_end       # minor units; every amount is smaller
    int32_t tie
    int32_t round_line
    int32_t round_tax
    int32_t best_price       # step 1 is a choice (section 3.8)

cdef struct LineInput:
    int64_t price
    int64_t price_minor
    tc_rat sale
    int64_t cost
    int64_t multiplicity
    int64_t quantity
    int64_t count
    int32_t tax_set
    int32_t campaigns        # negative: -1 - start in the basket's own campaign list
    int32_t campaign_count
    int32_t flags

cdef struct Manual:          # a manual discount, of a line or (line -1) of the basket
    Effect effect
    int32_t line
    int32_t unused

cdef struct BasketData:
    LineInput *lines
    Manual *manuals          # those of lines in line order, then those of the basket
    int32_t *row_campaigns
    TaxSet *tax_sets         # numbered after those of the plan
    TaxEntry *tax_entries
    const uint8_t *blocked   # a byte for each campaign: not 0 when its conditions are not met
    int64_t moment
    uint64_t purchase_type
    int32_t line_count
    int32_t manual_count
    int32_t has_customer
    int32_t unused

cdef struct Run:             # units of equal remainder: from the end of the run before to `end`
    tc_rat value
    int32_t end
    int32_t unused

cdef struct Line:
    int64_t retail
    int64_t remaining
    int64_t unit_value       # minor units, -1 when retail is no multiple of units
    int64_t order_price      # micros
    int64_t quantity         # micros, without sign
    int64_t cost
    int32_t units
    int32_t taken            # units that exclusive discounts took
    int32_t flags
    int32_t runs             # start of the runs in Work.runs
    int32_t run_count
    int32_t unused

cdef struct Entry:           # a discount on a line: took units start..end, discounted hit..end
    int64_t amount
    int32_t source           # campaign, or ENTRY_SALE_PRICE, or ENTRY_MANUAL - index
    int32_t line
    int32_t start
    int32_t hit
    int32_t end
    int32_t allocated

cdef struct Span:            # what a campaign does on one line, while it is worked out
    int64_t amount
    int32_t line
    int32_t start
    int32_t available
    int32_t taken
    int32_t hit
    int32_t done             # hits already valued
    int32_t mask
    int32_t total            # units taken by all groups, once they are counted
    int32_t used             # units of the group that is being formed
    int32_t used_hit

cdef struct Piece:           # the part of a group that stands on one line
    int32_t span
    int32_t count
    int32_t hit
    int32_t rank             # of the span in unit order

cdef struct Share:           # the remainder of one share, while an amount is spread
    tc_rat exact
    int64_t remainder

cdef struct TaxResult:
    int64_t base
    int64_t vat
    int64_t sales_tax
    int32_t amounts          # start in Work.tax_amounts; as many as the set has entries
    int32_t unused

cdef struct TaxItem:         # one sales tax entry of one line
    int64_t sub_total
    int64_t exact_n
    int64_t exact_d
    int32_t key
    int32_t line
    int32_t place            # in Work.tax_amounts
    int32_t unused

cdef struct Discount:        # an exclusive discount on units, in the order of step 1
    int32_t source           # a campaign, or ENTRY_SALE_PRICE
    int32_t first            # its lines in Work.bucket
    int32_t count
    int32_t asks             # whether it asks anything of more than one unit
    int32_t component        # of such a one; -1: it cannot be set off
    int32_t offer            # in the search, while its component is searched

cdef struct Given:           # units of a line that a discount is given
    int32_t discount         # -1: none
    int32_t slot
    int32_t line
    int32_t count
    int32_t mask

cdef struct Choosing:        # the choice of step 1 for the lines of one sign
    Search search
    Discount *discounts
    Given *given             # of the application that ran last
    Given *kept              # of the best so far, component by component
    Given *spare
    tc_rat *base_gains       # of one unit, by line: the best of the discounts that ask nothing
    int32_t *bases           # that discount, or -1
    int32_t *components      # by line: component_count when only such discounts see it
    int32_t *first_lines     # by component
    int32_t *next_lines      # by line: the next of its component, or -1
    tc_rat *worths           # by component, of the application that runs
    tc_rat *kept_worths
    uint8_t *is_better       # by component
    int32_t *slot_use        # by span and slot: units that complete groups took
    int32_t *group_use       # of the group that is being formed
    int32_t discount_count
    int32_t component_count
    int32_t given_count
    int32_t kept_count
    int32_t discount_capacity
    int32_t given_capacity
    int32_t kept_capacity
    int32_t spare_capacity
    int32_t line_capacity
    int32_t running          # the component whose worth set amounts join
    int32_t tracks_worth
    int32_t tracks_slots

cdef struct Outcome:         # how the choice for the lines of one sign ended
    tc_rat worth
    int64_t gap              # minor units
    int32_t optimal
    int32_t uses             # start and end in Work.uses; equal where priority stands
    int32_t uses_end

cdef struct Use:
    int32_t source
    int32_t slot
    int32_t line
    int32_t count

cdef struct Work:
    tc_arena arena
    Choosing choosing
    Outcome outcomes[2]      # of the lines of positive and of negative quantity
    Use *uses
    int32_t use_capacity
    int32_t use_count
    Line *lines
    TaxResult *taxes
    int64_t *tax_amounts
    Entry *entries
    Span *spans
    Piece *pieces
    Share *shares            # share_capacity of them
    int64_t *share_amounts   # twice share_capacity
    TaxItem *tax_items
    tc_rat *weights
    int64_t *amounts         # twice line_capacity: results, then operands
    Run *runs
    int32_t *order           # of spans
    int32_t *share_order
    int32_t *item_order
    int32_t *spare_order
    int32_t *matched         # campaign, line and mask, as they are met
    int32_t *group_first
    int32_t *bucket          # line and mask, campaign by campaign
    int32_t *bucket_end
    int32_t *touched
    int32_t *match_count     # a counter for each campaign, zero between evaluations
    int32_t *group_next
    int32_t line_capacity
    int32_t entry_capacity
    int32_t entry_count
    int32_t matched_capacity
    int32_t campaign_capacity
    int32_t touched_count
    int32_t run_capacity
    int32_t run_count
    int32_t share_capacity
    int32_t tax_item_capacity
    int32_t tax_amount_count
    int32_t tax_amount_capacity
    int32_t group_capacity
    int32_t bad_line
    int32_t later            # whether a step after the first is running
