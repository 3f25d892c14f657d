/* The crowd: one process that holds many WebSockets open and notes when each frame came.

   crowd PORT COUNT IN_FLIGHT SCRIPT

   SCRIPT is a file of strings, each ended by NUL: the number of steps; for each step the text that the server's
   message begins with; then for each socket the request of its handshake and for each step what the socket answers
   (nothing if empty). A socket has joined when it is through with its steps. After that each message that has a
   `"version":` is a board.

   Orders come on standard input, a line each; answers go to standard output, a line of JSON each:
     begin BASE   forget what was counted; from now on versions above BASE count
     report       what was counted
     quit
   Unasked come {"opened": ...} when every handshake has ended, and {"all": VERSION} when all have this version. */
#include "tally.h"
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PER_ADDRESS 5000
#define BUFFER (1 << 18)
#define EVENTS 512
#define ATTEMPTS 8

enum state { CONNECTING, UPGRADING, TALKING, JOINED, GONE };

struct client {
    int fd;
    enum state state;
    int step;
    int64_t version; /* of the board it has */
    int attempts;
    unsigned char *rest;
    size_t kept;
    char **script; /* the request, then an answer for each step */
};

static struct client *clients;
static int count, in_flight, port, steps, started, joined, failed, closed_later, announced, waiting, refused;
static struct client **again; /* whose handshake was refused and is tried once more after all the others */
static char **expected;
static uint64_t frames, doubled, skipped, pings, bytes, began_at, opened_first, opened_last;
static double began_cpu;
static int poller;
static unsigned char buffer[BUFFER];
static char first_failure[160];

static char **read_script(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file)
        die(path);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *text = malloc((size_t)size + 1);
    if (!text || fread(text, 1, (size_t)size, file) != (size_t)size)
        die(path);
    fclose(file);
    text[size] = 0;
    steps = atoi(text);
    size_t strings = (size_t)steps + (size_t)count * (size_t)(steps + 1);
    char **all = malloc(strings * sizeof *all);
    text += strlen(text) + 1;
    for (size_t i = 0; i < strings; i++, text += strlen(text) + 1)
        all[i] = text;
    return all;
}

static void note(const char *why, size_t length) {
    if (!first_failure[0])
        snprintf(first_failure, sizeof first_failure, "%.*s", (int)length, why);
    for (char *p = first_failure; *p; p++)
        if (*p == '"' || *p == '\\' || (unsigned char)*p < ' ' || (unsigned char)*p > '~')
            *p = ' ';
}

static void fail(struct client *c, const char *why, size_t length) {
    note(why, length);
    if (c->state == JOINED) {
        joined--;
        closed_later++;
    } else if (++c->attempts < ATTEMPTS) {
        refused++;
        again[waiting++] = c;
    } else
        failed++;
    close(c->fd);
    c->state = GONE;
    c->step = 0;
    c->kept = 0;
    free(c->rest);
    c->rest = NULL;
}

static void send_all(struct client *c, const void *data, size_t length) {
    if (send(c->fd, data, length, MSG_NOSIGNAL) != (ssize_t)length)
        fail(c, "a short write", 13);
}

static void say(struct client *c, int opcode, const unsigned char *text, size_t length) {
    static const unsigned char mask[4] = {0x5a, 0x11, 0xc3, 0x7e};
    unsigned char out[8192];
    if (length > sizeof out - 16)
        return;
    size_t head = frame_head(out, opcode, length, 1);
    memcpy(out + head, mask, 4);
    for (size_t i = 0; i < length; i++)
        out[head + 4 + i] = text[i] ^ mask[i & 3];
    send_all(c, out, head + 4 + length);
}

static void join(struct client *c) {
    c->state = JOINED;
    joined++;
    opened_last = now_ns();
}

static void advance(struct client *c, const char *text, size_t length) {
    size_t want = strlen(expected[c->step]);
    if (length < want || memcmp(text, expected[c->step], want) != 0)
        return;
    const char *answer = c->script[++c->step];
    if (*answer)
        say(c, 1, (const unsigned char *)answer, strlen(answer));
    if (c->state == TALKING && c->step == steps)
        join(c);
}

