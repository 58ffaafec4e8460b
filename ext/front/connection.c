/* One connection: the frames of HTTP/2 by libnghttp2, what they cost, and when it has to go. */
#include "parts.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define OUTPUT_BYTES_MAX 65536u
#define STREAM_WINDOW 262144
#define CONNECTION_WINDOW 4194304
#define HEADER_BYTES_MAX 65536u /* a list beyond this is a bomb, and no header */

#define CREDITS_MAX 2000
#define CREDITS_PER_SECOND 200
#define BYTES_PER_CREDIT 4096
enum {
    PRICE_OF_FRAME = 1,
    PRICE_OF_PING = 2,
    PRICE_OF_SETTINGS = 10,
    PRICE_OF_CONTINUATION = 20,
    PRICE_OF_RESET = 8,
    PRICE_OF_BAD_FRAME = 20,
};

#define PONG_NS (20 * TC_SECOND_NS)
#define NOTICE_NS (TC_SECOND_NS / 2) /* between the two goaways: what is on its way arrives */
#define LEAVE_NS (10 * TC_SECOND_NS) /* how long a connection without calls may take to go */

void tc_connection_mark(tc_connection *connection)
{
    tc_front *front = connection->front;
    if (connection->is_dirty)
        return;
    connection->is_dirty = 1;
    connection->next_dirty = front->dirty;
    front->dirty = connection;
}

/* --- floods -------------------------------------------------------------------------------- */

static void calm(tc_connection *connection)
{
    if (connection->is_calmed)
        return;
    connection->is_calmed = 1;
    TC_ADD(connection->front->counts.calmed, 1);
    nghttp2_session_terminate_session(connection->session, NGHTTP2_ENHANCE_YOUR_CALM);
}

void tc_connection_pay(tc_connection *connection, int64_t price)
{
    const int64_t now_ns = connection->front->turn_ns;
    const int64_t refill = (now_ns - connection->credits_ns) / (TC_SECOND_NS / CREDITS_PER_SECOND);
    if (refill > 0) {
        connection->credits_ns = now_ns;
        tc_connection_earn(connection, refill);
    }
    connection->credits -= price;
    if (connection->credits < 0)
        calm(connection);
}

void tc_connection_earn(tc_connection *connection, int64_t credits)
{
    connection->credits += credits;
    if (connection->credits > CREDITS_MAX)
        connection->credits = CREDITS_MAX;
}

/* Counts the frames that libnghttp2 tells nobody of, which of them depends on its version. */
static void count_frames(tc_connection *connection, const unsigned char *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        if (connection->skip > 0) {
            const size_t left = size - at;
            const uint32_t part = left < connection->skip ? (uint32_t)left : connection->skip;
            connection->skip -= part;
            at += part;
            continue;
        }
        unsigned char *head = connection->frame_head;
        head[connection->frame_head_size++] = data[at++];
        if (connection->frame_head_size < TC_FRAME_HEAD_SIZE)
            continue;
        connection->frame_head_size = 0;
        connection->skip = (uint32_t)head[0] << 16 | (uint32_t)head[1] << 8 | head[2];
        if (head[3] == NGHTTP2_CONTINUATION)
            tc_connection_pay(connection, PRICE_OF_CONTINUATION);
        else if (head[3] > NGHTTP2_CONTINUATION)
            tc_connection_pay(connection, PRICE_OF_FRAME);
    }
}

/* --- what libnghttp2 tells ----------------------------------------------------------------- */

static tc_call *call_of(nghttp2_session *session, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(session, stream_id);
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *head, void *user_data)
{
    (void)session;
    tc_connection *connection = user_data;
    switch (head->type) {
    case NGHTTP2_HEADERS:
        break;
    case NGHTTP2_DATA:
        /* Long frames pay for themselves, and the end of a stream is of use. */
        if (head->length < BYTES_PER_CREDIT && !(head->flags & NGHTTP2_FLAG_END_STREAM))
            tc_connection_pay(connection, PRICE_OF_FRAME);
        break;
    case NGHTTP2_PING:
        tc_connection_pay(connection, PRICE_OF_PING);
        break;
    case NGHTTP2_SETTINGS:
        tc_connection_pay(connection, PRICE_OF_SETTINGS);
        break;
    case NGHTTP2_RST_STREAM:
        tc_connection_pay(connection, PRICE_OF_RESET);
        break;
    default:
        tc_connection_pay(connection, PRICE_OF_FRAME);
        break;
    }
    return 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    tc_call *call = tc_call_new(user_data, frame->hd.stream_id);
    if (call == NULL)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, call);
    return 0;
}

