# The functions of answer.h: the workspace of a thread, and the answer to a request.

cdef void *new_workspace() noexcept nogil:
    return calloc(1, sizeof(Workspace))


cdef void free_workspace(void *workspace) noexcept nogil:
    cdef Workspace *space = <Workspace *>workspace
    if space == NULL:
        return
    free_work(&space.work)
    free(space.basket.lines)
    free(space.basket.manuals)
    free(space.writer.start)
    free(space.lines)
    free(space.line_manuals)
    free(space.manuals)
    free(space.payments)
    free(space.coupons)
    free(space.groups)
    free(space.disabled)
    free(space.ids)
    free(space.links)
    free(space.shared)
    free(space.shared_campaigns)
    free(space.summary)
    free(space.summary_amounts)
    free(space.summary_seen)
    free(space.summary_taxes)
    free(space.blocked)
    free(space.met_coupons.numbers)
    free(space.met_coupons.marks)
    free(space.met_groups.numbers)
    free(space.met_groups.marks)
    free(space.deposit_ids)
    free(space.slices)
    free(space)


cdef int answer_into(
    const Markets *markets, Workspace *space, int method, const unsigned char *request,
    size_t size, int64_t now, bint searches
) noexcept nogil:
    """Leave the answer with the writer. Returns 1 to hand over."""
    cdef Reader reader
    reader.at = request
    reader.end = request + size
    if method == TC_EVALUATE_BASKETS:
        return answer_batch(markets, space, reader, now, searches)
    return answer_one(markets, space, method, reader, now, searches)


cdef int answer(
    const void *plans, void *workspace, int method, const unsigned char *request, size_t size,
    int64_t now_ns, tc_bytes *response
) noexcept nogil:
    """Answer as answer.h says. What may take long, the search of a best price, is handed over."""
    cdef Workspace *space = <Workspace *>workspace
    cdef size_t length
    cdef int status = TC_HAND_OVER
    if not answer_into(
        <const Markets *>plans, space, method, request, size, now_ns, False
    ):
        length = written(&space.writer)
        if not make_room(<void **>&response.data, &response.capacity, length, 1):
            memcpy(response.data, space.writer.at, length)
            response.size = length
            status = TC_ANSWERED
    rest_writer(&space.writer)
    return status