/* The version stands at a message's end; what comes before it is searched only if it does not. */
static int64_t version_of(const char *text, size_t length) {
    static const char key[] = "\"version\":";
    size_t tail = length < 48 ? length : 48;
    const char *at = memmem(text + length - tail, tail, key, sizeof key - 1);
    if (!at)
        at = memmem(text, length, key, sizeof key - 1);
    return at ? strtoll(at + sizeof key - 1, NULL, 10) : -1;
}

static void take_board(struct client *c, const char *text, size_t length, uint64_t now) {
    int64_t version = version_of(text, length);
    if (version < 0)
        return;
    frames++;
    if (version <= c->version) {
        doubled++;
        return;
    }
    if (c->version >= base && version > c->version + 1)
        skipped += (uint64_t)(version - c->version - 1);
    arrive(c->version, version, text, length, now);
    c->version = version;
    if (version <= base || version > base + SLOTS)
        return;
    if (slots[version - base - 1].count == joined)
        printf("{\"all\":%lld}\n", (long long)version), fflush(stdout);
}

static void take_text(struct client *c, const char *text, size_t length, uint64_t now) {
    if (length == 1 && *text == '2') { /* Engine.IO's ping */
        pings++;
        say(c, 1, (const unsigned char *)"3", 1);
        return;
    }
    if (c->state == TALKING)
        advance(c, text, length);
    if (c->state == JOINED)
        take_board(c, text, length, now);
}

static void take_frame(struct client *c, int opcode, unsigned char *data, size_t length, uint64_t now) {
    if (opcode == 1)
        take_text(c, (const char *)data, length, now);
    else if (opcode == 9) {
        pings++;
        say(c, 10, data, length);
    } else if (opcode == 8)
        fail(c, (const char *)data + (length > 2 ? 2 : 0), length > 2 ? length - 2 : 0);
}

/* Returns how much of the answer to the handshake was consumed; 0 if it is not complete or was a refusal. */
static size_t take_upgrade(struct client *c, const unsigned char *data, size_t length) {
    const unsigned char *end = memmem(data, length, "\r\n\r\n", 4);
    if (!end)
        return 0;
    if (length < 12 || memcmp(data, "HTTP/1.1 101", 12) != 0) {
        fail(c, (const char *)data, strcspn((const char *)data, "\r"));
        return 0;
    }
    c->state = TALKING;
    if (!steps)
        join(c);
    return (size_t)(end + 4 - data);
}

static void keep(struct client *c, const unsigned char *data, size_t length) {
    unsigned char *rest = length ? malloc(length) : NULL;
    if (length)
        memcpy(rest, data, length);
    free(c->rest);
    c->rest = rest;
    c->kept = length;
}

static void take(struct client *c, unsigned char *data, size_t length, uint64_t now) {
    size_t at = c->state == UPGRADING ? take_upgrade(c, data, length) : 0;
    while (c->state == TALKING || c->state == JOINED) {
        int opcode = 0;
        size_t size = 0;
        int head = read_head(data + at, length - at, &opcode, &size);
        if (head < 0)
            fail(c, "a strange frame", 15);
        if (head <= 0 || at + (size_t)head + size > length)
            break;
        take_frame(c, opcode, data + at + head, size, now);
        at += (size_t)head + size;
    }
    if (c->state != GONE && (c->rest || at < length))
        keep(c, data + at, length - at);
}

static void readable(struct client *c) {
    memcpy(buffer, c->rest ? c->rest : buffer, c->kept);
    ssize_t got = recv(c->fd, buffer + c->kept, BUFFER - 1 - c->kept, 0);
    uint64_t now = now_ns();
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN)
            fail(c, got ? strerror(errno) : "closed", got ? strlen(strerror(errno)) : 6);
        return;
    }
    bytes += (uint64_t)got;
    size_t length = c->kept + (size_t)got;
    buffer[length] = 0;
    c->kept = 0;
    take(c, buffer, length, now);
}

static void writable(struct client *c) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        fail(c, strerror(error), strlen(strerror(error)));
        return;
    }
    c->state = UPGRADING;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
    send_all(c, c->script[0], strlen(c->script[0]));
}

