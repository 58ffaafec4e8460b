/* Exact money arithmetic: 128-bit products and quotients behind int64 signatures.

   Design:
   a) Amounts, quantities and rates are int64 counts of a small unit (10^-6, or a minor unit).
      Products of two of them need 126 bits. They live only inside these functions: a compiler
      front end that does not know __int128 (Cython) would silently compute them in 64 bits.
   b) Every division works on magnitudes and puts the sign back afterwards, so all rounding is
      symmetric around zero and no input, INT64_MIN included, meets undefined behaviour.
   c) Results are symmetric too: they lie in [-INT64_MAX, INT64_MAX], and INT64_MIN counts as
      overflow. Whatever these functions return can be negated and its magnitude taken.
   d) There are two implementations: tc_wide_* with __int128, and tc_portable_* in 64-bit halves.
      The first name of each pair below, tc_*, is the one this compiler gets; define
      TILLCORE_PORTABLE to choose the second. Both are compiled wherever both can be, so that one
      test holds them together.
   e) Most products fit in 64 bits. That path comes first: it costs one hardware division.

   Functions that can fail return 0 when they wrote their result and 1 when they did not (overflow,
   or a divisor out of range); they never write a wrapped value. Specification: docs/evaluation.md,
   section 1. */

#ifndef TILLCORE_MONEY128_H
#define TILLCORE_MONEY128_H

#include <stdint.h>

#define TC_HALF_UP 0   /* to the nearest, ties away from zero */
#define TC_HALF_EVEN 1 /* to the nearest, ties to the even neighbour */
#define TC_DOWN 2      /* toward zero */

#if defined(__SIZEOF_INT128__)
#define TC_HAVE_WIDE 1
#else
#define TC_HAVE_WIDE 0
#endif

/* ---- magnitudes and signs -------------------------------------------------------------------- */

/* Return |value|; that of INT64_MIN is 2^63, which only an unsigned integer holds. */
static inline uint64_t tc_magnitude(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

/* Write the magnitude with its sign. Return 1 if it is above INT64_MAX. */
static inline int tc_signed(uint64_t magnitude, int negative, int64_t *out)
{
    if (magnitude > (uint64_t)INT64_MAX)
        return 1;
    *out = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return 0;
}

/* Return 1 if a quotient is to be raised by one, else 0. The remainder is compared with what is
   left to the divisor, because twice the remainder may not fit; `order` is the sign of
   remainder - (divisor - remainder). */
static inline uint64_t tc_raise(int order, uint64_t quotient, int mode)
{
    if (mode == TC_DOWN || order < 0)
        return 0;
    if (order > 0 || mode == TC_HALF_UP)
        return 1;
    return quotient & 1;
}

/* Return the sign of left - right. */
static inline int tc_order(uint64_t left, uint64_t right)
{
    return (left > right) - (left < right);
}

/* Write round(numerator/divisor) with the sign, for numerator <= 2^63. Return 1 on overflow. */
static inline int tc_divide64(uint64_t numerator, uint64_t divisor, int negative, int mode,
                              int64_t *out)
{
    uint64_t quotient = numerator / divisor;
    uint64_t remainder = numerator - quotient * divisor;
    quotient += tc_raise(tc_order(remainder, divisor - remainder), quotient, mode);
    return tc_signed(quotient, negative, out);
}

/* ---- with __int128 --------------------------------------------------------------------------- */

#if TC_HAVE_WIDE

__extension__ typedef __int128 tc_int128;
__extension__ typedef unsigned __int128 tc_uint128;

static inline int tc_wide_add(int64_t a, int64_t b, int64_t *out)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum) || sum == INT64_MIN)
        return 1;
    *out = sum;
    return 0;
}

static inline int tc_wide_sub(int64_t a, int64_t b, int64_t *out)
{
    int64_t difference;
    if (__builtin_sub_overflow(a, b, &difference) || difference == INT64_MIN)
        return 1;
    *out = difference;
    return 0;
}

static inline int tc_wide_mul(int64_t a, int64_t b, int64_t *out)
{
    int64_t product;
    if (__builtin_mul_overflow(a, b, &product) || product == INT64_MIN)
        return 1;
    *out = product;
    return 0;
}

