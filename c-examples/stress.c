/* One store used from many threads while another process commits; then fork, and a count of the files left open. */
#define _POSIX_C_SOURCE 200809L
#include <cms.h>
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 8, COMMITS = 200 };

static cms_store *store;
static atomic_int stop, ended;

static void die(const char *what)
{
    char message[256];
    cms_last_message(message, sizeof message);
    fprintf(stderr, "%s: %s\n", what, message);
    _exit(1);
}

/* Every commit gives both options the same value. */
static void check_pair(void)
{
    cms_snapshot *snapshot;
    cms_bytes a, b;
    cms_status status;

    do {
        if (cms_snapshot_open(store, &snapshot) != CMS_OK)
            die("snapshot");
        status = cms_snapshot_get(snapshot, "t.s.a", &a);
        if (status == CMS_OK) {
            if (cms_snapshot_get(snapshot, "t.u.b", &b) != CMS_OK)
                die("second value");
            if (a.len != b.len || memcmp(a.data, b.data, a.len) != 0)
                die("a snapshot shows half of a commit");
        }
        cms_snapshot_close(snapshot);
        /* Others have committed a hundred times since the snapshot was opened. */
    } while (status == CMS_ERR_STALE);
    if (status != CMS_OK)
        die("first value");
}

static void *reader(void *unused)
{
    cms_key *key;
    cms_bytes value;
    char buffer[64];

    if (cms_key_open(store, "t.s.a", &key) != CMS_OK)
        die("key");
    while (!atomic_load(&stop)) {
        check_pair();
        if (cms_get(store, "t.s.a", buffer, sizeof buffer, NULL) != CMS_OK || cms_key_get(key, &value) != CMS_OK)
            die("get");
    }
    cms_key_close(key);
    return unused;
}

static void commit(cms_store *mine, int number)
{
    char text[200];
    cms_txn *txn;

    snprintf(text, sizeof text, "%0*d", 1 + number % 150, number);
    if (cms_begin(mine, &txn) != CMS_OK || cms_txn_set(txn, "t.s.a", text) != CMS_OK
        || cms_txn_set(txn, "t.u.b", text) != CMS_OK || cms_txn_commit(txn, NULL) != CMS_OK)
        die("commit");
}

static int count(const char *path)
{
    DIR *dir = opendir(path);
    int entries = 0;
    while (dir && readdir(dir))
        entries++;
    if (dir)
        closedir(dir);
    return entries;
}

static int mappings(void)
{
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    int found = 0;
    while (maps && fgets(line, sizeof line, maps))
        found += strstr(line, ".map") != NULL || strstr(line, "/control") != NULL;
    if (maps)
        fclose(maps);
    return found;
}

/* Runs when a thread ends, after the library has freed its memory for the thread: all functions still work, except
   for the details of errors. */
static void at_the_end(void *unused)
{
    char buffer[64];
    cms_error error;

    error.size = sizeof error;
    (void)unused;
    check_pair();
    if (cms_get(store, "t.s.a", buffer, sizeof buffer, NULL) != CMS_OK
        || cms_get(store, "t.s.none", buffer, sizeof buffer, NULL) != CMS_ERR_NOT_FOUND)
        die("get at the end of a thread");
    if (cms_last_error(&error) == CMS_OK && (error.status != CMS_ERR_NOT_FOUND || !*error.message))
        die("the last error at the end of a thread");
    strcpy(buffer, "x");
    if (cms_last_message(buffer, sizeof buffer) != strlen(buffer))
        die("the last message at the end of a thread");
    ended++;
}

static void *ends(void *key)
{
    char buffer[64];

    if (cms_get(store, "t.s.none", buffer, sizeof buffer, NULL) != CMS_ERR_NOT_FOUND)
        die("get");
    pthread_setspecific(*(pthread_key_t *)key, key);
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    pthread_key_t key;
    char buffer[256];
    int i, status, fds;
    pid_t child;

    if (cms_open(NULL, &store) != CMS_OK || cms_get(store, "t.s.a", buffer, sizeof buffer, NULL) != CMS_OK)
        die("open");
    /* From here on locks and maps are open, which the child must not share. */
    commit(store, 0);
    child = fork();
    if (child == 0) {
        /* The handle that was inherited can be read; to write, the child opens its own. */
        cms_store *mine;
        check_pair();
        if (cms_open(NULL, &mine) != CMS_OK)
            die("open in the child");
        for (i = 0; i < COMMITS; i++)
            commit(mine, i);
        cms_close(mine);
        _exit(0);
    }
    for (i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, reader, NULL);
    if (waitpid(child, &status, 0) != child || status != 0)
        die("the child failed");
    commit(store, COMMITS);
    atomic_store(&stop, 1);
    for (i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_key_create(&key, at_the_end);
    pthread_create(&threads[0], NULL, ends, &key);
    pthread_join(threads[0], NULL);
    if (ended != 1)
        die("the destructor was not called");
    cms_close(store);

    fds = count("/proc/self/fd");
    for (i = 0; i < 200; i++) {
        if (cms_open(NULL, &store) != CMS_OK || cms_get(store, "t.s.a", buffer, sizeof buffer, NULL) != CMS_OK)
            die("open again");
        check_pair();
        cms_close(store);
    }
    if (count("/proc/self/fd") != fds)
        die("files were left open");
    /* The last few files wait for threads that have ended. */
    if (mappings() > 20)
        die("maps were left mapped");
    puts("all good");
    return 0;
}
