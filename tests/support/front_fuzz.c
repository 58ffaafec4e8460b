/* Feed the frames of the front with what no client would send, and count what is left behind.
 *
 * usage: front_fuzz SEED ROUNDS
 *
 * Each round is a few connections without sockets. What they send is drawn from frames that are
 * right, nearly right and wrong, with headers that libnghttp2 wrote, and cut into pieces anywhere.
 * Whatever is handed over is answered, late or never. After a round nothing may be left: no call,
 * no connection, no byte that is held. Sanitizers see the rest.
 */
#include "../../ext/front/parts.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS 4
#define FRAMES_MAX 60

static uint64_t state;

static uint32_t draw(uint32_t bound)
{
    /* xorshift64* (Vigna) */
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * UINT64_C(2685821657736338717)) >> 33) % bound;
}

static void *new_workspace(void)
{
    return malloc(1);
}

static int answer(
    const void *plans, void *workspace, int method, const unsigned char *request, size_t size,
    int64_t now_ns, tc_bytes *response)
{
    (void)plans;
    (void)workspace;
    (void)method;
    (void)now_ns;
    if (size > 0 && request[0] % 2)
        return TC_HAND_OVER;
    response->size = 0;
    return tc_bytes_add(response, request, size) == 0 &&
            (draw(8) || tc_bytes_add(response, request, size) == 0)
        ? TC_ANSWERED
        : TC_HAND_OVER;
}

/* --- what is sent -------------------------------------------------------------------------- */

static void add_frame(
    tc_bytes *to, size_t size, unsigned kind, unsigned flags, uint32_t stream_id,
    const unsigned char *payload)
{
    const unsigned char head[9] = {
        (unsigned char)(size >> 16), (unsigned char)(size >> 8), (unsigned char)size,
        (unsigned char)kind, (unsigned char)flags, (unsigned char)(stream_id >> 24),
        (unsigned char)(stream_id >> 16), (unsigned char)(stream_id >> 8),
        (unsigned char)stream_id,
    };
    (void)tc_bytes_add(to, head, sizeof head);
    (void)tc_bytes_add(to, payload, size);
}

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){
        (uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value), 0,
    };
}

/* Returns whether the stream has ended with it. */
static int add_headers(tc_bytes *to, nghttp2_hd_deflater *deflater, uint32_t stream_id)
{
    static const char *const paths[] = {
        "/tillcore.v1.BasketService/EvaluateBasket", "/tillcore.v1.BasketService/EvaluateBaskets",
        "/tillcore.v1.BasketService/StreamBaskets", "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch", "/x/y", "*",
    };
    static const char *const timeouts[] = {"1S", "0S", "1n", "99999999H", "x", "", "123456789S"};
    static const char *const encodings[] = {"identity", "gzip", "deflate", "br"};
    static char large[3000];
    memset(large, 'a', sizeof large - 1);
    nghttp2_nv fields[16];
    size_t count = 0;
    fields[count++] = field(":method", draw(20) ? "POST" : "GET");
    fields[count++] = field(":scheme", "http");
    fields[count++] = field(":authority", "till");
    fields[count++] = field(":path", paths[draw(draw(3) ? 3 : 7)]);
    fields[count++] = field("content-type", draw(20) ? "application/grpc" : "text/plain");
    if (draw(20))
        fields[count++] = field("te", "trailers");
    if (!draw(4))
        fields[count++] = field("grpc-timeout", timeouts[draw(7)]);
    if (!draw(4))
        fields[count++] = field("grpc-encoding", encodings[draw(4)]);
    if (draw(2))
        fields[count++] = field("authorization", draw(3) ? "Bearer good" : "Bearer bad");
    if (!draw(10))
        fields[count++] = field("authorization", "Bearer good");
    if (!draw(3))
        fields[count++] = field("x-request-id", draw(2) ? "till-7" : large);
    for (uint32_t more = draw(30) ? 0 : draw(6); more > 0; more--)
        fields[count++] = field("x-large", large);
    unsigned char block[65536];
    const ssize_t size =
        nghttp2_hd_deflate_hd(deflater, block, sizeof block, fields, count);
    if (size < 0)
        return 1;
    const unsigned end = draw(30) ? 0 : NGHTTP2_FLAG_END_STREAM;
    if (size < 16000 && draw(8)) {
        add_frame(
            to, (size_t)size, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | end, stream_id, block);
        return end != 0;
    }
    const size_t cut = (size_t)size < 16000 ? draw((uint32_t)size) : 16000;
    add_frame(to, cut, NGHTTP2_HEADERS, end, stream_id, block);
    add_frame(
        to, (size_t)size - cut, NGHTTP2_CONTINUATION, draw(50) ? NGHTTP2_FLAG_END_HEADERS : 0,
        stream_id, block + cut);
    return end != 0;
}

