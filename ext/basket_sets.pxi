# Forming groups: `count` groups, bundles of several selectors, and buy A get B (section 3.3).
#
# A bundle takes its units part by part, the dearest first, as long as the later parts can still be
# filled. Whether they can is Hall's condition: for every set of later parts, the units that fit
# any of them are at least as many as they ask for. A line's units count by their mask, so the
# condition is a table over the 256 sets of slots, whatever the number of units.

cdef struct Former:              # the state of forming groups for one campaign
    const Campaign *campaign
    int64_t supply[SUBSET_COUNT]  # free units that fit any slot of the set
    int64_t need[SUBSET_COUNT]    # units that one group asks for in the slots of the set
    int64_t slack[SUBSET_COUNT]   # what was spare when the last group was formed, -1: not asked
    int64_t use[SUBSET_COUNT]     # units of the last group that fit any slot of the set
    int32_t cursor[SLOT_COUNT]
    int32_t spans
    int32_t subsets
    bint is_plain                 # one part and no other target: no sets to look at
    bint is_repeatable
    int32_t missing               # units that the last slot could not be given


cdef int32_t slot_demand(const Campaign *campaign, int32_t slot) noexcept nogil:
    """Return how many units of a slot one group needs; of a target's selector, one at least."""
    if slot == SLOT_TARGET:
        return 1 if campaign.target == TARGET_SELECTOR else 0
    if slot >= campaign.part_count:
        return 0
    return campaign.part_counts[slot]


cdef void start_groups(
    Work *work, Former *former, const Campaign *campaign, int32_t count
) noexcept nogil:
    cdef int32_t i, s, slot
    former.campaign = campaign
    former.spans = count
    former.is_plain = campaign.part_count == 1 and campaign.target != TARGET_SELECTOR
    former.subsets = 0 if former.is_plain else SUBSET_COUNT
    for slot in range(SLOT_COUNT):
        former.cursor[slot] = 0
    for s in range(former.subsets):
        former.supply[s] = 0
        former.need[s] = 0
        for slot in range(SLOT_COUNT):
            if s >> slot & 1:
                former.need[s] += slot_demand(campaign, slot)
    for i in range(count):
        for s in range(former.subsets):
            if work.spans[i].mask & s:
                former.supply[s] += work.spans[i].available


cdef int32_t spare_for_later(Former *former, int32_t mask, int32_t later) noexcept nogil:
    """Return how many units of this mask the later slots can do without."""
    cdef int32_t s
    cdef int64_t spare = INT32_MAX
    s = later
    while s:                      # the subsets of `later`
        if s & mask:
            spare = min(spare, former.supply[s] - former.need[s])
        s = (s - 1) & later
    return <int32_t>max(spare, 0)


cdef void note_use(Former *former, int32_t mask, int32_t later, int32_t taken) noexcept nogil:
    cdef int32_t s
    for s in range(former.subsets):
        if s & mask:
            if s & later == s:
                former.slack[s] = (
                    min(former.slack[s], former.supply[s] - former.need[s] - taken)
                    if former.slack[s] >= 0
                    else former.supply[s] - former.need[s] - taken
                )
            former.supply[s] -= taken
            former.use[s] += taken


cdef int32_t fill_slot(
    Work *work, Former *former, int32_t slot, int32_t later, int32_t wanted, int32_t pieces
) noexcept nogil:
    """Take up to `wanted` units for a slot, dearest first; return the new number of pieces.

    Units that a slot of `later` cannot do without stay. former.missing says how many are wanting.
    """
    cdef int32_t at = former.cursor[slot], taken, left
    cdef Span *span
    cdef bint is_first = True
    while wanted and at < former.spans:
        span = &work.spans[work.order[at]]
        left = span.available - span.taken - span.used
        if left == 0 or not span.mask >> slot & 1:
            if left == 0 and at == former.cursor[slot] and span.used == 0:
                former.cursor[slot] += 1
            at += 1
            continue
        taken = min(wanted, left)
        if later:
            taken = min(taken, spare_for_later(former, span.mask, later))
        if taken == 0:
            former.is_repeatable = False
            at += 1
            continue
        if taken < wanted or not is_first:
            former.is_repeatable = False
        is_first = False
        note_use(former, span.mask, later, taken)
        if span.used == 0:
            work.pieces[pieces].span = work.order[at]
            work.pieces[pieces].rank = at
            pieces += 1
        span.used += taken
        if work.choosing.tracks_slots:
            work.choosing.group_use[work.order[at] * SLOT_COUNT + slot] += taken
        if slot == SLOT_TARGET:
            span.used_hit += taken
        wanted -= taken
        if wanted:
            at += 1
    former.missing = wanted
    return pieces


