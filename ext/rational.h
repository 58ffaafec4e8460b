/* Exact rationals for values that are no whole minor unit.

   A tc_rat is n/d with d > 0, or, when d == 0, the wide value number n of an arena. Operations try
   64-bit integers with overflow checks, then 2048-bit numerators and denominators, then set
   arena->failed; they never round and never wrap. Results are in lowest terms. An arena lives for
   one evaluation: tc_arena_reset() drops every wide value at once.
   Specification: docs/evaluation.md, section 1 (exact rationals between the roundings). */
#ifndef TILLCORE_RATIONAL_H
#define TILLCORE_RATIONAL_H
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "money128.h"

/* TC_SMALL_MAX bounds the 64-bit form; tests lower it so that the wide form is used everywhere. */
#ifndef TC_SMALL_MAX
#define TC_SMALL_MAX INT64_MAX
#endif
#define TC_WIDE_LIMBS 64
#define TC_DOUBLE_LIMBS (2 * TC_WIDE_LIMBS + 1)

typedef struct { int64_t n, d; } tc_rat;
typedef struct { int len; uint32_t limb[TC_DOUBLE_LIMBS]; } tc_big;
typedef struct { int negative, n_len, d_len; uint32_t n[TC_WIDE_LIMBS], d[TC_WIDE_LIMBS]; } tc_wide;
typedef struct { tc_wide *wide; int count, capacity, failed; } tc_arena;

static inline void tc_arena_reset(tc_arena *arena) { arena->count = 0; arena->failed = 0; }
static inline void tc_arena_free(tc_arena *arena) {
    free(arena->wide);
    memset(arena, 0, sizeof *arena);
}

/* --- unsigned big integers: little endian limbs, no leading zero limb, len 0 is zero --------- */

static inline void tc_big_trim(tc_big *a) { while (a->len && !a->limb[a->len - 1]) a->len--; }

static inline void tc_big_set(tc_big *a, uint64_t v) {
    a->limb[0] = (uint32_t)v; a->limb[1] = (uint32_t)(v >> 32); a->len = 2; tc_big_trim(a);
}

static inline void tc_big_load(tc_big *a, const uint32_t *limb, int len) {
    a->len = len; memcpy(a->limb, limb, (size_t)len * sizeof *limb);
}

static inline int tc_big_cmp(const tc_big *a, const tc_big *b) {
    int i;
    if (a->len != b->len) return a->len < b->len ? -1 : 1;
    for (i = a->len - 1; i >= 0; i--)
        if (a->limb[i] != b->limb[i]) return a->limb[i] < b->limb[i] ? -1 : 1;
    return 0;
}

static inline int tc_big_add(tc_big *out, const tc_big *a, const tc_big *b) {
    uint64_t carry = 0; int i, n = a->len > b->len ? a->len : b->len;
    if (n >= TC_DOUBLE_LIMBS) return 1;
    for (i = 0; i < n; i++) {
        carry += (uint64_t)(i < a->len ? a->limb[i] : 0) + (i < b->len ? b->limb[i] : 0);
        out->limb[i] = (uint32_t)carry; carry >>= 32;
    }
    out->limb[n] = (uint32_t)carry; out->len = n + 1; tc_big_trim(out);
    return 0;
}

/* a -= b, where a >= b */
static inline void tc_big_take(tc_big *a, const tc_big *b) {
    int64_t borrow = 0; int i;
    for (i = 0; i < a->len; i++) {
        borrow += (int64_t)a->limb[i] - (i < b->len ? b->limb[i] : 0);
        a->limb[i] = (uint32_t)borrow; borrow = borrow < 0 ? -1 : 0;
    }
    tc_big_trim(a);
}

static inline int tc_big_mul(tc_big *out, const tc_big *a, const tc_big *b) {
    int i, j;
    if (a->len + b->len > TC_DOUBLE_LIMBS) return 1;
    memset(out->limb, 0, (size_t)(a->len + b->len) * sizeof *out->limb);
    for (i = 0; i < a->len; i++) {
        uint64_t carry = 0;
        for (j = 0; j < b->len; j++) {
            carry += (uint64_t)a->limb[i] * b->limb[j] + out->limb[i + j];
            out->limb[i + j] = (uint32_t)carry; carry >>= 32;
        }
        out->limb[i + b->len] = (uint32_t)carry;
    }
    out->len = a->len + b->len; tc_big_trim(out);
    return 0;
}