/* Returns whether the stream has ended with it. */
static int add_message(tc_bytes *to, uint32_t stream_id)
{
    unsigned char body[4096];
    size_t size = 0;
    for (uint32_t messages = 1 + (draw(4) ? 0 : draw(5)); messages > 0; messages--) {
        const uint32_t length = draw(6) ? draw(40) : draw(700);
        const uint32_t stated = draw(30) ? length : draw(UINT32_MAX);
        const unsigned char head[5] = {
            (unsigned char)(draw(10) ? 0 : draw(3)), (unsigned char)(stated >> 24),
            (unsigned char)(stated >> 16), (unsigned char)(stated >> 8), (unsigned char)stated,
        };
        memcpy(body + size, head, sizeof head);
        size += sizeof head;
        for (uint32_t i = 0; i < length; i++)
            body[size++] = (unsigned char)draw(256);
    }
    const size_t cut = draw(3) ? size : draw((uint32_t)size + 1);
    const unsigned end = draw(2) ? NGHTTP2_FLAG_END_STREAM : 0;
    if (cut < size)
        add_frame(to, cut, NGHTTP2_DATA, 0, stream_id, body);
    add_frame(to, size - (cut < size ? cut : 0), NGHTTP2_DATA, end, stream_id,
              body + (cut < size ? cut : 0));
    return end != 0;
}

static void add_noise(tc_bytes *to, uint32_t next_id)
{
    /* A stream that was opened, or rarely one that was not. */
    const uint32_t stream_id = draw(50) && next_id > 1 ? 2 * draw(next_id / 2) + 1 : next_id + 2;
    unsigned char payload[64];
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (unsigned char)draw(256);
    switch (draw(6)) {
    case 0:
        add_frame(to, 8, NGHTTP2_PING, draw(2), 0, payload);
        break;
    case 1:
        payload[0] = 0;
        /* The initial window, or rarely something else. */
        payload[1] = (unsigned char)(draw(20) ? 4 : 1 + draw(6));
        payload[2] &= draw(20) ? 0 : 0x7f;
        add_frame(to, 6, NGHTTP2_SETTINGS, 0, 0, payload);
        break;
    case 2:
        payload[0] &= draw(20) ? 0 : 0x7f;
        payload[3] |= draw(20) ? 1 : 0;
        add_frame(to, 4, NGHTTP2_WINDOW_UPDATE, 0, draw(2) ? 0 : stream_id, payload);
        break;
    case 3:
        add_frame(to, 4, NGHTTP2_RST_STREAM, 0, stream_id, payload);
        break;
    case 4:
        add_frame(to, 5, NGHTTP2_PRIORITY, 0, stream_id, payload);
        break;
    default:
        if (draw(10))
            break;
        add_frame(to, draw(64), draw(20), draw(256), draw(9), payload);
        break;
    }
}

static tc_bytes sent_by_a_client(void)
{
    tc_bytes sent = {0};
    nghttp2_hd_deflater *deflater = NULL;
    nghttp2_hd_deflate_new(&deflater, 4096);
    (void)tc_bytes_add(&sent, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN);
    add_frame(&sent, 0, NGHTTP2_SETTINGS, 0, 0, NULL);
    uint32_t next_id = 1;
    uint8_t has_ended[FRAMES_MAX] = {0};
    for (uint32_t frames = draw(FRAMES_MAX); frames > 0; frames--) {
        const uint32_t kind = draw(12);
        if (kind < 5) {
            const uint32_t number = next_id / 2;
            has_ended[number] = (uint8_t)add_headers(&sent, deflater, next_id);
            if (draw(4) && !has_ended[number])
                has_ended[number] = (uint8_t)add_message(&sent, next_id);
            next_id += 2;
        } else if (kind < 9) {
            const uint32_t number = next_id > 1 ? draw(next_id / 2) : 0;
            if ((next_id > 1 && !has_ended[number]) || !draw(100))
                has_ended[number] = (uint8_t)add_message(&sent, 2 * number + 1);
        } else {
            add_noise(&sent, next_id);
        }
    }
    /* Now and then a byte is another one. */
    for (uint32_t wrong = draw(4) ? 0 : draw(4); wrong > 0 && sent.size > 40; wrong--)
        sent.data[24 + draw((uint32_t)sent.size - 24)] ^= (unsigned char)(1u << draw(8));
    nghttp2_hd_deflate_del(deflater);
    return sent;
}

/* --- what is answered ---------------------------------------------------------------------- */

