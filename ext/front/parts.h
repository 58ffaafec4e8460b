/* The parts of a front, as its own sources see them; only the loop's thread touches connections. */
#ifndef TILLCORE_FRONT_PARTS_H
#define TILLCORE_FRONT_PARTS_H

#include "front.h"

#include <pthread.h>
#include <stdatomic.h>

struct nghttp2_session;
struct nghttp2_session_callbacks;
struct nghttp2_option;

#define TC_MESSAGE_HEAD_SIZE 5
#define TC_FRAME_HEAD_SIZE 9
#define TC_REQUEST_ID_SIZE_MAX 64
#define TC_KEPT_BYTES 16384u /* of buffers that are used again: what is kept so counts nowhere */
#define TC_CREDITS_OF_ANSWER 5
#define TC_SECOND_NS INT64_C(1000000000)
#define TC_MILLISECOND_NS INT64_C(1000000)

/* Counts in the loop's thread, which alone writes; others may read at any time. */
#define TC_ADD(place, count) __atomic_store_n(&(place), (place) + (count), __ATOMIC_RELAXED)

/* --- bytes --------------------------------------------------------------------------------- */

/* Appends; -1 without memory. */
int tc_bytes_add(tc_bytes *bytes, const void *data, size_t size);
void tc_bytes_free(tc_bytes *bytes);
/* Empties the bytes; gives the memory back if it is more than `keep`. */
void tc_bytes_clear(tc_bytes *bytes, size_t keep);
/* Moves the content; what `to` had is freed. */
void tc_bytes_move(tc_bytes *to, tc_bytes *from);

void tc_sha256(const unsigned char *data, size_t size, unsigned char digest[TC_DIGEST_SIZE]);

/* --- keys ---------------------------------------------------------------------------------- */

typedef struct tc_account {
    struct tc_account *next;
    tc_answerer answerer; /* without `answer` nothing answers this account */
    char id[];
} tc_account;

typedef struct tc_key {
    struct tc_key *next;
    tc_account *account;
    unsigned methods;
    int64_t until_ns;
    unsigned char digest[TC_DIGEST_SIZE];
} tc_key;

#define TC_KEY_BUCKET_COUNT 4096
#define TC_KEY_COUNT_MAX 20000

/* Who is let in, and what answers them. Held under `lock`, also while an answer is made. */
typedef struct tc_keys {
    pthread_mutex_t lock;
    tc_key *buckets[TC_KEY_BUCKET_COUNT];
    size_t count;
    tc_account *accounts;
    tc_account *anybody;
    unsigned anybody_methods;
} tc_keys;

void tc_keys_init(tc_keys *keys);
void tc_keys_free(tc_keys *keys);
/* Returns the account that a digest may call a method of, NULL for none; `digest` is NULL for a
 * call without a key. The lock is held by the caller. */
tc_account *tc_keys_find(
    const tc_keys *keys, const unsigned char *digest, int method, int64_t monotonic_ns);

/* --- calls --------------------------------------------------------------------------------- */

typedef struct tc_call tc_call;
typedef struct tc_connection tc_connection;

enum {
    TC_CALL_READING = 0, /* the request is not there yet, or it is a stream that is open */
    TC_CALL_HANDED,      /* its one message was handed over */
    TC_CALL_ENDED,       /* the end is known; what is left is to send it */
};

