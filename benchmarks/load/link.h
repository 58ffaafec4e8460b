/* One HTTP/2 connection: its socket, its session, and the bytes that wait to be written. */
#ifndef TILLCORE_LINK_H
#define TILLCORE_LINK_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct connection {
    int fd;
    int epoll_fd;
    nghttp2_session *session;
    int active;      /* calls under way */
    bool is_writing; /* whether it waits for room to write */
    bool is_closing; /* whether the server said that it ends */
    uint8_t *out;
    size_t out_size, out_sent;
} connection;

/* Connects to HOST:PORT or unix:PATH and begins a session whose events go to the callbacks. */
void open_connection(
    connection *at, int epoll_fd, const char *address, const nghttp2_session_callbacks *callbacks);

/* Ends a connection and whatever is under way on it. */
void close_connection(connection *at);

/* Collects frames into few large writes; returns false when the connection is gone. */
bool flush_connection(connection *at);

/* Reads what there is; returns false when the connection is gone. */
bool read_connection(connection *at);

#endif
