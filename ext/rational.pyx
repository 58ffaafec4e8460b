# cython: language_level=3, boundscheck=True, wraparound=False
# cython: auto_pickle=False, autotestdict=False
# Design:
# a) rational.h is what the evaluator computes with; this module only shows it to tests.
# b) A chain of operations runs in one arena, so that wide intermediate values occur.
# c) Specification: docs/evaluation.md, section 1: between the roundings, values are exact.
"""Show the exact rationals of rational.h to their tests."""

from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memset

cdef extern from "rational.h" nogil:
    enum:
        TC_WIDE_LIMBS
    ctypedef struct tc_rat:
        int64_t n
        int64_t d
    ctypedef struct tc_wide:
        int negative
        int n_len
        int d_len
        uint32_t n[TC_WIDE_LIMBS]
        uint32_t d[TC_WIDE_LIMBS]
    ctypedef struct tc_arena:
        tc_wide *wide
        int count
        int failed
    void tc_arena_free(tc_arena *arena)
    tc_rat tc_rat_make(tc_arena *arena, int64_t n, int64_t d)
    tc_rat tc_rat_add(tc_arena *arena, tc_rat a, tc_rat b)
    tc_rat tc_rat_sub(tc_arena *arena, tc_rat a, tc_rat b)
    tc_rat tc_rat_mul(tc_arena *arena, tc_rat a, tc_rat b)
    tc_rat tc_rat_div(tc_arena *arena, tc_rat a, tc_rat b)
    int tc_rat_cmp(tc_arena *arena, tc_rat a, tc_rat b)
    int64_t tc_rat_round(tc_arena *arena, tc_rat a, int mode)


cdef object from_limbs(const uint32_t *limbs, int count):
    cdef int i
    cdef object value = 0
    for i in range(count - 1, -1, -1):
        value = (value << 32) | limbs[i]
    return value


cdef tuple as_fraction(const tc_arena *arena, tc_rat value):
    cdef const tc_wide *wide
    if value.d:
        return value.n, value.d
    wide = &arena.wide[value.n]
    numerator = from_limbs(wide.n, wide.n_len)
    return -numerator if wide.negative else numerator, from_limbs(wide.d, wide.d_len)


def run(list steps not None) -> list:
    """Run a chain of operations on one value, which starts as 0, and return its states.

    A step is (operation, numerator, denominator) with denominator > 0: "+", "-", "*", "/" apply the
    fraction; "<=>" compares with it; "round" rounds by the mode in the numerator. The state after
    an arithmetic step is (numerator, denominator) in lowest terms, else the integer result. The
    states end early with None when a result does not fit 2048 bits (64 bits for "round").
    """
    cdef tc_arena arena
    cdef tc_rat value, other
    cdef int64_t numerator, denominator, rounded
    cdef list states = []
    memset(&arena, 0, sizeof(arena))
    try:
        value = tc_rat_make(&arena, 0, 1)
        for operation, numerator, denominator in steps:
            if denominator <= 0 or (operation == "/" and numerator == 0):
                raise ValueError("expected a positive denominator and no division by zero")
            state = None
            if operation == "round":
                rounded = tc_rat_round(&arena, value, <int>numerator)
                state = rounded
            else:
                other = tc_rat_make(&arena, numerator, denominator)
                if operation == "<=>":
                    state = tc_rat_cmp(&arena, value, other)
                elif operation == "+":
                    value = tc_rat_add(&arena, value, other)
                elif operation == "-":
                    value = tc_rat_sub(&arena, value, other)
                elif operation == "*":
                    value = tc_rat_mul(&arena, value, other)
                elif operation == "/":
                    value = tc_rat_div(&arena, value, other)
                else:
                    raise ValueError(f"expected an operation, was {operation!r}")
            if arena.failed:
                states.append(None)
                return states
            states.append(as_fraction(&arena, value) if state is None else state)
        return states
    finally:
        tc_arena_free(&arena)
