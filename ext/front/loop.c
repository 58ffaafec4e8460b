/* The loop: one thread, one epoll, sockets in and out. */
#define _GNU_SOURCE /* accept4 */
#include "parts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_PER_TURN 128
#define ACCEPTS_PER_TURN 64
#define READ_BYTES 65536u
#define SWEEP_NS (TC_SECOND_NS / 10)
#define LINGER_NS (TC_SECOND_NS / 2)

int64_t tc_monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * TC_SECOND_NS + now.tv_nsec;
}

void tc_front_read_clocks(tc_front *front)
{
    struct timespec now;
    front->turn_ns = tc_monotonic_ns();
    front->clock_ns = front->settings.fixed_now_ns;
    if (front->clock_ns == 0) {
        clock_gettime(CLOCK_REALTIME, &now);
        front->clock_ns = now.tv_sec * TC_SECOND_NS + now.tv_nsec;
    }
}

tc_front *tc_front_new(const tc_front_settings *settings)
{
    tc_front *front = calloc(1, sizeof *front);
    if (front == NULL)
        return NULL;
    front->settings = *settings;
    tc_keys_init(&front->keys);
    const int has_events = tc_mailbox_init(&front->events) == 0;
    const int has_replies = tc_mailbox_init(&front->replies) == 0;
    front->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    tc_front_read_clocks(front);
    if (!has_events || !has_replies || front->epoll_fd < 0 || tc_connection_callbacks(front) != 0) {
        tc_front_free(front);
        return NULL;
    }
    return front;
}

static void close_mailbox(tc_mailbox *box)
{
    if (box->wake_fd >= 0)
        close(box->wake_fd);
    pthread_mutex_destroy(&box->lock);
}

void tc_front_free(tc_front *front)
{
    while (front->connections != NULL)
        tc_connection_free(front->connections);
    for (tc_call *call = front->unused, *next; call != NULL; call = next) {
        next = call->next;
        tc_bytes *const kept[] = {
            &call->input, &call->backlog, &call->output, &call->authorization, &call->request_id,
            &call->trailer,
        };
        for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
            tc_bytes_free(kept[i]);
        free(call);
    }
    for (tc_event *event = front->events.first, *next; event != NULL; event = next) {
        next = event->next;
        tc_event_free(event);
    }
    for (tc_reply *reply = front->replies.first, *next; reply != NULL; reply = next) {
        next = reply->next;
        free(reply);
    }
    if (front->workspace != NULL)
        front->free_workspace(front->workspace);
    tc_bytes_free(&front->scratch);
    tc_keys_free(&front->keys);
    nghttp2_session_callbacks_del(front->callbacks);
    nghttp2_option_del(front->options);
    close_mailbox(&front->events);
    close_mailbox(&front->replies);
    if (front->epoll_fd >= 0)
        close(front->epoll_fd);
    free(front->slots);
    free(front);
}

/* --- sockets ------------------------------------------------------------------------------- */

/* Names a caller as gRPC does: ipv4:127.0.0.1:40000, ipv6:%5B::1%5D:40000, unix: */
static void name_peer(const struct sockaddr_storage *address, char *name, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "";
    if (address->ss_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        inet_ntop(AF_INET, &in.sin_addr, host, sizeof host);
        snprintf(name, size, "ipv4:%s:%u", host, (unsigned)ntohs(in.sin_port));
    } else if (address->ss_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, address, sizeof in);
        inet_ntop(AF_INET6, &in.sin6_addr, host, sizeof host);
        snprintf(name, size, "ipv6:%%5B%s%%5D:%u", host, (unsigned)ntohs(in.sin6_port));
    } else {
        snprintf(name, size, "unix:");
    }
}

static int watch(const tc_front *front, tc_connection *connection, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};
    return epoll_ctl(front->epoll_fd, operation, connection->fd, &event);
}

/* Writes what there is; -1 when the connection is over. */
static int flush(tc_connection *connection)
{
    tc_front *front = connection->front;
    for (;;) {
        if (tc_connection_collect(connection) != 0)
            return -1;
        tc_bytes *output = &connection->output;
        if (output->size == 0)
            break;
        const ssize_t written = send(
            connection->fd, output->data + connection->output_written,
            output->size - connection->output_written, MSG_NOSIGNAL);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            return -1;
        if (written > 0) {
            connection->output_written += (size_t)written;
            connection->stalled_since_ns = 0;
        }
        if (connection->output_written == output->size) {
            connection->output_written = 0;
            output->size = 0;
            continue;
        }
        if (written > 0)
            continue;
        if (connection->is_calmed)
            return -1;
        if (connection->stalled_since_ns == 0)
            connection->stalled_since_ns = front->turn_ns;
        if (!connection->wants_write) {
            connection->wants_write = 1;
            if (watch(front, connection, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT) != 0)
                return -1;
        }
        return 0;
    }
    tc_bytes_clear(&connection->output, TC_KEPT_BYTES);
    if (connection->wants_write) {
        connection->wants_write = 0;
        if (watch(front, connection, EPOLL_CTL_MOD, EPOLLIN) != 0)
            return -1;
    }
    if (!tc_connection_is_over(connection) || connection->linger_ns != 0)
        return 0;
    /* Closed at once, what is unread would have the system reset the connection, and the last words
     * would not be heard. */
    connection->linger_ns = front->turn_ns + LINGER_NS;
    return shutdown(connection->fd, SHUT_WR);
}

static void listen_again(tc_front *front)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = front};
    if (!front->is_listening)
        front->is_listening =
            epoll_ctl(front->epoll_fd, EPOLL_CTL_ADD, front->listener, &event) == 0;
}

