# Writing backwards: what stands last is written first, so that the length of a message is known
# when its turn comes.

cdef enum:
    ANSWER_BYTES_MAX = 64 << 20   # what is larger is handed over
    ANSWER_BYTES_KEPT = 4 << 20   # of the room for answers, while a workspace rests


cdef inline size_t room_of(const Writer *writer) noexcept nogil:
    return <size_t>(writer.end - writer.start)


cdef int grow_writer(Writer *writer, size_t size) noexcept nogil:
    """Make room before what is written. Returns 1 without memory, and for too large an answer."""
    cdef size_t written = <size_t>(writer.end - writer.at)
    cdef size_t wanted = min(2 * room_of(writer) + size + 4096, <size_t>ANSWER_BYTES_MAX)
    cdef uint8_t *grown
    if writer.failed:
        return 1
    if size > <size_t>ANSWER_BYTES_MAX - written:
        writer.failed = 1
        return 1
    grown = <uint8_t *>malloc(wanted)
    if grown == NULL:
        writer.failed = 1
        return 1
    if written:
        memcpy(grown + wanted - written, writer.at, written)
    free(writer.start)
    writer.start = grown
    writer.end = grown + wanted
    writer.at = writer.end - written
    return 0


cdef void rest_writer(Writer *writer) noexcept nogil:
    """Give back the room of a large answer, which has been taken away."""
    if room_of(writer) > <size_t>ANSWER_BYTES_KEPT:
        free(writer.start)
        writer.start = writer.at = writer.end = NULL


cdef inline void start_writing(Writer *writer) noexcept nogil:
    writer.at = writer.end
    writer.failed = 0


cdef inline int reserve(Writer *writer, size_t size) noexcept nogil:
    if <size_t>(writer.at - writer.start) >= size:
        return 0
    return grow_writer(writer, size)


cdef inline size_t written(const Writer *writer) noexcept nogil:
    return <size_t>(writer.end - writer.at)


cdef inline void put_varint(Writer *writer, uint64_t value) noexcept nogil:
    """Write a number for which there is room."""
    cdef int32_t i, size
    if value < 0x80:
        writer.at -= 1
        writer.at[0] = <uint8_t>value
        return
    size = (9 * (64 - __builtin_clzll(value)) + 64) // 64
    writer.at -= size
    for i in range(size - 1):
        writer.at[i] = <uint8_t>(value | 0x80)
        value >>= 7
    writer.at[size - 1] = <uint8_t>value


cdef inline void put_tagged(Writer *writer, uint32_t tag, uint64_t value) noexcept nogil:
    if reserve(writer, VARINT_BYTES_MAX + TAG_BYTES_MAX):
        return
    put_varint(writer, value)
    put_varint(writer, tag)


cdef inline void put_present(Writer *writer, uint32_t tag, int64_t value) noexcept nogil:
    """Write a signed number that is written when it is 0 too."""
    put_tagged(writer, tag, (<uint64_t>value << 1) ^ <uint64_t>(value >> 63))


cdef inline void put_amount(Writer *writer, uint32_t tag, int64_t value) noexcept nogil:
    """Write a signed number unless it is 0."""
    if value:
        put_present(writer, tag, value)


cdef inline void put_plain(Writer *writer, uint32_t tag, int64_t value) noexcept nogil:
    """Write a number in two's complement, an enum or a flag, unless it is 0."""
    if value:
        put_tagged(writer, tag, <uint64_t>value)


cdef inline void put_bytes(Writer *writer, const Text *text) noexcept nogil:
    """Write whole fields as they are."""
    if text.size and not reserve(writer, text.size):
        writer.at -= text.size
        memcpy(writer.at, text.data, text.size)


cdef inline void put_text(Writer *writer, uint32_t tag, const Text *text) noexcept nogil:
    """Write a text, also an empty one."""
    if reserve(writer, text.size + 2 * TAG_BYTES_MAX):
        return
    put_bytes(writer, text)
    put_varint(writer, text.size)
    put_varint(writer, tag)


cdef inline void put_frame(Writer *writer, uint32_t tag, size_t end) noexcept nogil:
    """Write length and tag of a message whose end was at a distance of `end`."""
    if not reserve(writer, 2 * TAG_BYTES_MAX):
        put_varint(writer, written(writer) - end)
        put_varint(writer, tag)
