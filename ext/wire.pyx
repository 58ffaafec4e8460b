# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True, auto_pickle=False, autotestdict=False
# Design:
# a) Specification: docs/evaluation.md, and the messages of proto/tillcore/v1. One translation unit:
#    the .pxi files hold the structs, the reading of messages, the tables of a plan, resolving,
#    settling and writing; this file holds the Python classes. The arithmetic is ext.basket's.
# b) It never answers wrongly: whatever it does not know, and every basket with anything wrong in
#    it, is handed over to the Python path, which answers everything. So it makes successes only.
# c) Answers are equal, byte for byte, to what protobuf serializes in its deterministic order.
#    What does not depend on the basket was serialized by protobuf when the plan was compiled
#    (engine.rpc.hot_plans), and is copied.
# d) Messages are written backwards: the length of a message is known when its turn comes.
# e) The numbers of fields are generated from the .proto files (proto/wire_fields.py), and a field
#    that the codec does not know fails the build.
# f) What is untrusted is read within bounds, counts are bounded before memory grows, and amounts
#    are checked for overflow wherever the kernel has not bounded them.
"""Answer the bytes of a request with the bytes of a response without the interpreter lock."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.pycapsule cimport PyCapsule_GetContext, PyCapsule_New, PyCapsule_SetContext
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport INT32_MAX, UINT32_MAX, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memchr, memcmp, memcpy, memset

import os

from ext.basket cimport (
    EFFECT_AMOUNT,
    EFFECT_AMOUNT_PER_ITEM,
    EFFECT_NEW_PRICE,
    EFFECT_NEW_PRICE_PER_ITEM,
    EFFECT_PERCENTAGE,
    EFFECT_PERCENTAGE_WITH_MAX,
    ENTRY_MANUAL,
    ENTRY_SALE_PRICE,
    LINE_BEHAVIOR,
    MICRO,
    ROW_HAS_COST,
    ROW_UNIT_PRICED,
    STATUS_OK,
    BasketData,
    Entry,
    Line,
    LineInput,
    Manual,
    Plan,
    PlanData,
    Row,
    TaxResult,
    Work,
    evaluate_one,
    free_work,
    tc_rat,
)
from ext.money cimport tc_add, tc_cmp_frac, tc_mul, tc_muldiv_rem, tc_sub

cdef extern from "rational.h" nogil:
    int64_t tc_gcd64(int64_t a, int64_t b)

cdef extern from *:
    int __builtin_clzll(unsigned long long value) noexcept nogil

cdef extern from "wire_hash.h" nogil:
    ctypedef struct tc_secrets:
        uint64_t seed
        uint64_t word
        uint64_t hash
    uint64_t tc_fold(uint64_t a, uint64_t b)
    uint64_t tc_portable_fold(uint64_t a, uint64_t b)
    uint64_t tc_hash(
        const tc_secrets *secrets, uint64_t seed, const uint8_t *data, size_t size
    )

cdef extern from "answer.h" nogil:
    const char *TC_ANSWERER_CAPSULE
    enum:
        TC_EVALUATE_BASKET
        TC_EVALUATE_BASKETS
        TC_STREAM_BASKETS
        TC_ANSWERED
        TC_HAND_OVER
    ctypedef struct tc_bytes:
        unsigned char *data
        size_t size
        size_t capacity
    ctypedef struct tc_answerer:
        const void *plans
        void *(*new_workspace)() noexcept nogil
        void (*free_workspace)(void *workspace) noexcept nogil
        int (*answer)(
            const void *plans, void *workspace, int method, const unsigned char *request,
            size_t size, int64_t now_ns, tc_bytes *response
        ) noexcept nogil

# Limits and numbers that engine.limits, engine.zones and engine.rpc.convert state as well.
cdef extern from *:
    """
    #define TC_AMOUNT_END INT64_C(1000000000000000000)
    #define TC_QUANTITY_MAX INT64_C(1000000000000)
    #define TC_NS_PER_SECOND INT64_C(1000000000)
    #define TC_NS_PER_MINUTE INT64_C(60000000000)
    #define TC_SECONDS_MIN INT64_C(-9223372036)
    #define TC_SECONDS_MAX INT64_C(9223372035)
    """
    const int64_t AMOUNT_END "TC_AMOUNT_END"
    const int64_t QUANTITY_MAX "TC_QUANTITY_MAX"
    const int64_t NS_PER_SECOND "TC_NS_PER_SECOND"
    const int64_t NS_PER_MINUTE "TC_NS_PER_MINUTE"
    const int64_t SECONDS_MIN "TC_SECONDS_MIN"
    const int64_t SECONDS_MAX "TC_SECONDS_MAX"

cdef enum:
    BASKETS_MAX = 1000
    TRIGGER_LINES_MAX = 32
    EPOCH_MINUTE_OF_WEEK = 4320
    WEEK_MINUTES = 10080
    STATUS_GREEN = 1
    STATUS_ORANGE = 2
    STATUS_RED = 3
    CUSTOMER_REMARK = 8      # among the texts of a customer: additional_info

# Whoever sends ids cannot know which of them collide.
cdef tc_secrets secrets
secrets.seed = int.from_bytes(os.urandom(8), "little")
secrets.word = int.from_bytes(os.urandom(8), "little")
secrets.hash = int.from_bytes(os.urandom(8), "little") | 1

include "wire_fields.pxi"
include "wire_types.pxi"
include "wire_read.pxi"
include "wire_basket.pxi"
include "wire_find.pxi"
include "wire_resolve.pxi"
include "wire_settle.pxi"
include "wire_write.pxi"
include "wire_discounts.pxi"
include "wire_answer.pxi"
include "wire_door.pxi"
include "wire_plan.pxi"


EVALUATE_BASKET = TC_EVALUATE_BASKET
EVALUATE_BASKETS = TC_EVALUATE_BASKETS
STREAM_BASKETS = TC_STREAM_BASKETS


cdef class HotPlan:
    """The plan of a market in the form that answers bytes.

    The tables come from engine.rpc.hot_plans; their columns are said where they are read, in
    wire_plan.pxi. A plan that is not ready hands everything over.
    """

    cdef HotData data
    cdef Plan plan
    cdef bytes blob

    def __cinit__(
        self,
        Plan plan not None,
        bytes blob not None,
        *,
        bint is_ready,
        const int64_t[:, ::1] articles,
        const int64_t[:, ::1] rows,
        const int64_t[:, ::1] typed_rows,
        const int64_t[:, ::1] bundles,
        const int64_t[:, ::1] deposits,
        const int64_t[:, ::1] purchase_types,
        const int64_t[:, ::1] tax_sets,
        const int64_t[:, ::1] taxes,
        const int64_t[:, ::1] campaigns,
        const int64_t[:, ::1] campaign_ids,
        const int64_t[:, ::1] gates,
        const int32_t[::1] numbers,
        const int64_t[:, ::1] words,
        const int64_t[:, ::1] shops,
        const int64_t[:, ::1] foreign,
        const int64_t[:, ::1] clock,
        const int64_t[:, ::1] currency,
        uint64_t other_purchase_type,
        int64_t contribution_target,
        int64_t cash_increment,
        int64_t cash_min_amount,
        int cash_flags,
    ):
        self.plan = plan
        self.blob = blob
        self.data.plan = &plan.data
        self.data.group_count = plan.group_count
        fill_articles(&self.data, blob, articles)
        fill_deposits(&self.data, blob, deposits)
        fill_hot_rows(&self.data, blob, rows, typed_rows)
        fill_purchase_types(&self.data, blob, purchase_types)
        fill_taxes(&self.data, blob, tax_sets, taxes)
        fill_hot_campaigns(&self.data, blob, campaigns)
        fill_words(&self.data.campaign_ids, &self.data.campaign_mask, blob, campaign_ids)
        fill_words(&self.data.words, &self.data.word_mask, blob, words)
        self.data.word_count = <int32_t>words.shape[0]
        fill_gates(&self.data, gates, numbers)
        fill_words(&self.data.shops, &self.data.shop_mask, blob, shops)
        fill_foreign(&self.data, blob, foreign)
        fill_clock(&self.data, clock, bundles)
        set_text(&self.data.currency, blob, currency, 0, 0)
        self.data.shop_count = <int32_t>shops.shape[0]
        self.data.other_purchase_type = other_purchase_type
        self.data.contribution_target = contribution_target
        self.data.cash_increment = cash_increment
        self.data.cash_min_amount = cash_min_amount
        self.data.cash_flags = cash_flags
        self.data.is_ready = is_ready

    def __dealloc__(self):
        free_hot(&self.data)

    @property
    def searches(self) -> bool:
        """Whether it searches best prices, which may take long."""
        return bool(self.plan.data.best_price)


# --- the workspaces of threads -------------------------------------------------------------------

cdef class _Space:
    """A workspace, which one thread at a time uses."""

    cdef Workspace *space

    def __cinit__(self):
        self.space = <Workspace *>new_workspace()
        if self.space == NULL:
            raise MemoryError

    def __dealloc__(self):
        free_workspace(self.space)


# Taken and put back under the interpreter lock, one for each thread that works at once.
cdef list _spaces = []


cdef _Space take_space():
    return <_Space>_spaces.pop() if _spaces else _Space()


cdef int keep_space(_Space own) except -1:
    """Put a workspace back, without the room of an answer that was rarely large."""
    rest_writer(&own.space.writer)
    _spaces.append(own)
    return 0


def kept_bytes() -> int:
    """Return how many bytes the workspaces at rest keep for answers."""
    return sum([room_of(&(<_Space>own).space.writer) for own in _spaces])


include "wire_probes.pxi"


# --- the plans of an account ---------------------------------------------------------------------

cdef int set_id(Text *text, bytes id, list kept) except -1:
    """Point a text at an id, which is kept."""
    kept.append(id)
    text.data = <const uint8_t *><const char *>id
    text.size = <size_t>len(id)
    return 0


cdef const HotData *data_of(HotPlan plan, list kept):
    """Return the data of a plan, which is kept; NULL without one."""
    if plan is None:
        return NULL
    kept.append(plan)
    return &plan.data


cdef void release_owner(object capsule) noexcept:
    Py_DECREF(<object>PyCapsule_GetContext(capsule))


cdef class Answerer:
    """The plans of one account, which answer bytes; see answer.h.

    A market is its id, the first moment of its present catalogue, and the plans by shop, with ""
    for the shops that have none of their own. What has None for a plan is handed over, and so are
    earlier moments. `only_market` is the number of the market that a request without one means, -1
    when there are several.
    """

    cdef tc_answerer functions
    cdef Markets markets
    cdef list kept
    cdef readonly bint searches

    def __cinit__(self, list markets not None, int only_market):
        cdef Py_ssize_t i, j
        cdef Market *market
        self.kept = []
        take(<void **>&self.markets.markets, len(markets), sizeof(Market))
        take(<void **>&self.markets.used, len(markets), 1)
        self.markets.count = <int32_t>len(markets)
        if not -1 <= only_market < len(markets):
            raise ValueError("expected the number of a market")
        self.markets.only = only_market
        for i, (id_, at_ns, plans) in enumerate(markets):
            market = &self.markets.markets[i]
            set_id(&market.id, id_.encode(), self.kept)
            market.at = at_ns
            market.plan = data_of(plans.get(""), self.kept)
            shops = [shop for shop in plans if shop]
            take(<void **>&market.shops, len(shops), sizeof(ShopPlan))
            market.shop_count = <int32_t>len(shops)
            for j, shop in enumerate(shops):
                set_id(&market.shops[j].id, shop.encode(), self.kept)
                market.shops[j].plan = data_of(plans[shop], self.kept)
        self.searches = any([plan.searches for plan in self.kept if isinstance(plan, HotPlan)])
        self.functions.plans = &self.markets
        self.functions.new_workspace = &new_workspace
        self.functions.free_workspace = &free_workspace
        self.functions.answer = &answer

    def __dealloc__(self):
        cdef int32_t i
        if self.markets.markets != NULL:
            for i in range(self.markets.count):
                free(self.markets.markets[i].shops)
        free(self.markets.markets)
        free(self.markets.used)

    @property
    def capsule(self):
        """A capsule with a `tc_answerer`, which keeps the plans for as long as it lives."""
        capsule = PyCapsule_New(&self.functions, TC_ANSWERER_CAPSULE, release_owner)
        Py_INCREF(self)
        PyCapsule_SetContext(capsule, <void *>self)
        return capsule

    def take_used(self) -> list:
        """Return the numbers of the markets that answered since the last time."""
        cdef int32_t i
        cdef list found = []
        for i in range(self.markets.count):
            if self.markets.used[i]:
                self.markets.used[i] = 0
                found.append(i)
        return found

    def answer(self, int method, bytes request not None, int64_t now_ns, *, bint apart=False):
        """Return the response of a request, None to hand it over.

        `apart` answers without the interpreter lock, which only pays for what takes long, and then
        searches best prices too. Raises MemoryError.
        """
        cdef _Space own = take_space()
        cdef Workspace *space = own.space
        cdef const unsigned char *data = <const unsigned char *>PyBytes_AS_STRING(request)
        cdef size_t size = <size_t>PyBytes_GET_SIZE(request)
        cdef int status
        if apart:
            with nogil:
                status = answer_into(&self.markets, space, method, data, size, now_ns, True)
        else:
            status = answer_into(&self.markets, space, method, data, size, now_ns, False)
        response = None
        if status == 0:
            response = PyBytes_FromStringAndSize(
                <const char *>space.writer.at, <Py_ssize_t>written(&space.writer)
            )
        keep_space(own)
        return response

    def batch(self, bytes request not None):
        """Return the batch of a request, None to hand it over as a whole."""
        cdef Batch batch = Batch.__new__(Batch)
        cdef _Space own = take_space()
        cdef Reader reader
        cdef int32_t count = 0
        reader.at = <const uint8_t *>PyBytes_AS_STRING(request)
        reader.end = reader.at + PyBytes_GET_SIZE(request)
        memset(&own.space.given, 0, sizeof(Given))
        batch.answerer = self
        batch.request = request
        batch.market = -1
        if read_batch(reader, own.space, &count) == 0:
            batch.market = find_market(&self.markets, &own.space.given.market_id)
        if batch.market >= 0:
            # The texts move to the batch, and the workspace gets others when it needs some.
            batch.slices = own.space.slices
            batch.count = count
            own.space.slices = NULL
            own.space.slice_capacity = 0
        keep_space(own)
        return batch if batch.market >= 0 else None


cdef class Batch:
    """The baskets of a batch, which any number of threads answer at once."""

    cdef Answerer answerer
    cdef bytes request
    cdef Text *slices
    cdef int32_t market
    cdef readonly int count

    def __dealloc__(self):
        free(self.slices)

    @property
    def searches(self) -> bool:
        """Whether a plan of its market searches best prices, which may take long."""
        cdef int32_t i
        cdef const Market *market = &self.answerer.markets.markets[self.market]
        if market.plan != NULL and market.plan.plan.best_price:
            return True
        for i in range(market.shop_count):
            if market.shops[i].plan != NULL and market.shops[i].plan.plan.best_price:
                return True
        return False

    cdef void answer(
        self, Workspace *space, int first, int end, int64_t now, bint searches, size_t *ends
    ) noexcept nogil:
        """Write the results of baskets, each before the one that precedes it, and note the ends."""
        cdef int i
        cdef Reader basket
        start_writing(&space.writer)
        for i in range(first, end):
            basket.at = self.slices[i].data
            basket.end = basket.at + self.slices[i].size
            add_result(
                &self.answerer.markets, space, self.market, basket, now, searches
            )
            ends[i - first] = written(&space.writer)
        self.answerer.markets.used[self.market] = 1

    def results(self, int first, int end, int64_t now_ns, *, bint apart=False) -> list:
        """Return the results of baskets first..end as fields of the response, None to hand over.

        `apart` works as for `Answerer.answer`. Raises MemoryError.
        """
        cdef _Space own = take_space()
        cdef Workspace *space = own.space
        cdef int i
        cdef size_t before
        cdef size_t *ends = NULL
        cdef list found = []
        if not 0 <= first <= end <= self.count:
            raise IndexError("expected baskets of the batch")
        take(<void **>&ends, end - first, sizeof(size_t))
        if apart:
            with nogil:
                self.answer(space, first, end, now_ns, True, ends)
        else:
            self.answer(space, first, end, now_ns, False, ends)
        before = 0
        try:
            for i in range(end - first):
                found.append(None if ends[i] == before else PyBytes_FromStringAndSize(
                    <const char *>space.writer.end - ends[i], <Py_ssize_t>(ends[i] - before)
                ))
                before = ends[i]
        finally:
            free(ends)
        keep_space(own)
        return found
