/* What the loop hands to Python, and the replies that come back. */
#include "parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LINES_PER_SECOND_MAX 100
#define REFUSED_KEY 16 /* UNAUTHENTICATED */
#define PRICE_OF_REFUSED_KEY 10
#define WATCHES_ONE_OF 8 /* of the calls that are handed over at a time */

int tc_mailbox_init(tc_mailbox *box)
{
    memset(box, 0, sizeof *box);
    pthread_mutex_init(&box->lock, NULL);
    box->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return box->wake_fd < 0 ? -1 : 0;
}

void tc_mailbox_wake(const tc_mailbox *box)
{
    const uint64_t one = 1;
    /* It can only fail when it is awake already. */
    ssize_t done;
    do
        done = write(box->wake_fd, &one, sizeof one);
    while (done < 0 && errno == EINTR);
}

/* --- events -------------------------------------------------------------------------------- */

static void push(tc_front *front, tc_event *event)
{
    tc_mailbox *box = &front->events;
    pthread_mutex_lock(&box->lock);
    const int was_empty = box->first == NULL;
    if (was_empty)
        box->first = event;
    else
        ((tc_event *)box->last)->next = event;
    box->last = event;
    pthread_mutex_unlock(&box->lock);
    if (was_empty)
        tc_mailbox_wake(box);
}

int tc_front_event_fd(const tc_front *front)
{
    return front->events.wake_fd;
}

tc_event *tc_front_take_events(tc_front *front)
{
    uint64_t count;
    tc_mailbox *box = &front->events;
    ssize_t done = read(box->wake_fd, &count, sizeof count);
    (void)done; /* nothing there to be read is as good */
    pthread_mutex_lock(&box->lock);
    tc_event *first = box->first;
    box->first = box->last = NULL;
    pthread_mutex_unlock(&box->lock);
    return first;
}

void tc_event_free(tc_event *event)
{
    tc_bytes_free(&event->message);
    tc_bytes_free(&event->authorization);
    tc_bytes_free(&event->request_id);
    free(event);
}

/* --- slots --------------------------------------------------------------------------------- */

static uint64_t id_of(const tc_front *front, uint32_t slot)
{
    return (uint64_t)front->slots[slot].generation << 32 | slot;
}

static int more_slots(tc_front *front)
{
    const uint32_t count = front->slot_count ? 2 * front->slot_count : 64;
    tc_slot *slots = realloc(front->slots, count * sizeof *slots);
    if (slots == NULL)
        return -1;
    /* Slot 0 is none. */
    const uint32_t first = front->slot_count ? front->slot_count : 1;
    for (uint32_t slot = first; slot < count; slot++)
        slots[slot] = (tc_slot){.next_free = slot + 1 < count ? slot + 1 : 0};
    slots[0] = (tc_slot){0};
    front->slots = slots;
    front->slot_count = count;
    front->free_slot = first;
    return 0;
}

static int take_slot(tc_front *front, tc_call *call)
{
    if (front->free_slot == 0 && more_slots(front) != 0)
        return -1;
    call->slot = front->free_slot;
    tc_slot *slot = &front->slots[call->slot];
    front->free_slot = slot->next_free;
    slot->call = call;
    slot->generation++;
    front->handed_count++;
    front->open_counts[call->method]++;
    return 0;
}

static void give_slot(tc_front *front, tc_call *call)
{
    tc_slot *slot = &front->slots[call->slot];
    slot->call = NULL;
    slot->next_free = front->free_slot;
    front->free_slot = call->slot;
    front->handed_count--;
    front->open_counts[call->method]--;
    call->slot = 0;
}

static tc_call *call_of(const tc_front *front, uint64_t call_id)
{
    const uint32_t slot = (uint32_t)call_id;
    if (slot == 0 || slot >= front->slot_count || id_of(front, slot) != call_id)
        return NULL;
    return front->slots[slot].call;
}

/* --- handing over -------------------------------------------------------------------------- */

static tc_event *new_event(const tc_call *call, int kind)
{
    tc_event *event = calloc(1, sizeof *event);
    if (event == NULL)
        return NULL;
    event->kind = kind;
    event->method = call->method;
    event->call_id = call->slot ? id_of(call->connection->front, call->slot) : 0;
    return event;
}

/* Returns whether no more calls of a method are handed over. What lasts as long as its caller likes
 * has a share of its own: nobody keeps short calls out by it, and anybody may watch the health. */
static int is_full(const tc_front *front, int method)
{
    const size_t most = front->settings.handed_count_max;
    const uint32_t watches = front->open_counts[TC_HEALTH_WATCH];
    const uint32_t streams = front->open_counts[TC_STREAM_BASKETS];
    if (method == TC_HEALTH_WATCH)
        return watches >= most / WATCHES_ONE_OF;
    if (method == TC_STREAM_BASKETS)
        return streams >= most;
    return front->handed_count - watches - streams >= most;
}

