# The structs of the codec: the hot plan (read only), a request as it was read, the workspace.
#
# Amounts of the plan and of the request are micros, times nanoseconds since 1970-01-01 UTC.

cdef struct Text:            # a part of the request, of the plan, or of the workspace
    const uint8_t *data
    size_t size

cdef enum:
    GENERATED_ID_BYTES = 8   # a position number of at most 10,000 in decimal

cdef enum:
    ROW_IS_PRICED = 1

cdef struct HotRow:          # an article under one purchase type, beside its row in the kernel
    int32_t row
    int32_t exempt_tax_set   # of a customer who pays no sales tax
    int32_t flags
    int32_t has_entered_cost
    int64_t entered_cost     # of a line whose price was entered at the till, where one has a cost
    Text unit                # the field of the unit, of a row priced by count
    Text sale_id             # of a record of the sale price: what stands before the application
    Text sale_rest           # and after it

cdef struct TypedRow:
    int32_t purchase_type    # number in HotData.purchase_types, -1: all others; these come last
    int32_t row              # in HotData.rows

cdef struct Article:         # a product, or a variant of one
    uint64_t hash
    Text id
    Text variant_id
    Text head                # the fields of an evaluated line before its numbers
    Text tail                # and after them
    int32_t rows             # in HotData.typed_rows
    int32_t row_count
    int32_t bundles          # in HotData.bundles
    int32_t bundle_count
    int32_t deposits         # in HotData.deposits
    int32_t deposit_count

cdef struct Deposit:         # what a product rule adds to a line of a product
    Text rule_id
    Text behavior            # of its message: all but the id of the line
    Text head
    Text tail
    int64_t price
    int64_t price_minor
    int32_t tax_set
    int32_t exempt_tax_set

cdef struct PurchaseType:
    uint64_t hash
    Text id
    Text message             # the field of the evaluated basket; without data when only campaigns
    uint64_t bit             # name it, of campaigns

cdef struct HotTax:          # an entry of a tax list
    Text constants           # name, rate and type of its message
    int32_t summary          # equal for entries that are one entry of the summary

cdef struct HotTaxSet:
    int32_t entries          # in HotData.taxes; -1 for a list that no article has
    int32_t entry_count

cdef enum:
    SHOWS_BASKET = 0         # the trigger of a discount is the basket,
    SHOWS_OWN_UNITS = 1      # the discounted units themselves,
    SHOWS_SHARED_UNITS = 2   # or units that its records have in common

cdef struct HotCampaign:
    Text before              # of a record: what stands before the application
    Text after               # between application and trigger
    Text count               # of the trigger: its count, which comes first
    int32_t is_on_basket
    int32_t shows

cdef struct Gate:            # conditions; lists are in HotData.numbers, of words, ascending
    int32_t campaign
    int32_t needs_customer
    int32_t shops
    int32_t shop_count
    int32_t customers
    int32_t customer_count
    int32_t groups
    int32_t group_count
    int32_t coupons
    int32_t coupon_count
    int32_t minutes          # of the week: of opening and closing by turns
    int32_t minute_count

cdef struct Word:            # a text that conditions name, or the id of a campaign
    uint64_t hash
    Text text
    int32_t number           # 0 for an empty slot of the table, which is no text

cdef struct Foreign:
    Text code                # the field of the currency code
    int64_t increment
    int64_t step             # rate times increment, in 10^-12

cdef enum:
    CASH_TIE_AWAY = 1
    CASH_SCOPE_ALL = 2

cdef struct HotData:
    const PlanData *plan
    int32_t group_count
    int32_t is_ready         # 0: everything is handed over
    Article *articles        # a hash table, as are words
    uint64_t article_mask
    Word *words              # shops, customers, groups and coupons of gates
    uint64_t word_mask
    int32_t word_count
    Word *campaign_ids
    uint64_t campaign_mask
    Word *shops              # of the market; none: any
    uint64_t shop_mask
    int32_t shop_count
    int32_t purchase_type_count
    PurchaseType *purchase_types
    HotRow *rows
    TypedRow *typed_rows
    int64_t *bundles         # sizes in micros
    Deposit *deposits
    HotTaxSet *tax_sets
    HotTax *taxes
    HotCampaign *campaigns
    Gate *gates
    int32_t *numbers
    Foreign *foreign
    int64_t *clock_instants
    int64_t *clock_offsets
    int32_t gate_count
    int32_t foreign_count
    int32_t clock_count
    int32_t summary_count
    uint64_t other_purchase_type
    Text currency            # the field of the currency code
    int64_t contribution_target  # -1: none
    int64_t cash_increment
    int64_t cash_min_amount
    int32_t cash_flags
    int32_t unused

# --- what a request says -------------------------------------------------------------------------

cdef enum:
    HAS_QUANTITY = 1
    HAS_PRICE = 2
    HAS_COUNT = 4
    HAS_COMMENT = 8

