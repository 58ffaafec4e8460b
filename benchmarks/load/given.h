/* What a run is told: the options of the command line, and the bodies that it sends. */
#ifndef TILLCORE_GIVEN_H
#define TILLCORE_GIVEN_H

#include <nghttp2/nghttp2.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { HEADERS_MAX = 24, PIDS_MAX = 16, FRAME_PREFIX = 5 };

/* The messages of one call, each with its prefix. */
typedef struct body {
    const uint8_t *data;
    size_t size;
} body;

typedef struct options {
    const char *address, *path, *body_file;
    int connections, streams;
    size_t messages;
    int is_once; /* whether a body is sent once only, and the run ends with the last one */
    double seconds, warm_seconds, rate;
    pid_t pids[PIDS_MAX];
    int pid_count;
    nghttp2_nv headers[HEADERS_MAX];
    size_t header_count;
    body *bodies;
    size_t body_count;
} options;

/* Prints what is wrong, with the system's word for it, and ends the program with status 2. */
_Noreturn void die(const char *what);

/* Prints what the caller did wrong and ends the program with status 2. */
_Noreturn void refuse(const char *what);

/* Reads the command line and the file of bodies. */
void read_options(options *to, int count, char **arguments);

#endif
