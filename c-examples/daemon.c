/* A daemon that works with one consistent state at a time, and switches to a new state when there is one. Its
   argument is the number of states after which it ends. */
#define _POSIX_C_SOURCE 200112L
#include <cms.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
    (void)signal;
    stopped = 1;
}

/* The work: this example prints two options, both of one state. */
static int work(const cms_snapshot *state)
{
    const char *keys[] = { "network.lan.ipaddr", "network.lan.netmask" };
    cms_bytes values[2];

    if (cms_snapshot_get_many(state, keys, 2, values) != CMS_OK)
        return -1;
    printf("serving %s/%s\n", values[0].data ? values[0].data : "-", values[1].data ? values[1].data : "-");
    fflush(stdout);
    return 0;
}

int main(int argc, char **argv)
{
    const struct timespec pause = { 0, 20 * 1000 * 1000 };
    int states = argc > 1 ? atoi(argv[1]) : -1;
    cms_store *store;
    uint64_t seen = 0, now;

    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    if (cms_open(NULL, &store) != CMS_OK)
        return 1;
    while (!stopped && states != 0) {
        /* A text with errors changes nothing: the daemon continues with its present state. */
        if (cms_refresh(store, NULL) != CMS_OK) {
            char message[256];
            cms_last_message(message, sizeof message);
            fprintf(stderr, "%s\n", message);
        }
        if (cms_revision(store, &now) == CMS_OK && now != seen) {
            cms_snapshot *state;
            if (cms_snapshot_open(store, &state) != CMS_OK)
                break;
            if (work(state) == 0) {
                seen = now;
                states--;
            }
            cms_snapshot_close(state);
        }
        nanosleep(&pause, NULL);
    }
    cms_close(store);
    return 0;
}
