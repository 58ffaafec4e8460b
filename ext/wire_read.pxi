# Reading what a message consists of, as protobuf does it. Every function returns 1 where it hands
# over: where protobuf would refuse the message, and at what is allowed and rare.

cdef struct Reader:
    const uint8_t *at
    const uint8_t *end

cdef enum:
    WIRE_VARINT = 0
    WIRE_FIXED_64 = 1
    WIRE_BYTES = 2
    WIRE_FIXED_32 = 5
    TAG_BYTES_MAX = 5
    VARINT_BYTES_MAX = 10


cdef int read_long_varint(Reader *reader, uint64_t *value, int32_t most) noexcept nogil:
    cdef int32_t i
    cdef uint64_t byte, found = 0
    for i in range(most):
        if reader.at == reader.end:
            return 1
        byte = reader.at[0]
        reader.at += 1
        found |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            value[0] = found
            # The tenth byte has room for one bit.
            return i == VARINT_BYTES_MAX - 1 and byte > 1
    return 1


cdef inline int read_varint(Reader *reader, uint64_t *value) noexcept nogil:
    if reader.at != reader.end and reader.at[0] < 0x80:
        value[0] = reader.at[0]
        reader.at += 1
        return 0
    return read_long_varint(reader, value, VARINT_BYTES_MAX)


cdef inline int read_tag(Reader *reader, uint32_t *tag) noexcept nogil:
    cdef uint64_t value = 0
    if reader.at[0] < 0x80:
        tag[0] = reader.at[0]
        reader.at += 1
        return tag[0] < 8
    if read_long_varint(reader, &value, TAG_BYTES_MAX) or value > UINT32_MAX:
        return 1
    tag[0] = <uint32_t>value
    return tag[0] < 8


cdef inline int read_int64(Reader *reader, int64_t *value) noexcept nogil:
    cdef uint64_t found = 0
    if read_varint(reader, &found):
        return 1
    value[0] = <int64_t>found
    return 0


cdef inline int read_sint64(Reader *reader, int64_t *value) noexcept nogil:
    cdef uint64_t found = 0
    if read_varint(reader, &found):
        return 1
    value[0] = <int64_t>((found >> 1) ^ (0 - (found & 1)))
    return 0


cdef inline int read_bool(Reader *reader, int32_t *value) noexcept nogil:
    cdef uint64_t found = 0
    if read_varint(reader, &found):
        return 1
    value[0] = found != 0
    return 0


cdef inline int read_message(Reader *reader, Reader *inner) noexcept nogil:
    """Read the length of a message, and step over it."""
    cdef uint64_t size = 0
    if reader.at != reader.end and reader.at[0] < 0x80:
        size = reader.at[0]
        reader.at += 1
    elif read_long_varint(reader, &size, TAG_BYTES_MAX):
        return 1
    if size > <uint64_t>(reader.end - reader.at):
        return 1
    inner.at = reader.at
    reader.at += size
    inner.end = reader.at
    return 0


cdef inline int read_bytes(Reader *reader, Text *text) noexcept nogil:
    """Read a text that is compared with valid ones only; one that comes again is handed over."""
    cdef Reader inner
    if text.data != NULL or read_message(reader, &inner):
        return 1
    text.data = inner.at
    text.size = <size_t>(inner.end - inner.at)
    return 0


cdef inline int read_text(Reader *reader, Text *text, size_t most) noexcept nogil:
    """Read a text of at most so many bytes and without NUL."""
    return read_bytes(reader, text) or text.size > most or not is_text(text.data, text.size)


cdef int skip(Reader *reader, uint32_t tag) noexcept nogil:
    """Step over a field that the schema does not have; groups are handed over."""
    cdef uint64_t value = 0
    cdef Reader inner
    cdef ptrdiff_t size
    if tag & 7 == WIRE_VARINT:
        return read_varint(reader, &value)
    if tag & 7 == WIRE_BYTES:
        return read_message(reader, &inner)
    if tag & 7 == WIRE_FIXED_64:
        size = 8
    elif tag & 7 == WIRE_FIXED_32:
        size = 4
    else:
        return 1
    if reader.end - reader.at < size:
        return 1
    reader.at += size
    return 0


cdef bint is_text(const uint8_t *data, size_t size) noexcept nogil:
    """Whether bytes are UTF-8 without NUL."""
    cdef uint64_t word
    cdef const uint8_t *end = data + size
    cdef uint32_t lead, point
    cdef int32_t more
    while data != end:
        if end - data >= 8:
            memcpy(&word, data, 8)
            # No byte has its high bit, and none is 0: the borrow of 0 - 1 would reach the bit.
            if ((word | (word - 0x0101010101010101ULL)) & 0x8080808080808080ULL) == 0:
                data += 8
                continue
        lead = data[0]
        if lead < 0x80:
            if lead == 0:
                return False
            data += 1
            continue
        if lead < 0xC2 or lead > 0xF4:
            return False
        more = 1 if lead < 0xE0 else 2 if lead < 0xF0 else 3
        if end - data <= more:
            return False
        point = lead & (0x3F >> more)
        data += 1
        for _ in range(more):
            if data[0] & 0xC0 != 0x80:
                return False
            point = (point << 6) | (data[0] & 0x3F)
            data += 1
        if more == 2 and (point < 0x800 or 0xD800 <= point <= 0xDFFF):
            return False
        if more == 3 and not 0x10000 <= point <= 0x10FFFF:
            return False
    return True


cdef inline int make_room(
    void **memory, size_t *capacity, size_t count, size_t size
) noexcept nogil:
    """Grow an array to hold `count` of so many bytes each. Returns 1 without memory."""
    cdef size_t wanted
    cdef void *grown
    if count <= capacity[0]:
        return 0
    wanted = 2 * capacity[0] + 16
    if wanted < count:
        wanted = count
    grown = realloc(memory[0], wanted * size)
    if grown == NULL:
        return 1
    memory[0] = grown
    capacity[0] = wanted
    return 0


cdef inline int grow(void **memory, size_t bytes) noexcept nogil:
    """Grow an array to so many bytes. Returns 1 without memory."""
    cdef void *grown = realloc(memory[0], bytes)
    if grown == NULL:
        return 1
    memory[0] = grown
    return 0