static inline void tc_big_halve(tc_big *a) {
    int i;
    for (i = 0; i < a->len; i++)
        a->limb[i] = (a->limb[i] >> 1) | (i + 1 < a->len ? a->limb[i + 1] << 31 : 0);
    tc_big_trim(a);
}

static inline int tc_big_bits(const tc_big *a) {
    int bits; uint32_t top;
    if (!a->len) return 0;
    bits = (a->len - 1) * 32; top = a->limb[a->len - 1];
    while (top) { bits++; top >>= 1; }
    return bits;
}

/* q = a / b, r = a % b by shift and subtract; b is not zero, and q, r are neither a nor b */
static inline void tc_big_divmod(tc_big *q, tc_big *r, const tc_big *a, const tc_big *b) {
    int i, j;
    q->len = a->len; memset(q->limb, 0, (size_t)a->len * sizeof *q->limb); r->len = 0;
    for (i = tc_big_bits(a) - 1; i >= 0; i--) {
        uint32_t carry = (a->limb[i / 32] >> (i % 32)) & 1;
        for (j = 0; j < r->len; j++) {
            uint32_t next = r->limb[j] >> 31;
            r->limb[j] = (r->limb[j] << 1) | carry; carry = next;
        }
        if (carry) r->limb[r->len++] = carry;
        if (tc_big_cmp(r, b) >= 0) {
            tc_big_take(r, b);
            q->limb[i / 32] |= (uint32_t)1 << (i % 32);
        }
    }
    tc_big_trim(q);
}

/* a = gcd(a, b) by halving; destroys b; neither is zero */
static inline void tc_big_gcd(tc_big *a, tc_big *b) {
    int shift = 0, i; uint32_t carry;
    while (!(a->limb[0] & 1) && !(b->limb[0] & 1)) { tc_big_halve(a); tc_big_halve(b); shift++; }
    while (b->len) {
        while (!(a->limb[0] & 1)) tc_big_halve(a);
        while (!(b->limb[0] & 1)) tc_big_halve(b);
        if (tc_big_cmp(a, b) > 0) { tc_big swap = *a; *a = *b; *b = swap; }
        tc_big_take(b, a);
    }
    for (; shift; shift--) {
        carry = 0;
        for (i = 0; i < a->len; i++) {
            uint32_t next = a->limb[i] >> 31;
            a->limb[i] = (a->limb[i] << 1) | carry; carry = next;
        }
        if (carry) a->limb[a->len++] = carry;
    }
}

static inline int tc_big_fits(const tc_big *a, uint64_t most) {
    uint64_t v;
    if (a->len > 2) return 0;
    v = (a->len > 0 ? a->limb[0] : 0) | (a->len > 1 ? (uint64_t)a->limb[1] << 32 : 0);
    return v <= most;
}

static inline uint64_t tc_big_low(const tc_big *a) {
    return (a->len > 0 ? a->limb[0] : 0) | (a->len > 1 ? (uint64_t)a->limb[1] << 32 : 0);
}

/* --- rationals -------------------------------------------------------------------------------- */

static inline int64_t tc_gcd64(int64_t a, int64_t b) {
    uint64_t x = tc_magnitude(a), y = tc_magnitude(b), t;
    while (y) { t = x % y; x = y; y = t; }
    return (int64_t)x;
}

static inline tc_rat tc_rat_int(int64_t n) { tc_rat r; r.n = n; r.d = 1; return r; }

static inline tc_rat tc_rat_fail(tc_arena *arena) { arena->failed = 1; return tc_rat_int(0); }

static inline void tc_rat_open(
    const tc_arena *arena, tc_rat a, int *negative, tc_big *n, tc_big *d) {
    if (a.d) {
        *negative = a.n < 0; tc_big_set(n, tc_magnitude(a.n)); tc_big_set(d, (uint64_t)a.d);
    } else {
        const tc_wide *w = &arena->wide[a.n];
        *negative = w->negative; tc_big_load(n, w->n, w->n_len); tc_big_load(d, w->d, w->d_len);
    }
}

