# A cursor over the JSON of one document: what it cannot take without a doubt it hands over.

cdef enum:
    TAKEN = 0
    HAND_OVER = 1       # Python reads the document, and says what is wrong with it, if anything
    FULL = 2            # the columns have no room for the sale

cdef enum:
    DEPTH_MAX = 24      # with what stands around a member, below limits.JSON_DEPTH_MAX
    WHOLE_DIGITS_MAX = 12
    FRACTION_DIGITS_MAX = 6


cdef struct Cursor:
    const uint8_t *at
    const uint8_t *end


cdef struct Slice:
    const uint8_t *at
    Py_ssize_t size


cdef struct Name:
    const char *text
    Py_ssize_t size
    int code


cdef int set_names(Name *names, tuple given) except -1:
    """Fill a table of names from pairs of a name and its code; the bytes must outlive the table."""
    cdef Py_ssize_t i
    cdef bytes text
    for i in range(len(given)):
        text = given[i][0]
        names[i] = Name(<const char *>text, len(text), given[i][1])
    return 0


cdef inline int find_name(
    const Name *names, int count, const Slice *text, int *hint
) noexcept nogil:
    """Return the code of a name, -1 for none.

    The search begins behind the name that was found last: documents are written in the order of
    the table.
    """
    cdef int tried, i = hint[0]
    for tried in range(count):
        if i >= count:
            i = 0
        if names[i].size == text.size and memcmp(names[i].text, text.at, text.size) == 0:
            hint[0] = i + 1
            return names[i].code
        i += 1
    return -1


cdef inline void skip_space(Cursor *cursor) noexcept nogil:
    while cursor.at < cursor.end and (
        cursor.at[0] == 32 or cursor.at[0] == 10 or cursor.at[0] == 13 or cursor.at[0] == 9
    ):
        cursor.at += 1


cdef inline int take(Cursor *cursor, uint8_t wanted) noexcept nogil:
    """Take one character, with the space before it; return whether it is there."""
    skip_space(cursor)
    if cursor.at < cursor.end and cursor.at[0] == wanted:
        cursor.at += 1
        return 1
    return 0


cdef inline int take_word(Cursor *cursor, const char *word, Py_ssize_t size) noexcept nogil:
    """Take a literal such as `true`; return whether it is there."""
    if cursor.end - cursor.at < size or memcmp(cursor.at, word, size) != 0:
        return 0
    cursor.at += size
    return 1


cdef inline int read_text(Cursor *cursor, Slice *out) noexcept nogil:
    """Read a text without escapes: its bytes as they stand in the document."""
    if not take(cursor, c'"'):
        return HAND_OVER
    out.at = cursor.at
    while cursor.at < cursor.end:
        if cursor.at[0] == c'"':
            out.size = cursor.at - out.at
            cursor.at += 1
            return TAKEN
        if cursor.at[0] == c'\\' or cursor.at[0] < 32:
            return HAND_OVER
        cursor.at += 1
    return HAND_OVER


cdef inline int read_name(Cursor *cursor, Slice *out) noexcept nogil:
    """Read the name of a member and its colon."""
    if read_text(cursor, out) != TAKEN or not take(cursor, c':'):
        return HAND_OVER
    return TAKEN


cdef inline int read_number(Cursor *cursor, int64_t *out) noexcept nogil:
    """Read a number of evaluation.md, section 1, in micros; one with an exponent is handed over."""
    cdef int64_t value = 0
    cdef int digits = 0, fraction = 0
    cdef bint is_negative
    skip_space(cursor)
    is_negative = cursor.at < cursor.end and cursor.at[0] == c'-'
    cursor.at += is_negative
    if cursor.end - cursor.at >= 2 and cursor.at[0] == c'0' and c'0' <= cursor.at[1] <= c'9':
        return HAND_OVER
    while cursor.at < cursor.end and c'0' <= cursor.at[0] <= c'9':
        digits += 1
        if digits > WHOLE_DIGITS_MAX:
            return HAND_OVER
        value = 10 * value + (cursor.at[0] - c'0')
        cursor.at += 1
    if digits == 0:
        return HAND_OVER
    if cursor.at < cursor.end and cursor.at[0] == c'.':
        cursor.at += 1
        while cursor.at < cursor.end and c'0' <= cursor.at[0] <= c'9':
            fraction += 1
            if fraction > FRACTION_DIGITS_MAX:
                return HAND_OVER
            value = 10 * value + (cursor.at[0] - c'0')
            cursor.at += 1
        if fraction == 0:
            return HAND_OVER
    if cursor.at < cursor.end and (cursor.at[0] == c'e' or cursor.at[0] == c'E'):
        return HAND_OVER
    while fraction < FRACTION_DIGITS_MAX:
        value *= 10
        fraction += 1
    out[0] = -value if is_negative else value
    return TAKEN


