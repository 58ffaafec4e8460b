# What tests judge the hash of texts by.

def folded(uint64_t one, uint64_t other, *, bint portable=False) -> int:
    """Return the folded product of two numbers, by either implementation."""
    return tc_portable_fold(one, other) if portable else tc_fold(one, other)


def count_probes(list ids not None) -> int:
    """Return how many slots a basket looks at for lines with these ids, all of them different.

    Raises ValueError for an id that is there twice, and MemoryError.
    """
    cdef _Space own = take_space()
    cdef Workspace *space = own.space
    cdef uint64_t at, slots
    cdef size_t i
    cdef int64_t count = 0
    cdef list kept = []
    if make_room(
        <void **>&space.lines, &space.line_capacity, <size_t>len(ids), sizeof(GivenLine)
    ):
        raise MemoryError
    memset(&space.given, 0, sizeof(Given))
    for i in range(<size_t>len(ids)):
        memset(&space.lines[i], 0, sizeof(GivenLine))
        set_id(&space.lines[i].line_item_id, ids[i], kept)
    space.given.line_count = <int32_t>len(ids)
    if number_lines(space):
        raise ValueError("expected ids that differ")
    slots = space.id_capacity // 2
    for at in range(slots):
        if space.ids[2 * at + 1]:
            count += <int64_t>((at - space.ids[2 * at]) & (slots - 1)) + 1
    _spaces.append(own)
    return count
