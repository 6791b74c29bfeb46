/*
 * histogram: values in log-linear buckets, as HdrHistogram does it: each power of two is split into
 * 64 parts, so a percentile is exact to 1.6 %. In a header: each program is one file.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

enum { HISTOGRAM_PARTS = 64, HISTOGRAM_POWERS = 32 };

struct histogram {
    uint64_t counts[HISTOGRAM_PARTS * HISTOGRAM_POWERS];
    uint64_t total;
    uint64_t max;
};

static inline unsigned histogram_bucket(uint64_t value)
{
    if (value < HISTOGRAM_PARTS) {
        return (unsigned)value;
    }
    unsigned power = 63U - (unsigned)__builtin_clzll(value) - 5U; /* 6 bits stay below it */
    unsigned index = power * (HISTOGRAM_PARTS / 2) + (unsigned)(value >> power);
    unsigned last = HISTOGRAM_PARTS * HISTOGRAM_POWERS - 1;
    return index > last ? last : index;
}

/* The middle of a bucket. */
static inline uint64_t histogram_value(unsigned bucket)
{
    if (bucket < HISTOGRAM_PARTS) {
        return bucket;
    }
    unsigned power = bucket / (HISTOGRAM_PARTS / 2) - 1;
    uint64_t base = (uint64_t)(bucket - power * (HISTOGRAM_PARTS / 2)) << power;
    return base + ((1ULL << power) >> 1);
}

static inline void histogram_add(struct histogram *histogram, uint64_t value)
{
    histogram->counts[histogram_bucket(value)]++;
    histogram->total++;
    if (value > histogram->max) {
        histogram->max = value;
    }
}

static inline uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
    uint64_t wanted = (uint64_t)((double)histogram->total * percent / 100.0);
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_PARTS * HISTOGRAM_POWERS; i++) {
        seen += histogram->counts[i];
        if (seen > wanted || (seen == histogram->total && seen > 0)) {
            uint64_t value = histogram_value(i);
            return value > histogram->max ? histogram->max : value;
        }
    }
    return 0;
}

/* Members of a JSON object, in µs when the values are nanoseconds. */
static inline void histogram_print(const struct histogram *histogram, FILE *out)
{
    (void)fprintf(
        out, "\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f",
        (double)histogram_percentile(histogram, 50) / 1000.0,
        (double)histogram_percentile(histogram, 90) / 1000.0,
        (double)histogram_percentile(histogram, 99) / 1000.0,
        (double)histogram_percentile(histogram, 99.9) / 1000.0, (double)histogram->max / 1000.0);
}
