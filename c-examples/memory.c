/* A13: if a package is too large for the memory, the call fails, and the program is not ended. Each operation runs in
   a child of its own, with all limits from too little to enough. Usage: memory */
#define _POSIX_C_SOURCE 200809L
#include <cms.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECTIONS = 20000, OPTIONS = 4, STEP = 3 << 20, MOST = 256 << 20 };

static cms_status get(cms_store *store)
{
    return cms_get(store, "big.s7.o1", NULL, 0, NULL);
}

static cms_status snapshot(cms_store *store)
{
    cms_snapshot *snapshot;
    cms_bytes value;
    cms_status status = cms_snapshot_open(store, &snapshot);

    if (status != CMS_OK)
        return status;
    status = cms_snapshot_get(snapshot, "big.s7.o1", &value);
    cms_snapshot_close(snapshot);
    return status;
}

static cms_status set(cms_store *store, const char *key, const char *value)
{
    cms_txn *txn;
    cms_status status = cms_begin(store, &txn);

    if (status != CMS_OK)
        return status;
    status = cms_txn_set(txn, key, value);
    if (status == CMS_OK)
        return cms_txn_commit(txn, NULL);
    cms_txn_rollback(txn);
    return status;
}

static cms_status commit(cms_store *store)
{
    return set(store, "big.s7.o1", "changed");
}

static cms_status add(cms_store *store)
{
    return set(store, "big.fresh", "t");
}

static cms_status long_value(cms_store *store)
{
    static char value[4000000];

    memset(value, 'x', sizeof value - 1);
    return set(store, "small.a.long", value);
}

static cms_status history(cms_store *store)
{
    cms_history *history;
    cms_status status = cms_history_open(store, NULL, 0, &history);

    if (status == CMS_OK)
        cms_history_close(history);
    return status;
}

static cms_status blame(cms_store *store)
{
    cms_blame *blame;
    cms_status status = cms_blame_open(store, "big", &blame);

    if (status == CMS_OK)
        cms_blame_close(blame);
    return status;
}

static cms_status text_at(cms_store *store)
{
    size_t len;
    return cms_text_at(store, "big", 1, NULL, 0, &len);
}

static cms_status label(cms_store *store)
{
    cms_status status = cms_archive_create(store, "kept", NULL);
    return status == CMS_ERR_EXISTS ? CMS_OK : status;
}

static cms_status restore(cms_store *store)
{
    return cms_restore(store, "kept", NULL);
}

static cms_status rollback(cms_store *store)
{
    return cms_rollback(store, 2, NULL, NULL);
}

static cms_status audit(cms_store *store)
{
    cms_log_info info;
    cms_report *report;
    cms_status status;

    info.size = sizeof info;
    status = cms_log_check(store, &info, &report);
    if (status == CMS_OK)
        cms_report_close(report);
    return status;
}

static const struct {
    const char *name;
    cms_status (*call)(cms_store *store);
} calls[] = {
    { "get", get }, { "snapshot", snapshot }, { "commit", commit }, { "add", add }, { "long value", long_value },
    { "history", history }, { "blame", blame }, { "text at", text_at }, { "label", label }, { "restore", restore },
    { "rollback", rollback }, { "audit", audit },
};

/* Returns the size of the address space that the process uses. */
static size_t taken(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (!file || fscanf(file, "%lu", &pages) != 1)
        exit(1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Returns the status of the call with so much more memory than the process uses, or -1 if the process ends. */
static int with_memory(cms_status (*call)(cms_store *), size_t more)
{
    struct rlimit limit;
    cms_store *store;
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(100);
        limit.rlim_cur = limit.rlim_max = taken() + more;
        if (setrlimit(RLIMIT_AS, &limit) != 0)
            _exit(101);
        if (cms_open(NULL, &store) != CMS_OK)
            _exit(102);
        status = (int)call(store);
        cms_close(store);
        _exit(status);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        exit(1);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void write_packages(void)
{
    char path[4096];
    FILE *file;
    int section, option;

    snprintf(path, sizeof path, "%s/big", getenv("CMS_CONFIG_DIR"));
    file = fopen(path, "w");
    for (section = 0; file && section < SECTIONS; section++) {
        fprintf(file, "config t 's%d'\n", section);
        for (option = 0; option < OPTIONS; option++)
            fprintf(file, "\toption o%d '%d'\n", option, section + option);
    }
    if (!file || fclose(file) != 0)
        exit(1);
    snprintf(path, sizeof path, "%s/small", getenv("CMS_CONFIG_DIR"));
    file = fopen(path, "w");
    if (!file || fputs("config t 'a'\n\toption o '1'\n", file) < 0 || fclose(file) != 0)
        exit(1);
}

int main(void)
{
    size_t call, more;
    int died, refused, done, wrong = 0, answer;
    cms_store *store;

    write_packages();
    if (cms_open(NULL, &store) != CMS_OK || set(store, "small.a.o", "2") != CMS_OK
        || label(store) != CMS_OK || set(store, "small.a.o", "3") != CMS_OK)
        return 1;
    cms_close(store);
    for (call = 0; call < sizeof calls / sizeof *calls; call++) {
        died = refused = done = 0;
        for (more = STEP; more <= MOST && done < 2; more += STEP) {
            answer = with_memory(calls[call].call, more);
            if (answer < 0) {
                fprintf(stderr, "%s: the process died with %lu bytes more\n", calls[call].name, (unsigned long)more);
                died++;
            } else if (answer == CMS_OK) {
                done++;
            } else {
                refused++;
                if (answer != CMS_ERR_MEMORY && ++wrong)
                    fprintf(stderr, "%s: answered %s\n", calls[call].name, cms_status_name(answer));
            }
        }
        wrong += died || done == 0;
    }
    puts(wrong ? "wrong" : "all good");
    return wrong != 0;
}
