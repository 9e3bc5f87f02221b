// An insertion-ordered hash from byte strings to 32-bit numbers, made of uthash's macros; not for use from C:
// lib.rs declares and documents it.
//
// - S1. A node is in the hash, or in the list of unused nodes of its size class, never in both. Either way its
//   memory belongs to a chunk, and chunks go only all at once.
// - S2. What takes a const table writes nothing, so that threads may do it at the same time.
// - S3. `used` counts the bytes of all live allocations and is at most `limit`.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// These stand for the locals `table` and `status` of the function that uses a macro which may allocate.
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(node) ((status) = CMS_HASH_NO_MEMORY)
#define uthash_malloc(size) allocate(table, size)
#define uthash_free(memory, size) release(table, memory, size)
// allocate() gives zeros, which for large tables the kernel has at hand.
#define uthash_bzero(memory, size) ((void)0)
// uthash counts buckets in 32 bits and would double 2^31 of them to none.
#define uthash_expand_fyi(tbl) \
    do { \
        if ((tbl)->log2_num_buckets >= MAX_LOG2_BUCKETS) { \
            (tbl)->noexpand = 1; \
        } \
    } while (0)
#ifndef CMS_HASH_JENKINS
#define HASH_FUNCTION(key, len, out) ((out) = hash_bytes(key, len))
#endif

#include "uthash.h"

// uthash starts each table with 32 buckets; here with as many as were asked for.
#undef HASH_INITIAL_NUM_BUCKETS
#undef HASH_INITIAL_NUM_BUCKETS_LOG2
#define HASH_INITIAL_NUM_BUCKETS (1U << table->first_log2_buckets)
#define HASH_INITIAL_NUM_BUCKETS_LOG2 (table->first_log2_buckets)

#define MIN_LOG2_BUCKETS 5U
#define MAX_LOG2_BUCKETS 28U
// Four times the buckets at a time: measured faster than twice, as every node is touched.
#define GROWTH 2U

// lib.rs knows these numbers too.
#define CMS_HASH_NONE (-1)
#define CMS_HASH_NO_MEMORY (-2)
#define CMS_HASH_FULL (-3)
#define MAX_KEYS 0x7fffffffU

// Keys of up to SMALL_KEY bytes have a size class for every eight bytes, longer ones for every power of two.
#define SMALL_KEY 132U
#define SMALL_CLASSES 17U
#define FIRST_LARGE 256U
#define CLASSES 41U

#define MIN_CHUNK ((size_t)2048)
#define MAX_CHUNK ((size_t)1 << 20)

struct node {
    UT_hash_handle hh;
    uint32_t value;
    unsigned char key[];
};

// Sixteen bytes on 64-bit machines, eight on others: nodes behind it are aligned.
struct chunk {
    struct chunk *next;
    size_t size;
};

struct cms_hash {
    struct node *head;
    struct chunk *chunks;
    // What is left of the newest shared chunk.
    unsigned char *rest;
    size_t rest_size;
    size_t next_chunk;
    size_t limit;
    size_t used;
    unsigned first_log2_buckets;
    struct node *unused[CLASSES];
};

struct cms_hash_entry {
    const unsigned char *key;
    uint32_t len;
    uint32_t value;
};

static void *allocate(struct cms_hash *table, size_t size)
{
    void *memory = size > table->limit - table->used ? NULL : calloc(1, size);
    if (memory) {
        table->used += size;
    }
    return memory;
}

static void release(struct cms_hash *table, void *memory, size_t size)
{
    free(memory);
    table->used -= size;
}

#ifndef CMS_HASH_JENKINS
static uint64_t mix(uint64_t state, uint64_t word)
{
    // Odd, and with no pattern in its bits.
    state = (state ^ word) * UINT64_C(0xd1b54a32d192ed03);
    // Multiplication carries upwards only.
    return state ^ state >> 32;
}

static uint64_t eight(const unsigned char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    return word;
}

static uint64_t four(const unsigned char *bytes)
{
    uint32_t word;
    memcpy(&word, bytes, sizeof(word));
    return word;
}