/* Some thousand sockets for each source address, so that ports do not run out. */
static void start(struct client *c, int number) {
    int on = 1;
    struct linger abort_at_end = {.l_onoff = 1, .l_linger = 0};
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000002u + (uint32_t)(number / PER_ADDRESS))};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001u), .sin_port = htons((uint16_t)port)};
    c->state = CONNECTING;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        die("socket");
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &abort_at_end, sizeof abort_at_end);
    bind(c->fd, (struct sockaddr *)&from, sizeof from);
    connect(c->fd, (struct sockaddr *)&to, sizeof to); /* epoll tells how it went. */
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event);
}

static void start_more(void) {
    while (started - waiting - joined - failed - closed_later < in_flight) {
        struct client *c = started < count ? &clients[started++] : waiting ? again[--waiting] : NULL;
        if (!c)
            break;
        start(c, (int)(c - clients));
    }
    if (announced || joined + failed + closed_later < count)
        return;
    announced = 1;
    printf("{\"opened\":%d,\"failed\":%d,\"closed\":%d,\"refused\":%d,\"seconds\":%.6f,\"cpu\":%.6f,\"why\":\"%s\"}\n",
           joined, failed, closed_later, refused, (double)(opened_last - opened_first) / 1e9, own_cpu(), first_failure);
    fflush(stdout);
}

static void begin(int64_t from) {
    forget_slots(from);
    frames = doubled = skipped = pings = bytes = 0;
    began_at = now_ns();
    began_cpu = own_cpu();
}

static void report(void) {
    int behind = 0;
    for (int i = 0; i < count; i++)
        behind += clients[i].state == JOINED && clients[i].version < newest;
    printf("{\"open\":%d,\"closed\":%d,\"cpu\":%.6f,\"seconds\":%.6f,\"frames\":%llu,\"doubled\":%llu,\"skipped\":%llu,"
           "\"behind\":%d,\"newest\":%lld,\"pings\":%llu,\"bytes\":%llu,\"why\":\"%s\",\"broadcasts\":[",
           joined, closed_later, own_cpu() - began_cpu, (double)(now_ns() - began_at) / 1e9, (unsigned long long)frames,
           (unsigned long long)doubled, (unsigned long long)skipped, behind, (long long)newest,
           (unsigned long long)pings, (unsigned long long)bytes, first_failure);
    print_slots();
    printf("]}\n");
    fflush(stdout);
}

static void obey(void) {
    static char orders[4096];
    static size_t have;
    ssize_t got = read(0, orders + have, sizeof orders - 1 - have);
    if (got <= 0)
        exit(0);
    have += (size_t)got;
    orders[have] = 0;
    for (char *end; (end = strchr(orders, '\n')); memmove(orders, end + 1, strlen(end + 1) + 1)) {
        *end = 0;
        if (strncmp(orders, "begin ", 6) == 0)
            begin(strtoll(orders + 6, NULL, 10)), printf("{\"began\":true}\n"), fflush(stdout);
        else if (strcmp(orders, "report") == 0)
            report();
        else
            exit(0);
    }
    have = strlen(orders);
}

int main(int argc, char **argv) {
    if (argc != 5)
        return 2;
    port = atoi(argv[1]), count = most = atoi(argv[2]), in_flight = atoi(argv[3]);
    clients = calloc((size_t)count, sizeof *clients);
    again = calloc((size_t)count, sizeof *again);
    expected = read_script(argv[4]);
    for (int i = 0; i < count; i++)
        clients[i] = (struct client){.fd = -1, .version = -1, .script = expected + steps + (size_t)i * (size_t)(steps + 1)};
    poller = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
    if (epoll_ctl(poller, EPOLL_CTL_ADD, 0, &event))
        die("standard input");
    opened_first = now_ns();
    begin(INT64_MAX / 2);
    for (;;) {
        start_more();
        int ready = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            struct client *c = events[i].data.ptr;
            if (!c)
                obey();
            else if (c->state == CONNECTING)
                writable(c);
            else if (c->state != GONE)
                readable(c);
        }
    }
}
