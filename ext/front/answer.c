/* The answers of calls: made here where that is possible, sent with their status as a trailer. */
#include "parts.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELD(name, value)                                                                       \
    {                                                                                            \
        (uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), sizeof(name) - 1,           \
            sizeof(value) - 1, NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE      \
    }
#define TRAILER_FIELDS_MAX 8u
#define SCRATCH_BYTES_KEPT (1u << 20)
#define SMALL_BYTES 65536u

const int64_t TC_BUCKET_BOUNDS_NS[TC_BUCKET_COUNT - 1] = {
    250000, 500000, 1000000, 2500000, 5000000, 10000000, 25000000, 50000000, 100000000, 250000000,
    500000000, 1000000000, 2500000000, 10000000000,
};

static const nghttp2_nv RESPONSE[] = {
    FIELD(":status", "200"),
    FIELD("content-type", "application/grpc"),
    FIELD("grpc-accept-encoding", "identity, deflate, gzip"),
};
#define RESPONSE_COUNT (sizeof RESPONSE / sizeof *RESPONSE)
static const nghttp2_nv STATUS_OK = FIELD("grpc-status", "0");

/* --- limits -------------------------------------------------------------------------------- */

int tc_call_hold(tc_call *call, size_t size)
{
    tc_front *front = call->connection->front;
    const size_t most = front->settings.held_bytes_max;
    const size_t all = (size_t)front->counts.held_bytes + size;
    const size_t own = call->held + size;
    /* Large requests leave room for small ones, and one connection for the others. */
    if (all > most || (own > SMALL_BYTES && all > most - most / 4) ||
        call->connection->held + size > most / 4 + SMALL_BYTES)
        return -1;
    call->held += size;
    call->connection->held += size;
    TC_ADD(front->counts.held_bytes, size);
    return 0;
}

void tc_call_release(tc_call *call, size_t size)
{
    tc_front *front = call->connection->front;
    if (size > call->held)
        size = call->held;
    call->held -= size;
    call->connection->held -= size;
    TC_ADD(front->counts.held_bytes, (uint64_t)0 - size);
}

/* --- sending ------------------------------------------------------------------------------- */

static size_t trailer_fields(const tc_call *call, nghttp2_nv fields[TRAILER_FIELDS_MAX])
{
    size_t count = 0;
    if (call->trailer.size == 0) {
        fields[count++] = STATUS_OK;
        if (call->request_id.size > 0)
            fields[count++] = (nghttp2_nv){
                (uint8_t *)(uintptr_t)"x-request-id", call->request_id.data,
                sizeof "x-request-id" - 1, call->request_id.size, NGHTTP2_NV_FLAG_NO_INDEX,
            };
        return count;
    }
    const size_t size = call->trailer.size;
    for (size_t at = 0; at < size && count < TRAILER_FIELDS_MAX;) {
        unsigned char *name = call->trailer.data + at;
        const size_t name_size = strnlen((char *)name, size - at);
        at += name_size + 1;
        if (at >= size)
            break;
        unsigned char *value = call->trailer.data + at;
        const size_t value_size = strnlen((char *)value, size - at);
        at += value_size + 1;
        fields[count++] =
            (nghttp2_nv){name, value, name_size, value_size, NGHTTP2_NV_FLAG_NO_INDEX};
    }
    return count;
}

/* Lets go what was sent of answers that never are all sent, because others follow at once. */
static void drop_sent(tc_call *call)
{
    const size_t left = call->output.size - call->output_sent;
    if (call->output_sent < SMALL_BYTES || call->output_sent < left)
        return;
    memmove(call->output.data, call->output.data + call->output_sent, left);
    tc_call_release(call, call->output_sent);
    call->output.size = left;
    call->output_sent = 0;
}

/* Gives the session what is to be sent of a call; nghttp2 asks for it when there is room. */
static ssize_t read_output(
    nghttp2_session *session, int32_t stream_id, uint8_t *buffer, size_t room, uint32_t *flags,
    nghttp2_data_source *source, void *user_data)
{
    (void)user_data;
    tc_call *call = source->ptr;
    const size_t left = call->output.size - call->output_sent;
    const size_t part = left < room ? left : room;
    if (part > 0)
        memcpy(buffer, call->output.data + call->output_sent, part);
    call->output_sent += part;
    if (part > 0)
        call->unread_ns = call->connection->front->turn_ns;
    if (part < left) {
        drop_sent(call);
    } else {
        tc_call_release(call, call->output.size);
        tc_bytes_clear(&call->output, TC_KEPT_BYTES);
        call->output_sent = 0;
        if (call->state == TC_CALL_ENDED) {
            nghttp2_nv fields[TRAILER_FIELDS_MAX];
            *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
            if (nghttp2_submit_trailer(session, stream_id, fields, trailer_fields(call, fields)))
                return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        } else if (part == 0) {
            call->is_deferred = 1;
            return NGHTTP2_ERR_DEFERRED;
        }
    }
    if (call->backlog.size > 0)
        tc_connection_mark(call->connection);
    return (ssize_t)part;
}

