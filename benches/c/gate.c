/* Runs one operation of the C library REPETITIONS times, for `benches/gate`, which counts its instructions.
 * Usage: gate OPERATION REPETITIONS DIRECTORY
 * DIRECTORY has the packages in `config`, and in `keys` what they hold: a key, a tab and its value on each line. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cms.h>

/* Each store has a seed of its own, so that the count of a read is the mean over so many layouts of the index. */
enum { STORES = 8, BATCH = 16, LINE = 512 };

static const char *directory;

/* The library's entries, by number. */
static char **keys, **values, **missing;
static size_t count;

/* Stands before the function of the C library: the same numbers in each run, and so the same seeds, which the
 * library takes from here and from the number of the process. */
ssize_t getrandom(void *buffer, size_t length, unsigned flags)
{
	static unsigned char next = 1;
	unsigned char *bytes = buffer;
	size_t i;

	(void)flags;
	for (i = 0; i < length; i++)
		bytes[i] = next = (unsigned char)(next * 37 + 11);
	return (ssize_t)length;
}

/* See above. The process is its own group's first, so a question after this one finds no other process. */
pid_t getpid(void)
{
	return 4242;
}

static void fail(const char *what, const char *about)
{
	char message[LINE];

	cms_last_message(message, sizeof message);
	fprintf(stderr, "gate: %s: %s: %s\n", what, about, message);
	exit(1);
}

static void check(cms_status status, const char *what, const char *about)
{
	if (status != CMS_OK)
		fail(what, about);
}

static void *memory(size_t size)
{
	void *block = malloc(size);

	if (!block)
		fail("malloc", "no memory");
	return block;
}

static char *copy(const char *text)
{
	return strcpy(memory(strlen(text) + 1), text);
}

static void read_keys(void)
{
	char line[LINE];
	FILE *file;

	snprintf(line, sizeof line, "%s/keys", directory);
	file = fopen(line, "r");
	if (!file)
		fail("no file", line);
	keys = memory(sizeof *keys * 100000);
	values = memory(sizeof *values * 100000);
	missing = memory(sizeof *missing * 100000);
	for (count = 0; fgets(line, sizeof line, file); count++) {
		char *tab = strchr(line, '\t');

		line[strcspn(line, "\n")] = 0;
		*tab = 0;
		keys[count] = copy(line);
		values[count] = copy(tab + 1);
		/* As long as one that is there. */
		missing[count] = copy(line);
		missing[count][strlen(line) - 1] = '_';
	}
	fclose(file);
}

/* Opens a store with a run directory and a log of its own. */
static cms_store *open_store(size_t number, const char *durability)
{
	char config[LINE], save[LINE], run[LINE], state[LINE];
	cms_options options;
	cms_store *store;

	memset(&options, 0, sizeof options);
	options.size = sizeof options;
	snprintf(config, sizeof config, "%s/config", directory);
	snprintf(save, sizeof save, "%s/save", directory);
	snprintf(run, sizeof run, "%s/run%03zu", directory, number);
	snprintf(state, sizeof state, "%s/state%03zu", directory, number);
	mkdir(run, 0700);
	mkdir(state, 0700);
	options.config_dir = config;
	options.save_dir = save;
	options.run_dir = run;
	options.state_dir = state;
	options.source = "gate";
	options.durability = durability;
	/* No text is written while commits are counted. */
	options.text_delay_ms = 3600 * 1000;
	check(cms_open(&options, &store), "cms_open", config);
	return store;
}

static void expect(const cms_store *store, size_t number)
{
	char value[LINE];

	check(cms_get(store, keys[number], value, sizeof value, NULL), "cms_get", keys[number]);
	if (strcmp(value, values[number]))
		fail("another value", keys[number]);
}

/* What reads are made of. */
struct opened {
	cms_store *store;
	cms_snapshot *snapshot;
	cms_key **prepared;
};

typedef cms_status (*read_function)(const struct opened *opened, size_t key);

static cms_status by_get(const struct opened *opened, size_t key)
{
	char buffer[LINE];

	return cms_get(opened->store, keys[key], buffer, sizeof buffer, NULL);
}

static cms_status by_snapshot(const struct opened *opened, size_t key)
{
	cms_bytes value;

	return cms_snapshot_get(opened->snapshot, keys[key], &value);
}

static cms_status by_prepared(const struct opened *opened, size_t key)
{
	cms_bytes value;

	return cms_key_get(opened->prepared[key], &value);
}

static cms_status by_missing(const struct opened *opened, size_t key)
{
	char buffer[LINE];
	cms_status status = cms_get(opened->store, missing[key], buffer, sizeof buffer, NULL);

	return status == CMS_ERR_NOT_FOUND ? CMS_OK : CMS_ERR_INVALID;
}