// The last word overlaps the one before it, which spares a loop over single bytes.
static uint32_t hash_bytes(const unsigned char *key, uint32_t len)
{
    uint64_t state = UINT64_C(0x9e3779b97f4a7c15) ^ len;
    uint32_t at = 0;
    if (len >= 8) {
        for (; len - at > 8; at += 8) {
            state = mix(state, eight(key + at));
        }
        state = mix(state, eight(key + len - 8));
    } else if (len >= 4) {
        state = mix(state, four(key) << 32 | four(key + len - 4));
    } else if (len > 0) {
        state = mix(state, (uint64_t)key[0] << 16 | (uint64_t)key[len / 2] << 8 | key[len - 1]);
    }
    return (uint32_t)mix(state, 0);
}
#endif

static unsigned size_class(uint32_t len)
{
    unsigned class = SMALL_CLASSES;
    if (len <= SMALL_KEY) {
        return (len + 3) / 8;
    }
    for (uint32_t capacity = FIRST_LARGE; capacity < len; capacity *= 2) {
        class++;
    }
    return class;
}

// The size of the nodes of a class: a multiple of eight.
static size_t node_size(unsigned class)
{
    size_t capacity = class < SMALL_CLASSES ? class * 8 + 4 : (size_t)FIRST_LARGE << (class - SMALL_CLASSES);
    return (offsetof(struct node, key) + capacity + 7) / 8 * 8;
}

static void *add_chunk(struct cms_hash *table, size_t size)
{
    struct chunk *chunk = allocate(table, sizeof(*chunk) + size);
    if (!chunk) {
        return NULL;
    }
    chunk->size = sizeof(*chunk) + size;
    chunk->next = table->chunks;
    table->chunks = chunk;
    return chunk + 1;
}

static struct node *take_node(struct cms_hash *table, uint32_t len)
{
    unsigned class = size_class(len);
    size_t size = node_size(class);
    struct node *node = table->unused[class];
    if (node) {
        table->unused[class] = node->hh.next;
        return node;
    }
    if (size > table->rest_size) {
        // A node this large would leave too much of the last chunk behind.
        if (size > table->next_chunk / 4) {
            return add_chunk(table, size);
        }
        unsigned char *fresh = add_chunk(table, table->next_chunk);
        if (!fresh) {
            return NULL;
        }
        table->rest = fresh;
        table->rest_size = table->next_chunk;
        table->next_chunk = table->next_chunk < MAX_CHUNK ? table->next_chunk * 2 : MAX_CHUNK;
    }
    node = (struct node *)(void *)table->rest;
    table->rest += size;
    table->rest_size -= size;
    return node;
}

static void give_back(struct cms_hash *table, struct node *node, uint32_t len)
{
    unsigned class = size_class(len);
    node->hh.next = table->unused[class];
    table->unused[class] = node;
}

// Moves a table that is not empty to 2^log2 buckets. uthash would go from bucket to bucket, here it is from node
// to node in order, which is how they lie in memory: with many keys that takes half the time.
static bool grow(struct cms_hash *table, unsigned log2)
{
    UT_hash_table *hash = table->head->hh.tbl;
    unsigned noexpand = hash->noexpand;
    int failed = 0;
    UT_hash_bucket *buckets = allocate(table, sizeof(*buckets) << log2);
    if (!buckets) {
        return false;
    }
    // Growing in the middle of growing would lose nodes.
    hash->noexpand = 1;
    for (struct node *node = table->head; node; node = node->hh.next) {
        unsigned at;
        HASH_TO_BKT(node->hh.hashv, 1U << log2, at);
        HASH_ADD_TO_BKT(buckets[at], hh, &node->hh, failed);
    }
    hash->noexpand = noexpand;
    release(table, hash->buckets, sizeof(*buckets) << hash->log2_num_buckets);
    hash->buckets = buckets;
    hash->num_buckets = 1U << log2;
    hash->log2_num_buckets = log2;
    return true;
}

// Sees to it that there are as many buckets as keys; uthash waits until one bucket has ten.
static bool make_room(struct cms_hash *table)
{
    const UT_hash_table *hash = table->head ? table->head->hh.tbl : NULL;
    if (!hash || hash->num_items < hash->num_buckets || hash->log2_num_buckets >= MAX_LOG2_BUCKETS) {
        return true;
    }
    unsigned log2 = hash->log2_num_buckets + GROWTH;
    return grow(table, log2 < MAX_LOG2_BUCKETS ? log2 : MAX_LOG2_BUCKETS);
}