void tc_call_hand_over(tc_call *call)
{
    tc_front *front = call->connection->front;
    if (is_full(front, call->method)) {
        tc_call_fail(call, TC_RESOURCE_EXHAUSTED, "the server has too many calls to answer");
        return;
    }
    tc_event *event = take_slot(front, call) == 0 ? new_event(call, TC_EVENT_CALL) : NULL;
    if (event == NULL || tc_bytes_add(&event->authorization, call->authorization.data,
                                      call->authorization.size) != 0 ||
        tc_bytes_add(&event->request_id, call->request_id.data, call->request_id.size) != 0) {
        if (event != NULL)
            tc_event_free(event);
        if (call->slot != 0)
            give_slot(front, call);
        tc_call_fail(call, TC_RESOURCE_EXHAUSTED, "the server is out of memory");
        return;
    }
    event->is_stream = call->method == TC_STREAM_BASKETS;
    event->authorization_count = call->authorization_count;
    event->timeout_ns =
        call->deadline_ns == INT64_MAX ? -1 : call->deadline_ns - front->turn_ns;
    memcpy(event->peer, call->connection->peer, sizeof event->peer);
    if (!event->is_stream) {
        event->packing = call->head[0] ? call->packing : TC_PLAIN;
        tc_bytes_move(&event->message, &call->input);
        call->state = TC_CALL_HANDED;
        call->part_ns = INT64_MAX;
    }
    TC_ADD(front->counts.handed_over[call->method], 1);
    push(front, event);
}

int tc_call_hand_over_message(tc_call *call)
{
    tc_event *event = call->slot ? new_event(call, TC_EVENT_MESSAGE) : NULL;
    if (event == NULL) {
        tc_call_fail(call, TC_RESOURCE_EXHAUSTED, "the server is out of memory");
        return -1;
    }
    /* It is held until it is answered. */
    call->handed_size = call->input.size;
    event->packing = call->head[0] ? call->packing : TC_PLAIN;
    tc_bytes_move(&event->message, &call->input);
    push(call->connection->front, event);
    return 0;
}

void tc_call_hand_over_close(tc_call *call)
{
    tc_event *event = call->slot && !call->close_sent ? new_event(call, TC_EVENT_HALF_CLOSE) : NULL;
    if (event == NULL)
        return;
    call->close_sent = 1;
    push(call->connection->front, event);
}

void tc_call_hand_over_cancel(tc_call *call)
{
    tc_front *front = call->connection->front;
    if (call->slot == 0)
        return;
    tc_event *event = new_event(call, TC_EVENT_CANCEL);
    give_slot(front, call);
    if (event != NULL)
        push(front, event);
}

void tc_front_log_line(const tc_call *call, int64_t elapsed_ns)
{
    tc_front *front = call->connection->front;
    if (front->turn_ns - front->lines_ns >= TC_SECOND_NS) {
        front->lines_ns = front->turn_ns;
        front->lines_left = LINES_PER_SECOND_MAX;
    }
    if (front->lines_left <= 0)
        return;
    front->lines_left--;
    tc_event *event = calloc(1, sizeof *event);
    if (event == NULL)
        return;
    event->kind = TC_EVENT_LINE;
    event->method = call->method;
    event->code = call->code;
    event->elapsed_ns = elapsed_ns;
    (void)tc_bytes_add(&event->request_id, call->request_id.data, call->request_id.size);
    push(front, event);
}

/* --- replies ------------------------------------------------------------------------------- */

static int post(tc_front *front, uint64_t call_id, int is_end, const void *data, size_t size)
{
    tc_reply *reply = malloc(sizeof *reply + size);
    if (reply == NULL)
        return -1;
    *reply = (tc_reply){.call_id = call_id, .is_end = is_end, .size = size};
    if (size > 0)
        memcpy(reply->data, data, size);
    tc_mailbox *box = &front->replies;
    pthread_mutex_lock(&box->lock);
    const int was_empty = box->first == NULL;
    if (was_empty)
        box->first = reply;
    else
        ((tc_reply *)box->last)->next = reply;
    box->last = reply;
    pthread_mutex_unlock(&box->lock);
    if (was_empty)
        tc_mailbox_wake(box);
    return 0;
}

int tc_front_reply_message(tc_front *front, uint64_t call_id, const void *data, size_t size)
{
    return post(front, call_id, 0, data, size);
}

int tc_front_reply_end(tc_front *front, uint64_t call_id, const void *trailer, size_t size)
{
    return post(front, call_id, 1, trailer, size);
}

/* Returns the number after "grpc-status NUL". */
static int code_in(const tc_bytes *trailer)
{
    const size_t at = sizeof "grpc-status";
    int code = 0;
    for (size_t i = at; i < trailer->size && i < at + 2 && trailer->data[i] != 0; i++)
        code = 10 * code + (trailer->data[i] - '0');
    return code;
}

static void apply(tc_call *call, const tc_reply *reply)
{
    tc_connection *connection = call->connection;
    if (!reply->is_end) {
        call->is_waiting = 0;
        tc_call_release(call, call->handed_size);
        call->handed_size = 0;
        tc_connection_earn(connection, TC_CREDITS_OF_ANSWER);
        if (tc_call_write(call, reply->data, reply->size) != 0)
            tc_call_fail(call, TC_RESOURCE_EXHAUSTED, "the server is out of memory");
    } else {
        call->trailer.size = 0;
        (void)tc_bytes_add(&call->trailer, reply->data, reply->size);
        give_slot(connection->front, call);
        const int code = code_in(&call->trailer);
        tc_call_end(call, code);
        if (code == REFUSED_KEY)
            tc_connection_pay(connection, PRICE_OF_REFUSED_KEY);
    }
    tc_connection_mark(connection);
}

void tc_front_apply_replies(tc_front *front)
{
    uint64_t count;
    tc_mailbox *box = &front->replies;
    ssize_t done = read(box->wake_fd, &count, sizeof count);
    (void)done; /* nothing there to be read is as good */
    pthread_mutex_lock(&box->lock);
    tc_reply *reply = box->first;
    box->first = box->last = NULL;
    pthread_mutex_unlock(&box->lock);
    while (reply != NULL) {
        tc_reply *next = reply->next;
        tc_call *call = call_of(front, reply->call_id);
        if (call != NULL)
            apply(call, reply);
        free(reply);
        reply = next;
    }
}