/* closes a big fraction into a rational in lowest terms; n and d are destroyed, d is not zero */
static inline tc_rat tc_rat_close(tc_arena *arena, int negative, tc_big *n, tc_big *d) {
    tc_big g, t, rest; tc_rat r; tc_wide *w;
    if (!n->len) return tc_rat_int(0);
    g = *n; t = *d; tc_big_gcd(&g, &t);
    if (!(g.len == 1 && g.limb[0] == 1)) {
        tc_big_divmod(&t, &rest, n, &g); *n = t;
        tc_big_divmod(&t, &rest, d, &g); *d = t;
    }
    if (tc_big_fits(n, TC_SMALL_MAX) && tc_big_fits(d, TC_SMALL_MAX)) {
        r.n = (int64_t)tc_big_low(n); r.d = (int64_t)tc_big_low(d);
        if (negative) r.n = -r.n;
        return r;
    }
    if (n->len > TC_WIDE_LIMBS || d->len > TC_WIDE_LIMBS) return tc_rat_fail(arena);
    if (arena->count == arena->capacity) {
        int capacity = arena->capacity ? arena->capacity * 2 : 16;
        tc_wide *grown = (tc_wide *)realloc(arena->wide, (size_t)capacity * sizeof *grown);
        if (!grown) return tc_rat_fail(arena);
        arena->wide = grown; arena->capacity = capacity;
    }
    w = &arena->wide[arena->count];
    w->negative = negative; w->n_len = n->len; w->d_len = d->len;
    memcpy(w->n, n->limb, (size_t)n->len * sizeof *w->n);
    memcpy(w->d, d->limb, (size_t)d->len * sizeof *w->d);
    r.n = arena->count++; r.d = 0;
    return r;
}

static inline int tc_rat_small(int64_t n, int64_t d, tc_rat *out) {
    int64_t g;
    if (n == INT64_MIN) return 0;
    g = d == 1 ? 1 : tc_gcd64(n, d);
    if (g > 1) { n /= g; d /= g; }
    if (n > TC_SMALL_MAX || n < -TC_SMALL_MAX || d > TC_SMALL_MAX) return 0;
    out->n = n; out->d = d;
    return 1;
}

/* n/d with d > 0 */
static inline tc_rat tc_rat_make(tc_arena *arena, int64_t n, int64_t d) {
    tc_rat r; tc_big bn, bd;
    if (tc_rat_small(n, d, &r)) return r;
    tc_big_set(&bn, tc_magnitude(n)); tc_big_set(&bd, (uint64_t)d);
    return tc_rat_close(arena, n < 0, &bn, &bd);
}

static inline tc_rat tc_rat_mul(tc_arena *arena, tc_rat a, tc_rat b) {
    int64_t n, d; tc_rat r; int a_neg, b_neg; tc_big an, ad, bn, bd, pn, pd;
    if (a.d && b.d && !tc_mul(a.n, b.n, &n) && !tc_mul(a.d, b.d, &d)
        && tc_rat_small(n, d, &r)) return r;
    tc_rat_open(arena, a, &a_neg, &an, &ad); tc_rat_open(arena, b, &b_neg, &bn, &bd);
    if (tc_big_mul(&pn, &an, &bn) || tc_big_mul(&pd, &ad, &bd)) return tc_rat_fail(arena);
    return tc_rat_close(arena, a_neg != b_neg, &pn, &pd);
}

/* a/b, where b is not zero */
static inline tc_rat tc_rat_div(tc_arena *arena, tc_rat a, tc_rat b) {
    int64_t n, d; tc_rat r; int a_neg, b_neg; tc_big an, ad, bn, bd, pn, pd;
    if (a.d && b.d && b.n != INT64_MIN && a.n != INT64_MIN) {
        int64_t top = b.n < 0 ? -a.n : a.n, bottom = b.n < 0 ? -b.n : b.n;
        if (!tc_mul(top, b.d, &n) && !tc_mul(a.d, bottom, &d) && d
            && tc_rat_small(n, d, &r)) return r;
    }
    tc_rat_open(arena, a, &a_neg, &an, &ad); tc_rat_open(arena, b, &b_neg, &bn, &bd);
    if (!bn.len || tc_big_mul(&pn, &an, &bd) || tc_big_mul(&pd, &ad, &bn))
        return tc_rat_fail(arena);
    return tc_rat_close(arena, a_neg != b_neg, &pn, &pd);
}

static inline tc_rat tc_rat_negate(tc_arena *arena, tc_rat a) {
    if (a.d && a.n != INT64_MIN) { a.n = -a.n; return a; }
    return tc_rat_mul(arena, a, tc_rat_int(-1));
}

