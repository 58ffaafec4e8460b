/* One call: what its headers say, and the messages in its bytes (gRPC over HTTP/2). */
#include "parts.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNUSED_COUNT_MAX 256u
#define OUTPUT_BYTES_PAUSE 262144u /* of a stream: with more unsent, no message is read */
#define FIELD_OVERHEAD 32u   /* that HTTP/2 counts for a field (RFC 9113, 6.5.2) */
#define AUTHORIZATION_SIZE_MAX 1024u
#define SERVICE "/tillcore.v1.BasketService/"
#define HEALTH "/grpc.health.v1.Health/"

typedef struct named {
    const char *name;
    size_t size;
} named;

#define NAMED(text) {text, sizeof(text) - 1}

static const named PATHS[TC_METHOD_COUNT] = {
    [TC_EVALUATE_BASKET] = NAMED(SERVICE "EvaluateBasket"),
    [TC_EVALUATE_BASKETS] = NAMED(SERVICE "EvaluateBaskets"),
    [TC_STREAM_BASKETS] = NAMED(SERVICE "StreamBaskets"),
    [TC_HEALTH_CHECK] = NAMED(HEALTH "Check"),
    [TC_HEALTH_WATCH] = NAMED(HEALTH "Watch"),
};

static int is_equal(const unsigned char *data, size_t size, const char *text)
{
    return size == strlen(text) && memcmp(data, text, size) == 0;
}

tc_call *tc_call_new(tc_connection *connection, int32_t stream_id)
{
    tc_front *front = connection->front;
    tc_call *call = front->unused;
    if (call != NULL) {
        front->unused = call->next;
        front->unused_count--;
    } else {
        call = calloc(1, sizeof *call);
        if (call == NULL)
            return NULL;
    }
    call->connection = connection;
    call->stream_id = stream_id;
    call->method = -1;
    call->begin_ns = front->turn_ns;
    call->deadline_ns = INT64_MAX;
    call->part_ns = front->turn_ns;
    call->previous = NULL;
    call->next = connection->calls;
    if (call->next != NULL)
        call->next->previous = call;
    connection->calls = call;
    connection->call_count++;
    TC_ADD(front->counts.streams, 1);
    return call;
}

void tc_call_free(tc_call *call, int is_cancelled)
{
    tc_connection *connection = call->connection;
    tc_front *front = connection->front;
    if (is_cancelled)
        tc_call_hand_over_cancel(call);
    if (call->previous != NULL)
        call->previous->next = call->next;
    else
        connection->calls = call->next;
    if (call->next != NULL)
        call->next->previous = call->previous;
    if (--connection->call_count == 0)
        connection->idle_since_ns = front->turn_ns;
    tc_call_release(call, call->held);
    TC_ADD(front->counts.streams, (uint64_t)-1);
    tc_bytes kept[] = {
        call->input, call->backlog, call->output, call->authorization, call->request_id,
        call->trailer,
    };
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (front->unused_count < UNUSED_COUNT_MAX)
            tc_bytes_clear(&kept[i], TC_KEPT_BYTES);
        else
            tc_bytes_free(&kept[i]);
    if (front->unused_count >= UNUSED_COUNT_MAX) {
        free(call);
        return;
    }
    *call = (tc_call){
        .input = kept[0], .backlog = kept[1], .output = kept[2], .authorization = kept[3],
        .request_id = kept[4], .trailer = kept[5], .next = front->unused,
    };
    front->unused = call;
    front->unused_count++;
}

/* --- headers ------------------------------------------------------------------------------- */

static void read_path(tc_call *call, const unsigned char *value, size_t size)
{
    for (int method = 0; method < TC_METHOD_COUNT; method++)
        if (size == PATHS[method].size && memcmp(value, PATHS[method].name, size) == 0)
            call->method = method;
}

/* One to eight digits and a unit. */
static void read_timeout(tc_call *call, const unsigned char *value, size_t size)
{
    static const struct {
        char name;
        int64_t ns;
    } units[] = {
        {'H', 3600 * TC_SECOND_NS}, {'M', 60 * TC_SECOND_NS}, {'S', TC_SECOND_NS},
        {'m', TC_MILLISECOND_NS}, {'u', 1000}, {'n', 1},
    };
    int64_t count = 0, unit_ns = 0;
    call->has_bad_timeout = size < 2 || size > 9;
    for (size_t i = 0; i + 1 < size && !call->has_bad_timeout; i++) {
        call->has_bad_timeout = value[i] < '0' || value[i] > '9';
        count = 10 * count + (value[i] - '0');
    }
    if (call->has_bad_timeout)
        return;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (value[size - 1] == (unsigned char)units[i].name)
            unit_ns = units[i].ns;
    call->has_bad_timeout = unit_ns == 0;
    /* Some hundred years are no deadline. */
    if (unit_ns != 0 && count <= (INT64_MAX / 2) / unit_ns)
        call->deadline_ns = call->begin_ns + count * unit_ns;
}