static int on_header(
    nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
    const uint8_t *value, size_t value_size, uint8_t flags, void *user_data)
{
    (void)flags;
    tc_call *call = call_of(session, frame->hd.stream_id);
    if (call == NULL)
        return 0;
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        tc_call_header(call, name, name_size, value, value_size);
    else
        call->metadata_size += name_size + value_size;
    if (call->metadata_size > HEADER_BYTES_MAX)
        calm(user_data);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    tc_connection *connection = user_data;
    tc_call *call = NULL;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        call = call_of(session, frame->hd.stream_id);
        if (call != NULL && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
            tc_call_headers_done(call);
        break;
    case NGHTTP2_DATA:
        call = call_of(session, frame->hd.stream_id);
        break;
    case NGHTTP2_SETTINGS:
        connection->has_settings = 1;
        break;
    case NGHTTP2_PING:
        if (frame->hd.flags & NGHTTP2_FLAG_ACK)
            connection->asked_ns = 0;
        break;
    default:
        break;
    }
    if (call != NULL && frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        tc_call_half_closed(call);
    return 0;
}

static int on_data(
    nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data, size_t size,
    void *user_data)
{
    (void)flags;
    tc_connection *connection = user_data;
    tc_call *call = call_of(session, stream_id);
    /* The window of the connection is never shut: those of its streams bound what is kept. */
    nghttp2_session_consume_connection(session, size);
    if (call == NULL)
        nghttp2_session_consume_stream(session, stream_id, size);
    else
        tc_call_data(call, data, size);
    if (size >= BYTES_PER_CREDIT)
        tc_connection_earn(connection, (int64_t)size / BYTES_PER_CREDIT);
    return 0;
}

static int on_close(
    nghttp2_session *session, int32_t stream_id, uint32_t error_code, void *user_data)
{
    (void)error_code;
    (void)user_data;
    tc_call *call = call_of(session, stream_id);
    if (call != NULL) {
        nghttp2_session_set_stream_user_data(session, stream_id, NULL);
        tc_call_free(call, 1);
    }
    return 0;
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    (void)user_data;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->hd.flags & NGHTTP2_FLAG_END_STREAM &&
        nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) == 0)
        /* The call is over, whatever else the caller would have sent (RFC 9113, 8.1). */
        nghttp2_submit_rst_stream(
            session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    return 0;
}

static int on_bad_frame(
    nghttp2_session *session, const nghttp2_frame *frame, int error_code, void *user_data)
{
    (void)session;
    (void)frame;
    (void)error_code;
    tc_connection_pay(user_data, PRICE_OF_BAD_FRAME);
    return 0;
}

int tc_connection_callbacks(tc_front *front)
{
    if (nghttp2_session_callbacks_new(&front->callbacks) != 0)
        return -1;
    if (nghttp2_option_new(&front->options) != 0)
        return -1;
    nghttp2_session_callbacks *callbacks = front->callbacks;
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_bad_frame);
    nghttp2_option_set_no_auto_window_update(front->options, 1);
    nghttp2_option_set_no_closed_streams(front->options, 1);
    nghttp2_option_set_max_settings(front->options, 16);
    return 0;
}

/* --- connections --------------------------------------------------------------------------- */

static int greet(tc_connection *connection)
{
    const tc_front_settings *settings = &connection->front->settings;
    const nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)settings->stream_count_max},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)settings->metadata_bytes_max},
    };
    if (nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, entries, 3) != 0)
        return -1;
    return nghttp2_session_set_local_window_size(
        connection->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW);
}

tc_connection *tc_connection_new(tc_front *front, int fd, const char *peer)
{
    tc_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return NULL;
    connection->front = front;
    connection->fd = fd;
    connection->begin_ns = connection->idle_since_ns = front->turn_ns;
    connection->read_ns = connection->credits_ns = front->turn_ns;
    connection->credits = CREDITS_MAX;
    connection->skip = NGHTTP2_CLIENT_MAGIC_LEN;
    memcpy(connection->peer, peer, strnlen(peer, sizeof connection->peer - 1));
    if (nghttp2_session_server_new2(
            &connection->session, front->callbacks, connection, front->options) != 0) {
        free(connection);
        return NULL;
    }
    if (greet(connection) != 0) {
        nghttp2_session_del(connection->session);
        free(connection);
        return NULL;
    }
    connection->next = front->connections;
    if (connection->next != NULL)
        connection->next->previous = connection;
    front->connections = connection;
    TC_ADD(front->counts.connections, 1);
    TC_ADD(front->counts.connections_total, 1);
    return connection;
}

void tc_connection_free(tc_connection *connection)
{
    tc_front *front = connection->front;
    for (tc_call *call = connection->calls, *next; call != NULL; call = next) {
        next = call->next;
        tc_call_free(call, 1);
    }
    nghttp2_session_del(connection->session);
    for (tc_connection **place = &front->dirty; *place != NULL; place = &(*place)->next_dirty) {
        if (*place == connection) {
            *place = connection->next_dirty;
            break;
        }
    }
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        front->connections = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    if (connection->fd >= 0) {
        /* Closing alone is not enough while another process has the socket too, after a fork. */
        (void)epoll_ctl(front->epoll_fd, EPOLL_CTL_DEL, connection->fd, NULL);
        close(connection->fd);
    }
    tc_bytes_free(&connection->output);
    tc_bytes_free(&connection->authorization);
    free(connection);
    TC_ADD(front->counts.connections, (uint64_t)-1);
}