static inline tc_rat tc_rat_add(tc_arena *arena, tc_rat a, tc_rat b) {
    int64_t x, y, n, d; tc_rat r; int a_neg, b_neg, order; tc_big an, ad, bn, bd, p, q, s, e;
    if (a.d == 1 && b.d == 1) { if (!tc_add(a.n, b.n, &n) && tc_rat_small(n, 1, &r)) return r; }
    else if (a.d && a.d == b.d) { if (!tc_add(a.n, b.n, &n) && tc_rat_small(n, a.d, &r)) return r; }
    else if (a.d && b.d && !tc_mul(a.n, b.d, &x) && !tc_mul(b.n, a.d, &y) && !tc_add(x, y, &n)
             && !tc_mul(a.d, b.d, &d) && tc_rat_small(n, d, &r)) return r;
    tc_rat_open(arena, a, &a_neg, &an, &ad); tc_rat_open(arena, b, &b_neg, &bn, &bd);
    if (tc_big_mul(&p, &an, &bd) || tc_big_mul(&q, &bn, &ad) || tc_big_mul(&e, &ad, &bd))
        return tc_rat_fail(arena);
    if (a_neg == b_neg) {
        if (tc_big_add(&s, &p, &q)) return tc_rat_fail(arena);
        return tc_rat_close(arena, a_neg, &s, &e);
    }
    order = tc_big_cmp(&p, &q);
    if (order >= 0) { tc_big_take(&p, &q); return tc_rat_close(arena, a_neg, &p, &e); }
    tc_big_take(&q, &p);
    return tc_rat_close(arena, b_neg, &q, &e);
}

static inline tc_rat tc_rat_sub(tc_arena *arena, tc_rat a, tc_rat b) {
    return tc_rat_add(arena, a, tc_rat_negate(arena, b));
}

/* -1, 0 or 1 as a is below, equal to or above b */
static inline int tc_rat_cmp(tc_arena *arena, tc_rat a, tc_rat b) {
    int a_neg, b_neg; tc_big an, ad, bn, bd, p, q;
    if (a.d == 1 && b.d == 1) return (a.n > b.n) - (a.n < b.n);
    if (a.d && b.d) return tc_cmp_frac(a.n, a.d, b.n, b.d);
    tc_rat_open(arena, a, &a_neg, &an, &ad); tc_rat_open(arena, b, &b_neg, &bn, &bd);
    if (!an.len) a_neg = 0;
    if (!bn.len) b_neg = 0;
    if (a_neg != b_neg) return a_neg ? -1 : 1;
    if (tc_big_mul(&p, &an, &bd) || tc_big_mul(&q, &bn, &ad)) { arena->failed = 1; return 0; }
    return a_neg ? -tc_big_cmp(&p, &q) : tc_big_cmp(&p, &q);
}

static inline tc_rat tc_rat_min(tc_arena *arena, tc_rat a, tc_rat b) {
    return tc_rat_cmp(arena, a, b) <= 0 ? a : b;
}

/* rounds to an integer, ties by mode; a result beyond 64 bits fails */
static inline int64_t tc_rat_round(tc_arena *arena, tc_rat a, int mode) {
    int64_t out; int negative, order; tc_big n, d, q, r;
    if (a.d == 1) return a.n;
    if (a.d) {
        if (tc_muldiv(a.n, 1, a.d, 1, mode, &out)) { arena->failed = 1; return 0; }
        return out;
    }
    tc_rat_open(arena, a, &negative, &n, &d);
    tc_big_divmod(&q, &r, &n, &d);
    if (!tc_big_fits(&q, INT64_MAX - 1)) { arena->failed = 1; return 0; }
    out = (int64_t)tc_big_low(&q);
    if (mode != TC_DOWN) {
        tc_big_take(&d, &r);
        order = tc_big_cmp(&r, &d);
        if (order > 0 || (order == 0 && (mode == TC_HALF_UP || (out & 1)))) out++;
    }
    return negative ? -out : out;
}

static inline int tc_rat_is_zero(tc_rat a) { return a.d && a.n == 0; }

/* writes numerator and denominator; returns 0 when they do not fit 64 bits */
static inline int tc_rat_parts(const tc_arena *arena, tc_rat a, int64_t *n, int64_t *d) {
    int negative; tc_big bn, bd;
    if (a.d) { *n = a.n; *d = a.d; return 1; }
    tc_rat_open(arena, a, &negative, &bn, &bd);
    if (!tc_big_fits(&bn, INT64_MAX) || !tc_big_fits(&bd, INT64_MAX)) return 0;
    *n = negative ? -(int64_t)tc_big_low(&bn) : (int64_t)tc_big_low(&bn);
    *d = (int64_t)tc_big_low(&bd);
    return 1;
}

static inline int tc_rat_sign(const tc_arena *arena, tc_rat a) {
    if (a.d) return (a.n > 0) - (a.n < 0);
    return arena->wide[a.n].negative ? -1 : 1;
}
#endif
