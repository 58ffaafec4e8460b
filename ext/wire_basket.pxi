# Reading a basket: its lines, discounts, payments and customer. Returns 1 where it hands over.
#
# What the schema has and this does not answer is handed over at sight; numbers that no schema of
# this build has are stepped over, as protobuf does it.

cdef enum:
    LINES_MAX = 10000
    DISCOUNTS_MAX = 32
    PAYMENTS_MAX = 200
    COUPONS_MAX = 100
    DISABLED_MAX = 100000
    ID_BYTES_MAX = 255       # characters are at least a byte each
    TEXT_BYTES_MAX = 10000


cdef int read_list(
    Reader *reader, Text **texts, size_t *capacity, int32_t *count, int32_t most
) noexcept nogil:
    """Read one more id of a list of at most so many."""
    if count[0] >= most or make_room(
        <void **>texts, capacity, count[0] + 1, sizeof(Text)
    ):
        return 1
    texts[0][count[0]].data = NULL
    if read_text(reader, &texts[0][count[0]], ID_BYTES_MAX) or texts[0][count[0]].size == 0:
        return 1
    count[0] += 1
    return 0


cdef int read_time(Reader reader, Given *given) noexcept nogil:
    cdef uint32_t tag = 0
    cdef int64_t nanos = 0
    given.has_time = True
    while reader.at != reader.end:
        if read_tag(&reader, &tag):
            return 1
        if tag == TAG_TIMESTAMP_SECONDS:
            if read_int64(&reader, &given.seconds):
                return 1
        elif tag == TAG_TIMESTAMP_NANOS:
            if read_int64(&reader, &nanos):
                return 1
            given.nanos = <int32_t>nanos
        elif skip(&reader, tag):
            return 1
    return 0


cdef int read_percentage_with_max(Reader reader, GivenManual *manual) noexcept nogil:
    cdef uint32_t tag = 0
    while reader.at != reader.end:
        if read_tag(&reader, &tag):
            return 1
        if tag == TAG_PERCENTAGE_WITH_MAX_PERCENTAGE_MICROS:
            if read_sint64(&reader, &manual.value):
                return 1
        elif tag == TAG_PERCENTAGE_WITH_MAX_MAX_MICROS:
            if read_sint64(&reader, &manual.cap):
                return 1
        elif skip(&reader, tag):
            return 1
    return 0


cdef int read_discount_type(Reader reader, GivenManual *manual) noexcept nogil:
    """Read the kind of a discount; one that is given twice is handed over."""
    cdef uint32_t tag = 0
    cdef Reader inner
    cdef int32_t kind
    while reader.at != reader.end:
        if read_tag(&reader, &tag):
            return 1
        if tag == TAG_DISCOUNT_TYPE_AMOUNT_MICROS:
            kind = EFFECT_AMOUNT
        elif tag == TAG_DISCOUNT_TYPE_AMOUNT_PER_ITEM_MICROS:
            kind = EFFECT_AMOUNT_PER_ITEM
        elif tag == TAG_DISCOUNT_TYPE_PERCENTAGE_MICROS:
            kind = EFFECT_PERCENTAGE
        elif tag == TAG_DISCOUNT_TYPE_PERCENTAGE_WITH_MAX:
            kind = EFFECT_PERCENTAGE_WITH_MAX
        elif tag == TAG_DISCOUNT_TYPE_NEW_PRICE_MICROS:
            kind = EFFECT_NEW_PRICE
        elif tag == TAG_DISCOUNT_TYPE_NEW_PRICE_PER_ITEM_MICROS:
            kind = EFFECT_NEW_PRICE_PER_ITEM
        elif skip(&reader, tag):
            return 1
        else:
            continue
        if manual.kind >= 0:
            return 1
        manual.kind = kind
        if kind != EFFECT_PERCENTAGE_WITH_MAX:
            if read_sint64(&reader, &manual.value):
                return 1
        elif read_message(&reader, &inner) or read_percentage_with_max(inner, manual):
            return 1
    return 0


cdef int read_name(Reader reader, GivenManual *manual) noexcept nogil:
    """Read a text for every language; texts by language are handed over."""
    cdef uint32_t tag = 0
    manual.has_name = True
    while reader.at != reader.end:
        if read_tag(&reader, &tag) or tag == TAG_LOCALIZED_STRING_TEXT_BY_LANGUAGE:
            return 1
        if tag == TAG_LOCALIZED_STRING_TEXT:
            manual.has_text = True
            if read_text(&reader, &manual.name, TEXT_BYTES_MAX):
                return 1
        elif skip(&reader, tag):
            return 1
    return 0


