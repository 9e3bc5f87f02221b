/* Measures reads through the C library beside uthash and hashbrown, in one process, taking turns.
   Usage: lookup SECTIONS [quick]; the package `network` has SECTIONS sections of ten options.

   Every contender is called through a pointer, with a key that ends in NUL, and answers with a pointer to the
   value. The key of a read depends on the first byte of the value before, so that what is measured is latency:
   the processor cannot overlap two reads. Keys come from a stream that is made beforehand. The median of the
   repetitions counts, and the median of the ratios within each repetition. */
#define _GNU_SOURCE
#include <cms.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uthash.h>

enum { STREAM = 1 << 20, SLOT = 32, BATCH = 16, MAX_REPEATS = 21 };

typedef const char *(*get_function)(void *context, const char *key, char *scratch);

extern void *peer_new(void);
extern void peer_put(void *map, const char *key, const char *value);
extern const char *peer_get(void *map, const char *key, char *scratch);

struct entry {
    const char *key, *value;
    UT_hash_handle hh;
};

static char (*stream)[SLOT];

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static uint64_t next_random(void)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static const char *snapshot_get(void *context, const char *key, char *scratch)
{
    cms_bytes value;
    (void)scratch;
    return cms_snapshot_get(context, key, &value) == CMS_OK ? value.data : NULL;
}

static const char *copying_get(void *context, const char *key, char *scratch)
{
    return cms_get(context, key, scratch, 64, NULL) == CMS_OK ? scratch : NULL;
}

static const char *uthash_get(void *context, const char *key, char *scratch)
{
    struct entry *found, *head = *(struct entry **)context;
    (void)scratch;
    HASH_FIND_STR(head, key, found);
    return found ? found->value : NULL;
}

/* Nanoseconds for one read. */
static double latency(get_function get, void *context, int count)
{
    char scratch[64];
    size_t shift = 0;
    double start = now();
    int i;

    for (i = 0; i < count; i++) {
        const char *value = get(context, stream[(size_t)i + shift], scratch);
        if (!value)
            exit(3);
        shift = value[0] == '#';
    }
    return (now() - start) / count;
}

static double key_latency(cms_store *store, int count)
{
    cms_key *key;
    cms_bytes value;
    size_t shift = 0;
    double start;
    int i;

    if (cms_key_new(store, stream[0], &key) != CMS_OK || cms_key_get(key, &value) != CMS_OK)
        exit(3);
    start = now();
    for (i = 0; i < count; i++) {
        if (cms_key_get((cms_key *)((char *)key + shift), &value) != CMS_OK)
            exit(3);
        shift = value.data[0] == '#';
    }
    start = (now() - start) / count;
    cms_key_free(key);
    return start;
}

static double batch_time(cms_snapshot *snapshot, int count)
{
    const char *keys[BATCH];
    cms_bytes values[BATCH];
    double start = now();
    int i, j;

    for (i = 0; i + BATCH <= count; i += BATCH) {
        for (j = 0; j < BATCH; j++)
            keys[j] = stream[i + j];
        if (cms_snapshot_get_many(snapshot, keys, BATCH, values) != CMS_OK)
            exit(3);
    }
    return (now() - start) / count;
}

static double single_time(cms_snapshot *snapshot, int count)
{
    cms_bytes value;
    double start = now();
    int i;

    for (i = 0; i < count; i++)
        if (cms_snapshot_get(snapshot, stream[i], &value) != CMS_OK)
            exit(3);
    return (now() - start) / count;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *values, int count)
{
    double sorted[MAX_REPEATS];
    memcpy(sorted, values, (size_t)count * sizeof *values);
    qsort(sorted, (size_t)count, sizeof *sorted, compare);
    return sorted[count / 2];
}

static double median_ratio(double (*times)[MAX_REPEATS], int a, int b, int count)
{
    double ratios[MAX_REPEATS];
    int i;
    for (i = 0; i < count; i++)
        ratios[i] = times[a][i] / times[b][i];
    return median(ratios, count);
}

static void write_key(char *key, size_t entry)
{
    unsigned section = (unsigned)(entry / 10) % 10000000u, option = (unsigned)(entry % 10);
    snprintf(key, SLOT, "network.s%07u.option%02u", section, option);
}

