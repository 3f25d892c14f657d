/* What both programs of the live benchmark share: the clock, the process's own CPU, and frames of RFC 6455. */
#ifndef FAIRBOARD_BENCH_WIRE_H
#define FAIRBOARD_BENCH_WIRE_H

#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static inline uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

/* User and system time of this process, in seconds. */
static inline double own_cpu(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static inline void die(const char *what) {
    perror(what);
    exit(1);
}

/* Writes a frame's head and returns its length. `masked` is what a client has to set. */
static inline size_t frame_head(unsigned char *out, int opcode, size_t length, int masked) {
    unsigned char bit = masked ? 0x80 : 0;
    out[0] = (unsigned char)(0x80 | opcode);
    if (length < 126) {
        out[1] = (unsigned char)(bit | length);
        return 2;
    }
    if (length < 65536) {
        out[1] = bit | 126;
        out[2] = (unsigned char)(length >> 8);
        out[3] = (unsigned char)length;
        return 4;
    }
    out[1] = bit | 127;
    for (int i = 0; i < 8; i++)
        out[2 + i] = (unsigned char)((uint64_t)length >> (56 - 8 * i));
    return 10;
}

/* Reads a frame's head. Returns its length, 0 if more bytes are needed, -1 for what a server must not send. */
static inline int read_head(const unsigned char *in, size_t have, int *opcode, size_t *length) {
    if (have < 2)
        return 0;
    if ((in[0] & 0xf0) != 0x80 || (in[1] & 0x80))
        return -1; /* Fragments, extensions, masks: neither server of ours needs them. */
    *opcode = in[0] & 0x0f;
    *length = in[1] & 0x7f;
    if (*length < 126)
        return 2;
    int extra = *length == 126 ? 2 : 8;
    if (have < (size_t)(2 + extra))
        return 0;
    *length = 0;
    for (int i = 0; i < extra; i++)
        *length = *length << 8 | in[2 + i];
    return 2 + extra;
}

#endif
