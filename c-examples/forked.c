/* X-H10: one thread commits while the main thread forks children that only sleep, as programs do that start others.
   The children must hold no locks: another process must be able to commit at once. Usage: forked [commit] */
#define _POSIX_C_SOURCE 200809L
#include <cms.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHILDREN = 40 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int stop;

static int fail(const char *what)
{
    char message[256];

    cms_last_message(message, sizeof message);
    fprintf(stderr, "%s: %s\n", what, message);
    return 1;
}

static int commit(cms_store *store, int number)
{
    char value[16];
    cms_txn *txn;

    snprintf(value, sizeof value, "%d", number);
    if (cms_begin(store, &txn) != CMS_OK)
        return fail("cms_begin");
    if (cms_txn_set(txn, "network.lan.metric", value) != CMS_OK) {
        cms_txn_rollback(txn);
        return fail("cms_txn_set");
    }
    return cms_txn_commit(txn, NULL) == CMS_OK ? 0 : fail("cms_txn_commit");
}

static void *commit_on(void *store)
{
    int number, stopped = 0, wrong = 0;

    for (number = 1; !stopped && !wrong; number++) {
        wrong = commit((cms_store *)store, number);
        pthread_mutex_lock(&lock);
        stopped = stop;
        pthread_mutex_unlock(&lock);
    }
    return wrong ? store : NULL;
}

/* Commits as another process, which has inherited no lock files of this program. */
static int commit_once(void)
{
    cms_store *store;
    int wrong;

    if (cms_open(NULL, &store) != CMS_OK)
        return fail("cms_open");
    wrong = commit(store, 0);
    cms_close(store);
    return wrong;
}

static int run_itself(const char *program)
{
    int status = 0;
    pid_t other = fork();

    if (other == 0) {
        execl(program, program, "commit", (char *)NULL);
        _exit(127);
    }
    return other > 0 && waitpid(other, &status, 0) == other && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
    const struct timespec moment = { 0, 5000000 }, last = { 3600, 0 };
    pid_t children[CHILDREN];
    struct timespec before, after;
    pthread_t thread;
    cms_store *store;
    void *wrong;
    int child, failed;

    if (argc > 1 && strcmp(argv[1], "commit") == 0)
        return commit_once();
    if (cms_open(NULL, &store) != CMS_OK || pthread_create(&thread, NULL, commit_on, store) != 0)
        return fail("cms_open");
    for (child = 0; child < CHILDREN; child++) {
        nanosleep(&moment, NULL);
        children[child] = fork();
        if (children[child] == 0) {
            nanosleep(&last, NULL);
            _exit(0);
        }
    }
    pthread_mutex_lock(&lock);
    stop = 1;
    pthread_mutex_unlock(&lock);
    failed = pthread_join(thread, &wrong) != 0 || wrong;
    clock_gettime(CLOCK_MONOTONIC, &before);
    failed = run_itself(argv[0]) || failed;
    clock_gettime(CLOCK_MONOTONIC, &after);
    for (child = 0; child < CHILDREN; child++) {
        kill(children[child], SIGKILL);
        waitpid(children[child], NULL, 0);
    }
    cms_close(store);
    if (failed || after.tv_sec - before.tv_sec > 5) {
        fprintf(stderr, "a commit beside sleeping children took %ld s\n", (long)(after.tv_sec - before.tv_sec));
        return 1;
    }
    puts("all good");
    return 0;
}
