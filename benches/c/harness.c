/* The loops that are timed, and the C library's functions behind the pointer that all contenders are called through.
 * A key is a string with its NUL byte, whose length and hash the contender computes; or a prepared key. The caller
 * reads the first byte of the value. */
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum { SCRATCH = 256, BATCH = 16, BETWEEN_LOOKS = 64 };

struct bytes {
	const char *data;
	size_t len;
};

typedef const char *(*get_function)(void *context, const char *key, char *scratch);
typedef int (*many_function)(const void *snapshot, const char *const *keys, size_t count, struct bytes *values);

/* Always 0, which the compiler does not know: `byte & nothing` makes an address depend on a byte. */
static volatile size_t nothing = 0;
/* A sink for sums, so that the compiler keeps all loads. */
volatile size_t bench_sink;

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* Nanoseconds per read where the address of a key depends on the value before, so that no two reads overlap; -1 if
 * a key is not found. */
double bench_latency(get_function get, void *context, const char *const *keys, size_t count)
{
	char scratch[SCRATCH];
	size_t mask = nothing, shift = 0, i;
	double start = now();

	for (i = 0; i < count; i++) {
		const char *value = get(context, keys[i] + shift, scratch);
		if (!value)
			return -1;
		shift = (unsigned char)value[0] & mask;
	}
	bench_sink = shift;
	return (now() - start) / (double)count;
}

/* The same for missing keys: the next address depends on the result before. -1 if a key is found. */
double bench_missing_latency(get_function get, void *context, const char *const *keys, size_t count)
{
	char scratch[SCRATCH];
	size_t mask = nothing, shift = 0, found = 0, i;
	double start = now(), time;

	for (i = 0; i < count; i++) {
		/* A branch here would tell the compiler that it is NULL, and the address would no longer depend on it. */
		size_t value = (size_t)get(context, keys[i] + shift, scratch);
		found |= value;
		shift = value & mask;
	}
	bench_sink = shift;
	time = now() - start;
	return found ? -1 : time / (double)count;
}

/* The same for independent reads, which may overlap; if `misses`, no key must be found. */
double bench_throughput(get_function get, void *context, const char *const *keys, size_t count, int misses)
{
	char scratch[SCRATCH];
	size_t sum = 0, i;
	double start = now();

	for (i = 0; i < count; i++) {
		const char *value = get(context, keys[i], scratch);
		if ((value == NULL) != misses)
			return -1;
		sum += value ? (unsigned char)value[0] : 0;
	}
	bench_sink = sum;
	return (now() - start) / (double)count;
}

/* Nanoseconds per key, 16 at a time. */
double bench_batches(many_function many, const void *snapshot, const char *const *keys, size_t count)
{
	struct bytes values[BATCH];
	size_t sum = 0, i, j;
	double start = now();

	for (i = 0; i + BATCH <= count; i += BATCH) {
		if (many(snapshot, keys + i, BATCH, values))
			return -1;
		for (j = 0; j < BATCH; j++) {
			if (!values[j].data)
				return -1;
			sum += (unsigned char)values[j].data[0];
		}
	}
	bench_sink = sum;
	return (now() - start) / (double)i;
}

/* Reads all keys in turn, starting with key `first`, again and again until `stop` is set; returns the number of
 * reads, 0 after a miss. */
uint64_t bench_read_until(const uint32_t *stop, get_function get, void *context, const char *const *keys, size_t count,
			  size_t first)
{
	char scratch[SCRATCH];
	size_t sum = 0, at = first, i;
	uint64_t reads = 0;

	do {
		for (i = 0; i < BETWEEN_LOOKS; i++) {
			const char *value = get(context, keys[at], scratch);
			if (!value)
				return 0;
			sum += (unsigned char)value[0];
			at = at + 1 == count ? 0 : at + 1;
		}
		reads += BETWEEN_LOOKS;
	} while (!__atomic_load_n(stop, __ATOMIC_RELAXED));
	bench_sink = sum;
	return reads;
}

/* Computes without memory accesses until `stop` is set: one chain of dependent multiplications. */
uint64_t bench_spin_until(const uint32_t *stop)
{
	uint64_t value = 1, turns = 0;
	size_t i;

	do {
		for (i = 0; i < BETWEEN_LOOKS; i++)
			value = value * 6364136223846793005u + 1442695040888963407u;
		turns += BETWEEN_LOOKS;
	} while (!__atomic_load_n(stop, __ATOMIC_RELAXED));
	bench_sink = (size_t)value;
	return turns;
}

struct snapshot_call {
	int (*get)(const void *snapshot, const char *key, struct bytes *value);
	const void *snapshot;
};

const char *bench_snapshot_get(void *context, const char *key, char *scratch)
{
	const struct snapshot_call *call = context;
	struct bytes value;

	(void)scratch;
	return call->get(call->snapshot, key, &value) ? NULL : value.data;
}

struct store_call {
	int (*get)(const void *store, const char *key, char *buffer, size_t size, size_t *len);
	const void *store;
};

const char *bench_store_get(void *context, const char *key, char *scratch)
{
	const struct store_call *call = context;

	return call->get(call->store, key, scratch, SCRATCH, NULL) ? NULL : scratch;
}

struct key_call {
	int (*get)(const void *key, struct bytes *value);
};

const char *bench_key_get(void *context, const char *key, char *scratch)
{
	const struct key_call *call = context;
	struct bytes value;

	(void)scratch;
	return call->get(key, &value) ? NULL : value.data;
}

/* Measures the loop and the call through the pointer alone. */
const char *bench_no_get(void *context, const char *key, char *scratch)
{
	(void)context;
	(void)scratch;
	return key;
}