cdef int read_manual(Reader reader, GivenManual *manual, int32_t position) noexcept nogil:
    cdef uint32_t tag = 0
    cdef Reader inner
    memset(manual, 0, sizeof(GivenManual))
    manual.kind = -1
    manual.position = position
    while reader.at != reader.end:
        if read_tag(&reader, &tag):
            return 1
        if tag == TAG_MANUAL_DISCOUNT_TYPE:
            if read_message(&reader, &inner) or read_discount_type(inner, manual):
                return 1
        elif tag == TAG_MANUAL_DISCOUNT_ID:
            if read_text(&reader, &manual.id, ID_BYTES_MAX):
                return 1
        elif tag == TAG_MANUAL_DISCOUNT_NAME:
            if read_message(&reader, &inner) or read_name(inner, manual):
                return 1
        elif skip(&reader, tag):
            return 1
    return 0


cdef bint is_credit(const Text *type) noexcept nogil:
    """Whether a payment of this type leaves the customer in debt, by what is before its dot."""
    cdef size_t size = 0
    while size < type.size and type.data[size] != c".":
        size += 1
    if size == 7:
        return memcmp(type.data, b"invoice", 7) == 0
    return size == 16 and memcmp(type.data, b"customer_account", 16) == 0


cdef int read_payment(Reader reader, GivenPayment *payment) noexcept nogil:
    """Read a payment; one in another currency is handed over."""
    cdef uint32_t tag = 0
    cdef Text identifier, error
    identifier.data = error.data = NULL
    memset(payment, 0, sizeof(GivenPayment))
    payment.success = True
    while reader.at != reader.end:
        if read_tag(&reader, &tag):
            return 1
        if tag == TAG_PAYMENT_PAYMENT_TYPE:
            if read_text(&reader, &payment.type, ID_BYTES_MAX):
                return 1
        elif tag == TAG_PAYMENT_AMOUNT_MICROS:
            if read_sint64(&reader, &payment.amount):
                return 1
        elif tag == TAG_PAYMENT_IDENTIFIER:
            if read_text(&reader, &identifier, ID_BYTES_MAX):
                return 1
        elif tag == TAG_PAYMENT_SUCCESS:
            if read_bool(&reader, &payment.success):
                return 1
        elif tag == TAG_PAYMENT_ERROR:
            if read_text(&reader, &error, TEXT_BYTES_MAX):
                return 1
        elif (
            tag == TAG_PAYMENT_FOREIGN_CURRENCY
            or tag == TAG_PAYMENT_FOREIGN_CURRENCY_AMOUNT_MICROS
            or tag == TAG_PAYMENT_EXCHANGE_RATE_MICROS
            or skip(&reader, tag)
        ):
            return 1
    if payment.type.size == 0 or not -AMOUNT_END < payment.amount < AMOUNT_END:
        return 1
    payment.is_credit = payment.success and is_credit(&payment.type)
    return 0


cdef int read_customer_text(
    Reader *reader, GivenCustomer *customer, int32_t number
) noexcept nogil:
    customer.has_texts |= 1 << number
    return read_text(reader, &customer.texts[number], TEXT_BYTES_MAX)


cdef int read_customer(Reader reader, Workspace *space) noexcept nogil:
    cdef uint32_t tag = 0
    cdef GivenCustomer *customer = &space.given.customer
    space.given.has_customer = True
    while reader.at != reader.end:
        if read_tag(&reader, &tag):
            return 1
        if tag == TAG_CUSTOMER_IDENTIFIER:
            if read_text(&reader, &customer.identifier, ID_BYTES_MAX):
                return 1
        elif tag == TAG_CUSTOMER_GROUPS:
            if read_list(
                &reader, &space.groups, &space.group_capacity, &space.given.group_count, INT32_MAX
            ):
                return 1
        elif tag == TAG_CUSTOMER_EXEMPT:
            if read_bool(&reader, &customer.exempt):
                return 1
        elif tag == TAG_CUSTOMER_BALANCE_MICROS:
            customer.has |= HAS_BALANCE
            if read_sint64(&reader, &customer.balance):
                return 1
        elif tag == TAG_CUSTOMER_BALANCE_OVERDUE_MICROS:
            customer.has |= HAS_OVERDUE
            if read_sint64(&reader, &customer.balance_overdue):
                return 1
        elif tag == TAG_CUSTOMER_CREDIT_LIMIT_MICROS:
            customer.has |= HAS_LIMIT
            if read_sint64(&reader, &customer.credit_limit):
                return 1
        elif tag == TAG_CUSTOMER_BLOCK_SALES:
            if read_bool(&reader, &customer.block_sales):
                return 1
        # The texts have tags in steps of a field, from name on; the generator keeps their order.
        elif (
            TAG_CUSTOMER_NAME <= tag <= TAG_CUSTOMER_ORGANIZATION_NUMBER
            and tag & 7 == WIRE_BYTES
        ):
            if read_customer_text(&reader, customer, <int32_t>(tag - TAG_CUSTOMER_NAME) >> 3):
                return 1
        elif skip(&reader, tag):
            return 1
    return 0


