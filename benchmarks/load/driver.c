/* Calls one gRPC method as fast as the server answers, or at a fixed rate, and prints what came.
 *
 * One thread, one epoll loop, HTTP/2 by libnghttp2. Every answer's grpc-status is read. It is meant
 * to cost less than any server does, so that the server is what is measured.
 *
 * Closed loop: each of `--connections` keeps `--streams` calls under way. A slow server slows the
 * callers down, so its percentiles say what these callers saw and nothing about others.
 *
 * Open loop (`--rate`): call k is due at k / rate, whether or not the server is ready, and its time
 * counts from there. A server that stalls is charged with every call that became due meanwhile, so
 * the percentiles leave nothing out; what is never answered counts up to the end of the run.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "given.h"
#include "histogram.h"
#include "link.h"

enum { STATUS_COUNT = 17, EVENTS_MAX = 256, WAIT_MS = 20 };
static const uint64_t SECOND_NS = UINT64_C(1000000000);
static const uint64_t DRAIN_NS = UINT64_C(5000000000);

typedef struct call {
    uint64_t begin_ns;
    const body *sent;
    size_t offset;
    size_t received;
    int status;
    bool is_bad_http;
    struct call *next_free;
} call;

static options given;
static connection *connections;
static nghttp2_session_callbacks *callbacks;
static int epoll_fd, timer_fd = -1;
static call *free_calls;
static size_t next_body, bodies_used;

static bool is_measuring, is_issuing;
static uint64_t due_begin_ns, due_sent, measured_begin_ns;
static histogram latencies;
static uint64_t answered, failed, lost, empty_answers, bad_http, answer_bytes, reconnects;
static uint64_t statuses[STATUS_COUNT + 1];

static void start_call(connection *at, uint64_t begin_ns);

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec at;
    if (clock_gettime(clock, &at)) {
        die("cannot read the clock of a process");
    }
    return (uint64_t)at.tv_sec * SECOND_NS + (uint64_t)at.tv_nsec;
}

static uint64_t now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

/* Returns the processor time of all threads of the watched processes, those that ended included. */
static uint64_t watched_ns(void)
{
    uint64_t sum = 0;
    for (int each = 0; each < given.pid_count; each++) {
        clockid_t clock;
        errno = clock_getcpuclockid(given.pids[each], &clock);
        if (errno) {
            die("cannot watch a process");
        }
        sum += clock_ns(clock);
    }
    return sum;
}

/* --- calls ---------------------------------------------------------------------------------- */

static call *new_call(void)
{
    call *made = free_calls;
    if (made) {
        free_calls = made->next_free;
    } else if (!(made = malloc(sizeof *made))) {
        die("no memory");
    }
    memset(made, 0, sizeof *made);
    made->status = -1;
    return made;
}

static ssize_t on_body_wanted(
    nghttp2_session *session, int32_t stream, uint8_t *buffer, size_t length, uint32_t *flags,
    nghttp2_data_source *source, void *user)
{
    (void)session, (void)stream, (void)user;
    call *made = source->ptr;
    size_t left = made->sent->size - made->offset;
    size_t size = left < length ? left : length;
    memcpy(buffer, made->sent->data + made->offset, size);
    made->offset += size;
    if (size == left) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)size;
}

static int on_header(
    nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
    const uint8_t *value, size_t value_size, uint8_t flags, void *user)
{
    (void)flags, (void)user;
    call *made = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!made) {
        return 0;
    }
    if (name_size == 11 && !memcmp(name, "grpc-status", 11)) {
        made->status = 0;
        for (size_t each = 0; each < value_size; each++) {
            made->status = made->status * 10 + (value[each] - '0');
        }
    } else if (name_size == 7 && !memcmp(name, ":status", 7)) {
        made->is_bad_http = value_size != 3 || memcmp(value, "200", 3) != 0;
    }
    return 0;
}

static int on_data(
    nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t size,
    void *user)
{
    (void)flags, (void)data, (void)user;
    call *made = nghttp2_session_get_stream_user_data(session, stream);
    if (made) {
        made->received += size;
    }
    return 0;
}

/* Counts how a call ended; calls that the run does not measure leave no trace. */
static void count_call(const call *made, uint64_t end_ns, bool is_lost)
{
    if (!is_measuring || (given.rate > 0 && made->begin_ns < measured_begin_ns)) {
        return;
    }
    bool is_empty = made->status == 0 && made->received < FRAME_PREFIX;
    bool is_known = made->status >= 0 && made->status < STATUS_COUNT;
    histogram_add(&latencies, end_ns - made->begin_ns);
    answer_bytes += made->received;
    statuses[is_known ? made->status : STATUS_COUNT] += !is_lost;
    bad_http += made->is_bad_http;
    empty_answers += is_empty;
    lost += is_lost;
    if (is_lost || made->status != 0 || is_empty || made->is_bad_http) {
        failed++;
    } else {
        answered++;
    }
}

