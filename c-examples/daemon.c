/* A daemon that works with one consistent state at a time, and switches to a new state when there is one. In between
   it sleeps in poll, on a descriptor of the library beside its own: that is a pipe here, by which signals end it. Its
   argument is the number of states after which it ends. */
#define _POSIX_C_SOURCE 200112L
#include <cms.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int signals[2];

static void stop(int signal)
{
    const int saved = errno;
    const char number = (char)signal;

    /* The pipe is empty, and only its being readable counts. */
    if (write(signals[1], &number, 1) < 0)
        _exit(1);
    errno = saved;
}

static int fail(const char *what)
{
    char message[256];

    cms_last_message(message, sizeof message);
    fprintf(stderr, "daemon: %s: %s\n", what, message);
    return -1;
}

/* The work: this example prints two options, both of one state. */
static int work(const cms_snapshot *state)
{
    const char *keys[] = { "network.lan.ipaddr", "network.lan.netmask" };
    cms_bytes values[2];

    if (cms_snapshot_get_many(state, keys, 2, values) != CMS_OK)
        return fail("cannot read network");
    printf("serving %s/%s\n", values[0].data ? values[0].data : "-", values[1].data ? values[1].data : "-");
    fflush(stdout);
    return 0;
}

static int work_with_the_newest(const cms_store *store)
{
    cms_snapshot *state;
    int done;

    if (cms_snapshot_open(store, &state) != CMS_OK)
        return fail("cannot open a snapshot");
    done = work(state);
    cms_snapshot_close(state);
    return done;
}

/* Takes all events that are there. Returns 1 if there were some, 0 if there were none, -1 if the watch failed. */
static int changed(cms_watch *watch)
{
    cms_event *event;
    cms_status status;
    int found = 0;

    while ((status = cms_watch_next(watch, 0, &event)) == CMS_OK || status == CMS_ERR_STALE)
        found = 1;
    return status == CMS_ERR_END ? found : fail("cannot watch network");
}

static int serve(const cms_store *store, cms_watch *watch, int states)
{
    struct pollfd wait[2] = { { -1, POLLIN, 0 }, { -1, POLLIN, 0 } };

    if (cms_watch_fd(watch, &wait[0].fd) != CMS_OK)
        return fail("cannot wait");
    wait[1].fd = signals[0];
    /* The watch is open already, so that no change is missed between this state and the first event. */
    if (work_with_the_newest(store) != 0)
        return -1;
    for (states--; states != 0;) {
        int found;

        if (poll(wait, 2, -1) < 0 && errno != EINTR)
            return -1;
        if (wait[1].revents != 0)
            return 0;
        if ((found = changed(watch)) < 0)
            return -1;
        /* Several transactions at once are one new state. */
        if (found != 0 && work_with_the_newest(store) == 0)
            states--;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct sigaction action;
    cms_store *store;
    cms_watch *watch;
    int done = -1;

    if (pipe(signals) != 0)
        return 1;
    action.sa_handler = stop;
    action.sa_flags = 0;
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    if (cms_open(NULL, &store) != CMS_OK)
        return fail("cannot open the configuration") != 0;
    if (cms_watch_open(store, "network", CMS_SINCE_NOW, &watch) != CMS_OK) {
        fail("cannot watch network");
    } else {
        done = serve(store, watch, argc > 1 ? atoi(argv[1]) : -1);
        cms_watch_close(watch);
    }
    cms_close(store);
    return done != 0;
}
