/* uthash as a peer: a table of strings by strings, with the hash function it comes with. */
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct entry {
	char *key, *value;
	UT_hash_handle hh;
};

struct table {
	struct entry *head;
};

struct table *bench_uthash_new(void)
{
	return calloc(1, sizeof(struct table));
}

void bench_uthash_put(struct table *table, const char *key, const char *value)
{
	struct entry *entry = calloc(1, sizeof *entry);

	if (!entry || !(entry->key = strdup(key)) || !(entry->value = strdup(value)))
		abort();
	HASH_ADD_KEYPTR(hh, table->head, entry->key, strlen(entry->key), entry);
}

const char *bench_uthash_get(void *context, const char *key, char *scratch)
{
	const struct table *table = context;
	struct entry *entry;

	(void)scratch;
	HASH_FIND_STR(table->head, key, entry);
	return entry ? entry->value : NULL;
}

void bench_uthash_free(struct table *table)
{
	struct entry *entry, *next;

	HASH_ITER(hh, table->head, entry, next) {
		HASH_DEL(table->head, entry);
		free(entry->key);
		free(entry->value);
		free(entry);
	}
	free(table);
}