static int on_stream_close(
    nghttp2_session *session, int32_t stream, uint32_t error_code, void *user)
{
    connection *at = user;
    call *made = nghttp2_session_get_stream_user_data(session, stream);
    if (!made) {
        return 0;
    }
    uint64_t end_ns = now_ns();
    count_call(made, end_ns, error_code != NGHTTP2_NO_ERROR && made->status < 0);
    made->next_free = free_calls;
    free_calls = made;
    at->active--;
    if (given.rate <= 0 && is_issuing && !at->is_closing) {
        start_call(at, end_ns);
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)session;
    connection *at = user;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        at->is_closing = true;
    }
    return 0;
}

static void start_call(connection *at, uint64_t begin_ns)
{
    if (given.is_once && bodies_used == given.body_count) {
        is_issuing = false;
        return;
    }
    bodies_used++;
    call *made = new_call();
    made->begin_ns = begin_ns;
    made->sent = &given.bodies[next_body];
    next_body = next_body + 1 == given.body_count ? 0 : next_body + 1;
    nghttp2_data_provider provider = {.source.ptr = made, .read_callback = on_body_wanted};
    int stream =
        nghttp2_submit_request(at->session, NULL, given.headers, given.header_count, &provider, made);
    if (stream < 0) {
        count_call(made, begin_ns, true);
        made->next_free = free_calls;
        free_calls = made;
        at->is_closing = true;
        return;
    }
    at->active++;
}

/* Connects, and in a closed loop begins its calls. */
static void open_and_start(connection *at)
{
    open_connection(at, epoll_fd, given.address, callbacks);
    if (given.rate <= 0 && is_issuing) {
        uint64_t begin_ns = now_ns();
        for (int each = 0; each < given.streams; each++) {
            start_call(at, begin_ns);
        }
    }
}

/* Ends a connection, with what is under way on it, and opens another one. */
static void reopen(connection *at)
{
    close_connection(at);
    if (is_measuring) {
        lost += (uint64_t)at->active;
        failed += (uint64_t)at->active;
    }
    reconnects++;
    open_and_start(at);
}

static void make_callbacks(void)
{
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
}

/* --- the run -------------------------------------------------------------------------------- */

static uint64_t due_ns(uint64_t number)
{
    return due_begin_ns + (uint64_t)((double)number * (double)SECOND_NS / given.rate);
}

/* Sends the calls that are due on connections that have room, in turn; the others wait. */
static void send_due(uint64_t end_ns)
{
    static int turn;
    uint64_t now = now_ns(), until = now < end_ns ? now : end_ns;
    while (due_ns(due_sent) < until) {
        int tried = 0;
        while (tried < given.connections
               && (connections[turn].active >= given.streams || connections[turn].is_closing)) {
            turn = (turn + 1) % given.connections;
            tried++;
        }
        if (tried == given.connections) {
            break;
        }
        start_call(&connections[turn], due_ns(due_sent++));
        turn = (turn + 1) % given.connections;
    }
    uint64_t next = due_ns(due_sent);
    if (next > now) {
        struct itimerspec at = {
            .it_value = {(time_t)(next / SECOND_NS), (long)(next % SECOND_NS)}};
        timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
    }
}

/* Runs until a moment; with `is_draining` also ends when nothing is under way. */
static void run_until(uint64_t end_ns, uint64_t due_end_ns, bool is_draining)
{
    struct epoll_event events[EVENTS_MAX];
    while (now_ns() < end_ns) {
        if (given.rate > 0) {
            send_due(due_end_ns);
        }
        int active = 0;
        for (int each = 0; each < given.connections; each++) {
            connection *at = &connections[each];
            if (!flush_connection(at) || (at->is_closing && at->active == 0)) {
                reopen(at);
            }
            active += at->active;
        }
        bool is_all_sent = given.rate <= 0 || due_ns(due_sent) >= due_end_ns;
        bool is_used_up = given.is_once && bodies_used == given.body_count;
        if (active == 0 && (is_used_up || (is_draining && is_all_sent))) {
            return;
        }
        int count = epoll_wait(epoll_fd, events, EVENTS_MAX, WAIT_MS);
        for (int each = 0; each < count; each++) {
            connection *at = events[each].data.ptr;
            uint64_t ticks;
            if (!at) {
                ssize_t ignored = read(timer_fd, &ticks, sizeof ticks);
                (void)ignored;
            } else if ((events[each].events & ~(uint32_t)EPOLLOUT) && !read_connection(at)) {
                reopen(at);
            }
        }
    }
}