/* Lets the session send what there is, with the headers before it. */
static void submit(tc_call *call)
{
    nghttp2_session *session = call->connection->session;
    nghttp2_data_provider provider = {.source.ptr = call, .read_callback = read_output};
    if (call->is_answering) {
        if (call->is_deferred) {
            call->is_deferred = 0;
            nghttp2_session_resume_data(session, call->stream_id);
        }
        return;
    }
    call->is_answering = 1;
    if (call->state == TC_CALL_ENDED && call->output.size == 0) {
        nghttp2_nv fields[RESPONSE_COUNT + TRAILER_FIELDS_MAX];
        memcpy(fields, RESPONSE, sizeof RESPONSE);
        const size_t count = RESPONSE_COUNT + trailer_fields(call, fields + RESPONSE_COUNT);
        nghttp2_submit_response(session, call->stream_id, fields, count, NULL);
        return;
    }
    nghttp2_submit_response(session, call->stream_id, RESPONSE, RESPONSE_COUNT, &provider);
}

int tc_call_write(tc_call *call, const void *data, size_t size)
{
    const unsigned char head[TC_MESSAGE_HEAD_SIZE] = {
        0, (unsigned char)(size >> 24), (unsigned char)(size >> 16), (unsigned char)(size >> 8),
        (unsigned char)size,
    };
    tc_front *front = call->connection->front;
    if (call->output.size == 0)
        call->unread_ns = front->turn_ns;
    if (size > UINT32_MAX || tc_bytes_add(&call->output, head, sizeof head) != 0 ||
        tc_bytes_add(&call->output, data, size) != 0)
        return -1;
    /* An answer that is there is sent, limit or not; what it holds keeps others from coming. */
    call->held += size + sizeof head;
    call->connection->held += size + sizeof head;
    TC_ADD(front->counts.held_bytes, size + sizeof head);
    submit(call);
    return 0;
}

void tc_call_end(tc_call *call, int code)
{
    tc_front *front = call->connection->front;
    if (call->state == TC_CALL_ENDED)
        return;
    call->state = TC_CALL_ENDED;
    call->code = code;
    call->part_ns = INT64_MAX;
    /* Whoever does not take the answer in so long does without it. */
    call->deadline_ns = front->turn_ns + front->settings.stall_ns;
    tc_call_release(call, call->backlog.size + call->handed_size);
    call->handed_size = 0;
    tc_bytes_clear(&call->backlog, 0);
    submit(call);
}

static void count(tc_call *call)
{
    tc_front *front = call->connection->front;
    const int64_t elapsed_ns = tc_monotonic_ns() - call->begin_ns;
    if (call->method < 0 || call->method >= TC_HOT_METHOD_COUNT) {
        TC_ADD(front->counts.refused, 1);
        tc_front_log_line(call, elapsed_ns);
        return;
    }
    size_t bucket = 0;
    while (bucket < TC_BUCKET_COUNT - 1 && elapsed_ns > TC_BUCKET_BOUNDS_NS[bucket])
        bucket++;
    TC_ADD(front->counts.handled[call->method][call->code], 1);
    TC_ADD(front->counts.buckets[call->method][bucket], 1);
    TC_ADD(front->counts.elapsed_ns[call->method], (uint64_t)elapsed_ns);
    const uint64_t every = front->settings.sample_every;
    if (call->code != TC_OK || (every > 0 && ++front->sampled % every == 0))
        tc_front_log_line(call, elapsed_ns);
}

void tc_call_fail(tc_call *call, int code, const char *message)
{
    if (call->state == TC_CALL_ENDED)
        return;
    char trailer[256];
    const int size = snprintf(
        trailer, sizeof trailer, "grpc-status%c%d%cgrpc-message%c%s%c", 0, code, 0, 0, message, 0);
    call->trailer.size = 0;
    (void)tc_bytes_add(&call->trailer, trailer, (size_t)size);
    const int is_ours = call->slot == 0;
    tc_call_hand_over_cancel(call);
    tc_call_end(call, code);
    /* What was handed over is counted and logged by the handler that it was handed to. */
    if (is_ours)
        count(call);
}