static inline int tc_wide_muldiv(int64_t a, int64_t b, int64_t c, int64_t d, int mode, int64_t *out)
{
    int64_t product, divisor64;
    tc_uint128 numerator, divisor, quotient, remainder, left;
    int negative, order;
    if (c <= 0 || d <= 0)
        return 1;
    if (!__builtin_mul_overflow(a, b, &product) && !__builtin_mul_overflow(c, d, &divisor64))
        return tc_divide64(tc_magnitude(product), (uint64_t)divisor64, product < 0, mode, out);
    negative = (a < 0) != (b < 0);
    numerator = (tc_uint128)tc_magnitude(a) * tc_magnitude(b);
    divisor = (tc_uint128)c * (tc_uint128)d;
    quotient = numerator / divisor;
    if (quotient > (tc_uint128)INT64_MAX)
        return 1;
    remainder = numerator - quotient * divisor;
    left = divisor - remainder;
    order = (remainder > left) - (remainder < left);
    quotient += tc_raise(order, (uint64_t)quotient, mode);
    return tc_signed((uint64_t)quotient, negative, out);
}

static inline int tc_wide_muldiv_rem(int64_t a, int64_t b, int64_t c, int64_t *quotient,
                                     int64_t *remainder)
{
    tc_uint128 numerator, q;
    uint64_t divisor = tc_magnitude(c), r;
    int64_t product;
    int negative = (a < 0) != (b < 0);
    if (c == 0)
        return 1;
    if (!__builtin_mul_overflow(a, b, &product)) {
        uint64_t magnitude = tc_magnitude(product);
        q = magnitude / divisor;
        r = magnitude % divisor;
    } else {
        numerator = (tc_uint128)tc_magnitude(a) * tc_magnitude(b);
        q = numerator / divisor;
        r = (uint64_t)(numerator % divisor);
    }
    if (q > (tc_uint128)INT64_MAX || tc_signed((uint64_t)q, negative != (c < 0), quotient))
        return 1;
    return tc_signed(r, negative, remainder);
}

static inline int tc_wide_cmp_frac(int64_t a, int64_t b, int64_t c, int64_t d)
{
    tc_int128 left = (tc_int128)a * d, right = (tc_int128)c * b;
    return (left > right) - (left < right);
}

#endif

/* ---- without __int128 or compiler built-ins -------------------------------------------------- */

typedef struct {
    uint64_t high, low;
} tc_pair;

/* Return a*b in 128 bits, from the four products of 32-bit halves. */
static inline tc_pair tc_pair_product(uint64_t a, uint64_t b)
{
    uint64_t a_low = (uint32_t)a, a_high = a >> 32, b_low = (uint32_t)b, b_high = b >> 32;
    uint64_t low = a_low * b_low, cross = a_low * b_high, other = a_high * b_low;
    uint64_t middle = (low >> 32) + (uint32_t)cross + (uint32_t)other;
    tc_pair product;
    product.low = (middle << 32) | (uint32_t)low;
    product.high = a_high * b_high + (cross >> 32) + (other >> 32) + (middle >> 32);
    return product;
}

/* Return the sign of left - right. */
static inline int tc_pair_order(tc_pair left, tc_pair right)
{
    int order = tc_order(left.high, right.high);
    return order ? order : tc_order(left.low, right.low);
}

/* Return left - right, for left >= right. */
static inline tc_pair tc_pair_difference(tc_pair left, tc_pair right)
{
    tc_pair difference;
    difference.low = left.low - right.low;
    difference.high = left.high - right.high - (left.low < right.low);
    return difference;
}

/* Return 2*value + bit, for value < 2^127. */
static inline tc_pair tc_pair_shift_in(tc_pair value, uint64_t bit)
{
    tc_pair shifted;
    shifted.high = (value.high << 1) | (value.low >> 63);
    shifted.low = (value.low << 1) | bit;
    return shifted;
}

/* Return numerator / divisor and write the remainder: long division, one bit a step.
   A divisor is at most 2^126, so the running remainder always has room for one more bit. */
static inline tc_pair tc_pair_divide(tc_pair numerator, tc_pair divisor, tc_pair *remainder)
{
    tc_pair quotient = {0, 0}, rest = {0, 0};
    int bit;
    if (!numerator.high && !divisor.high) {
        quotient.low = numerator.low / divisor.low;
        rest.low = numerator.low % divisor.low;
        *remainder = rest;
        return quotient;
    }
    for (bit = 127; bit >= 0; bit--) {
        uint64_t word = bit >= 64 ? numerator.high : numerator.low;
        int enters;
        rest = tc_pair_shift_in(rest, (word >> (bit & 63)) & 1);
        enters = tc_pair_order(rest, divisor) >= 0;
        if (enters)
            rest = tc_pair_difference(rest, divisor);
        quotient = tc_pair_shift_in(quotient, (uint64_t)enters);
    }
    *remainder = rest;
    return quotient;
}

static inline int tc_portable_add(int64_t a, int64_t b, int64_t *out)
{
    /* With equal signs the magnitudes add up; with unequal signs the smaller comes off. */
    uint64_t magnitude = tc_magnitude(a), other = tc_magnitude(b);
    if ((a < 0) == (b < 0)) {
        if (magnitude > (uint64_t)INT64_MAX || other > (uint64_t)INT64_MAX - magnitude)
            return 1;
        return tc_signed(magnitude + other, a < 0, out);
    }
    if (magnitude >= other)
        return tc_signed(magnitude - other, a < 0, out);
    return tc_signed(other - magnitude, b < 0, out);
}