int tc_connection_receive(tc_connection *connection, const unsigned char *data, size_t size)
{
    connection->read_ns = connection->front->turn_ns;
    count_frames(connection, data, size);
    if (connection->is_calmed || connection->linger_ns != 0)
        return 0;
    return nghttp2_session_mem_recv(connection->session, data, size) < 0 ? -1 : 0;
}

int tc_connection_collect(tc_connection *connection)
{
    while (connection->output.size < OUTPUT_BYTES_MAX) {
        const uint8_t *data;
        const ssize_t size = nghttp2_session_mem_send(connection->session, &data);
        if (size == 0)
            break;
        if (size < 0 || tc_bytes_add(&connection->output, data, (size_t)size) != 0)
            return -1;
    }
    return 0;
}

int tc_connection_is_over(const tc_connection *connection)
{
    return connection->output.size == connection->output_written &&
        nghttp2_session_want_read(connection->session) == 0 &&
        nghttp2_session_want_write(connection->session) == 0;
}

void tc_connection_ask_to_leave(tc_connection *connection)
{
    if (connection->leave_ns != 0)
        return;
    connection->leave_ns = connection->front->turn_ns + NOTICE_NS;
    nghttp2_submit_shutdown_notice(connection->session);
    tc_connection_mark(connection);
}

/* --- time ---------------------------------------------------------------------------------- */

/* Returns whether a caller took nothing for too long of answers that are there: its window may be
 * shut for ever, while the connection and its other calls go on. */
static int is_unread(const tc_call *call)
{
    const tc_front *front = call->connection->front;
    if (call->state == TC_CALL_ENDED)
        return call->deadline_ns <= front->turn_ns;
    return call->output.size > call->output_sent &&
        front->turn_ns - call->unread_ns > front->settings.stall_ns;
}

static void reset(tc_call *call)
{
    const tc_front *front = call->connection->front;
    nghttp2_submit_rst_stream(
        call->connection->session, NGHTTP2_FLAG_NONE, call->stream_id, NGHTTP2_CANCEL);
    /* Once, though it may take a while until it is sent and the call is let go. */
    call->unread_ns = front->turn_ns;
    if (call->state == TC_CALL_ENDED)
        call->deadline_ns = front->turn_ns + front->settings.stall_ns;
}

static void sweep_calls(tc_connection *connection)
{
    const tc_front *front = connection->front;
    for (tc_call *call = connection->calls, *next; call != NULL; call = next) {
        next = call->next;
        if (is_unread(call))
            reset(call);
        else if (call->deadline_ns <= front->turn_ns)
            tc_call_late(call);
        else if (
            call->part_ns != INT64_MAX &&
            front->turn_ns - call->part_ns > front->settings.request_ns)
            tc_call_fail(call, TC_DEADLINE_EXCEEDED, "expected a whole message in time");
        else
            continue;
        tc_connection_mark(connection);
    }
}

int tc_connection_sweep(tc_connection *connection)
{
    const tc_front_settings *settings = &connection->front->settings;
    const int64_t now_ns = connection->front->turn_ns;
    const int is_idle = connection->call_count == 0;
    if (connection->linger_ns != 0)
        return now_ns > connection->linger_ns ? -1 : 0;
    if (!connection->has_settings && now_ns - connection->begin_ns > settings->first_ns)
        return -1;
    if (connection->stalled_since_ns != 0 &&
        now_ns - connection->stalled_since_ns > settings->stall_ns)
        return -1;
    if (connection->asked_ns != 0 && now_ns - connection->asked_ns > PONG_NS)
        return -1;
    if (is_idle && now_ns - connection->idle_since_ns > settings->idle_ns)
        tc_connection_ask_to_leave(connection);
    if (settings->age_ns > 0 && now_ns - connection->begin_ns > settings->age_ns)
        tc_connection_ask_to_leave(connection);
    if (connection->leave_ns != 0 && now_ns >= connection->leave_ns && !connection->is_leaving) {
        connection->is_leaving = 1;
        nghttp2_submit_goaway(
            connection->session, NGHTTP2_FLAG_NONE,
            nghttp2_session_get_last_proc_stream_id(connection->session), NGHTTP2_NO_ERROR, NULL,
            0);
        tc_connection_mark(connection);
    }
    if (connection->is_leaving && is_idle && now_ns - connection->leave_ns > LEAVE_NS)
        return -1;
    if (!is_idle && connection->asked_ns == 0 && now_ns - connection->read_ns > settings->ping_ns) {
        connection->asked_ns = now_ns;
        nghttp2_submit_ping(connection->session, NGHTTP2_FLAG_NONE, NULL);
        tc_connection_mark(connection);
    }
    sweep_calls(connection);
    return 0;
}
