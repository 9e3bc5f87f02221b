/* Reads one option through the C library and prints it: like a short-lived program. The directories are those of the
 * environment. Usage: open LIBRARY KEY */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	void *library, *store;
	char value[256];
	int (*open)(const void *, void **);
	int (*get)(const void *, const char *, char *, size_t, size_t *);

	if (argc != 3)
		return 2;
	library = dlopen(argv[1], RTLD_NOW);
	if (!library) {
		fprintf(stderr, "open: %s\n", dlerror());
		return 2;
	}
	*(void **)&open = dlsym(library, "cms_open");
	*(void **)&get = dlsym(library, "cms_get");
	if (!open || !get || open(NULL, &store) || get(store, argv[2], value, sizeof value, NULL))
		return 1;
	puts(value);
	return 0;
}