void tc_call_refuse_http(tc_call *call, const char *status)
{
    nghttp2_nv fields[] = {
        {(uint8_t *)(uintptr_t)":status", (uint8_t *)(uintptr_t)status, 7, strlen(status),
         NGHTTP2_NV_FLAG_NONE},
    };
    call->method = -1;
    call->state = TC_CALL_ENDED;
    call->code = TC_UNKNOWN;
    call->is_answering = 1;
    call->deadline_ns = call->connection->front->turn_ns + TC_SECOND_NS;
    nghttp2_submit_response(call->connection->session, call->stream_id, fields, 1, NULL);
    count(call);
}

/* --- answering ----------------------------------------------------------------------------- */

static int is_same(const tc_bytes *one, const tc_bytes *other)
{
    /* In a time that does not tell how much of a key was right. */
    unsigned char difference = 0;
    if (one->size != other->size)
        return 0;
    for (size_t i = 0; i < one->size; i++)
        difference |= one->data[i] ^ other->data[i];
    return difference == 0;
}

/* Returns the digest of a call's authorization; most calls of a connection bring the same one. */
static const unsigned char *digest_of(const tc_call *call)
{
    tc_connection *connection = call->connection;
    if (connection->authorization.size > 0 &&
        is_same(&call->authorization, &connection->authorization))
        return connection->digest;
    tc_sha256(call->authorization.data, call->authorization.size, connection->digest);
    connection->authorization.size = 0;
    (void)tc_bytes_add(
        &connection->authorization, call->authorization.data, call->authorization.size);
    return connection->digest;
}

/* Returns whether there is memory to work in, which is that of the answerer's own kind. */
static int has_workspace(tc_front *front, const tc_answerer *answerer)
{
    if (front->workspace != NULL && front->free_workspace != answerer->free_workspace) {
        front->free_workspace(front->workspace);
        front->workspace = NULL;
    }
    if (front->workspace == NULL) {
        front->workspace = answerer->new_workspace();
        front->free_workspace = answerer->free_workspace;
    }
    return front->workspace != NULL;
}

/* Answers the present message into the scratch bytes of the front; 0 when that is not possible. */
static int answered(const tc_call *call)
{
    tc_front *front = call->connection->front;
    const unsigned char *digest = NULL;
    int result = TC_HAND_OVER;
    if (call->method >= TC_HOT_METHOD_COUNT || call->head[0] != 0 ||
        call->input.size > front->settings.inline_bytes_max || call->authorization_count > 1)
        return 0;
    if (call->authorization_count == 1)
        digest = digest_of(call);
    tc_bytes_clear(&front->scratch, SCRATCH_BYTES_KEPT);
    pthread_mutex_lock(&front->keys.lock);
    const tc_account *account = tc_keys_find(&front->keys, digest, call->method, front->turn_ns);
    if (account != NULL && account->answerer.answer != NULL &&
        has_workspace(front, &account->answerer))
        result = account->answerer.answer(
            account->answerer.plans, front->workspace, call->method,
            call->input.size > 0 ? call->input.data : (const unsigned char *)"", call->input.size,
            front->clock_ns, &front->scratch);
    pthread_mutex_unlock(&front->keys.lock);
    return result == TC_ANSWERED;
}

void tc_call_dispatch(tc_call *call)
{
    tc_front *front = call->connection->front;
    if (tc_call_hold(call, 0) != 0) {
        tc_call_fail(call, TC_RESOURCE_EXHAUSTED, "the server has too many answers to hold");
        return;
    }
    if (!answered(call)) {
        tc_call_hand_over(call);
        return;
    }
    tc_call_release(call, call->held);
    tc_bytes_clear(&call->input, TC_KEPT_BYTES);
    if (tc_call_write(call, front->scratch.data, front->scratch.size) != 0) {
        tc_call_fail(call, TC_RESOURCE_EXHAUSTED, "the server is out of memory");
        return;
    }
    tc_call_end(call, TC_OK);
    count(call);
    tc_connection_earn(call->connection, TC_CREDITS_OF_ANSWER);
}

int tc_call_answer_message(tc_call *call)
{
    tc_front *front = call->connection->front;
    if (!answered(call))
        return 0;
    tc_call_release(call, call->input.size);
    tc_bytes_clear(&call->input, TC_KEPT_BYTES);
    if (tc_call_write(call, front->scratch.data, front->scratch.size) != 0)
        tc_call_fail(call, TC_RESOURCE_EXHAUSTED, "the server is out of memory");
    TC_ADD(front->counts.stream_messages, 1);
    tc_connection_earn(call->connection, TC_CREDITS_OF_ANSWER);
    return 1;
}