struct tc_call {
    tc_connection *connection;
    tc_call *next;            /* among the calls of the connection, or the unused ones */
    tc_call *previous;
    int32_t stream_id;
    int state;
    int method;               /* -1 for none of ours */
    int code;                 /* once it has ended */
    uint32_t slot;            /* where replies find it; 0 when nothing was handed over */
    size_t metadata_size;
    size_t unconsumed;        /* bytes of a stream whose window is not opened yet */
    size_t held;              /* bytes that count against the limit of the front */
    size_t handed_size;       /* of these: the message of a stream that others have */
    int64_t begin_ns;
    int64_t deadline_ns;      /* INT64_MAX for none */
    int64_t part_ns;          /* when the message that is not whole yet began; INT64_MAX for none */
    int64_t unread_ns;        /* since when nothing was taken of the answers that are there */
    unsigned char head[TC_MESSAGE_HEAD_SIZE];
    uint8_t head_size;        /* of the present message */
    uint8_t packing;
    uint8_t authorization_count;
    uint8_t content_type_ok;
    uint8_t te_ok;
    uint8_t is_post;
    uint8_t has_bad_timeout;
    uint8_t has_bad_encoding;
    uint8_t has_message;      /* a whole message was read */
    uint8_t is_half_closed;   /* the caller sends nothing more */
    uint8_t is_answering;     /* the response headers were submitted */
    uint8_t is_deferred;      /* the provider of data waits for more */
    uint8_t is_waiting;       /* a message of a stream was handed over and is not answered yet */
    uint8_t close_sent;       /* the end of a stream was handed over */
    size_t message_size;      /* of the present message, once the head is there */
    tc_bytes input;           /* the present message */
    tc_bytes backlog;         /* bytes of a stream that come after a message that waits */
    tc_bytes output;          /* answers that are not sent */
    size_t output_sent;
    tc_bytes authorization;
    tc_bytes request_id;
    tc_bytes trailer;         /* `name NUL value NUL` */
};

/* --- connections --------------------------------------------------------------------------- */

struct tc_connection {
    tc_front *front;
    tc_connection *next;
    tc_connection *previous;
    struct nghttp2_session *session;
    int fd;                   /* -1 when whoever made it moves the bytes */
    tc_call *calls;
    size_t call_count;
    size_t held;              /* by its calls */
    tc_bytes output;          /* taken from the session and not written yet */
    size_t output_written;
    int64_t begin_ns;
    int64_t idle_since_ns;
    int64_t read_ns;          /* when something came last */
    int64_t stalled_since_ns; /* 0 while everything is taken by the other end */
    int64_t asked_ns;         /* when a ping was sent that is not answered; 0 for none */
    int64_t linger_ns;        /* until when what still comes is thrown away; 0 while it is read */
    int64_t leave_ns;         /* when the second goaway is due; 0 for not asked to leave */
    int64_t credits;          /* frames that it may still send without doing anything useful */
    int64_t credits_ns;       /* when they were last refilled */
    uint32_t skip;            /* bytes of input until the next head of a frame */
    uint8_t frame_head[TC_FRAME_HEAD_SIZE];
    uint8_t frame_head_size;
    uint8_t has_settings;
    uint8_t is_leaving;       /* the last goaway is sent */
    uint8_t is_calmed;
    uint8_t wants_write;      /* epoll tells when it can be written to */
    uint8_t is_dirty;         /* a reply wants to be sent */
    tc_connection *next_dirty;
    unsigned char digest[TC_DIGEST_SIZE]; /* of the authorization that came last */
    tc_bytes authorization;   /* that one */
    char peer[64];
};

/* --- replies ------------------------------------------------------------------------------- */

typedef struct tc_reply {
    struct tc_reply *next;
    uint64_t call_id;
    int is_end;
    size_t size;
    unsigned char data[];
} tc_reply;

/* What two threads pass to each other, with a file descriptor that wakes the receiver. */
typedef struct tc_mailbox {
    pthread_mutex_t lock;
    void *first;
    void *last;
    int wake_fd;
} tc_mailbox;

int tc_mailbox_init(tc_mailbox *box);
void tc_mailbox_wake(const tc_mailbox *box);

typedef struct tc_slot {
    tc_call *call;
    uint32_t generation;
    uint32_t next_free;
} tc_slot;

