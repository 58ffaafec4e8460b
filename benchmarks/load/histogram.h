/* Counts of durations in buckets of 1/128 of their size: any percentile to within 0.8 %. */
#ifndef TILLCORE_HISTOGRAM_H
#define TILLCORE_HISTOGRAM_H

#include <stdint.h>

enum { SUB_BITS = 7, SUB_COUNT = 1 << SUB_BITS, BUCKET_COUNT = (64 - SUB_BITS + 1) * SUB_COUNT };

typedef struct histogram {
    uint64_t counts[BUCKET_COUNT];
    uint64_t total;
    uint64_t most_ns;
    double sum_ns;
} histogram;

/* Returns the bucket of a duration: exact below 128 ns, then 128 buckets a power of two. */
static inline int bucket_of(uint64_t ns)
{
    if (ns < SUB_COUNT) {
        return (int)ns;
    }
    int power = 63 - __builtin_clzll(ns);
    int sub = (int)((ns >> (power - SUB_BITS)) & (SUB_COUNT - 1));
    return (power - SUB_BITS + 1) * SUB_COUNT + sub;
}

/* Returns the largest duration of a bucket. */
static inline uint64_t bucket_end(int bucket)
{
    if (bucket < SUB_COUNT) {
        return (uint64_t)bucket;
    }
    int shift = bucket / SUB_COUNT - 1;
    uint64_t begin = (uint64_t)(SUB_COUNT + bucket % SUB_COUNT) << shift;
    return begin + ((uint64_t)1 << shift) - 1;
}

/* Adds a duration. */
static inline void histogram_add(histogram *to, uint64_t ns)
{
    to->counts[bucket_of(ns)]++;
    to->total++;
    to->sum_ns += (double)ns;
    if (ns > to->most_ns) {
        to->most_ns = ns;
    }
}

/* Returns the duration that `permille` of the durations do not exceed, 0 of none. */
static inline uint64_t histogram_quantile(const histogram *from, uint64_t permille)
{
    uint64_t wanted = (from->total * permille + 999) / 1000, seen = 0;
    for (int bucket = 0; bucket < BUCKET_COUNT && wanted > 0; bucket++) {
        seen += from->counts[bucket];
        if (seen >= wanted) {
            uint64_t end = bucket_end(bucket);
            return end < from->most_ns ? end : from->most_ns;
        }
    }
    return 0;
}

#endif