static cms_status by_batch(const struct opened *opened, size_t key)
{
	cms_bytes batch[BATCH];

	return cms_snapshot_get_many(opened->snapshot, (const char *const *)keys + key, BATCH, batch);
}

/* Opens everything, and compares what it reads with what the packages hold. */
static void open_all(struct opened *opened, size_t number)
{
	cms_bytes value;
	size_t key;

	opened->store = open_store(number, NULL);
	opened->prepared = memory(sizeof(cms_key *) * count);
	for (key = 0; key < count; key++) {
		expect(opened->store, key);
		check(cms_key_open(opened->store, keys[key], &opened->prepared[key]), "cms_key_open", keys[key]);
		check(cms_key_get(opened->prepared[key], &value), "cms_key_get", keys[key]);
		if (strcmp(value.data, values[key]))
			fail("another prepared value", keys[key]);
	}
	check(cms_snapshot_open(opened->store, &opened->snapshot), "cms_snapshot_open", "");
	for (key = 0; key < count; key++) {
		check(cms_snapshot_get(opened->snapshot, keys[key], &value), "cms_snapshot_get", keys[key]);
		if (strcmp(value.data, values[key]))
			fail("another value in the snapshot", keys[key]);
	}
}

/* Counts reads of all keys in all stores, `step` keys at a time. */
static void reads(read_function get, size_t step, size_t repetitions)
{
	struct opened opened[STORES];
	size_t store, key, repetition;

	for (store = 0; store < STORES; store++)
		open_all(&opened[store], store);
	for (repetition = 0; repetition < repetitions; repetition++)
		for (store = 0; store < STORES; store++)
			for (key = 0; key + step <= count; key += step)
				check(get(&opened[store], key), "read", keys[key]);
}

/* Counts commits of one option each. */
static void commits(const char *durability, size_t repetitions)
{
	cms_store *store = open_store(0, durability);
	cms_txn *txn;
	char value[LINE];
	size_t repetition;

	/* All packages are mapped. */
	for (repetition = 0; repetition < count; repetition++)
		expect(store, repetition);
	for (repetition = 0; repetition < repetitions; repetition++) {
		const char *key = keys[repetition * 37 % count];

		snprintf(value, sizeof value, "committed-value-%06zu", repetition);
		check(cms_begin(store, &txn), "cms_begin", key);
		check(cms_txn_set(txn, key, value), "cms_txn_set", key);
		check(cms_txn_commit(txn, NULL), "cms_txn_commit", key);
	}
	cms_close(store);
}

/* Counts opening a store whose maps are there, or, if `fresh`, one without any, and one read. */
static void opens(int fresh, size_t repetitions)
{
	size_t repetition;

	for (repetition = 0; repetition < repetitions; repetition++) {
		cms_store *store = open_store(fresh ? repetition : 0, NULL);

		expect(store, 0);
		cms_close(store);
	}
}

/* What the libraries may choose their functions by, as it is under callgrind. */
static void print_processor(void)
{
#ifdef __x86_64__
	__builtin_cpu_init();
	printf("x86_64%s%s%s%s%s\n", __builtin_cpu_supports("sse4.2") ? " sse4.2" : "",
	       __builtin_cpu_supports("avx") ? " avx" : "", __builtin_cpu_supports("avx2") ? " avx2" : "",
	       __builtin_cpu_supports("bmi2") ? " bmi2" : "", __builtin_cpu_supports("avx512f") ? " avx512f" : "");
#else
	struct utsname name;

	uname(&name);
	printf("%s %lx %lx\n", name.machine, getauxval(AT_HWCAP), getauxval(AT_HWCAP2));
#endif
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		read_function get;
		size_t step;
	} all_reads[] = {
		{ "get", by_get, 1 },          { "snapshot", by_snapshot, 1 }, { "key", by_prepared, 1 },
		{ "missing", by_missing, 1 },  { "many", by_batch, BATCH },
	};
	const char *operation;
	size_t repetitions, i;

	if (argc == 2 && !strcmp(argv[1], "processor")) {
		print_processor();
		return 0;
	}
	if (argc != 4)
		return 2;
	operation = argv[1];
	repetitions = (size_t)atol(argv[2]);
	directory = argv[3];
	read_keys();
	for (i = 0; i < sizeof all_reads / sizeof *all_reads; i++)
		if (!strcmp(operation, all_reads[i].name)) {
			reads(all_reads[i].get, all_reads[i].step, repetitions);
			return 0;
		}
	if (!strcmp(operation, "log") || !strcmp(operation, "full"))
		commits(operation, repetitions);
	else if (!strcmp(operation, "open") || !strcmp(operation, "load"))
		opens(!strcmp(operation, "load"), repetitions);
	else
		return 2;
	return 0;
}