cdef int32_t gather_plain(Work *work, Former *former) noexcept nogil:
    """As gather_group, for one part that every span fits."""
    cdef int32_t at = former.cursor[0], need = former.campaign.part_counts[0], left, pieces = 0
    cdef Span *span
    while need:
        if at == former.spans:
            return 0
        span = &work.spans[work.order[at]]
        left = span.available - span.taken
        if left:
            work.pieces[pieces].span = work.order[at]
            work.pieces[pieces].rank = at
            work.pieces[pieces].count = min(need, left)
            work.pieces[pieces].hit = 0
            need -= work.pieces[pieces].count
            pieces += 1
        elif pieces == 0:
            former.cursor[0] += 1
        at += 1
    former.is_repeatable = pieces == 1
    return pieces


cdef int32_t gather_group(Work *work, Former *former) noexcept nogil:
    """Collect the next group as pieces in unit order; return how many, 0 when there is none."""
    cdef const Campaign *campaign = former.campaign
    cdef int32_t slot, s, i, later, pieces = 0
    cdef bint complete = True
    if former.is_plain:
        return gather_plain(work, former)
    former.is_repeatable = True
    for s in range(former.subsets):
        former.slack[s] = -1
        former.use[s] = 0
    later = (1 << campaign.part_count) - 1
    if campaign.target == TARGET_SELECTOR:
        later |= 1 << SLOT_TARGET
    for slot in range(campaign.part_count):
        later &= ~(1 << slot)
        pieces = fill_slot(work, former, slot, later, campaign.part_counts[slot], pieces)
        complete &= former.missing == 0
    if complete and campaign.target == TARGET_SELECTOR:
        pieces = fill_slot(work, former, SLOT_TARGET, 0, campaign.target_count, pieces)
        complete = former.missing < campaign.target_count
        former.is_repeatable &= former.missing == 0
    for i in range(pieces):
        work.pieces[i].count = work.spans[work.pieces[i].span].used
        work.pieces[i].hit = work.spans[work.pieces[i].span].used_hit
        work.spans[work.pieces[i].span].used = 0
        work.spans[work.pieces[i].span].used_hit = 0
    if not complete:
        return 0
    sort_pieces(work.pieces, pieces, &by_rank)
    return pieces


cdef int32_t repetitions(Work *work, Former *former, int32_t pieces) noexcept nogil:
    """Return how many groups equal to the gathered one follow each other, itself included."""
    cdef int32_t i, s, many = INT32_MAX
    cdef Span *span
    if not former.is_repeatable:
        return 1
    for i in range(pieces):
        span = &work.spans[work.pieces[i].span]
        many = min(many, (span.available - span.taken) // work.pieces[i].count)
    for s in range(former.subsets):
        if former.slack[s] >= 0 and former.use[s] > 0:
            many = <int32_t>min(<int64_t>many, 1 + former.slack[s] // former.use[s])
    return max(many, 1)


cdef int form_groups(
    Work *work, const PlanData *plan, const Campaign *campaign, int32_t count,
    bint exclusive, bint placed
) noexcept nogil:
    """Form complete groups over the spans in unit order. Returns a status.

    Exclusive: counts and values in one pass. Stackable: a first pass counts, and where the groups
    have an amount of their own a second one (`placed`) values them. Equal groups that follow each
    other are worked out once.
    """
    cdef int32_t groups = 0, many, i, s, pieces, status
    cdef bint gives, valuing = of_a_set(&campaign.effect) and (exclusive or placed)
    cdef Former former
    cdef Span *span
    order_spans(work, count)
    start_groups(work, &former, campaign, count)
    for i in range(count):
        work.spans[i].total = work.spans[i].taken
        work.spans[i].taken = 0
    while groups < campaign.max_groups:
        pieces = gather_group(work, &former)
        if pieces == 0:
            break
        many = min(repetitions(work, &former, pieces), campaign.max_groups - groups)
        place_hits(work.pieces, pieces, campaign)
        if placed:
            for i in range(pieces):
                if work.pieces[i].hit:
                    many = min(many, hits_in_run(work, &work.pieces[i]))
        gives = True
        if valuing:
            status = value_group(
                work, plan, &campaign.effect, work.pieces, pieces, placed, many, &gives
            )
            if status:
                return status
        elif exclusive:
            gives = gives_something(work, &campaign.effect, work.pieces, pieces)
        if exclusive and not gives:
            break
        for i in range(pieces):
            span = &work.spans[work.pieces[i].span]
            span.taken += work.pieces[i].count * many
            if placed:
                span.done += work.pieces[i].hit * many
            else:
                span.hit += work.pieces[i].hit * many
        for s in range(former.subsets):
            former.supply[s] -= former.use[s] * (many - 1)
        if work.choosing.tracks_slots:
            keep_slots(work, pieces, many)
        groups += many
    return STATUS_OK
