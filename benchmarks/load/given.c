/* Reads the command line and the file of bodies. */
#define _GNU_SOURCE
#include "given.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_INDEX = 2 };

void die(const char *what)
{
    fprintf(stderr, "driver: %s: %s\n", what, strerror(errno));
    exit(2);
}

void refuse(const char *what)
{
    fprintf(stderr, "driver: %s\n", what);
    exit(2);
}

static void add_header(options *to, const char *name, const char *value)
{
    if (to->header_count == HEADERS_MAX) {
        refuse("expected fewer headers");
    }
    to->headers[to->header_count++] = (nghttp2_nv){
        (uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value),
        NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

/* Takes `name: value` as one more header. */
static void add_given_header(options *to, char *text)
{
    char *colon = strstr(text, ": ");
    if (!colon) {
        refuse("expected --header 'name: value'");
    }
    *colon = 0;
    add_header(to, text, colon + 2);
}

/* Cuts the file into bodies of so many length-prefixed messages each. */
static void read_bodies(options *to)
{
    FILE *file = fopen(to->body_file, "rb");
    struct stat about;
    if (!file || fstat(fileno(file), &about)) {
        die(to->body_file);
    }
    size_t size = (size_t)about.st_size, at = 0;
    uint8_t *data = malloc(size + 1);
    if (!data || fread(data, 1, size, file) != size) {
        die(to->body_file);
    }
    fclose(file);
    to->bodies = calloc(size / FRAME_PREFIX + 1, sizeof *to->bodies);
    while (at < size) {
        size_t begin = at;
        for (size_t each = 0; each < to->messages; each++) {
            if (size - at < FRAME_PREFIX) {
                refuse("expected whole messages with their prefixes of 5 bytes in the body's file");
            }
            const uint8_t *prefix = data + at;
            size_t length = (size_t)prefix[1] << 24 | (size_t)prefix[2] << 16
                            | (size_t)prefix[3] << 8 | prefix[4];
            if (prefix[0] != 0 || length > size - at - FRAME_PREFIX) {
                refuse("expected whole messages with their prefixes of 5 bytes in the body's file");
            }
            at += FRAME_PREFIX + length;
        }
        to->bodies[to->body_count++] = (body){data + begin, at - begin};
    }
    if (to->body_count == 0) {
        refuse("expected messages in the body's file, was none");
    }
}

void read_options(options *to, int count, char **arguments)
{
    static const struct option known[] = {
        {"address", required_argument, NULL, 'a'},     {"path", required_argument, NULL, 'p'},
        {"body", required_argument, NULL, 'b'},        {"messages", required_argument, NULL, 'm'},
        {"header", required_argument, NULL, 'h'},      {"pid", required_argument, NULL, 'i'},
        {"connections", required_argument, NULL, 'c'}, {"streams", required_argument, NULL, 's'},
        {"seconds", required_argument, NULL, 't'},     {"warm", required_argument, NULL, 'w'},
        {"rate", required_argument, NULL, 'r'},        {"once", no_argument, NULL, 'o'},
        {0}};
    int option;
    *to = (options){
        .connections = 4, .streams = 8, .messages = 1, .seconds = 2, .warm_seconds = 0.3};
    add_header(to, ":method", "POST");
    add_header(to, ":scheme", "http");
    add_header(to, ":path", "");
    add_header(to, ":authority", "localhost");
    add_header(to, "content-type", "application/grpc");
    add_header(to, "te", "trailers");
    while ((option = getopt_long(count, arguments, "", known, NULL)) != -1) {
        switch (option) {
        case 'a': to->address = optarg; break;
        case 'p': to->path = optarg; break;
        case 'b': to->body_file = optarg; break;
        case 'm': to->messages = strtoul(optarg, NULL, 10); break;
        case 'h': add_given_header(to, optarg); break;
        case 'c': to->connections = atoi(optarg); break;
        case 's': to->streams = atoi(optarg); break;
        case 't': to->seconds = atof(optarg); break;
        case 'w': to->warm_seconds = atof(optarg); break;
        case 'r': to->rate = atof(optarg); break;
        case 'o': to->is_once = 1; break;
        case 'i':
            if (to->pid_count < PIDS_MAX) {
                to->pids[to->pid_count++] = (pid_t)atoi(optarg);
            }
            break;
        default: exit(2);
        }
    }
    bool is_whole = to->address && to->path && to->body_file && to->connections > 0
                    && to->streams > 0 && to->messages > 0 && to->seconds > 0;
    if (!is_whole) {
        refuse("expected --address, --path, --body, and positive numbers");
    }
    if (to->is_once && to->rate > 0) {
        refuse("expected --once without --rate");
    }
    to->headers[PATH_INDEX].value = (uint8_t *)to->path;
    to->headers[PATH_INDEX].valuelen = strlen(to->path);
    read_bodies(to);
}