static void answer_events(tc_front *front)
{
    static const char trailer[] = "grpc-status\0000\0x-request-id\0till-7";
    static const char refusal[] = "grpc-status\00016\0grpc-message\0no";
    for (tc_event *event = tc_front_take_events(front), *next; event != NULL; event = next) {
        next = event->next;
        if (event->kind == TC_EVENT_MESSAGE || (event->kind == TC_EVENT_CALL && !event->is_stream))
            if (draw(8))
                tc_front_reply_message(
                    front, event->call_id, event->message.data, event->message.size);
        if (event->kind == TC_EVENT_HALF_CLOSE || (event->kind != TC_EVENT_LINE && !draw(4)))
            tc_front_reply_end(front, event->call_id, trailer, sizeof trailer);
        else if (!draw(20))
            tc_front_reply_end(front, event->call_id, refusal, sizeof refusal);
        if (!draw(30))
            tc_front_reply_end(front, event->call_id + draw(3), trailer, sizeof trailer);
        tc_event_free(event);
    }
    if (draw(3))
        tc_front_apply_replies(front);
}

static int drain_output(tc_connection *connection)
{
    for (;;) {
        if (tc_connection_collect(connection) != 0)
            return -1;
        if (connection->output.size == 0)
            return tc_connection_is_over(connection) ? -1 : 0;
        connection->output.size = 0;
    }
}

static void play(tc_front *front)
{
    for (uint32_t i = 1 + draw(CONNECTIONS); i > 0; i--) {
        tc_bytes sent = sent_by_a_client();
        tc_connection *connection = tc_connection_new(front, -1, "ipv4:127.0.0.1:40000");
        int is_over = connection == NULL;
        for (size_t at = 0; at < sent.size && !is_over;) {
            const size_t left = sent.size - at;
            const size_t part = draw(3) ? left : 1 + draw((uint32_t)left);
            is_over = tc_connection_receive(connection, sent.data + at, part) != 0;
            at += part;
            if (!is_over && draw(4))
                is_over = drain_output(connection) != 0;
            answer_events(front);
            tc_front_resume(front);
            if (!draw(6))
                front->turn_ns += (int64_t)draw(3) * TC_SECOND_NS;
            if (!is_over && !draw(10))
                tc_connection_ask_to_leave(connection);
            if (!is_over && !draw(3))
                is_over = tc_connection_sweep(connection) != 0;
        }
        /* Some stay beside those that come after them. */
        if (is_over || draw(2))
            if (connection != NULL)
                tc_connection_free(connection);
        tc_bytes_free(&sent);
    }
    while (front->connections != NULL)
        tc_connection_free(front->connections);
    answer_events(front);
    tc_front_apply_replies(front);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: front_fuzz SEED ROUNDS\n");
        return 2;
    }
    const uint64_t seed = strtoull(argv[1], NULL, 10), rounds = strtoull(argv[2], NULL, 10);
    const tc_answerer answerer = {
        .new_workspace = new_workspace, .free_workspace = free, .answer = answer,
    };
    unsigned char digest[TC_DIGEST_SIZE];
    tc_sha256((const unsigned char *)"Bearer good", 11, digest);
    uint64_t handled = 0, handed = 0, calmed = 0;
    for (uint64_t round = 0; round < rounds; round++) {
        state = (seed + round + 1) * UINT64_C(0x9e3779b97f4a7c15);
        const tc_front_settings settings = {
            .stream_count_max = 100, .message_bytes_max = 1 + draw(1000),
            .inline_bytes_max = draw(500), .metadata_bytes_max = 16384,
            .held_bytes_max = draw(4) ? 1u << 20 : 1 + draw(5000), .handed_count_max = draw(40),
            .first_ns = TC_SECOND_NS, .request_ns = TC_SECOND_NS, .idle_ns = TC_SECOND_NS,
            .age_ns = draw(2) ? 0 : 3 * TC_SECOND_NS, .stall_ns = TC_SECOND_NS,
            .ping_ns = TC_SECOND_NS, .sample_every = draw(5), .fixed_now_ns = 1,
        };
        tc_front *front = tc_front_new(&settings);
        if (front == NULL)
            return 1;
        tc_front_set_answerer(front, "a", &answerer);
        tc_front_set_key(front, digest, "a", draw(8), TC_SECOND_NS * 100);
        if (draw(2))
            tc_front_set_anybody(front, "a", draw(8));
        play(front);
        if (front->counts.streams || front->counts.connections || front->counts.held_bytes ||
            front->handed_count) {
            fprintf(
                stderr, "round %llu: %llu calls, %llu connections, %llu bytes, %u handed over left\n",
                (unsigned long long)(seed + round), (unsigned long long)front->counts.streams,
                (unsigned long long)front->counts.connections,
                (unsigned long long)front->counts.held_bytes, front->handed_count);
            return 1;
        }
        for (int method = 0; method < TC_HOT_METHOD_COUNT; method++) {
            handled += front->counts.handled[method][TC_OK];
            handed += front->counts.handed_over[method];
        }
        handled += front->counts.stream_messages;
        calmed += front->counts.calmed;
        tc_front_free(front);
    }
    printf(
        "%llu rounds, %llu messages answered, %llu calls handed over, %llu floods\n",
        (unsigned long long)rounds, (unsigned long long)handled, (unsigned long long)handed,
        (unsigned long long)calmed);
    return 0;
}