cdef int read_line_manual(Reader reader, Workspace *space, GivenLine *line) noexcept nogil:
    cdef Given *given = &space.given
    if line.manual_count >= DISCOUNTS_MAX or make_room(
        <void **>&space.line_manuals, &space.line_manual_capacity,
        given.line_manual_count + 1, sizeof(GivenManual),
    ):
        return 1
    line.manual_count += 1
    given.line_manual_count += 1
    return read_manual(
        reader, &space.line_manuals[given.line_manual_count - 1], line.manual_count
    )


cdef int read_line(Reader reader, Workspace *space, GivenLine *line) noexcept nogil:
    cdef uint32_t tag = 0
    cdef Reader inner
    memset(line, 0, sizeof(GivenLine))
    line.manuals = space.given.line_manual_count
    line.quantity = MICRO
    while reader.at != reader.end:
        if read_tag(&reader, &tag):
            return 1
        if tag == TAG_BASKET_LINE_ID:
            if read_bytes(&reader, &line.id):
                return 1
        elif tag == TAG_BASKET_LINE_VARIANT_ID:
            if read_bytes(&reader, &line.variant_id):
                return 1
        elif tag == TAG_BASKET_LINE_QUANTITY_MICROS:
            if read_sint64(&reader, &line.quantity):
                return 1
        elif tag == TAG_BASKET_LINE_LINE_ITEM_ID:
            if read_text(&reader, &line.line_item_id, ID_BYTES_MAX):
                return 1
        elif tag == TAG_BASKET_LINE_RETAIL_PRICE_MICROS:
            line.has |= HAS_PRICE
            if read_sint64(&reader, &line.price):
                return 1
        elif tag == TAG_BASKET_LINE_UNIT_COUNT_MICROS:
            line.has |= HAS_COUNT
            if read_sint64(&reader, &line.count):
                return 1
        elif tag == TAG_BASKET_LINE_DISCOUNTS:
            if read_message(&reader, &inner) or read_line_manual(inner, space, line):
                return 1
        elif tag == TAG_BASKET_LINE_ECOM_ID:
            if read_text(&reader, &line.ecom_id, ID_BYTES_MAX):
                return 1
        elif tag == TAG_BASKET_LINE_COMMENT:
            line.has |= HAS_COMMENT
            if read_text(&reader, &line.comment, TEXT_BYTES_MAX):
                return 1
        elif (
            tag == TAG_BASKET_LINE_TAXES
            or tag == TAG_BASKET_LINE_BEHAVIOR
            or tag == TAG_BASKET_LINE_PRODUCT
            or skip(&reader, tag)
        ):
            return 1
    return 0


cdef int read_part(Reader reader, Workspace *space, uint32_t tag) noexcept nogil:
    """Read a message of a basket that is not a line."""
    cdef Given *given = &space.given
    if tag == TAG_BASKET_EVALUATE_TIME:
        return read_time(reader, given)
    if tag == TAG_BASKET_CUSTOMER:
        return read_customer(reader, space)
    if tag == TAG_BASKET_DISCOUNTS:
        if given.manual_count >= DISCOUNTS_MAX or make_room(
            <void **>&space.manuals, &space.manual_capacity,
            given.manual_count + 1, sizeof(GivenManual),
        ):
            return 1
        given.manual_count += 1
        return read_manual(
            reader, &space.manuals[given.manual_count - 1], given.manual_count
        )
    if given.payment_count >= PAYMENTS_MAX or make_room(
        <void **>&space.payments, &space.payment_capacity,
        given.payment_count + 1, sizeof(GivenPayment),
    ):
        return 1
    given.payment_count += 1
    return read_payment(reader, &space.payments[given.payment_count - 1])


