/* What stands between a door that has the bytes of a request and what can answer them alone.
 *
 * A door holds a `tc_answerer`: the plans of one account in C, and the functions over them. None of
 * them needs the interpreter, and any number of threads may call them at once, each with a
 * workspace of its own. What cannot be answered so, for whatever reason, is handed over: the door
 * gives the same bytes to the Python handler, which answers everything, errors included.
 */
#ifndef TILLCORE_ANSWER_H
#define TILLCORE_ANSWER_H

#include <stddef.h>
#include <stdint.h>

/* The name of the PyCapsule in which Python hands a `tc_answerer` on. */
#define TC_ANSWERER_CAPSULE "tillcore.answerer"

/* The methods of tillcore.v1.BasketService that have an answer of this kind. */
enum {
    TC_EVALUATE_BASKET = 0,
    TC_EVALUATE_BASKETS = 1,
    TC_STREAM_BASKETS = 2, /* one message of the stream and its answer */
};

enum {
    TC_ANSWERED = 0,
    TC_HAND_OVER = 1,
};

/* Bytes that grow by realloc: the answerer writes from the start, the door keeps and frees them. */
typedef struct tc_bytes {
    unsigned char *data;
    size_t size;
    size_t capacity;
} tc_bytes;

typedef struct tc_answerer {
    const void *plans;
    /* Returns the memory of one thread, NULL without memory. */
    void *(*new_workspace)(void);
    void (*free_workspace)(void *workspace);
    /* Answers a serialized request at a moment in nanoseconds since 1970-01-01 UTC. Returns
     * TC_ANSWERED with the serialized response, or TC_HAND_OVER with whatever bytes. */
    int (*answer)(
        const void *plans,
        void *workspace,
        int method,
        const unsigned char *request,
        size_t size,
        int64_t now_ns,
        tc_bytes *response);
} tc_answerer;

#endif