/* Fills the stream with keys: uniform among `distinct`, or by Zipf's law with exponent 0.99, scrambled. */
static void fill_stream(size_t entries, size_t distinct, int zipf)
{
    double *steps = NULL;
    size_t *picked = malloc(distinct * sizeof *picked), i;

    for (i = 0; i < distinct; i++)
        picked[i] = next_random() % entries;
    if (zipf) {
        double sum = 0;
        steps = malloc(distinct * sizeof *steps);
        for (i = 0; i < distinct; i++)
            steps[i] = sum += 1 / pow((double)i + 1, 0.99);
    }
    for (i = 0; i <= STREAM; i++) {
        size_t choice = next_random() % distinct;
        if (zipf) {
            double wanted = (double)(next_random() >> 11) / 9007199254740992.0 * steps[distinct - 1];
            size_t low = 0, high = distinct - 1;
            while (low < high) {
                size_t middle = (low + high) / 2;
                if (steps[middle] < wanted)
                    low = middle + 1;
                else
                    high = middle;
            }
            choice = low;
        }
        write_key(stream[i], picked[choice]);
    }
    free(steps);
    free(picked);
}

static void measure(const char *name, cms_store *store, cms_snapshot *snapshot, struct entry **table, void *peer,
                    int hot, int quick)
{
    get_function functions[] = { snapshot_get, copying_get, uthash_get, peer_get };
    void *contexts[] = { snapshot, store, table, peer };
    double times[4][MAX_REPEATS], keys[MAX_REPEATS], batch[MAX_REPEATS];
    int repeats = quick ? 3 : hot ? 15 : 9, count = hot ? STREAM : STREAM / 4, i, c;

    for (i = 0; i < repeats; i++) {
        for (c = 0; c < 4; c++)
            times[c][i] = latency(functions[c], contexts[c], count);
        keys[i] = key_latency(store, count);
        batch[i] = batch_time(snapshot, count) / single_time(snapshot, count);
    }
    printf("%-12s %8.1f %8.1f %8.1f %8.1f %8.1f | %9.2f %9.2f %9.2f %9.2f\n", name, median(times[0], repeats),
           median(times[1], repeats), median(keys, repeats), median(times[2], repeats), median(times[3], repeats),
           median_ratio(times, 0, 3, repeats), median_ratio(times, 0, 2, repeats),
           median_ratio(times, 1, 0, repeats), median(batch, repeats));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    size_t sections = argc > 1 ? (size_t)atol(argv[1]) : 20, entries = sections * 10, i;
    int quick = argc > 2;
    char key[SLOT], value[64];
    struct entry *table = NULL;
    cms_snapshot *snapshot;
    cms_store *store;
    double start = now();
    void *peer;

    if (cms_open(NULL, &store) != CMS_OK || cms_get(store, "network.s0000000.option00", value, 64, NULL) != CMS_OK)
        return 1;
    printf("%zu options: first read after %.1f ms", entries, (now() - start) / 1e6);
    peer = peer_new();
    for (i = 0; i < entries; i++) {
        struct entry *entry = malloc(sizeof *entry);
        write_key(key, i);
        if (cms_get(store, key, value, 64, NULL) != CMS_OK)
            return 1;
        entry->key = strdup(key);
        entry->value = strdup(value);
        HASH_ADD_KEYPTR(hh, table, entry->key, strlen(entry->key), entry);
        peer_put(peer, key, value);
    }
    if (cms_snapshot_open(store, &snapshot) != CMS_OK)
        return 1;
    stream = malloc((STREAM + 1) * SLOT);
    printf("\n%-12s %8s %8s %8s %8s %8s | %9s %9s %9s %9s\n", "ns", "snapshot", "get", "key", "uthash", "hashbr.",
           "snap/hb", "snap/ut", "get/snap", "many/one");
    fill_stream(entries, 1, 0);
    measure("one key", store, snapshot, &table, peer, 1, quick);
    fill_stream(entries, 200, 0);
    measure("200 keys", store, snapshot, &table, peer, 1, quick);
    if (entries > 1000) {
        fill_stream(entries, entries, 1);
        measure("Zipf 0.99", store, snapshot, &table, peer, 0, quick);
        fill_stream(entries, entries, 0);
        measure("uniform", store, snapshot, &table, peer, 0, quick);
    }
    cms_snapshot_close(snapshot);
    cms_close(store);
    return 0;
}
