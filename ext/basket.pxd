"""Share the evaluator with the kernels that cimport it; see basket.pyx."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from ext.best_price cimport Search

cdef extern from "rational.h" nogil:
    ctypedef struct tc_rat:
        int64_t n
        int64_t d
    ctypedef struct tc_wide:
        int negative
        int n_len
        int d_len
        uint32_t *n
        uint32_t *d
    ctypedef struct tc_arena:
        tc_wide *wide
        int failed

include "basket_types.pxi"

cdef int evaluate_one(
    Work *work, const PlanData *plan, const BasketData *basket, int32_t groups
) noexcept nogil
cdef void free_work(Work *work) noexcept nogil

cdef class Plan:
    cdef PlanData data
    cdef readonly int group_count
