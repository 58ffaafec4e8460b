/* The fast front as the rest of the process sees it: a gRPC server of a few hot methods.
 *
 * One thread runs the loop. It answers what it can by `tc_answerer`, and hands everything else
 * over: as events, which another thread takes and answers with replies. All functions but
 * `tc_front_run` may be called from any thread. Times are nanoseconds.
 */
#ifndef TILLCORE_FRONT_H
#define TILLCORE_FRONT_H

#include "../answer.h"

#include <stddef.h>
#include <stdint.h>

#define TC_DIGEST_SIZE 32
#define TC_HOT_METHOD_COUNT 3
#define TC_CODE_COUNT 17
#define TC_BUCKET_COUNT 15

/* Methods beyond the hot ones of answer.h, which are always handed over. */
enum {
    TC_HEALTH_CHECK = TC_HOT_METHOD_COUNT,
    TC_HEALTH_WATCH,
    TC_METHOD_COUNT,
};

/* The codes of gRPC that the front gives by itself. */
enum {
    TC_OK = 0,
    TC_UNKNOWN = 2,
    TC_DEADLINE_EXCEEDED = 4,
    TC_RESOURCE_EXHAUSTED = 8,
    TC_UNIMPLEMENTED = 12,
    TC_INTERNAL = 13,
};

typedef struct tc_front_settings {
    size_t connection_count_max;
    size_t stream_count_max;   /* of one connection */
    size_t message_bytes_max;  /* of a request */
    size_t inline_bytes_max;   /* larger requests are handed over, so that others do not wait */
    size_t metadata_bytes_max; /* as HTTP/2 counts it: names, values and 32 a field */
    size_t held_bytes_max;     /* of requests and answers together; calls beyond are refused */
    size_t handed_count_max;   /* calls that are handed over at once, streams apart, and an eighth
                                * of it watches apart; calls beyond are refused */
    int64_t first_ns;          /* how long a connection may take until its settings are there */
    int64_t request_ns;        /* how long a message may take until it is whole */
    int64_t idle_ns;           /* how long a connection may be without calls */
    int64_t age_ns;            /* how old a connection gets; 0 for any age */
    int64_t stall_ns;          /* how long nothing may be read of what was written */
    int64_t ping_ns;           /* how long a connection with calls is silent until it is asked */
    uint64_t sample_every;     /* one of so many answered calls has a line in the log; 0 for none */
    int64_t fixed_now_ns;      /* the moment of all calls since 1970-01-01 UTC; 0 for the clock's */
} tc_front_settings;

typedef struct tc_front tc_front;

/* Returns a front that nobody can reach yet, NULL without memory or file descriptors. */
tc_front *tc_front_new(const tc_front_settings *settings);
/* Frees a front whose loop does not run. */
void tc_front_free(tc_front *front);

/* Runs the loop over a listening, non-blocking socket until it is stopped, or drained and idle.
 * Returns 0, or -1 with errno. */
int tc_front_run(tc_front *front, int listener);
/* Takes no more connections, and asks those that are open to go when their calls have ended. */
void tc_front_drain(tc_front *front);
/* Ends the loop and all connections. */
void tc_front_stop(tc_front *front);

/* --- keys and accounts -------------------------------------------------------------------- */

/* Lets callers with this SHA-256 of `authorization` in, for the methods whose bits are set. */
int tc_front_set_key(
    tc_front *front,
    const unsigned char digest[TC_DIGEST_SIZE],
    const char *account_id,
    unsigned methods,
    int64_t lifetime_ns);
void tc_front_forget_key(tc_front *front, const unsigned char digest[TC_DIGEST_SIZE]);
/* Lets callers without `authorization` in, or nobody when `account_id` is NULL. */
int tc_front_set_anybody(tc_front *front, const char *account_id, unsigned methods);
/* Puts what answers an account in place, nothing when it is NULL. On return the answerer of before
 * is in nobody's hands. */
int tc_front_set_answerer(tc_front *front, const char *account_id, const tc_answerer *answerer);

/* --- what is handed over ------------------------------------------------------------------- */

enum {
    TC_EVENT_CALL = 0,   /* a call has begun; a unary one has its message with it */
    TC_EVENT_MESSAGE,    /* a message of a stream */
    TC_EVENT_HALF_CLOSE, /* no message follows */
    TC_EVENT_CANCEL,     /* nobody waits for the call any more */
    TC_EVENT_LINE,       /* for the log: a call that the front has ended by itself */
};

enum {
    TC_PLAIN = 0,
    TC_GZIP = 1,
    TC_DEFLATE = 2,
};

typedef struct tc_event {
    struct tc_event *next;
    int kind;
    uint64_t call_id;
    int method;
    int is_stream;
    int packing;                /* how the message is compressed */
    int authorization_count;    /* how many there were; the first is with it */
    int64_t timeout_ns;         /* what is left; -1 for no deadline */
    int code;                   /* of a line, with the time that the call took */
    int64_t elapsed_ns;
    tc_bytes message;
    tc_bytes authorization;
    tc_bytes request_id;
    char peer[64];
} tc_event;

/* Becomes readable when there are events. */
int tc_front_event_fd(const tc_front *front);
/* Returns the events since the last time, the eldest first; the caller frees each. */
tc_event *tc_front_take_events(tc_front *front);
void tc_event_free(tc_event *event);

/* Sends a message of a call that was handed over; -1 without memory. */
int tc_front_reply_message(tc_front *front, uint64_t call_id, const void *data, size_t size);
/* Ends a call with fields of its trailer, `name NUL value NUL` one after the other, sent as they
 * are; the first one is grpc-status. */
int tc_front_reply_end(tc_front *front, uint64_t call_id, const void *trailer, size_t size);

/* --- counts -------------------------------------------------------------------------------- */

typedef struct tc_front_counts {
    /* Calls of hot methods that were answered without the interpreter, or refused beforehand. */
    uint64_t handled[TC_HOT_METHOD_COUNT][TC_CODE_COUNT];
    uint64_t buckets[TC_HOT_METHOD_COUNT][TC_BUCKET_COUNT];
    uint64_t elapsed_ns[TC_HOT_METHOD_COUNT];
    uint64_t handed_over[TC_METHOD_COUNT];
    uint64_t stream_messages; /* messages of streams that were answered without the interpreter */
    uint64_t refused;         /* calls that name no method of the front, or break the protocol */
    uint64_t connections_total;
    uint64_t connections_refused;
    uint64_t calmed; /* connections that were ended because of a flood */
    uint64_t connections;
    uint64_t streams;
    uint64_t held_bytes;
} tc_front_counts;

/* The bounds of the buckets: a quarter of a millisecond to ten seconds, like everywhere else. */
extern const int64_t TC_BUCKET_BOUNDS_NS[TC_BUCKET_COUNT - 1];

void tc_front_read_counts(const tc_front *front, tc_front_counts *counts);

#endif