cdef struct GivenLine:
    Text id
    Text variant_id
    Text line_item_id
    Text ecom_id
    Text comment
    int64_t quantity
    int64_t price
    int64_t count
    int32_t has
    int32_t manuals          # in Workspace.line_manuals
    int32_t manual_count
    int32_t row              # in HotData.rows, once it is found
    int32_t article          # in HotData.articles
    int32_t deposit          # in HotData.deposits plus 1, of a line that a rule added; else 0
    int32_t is_numbered      # whether its id is `own_id`
    int32_t parent           # of a deposit: the line that it belongs to
    int32_t last_record      # that gives something: a record of the kernel plus 1, 0: none
    char own_id[GENERATED_ID_BYTES]

cdef struct GivenManual:
    Text id
    Text name
    int64_t value
    int64_t cap
    int32_t kind             # an EFFECT_..., -1: none
    int32_t has_name
    int32_t has_text
    int32_t position         # in its list, from 1

cdef struct GivenPayment:
    Text type
    int64_t amount
    int32_t success
    int32_t is_credit

cdef enum:
    CUSTOMER_TEXTS = 10      # name to organization number

cdef enum:
    HAS_BALANCE = 1
    HAS_OVERDUE = 2
    HAS_LIMIT = 4

cdef struct GivenCustomer:
    Text identifier
    Text texts[CUSTOMER_TEXTS]
    int32_t has_texts        # bit i: texts[i] is set
    int32_t has
    int32_t exempt
    int32_t block_sales
    int64_t balance
    int64_t balance_overdue
    int64_t credit_limit

cdef struct Given:           # a basket, and of the message around it what is asked for here
    Text market_id
    Text shop
    Text purchase_type
    GivenCustomer customer
    int64_t seconds
    int64_t sequence
    int32_t nanos
    int32_t has_basket
    int32_t has_customer
    int32_t has_time
    int32_t line_count
    int32_t line_manual_count
    int32_t manual_count
    int32_t payment_count
    int32_t coupon_count
    int32_t group_count
    int32_t disabled_count

# --- the workspace -------------------------------------------------------------------------------

cdef struct Writer:          # writes backwards: the next byte goes before `at`
    uint8_t *start
    uint8_t *at
    uint8_t *end
    int32_t failed

cdef struct Link:            # of a record of the kernel: the one before, plus 1; 0: none
    int32_t before_of_line
    int32_t before_of_campaign

cdef struct Shared:          # the units that the records of a campaign have in common
    int32_t last             # record, plus 1
    int32_t count
    size_t mark              # the written message's distance from the end of the output
    size_t size              # 0: it is not written yet

cdef struct Settled:
    int64_t due
    int64_t cash_due
    int64_t rounding
    int64_t cashback

cdef struct Sums:
    int64_t base
    int64_t sub_total
    int64_t vat
    int64_t sales_tax
    int64_t discounts
    int64_t margin
    int64_t margin_total
    int32_t has_margin

cdef struct Met:             # the words of gates that a basket has, each of them once
    int32_t *numbers
    uint64_t *marks          # a bit for each word of the plan
    size_t number_capacity
    size_t mark_capacity
    int32_t count

cdef struct Workspace:
    Work work
    BasketData basket
    Given given
    Writer writer
    GivenLine *lines
    GivenManual *line_manuals
    GivenManual *manuals
    GivenPayment *payments
    Text *coupons
    Text *groups
    Text *disabled
    uint64_t *ids            # a table of line ids: hash, and number of the line from 1
    Link *links              # by record of the kernel
    Shared *shared           # by campaign
    int32_t *shared_campaigns  # those that `shared` has something of
    int32_t *summary         # numbers of the taxes of the summary, in order of appearance
    int64_t *summary_amounts  # by number
    uint8_t *summary_seen
    HotTax *summary_taxes
    uint8_t *blocked
    Met met_coupons
    Met met_groups
    uint8_t *deposit_ids
    Text *slices             # the baskets of a batch
    size_t line_capacity
    size_t input_capacity
    size_t line_manual_capacity
    size_t manual_capacity
    size_t kernel_manual_capacity
    size_t payment_capacity
    size_t coupon_capacity
    size_t group_capacity
    size_t disabled_capacity
    size_t id_capacity
    size_t link_capacity
    size_t shared_capacity
    size_t summary_capacity
    size_t blocked_capacity
    size_t deposit_id_capacity
    size_t slice_capacity
    int32_t shared_count
    int32_t summary_count

# --- the plans of an account ---------------------------------------------------------------------

cdef struct ShopPlan:
    Text id
    const HotData *plan      # NULL: handed over

cdef struct Market:
    Text id
    int64_t at               # the first moment of the present catalogue
    const HotData *plan      # of shops without one of their own; NULL: handed over
    ShopPlan *shops
    int32_t shop_count

cdef struct Markets:
    Market *markets
    uint8_t *used            # by market: whether it answered lately
    int32_t count
    int32_t only             # the market of requests that name none, -1: there are others
