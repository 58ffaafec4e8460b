# Spreading one amount over parts: allocation and distribution (docs/evaluation.md, section 1).

ctypedef bint (*Before)(Work *work, int32_t a, int32_t b) noexcept nogil


cdef void sort_stable(Work *work, int32_t *order, int32_t count, Before before) noexcept nogil:
    """Merge sort; equal elements keep their order. Uses work.spare_order."""
    cdef int32_t i, j, k, width, middle, end, held
    cdef int32_t *source = order
    cdef int32_t *target = work.spare_order
    cdef int32_t *swap
    if count <= 16:
        for i in range(1, count):
            held = order[i]
            j = i - 1
            while j >= 0 and before(work, held, order[j]):
                order[j + 1] = order[j]
                j -= 1
            order[j + 1] = held
        return
    width = 1
    while width < count:
        i = 0
        while i < count:
            middle = min(i + width, count)
            end = min(i + 2 * width, count)
            j = i
            k = middle
            held = i
            while held < end:
                if j < middle and (k >= end or not before(work, source[k], source[j])):
                    target[held] = source[j]
                    j += 1
                else:
                    target[held] = source[k]
                    k += 1
                held += 1
            i = end
        swap = source
        source = target
        target = swap
        width *= 2
    if source != order:
        memcpy(order, source, count * sizeof(int32_t))


cdef inline bint goes_first(const Work *work, int32_t a, int32_t b) noexcept nogil:
    """Whether part a has the larger whole remainder, or an equal one and stands earlier."""
    cdef int64_t x = work.shares[a].remainder, y = work.shares[b].remainder
    return x > y or (x == y and a < b)


cdef void select_first(Work *work, int32_t count, int32_t wanted) noexcept nogil:
    """Partition work.share_order: the `wanted` parts that go first come first, in any order."""
    cdef int32_t low = 0, high = count - 1, i, j, pivot, held
    cdef int32_t *order = work.share_order
    while low < high:
        pivot = order[low + (high - low) // 2]
        i = low
        j = high
        while i <= j:
            while goes_first(work, order[i], pivot):
                i += 1
            while goes_first(work, pivot, order[j]):
                j -= 1
            if i <= j:
                held = order[i]
                order[i] = order[j]
                order[j] = held
                i += 1
                j -= 1
        if wanted - 1 <= j:
            high = j
        elif wanted - 1 >= i:
            low = i
        else:
            return


cdef bint larger_exact(Work *work, int32_t a, int32_t b) noexcept nogil:
    return tc_rat_cmp(&work.arena, work.shares[a].exact, work.shares[b].exact) > 0


cdef void top_up(
    Work *work, int64_t *amounts, int32_t count, int64_t missing, bint exact
) noexcept nogil:
    """Give `missing` minor units, one each, to the largest remainders in the missing direction.

    The remainders stand in work.shares: whole numbers of one denominator, or exact rationals.
    """
    cdef int32_t i, best
    cdef int64_t step = 1
    if missing < 0:
        step = -1
        missing = -missing
        for i in range(count):
            if exact:
                work.shares[i].exact = tc_rat_negate(&work.arena, work.shares[i].exact)
            else:
                work.shares[i].remainder = -work.shares[i].remainder
    if missing == 1 and not exact:
        best = 0
        for i in range(1, count):
            if work.shares[i].remainder > work.shares[best].remainder:
                best = i
        amounts[best] += step
        return
    for i in range(count):
        work.share_order[i] = i
    if missing > count:         # only after a failed rational operation, which is reported later
        missing = count
    if exact:
        sort_stable(work, work.share_order, count, larger_exact)
    else:
        select_first(work, count, <int32_t>missing)
    for i in range(<int32_t>missing):
        amounts[work.share_order[i]] += step


cdef int allocate_whole(
    Work *work, int64_t amount, const int64_t *weights, int32_t count, int64_t *amounts
) noexcept nogil:
    """Allocate over whole weights >= 0. Returns 1 when the weights overflow."""
    cdef int32_t i
    cdef int64_t total = 0, given = 0
    for i in range(count):
        if tc_add(total, weights[i], &total):
            return 1
    if total == 0:
        for i in range(count):
            amounts[i] = 0
        amounts[0] = amount
        return 0
    for i in range(count):
        if tc_muldiv_rem(amount, weights[i], total, &amounts[i], &work.shares[i].remainder):
            return 1
        given += amounts[i]
    if given != amount:
        top_up(work, amounts, count, amount - given, False)
    return 0


cdef int allocate(
    Work *work, int64_t amount, const tc_rat *weights, int32_t count, int64_t *amounts
) noexcept nogil:
    """Allocate over rational weights >= 0; `amounts` may not be work.amounts' second half."""
    cdef int32_t i
    cdef int64_t given = 0
    cdef bint whole = True
    cdef tc_rat total, share
    cdef int64_t *plain = work.amounts + work.line_capacity
    if count == 1:
        amounts[0] = amount
        return 0
    for i in range(count):
        whole &= weights[i].d == 1
    if whole:
        for i in range(count):
            plain[i] = weights[i].n
        return allocate_whole(work, amount, plain, count, amounts)
    total = tc_rat_int(0)
    for i in range(count):
        total = tc_rat_add(&work.arena, total, weights[i])
    if tc_rat_is_zero(total):
        for i in range(count):
            amounts[i] = 0
        amounts[0] = amount
        return 0
    for i in range(count):
        share = tc_rat_div(
            &work.arena, tc_rat_mul(&work.arena, tc_rat_int(amount), weights[i]), total
        )
        amounts[i] = tc_rat_round(&work.arena, share, TC_DOWN)
        work.shares[i].exact = tc_rat_sub(&work.arena, share, tc_rat_int(amounts[i]))
        given += amounts[i]
    if given != amount:
        top_up(work, amounts, count, amount - given, True)
    return work.arena.failed


cdef int distribute(
    Work *work, const int64_t *parts, int32_t count, int64_t n, int64_t d, int tie, int64_t *amounts
) noexcept nogil:
    """Distribute round(sum of parts x n / d) over the exact parts[i] x n / d, d > 0, n >= 0."""
    cdef int32_t i
    cdef int64_t total = 0, rounded, given = 0
    for i in range(count):
        if tc_add(total, parts[i], &total):
            return 1
    if tc_muldiv(total, n, d, 1, tie, &rounded):
        return 1
    if count == 1:
        amounts[0] = rounded
        return 0
    for i in range(count):
        if tc_muldiv_rem(parts[i], n, d, &amounts[i], &work.shares[i].remainder):
            return 1
        given += amounts[i]
    if given != rounded:
        top_up(work, amounts, count, rounded - given, False)
    return 0