static void read_encoding(tc_call *call, const unsigned char *value, size_t size)
{
    if (is_equal(value, size, "gzip"))
        call->packing = TC_GZIP;
    else if (is_equal(value, size, "deflate"))
        call->packing = TC_DEFLATE;
    else
        call->has_bad_encoding = !is_equal(value, size, "identity");
}

static void read_content_type(tc_call *call, const unsigned char *value, size_t size)
{
    static const char expected[] = "application/grpc";
    const size_t least = sizeof expected - 1;
    call->content_type_ok = size >= least && memcmp(value, expected, least) == 0 &&
        (size == least || value[least] == '+' || value[least] == ';');
}

static void read_request_id(tc_call *call, const unsigned char *value, size_t size)
{
    if (call->request_id.size > 0)
        return;
    if (size > TC_REQUEST_ID_SIZE_MAX)
        size = TC_REQUEST_ID_SIZE_MAX;
    for (size_t i = 0; i < size; i++)
        if (value[i] < 0x20 || value[i] > 0x7e)
            return;
    (void)tc_bytes_add(&call->request_id, value, size);
}

static void read_authorization(tc_call *call, const unsigned char *value, size_t size)
{
    if (call->authorization_count < 2)
        call->authorization_count++;
    if (call->authorization_count > 1)
        return;
    /* No key is so long: what is left of it is none either. */
    if (size > AUTHORIZATION_SIZE_MAX)
        size = AUTHORIZATION_SIZE_MAX;
    (void)tc_bytes_add(&call->authorization, value, size);
}

void tc_call_header(
    tc_call *call, const unsigned char *name, size_t name_size, const unsigned char *value,
    size_t value_size)
{
    call->metadata_size += name_size + value_size + FIELD_OVERHEAD;
    if (call->state != TC_CALL_READING)
        return;
    switch (name_size) {
    case 2:
        if (is_equal(name, name_size, "te"))
            call->te_ok = (uint8_t)is_equal(value, value_size, "trailers");
        break;
    case 5:
        if (is_equal(name, name_size, ":path"))
            read_path(call, value, value_size);
        break;
    case 7:
        if (is_equal(name, name_size, ":method"))
            call->is_post = (uint8_t)is_equal(value, value_size, "POST");
        break;
    case 12:
        if (is_equal(name, name_size, "content-type"))
            read_content_type(call, value, value_size);
        else if (is_equal(name, name_size, "grpc-timeout"))
            read_timeout(call, value, value_size);
        else if (is_equal(name, name_size, "x-request-id"))
            read_request_id(call, value, value_size);
        break;
    case 13:
        if (is_equal(name, name_size, "authorization"))
            read_authorization(call, value, value_size);
        else if (is_equal(name, name_size, "grpc-encoding"))
            read_encoding(call, value, value_size);
        break;
    default:
        break;
    }
}

void tc_call_headers_done(tc_call *call)
{
    tc_front *front = call->connection->front;
    if (call->metadata_size > front->settings.metadata_bytes_max)
        tc_call_fail(call, TC_RESOURCE_EXHAUSTED, "received metadata size exceeds limit");
    else if (!call->is_post)
        tc_call_refuse_http(call, "405");
    else if (!call->content_type_ok)
        tc_call_refuse_http(call, "415");
    else if (!call->te_ok)
        tc_call_fail(call, TC_UNKNOWN, "expected the header te: trailers, was other");
    else if (call->method < 0)
        tc_call_fail(
            call, TC_UNIMPLEMENTED,
            "expected a method of this door, was another: see server.listen");
    else if (call->has_bad_encoding)
        tc_call_fail(
            call, TC_UNIMPLEMENTED, "expected the encoding gzip, deflate or identity, was another");
    else if (call->has_bad_timeout)
        tc_call_fail(
            call, TC_INTERNAL, "expected the header grpc-timeout to be digits and a unit");
    else if (call->deadline_ns <= front->turn_ns)
        tc_call_late(call);
    else if (call->method == TC_STREAM_BASKETS) {
        /* The handler in Python keeps the rules of a stream: the gate, the drain, the log. */
        call->part_ns = INT64_MAX;
        tc_call_hand_over(call);
    }
}

void tc_call_late(tc_call *call)
{
    tc_call_fail(call, TC_DEADLINE_EXCEEDED, "Deadline Exceeded");
}

/* --- messages ------------------------------------------------------------------------------ */

static uint32_t length_in(const unsigned char *head)
{
    return (uint32_t)head[1] << 24 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 8 | head[4];
}