/* Counts the calls that were due and have no answer at the end, with the time that they waited. */
static void count_unanswered(uint64_t due_end_ns)
{
    uint64_t now = now_ns(), counted = answered + failed;
    uint64_t begin = measured_begin_ns, expected = 0;
    uint64_t first = (uint64_t)((double)(begin - due_begin_ns) * given.rate / (double)SECOND_NS);
    while (due_ns(first) < begin) {
        first++;
    }
    for (uint64_t number = first; due_ns(number) < due_end_ns; number++) {
        expected++;
    }
    for (uint64_t each = counted; each < expected; each++) {
        histogram_add(&latencies, now - due_ns(first + each));
        failed++;
        lost++;
    }
}

static void print_result(double seconds, uint64_t server_ns, uint64_t own_ns)
{
    uint64_t calls = answered + failed;
    printf("{\"calls\":%" PRIu64 ",\"seconds\":%.6f,\"calls_per_second\":%.3f,", answered, seconds,
           (double)answered / seconds);
    printf("\"failed\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"empty\":%" PRIu64
           ",\"bad_http\":%" PRIu64 ",\"reconnects\":%" PRIu64 ",\"answer_bytes\":%" PRIu64 ",",
           failed, lost, empty_answers, bad_http, reconnects, answer_bytes);
    printf("\"server_cpu_ns\":%" PRIu64 ",\"driver_cpu_ns\":%" PRIu64 ",", server_ns, own_ns);
    printf("\"latency_ns\":{\"mean\":%.0f,\"p50\":%" PRIu64 ",\"p90\":%" PRIu64 ",\"p99\":%" PRIu64
           ",\"p99_9\":%" PRIu64 ",\"max\":%" PRIu64 "},",
           calls ? latencies.sum_ns / (double)calls : 0.0, histogram_quantile(&latencies, 500),
           histogram_quantile(&latencies, 900), histogram_quantile(&latencies, 990),
           histogram_quantile(&latencies, 999), latencies.most_ns);
    printf("\"statuses\":{");
    const char *comma = "";
    for (int each = 0; each <= STATUS_COUNT; each++) {
        if (statuses[each]) {
            printf("%s\"%d\":%" PRIu64, comma, each == STATUS_COUNT ? -1 : each, statuses[each]);
            comma = ",";
        }
    }
    printf("}}\n");
}

static void begin_run(void)
{
    make_callbacks();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    connections = calloc((size_t)given.connections, sizeof *connections);
    if (!connections) {
        die("no memory");
    }
    if (given.rate > 0) {
        struct epoll_event event = {.events = EPOLLIN};
        timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &event);
    }
    due_begin_ns = now_ns();
    for (int each = 0; each < given.connections; each++) {
        open_and_start(&connections[each]);
    }
}

/* Issues calls for so long and, in a closed loop, waits for the last answer. */
static void run_for(double seconds)
{
    uint64_t end_ns = now_ns() + (uint64_t)(seconds * (double)SECOND_NS);
    run_until(end_ns, end_ns, false);
    if (given.rate <= 0) {
        is_issuing = false;
        run_until(end_ns + DRAIN_NS, end_ns, true);
    }
}

/* Begins the calls of a closed loop. */
static void issue(void)
{
    if (given.rate > 0) {
        return;
    }
    is_issuing = true;
    for (int each = 0; each < given.connections && is_issuing; each++) {
        int missing = given.streams - connections[each].active;
        for (int number = 0; number < missing; number++) {
            start_call(&connections[each], now_ns());
        }
    }
}

/* A closed loop is measured from nothing under way to nothing under way: the processor time of its
 * server belongs to the counted calls and to no others. */
static void run(void)
{
    begin_run();
    if (given.warm_seconds > 0) {
        issue();
        run_for(given.warm_seconds);
    }
    uint64_t begin_ns = now_ns(), server_ns = watched_ns();
    uint64_t own_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    uint64_t end_ns = begin_ns + (uint64_t)(given.seconds * (double)SECOND_NS);
    measured_begin_ns = begin_ns;
    is_measuring = true;
    if (given.rate > 0) {
        run_until(end_ns, end_ns, false);
        run_until(end_ns + DRAIN_NS, end_ns, true);
        count_unanswered(end_ns);
    } else {
        issue();
        run_for(given.seconds);
        end_ns = now_ns();
        for (int each = 0; each < given.connections; each++) {
            lost += (uint64_t)connections[each].active;
            failed += (uint64_t)connections[each].active;
        }
    }
    server_ns = watched_ns() - server_ns;
    own_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - own_ns;
    print_result((double)(end_ns - begin_ns) / (double)SECOND_NS, server_ns, own_ns);
}

int main(int count, char **arguments)
{
    read_options(&given, count, arguments);
    run();
    return 0;
}
