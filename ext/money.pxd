"""Expose the checked integer arithmetic of money128.h to kernels that cimport it."""

from libc.stdint cimport int64_t

cdef extern from "money128.h" nogil:
    enum:
        TC_HALF_UP
        TC_HALF_EVEN
        TC_DOWN
        TC_USES_WIDE  # 1 with __int128, 0 on the portable path

    # Each returns 0 when it wrote its result, 1 on overflow or a divisor out of range.
    int tc_add(int64_t a, int64_t b, int64_t *out) noexcept
    int tc_sub(int64_t a, int64_t b, int64_t *out) noexcept
    int tc_mul(int64_t a, int64_t b, int64_t *out) noexcept
    int tc_muldiv(
        int64_t a, int64_t b, int64_t c, int64_t d, int mode, int64_t *out
    ) noexcept
    int tc_muldiv_rem(
        int64_t a, int64_t b, int64_t c, int64_t *quotient, int64_t *remainder
    ) noexcept

    # Returns the sign of a/b - c/d, for b > 0 and d > 0.
    int tc_cmp_frac(int64_t a, int64_t b, int64_t c, int64_t d) noexcept
