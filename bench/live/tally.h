/* When each version came: for each the moments at which clients had it or a newer one. */
#ifndef FAIRBOARD_BENCH_TALLY_H
#define FAIRBOARD_BENCH_TALLY_H

#include "wire.h"

#define SLOTS 8192

struct slot {
    uint64_t first, last;
    int count;
    uint32_t *late; /* microseconds after the first, in the order of arrival and so sorted */
    char *body;     /* as it came; NULL if every client skipped it */
};

static struct slot slots[SLOTS];
static int64_t base, newest;
static int most; /* clients */

static void forget_slots(int64_t from) {
    for (int i = 0; i < SLOTS; i++) {
        free(slots[i].late);
        free(slots[i].body);
    }
    memset(slots, 0, sizeof slots);
    base = newest = from;
}

static void credit(struct slot *slot, uint64_t now) {
    if (!slot->count) {
        slot->first = now;
        slot->late = malloc(sizeof *slot->late * (size_t)most);
    }
    if (slot->count < most)
        slot->late[slot->count++] = (uint32_t)((now - slot->first) / 1000);
    slot->last = now;
}

/* A client that had one version gets another, and with it all that it skipped. */
static void arrive(int64_t had, int64_t version, const char *text, size_t length, uint64_t now) {
    if (version <= base || version > base + SLOTS)
        return;
    for (int64_t each = (had > base ? had : base) + 1; each <= version; each++)
        credit(&slots[each - base - 1], now);
    struct slot *slot = &slots[version - base - 1];
    if (!slot->body)
        slot->body = strndup(text, length);
    if (version > newest)
        newest = version;
}

static void print_slot(int number, const char *comma) {
    struct slot *s = &slots[number];
    printf("%s{\"version\":%lld,\"clients\":%d,\"first\":%llu,\"last\":%llu,\"late\":[", comma,
           (long long)(base + 1 + number), s->count, (unsigned long long)s->first, (unsigned long long)s->last);
    for (int share = 0; share <= 100; share++)
        printf("%s%u", share ? "," : "", s->late[(size_t)(s->count - 1) * (size_t)share / 100]);
    printf("],\"text\":\"");
    for (const char *p = s->body ? s->body : ""; *p; p++)
        *p == '"' || *p == '\\' ? printf("\\%c", *p) : putchar((unsigned char)*p < ' ' ? ' ' : *p);
    printf("\"}");
}

static void print_slots(void) {
    int printed = 0;
    for (int i = 0; i < SLOTS; i++)
        if (slots[i].count)
            print_slot(i, printed++ ? "," : "");
}

#endif