cdef int read_basket(Reader reader, Workspace *space) noexcept nogil:
    cdef uint32_t tag = 0
    cdef Reader inner
    cdef int32_t is_explained = 0
    cdef Given *given = &space.given
    given.has_basket = True
    while reader.at != reader.end:
        if read_tag(&reader, &tag):
            return 1
        if tag == TAG_BASKET_LINE_ITEMS:
            if given.line_count >= LINES_MAX or make_room(
                <void **>&space.lines, &space.line_capacity,
                given.line_count + 1, sizeof(GivenLine),
            ) or read_message(&reader, &inner):
                return 1
            if read_line(inner, space, &space.lines[given.line_count]):
                return 1
            given.line_count += 1
        elif tag == TAG_BASKET_SHOP:
            if read_text(&reader, &given.shop, ID_BYTES_MAX):
                return 1
        elif tag == TAG_BASKET_PURCHASE_TYPE:
            if read_text(&reader, &given.purchase_type, ID_BYTES_MAX):
                return 1
        elif tag == TAG_BASKET_COUPONS:
            if read_list(
                &reader, &space.coupons, &space.coupon_capacity, &given.coupon_count, COUPONS_MAX
            ):
                return 1
        elif tag == TAG_BASKET_DISABLED_CAMPAIGNS:
            if read_list(
                &reader, &space.disabled, &space.disabled_capacity, &given.disabled_count,
                DISABLED_MAX,
            ):
                return 1
        elif tag == TAG_BASKET_EXPLAIN:
            if read_bool(&reader, &is_explained) or is_explained:
                return 1
        elif (
            tag == TAG_BASKET_EVALUATE_TIME or tag == TAG_BASKET_CUSTOMER
            or tag == TAG_BASKET_DISCOUNTS or tag == TAG_BASKET_PAYMENTS
        ):
            if read_message(&reader, &inner) or read_part(inner, space, tag):
                return 1
        elif (
            tag == TAG_BASKET_CAMPAIGNS or tag == TAG_BASKET_RETURNS or tag == TAG_BASKET_QUOTES
            or skip(&reader, tag)
        ):
            return 1
    return 0


cdef int read_request(Reader reader, Workspace *space, int method) noexcept nogil:
    """Read a request of one basket."""
    cdef uint32_t tag = 0
    cdef Reader inner
    cdef Given *given = &space.given
    cdef bint is_stream = method == TC_STREAM_BASKETS
    cdef uint32_t basket_tag = TAG_EVALUATE_BASKET_REQUEST_BASKET
    cdef uint32_t market_tag = TAG_EVALUATE_BASKET_REQUEST_MARKET_ID
    cdef uint32_t context_tag = TAG_EVALUATE_BASKET_REQUEST_CONTEXT
    if is_stream:
        basket_tag = TAG_STREAM_BASKETS_REQUEST_BASKET
        market_tag = TAG_STREAM_BASKETS_REQUEST_MARKET_ID
        context_tag = TAG_STREAM_BASKETS_REQUEST_CONTEXT
    while reader.at != reader.end:
        if read_tag(&reader, &tag) or tag == context_tag:
            return 1
        if tag == basket_tag:
            if read_message(&reader, &inner) or read_basket(inner, space):
                return 1
        elif tag == market_tag:
            if read_bytes(&reader, &given.market_id):
                return 1
        elif is_stream and tag == TAG_STREAM_BASKETS_REQUEST_SEQUENCE:
            if read_int64(&reader, &given.sequence):
                return 1
        elif skip(&reader, tag):
            return 1
    return not given.has_basket


cdef int read_batch(Reader reader, Workspace *space, int32_t *count) noexcept nogil:
    """Find the baskets of a batch, and read its market."""
    cdef uint32_t tag = 0
    cdef Reader inner
    count[0] = 0
    while reader.at != reader.end:
        if read_tag(&reader, &tag) or tag == TAG_EVALUATE_BASKETS_REQUEST_CONTEXT:
            return 1
        if tag == TAG_EVALUATE_BASKETS_REQUEST_BASKETS:
            if count[0] >= BASKETS_MAX or read_message(&reader, &inner) or make_room(
                <void **>&space.slices, &space.slice_capacity, count[0] + 1, sizeof(Text)
            ):
                return 1
            space.slices[count[0]].data = inner.at
            space.slices[count[0]].size = <size_t>(inner.end - inner.at)
            count[0] += 1
        elif tag == TAG_EVALUATE_BASKETS_REQUEST_MARKET_ID:
            if read_bytes(&reader, &space.given.market_id):
                return 1
        elif skip(&reader, tag):
            return 1
    return count[0] == 0
