/* An answerer for tests of the front: it answers with the request, and hands over what begins
 * with H. A request of the form "L" and four digits is answered with as many thousand bytes. */
#include "../../ext/answer.h"

#include <stdlib.h>
#include <string.h>

static int live_workspaces;

static void *new_workspace(void)
{
    live_workspaces++;
    return malloc(64);
}

static void free_workspace(void *workspace)
{
    live_workspaces--;
    free(workspace);
}

static int answer(
    const void *plans, void *workspace, int method, const unsigned char *request, size_t size,
    int64_t now_ns, tc_bytes *response)
{
    (void)plans;
    (void)method;
    (void)now_ns;
    memset(workspace, 1, 64);
    if (size > 0 && request[0] == 'H')
        return TC_HAND_OVER;
    size_t answer_size = size;
    if (size == 5 && request[0] == 'L')
        answer_size = (size_t)atoi((const char[5]){
            (char)request[1], (char)request[2], (char)request[3], (char)request[4], 0,
        }) * 1000;
    if (answer_size > response->capacity) {
        unsigned char *grown = realloc(response->data, answer_size);
        if (grown == NULL)
            return TC_HAND_OVER;
        response->data = grown;
        response->capacity = answer_size;
    }
    response->size = answer_size;
    if (answer_size == size && size > 0)
        memcpy(response->data, request, size);
    else if (answer_size > 0)
        memset(response->data, 'L', answer_size);
    return TC_ANSWERED;
}

static const tc_answerer ECHO = {
    .new_workspace = new_workspace, .free_workspace = free_workspace, .answer = answer,
};

const tc_answerer *tc_echo_answerer(void)
{
    return &ECHO;
}

int tc_echo_workspaces(void)
{
    return live_workspaces;
}
