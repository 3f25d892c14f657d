/* The floor: what the kernel alone costs. Accepts sockets, and for each line on standard input sends it as one frame to
   all of them in a loop of send(2). Prints its port, then for each line the CPU and the time that the loop took.
   Handshakes are not looked at: any request is answered with 101. */
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 512
#define LINE 65536

static int *sockets, held, room, poller, listener;
static const char upgrade[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

static void listen_somewhere(void) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001u)};
    socklen_t size = sizeof at;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 2048))
        die("listen");
    getsockname(listener, (struct sockaddr *)&at, &size);
    printf("{\"port\":%d}\n", ntohs(at.sin_port));
    fflush(stdout);
}

static void watch(int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event))
        die("epoll_ctl");
}

static void accept_all(void) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(fd);
    }
}

static void greet(int fd) {
    static char request[LINE];
    if (recv(fd, request, sizeof request, 0) <= 0) {
        for (int i = 0; i < held; i++)
            if (sockets[i] == fd)
                sockets[i--] = sockets[--held];
        close(fd);
        return;
    }
    if (strncmp(request, "GET ", 4) != 0)
        return;
    if (held == room)
        sockets = realloc(sockets, sizeof *sockets * (size_t)(room += 1024));
    sockets[held++] = fd;
    send(fd, upgrade, sizeof upgrade - 1, MSG_NOSIGNAL);
}

static void broadcast(const char *text, size_t length) {
    static unsigned char frame[LINE + 16];
    size_t head = frame_head(frame, 1, length, 0), size = head + length;
    int whole = 0;
    memcpy(frame + head, text, length);
    double cpu = own_cpu();
    uint64_t began = now_ns();
    for (int i = 0; i < held; i++)
        whole += send(sockets[i], frame, size, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size;
    printf("{\"cpu\":%.6f,\"seconds\":%.6f,\"sent\":%d}\n", own_cpu() - cpu, (double)(now_ns() - began) / 1e9, whole);
    fflush(stdout);
}

static void obey(void) {
    static char orders[LINE];
    static size_t have;
    ssize_t got = read(0, orders + have, sizeof orders - 1 - have);
    if (got <= 0)
        exit(0);
    have += (size_t)got;
    char *end = memchr(orders, '\n', have);
    if (!end)
        return;
    broadcast(orders, (size_t)(end - orders));
    have = 0; /* The driver waits for an answer before it sends another line. */
}

int main(void) {
    struct epoll_event events[EVENTS];
    poller = epoll_create1(0);
    listen_somewhere();
    watch(listener);
    watch(0);
    for (;;) {
        int ready = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == 0)
                obey();
            else if (fd == listener)
                accept_all();
            else
                greet(fd);
        }
    }
}