// Adds a key that the table has not.
static int64_t add(struct cms_hash *table, const unsigned char *key, uint32_t len, unsigned hash, uint32_t value)
{
    int64_t status = CMS_HASH_NONE;
    struct node *node = make_room(table) ? take_node(table, len) : NULL;
    if (!node) {
        return CMS_HASH_NO_MEMORY;
    }
    memcpy(node->key, key, len);
    node->value = value;
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, table->head, node->key, len, hash, node);
    if (status == CMS_HASH_NO_MEMORY) {
        give_back(table, node, len);
    }
    return status;
}

struct cms_hash *cms_hash_new(size_t limit)
{
    struct cms_hash *table = limit < sizeof(*table) ? NULL : calloc(1, sizeof(*table));
    if (table) {
        table->next_chunk = MIN_CHUNK;
        table->limit = limit;
        table->used = sizeof(*table);
        table->first_log2_buckets = MIN_LOG2_BUCKETS;
    }
    return table;
}

void cms_hash_clear(struct cms_hash *table)
{
    struct chunk *chunk = table->chunks;
    HASH_CLEAR(hh, table->head);
    while (chunk) {
        struct chunk *next = chunk->next;
        release(table, chunk, chunk->size);
        chunk = next;
    }
    table->chunks = NULL;
    table->rest_size = 0;
    table->next_chunk = MIN_CHUNK;
    table->first_log2_buckets = MIN_LOG2_BUCKETS;
    memset(table->unused, 0, sizeof(table->unused));
}

void cms_hash_free(struct cms_hash *table)
{
    cms_hash_clear(table);
    free(table);
}

uint32_t cms_hash_len(const struct cms_hash *table)
{
    return HASH_COUNT(table->head);
}

size_t cms_hash_used(const struct cms_hash *table)
{
    return table->used;
}

// Tests choose keys by it.
uint32_t cms_hash_of(const unsigned char *key, uint32_t len)
{
    unsigned hash;
    HASH_VALUE(key, len, hash);
    return hash;
}

int64_t cms_hash_find(const struct cms_hash *table, const unsigned char *key, uint32_t len)
{
    const struct node *node;
    HASH_FIND(hh, table->head, key, len, node);
    return node ? (int64_t)node->value : CMS_HASH_NONE;
}

int64_t cms_hash_insert(struct cms_hash *table, const unsigned char *key, uint32_t len, uint32_t value)
{
    const struct node *node;
    unsigned hash;
    HASH_VALUE(key, len, hash);
    HASH_FIND_BYHASHVALUE(hh, table->head, key, len, hash, node);
    if (node) {
        return node->value;
    }
    return cms_hash_len(table) < MAX_KEYS ? add(table, key, len, hash, value) : CMS_HASH_FULL;
}

int64_t cms_hash_remove(struct cms_hash *table, const unsigned char *key, uint32_t len)
{
    struct node *node;
    HASH_FIND(hh, table->head, key, len, node);
    if (!node) {
        return CMS_HASH_NONE;
    }
    HASH_DELETE(hh, table->head, node);
    give_back(table, node, len);
    return node->value;
}

int64_t cms_hash_reserve(struct cms_hash *table, uint32_t more)
{
    uint64_t wanted = (uint64_t)cms_hash_len(table) + more;
    unsigned log2 = table->first_log2_buckets;
    while (log2 < MAX_LOG2_BUCKETS && (uint64_t)1 << log2 < wanted) {
        log2++;
    }
    if (!table->head) {
        table->first_log2_buckets = log2;
        return CMS_HASH_NONE;
    }
    bool enough = table->head->hh.tbl->log2_num_buckets >= log2;
    return enough || grow(table, log2) ? CMS_HASH_NONE : CMS_HASH_NO_MEMORY;
}

struct cms_hash *cms_hash_clone(const struct cms_hash *source)
{
    struct cms_hash *table = cms_hash_new(source->limit);
    if (table && source->head) {
        table->first_log2_buckets = source->head->hh.tbl->log2_num_buckets;
    }
    for (const struct node *node = source->head; table && node; node = node->hh.next) {
        if (add(table, node->key, node->hh.keylen, node->hh.hashv, node->value) == CMS_HASH_NO_MEMORY) {
            cms_hash_free(table);
            table = NULL;
        }
    }
    return table;
}

// Goes to the entry after `at`, from NULL to the first; returns NULL behind the last.
const struct node *cms_hash_step(const struct cms_hash *table, const struct node *at, struct cms_hash_entry *entry)
{
    const struct node *node = at ? at->hh.next : table->head;
    if (node) {
        entry->key = node->key;
        entry->len = node->hh.keylen;
        entry->value = node->value;
    }
    return node;
}
