/* The hash of texts in the tables of the codec.

   Design:
   a) Ids come from outside, and those of a catalogue differ in a few digits. So every word goes
      through a product of 128 bits whose halves are folded together: each bit of the result depends
      on every bit of both factors. (A shift and a multiplication do not do: what one step spreads
      the next one can gather again.)
   b) Both factors hold a secret, which is drawn for each process: whoever sends ids can choose
      neither, so he can neither make a factor 0 nor work out which ids collide.
   c) The size stands at the beginning: texts that differ in trailing zero bytes differ. */

#ifndef TILLCORE_WIRE_HASH_H
#define TILLCORE_WIRE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "money128.h"

typedef struct tc_secrets {
    uint64_t seed; /* of the first text of a key; the next one has the hash before it */
    uint64_t word; /* what words are mixed with */
    uint64_t hash; /* what the hash so far is mixed with */
} tc_secrets;

/* Return the product's two halves folded into one, with 64-bit halves alone. */
static inline uint64_t tc_portable_fold(uint64_t a, uint64_t b)
{
    tc_pair product = tc_pair_product(a, b);
    return product.low ^ product.high;
}

static inline uint64_t tc_fold(uint64_t a, uint64_t b)
{
#if TC_HAVE_WIDE && !defined(TILLCORE_PORTABLE)
    tc_uint128 product = (tc_uint128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
    return tc_portable_fold(a, b);
#endif
}

/* Return the hash of a text; other seeds give other collisions. */
static inline uint64_t tc_hash(const tc_secrets *secrets, uint64_t seed, const uint8_t *data,
                               size_t size)
{
    uint64_t word, found = seed ^ size;
    size_t left = size;
    for (; left >= 8; left -= 8, data += 8) {
        memcpy(&word, data, 8);
        found = tc_fold(word ^ secrets->word, found ^ secrets->hash);
    }
    if (left) {
        word = 0;
        memcpy(&word, data, left);
        found = tc_fold(word ^ secrets->word, found ^ secrets->hash);
    }
    /* A secret is a factor of its own as well: every bit of a lone word, too, is spread twice. */
    return tc_fold(found ^ secrets->word, secrets->hash);
}

#endif
