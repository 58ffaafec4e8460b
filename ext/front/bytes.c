/* Bytes that grow, and SHA-256 (FIPS 180-4). */
#include "parts.h"

#include <stdlib.h>
#include <string.h>

#define LEAST_CAPACITY 256u

int tc_bytes_add(tc_bytes *bytes, const void *data, size_t size)
{
    if (size == 0)
        return 0;
    if (size > bytes->capacity - bytes->size) {
        size_t capacity = bytes->capacity ? bytes->capacity : LEAST_CAPACITY;
        while (capacity - bytes->size < size) {
            if (capacity > SIZE_MAX / 2)
                return -1;
            capacity *= 2;
        }
        unsigned char *grown = realloc(bytes->data, capacity);
        if (grown == NULL)
            return -1;
        bytes->data = grown;
        bytes->capacity = capacity;
    }
    memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
    return 0;
}

void tc_bytes_free(tc_bytes *bytes)
{
    free(bytes->data);
    *bytes = (tc_bytes){0};
}

void tc_bytes_clear(tc_bytes *bytes, size_t keep)
{
    if (bytes->capacity > keep)
        tc_bytes_free(bytes);
    bytes->size = 0;
}

void tc_bytes_move(tc_bytes *to, tc_bytes *from)
{
    free(to->data);
    *to = *from;
    *from = (tc_bytes){0};
}

/* --- SHA-256 ------------------------------------------------------------------------------- */

#define BLOCK_SIZE 64u

static const uint32_t ROUND_CONSTANTS[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t turned(uint32_t word, unsigned count)
{
    return word >> count | word << (32u - count);
}

static void add_block(uint32_t state[8], const unsigned char *block)
{
    uint32_t words[64];
    for (size_t i = 0; i < 16; i++)
        words[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
            (uint32_t)block[4 * i + 2] << 8 | (uint32_t)block[4 * i + 3];
    for (size_t i = 16; i < 64; i++) {
        const uint32_t early = words[i - 15], late = words[i - 2];
        words[i] = words[i - 16] + words[i - 7] +
            (turned(early, 7) ^ turned(early, 18) ^ early >> 3) +
            (turned(late, 17) ^ turned(late, 19) ^ late >> 10);
    }
    uint32_t s[8];
    memcpy(s, state, sizeof s);
    for (size_t i = 0; i < 64; i++) {
        const uint32_t first = s[7] + (turned(s[4], 6) ^ turned(s[4], 11) ^ turned(s[4], 25)) +
            ((s[4] & s[5]) ^ (~s[4] & s[6])) + ROUND_CONSTANTS[i] + words[i];
        const uint32_t second = (turned(s[0], 2) ^ turned(s[0], 13) ^ turned(s[0], 22)) +
            ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += first;
        s[0] = first + second;
    }
    for (size_t i = 0; i < 8; i++)
        state[i] += s[i];
}

void tc_sha256(const unsigned char *data, size_t size, unsigned char digest[TC_DIGEST_SIZE])
{
    uint32_t state[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
    };
    size_t done = 0;
    for (; size - done >= BLOCK_SIZE; done += BLOCK_SIZE)
        add_block(state, data + done);
    /* The rest, a bit that is set, zeros, and the length in bits: one block or two. */
    unsigned char last[2 * BLOCK_SIZE] = {0};
    const size_t rest = size - done;
    if (rest > 0)
        memcpy(last, data + done, rest);
    last[rest] = 0x80;
    const size_t last_size = rest + 9 <= BLOCK_SIZE ? BLOCK_SIZE : 2 * BLOCK_SIZE;
    const uint64_t bits = (uint64_t)size * 8;
    for (size_t i = 0; i < 8; i++)
        last[last_size - 1 - i] = (unsigned char)(bits >> (8 * i));
    for (size_t at = 0; at < last_size; at += BLOCK_SIZE)
        add_block(state, last + at);
    for (size_t i = 0; i < 8; i++)
        for (size_t j = 0; j < 4; j++)
            digest[4 * i + j] = (unsigned char)(state[i] >> (24 - 8 * j));
}
