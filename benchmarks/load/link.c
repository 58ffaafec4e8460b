/* Opens, reads, writes and closes connections. */
#define _GNU_SOURCE
#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "given.h"

enum { WRITE_BYTES = 1 << 17, READ_BYTES = 1 << 18, WINDOW = (1 << 30) - 1 };

static int connect_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address)) {
        close(fd);
        return -1;
    }
    return fd;
}

static int connect_tcp(const char *host_and_port)
{
    char *host = strdup(host_and_port), *colon = host ? strrchr(host, ':') : NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    int fd = -1, yes = 1;
    if (!colon) {
        refuse("expected --address HOST:PORT or unix:PATH");
    }
    *colon = 0;
    if (getaddrinfo(host, colon + 1, &hints, &found)) {
        refuse("cannot resolve the address");
    }
    fd = socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, found->ai_protocol);
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen)) {
        close(fd);
        fd = -1;
    }
    if (fd >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    }
    freeaddrinfo(found);
    free(host);
    return fd;
}

static void open_session(connection *at, const nghttp2_session_callbacks *callbacks)
{
    if (nghttp2_session_client_new(&at->session, callbacks, at)) {
        refuse("no memory for a session");
    }
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW},
    };
    nghttp2_submit_settings(at->session, NGHTTP2_FLAG_NONE, settings, 2);
    nghttp2_session_set_local_window_size(at->session, NGHTTP2_FLAG_NONE, 0, WINDOW);
}

void open_connection(
    connection *at, int epoll_fd, const char *address, const nghttp2_session_callbacks *callbacks)
{
    at->fd = strncmp(address, "unix:", 5) ? connect_tcp(address) : connect_unix(address + 5);
    if (at->fd < 0) {
        die("cannot connect");
    }
    fcntl(at->fd, F_SETFL, fcntl(at->fd, F_GETFL) | O_NONBLOCK);
    at->epoll_fd = epoll_fd;
    at->active = 0;
    at->is_writing = at->is_closing = false;
    at->out_size = at->out_sent = 0;
    if (!at->out && !(at->out = malloc(WRITE_BYTES))) {
        die("no memory");
    }
    open_session(at, callbacks);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = at};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, at->fd, &event)) {
        die("cannot watch a connection");
    }
}

void close_connection(connection *at)
{
    nghttp2_session_del(at->session);
    close(at->fd);
}

static void want_writing(connection *at, bool is_wanted)
{
    if (at->is_writing == is_wanted) {
        return;
    }
    at->is_writing = is_wanted;
    struct epoll_event event = {.events = EPOLLIN | (is_wanted ? EPOLLOUT : 0), .data.ptr = at};
    epoll_ctl(at->epoll_fd, EPOLL_CTL_MOD, at->fd, &event);
}

bool flush_connection(connection *at)
{
    for (;;) {
        if (at->out_sent == at->out_size) {
            at->out_sent = at->out_size = 0;
            while (at->out_size < WRITE_BYTES / 2) {
                const uint8_t *data;
                ssize_t size = nghttp2_session_mem_send(at->session, &data);
                if (size <= 0) {
                    break;
                }
                memcpy(at->out + at->out_size, data, (size_t)size);
                at->out_size += (size_t)size;
            }
            if (at->out_size == 0) {
                want_writing(at, false);
                return true;
            }
        }
        ssize_t sent =
            send(at->fd, at->out + at->out_sent, at->out_size - at->out_sent, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
            want_writing(at, true);
            return true;
        }
        if (sent < 0) {
            return false;
        }
        at->out_sent += (size_t)sent;
    }
}

bool read_connection(connection *at)
{
    static uint8_t buffer[READ_BYTES];
    ssize_t size = recv(at->fd, buffer, sizeof buffer, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return true;
    }
    return size > 0 && nghttp2_session_mem_recv(at->session, buffer, (size_t)size) == size;
}
