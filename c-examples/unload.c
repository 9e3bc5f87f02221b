/* X-L6: a program that loads the library, uses it in a thread and unloads it, again and again, like a program with
   plugins. It must be able to do this forever, without growing. Usage: unload LIBRARY */
#define _POSIX_C_SOURCE 200112L
#include <cms.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WARM = 300, CYCLES = 1500, GROWTH = 2 << 20 };

/* ISO C has no cast from a pointer to an object to one to a function. */
#define FIND(function, library, name) \
    do { \
        void *found = dlsym(library, name); \
        if (!found) \
            return "the library lacks a function"; \
        memcpy(&(function), &found, sizeof found); \
    } while (0)

static const char *use(void *library)
{
    cms_status (*open)(const cms_options *, cms_store **);
    cms_status (*get)(const cms_store *, const char *, char *, size_t, size_t *);
    size_t (*last_message)(char *, size_t);
    void (*close)(cms_store *);
    cms_store *store;
    char value[64];

    FIND(open, library, "cms_open");
    FIND(get, library, "cms_get");
    FIND(last_message, library, "cms_last_message");
    FIND(close, library, "cms_close");
    if (open(NULL, &store) != CMS_OK)
        return "cms_open";
    if (get(store, "network.lan.ipaddr", value, sizeof value, NULL) != CMS_OK)
        return "cms_get";
    /* Each thread keeps its last failure. */
    if (get(store, "network.lan.none", value, sizeof value, NULL) != CMS_ERR_NOT_FOUND || last_message(value, 64) == 0)
        return "cms_last_message";
    close(store);
    return NULL;
}

static void *in_a_thread(void *library)
{
    return (void *)use(library);
}

/* Returns the resident memory of the process. */
static long resident(void)
{
    long pages = 0, all = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (!file || fscanf(file, "%ld %ld", &all, &pages) != 2)
        exit(1);
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

int main(int argc, char **argv)
{
    long before = 0, grown;
    pthread_t thread;
    void *library, *wrong;
    int cycle;

    for (cycle = 0; argc == 2 && cycle < CYCLES; cycle++) {
        library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        if (!library) {
            fprintf(stderr, "%s\n", dlerror());
            return 1;
        }
        if (pthread_create(&thread, NULL, in_a_thread, library) != 0 || pthread_join(thread, &wrong) != 0)
            return 1;
        if (wrong) {
            fprintf(stderr, "cycle %d: %s\n", cycle, (char *)wrong);
            return 1;
        }
        dlclose(library);
        if (cycle == WARM)
            before = resident();
    }
    grown = resident() - before;
    if (cycle != CYCLES || grown > GROWTH) {
        fprintf(stderr, "after %d cycles: %ld bytes more than after %d\n", cycle, grown, WARM);
        return 1;
    }
    puts("all good");
    return 0;
}