/* Reads the head of a message; 0 when the call has ended for it. */
static int read_head(tc_call *call)
{
    const tc_front *front = call->connection->front;
    call->message_size = length_in(call->head);
    if (call->method != TC_STREAM_BASKETS && call->has_message)
        tc_call_fail(call, TC_UNIMPLEMENTED, "expected one message, were more");
    else if (call->head[0] > 1)
        tc_call_fail(call, TC_INTERNAL, "expected a message with the flag 0 or 1");
    else if (call->head[0] == 1 && call->packing == TC_PLAIN)
        tc_call_fail(call, TC_INTERNAL, "expected no compressed message without grpc-encoding");
    else if (call->message_size > front->settings.message_bytes_max) {
        char text[128];
        snprintf(
            text, sizeof text, "SERVER: Received message larger than max (%zu vs. %zu)",
            call->message_size, front->settings.message_bytes_max);
        tc_call_fail(call, TC_RESOURCE_EXHAUSTED, text);
    }
    return call->state != TC_CALL_ENDED;
}

static void message_read(tc_call *call)
{
    call->has_message = 1;
    call->head_size = 0;
    call->part_ns = call->method == TC_STREAM_BASKETS ? INT64_MAX : call->part_ns;
    if (call->method != TC_STREAM_BASKETS)
        return;
    if (!tc_call_answer_message(call))
        call->is_waiting = tc_call_hand_over_message(call) == 0;
}

static int is_paused(const tc_call *call)
{
    return call->is_waiting || call->output.size - call->output_sent > OUTPUT_BYTES_PAUSE;
}

/* Reads what bytes it may; returns how many these are. */
static size_t feed(tc_call *call, const unsigned char *data, size_t size)
{
    tc_front *front = call->connection->front;
    size_t used = 0;
    while (used < size && call->state != TC_CALL_ENDED) {
        if (call->head_size < TC_MESSAGE_HEAD_SIZE) {
            if (call->head_size == 0 && is_paused(call))
                break;
            if (call->head_size == 0)
                call->part_ns = front->turn_ns;
            call->head[call->head_size++] = data[used++];
            if (call->head_size < TC_MESSAGE_HEAD_SIZE || !read_head(call))
                continue;
        }
        const size_t lacking = call->message_size - call->input.size;
        const size_t part = size - used < lacking ? size - used : lacking;
        if (tc_call_hold(call, part) != 0 || tc_bytes_add(&call->input, data + used, part) != 0) {
            tc_call_fail(call, TC_RESOURCE_EXHAUSTED, "the server has too many requests to hold");
            break;
        }
        used += part;
        if (part == lacking)
            message_read(call);
    }
    return call->state == TC_CALL_ENDED ? size : used;
}

static void consume(const tc_call *call, size_t size)
{
    nghttp2_session_consume_stream(call->connection->session, call->stream_id, size);
}

/* Does what is due when everything was read that the caller has sent. */
static void read_end(tc_call *call)
{
    if (!call->is_half_closed || call->backlog.size > 0 || call->state == TC_CALL_ENDED)
        return;
    if (call->head_size > 0)
        tc_call_fail(call, TC_INTERNAL, "expected a whole message, was the end of the stream");
    else if (call->method == TC_STREAM_BASKETS)
        tc_call_hand_over_close(call);
    else if (!call->has_message)
        tc_call_fail(call, TC_UNIMPLEMENTED, "expected one message, was none");
    else if (call->state == TC_CALL_READING)
        tc_call_dispatch(call);
}

void tc_call_data(tc_call *call, const unsigned char *data, size_t size)
{
    size_t used = size;
    if (call->state == TC_CALL_HANDED && call->method != TC_STREAM_BASKETS)
        used = size; /* after its end: HTTP/2 refuses that before it comes here */
    else if (call->state != TC_CALL_ENDED)
        used = call->backlog.size > 0 ? 0 : feed(call, data, size);
    if (used < size && (tc_call_hold(call, size - used) != 0 ||
                        tc_bytes_add(&call->backlog, data + used, size - used) != 0)) {
        tc_call_fail(call, TC_RESOURCE_EXHAUSTED, "the server has too many requests to hold");
        used = size;
    }
    /* What waits keeps the window shut: no caller sends more than it for nothing. */
    call->unconsumed += size - used;
    consume(call, used);
}

void tc_call_half_closed(tc_call *call)
{
    call->is_half_closed = 1;
    read_end(call);
}

void tc_call_resume(tc_call *call)
{
    if (call->state == TC_CALL_ENDED || is_paused(call))
        return;
    if (call->backlog.size > 0) {
        const size_t used = feed(call, call->backlog.data, call->backlog.size);
        /* A call that ended has let its backlog go. */
        if (call->state == TC_CALL_ENDED)
            return;
        tc_call_release(call, used);
        call->backlog.size -= used;
        if (call->backlog.size > 0)
            memmove(call->backlog.data, call->backlog.data + used, call->backlog.size);
        else
            tc_bytes_clear(&call->backlog, TC_KEPT_BYTES);
        const size_t opened = used < call->unconsumed ? used : call->unconsumed;
        call->unconsumed -= opened;
        consume(call, opened);
    }
    /* A message that waits is answered before the end is told. */
    if (!call->is_waiting)
        read_end(call);
}