static inline int tc_portable_sub(int64_t a, int64_t b, int64_t *out)
{
    if (b != INT64_MIN)
        return tc_portable_add(a, -b, out);
    /* a + 2^63 fits only for negative a. */
    if (a >= 0)
        return 1;
    *out = a + INT64_MAX + 1;
    return 0;
}

static inline int tc_portable_mul(int64_t a, int64_t b, int64_t *out)
{
    tc_pair product = tc_pair_product(tc_magnitude(a), tc_magnitude(b));
    return product.high ? 1 : tc_signed(product.low, (a < 0) != (b < 0), out);
}

static inline int tc_portable_muldiv(int64_t a, int64_t b, int64_t c, int64_t d, int mode,
                                     int64_t *out)
{
    tc_pair divisor, quotient, remainder;
    int negative = (a < 0) != (b < 0), order;
    if (c <= 0 || d <= 0)
        return 1;
    divisor = tc_pair_product((uint64_t)c, (uint64_t)d);
    quotient = tc_pair_product(tc_magnitude(a), tc_magnitude(b));
    quotient = tc_pair_divide(quotient, divisor, &remainder);
    if (quotient.high || quotient.low > (uint64_t)INT64_MAX)
        return 1;
    order = tc_pair_order(remainder, tc_pair_difference(divisor, remainder));
    return tc_signed(quotient.low + tc_raise(order, quotient.low, mode), negative, out);
}

static inline int tc_portable_muldiv_rem(int64_t a, int64_t b, int64_t c, int64_t *quotient,
                                         int64_t *remainder)
{
    tc_pair q, r, divisor = {0, 0};
    int negative = (a < 0) != (b < 0);
    if (c == 0)
        return 1;
    divisor.low = tc_magnitude(c);
    q = tc_pair_divide(tc_pair_product(tc_magnitude(a), tc_magnitude(b)), divisor, &r);
    if (q.high || tc_signed(q.low, negative != (c < 0), quotient))
        return 1;
    return tc_signed(r.low, negative, remainder);
}

static inline int tc_portable_cmp_frac(int64_t a, int64_t b, int64_t c, int64_t d)
{
    int order;
    if ((a < 0) != (c < 0))
        return a < 0 ? -1 : 1;
    order = tc_pair_order(tc_pair_product(tc_magnitude(a), tc_magnitude(d)),
                          tc_pair_product(tc_magnitude(c), tc_magnitude(b)));
    return a < 0 ? -order : order;
}

/* ---- the names that kernels use -------------------------------------------------------------- */

#if TC_HAVE_WIDE && !defined(TILLCORE_PORTABLE)
#define TC_USES_WIDE 1
#define TC_PATH(name) tc_wide_##name
#else
#define TC_USES_WIDE 0
#define TC_PATH(name) tc_portable_##name
#endif

/* Write a + b. Return 1 on overflow. */
static inline int tc_add(int64_t a, int64_t b, int64_t *out)
{
    return TC_PATH(add)(a, b, out);
}

/* Write a - b. Return 1 on overflow. */
static inline int tc_sub(int64_t a, int64_t b, int64_t *out)
{
    return TC_PATH(sub)(a, b, out);
}

/* Write a * b. Return 1 on overflow. */
static inline int tc_mul(int64_t a, int64_t b, int64_t *out)
{
    return TC_PATH(mul)(a, b, out);
}

/* Write a*b/(c*d), rounded once by `mode`. Return 1 on overflow, or if c or d is not positive. */
static inline int tc_muldiv(int64_t a, int64_t b, int64_t c, int64_t d, int mode, int64_t *out)
{
    return TC_PATH(muldiv)(a, b, c, d, mode, out);
}

/* Write a*b/c truncated toward zero, and the remainder a*b - quotient*c. c may have either sign;
   the remainder has the sign of a*b, which for a negative c is not that of the quotient. Return 1
   on overflow, or if c is zero; then *quotient and *remainder hold nothing. */
static inline int tc_muldiv_rem(int64_t a, int64_t b, int64_t c, int64_t *quotient,
                                int64_t *remainder)
{
    return TC_PATH(muldiv_rem)(a, b, c, quotient, remainder);
}

/* Return the sign of a/b - c/d, exactly: -1, 0 or 1. Requires b > 0 and d > 0. */
static inline int tc_cmp_frac(int64_t a, int64_t b, int64_t c, int64_t d)
{
    return TC_PATH(cmp_frac)(a, b, c, d);
}

#endif