static void listen_no_more(tc_front *front)
{
    if (front->is_listening)
        (void)epoll_ctl(front->epoll_fd, EPOLL_CTL_DEL, front->listener, NULL);
    front->is_listening = 0;
}

static void accept_some(tc_front *front)
{
    const int one = 1;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_storage address = {0};
        socklen_t size = sizeof address;
        char peer[64];
        const int fd = accept4(
            front->listener, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            /* Without file descriptors left it would be told again at once, and again. */
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                listen_no_more(front);
            return;
        }
        if (front->counts.connections >= front->settings.connection_count_max) {
            close(fd);
            TC_ADD(front->counts.connections_refused, 1);
            continue;
        }
        if (address.ss_family != AF_UNIX)
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        name_peer(&address, peer, sizeof peer);
        tc_connection *connection = tc_connection_new(front, fd, peer);
        if (connection == NULL)
            close(fd);
        else if (watch(front, connection, EPOLL_CTL_ADD, EPOLLIN) != 0 || flush(connection) != 0)
            tc_connection_free(connection);
    }
}

static void serve(tc_connection *connection, uint32_t events, unsigned char *buffer)
{
    int is_over = 0;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        const ssize_t size = recv(connection->fd, buffer, READ_BYTES, 0);
        if (size == 0 ||
            (size < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
            is_over = 1;
        else if (size > 0)
            is_over = tc_connection_receive(connection, buffer, (size_t)size) != 0;
        /* What is wrong is said before the end, where it can still be heard. */
        if (is_over && size > 0)
            (void)flush(connection);
    }
    if (is_over || flush(connection) != 0)
        tc_connection_free(connection);
}

/* --- the loop ------------------------------------------------------------------------------ */

/* Returns a connection that was marked and has gone on with its streams, NULL when none is left. */
static tc_connection *resume_one(tc_front *front)
{
    tc_connection *connection = front->dirty;
    if (connection == NULL)
        return NULL;
    front->dirty = connection->next_dirty;
    connection->is_dirty = 0;
    connection->next_dirty = NULL;
    for (tc_call *call = connection->calls, *next; call != NULL; call = next) {
        next = call->next;
        if (call->method == TC_STREAM_BASKETS)
            tc_call_resume(call);
    }
    return connection;
}

void tc_front_resume(tc_front *front)
{
    while (resume_one(front) != NULL)
        continue;
}

static void serve_dirty(tc_front *front)
{
    for (tc_connection *connection; (connection = resume_one(front)) != NULL;)
        if (flush(connection) != 0)
            tc_connection_free(connection);
}

static void sweep(tc_front *front)
{
    front->sweep_ns = front->turn_ns;
    if (!front->is_draining)
        listen_again(front);
    for (tc_connection *connection = front->connections, *next; connection != NULL;
         connection = next) {
        next = connection->next;
        if (front->is_draining)
            tc_connection_ask_to_leave(connection);
        if (tc_connection_sweep(connection) != 0)
            tc_connection_free(connection);
    }
}

static int run_loop(tc_front *front, unsigned char *buffer)
{
    struct epoll_event events[EVENTS_PER_TURN];
    int wish = TC_WISH_NONE;
    while (wish != TC_WISH_STOP && !(front->is_draining && front->connections == NULL)) {
        const int is_busy =
            front->connections != NULL || front->is_draining || !front->is_listening;
        const int count = epoll_wait(
            front->epoll_fd, events, EVENTS_PER_TURN,
            is_busy ? (int)(SWEEP_NS / TC_MILLISECOND_NS) : -1);
        if (count < 0 && errno != EINTR)
            return -1;
        tc_front_read_clocks(front);
        /* Connections are freed by their own event or after all of them: none comes twice. */
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == &front->replies)
                tc_front_apply_replies(front);
            else if (events[i].data.ptr == front)
                accept_some(front);
            else
                serve(events[i].data.ptr, events[i].events, buffer);
        }
        serve_dirty(front);
        if (front->turn_ns - front->sweep_ns >= SWEEP_NS) {
            sweep(front);
            serve_dirty(front);
        }
        wish = atomic_load(&front->wish);
        if (wish == TC_WISH_DRAIN && !front->is_draining) {
            front->is_draining = 1;
            /* Who waits is let in; who comes later is refused, or finds another worker. */
            accept_some(front);
            listen_no_more(front);
            (void)shutdown(front->listener, SHUT_RDWR);
            front->sweep_ns = 0;
        }
    }
    return 0;
}

int tc_front_run(tc_front *front, int listener)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &front->replies};
    unsigned char *buffer = malloc(READ_BYTES);
    int result = -1;
    front->listener = listener;
    listen_again(front);
    if (buffer != NULL && front->is_listening &&
        epoll_ctl(front->epoll_fd, EPOLL_CTL_ADD, front->replies.wake_fd, &event) == 0)
        result = run_loop(front, buffer);
    const int error = errno;
    while (front->connections != NULL)
        tc_connection_free(front->connections);
    free(buffer);
    errno = error;
    return result;
}

void tc_front_drain(tc_front *front)
{
    int none = TC_WISH_NONE;
    atomic_compare_exchange_strong(&front->wish, &none, TC_WISH_DRAIN);
    tc_mailbox_wake(&front->replies);
}

void tc_front_stop(tc_front *front)
{
    atomic_store(&front->wish, TC_WISH_STOP);
    tc_mailbox_wake(&front->replies);
}

void tc_front_read_counts(const tc_front *front, tc_front_counts *counts)
{
    const uint64_t *from = (const uint64_t *)(const void *)&front->counts;
    uint64_t *to = (uint64_t *)(void *)counts;
    for (size_t i = 0; i < sizeof *counts / sizeof *to; i++)
        to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}
