/* Sums of 64-bit amounts that never wrap: a low half of 64 bits and a count of its overflows.
 *
 * Design:
 * a) The sum is high * 2^64 + low, both signed. Adding is one addition and a test that is hardly
 *    ever true, so that a column of amounts is added as fast as it is read.
 * b) Every sum of 64-bit amounts fits, so the order of adding does not matter, and parts that were
 *    added elsewhere add up to the same. Whether a total is too large is asked once, at the end.
 * c) There are two tests for the overflow: the compiler's, and one of signs. The second is taken
 *    with TILLCORE_PORTABLE, or where the compiler has none.
 */
#ifndef TILLCORE_WIDE_SUM_H
#define TILLCORE_WIDE_SUM_H

#include <stdint.h>

#if defined(__GNUC__) && !defined(TILLCORE_PORTABLE)
#define TC_HAVE_ADD_OVERFLOW 1
#else
#define TC_HAVE_ADD_OVERFLOW 0
#endif

/* Write the lower 64 bits of a + b. Return 1 if the sum does not fit in them. */
static inline int tc_add_overflows(int64_t a, int64_t b, int64_t *out)
{
#if TC_HAVE_ADD_OVERFLOW
    return __builtin_add_overflow(a, b, out);
#else
    uint64_t sum = (uint64_t)a + (uint64_t)b;
    *out = (int64_t)sum;
    return (int)((((uint64_t)a ^ sum) & ((uint64_t)b ^ sum)) >> 63);
#endif
}

/* Add an amount to the sum of these two halves. */
static inline void tc_accumulate(int64_t *low, int64_t *high, int64_t amount)
{
    if (tc_add_overflows(*low, amount, low))
        *high += amount < 0 ? -1 : 1;
}

#endif