cdef inline int read_flag(Cursor *cursor, bint *out) noexcept nogil:
    """Read true or false."""
    skip_space(cursor)
    out[0] = cursor.at < cursor.end and cursor.at[0] == c't'
    if out[0]:
        return TAKEN if take_word(cursor, b"true", 4) else HAND_OVER
    return TAKEN if take_word(cursor, b"false", 5) else HAND_OVER


cdef int skip_text(Cursor *cursor) noexcept nogil:
    """Pass over a text; what is written by its code point is handed over."""
    cdef uint8_t escaped
    if not take(cursor, c'"'):
        return HAND_OVER
    while cursor.at < cursor.end:
        if cursor.at[0] == c'"':
            cursor.at += 1
            return TAKEN
        if cursor.at[0] < 32:
            return HAND_OVER
        if cursor.at[0] == c'\\':
            cursor.at += 1
            if cursor.at >= cursor.end:
                return HAND_OVER
            escaped = cursor.at[0]
            if memchr(b'"\\/bfnrt', escaped, 8) == NULL:
                return HAND_OVER
        cursor.at += 1
    return HAND_OVER


cdef int skip_value(Cursor *cursor, int depth) noexcept nogil:
    """Pass over a value that is JSON; what is nested deeply is handed over."""
    cdef int64_t number
    skip_space(cursor)
    if cursor.at >= cursor.end or depth > DEPTH_MAX:
        return HAND_OVER
    if cursor.at[0] == c'"':
        return skip_text(cursor)
    if cursor.at[0] == c'{':
        return skip_members(cursor, depth, c'}')
    if cursor.at[0] == c'[':
        return skip_members(cursor, depth, c']')
    if cursor.at[0] == c't' or cursor.at[0] == c'f' or cursor.at[0] == c'n':
        return TAKEN if (
            take_word(cursor, b"true", 4)
            or take_word(cursor, b"false", 5)
            or take_word(cursor, b"null", 4)
        ) else HAND_OVER
    return skip_number(cursor)


cdef int skip_number(Cursor *cursor) noexcept nogil:
    """Pass over a number of the length that a moment in nanoseconds has, at most."""
    cdef const uint8_t *start = cursor.at
    cdef const uint8_t *first
    cursor.at += cursor.at[0] == c'-'
    first = cursor.at
    while cursor.at < cursor.end and c'0' <= cursor.at[0] <= c'9':
        cursor.at += 1
    if cursor.at == first or (first[0] == c'0' and cursor.at - first > 1):
        return HAND_OVER
    if cursor.at < cursor.end and cursor.at[0] == c'.':
        cursor.at += 1
        first = cursor.at
        while cursor.at < cursor.end and c'0' <= cursor.at[0] <= c'9':
            cursor.at += 1
        if cursor.at == first:
            return HAND_OVER
    return TAKEN if cursor.at - start <= 32 else HAND_OVER


cdef int skip_members(Cursor *cursor, int depth, uint8_t close) noexcept nogil:
    """Pass over an object or an array, of which the first character stands here."""
    cursor.at += 1
    if take(cursor, close):
        return TAKEN
    while True:
        if close == c'}' and (skip_text(cursor) != TAKEN or not take(cursor, c':')):
            return HAND_OVER
        if skip_value(cursor, depth + 1) != TAKEN:
            return HAND_OVER
        if take(cursor, close):
            return TAKEN
        if not take(cursor, c','):
            return HAND_OVER
