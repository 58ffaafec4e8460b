# The tables that engine.plan and engine.basket bring, copied into structs.

cdef int copy_rows(void **out, const int64_t[:, ::1] rows, size_t size) except -1:
    """Allocate zeroed room for a table of structs; at least one."""
    cdef size_t count = <size_t>rows.shape[0]
    out[0] = calloc(count if count else 1, size)
    if out[0] == NULL:
        raise MemoryError
    return 0


cdef int copy_int32(int32_t **out, const int32_t[::1] values) except -1:
    cdef Py_ssize_t count = values.shape[0]
    out[0] = <int32_t *>malloc(max(count, 1) * sizeof(int32_t))
    if out[0] == NULL:
        raise MemoryError
    if count:
        memcpy(out[0], &values[0], count * sizeof(int32_t))
    return 0


cdef int fill_tax_tables(
    TaxSet **sets,
    TaxEntry **entries,
    const int64_t[:, ::1] set_rows,
    const int64_t[:, ::1] entry_rows,
) except -1:
    """Copy tax sets (base_n, base_d, vat_group, entries, entry_count, vat_count) and their entries
    (exact_n, exact_d, weight, key)."""
    cdef Py_ssize_t i
    copy_rows(<void **>sets, set_rows, sizeof(TaxSet))
    for i in range(set_rows.shape[0]):
        if set_rows[i, 4] > 16:
            raise ValueError("expected at most 16 taxes in a list")
        sets[0][i].base_n = set_rows[i, 0]
        sets[0][i].base_d = set_rows[i, 1]
        sets[0][i].vat_group = <int32_t>set_rows[i, 2]
        sets[0][i].entries = <int32_t>set_rows[i, 3]
        sets[0][i].entry_count = <int32_t>set_rows[i, 4]
        sets[0][i].vat_count = <int32_t>set_rows[i, 5]
    copy_rows(<void **>entries, entry_rows, sizeof(TaxEntry))
    for i in range(entry_rows.shape[0]):
        entries[0][i].exact_n = entry_rows[i, 0]
        entries[0][i].exact_d = entry_rows[i, 1]
        entries[0][i].weight = entry_rows[i, 2]
        entries[0][i].key = <int32_t>entry_rows[i, 3]
    return 0


cdef int fill_rows(PlanData *data, const int64_t[:, ::1] rows) except -1:
    """Copy the rows of a plan."""
    cdef Py_ssize_t i
    copy_rows(<void **>&data.rows, rows, sizeof(Row))
    for i in range(rows.shape[0]):
        read_row(&data.rows[i], rows, i)
    data.row_count = <int32_t>rows.shape[0]
    return 0


cdef int fill_campaigns(PlanData *data, const int64_t[:, ::1] campaigns) except -1:
    """Copy campaigns: the effect, min_total_n, min_total_d, spend_n, spend_d, valid_from,
    valid_until, purchase_types, trigger, target, count, target_count, max_groups, flags,
    part_count and the counts of the parts."""
    cdef Py_ssize_t i, part
    cdef Campaign *campaign
    copy_rows(<void **>&data.campaigns, campaigns, sizeof(Campaign))
    for i in range(campaigns.shape[0]):
        campaign = &data.campaigns[i]
        fill_effect(&campaign.effect, campaigns, i)
        campaign.min_total.n = campaigns[i, 6]
        campaign.min_total.d = campaigns[i, 7]
        campaign.spend.n = campaigns[i, 8]
        campaign.spend.d = campaigns[i, 9]
        campaign.valid_from = campaigns[i, 10]
        campaign.valid_until = campaigns[i, 11]
        campaign.purchase_types = <uint64_t>campaigns[i, 12]
        campaign.trigger = <int32_t>campaigns[i, 13]
        campaign.target = <int32_t>campaigns[i, 14]
        campaign.count = <int32_t>campaigns[i, 15]
        campaign.target_count = <int32_t>campaigns[i, 16]
        campaign.max_groups = <int32_t>campaigns[i, 17]
        campaign.flags = <int32_t>campaigns[i, 18]
        campaign.part_count = <int32_t>campaigns[i, 19]
        for part in range(SLOT_COUNT - 1):
            campaign.part_counts[part] = <int32_t>campaigns[i, 20 + part]
    data.campaign_count = <int32_t>campaigns.shape[0]
    return 0


cdef int fill_effect(Effect *effect, const int64_t[:, ::1] table, Py_ssize_t i) except -1:
    """Copy columns 0..5: kind, value_n, value_d, cap_n, cap_d, rate."""
    effect.kind = <int32_t>table[i, 0]
    effect.value.n = table[i, 1]
    effect.value.d = table[i, 2]
    effect.cap.n = table[i, 3]
    effect.cap.d = table[i, 4]
    effect.rate = table[i, 5]
    return 0


cdef int read_row(Row *row, const int64_t[:, ::1] rows, Py_ssize_t i) except -1:
    """Copy a row: price, price_minor, sale_n, sale_d, cost, multiplicity, tax_set, campaigns,
    campaign_count, flags."""
    row.price = rows[i, 0]
    row.price_minor = rows[i, 1]
    row.sale.n = rows[i, 2]
    row.sale.d = rows[i, 3]
    row.cost = rows[i, 4]
    row.multiplicity = rows[i, 5]
    row.tax_set = <int32_t>rows[i, 6]
    row.campaigns = <int32_t>rows[i, 7]
    row.campaign_count = <int32_t>rows[i, 8]
    row.flags = <int32_t>rows[i, 9]
    return 0


cdef int fill_lines(
    BasketData *data, const PlanData *plan, const int64_t[:, ::1] lines,
    const int64_t[:, ::1] own_rows,
) except -1:
    """Copy lines (row, quantity, count, flags, tax set, price, price_minor) over their rows."""
    cdef Py_ssize_t i, own = 0
    cdef LineInput *line
    cdef Row row
    copy_rows(<void **>&data.lines, lines, sizeof(LineInput))
    for i in range(lines.shape[0]):
        line = &data.lines[i]
        if lines[i, 0] >= plan.row_count:
            raise IndexError("expected a row of the plan")
        if lines[i, 0] >= 0:
            row = plan.rows[lines[i, 0]]
            line.campaigns = row.campaigns
        else:
            read_row(&row, own_rows, own)
            line.campaigns = -1 - row.campaigns
            own += 1
        line.price = row.price
        line.price_minor = row.price_minor
        line.sale = row.sale
        line.cost = row.cost
        line.multiplicity = row.multiplicity
        line.campaign_count = row.campaign_count
        line.tax_set = row.tax_set if lines[i, 4] < 0 else <int32_t>lines[i, 4]
        line.quantity = lines[i, 1]
        line.count = lines[i, 2]
        line.flags = row.flags | <int32_t>lines[i, 3]
        if lines[i, 5] >= 0:
            line.price = lines[i, 5]
            line.price_minor = lines[i, 6]
    data.line_count = <int32_t>lines.shape[0]
    return 0