struct tc_front {
    tc_front_settings settings;
    tc_keys keys;
    tc_mailbox events;
    tc_mailbox replies;
    struct nghttp2_session_callbacks *callbacks;
    struct nghttp2_option *options;
    void *workspace;
    void (*free_workspace)(void *workspace);
    tc_bytes scratch;
    tc_connection *connections;
    tc_connection *dirty;
    tc_call *unused;
    size_t unused_count;
    tc_slot *slots; /* the first one is never used */
    uint32_t slot_count;
    uint32_t free_slot;
    uint32_t handed_count;
    uint32_t open_counts[TC_METHOD_COUNT]; /* the same, method by method */
    int epoll_fd;
    int listener;
    int is_listening; /* whether new connections are taken */
    int64_t turn_ns;  /* of the monotonic clock, read once a turn */
    int64_t clock_ns; /* since 1970-01-01 UTC, the same moment */
    int64_t sweep_ns;
    uint64_t sampled;
    int64_t lines_ns;
    int lines_left;
    atomic_int wish; /* what other threads want of the loop */
    int is_draining;
    tc_front_counts counts;
};

enum {
    TC_WISH_NONE = 0,
    TC_WISH_DRAIN,
    TC_WISH_STOP,
};

/* loop.c */
void tc_front_read_clocks(tc_front *front);
int64_t tc_monotonic_ns(void);
/* Goes on with the streams of connections that were marked; their bytes are moved by others. */
void tc_front_resume(tc_front *front);

/* connection.c: without a socket the owner of a connection moves its bytes. */
int tc_connection_callbacks(tc_front *front);
tc_connection *tc_connection_new(tc_front *front, int fd, const char *peer);
void tc_connection_free(tc_connection *connection);
/* Takes what came; -1 when the connection is over. */
int tc_connection_receive(tc_connection *connection, const unsigned char *data, size_t size);
/* Takes what is to be sent into `output`, up to a bound; -1 when the connection is over. */
int tc_connection_collect(tc_connection *connection);
/* Returns whether nothing more will be read or written. */
int tc_connection_is_over(const tc_connection *connection);
/* Asks the other end to go: no new calls, and those that it has may end. */
void tc_connection_ask_to_leave(tc_connection *connection);
/* Does what time has made due; -1 when the connection is over. */
int tc_connection_sweep(tc_connection *connection);
/* Pays for a frame that is no use by itself; ends the connection that has nothing left. */
void tc_connection_pay(tc_connection *connection, int64_t price);
void tc_connection_earn(tc_connection *connection, int64_t credits);
void tc_connection_mark(tc_connection *connection);

/* call.c */
tc_call *tc_call_new(tc_connection *connection, int32_t stream_id);
void tc_call_free(tc_call *call, int is_cancelled);
/* Reads a field of the request's header. */
void tc_call_header(
    tc_call *call,
    const unsigned char *name,
    size_t name_size,
    const unsigned char *value,
    size_t value_size);
void tc_call_headers_done(tc_call *call);
void tc_call_data(tc_call *call, const unsigned char *data, size_t size);
void tc_call_half_closed(tc_call *call);
/* Goes on with a stream that waited. */
void tc_call_resume(tc_call *call);
void tc_call_late(tc_call *call);

/* answer.c */
/* Answers a whole unary request, or hands it over. */
void tc_call_dispatch(tc_call *call);
/* Answers a message of a stream; 0 when it is handed over instead. */
int tc_call_answer_message(tc_call *call);
/* Ends a call with a code and a message in printable ASCII without %. */
void tc_call_fail(tc_call *call, int code, const char *message);
/* Ends a call that is no gRPC with a status of HTTP. */
void tc_call_refuse_http(tc_call *call, const char *status);
/* Adds a message to the answer of a call, and sends it when it may; -1 without memory. */
int tc_call_write(tc_call *call, const void *data, size_t size);
/* Ends a call whose trailer is there. */
void tc_call_end(tc_call *call, int code);
/* Counts bytes against the limits of the connection and the front; -1 for too many. */
int tc_call_hold(tc_call *call, size_t size);
void tc_call_release(tc_call *call, size_t size);

/* handover.c */
void tc_call_hand_over(tc_call *call);
int tc_call_hand_over_message(tc_call *call);
void tc_call_hand_over_close(tc_call *call);
void tc_call_hand_over_cancel(tc_call *call);
void tc_front_apply_replies(tc_front *front);
/* Hands a line for the log over; one of a flood of failures may be dropped. */
void tc_front_log_line(const tc_call *call, int64_t elapsed_ns);

#endif
