/*
 * cms: configuration that people edit as text and programs read in nanoseconds.
 *
 * C99 or C++11; link with -lcms. A program opens a store, reads, and closes it:
 *
 *     cms_store *store;
 *     char address[64];
 *
 *     if (cms_open(NULL, &store) != CMS_OK)
 *         return 1;
 *     if (cms_get(store, "network.lan.ipaddr", address, sizeof address, NULL) == CMS_OK)
 *         puts(address);
 *     cms_close(store);
 *
 * Where to go on: cms_get_int and its like convert, with a default. cms_snapshot_open is for many values of one
 * state, without copying, and for iterating. cms_key_open is for one value again and again. cms_set and its like make
 * one change, cms_begin is for several together. cms_history_open and the functions after it show who changed what,
 * and go back. cms_watch_open delivers changes to programs with an event loop; cms_subscription_open calls back.
 * cms_verifier_open accepts or refuses changes before they are committed.
 *
 * Words     The package `network` is the file of that name in the configuration directory:
 *
 *               config interface 'lan'                a section of the type interface, with the name lan
 *                       option ipaddr '192.168.1.1'   an option with a string: network.lan.ipaddr
 *                       list dns '1.1.1.1'            an option with a list, which has one item in each line
 *                       list dns '8.8.8.8'
 *               config route                          an anonymous section: network.@route[0]
 *                       option target '0.0.0.0/0'
 *
 *           A transaction is a set of changes that are committed together, or that somebody has made with an editor.
 *           Transactions are numbered, and the number of one is the revision of the store after it. The log has a
 *           record of each: who, when, why, and what changed. A snapshot is the state of all packages at a revision.
 * Keys      PACKAGE.SECTION.OPTION or PACKAGE.SECTION, where the section is a name, @TYPE[INDEX] (a negative
 *           index counts from the end) or @TYPE[OPTION=VALUE]. A package is a file in the configuration
 *           directory, and never named by a path. In TOML and JSON packages sections may be nested, app.server.tls.port
 *           (the last part is the option), options may be outside of sections, app..debug, and a name that is empty,
 *           begins with '@' or holds '.', '=', '[', ']', '"' or a blank is in double quotes, with the escapes of JSON:
 *           app.paths."index.html". Names that functions return, or take apart from a key, have that form too.
 * Results   Every call that can fail returns a cms_status; CMS_OK is 0. Arguments come in the order: object,
 *           inputs, outputs. Outputs are written only on CMS_OK, unless a function says otherwise. Every
 *           function may also answer CMS_ERR_INVALID and CMS_ERR_INTERNAL, and those that open packages
 *           CMS_ERR_IO, CMS_ERR_PERMISSION, CMS_ERR_PARSE, CMS_ERR_CONFLICT, CMS_ERR_MEMORY and, with a limit,
 *           CMS_ERR_FULL.
 *           Functions that commit may answer CMS_ERR_REFUSED: see cms_verifier_open.
 *           Functions that commit may answer CMS_ERR_SCHEMA as well: see cms_last_violation.
 *           cms_last_error gives the details, for each thread. Any call may change errno, which means nothing.
 * Pointers  NULL for a required pointer is CMS_ERR_INVALID. Strings passed in end with a NUL byte and are copied.
 *           Memory handed out belongs to the library; each function says how long it is valid.
 * Bytes     Values of options and items of lists are bytes: they are read as they are in the file, and every value that
 *           was read can be written back. Keys, names, types and all other text are UTF-8, or CMS_ERR_INVALID.
 * Structs   Structs that begin with `size` may get more members. Set `size` to the sizeof of the struct before you
 *           pass it, for input and for output: the library writes no more than that, so that programs built with
 *           an older header go on working. Any other size is CMS_ERR_INVALID. A library that is older than the
 *           header writes members that it does not know as zero, and requires them to be zero on input.
 * Names     A function begins with the object that it works on: cms_txn_set, cms_watch_next; those of a store leave
 *           it out: cms_get. `_open` behind a noun hands out a handle of that type, `_close` releases it: a cms_list
 *           comes from cms_list_open, cms_list_open_at or cms_txn_list_open, and goes with cms_list_close. Two
 *           differ: a store is for cms_open and cms_close, and a transaction goes from cms_begin to cms_txn_commit
 *           or cms_txn_rollback. `_next` goes on to the next, until CMS_ERR_END. Times have their unit in
 *           the name: `_ms` milliseconds, `_us` microseconds. Sizes and lengths are in bytes.
 * Versions  The file of the library is libcms.so.0, and each function has the version CMS_0.1. Before 1.0 a minor
 *           version may change the interface: all functions then get the next version, CMS_0.2, and a program that
 *           was built before does not start with it ("version `CMS_0.1' not found"). A patch changes nothing of the
 *           interface. From 1.0 on functions, constants and members are only added, and a function has the version
 *           with which it came; should that ever be broken, the number in the name of the file changes. A program
 *           that loads the library with dlopen asks cms_version_number.
 * Handles   A handle is released once, in any order with others; NULL is ignored. If a call that hands one out
 *           failed, there is no handle to release.
 * Threads   A function that takes a const handle does not change it, and any number of threads may call it at
 *           the same time; others need the handle to themselves. A signal handler must not
 *           call any function. The destructors of a thread that ends may call all but cms_last_error.
 * fork      A child may go on reading with the handles it has inherited if no other thread was using them at
 *           the time of the fork; for everything else it opens its own. Handles are closed on exec.
 * Limits    Keys, names and types have up to 65534 bytes, values less than 4 MiB, packages up to 2 GiB of text.
 *           Reading a package whose text exceeds them, from an editor for example, is CMS_ERR_INVALID.
 * Manners   The library prints nothing, never exits, starts no threads except for cms_subscription_open,
 *           cms_verifier_open and texts that are written later (see cms_options), and changes neither signal
 *           handlers nor the locale. If memory for a file or for data of the caller cannot be allocated, the status is
 *           CMS_ERR_MEMORY; if not even 1 MiB can be allocated, the library says so on the standard error output
 *           and aborts. Once loaded it stays in the process until that ends: dlclose does not unload it.
 */


#ifndef CMS_CONFIG_H_
#define CMS_CONFIG_H_

/* Made from the Rust sources by cbindgen (see ffi/tests/header.rs): do not edit. */

#include <stddef.h>
#include <stdint.h>

#define CMS_VERSION_MAJOR 0
#define CMS_VERSION_MINOR 1
#define CMS_VERSION_PATCH 0
#define CMS_VERSION "0.1.0"
/* Major, minor and patch in one number, to compare. */
#define CMS_VERSION_NUMBER ((CMS_VERSION_MAJOR << 16) | (CMS_VERSION_MINOR << 8) | CMS_VERSION_PATCH)


/* ---- Constants ---- */

// A level of cms_message_callback, by the numbers of syslog: a warning.
#define CMS_MESSAGE_WARNING 4

// Keep maps private to this process, even where they could be shared. Commits of others are then seen after
// cms_refresh, as they are where no run directory can be used.
#define CMS_OPEN_PRIVATE 1

// An option that holds one string.
#define CMS_OPTION_STRING 1

// An option that holds a list of strings.
#define CMS_OPTION_LIST 2

// Made by a commit.
#define CMS_BY_COMMIT 1

// Made with an editor, or a program that does not use this library.
#define CMS_BY_EDIT 2

// Noted when the log first saw a package. It changes nothing.
#define CMS_BY_BASELINE 3

// Made by undoing another transaction.
#define CMS_BY_UNDO 4

// Made by going back to an earlier state.
#define CMS_BY_ROLLBACK 5

// Confirms a commit. It changes nothing.
#define CMS_BY_CONFIRM 6

// Decided elsewhere, by a backend that several stores share for example, and adopted here.
#define CMS_BY_REMOTE 9

// Notes that a transaction of another layer has changed effective values of this store.
#define CMS_BY_LAYER 10

// A text was saved that cannot be parsed: no key has changed, and programs go on reading its content from before. The
// message says what is wrong, and where.
#define CMS_BY_BROKEN_TEXT 7

// A text that could not be parsed was mended. The changes are those since its last text without errors.
#define CMS_BY_MENDED_TEXT 8

// The option or section was added.
#define CMS_CHANGE_ADDED 1

// The option or section was deleted.
#define CMS_CHANGE_DELETED 2

// The value of the option, or the type of the section, was changed.
#define CMS_CHANGE_SET 3

// The section was moved.
#define CMS_CHANGE_MOVED 4

// For `since`: only transactions from now on.
#define CMS_SINCE_NOW UINT64_MAX

// Wait without end.
#define CMS_FOREVER -1

/* ---- Statuses ---- */

// The outcome of a call. A number is never used again with another meaning.
typedef enum {
    // All is well.
    CMS_OK = 0,
    // There is no such package, section or option, or no such transaction, snapshot or directory: the message says
    // which.
    CMS_ERR_NOT_FOUND = 1,
    // A required pointer is NULL; or a key, name or type is not allowed, too long or not UTF-8; or a value is not
    // allowed or too long; or a package exceeds the limits.
    CMS_ERR_INVALID = 2,
    // The value is a list where one string was asked for, or its text is not of the type asked for; cms_last_error
    // gives the value, its file and its line.
    CMS_ERR_TYPE = 3,
    // The text of a package has errors; cms_last_error gives file, line and column.
    CMS_ERR_PARSE = 4,
    // Another program changed the same keys, or kept changing the same package.
    CMS_ERR_CONFLICT = 5,
    // The new name is in use.
    CMS_ERR_EXISTS = 6,
    // A key selects several sections.
    CMS_ERR_AMBIGUOUS = 7,
    // Another writer did not finish in time.
    CMS_ERR_LOCKED = 8,
    // The system does not permit it to this user.
    CMS_ERR_PERMISSION = 9,
    // A system call failed.
    CMS_ERR_IO = 10,
    // The disk or the quota is full, or the file system is read-only.
    CMS_ERR_NO_SPACE = 11,
    // The map of a package would be larger than `map_limit`; or the store has as many watches or transactions as it
    // may have.
    CMS_ERR_FULL = 12,
    // The snapshot is older than all kept states of a package that it had not read before: open a new one. Or the
    // log does not have the changes since a transaction any more.
    CMS_ERR_STALE = 13,
    // A file is damaged: a map, which is rebuilt when it is next opened; the log, whose damaged parts 'cms repair'
    // sets aside; a snapshot or a backup.
    CMS_ERR_DAMAGED = 14,
    // The change is in place, but may not survive a power cut: the system could not promise that.
    CMS_ERR_NOT_DURABLE = 15,
    // There is nothing more to iterate over.
    CMS_ERR_END = 16,
    // A fault of this library. The handle should be closed.
    CMS_ERR_INTERNAL = 17,
    // A verifier has refused the transaction, or has not answered; cms_last_error names it and its reason.
    CMS_ERR_REFUSED = 18,
    // There is not enough memory for a package or a value of this size. Nothing is changed. If not even 1 MiB can be
    // allocated, the library aborts.
    CMS_ERR_MEMORY = 19,
    // This build of the library leaves the function out: see cms_has_feature.
    CMS_ERR_UNSUPPORTED = 20,
    // The value is a number, but not within the limits that were given; cms_last_error gives the value, its file and
    // its line.
    CMS_ERR_RANGE = 21,
    // The transaction breaks the schema of a package, and nothing was changed; cms_last_error has the first violation,
    // and cms_last_violation has all of them.
    CMS_ERR_SCHEMA = 22,
} cms_status;

// The type of a value. UCI text has strings and lists of strings; TOML and JSON have the others as well. A number is
// never used again with another meaning.
typedef enum {
    // A string; also what a section's type is.
    CMS_TYPE_STRING = 0,
    // A list of strings.
    CMS_TYPE_LIST = 1,
    // A whole number, perhaps of more than 64 bits.
    CMS_TYPE_INT = 2,
    // A number with a point or an exponent; in TOML also inf and nan.
    CMS_TYPE_FLOAT = 3,
    // true or false.
    CMS_TYPE_BOOL = 4,
    // null, which JSON has.
    CMS_TYPE_NULL = 5,
    // A list of whole numbers.
    CMS_TYPE_INT_LIST = 6,
    // A list of floats.
    CMS_TYPE_FLOAT_LIST = 7,
    // A list of truth values.
    CMS_TYPE_BOOL_LIST = 8,
    // A nested or mixed value, as JSON text.
    CMS_TYPE_JSON = 9,
} cms_type;

/* ---- Handles: each function names the one that it works on ---- */

// An open store. Reads see each commit as soon as it is made, by any process; edits by hand are seen after
// cms_refresh. Any number of threads may use one at the same time, with every function that takes a const cms_store
// pointer. Snapshots, keys and transactions that it hands out may outlive it. A program needs one, as long as it runs.
typedef struct cms_store cms_store;

// A copy of the items of a list. Any number of threads may use one at the same time. It may outlive its store.
typedef struct cms_list cms_list;

// Changes to any number of packages that are committed together. One thread uses one at a time. Nobody sees them
// before cms_txn_commit. It may outlive its store. In all its functions, CMS_ERR_NOT_FOUND means that there is no such
// package, section or option; CMS_ERR_INVALID that a key, name, type or value is not allowed; CMS_ERR_PARSE and
// CMS_ERR_IO that a package cannot be read. The transaction then goes on without the change. A call that changes
// nothing returns CMS_OK.
typedef struct cms_txn cms_txn;

// All packages as one commit left them; later commits do not show. Any number of threads may use one at the same time.
// It keeps the maps in memory that it has read, so close it when you have read what you need; it may outlive its
// store. The memory it hands out is valid until it is closed. A package is opened when its first key is read. That may
// fail with CMS_ERR_STALE if others have committed to it since, and the log, which has the text of then, is not kept or
// does not go back that far any more. Then close the snapshot and open another.
typedef struct cms_snapshot cms_snapshot;

// A key that is read again and again: it remembers where its value is. One thread uses one at a time. It may
// outlive its store.
typedef struct cms_key cms_key;

// Iterates over packages. One thread uses one at a time.
typedef struct cms_package_iter cms_package_iter;

// Iterates over sections. One thread uses one at a time. It keeps its snapshot alive.
typedef struct cms_section_iter cms_section_iter;

// Iterates over options. One thread uses one at a time. It keeps its snapshot alive.
typedef struct cms_option_iter cms_option_iter;

// The sections of one type of a package, as rows, in the state that the last commit left when it was opened. The
// columns are the names of their options, and the value of an option is the cell of that column. Any number of threads
// may read one at the same time; cms_table_refresh needs it alone. It may outlive its store.
typedef struct cms_table cms_table;

// The transactions that changed something, the newest first. One thread uses one at a time.
typedef struct cms_history cms_history;

// The lines of a package, from the first to the last. One thread uses one at a time.
typedef struct cms_blame cms_blame;

// Iterates over archives, the oldest first. One thread uses one at a time.
typedef struct cms_archive_iter cms_archive_iter;

// The findings of cms_log_check, or the work of cms_repair. One thread uses one at a time.
typedef struct cms_report cms_report;

// Delivers the transactions that change keys of a pattern: each once, in order, when its data can be read.
// Transactions that the program has not taken yet stay in the log, and cost writers nothing. One thread uses one at a
// time. It keeps its store open.
typedef struct cms_watch cms_watch;

// A transaction, with those of its changes that match the pattern. It is valid until the next cms_watch_next of the
// same watch, or its end; in a callback, until that returns.
typedef struct cms_event cms_event;

// A subscription: see cms_subscription_open. Any thread may end it.
typedef struct cms_subscription cms_subscription;

// A verifier: see cms_verifier_open. Any thread may close it.
typedef struct cms_verifier cms_verifier;

/* ---- Structs, and callbacks of the program ---- */

// Details of the last call of this thread that failed; CMS_ERR_END does not count as a failure. The strings end
// with a NUL byte, are never NULL, and are valid until the next call of the thread that fails. They need not be
// freed.
typedef struct {
    // sizeof(cms_error), which the caller sets.
    size_t size;
    // The status that the call returned.
    cms_status status;
    // What happened, for people: English, one line.
    const char *message;
    // The file concerned, or "".
    const char *file;
    // The key or name concerned, or "".
    const char *key;
    // What a person may do about it, or "".
    const char *hint;
    // Line and column in the file, in bytes, counted from 1; 0 if the error has no such place.
    uint32_t line;
    uint32_t column;
    // With CMS_ERR_REFUSED: the program of the verifier, its reason and its process; else "" and 0.
    const char *program;
    const char *reason;
    uint32_t pid;
    // With CMS_ERR_TYPE and CMS_ERR_RANGE: the value, and `file` and `line` say where it is; with CMS_ERR_INVALID
    // the value that is not allowed, if a value is not; else "", as for a list.
    const char *value;
} cms_error;

// A value or a section that breaks the schema of its package. The strings end with a NUL byte, are never NULL, and
// are valid until the next call of the thread that fails. They need not be freed.
typedef struct {
    // sizeof(cms_violation), which the caller sets.
    size_t size;
    // The key: of an option, a section or a package.
    const char *key;
    // The file of the package.
    const char *file;
    // The line in that file, as the transaction would have made it, counted from 1; 0 if the key has none.
    uint32_t line;
    // The rule: "type", "size", "validation", "reference", "list", "required", "depends", "unknown", "named",
    // "count", "unique" or "read-only".
    const char *rule;
    // The value, or "" if there is none or it is secret.
    const char *value;
    // What is wrong, for people: English, one line.
    const char *message;
    // What is expected instead, in English.
    const char *expected;
    // What a person may do about it, or "".
    const char *hint;
} cms_violation;

// Called with each message of a store, with its level and with the `message_data` of its options. `message` is one
// line of UTF-8, valid until the callback returns. So far there are only warnings, CMS_MESSAGE_WARNING, about problems
// that stop nothing, such as a file that is skipped; each comes once for a store. Later versions may add levels:
// ignore those that you do not know.
//
// It runs on the thread whose call causes the message, or on a thread of the library, perhaps on several at the same
// time. It is never called once the store and all its transactions, snapshots and keys are closed. It must not use the
// store or what belongs to it, since locks may be held.
typedef void (*cms_message_callback)(int32_t level, const char *message, void *data);

// How a store is opened. Set everything to zero, with memset or an initializer, then `size` to
// sizeof(cms_options), then what you want to be different. Strings are copied; an empty string means the same as
// NULL. Where the store has a policy (section `store` of the package `cms`), log_limit, durability and
// text_delay_ms override it only where they are stricter, or where the user owns the configuration directory;
// verify_timeout_ms never does. In safe mode, by the policy or by CMS_SAFE_MODE=1, all calls that write fail with
// CMS_ERR_PERMISSION.
typedef struct {
    // sizeof(cms_options). It says which members the struct has, so that a library of any version can read it.
    size_t size;
    // Where packages are. NULL: the variable CMS_CONFIG_DIR, else /etc/config.
    const char *config_dir;
    // Where changes are staged. NULL: CMS_SAVE_DIR, else /tmp/.uci for root and
    // /tmp/.uci-UID for others, with a directory of its own in it for each other config_dir.
    const char *save_dir;
    // Where locks and maps are. NULL: CMS_RUN_DIR, else /run/cms, else a directory of the user's own.
    const char *run_dir;
    // Where the log is. NULL: CMS_STATE_DIR, else /var/lib/cms.
    const char *state_dir;
    // 0, or some of CMS_OPEN_*, added.
    uint32_t flags;
    // How many bytes the map of a package may have; 0 for any number. A commit that needs more is refused.
    uint64_t map_limit;
    // The name of the program, for the history. NULL: "c-pid-" and the number of the process.
    const char *source;
    // How many bytes of the log are kept; 0: 4 MiB.
    uint64_t log_limit;
    // What commits survive: "full" (a power cut; NULL means this), "log" (the same, and the texts are written
    // later: one sync instead of three) or "none" (the end of the process: a power cut may take the last commits,
    // but leaves each package whole); and "PACKAGE=LEVEL" for one package, with commas between: "full,leases=log".
    const char *durability;
    // For how many milliseconds a text may be older than the log, with "log"; 0: 1000. The library starts a thread
    // with the first such commit, which writes the texts then; so do cms_flush and cms_close.
    uint64_t text_delay_ms;
    // For how many milliseconds a commit waits for its verifiers, see cms_verifier_open; 0: 5000.
    uint64_t verify_timeout_ms;
    // Called with messages, warnings for example. NULL: messages are dropped.
    cms_message_callback on_message;
    // Given to on_message.
    void *message_data;
} cms_options;

// A piece of memory of the library: `len` bytes at `data`, followed by a NUL byte that `len` does not count. Names and
// values never hold a NUL byte, so they can be used as C strings. Each function that hands one out says how long it is
// valid; do not free or change it.
typedef struct {
    const char *data;
    // In bytes.
    size_t len;
} cms_bytes;

// A section. The strings are valid until both the iterator and the snapshot are closed.
typedef struct {
    // sizeof(cms_section), which the caller sets.
    size_t size;
    // The name, given or generated.
    cms_bytes name;
    cms_bytes type;
    // 1 if the name is only generated, else 0.
    int32_t anonymous;
} cms_section;

// An option. The strings are valid until both the iterator and the snapshot are closed.
typedef struct {
    // sizeof(cms_option), which the caller sets.
    size_t size;
    cms_bytes name;
    // The value, or the first item of a list ("" if it has none).
    cms_bytes value;
    // All items, for cms_bytes_next; just one for a string.
    cms_bytes items;
    // CMS_OPTION_STRING or CMS_OPTION_LIST.
    int32_t kind;
    cms_type type;
} cms_option;

// Called with the name of each package, and with the `data` given to cms_foreach_package. Returns 0 to go on; anything
// else ends the iteration. The name is valid until the callback returns.
typedef int32_t (*cms_package_callback)(const cms_bytes *name, void *data);

// Called with each section, and with the `data` given to cms_foreach_section. Returns 0 to go on; anything else ends
// the iteration. The strings are valid until the callback returns, and in a snapshot until that is closed.
typedef int32_t (*cms_section_callback)(const cms_section *section, void *data);

// Called with each option, and with the `data` given to cms_foreach_option. Returns 0 to go on; anything else ends the
// iteration. The strings are valid as in cms_section_callback.
typedef int32_t (*cms_option_callback)(const cms_option *option, void *data);

// The author, program, message and request of transactions. A program that commits for other people gives them: see
// cms_store_open_as. Set everything to zero, then `size` to sizeof(cms_attribution), then what is known. Strings are
// UTF-8 and are copied; an empty string means the same as NULL.
typedef struct {
    // sizeof(cms_attribution), which the caller sets.
    size_t size;
    // The author, "alice@192.168.7.20" for example. NULL: the user of the process.
    const char *author;
    // The name of the program or interface. NULL: that of the store.
    const char *source;
    // The message of transactions that have none of their own, for the history. NULL: none.
    const char *message;
    // The id of the request that the transactions are made for: 32 hexadecimal digits, with any hyphens between
    // them, as in a UUID. NULL: none.
    const char *request;
} cms_attribution;

// The record of a transaction, as the log has it: who made it, when and why. The strings are valid until the next
// cms_history_next of the same history, or cms_blame_next of the same blame, or its end; those of an event as long
// as that.
typedef struct {
    // sizeof(cms_record), which the caller sets.
    size_t size;
    // Its number: the revision of the store after it.
    uint64_t revision;
    // When: microseconds since 1970, UTC. It never goes back, even if the clock does.
    uint64_t time_us;
    // The transaction that this one undoes or confirms, or the revision that it goes back to; else 0.
    uint64_t refers;
    // Who: the number of the user, and of the process; 0 if it is not known.
    uint32_t uid;
    uint32_t pid;
    // One of CMS_BY_COMMIT and so on.
    int32_t kind;
    // The name that the program gave itself.
    cms_bytes source;
    // The message of the author: why.
    cms_bytes message;
    // For a commit that is rolled back unless it is confirmed: within how many milliseconds; else 0.
    uint64_t confirm_within_ms;
    // The author that the program gave, "alice@192.168.7.20" for example; empty if it is the user.
    cms_bytes author;
    // The id of the request that it was made for: 32 hexadecimal digits; empty if there is none.
    cms_bytes request;
    // For CMS_BY_REMOTE, when it was decided elsewhere: microseconds since 1970, UTC; 0 if that is not known.
    uint64_t decided_us;
} cms_record;

// A change of one key. The strings are valid until the next cms_history_next_change of the same history, or
// cms_event_next_change of the same event, or its end.
typedef struct {
    // sizeof(cms_change), which the caller sets.
    size_t size;
    // PACKAGE.SECTION or PACKAGE.SECTION.OPTION.
    cms_bytes key;
    // One of CMS_CHANGE_ADDED and so on.
    int32_t kind;
    // 1 if a value is a list, else 0.
    int32_t list;
    // The old value: the items, for cms_bytes_next (a string is one item); for a section its type. `data` is NULL
    // if there was none, or the section was moved.
    cms_bytes old_items;
    // The new value, in the same way.
    cms_bytes new_items;
    // For a section that was moved: its old and its new position, counted from 0; else -1.
    int64_t old_position;
    int64_t new_position;
} cms_change;

// A kept snapshot: a file with the state of all packages. The strings are valid until the next
// cms_archive_iter_next of the same handle, or its end.
typedef struct {
    // sizeof(cms_archive), which the caller sets.
    size_t size;
    // Its label: for cms_restore, cms_find_revision and cms_archive_delete.
    cms_bytes label;
    // When it was made: microseconds since 1970, UTC.
    uint64_t time_us;
    // The transaction whose state it holds.
    uint64_t revision;
    // The size of its file, in bytes.
    uint64_t file_size;
    // The name that the program gave itself.
    cms_bytes source;
    // 1 if it is an automatic snapshot, which newer ones replace; 0 if it was made by cms_archive_create.
    int32_t automatic;
} cms_archive;

// The records of the log.
typedef struct {
    // sizeof(cms_log_info), which the caller sets.
    size_t size;
    // The revisions of the oldest and the newest record; 0 if the log is empty.
    uint64_t first;
    uint64_t last;
    // The chain of the newest record, in hexadecimal digits. It is valid until the report is closed.
    cms_bytes chain;
} cms_log_info;

// A package whose newest text without errors was put back.
typedef struct {
    // sizeof(cms_repaired), which the caller sets.
    size_t size;
    // Its name, which is valid until the next cms_report_next_repaired of the same report, or its end.
    cms_bytes package;
    // The revision whose text it has now.
    uint64_t text_revision;
    // The transaction that put it back.
    uint64_t revision;
} cms_repaired;

// Called for each event, with the `data` given to cms_subscription_open. `event` is NULL after a failure, which
// `status` and cms_last_error describe. After CMS_ERR_STALE some transactions are missed: read everything again, later
// events follow. After any other failure there are no more events.
typedef void (*cms_event_callback)(cms_event *event, cms_status status, void *data);

// Called with each transaction that will be verified, and with the `data` given to cms_verifier_open. Returns 0 to
// accept it. To refuse it, the callback returns anything else and writes its reason to `reason`, as snprintf does: one
// line of UTF-8 in at most `size` bytes, the final NUL byte included. `event` is as in a watch, but its `revision` is
// 0, since the transaction has no number yet.
typedef int32_t (*cms_verifier_callback)(cms_event *event, char *reason, size_t size, void *data);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/* ---- Errors ---- */

// Returns the name of a status, "CMS_OK" for example; "CMS_ERR_UNKNOWN" for any other number. The string is part of
// the library.
const char *cms_status_name(int32_t status);

// Returns a sentence that says what a status means, in English: "There is no such package, section or option." for
// CMS_ERR_NOT_FOUND. The string is part of the library. What happened in a call is in cms_last_error.
const char *cms_status_message(int32_t status);

// Gets the details of the last call of this thread that failed. CMS_ERR_NOT_FOUND: no call has failed, or the thread
// is ending and its memory is freed already.
cms_status cms_last_error(cms_error *error);

// Writes the message of the last call of this thread that failed to `buffer`, as snprintf would: at most `size` bytes
// with the NUL byte. Returns the length of the whole message in bytes, without the NUL byte; 0 if no call has failed.
size_t cms_last_message(char *buffer,
                        size_t size);

/* ---- Violations of schemas ---- */

// Gets a violation of the schema for which the last call of this thread has failed with CMS_ERR_SCHEMA; `index` counts
// from 0. CMS_ERR_END: there are no more, or the last failure is another. The transaction makes all of them; violations
// that were there before it are warnings (on_message of cms_options).
cms_status cms_last_violation(size_t index,
                              cms_violation *violation);

/* ---- Opening and closing a store ---- */

// Opens a store; `options` may be NULL for the defaults. A package is opened when its first key is read.
//
// CMS_ERR_NOT_FOUND: there is no configuration directory. CMS_ERR_IO, CMS_ERR_PERMISSION: it is not a directory, or
// cannot be reached. CMS_ERR_INVALID: a member is set that this version of the library does not know.
cms_status cms_open(const cms_options *options,
                    cms_store **store);

// Closes a store. NULL is ignored. Memory that snapshots and keys have handed out stays valid.
void cms_close(cms_store *store);

/* ---- Reading values ---- */

// Reads the newest committed value of a key into `buffer`, as snprintf would: at most `size` bytes are written,
// a NUL byte is always the last of them, and `len` gets the length of the whole value, without the NUL byte.
// If that is not below `size`, the value was cut off, perhaps inside a character, and the status is CMS_OK all
// the same. `buffer` may be NULL if `size` is 0, and `len` may be NULL. For the key of a section the value is
// its type.
//
// CMS_ERR_NOT_FOUND: there is no such key. CMS_ERR_TYPE: the value is a list; see cms_list_open.
// CMS_ERR_INVALID, CMS_ERR_AMBIGUOUS: the key. CMS_ERR_PARSE, CMS_ERR_IO: the package cannot be read.
cms_status cms_get(const cms_store *store,
                   const char *key,
                   char *buffer,
                   size_t size,
                   size_t *len);

// Reads a string as cms_get does. Unlike elsewhere, `buffer` and `len` are always written: they get `fallback` where
// there is no string; NULL for `fallback` is as "".
//
// As cms_get.
cms_status cms_get_string(const cms_store *store,
                          const char *key,
                          const char *fallback,
                          char *buffer,
                          size_t size,
                          size_t *len);

// Reads a whole number: decimal, or hexadecimal behind 0x. Unlike elsewhere, `value` is always written: it is
// `fallback` where there is no number.
//
// A number of TOML or JSON may have each spelling that its format has.
//
// CMS_ERR_NOT_FOUND: there is no such key. CMS_ERR_TYPE: the value is not a number, does not fit, or is a list.
// CMS_ERR_RANGE: it is a number of TOML or JSON that does not fit. Otherwise as cms_get.
cms_status cms_get_int(const cms_store *store,
                       const char *key,
                       int64_t fallback,
                       int64_t *value);

// Reads a whole number that must be between `least` and `most`, as cms_get_int does.
//
// CMS_ERR_RANGE: it is not; `value` is `fallback` then. Otherwise as cms_get_int.
cms_status cms_get_int_range(const cms_store *store,
                             const char *key,
                             int64_t least,
                             int64_t most,
                             int64_t fallback,
                             int64_t *value);

// Reads a truth value: 1, on, true, yes, enabled; or 0, off, false, no, disabled. `value` becomes 1 or 0, or
// `fallback` as in cms_get_int.
//
// As cms_get_int.
cms_status cms_get_bool(const cms_store *store,
                        const char *key,
                        int32_t fallback,
                        int32_t *value);

// Reads a decimal number, whatever the locale. `fallback` as in cms_get_int.
//
// As cms_get_int; CMS_ERR_RANGE also for a number of TOML or JSON with more than 17 digits that count, of which some
// would be lost.
cms_status cms_get_double(const cms_store *store,
                          const char *key,
                          double fallback,
                          double *value);

// Reads a decimal number that must be between `least` and `most`, as cms_get_double does.
//
// CMS_ERR_RANGE: it is not; `value` is `fallback` then. Otherwise as cms_get_double.
cms_status cms_get_double_range(const cms_store *store,
                                const char *key,
                                double least,
                                double most,
                                double fallback,
                                double *value);

// Reads a number of bytes: digits, perhaps with k, M, G or T behind them for powers of 1024, and B or iB behind
// those. `fallback` as in cms_get_int.
//
// As cms_get_int.
cms_status cms_get_size(const cms_store *store,
                        const char *key,
                        uint64_t fallback,
                        uint64_t *value);

// Reads a number of bytes that must be between `least` and `most`, as cms_get_size does.
//
// CMS_ERR_RANGE: it is not; `value` is `fallback` then. Otherwise as cms_get_size.
cms_status cms_get_size_range(const cms_store *store,
                              const char *key,
                              uint64_t least,
                              uint64_t most,
                              uint64_t fallback,
                              uint64_t *value);

// Writes the key with the name of its section in place of a selector to `buffer`, as in cms_get: "network.lan.ipaddr"
// for "network.@interface[0].ipaddr". For an anonymous section that is the generated name. The option need not exist.
// A name goes on to mean the section when others are added or moved.
//
// CMS_ERR_NOT_FOUND: there is no such section. Otherwise as cms_get.
cms_status cms_resolve(const cms_store *store,
                       const char *key,
                       char *buffer,
                       size_t size,
                       size_t *len);

// Finds the line of an option or a section in the text of its package, counted from 1, for messages: `file` gets the
// path of the package file, as in cms_get. The text is read as it is now.
//
// CMS_ERR_NOT_FOUND: the text has no such key. CMS_ERR_INVALID: the key.
cms_status cms_find_line(const cms_store *store,
                         const char *key,
                         char *file,
                         size_t size,
                         size_t *len,
                         uint32_t *line);

// Looks for packages that others have changed without this library, with an editor for example, and brings
// the store up to them. `changed` becomes 1 if there were any, else 0; it may be NULL. It takes one stat for
// each package that was read so far. Snapshots stay as they are.
//
// CMS_ERR_PARSE, CMS_ERR_IO: a package cannot be read; it stays as it was.
cms_status cms_refresh(const cms_store *store,
                       int32_t *changed);

// Writes the texts that are older than the log, with durability "log". With the other levels it does nothing.
//
// Fails as cms_txn_commit does. The commits stay made, and their texts are written later.
cms_status cms_flush(const cms_store *store);

// Gets the revision: the number, in the log, of the last transaction that the store shows. Commits, snapshots,
// watches, the history and cms_undo use the same numbers. It grows with every commit that anyone makes through this
// library or the command, and when cms_refresh finds a change; the call costs a few loads from memory, so that a
// program can make it often. Without a log it counts publications, and shows only whether something has changed.
cms_status cms_revision(const cms_store *store,
                        uint64_t *revision);

/* ---- Converting text ---- */

// Converts text to a whole number, as cms_get_int does: an item of a list, for example, or the value that an iteration
// has found.
//
// CMS_ERR_TYPE: it is not a number, or does not fit.
cms_status cms_parse_int(const char *text,
                         int64_t *value);

// Converts text to a truth value, as cms_get_bool does: 1 or 0.
//
// As cms_parse_int.
cms_status cms_parse_bool(const char *text, int32_t *value);

// Converts text to a decimal number, as cms_get_double does.
//
// As cms_parse_int.
cms_status cms_parse_double(const char *text, double *value);

// Converts text to a number of bytes, as cms_get_size does.
//
// As cms_parse_int.
cms_status cms_parse_size(const char *text, uint64_t *value);

/* ---- Lists ---- */

// Reads the newest committed items of a list. A string is a list of one.
//
// As cms_get.
cms_status cms_list_open(const cms_store *store, const char *key, cms_list **list);

// Reads the items of a list as a transaction sees them, its own changes included: see cms_txn_get. A string is a list
// of one.
//
// CMS_ERR_NOT_FOUND: there is no such key.
cms_status cms_txn_list_open(cms_txn *txn,
                             const char *key,
                             cms_list **list);

// Reads the items that a list had at a revision. A string is a list of one.
//
// As cms_get_at.
cms_status cms_list_open_at(const cms_store *store,
                            const char *key,
                            uint64_t revision,
                            cms_list **list);

// Gets the number of items.
cms_status cms_list_len(const cms_list *list, size_t *len);

// Finds item `index`, counted from 0. It is valid until the list is closed.
//
// CMS_ERR_END: the list has fewer items.
cms_status cms_list_item(const cms_list *list, size_t index, cms_bytes *item);

// Closes a list. NULL is ignored.
void cms_list_close(cms_list *list);

/* ---- Snapshots: many values of one state ---- */

// Opens a snapshot of the last commit.
cms_status cms_snapshot_open(const cms_store *store, cms_snapshot **snapshot);

// Closes a snapshot. NULL is ignored.
void cms_snapshot_close(cms_snapshot *snapshot);

// Gets the revision that the snapshot shows: see cms_revision.
cms_status cms_snapshot_revision(const cms_snapshot *snapshot, uint64_t *revision);

// Finds the value of a key, without copying it; for the key of a section, its type.
//
// As cms_get, and CMS_ERR_STALE.
cms_status cms_snapshot_get(const cms_snapshot *snapshot, const char *key, cms_bytes *value);

// Finds the items of a list, without copying them: each is followed by a NUL byte, and `items` covers all of them, NUL
// bytes included. cms_bytes_next takes them one by one. A string is a list of one.
//
// As cms_snapshot_get.
cms_status cms_snapshot_get_list(const cms_snapshot *snapshot,
                                 const char *key,
                                 cms_bytes *items);

// Takes the first item off the list `items`, as cms_snapshot_get_list and cms_option_iter_next hand it out. `items`
// then is the rest of the list.
//
// CMS_ERR_END: there are no more.
cms_status cms_bytes_next(cms_bytes *items,
                          cms_bytes *item);

// Finds the values of `count` keys at once: `values[i]` is that of `keys[i]`, with `data` NULL if there is no such key
// or the value is a list. With many keys that are not in the processor's cache this takes a fraction of the time,
// since the loads from memory overlap.
//
// CMS_ERR_INVALID, CMS_ERR_AMBIGUOUS, CMS_ERR_PARSE, CMS_ERR_IO, CMS_ERR_STALE as cms_snapshot_get, for the first key
// that fails; `values` must not be used then.
cms_status cms_snapshot_get_many(const cms_snapshot *snapshot,
                                 const char *const *keys,
                                 size_t count,
                                 cms_bytes *values);

/* ---- Snapshots: typed values ---- */

// Finds a string without copying it. Unlike elsewhere, `value` is always written: it is `fallback` where there is no
// string, which may be NULL. A string ends with a NUL byte and is valid until the snapshot is closed.
//
// As cms_snapshot_get.
cms_status cms_snapshot_get_string(const cms_snapshot *snapshot,
                                   const char *key,
                                   const char *fallback,
                                   const char **value);

// Reads a whole number as cms_get_int does, in the state of the snapshot.
//
// As cms_get_int, and CMS_ERR_STALE.
cms_status cms_snapshot_get_int(const cms_snapshot *snapshot,
                                const char *key,
                                int64_t fallback,
                                int64_t *value);

// Reads a whole number that must be between `least` and `most`, as cms_snapshot_get_int does.
//
// CMS_ERR_RANGE: it is not; `value` is `fallback` then. Otherwise as cms_snapshot_get_int.
cms_status cms_snapshot_get_int_range(const cms_snapshot *snapshot,
                                      const char *key,
                                      int64_t least,
                                      int64_t most,
                                      int64_t fallback,
                                      int64_t *value);

// Reads a truth value as cms_get_bool does, in the state of the snapshot.
//
// As cms_get_bool, and CMS_ERR_STALE.
cms_status cms_snapshot_get_bool(const cms_snapshot *snapshot,
                                 const char *key,
                                 int32_t fallback,
                                 int32_t *value);

// Reads a decimal number as cms_get_double does, in the state of the snapshot.
//
// As cms_get_double, and CMS_ERR_STALE.
cms_status cms_snapshot_get_double(const cms_snapshot *snapshot,
                                   const char *key,
                                   double fallback,
                                   double *value);

// Reads a decimal number that must be between `least` and `most`, as cms_snapshot_get_double does.
//
// CMS_ERR_RANGE: it is not; `value` is `fallback` then. Otherwise as cms_snapshot_get_double.
cms_status cms_snapshot_get_double_range(const cms_snapshot *snapshot,
                                         const char *key,
                                         double least,
                                         double most,
                                         double fallback,
                                         double *value);

// Reads a number of bytes as cms_get_size does, in the state of the snapshot.
//
// As cms_get_size, and CMS_ERR_STALE.
cms_status cms_snapshot_get_size(const cms_snapshot *snapshot,
                                 const char *key,
                                 uint64_t fallback,
                                 uint64_t *value);

// Reads a number of bytes that must be between `least` and `most`, as cms_snapshot_get_size does.
//
// CMS_ERR_RANGE: it is not; `value` is `fallback` then. Otherwise as cms_snapshot_get_size.
cms_status cms_snapshot_get_size_range(const cms_snapshot *snapshot,
                                       const char *key,
                                       uint64_t least,
                                       uint64_t most,
                                       uint64_t fallback,
                                       uint64_t *value);

// Writes the key with the name of its section in place of a selector to `buffer`: see cms_resolve.
//
// As cms_resolve, and CMS_ERR_STALE.
cms_status cms_snapshot_resolve(const cms_snapshot *snapshot,
                                const char *key,
                                char *buffer,
                                size_t size,
                                size_t *len);

/* ---- Prepared keys: one value again and again ---- */

// Prepares a key. It need not exist yet.
//
// CMS_ERR_INVALID: it is not the key of a section or an option.
cms_status cms_key_open(const cms_store *store, const char *text, cms_key **key);

// Finds the newest committed value of a prepared key, without copying it. It is valid until the next
// cms_key_get of the same key, or cms_key_close. As long as nobody commits to its section, this is the fastest
// of all reads.
//
// As cms_get.
cms_status cms_key_get(cms_key *key,
                       cms_bytes *value);

// Finds a string without copying it. Unlike elsewhere, `value` is always written: it is `fallback` where there is no
// string, which may be NULL. A string ends with a NUL byte and is valid as in cms_key_get.
//
// As cms_get.
cms_status cms_key_get_string(cms_key *key,
                              const char *fallback,
                              const char **value);

// Finds the items of a list without copying them, as cms_snapshot_get_list does. They are valid as in cms_key_get. A
// string is a list of one.
//
// As cms_get.
cms_status cms_key_get_list(cms_key *key,
                            cms_bytes *items);

// Reads a whole number as cms_get_int does.
//
// As cms_get_int.
cms_status cms_key_get_int(cms_key *key, int64_t fallback, int64_t *value);

// Reads a whole number that must be between `least` and `most`, as cms_key_get_int does.
//
// CMS_ERR_RANGE: it is not; `value` is `fallback` then. Otherwise as cms_key_get_int.
cms_status cms_key_get_int_range(cms_key *key,
                                 int64_t least,
                                 int64_t most,
                                 int64_t fallback,
                                 int64_t *value);

// Reads a truth value as cms_get_bool does.
//
// As cms_get_bool.
cms_status cms_key_get_bool(cms_key *key, int32_t fallback, int32_t *value);

// Reads a decimal number as cms_get_double does.
//
// As cms_get_double.
cms_status cms_key_get_double(cms_key *key, double fallback, double *value);

// Reads a decimal number that must be between `least` and `most`, as cms_key_get_double does.
//
// CMS_ERR_RANGE: it is not; `value` is `fallback` then. Otherwise as cms_key_get_double.
cms_status cms_key_get_double_range(cms_key *key,
                                    double least,
                                    double most,
                                    double fallback,
                                    double *value);

// Reads a number of bytes as cms_get_size does.
//
// As cms_get_size.
cms_status cms_key_get_size(cms_key *key, uint64_t fallback, uint64_t *value);

// Reads a number of bytes that must be between `least` and `most`, as cms_key_get_size does.
//
// CMS_ERR_RANGE: it is not; `value` is `fallback` then. Otherwise as cms_key_get_size.
cms_status cms_key_get_size_range(cms_key *key,
                                  uint64_t least,
                                  uint64_t most,
                                  uint64_t fallback,
                                  uint64_t *value);

// Closes a prepared key. NULL is ignored.
void cms_key_close(cms_key *key);

/* ---- Iterating ---- */

// Iterates over the names of all packages, in byte order. It lists the packages that exist now, also those that were
// created after the snapshot was opened.
//
// CMS_ERR_NOT_FOUND, CMS_ERR_IO: the configuration directory cannot be read.
cms_status cms_package_iter_open(const cms_snapshot *snapshot,
                                 cms_package_iter **iter);

// Gets the next package. The name is valid until the next call with the same iterator.
//
// CMS_ERR_END: there are no more.
cms_status cms_package_iter_next(cms_package_iter *iter, cms_bytes *name);

// Closes an iterator. NULL is ignored.
void cms_package_iter_close(cms_package_iter *iter);

// Iterates over the sections of a package, in the order of the file: all of them if `type` is NULL or "", else those
// of the type, perhaps none.
//
// CMS_ERR_NOT_FOUND: there is no such package. Otherwise as cms_snapshot_get.
cms_status cms_section_iter_open(const cms_snapshot *snapshot,
                                 const char *package,
                                 const char *type,
                                 cms_section_iter **iter);

// Finds the next section.
//
// CMS_ERR_END: there are no more.
cms_status cms_section_iter_next(cms_section_iter *iter, cms_section *section);

// Closes an iterator. NULL is ignored.
void cms_section_iter_close(cms_section_iter *iter);

// Iterates over the options of a section, in the order of the file. `section` is its name.
//
// CMS_ERR_NOT_FOUND: there is no such package or section. Otherwise as cms_snapshot_get.
cms_status cms_option_iter_open(const cms_snapshot *snapshot,
                                const char *package,
                                const char *section,
                                cms_option_iter **iter);

// Finds the next option.
//
// CMS_ERR_END: there are no more.
cms_status cms_option_iter_next(cms_option_iter *iter, cms_option *option);

// Closes an iterator. NULL is ignored.
void cms_option_iter_close(cms_option_iter *iter);

/* ---- Iterating with callbacks ---- */

// Calls `callback` with the name of each package, in byte order. `result` gets what the callback has returned last: 0
// if it has seen all; it may be NULL. The callback may use the store.
//
// CMS_ERR_NOT_FOUND, CMS_ERR_IO: the configuration directory cannot be read.
cms_status cms_foreach_package(const cms_store *store,
                               cms_package_callback callback,
                               void *data,
                               int32_t *result);

// Calls `callback` with each section of a package, in the order of the file: all of them if `type` is NULL or "", else
// those of the type. All are of one state, the newest when the call begins. `result` as in cms_foreach_package.
//
// CMS_ERR_NOT_FOUND: there is no such package. Otherwise as cms_get.
cms_status cms_foreach_section(const cms_store *store,
                               const char *package,
                               const char *type,
                               cms_section_callback callback,
                               void *data,
                               int32_t *result);

// Calls `callback` with each option of a section, in the order of the file. `section` is its name. All are of one
// state, and `result` is as in cms_foreach_package.
//
// CMS_ERR_NOT_FOUND: there is no such package or section. Otherwise as cms_get.
cms_status cms_foreach_option(const cms_store *store,
                              const char *package,
                              const char *section,
                              cms_option_callback callback,
                              void *data,
                              int32_t *result);

// Calls `callback` with the name of each package, as cms_foreach_package does. It lists the packages that exist now.
//
// As cms_foreach_package.
cms_status cms_snapshot_foreach_package(const cms_snapshot *snapshot,
                                        cms_package_callback callback,
                                        void *data,
                                        int32_t *result);

// Calls `callback` with each section of a package of the snapshot, as cms_foreach_section does.
//
// As cms_foreach_section, and CMS_ERR_STALE.
cms_status cms_snapshot_foreach_section(const cms_snapshot *snapshot,
                                        const char *package,
                                        const char *type,
                                        cms_section_callback callback,
                                        void *data,
                                        int32_t *result);

// Calls `callback` with each option of a section of the snapshot, as cms_foreach_option does.
//
// As cms_foreach_option, and CMS_ERR_STALE.
cms_status cms_snapshot_foreach_option(const cms_snapshot *snapshot,
                                       const char *package,
                                       const char *section,
                                       cms_option_callback callback,
                                       void *data,
                                       int32_t *result);

/* ---- Changes in one call ---- */

// Sets an option, or makes a section, as cms_txn_set does, and commits that. Like all functions of this group it is a
// transaction of its own, which is made whatever others have changed meanwhile, and as durable as all of the store. For
// several changes together, for a message in the history, or to learn of conflicts, use a transaction.
//
// As cms_txn_set and cms_txn_commit. Nothing is changed then.
cms_status cms_set(const cms_store *store,
                   const char *key,
                   const char *value);

// Sets an option to a whole number, as cms_set does.
cms_status cms_set_int(const cms_store *store, const char *key, int64_t value);

// Sets an option to a truth value, as cms_set does: in UCI to "1", or to "0" if `value` is 0; in TOML and JSON
// to true or false.
cms_status cms_set_bool(const cms_store *store,
                        const char *key,
                        int32_t value);

// Sets an option to a decimal number, as cms_set does: with as few digits as read back to the same number, whatever
// the locale.
//
// CMS_ERR_INVALID: it is infinite or not a number.
cms_status cms_set_double(const cms_store *store,
                          const char *key,
                          double value);

// Sets an option to a number of bytes, as cms_set does.
cms_status cms_set_size(const cms_store *store, const char *key, uint64_t value);

// Sets an option to a list of `count` items, as cms_txn_set_list does, and commits that.
cms_status cms_set_list(const cms_store *store,
                        const char *key,
                        const char *const *items,
                        size_t count);

// Appends an item to a list, as cms_txn_add_list does, and commits that.
cms_status cms_add_list(const cms_store *store, const char *key, const char *value);

// Removes all items of a list that equal `value`, as cms_txn_del_list does, and commits that.
cms_status cms_del_list(const cms_store *store, const char *key, const char *value);

// Deletes an option, or a section with all its options, as cms_txn_delete does, and commits that.
cms_status cms_delete(const cms_store *store, const char *key);

// Renames an option or a section, as cms_txn_rename does, and commits that.
cms_status cms_rename(const cms_store *store, const char *key, const char *name);

// Moves a section to a position in its package, as cms_txn_reorder does, and commits that.
cms_status cms_reorder(const cms_store *store, const char *key, size_t position);

// Adds an anonymous section at the end of a package, as cms_txn_add_section does, and commits that. Its generated name
// is written to `buffer`, as in cms_get; 32 bytes are enough.
cms_status cms_add_section(const cms_store *store,
                           const char *package,
                           const char *type,
                           char *buffer,
                           size_t size,
                           size_t *len);

// Makes a package without sections, as cms_txn_add_package does, and commits that.
cms_status cms_add_package(const cms_store *store, const char *package);

// Deletes a package and its file, as cms_txn_delete_package does, and commits that. Undoing the transaction brings it
// back. As in all transactions of the library, changes that are staged (by `cms set` or `uci set`) stay staged; those
// that do not need the deleted sections are made in a new package when they are committed.
cms_status cms_delete_package(const cms_store *store,
                              const char *package);

/* ---- Transactions ---- */

// Begins a transaction. It ends with cms_txn_commit or cms_txn_rollback.
//
// CMS_ERR_FULL: the store has 1000 open transactions already.
cms_status cms_begin(const cms_store *store, cms_txn **txn);

// Sets an option to a string; it may have been a list or missing. For the key of a section, `value` is its type, and a
// missing section is made, with a missing package. An empty value deletes the option or the section, as in all of UCI.
// The value of an option may have any bytes but control characters, of which tab, line feed and carriage return are
// allowed; a value that an option has already can always be set again.
cms_status cms_txn_set(cms_txn *txn,
                       const char *key,
                       const char *value);

// Adds an anonymous section at the end of a package; a missing package is made. Its generated name is written to
// `buffer`, as in cms_get; 32 bytes are enough.
cms_status cms_txn_add_section(cms_txn *txn,
                               const char *package,
                               const char *type,
                               char *buffer,
                               size_t size,
                               size_t *len);

// Makes a package without sections.
//
// CMS_ERR_EXISTS: there is such a package.
cms_status cms_txn_add_package(cms_txn *txn, const char *package);

// Deletes a package with all its sections, even if its text has errors: the commit removes the file. A symbolic link
// is removed, and its target stays. If another transaction has changed the package, that is a conflict. Later changes
// of the same transaction may make the package anew.
cms_status cms_txn_delete_package(cms_txn *txn,
                                  const char *package);

// Sets an option to a list of `count` items; the option keeps its position in the section. With `count` 0 it is
// deleted; an item may be empty. Setting the items that cms_txn_list_open or cms_snapshot_get_list has read changes
// nothing. If another transaction has changed the option, that is a conflict, as after cms_txn_get.
cms_status cms_txn_set_list(cms_txn *txn,
                            const char *key,
                            const char *const *items,
                            size_t count);

// Appends an item to a list; a missing list is made, and a string becomes the first item. cms_txn_commit checks that
// all items together have less than 4 MiB.
cms_status cms_txn_add_list(cms_txn *txn,
                            const char *key,
                            const char *value);

// Removes all items of a list that equal `value`; of a string, nothing.
cms_status cms_txn_del_list(cms_txn *txn, const char *key, const char *value);

// Deletes an option, or a section with all its options.
cms_status cms_txn_delete(cms_txn *txn, const char *key);

// Renames an option or a section; `name` is the new name alone, not a key.
//
// CMS_ERR_EXISTS: the name is in use.
cms_status cms_txn_rename(cms_txn *txn, const char *key, const char *name);

// Moves a section to a position among those of its package, counted from 0; beyond the end means last.
cms_status cms_txn_reorder(cms_txn *txn,
                           const char *key,
                           size_t position);

// Reads the value of a key as the transaction sees it, its own changes included, as cms_get does. If another
// transaction changes the value before the commit, the commit fails with CMS_ERR_CONFLICT.
//
// CMS_ERR_NOT_FOUND: there is no such key. CMS_ERR_TYPE: the value is a list; see cms_txn_list_open.
cms_status cms_txn_get(cms_txn *txn,
                       const char *key,
                       char *buffer,
                       size_t size,
                       size_t *len);

// Gets facts about a transaction; each output may be NULL. `id` is a number that no other transaction of the process
// has; it is not the revision that the commit gets. `started_us` is when it was begun, in microseconds since 1970,
// UTC. `changes` is the number of changes so far. Every live handle is an active transaction: cms_txn_commit and
// cms_txn_rollback end it and release the handle.
cms_status cms_txn_info(const cms_txn *txn,
                        uint64_t *id,
                        uint64_t *started_us,
                        size_t *changes);

// Sets the message of the transaction, for the history.
cms_status cms_txn_set_message(cms_txn *txn, const char *message);

// Makes the commit one that is rolled back unless it is confirmed, with cms_confirm or "cms confirm", within
// `within_ms`. The rollback sets the keys that it has changed back to what they were, even if others have changed them
// since; other changes stay. If a commit waits to be confirmed already, this one joins it: they go or stay together,
// and the time given last counts for all.
//
// cms_txn_commit starts a guard that rolls it back in time, even if the program has ended: a process of its own, if
// there is a `cms` in PATH or in one of the usual directories for programs; otherwise a thread, which ends with the
// program. If neither can be started, cms_txn_commit returns CMS_ERR_IO and nothing is committed. The next program
// that opens the store after the time is up rolls the commit back as well.
cms_status cms_txn_set_confirm(cms_txn *txn,
                               uint64_t within_ms);

// With `force` other than 0, commits the changes even if others have changed the same keys meanwhile, or if they break a
// schema (CMS_ERR_SCHEMA); the log has a note of that.
cms_status cms_txn_set_force(cms_txn *txn,
                             int32_t force);

// Makes a savepoint of the changes so far; `savepoint` gets its number.
cms_status cms_txn_savepoint(cms_txn *txn, uint32_t *savepoint);

// Drops all changes since a savepoint, and the savepoints made since.
//
// CMS_ERR_INVALID: there is no such savepoint.
cms_status cms_txn_rollback_to(cms_txn *txn, uint32_t savepoint);

// Commits all changes, durably, and releases the transaction, even on failure. `revision` gets the number of the
// commit; it may be NULL. On anything but CMS_OK and CMS_ERR_NOT_DURABLE nothing was changed; then begin another
// transaction to try again.
//
// CMS_ERR_CONFLICT: another transaction has changed a key that this one has read or written; the message has the old
// and the present value and the author of the present one. CMS_ERR_LOCKED: another writer did not finish in time.
// CMS_ERR_NOT_FOUND, CMS_ERR_EXISTS: a change is not possible after commits of others. CMS_ERR_PERMISSION,
// CMS_ERR_NO_SPACE, CMS_ERR_IO: a file cannot be written. CMS_ERR_FULL: see `map_limit`.
cms_status cms_txn_commit(cms_txn *txn,
                          uint64_t *revision);

// Drops all changes and releases the transaction. NULL is ignored.
void cms_txn_rollback(cms_txn *txn);

/* ---- Iterating over what a transaction sees ---- */

// Iterates over the names of all packages as a transaction sees them, in byte order: with those that it makes,
// and without those that it deletes. The iterator may outlive the transaction, and changes made meanwhile do not show.
//
// CMS_ERR_IO: the configuration directory cannot be read.
cms_status cms_txn_package_iter_open(cms_txn *txn,
                                     cms_package_iter **iter);

// Iterates over the sections of a package as a transaction sees them: as cms_section_iter_open. The sections count as
// read, as after cms_txn_get. The iterator may outlive the transaction, and changes made meanwhile do not show; the
// strings are valid until it is closed.
//
// CMS_ERR_NOT_FOUND: there is no such package.
cms_status cms_txn_section_iter_open(cms_txn *txn,
                                     const char *package,
                                     const char *type,
                                     cms_section_iter **iter);

// Iterates over the options of a section as a transaction sees them: as cms_option_iter_open. The options count as
// read, as after cms_txn_get. The iterator may outlive the transaction, and changes made meanwhile do not show; the
// strings are valid until it is closed.
//
// CMS_ERR_NOT_FOUND: there is no such package or section.
cms_status cms_txn_option_iter_open(cms_txn *txn,
                                    const char *package,
                                    const char *section,
                                    cms_option_iter **iter);

/* ---- Transactions: typed values ---- */

// Reads a string as cms_get_string does, as the transaction sees it: see cms_txn_get.
//
// As cms_txn_get.
cms_status cms_txn_get_string(cms_txn *txn,
                              const char *key,
                              const char *fallback,
                              char *buffer,
                              size_t size,
                              size_t *len);

// Reads a whole number as cms_get_int does, as the transaction sees it: see cms_txn_get.
//
// As cms_get_int.
cms_status cms_txn_get_int(cms_txn *txn, const char *key, int64_t fallback, int64_t *value);

// Reads a whole number that must be between `least` and `most`, as cms_txn_get_int does.
//
// CMS_ERR_RANGE: it is not; `value` is `fallback` then. Otherwise as cms_txn_get_int.
cms_status cms_txn_get_int_range(cms_txn *txn,
                                 const char *key,
                                 int64_t least,
                                 int64_t most,
                                 int64_t fallback,
                                 int64_t *value);

// Reads a truth value as cms_get_bool does, as the transaction sees it: see cms_txn_get.
//
// As cms_get_bool.
cms_status cms_txn_get_bool(cms_txn *txn, const char *key, int32_t fallback, int32_t *value);

// Reads a decimal number as cms_get_double does, as the transaction sees it: see cms_txn_get.
//
// As cms_get_double.
cms_status cms_txn_get_double(cms_txn *txn, const char *key, double fallback, double *value);

// Reads a decimal number that must be between `least` and `most`, as cms_txn_get_double does.
//
// CMS_ERR_RANGE: it is not; `value` is `fallback` then. Otherwise as cms_txn_get_double.
cms_status cms_txn_get_double_range(cms_txn *txn,
                                    const char *key,
                                    double least,
                                    double most,
                                    double fallback,
                                    double *value);

// Reads a number of bytes as cms_get_size does, as the transaction sees it: see cms_txn_get.
//
// As cms_get_size.
cms_status cms_txn_get_size(cms_txn *txn, const char *key, uint64_t fallback, uint64_t *value);

// Reads a number of bytes that must be between `least` and `most`, as cms_txn_get_size does.
//
// CMS_ERR_RANGE: it is not; `value` is `fallback` then. Otherwise as cms_txn_get_size.
cms_status cms_txn_get_size_range(cms_txn *txn,
                                  const char *key,
                                  uint64_t least,
                                  uint64_t most,
                                  uint64_t fallback,
                                  uint64_t *value);

// Sets an option to a whole number, as cms_txn_set does.
cms_status cms_txn_set_int(cms_txn *txn, const char *key, int64_t value);

// Sets an option to a truth value, as cms_txn_set does: in UCI to "1", or to "0" if `value` is 0; in
// TOML and JSON to true or false.
cms_status cms_txn_set_bool(cms_txn *txn,
                            const char *key,
                            int32_t value);

// Sets an option to a decimal number, as cms_txn_set does: with as few digits as read back to the same number,
// whatever the locale.
//
// CMS_ERR_INVALID: it is infinite or not a number.
cms_status cms_txn_set_double(cms_txn *txn,
                              const char *key,
                              double value);

// Sets an option to a number of bytes, as cms_txn_set does.
cms_status cms_txn_set_size(cms_txn *txn, const char *key, uint64_t value);

// Writes the key with the name of its section in place of a selector to `buffer`, as the transaction sees it: see
// cms_resolve.
//
// As cms_resolve.
cms_status cms_txn_resolve(cms_txn *txn,
                           const char *key,
                           char *buffer,
                           size_t size,
                           size_t *len);

/* ---- Values with types ---- */

// Returns the name of a type, as the command takes and prints it: "int", for example; "" if `type` is none of cms_type.
const char *cms_type_name(int32_t type);

// Gets the type of the newest committed value of a key. Typed reads such as cms_get_int need not be told: they read
// the number 8080 of JSON as the string "8080" of UCI.
//
// CMS_ERR_NOT_FOUND: there is no such key. Otherwise as cms_get.
cms_status cms_get_type(const cms_store *store,
                        const char *key,
                        cms_type *type);

// Gets the type of a value in the state of the snapshot, as cms_get_type does.
//
// As cms_get_type, and CMS_ERR_STALE.
cms_status cms_snapshot_get_type(const cms_snapshot *snapshot, const char *key, cms_type *type);

// Gets the type of the value of a prepared key, as cms_get_type does.
//
// As cms_get_type.
cms_status cms_key_get_type(cms_key *key, cms_type *type);

// Gets the type of a value as the transaction sees it, as cms_get_type does: see cms_txn_get.
//
// As cms_get_type.
cms_status cms_txn_get_type(cms_txn *txn, const char *key, cms_type *type);

// Sets an option to a value of a type, one of cms_type that is no list, and commits that, as cms_set does. `value` is
// its text: "null" for CMS_TYPE_NULL, JSON for CMS_TYPE_JSON. In a package of UCI text the value becomes a string.
//
// CMS_ERR_TYPE: the text is no value of the type. Otherwise as cms_set.
cms_status cms_set_typed(const cms_store *store,
                         const char *key,
                         int32_t type,
                         const char *value);

// Sets an option to a value of a type, as cms_set_typed does, in a transaction.
//
// As cms_set_typed.
cms_status cms_txn_set_typed(cms_txn *txn, const char *key, int32_t type, const char *value);

// Sets an option to a list of a type, one of cms_type that is a list, and commits that, as cms_set_list does. TOML and
// JSON keep a list without items. cms_set_list and cms_add_list keep the type of a list that is there.
//
// CMS_ERR_TYPE: an item is no value of the type. Otherwise as cms_set_list.
cms_status cms_set_typed_list(const cms_store *store,
                              const char *key,
                              int32_t type,
                              const char *const *items,
                              size_t count);

// Sets an option to a list of a type, as cms_set_typed_list does, in a transaction.
//
// As cms_set_typed_list.
cms_status cms_txn_set_typed_list(cms_txn *txn,
                                  const char *key,
                                  int32_t type,
                                  const char *const *items,
                                  size_t count);

/* ---- Changes that depend on the value ---- */

// Adds `by` to a whole number and commits that; `sum` gets the new number, and may be NULL. If others add to the number
// at the same time, each addition is made, in whatever process and thread. An option that does not exist counts as 0.
// The number keeps its type.
//
// CMS_ERR_TYPE: the value is no whole number. CMS_ERR_RANGE: it or the sum does not fit into 64 bits. Otherwise as
// cms_set. Nothing is changed then.
cms_status cms_add_int(const cms_store *store,
                       const char *key,
                       int64_t by,
                       int64_t *sum);

// Adds `by` to a whole number in a transaction, as cms_add_int does. If another transaction changes the number before
// the commit, the commit fails with CMS_ERR_CONFLICT.
//
// As cms_add_int.
cms_status cms_txn_add_int(cms_txn *txn,
                           const char *key,
                           int64_t by,
                           int64_t *sum);

// Compares and sets: sets an option as cms_set does and commits that, but only if its value is `expected`; with NULL,
// only if it does not exist. Another spelling of the same number or truth value is the same value, if the value has
// such a type. Of several calls at once with the same `expected`, one succeeds.
//
// CMS_ERR_CONFLICT: it has another value, which the message names. Otherwise as cms_set. Nothing is changed then.
cms_status cms_set_if(const cms_store *store,
                      const char *key,
                      const char *value,
                      const char *expected);

// Sets an option as cms_set does and commits that, but only if no transaction after `revision` has changed it: see
// cms_revision.
//
// CMS_ERR_CONFLICT: one has. CMS_ERR_INVALID: the store has no such revision yet. CMS_ERR_NOT_FOUND: there is no log.
// Otherwise as cms_set. Nothing is changed then.
cms_status cms_set_if_revision(const cms_store *store,
                               const char *key,
                               const char *value,
                               uint64_t revision);

// Fails unless the value of a key is `expected`, or, with NULL, the key does not exist; see cms_set_if. If another
// transaction changes the key before the commit, the commit fails with CMS_ERR_CONFLICT.
//
// CMS_ERR_CONFLICT: it has another value.
cms_status cms_txn_expect(cms_txn *txn,
                          const char *key,
                          const char *expected);

// Fails if a transaction after `revision` has changed a key, as cms_txn_expect does; see cms_set_if_revision.
//
// CMS_ERR_CONFLICT: one has. CMS_ERR_INVALID: the store has no such revision yet. CMS_ERR_NOT_FOUND: there is no log.
cms_status cms_txn_expect_revision(cms_txn *txn,
                                   const char *key,
                                   uint64_t revision);

/* ---- Authors and requests: for a program that commits for others ---- */

// Makes a handle of the same open store whose transactions are of another author, program or request; so are those that
// cms_undo and the like make with it. It shares the maps, the log and its queue with `store`, costs little, and is
// closed with cms_close, before or after `store`.
//
// CMS_ERR_INVALID: `request` is no id of a request; or a member is set that this version of the library does not know.
cms_status cms_store_open_as(const cms_store *store,
                             const cms_attribution *by,
                             cms_store **other);

// Sets the author of the transaction, "alice@192.168.7.20" for example: the person for whom the program commits. NULL is
// the user of the process.
cms_status cms_txn_set_author(cms_txn *txn,
                              const char *author);

// Sets the name of the program or interface, for this transaction in place of that of the store.
cms_status cms_txn_set_source(cms_txn *txn, const char *source);

// Sets the id of the request that the transaction is made for: 32 hexadecimal digits, with any hyphens between them, as
// in a UUID. cms_find_request finds the transaction by it.
//
// CMS_ERR_INVALID: it is no id of a request.
cms_status cms_txn_set_request(cms_txn *txn,
                               const char *request);

// Finds the transaction that was made for a request; `revision` gets its number and may be NULL. A program that does not
// know whether the first try of a request was committed asks this before it tries again. A commit that a crash has
// interrupted is completed first.
//
// CMS_ERR_NOT_FOUND: no transaction in the log is of this request, or there is no log. CMS_ERR_INVALID: it is no id of a
// request.
cms_status cms_find_request(const cms_store *store,
                            const char *request,
                            uint64_t *revision);

/* ---- Tables: the sections of a type as rows ---- */

// Opens a table: the sections of a type of a package. They need not exist yet.
//
// CMS_ERR_INVALID: the name of the package or the type is not allowed. CMS_ERR_PARSE, CMS_ERR_IO: the package cannot
// be read.
cms_status cms_table_open(const cms_store *store,
                          const char *package,
                          const char *type,
                          cms_table **table);

// As cms_table_open, in the state of a snapshot.
//
// As cms_table_open, and CMS_ERR_STALE.
cms_status cms_snapshot_table_open(const cms_snapshot *snapshot,
                                   const char *package,
                                   const char *type,
                                   cms_table **table);

// Shows the last commit from now on. What was read from the table before is not valid any more. `changed` gets 1 if
// the store has changed since, else 0; it may be NULL.
//
// As cms_table_open; on failure the table shows what it showed before.
cms_status cms_table_refresh(cms_table *table,
                             int32_t *changed);

// Gets the number of rows.
//
// CMS_ERR_NOT_FOUND: there is no such package. Otherwise as cms_snapshot_get; the same in the functions below.
cms_status cms_table_len(const cms_table *table,
                         size_t *len);

// Lists the names of the columns: of all options that a row has, in the order in which they come first. It reads all
// rows.
cms_status cms_table_list_open(const cms_table *table,
                               cms_list **list);

// Finds the first row, in the order of the file, whose cell of `column` is `value`, or a list that has it as an item.
// The strings are valid until the table is refreshed or closed.
//
// CMS_ERR_NOT_FOUND: there is no such row.
cms_status cms_table_find(const cms_table *table,
                          const char *column,
                          const char *value,
                          cms_section *row);

// Iterates over rows: those whose cell of `column` is `value`, or a list that has it as an item; all if `column` is
// NULL. They come in the order of the file if `sort` is NULL, else sorted by the column `sort`: numbers by their value,
// then other text byte by byte; of a list, the first item counts; rows without that column are last. The iterator
// may outlive the table, and its strings are valid until both the iterator and the table are closed.
cms_status cms_table_section_iter_open(const cms_table *table,
                                       const char *column,
                                       const char *value,
                                       const char *sort,
                                       cms_section_iter **iter);

// Finds a cell of the row that is called `row`, a string or a list. It is valid until the table is refreshed or closed.
//
// CMS_ERR_NOT_FOUND: there is no such row, or it has no such cell.
cms_status cms_table_get(const cms_table *table,
                         const char *row,
                         const char *column,
                         cms_option *cell);

// Inserts a row behind the other sections of the package, in a transaction: with `count` cells, of these `columns` and
// `values`. It is called `row`, or is anonymous if that is NULL; its name is written to `buffer`, as in cms_get. A
// missing package is made.
//
// CMS_ERR_EXISTS: there is a section of that name. On failure the transaction goes on without the row.
cms_status cms_table_insert(const cms_table *table,
                            cms_txn *txn,
                            const char *row,
                            const char *const *columns,
                            const char *const *values,
                            size_t count,
                            char *buffer,
                            size_t size,
                            size_t *len);

// Sets `count` cells of the row that is called `row`, in a transaction: of these `columns`, to these `values`. A value
// that is NULL or "" deletes the cell. The other cells stay as they are.
//
// CMS_ERR_NOT_FOUND: there is no such row. On failure the transaction goes on without the change.
cms_status cms_table_update(const cms_table *table,
                            cms_txn *txn,
                            const char *row,
                            const char *const *columns,
                            const char *const *values,
                            size_t count);

// Deletes the row that is called `row`, in a transaction.
//
// CMS_ERR_NOT_FOUND: there is no such row.
cms_status cms_table_delete(const cms_table *table, cms_txn *txn, const char *row);

// Closes a table. NULL is ignored.
void cms_table_close(cms_table *table);

/* ---- History: who changed what ---- */

// Looks for the transactions that changed a package, a section or an option, at most `most` of them, or all if
// that is 0; with NULL for `key`, for all transactions. Changes made with an editor are noted first.
//
// The history of a key that nothing has changed is empty.
//
// CMS_ERR_NOT_FOUND: there is no log, because no state directory can be written; or a selector (@TYPE[...]) finds no
// section.
// CMS_ERR_DAMAGED: the log is damaged.
cms_status cms_history_open(const cms_store *store,
                            const char *key,
                            size_t most,
                            cms_history **history);

// Finds the next transaction.
//
// CMS_ERR_END: there are no more.
cms_status cms_history_next(cms_history *history, cms_record *record);

// Finds the next change of the transaction that cms_history_next found last.
//
// CMS_ERR_END: there are no more.
cms_status cms_history_next_change(cms_history *history, cms_change *change);

// Closes a history. NULL is ignored.
void cms_history_close(cms_history *history);

// Opens the blame of a package, which names for each line the last transaction that wrote it. Changes made with an
// editor are noted first.
//
// CMS_ERR_NOT_FOUND: there is no such package; or there is no log, because no state directory can be written.
// CMS_ERR_DAMAGED: the log is damaged.
cms_status cms_blame_open(const cms_store *store,
                          const char *package,
                          cms_blame **blame);

// Finds the next line, without its newline, and the record of the transaction it comes from, whose `revision` and
// `kind` are 0 if the line is older than the log. `record` may be NULL. The line is valid until the next call with the
// same blame, or its end; it is as in the file, which need not be UTF-8.
//
// CMS_ERR_END: there are no more.
cms_status cms_blame_next(cms_blame *blame,
                          cms_bytes *line,
                          cms_record *record);

// Closes a blame. NULL is ignored.
void cms_blame_close(cms_blame *blame);

/* ---- Earlier states ---- */

// Finds a revision: a number, "-3" (three transactions before the last), "now", a time in braces ("@{10 min ago}",
// "@{2026-11-21 08:02}", in UTC), or the label of a snapshot ("label:5" if it reads as a revision).
//
// CMS_ERR_NOT_FOUND: there is no such revision, the log does not go back that far, or the log was begun anew since the
// snapshot was made.
cms_status cms_find_revision(const cms_store *store,
                             const char *name,
                             uint64_t *revision);

// Reads the value a key had at a revision, as cms_get reads the newest.
//
// CMS_ERR_NOT_FOUND: there was no such key, the log does not go back that far, or there is no such
// revision yet. CMS_ERR_TYPE: the value was a list;
// see cms_list_open_at.
cms_status cms_get_at(const cms_store *store,
                      const char *key,
                      uint64_t revision,
                      char *buffer,
                      size_t size,
                      size_t *len);

// Reads the text a package had at a revision, byte for byte, into `buffer`, as cms_get reads a value: `len` gets its
// length in bytes, without the NUL byte. A package that the log first saw after the revision is taken to have had its
// first text at the revision already. Changes made with an editor count as made when they were noted.
//
// CMS_ERR_NOT_FOUND: there was no such package, the log does not go back that far, or there is no
// such revision yet. CMS_ERR_DAMAGED: the log is
// damaged.
cms_status cms_text_at(const cms_store *store,
                       const char *package,
                       uint64_t revision,
                       char *buffer,
                       size_t size,
                       size_t *len);

// Iterates over the names of the packages that were changed after a revision, in byte order. Changes made with an
// editor are noted first. If the log does not go back that far, some of them may not have changed.
//
// CMS_ERR_NOT_FOUND: there is no log, because no state directory can be written. CMS_ERR_DAMAGED: the log is damaged.
cms_status cms_package_iter_open_changed(const cms_store *store,
                                         uint64_t revision,
                                         cms_package_iter **iter);

/* ---- Undo, rollback and confirmation ---- */

// Undoes the transaction with the number `revision`, or, if that is 0, the newest that is neither undone nor itself an
// undo or redo, so that a second call goes further back. Later changes stay. `message` may be NULL. `done` gets the
// number of the new transaction, and may be NULL.
//
// CMS_ERR_CONFLICT: something that it changed was changed again since. CMS_ERR_NOT_FOUND: it is not in the log any
// more, or there is none to undo. Otherwise as cms_txn_commit. Nothing is changed then.
cms_status cms_undo(const cms_store *store,
                    uint64_t revision,
                    const char *message,
                    uint64_t *done);

// Makes the undone transaction with the number `revision` again, or, if that is 0, the one that was undone last. Later
// changes stay. `message` may be NULL. `done` gets the number of the new transaction, and may be NULL.
//
// CMS_ERR_CONFLICT: something that it changed was changed again since it was undone. CMS_ERR_NOT_FOUND: nothing is
// undone. CMS_ERR_INVALID: that transaction is not undone. Otherwise as cms_txn_commit. Nothing is changed then.
cms_status cms_redo(const cms_store *store,
                    uint64_t revision,
                    const char *message,
                    uint64_t *done);

// Rolls all packages back to their exact state at a revision. `message` may be NULL. `done` gets the number of the
// new transaction, or 0 if nothing had to change; it may be NULL.
//
// CMS_ERR_NOT_FOUND: the log does not go back that far. Otherwise as cms_txn_commit. Nothing is changed then.
cms_status cms_rollback(const cms_store *store,
                        uint64_t revision,
                        const char *message,
                        uint64_t *done);

// Gets the number of the commit that waits to be confirmed, and how much time is left. Either may be NULL. A commit
// whose time is up is rolled back first.
//
// CMS_ERR_NOT_FOUND: no commit waits.
cms_status cms_pending(const cms_store *store,
                       uint64_t *revision,
                       uint64_t *left_ms);

// Lists the transactions that wait to be confirmed, the oldest first: by whom, when, and what each has changed. They
// are rolled back unless cms_confirm is called.
//
// CMS_ERR_NOT_FOUND: no commit waits.
cms_status cms_history_open_pending(const cms_store *store,
                                    cms_history **history);

// To be called after the commit of the transaction `revision`: describes another commit that waits to be confirmed, by
// whom it was made, how much time is left, and which keys that `revision` has changed are rolled back with it. The
// text is for people. It is written to `buffer`, as in cms_get. The call costs next to nothing if no commit waits.
//
// CMS_ERR_END: no other commit waits.
cms_status cms_pending_notice(const cms_store *store,
                              uint64_t revision,
                              char *buffer,
                              size_t size,
                              size_t *len);

// Confirms the commit that waits to be confirmed, and all that wait with it. `revision` is its number, or 0 for any.
//
// CMS_ERR_NOT_FOUND: no commit waits, or another one does. Otherwise as cms_txn_commit.
cms_status cms_confirm(const cms_store *store,
                       uint64_t revision);

/* ---- Archives: kept snapshots and backups ---- */

// Keeps the committed state of all packages under a label, until cms_archive_delete. `revision` gets the number
// of the last transaction in it, and may be NULL.
//
// CMS_ERR_EXISTS: a snapshot has that label. CMS_ERR_INVALID: the label is not allowed. CMS_ERR_NOT_FOUND: no state
// directory can be written. CMS_ERR_IO, CMS_ERR_NO_SPACE: the snapshot could not be written.
cms_status cms_archive_create(const cms_store *store,
                              const char *label,
                              uint64_t *revision);

// Deletes the snapshot with a label, or an automatic snapshot by its name.
//
// CMS_ERR_NOT_FOUND: there is no such snapshot. CMS_ERR_DAMAGED: the file is damaged, and stays. CMS_ERR_INVALID: the
// label is not allowed. CMS_ERR_IO, CMS_ERR_PERMISSION: it could not be deleted.
cms_status cms_archive_delete(const cms_store *store,
                              const char *label);

// Iterates over the kept snapshots, with a label and automatic ones, the oldest first. Other files in the directory
// are skipped.
//
// CMS_ERR_NOT_FOUND: there is no state directory. CMS_ERR_IO, CMS_ERR_PERMISSION: it cannot be read.
cms_status cms_archive_iter_open(const cms_store *store,
                                 cms_archive_iter **iter);

// Finds the next snapshot.
//
// CMS_ERR_END: there are no more.
cms_status cms_archive_iter_next(cms_archive_iter *iter, cms_archive *archive);

// Closes an iterator. NULL is ignored.
void cms_archive_iter_close(cms_archive_iter *iter);

// Writes the committed state of all packages into a file, which is replaced if it is there.
//
// CMS_ERR_IO, CMS_ERR_PERMISSION, CMS_ERR_NO_SPACE: the file is as before.
cms_status cms_backup(const cms_store *store, const char *path);

// Brings all packages to the state in a backup file or, for a name without a '/', in the snapshot with that label, as
// one transaction. Packages that are not in it become empty. `done` as in cms_rollback.
//
// CMS_ERR_NOT_FOUND: there is no such file or snapshot. CMS_ERR_DAMAGED: the file is damaged. Otherwise as
// cms_txn_commit. Nothing is changed then.
cms_status cms_restore(const cms_store *store,
                       const char *name,
                       uint64_t *done);

/* ---- Checking and repairing a store ---- */

// Checks all records of the log against their chain: each is tied to the one before it, so that none can be changed,
// taken out or put in without a trace. But a user who can write the log can forge all of it: keep `chain` somewhere
// else to detect that. Damage is not a failure of the call: cms_report_next_problem lists it. The call reads the whole
// log.
//
// CMS_ERR_NOT_FOUND: there is no log, because no state directory can be written. CMS_ERR_IO, CMS_ERR_PERMISSION: it
// cannot be read.
cms_status cms_log_check(const cms_store *store,
                         cms_log_info *info,
                         cms_report **report);

// Mends what can be mended: finishes a commit that a crash has interrupted, puts back the newest text without errors
// of each package whose text has errors, as the log has it, and sets damaged parts of the log aside, in files that end
// with .damaged; the readable parts stay. cms_report_next_problem lists the damage of the log,
// cms_report_next_repaired the packages that were put back.
//
// CMS_ERR_PARSE: a package has errors, and the log has no better text; the others are mended all the same. Otherwise
// as cms_log_check and cms_txn_commit. Repairs that were made before the failure stay.
cms_status cms_repair(const cms_store *store,
                      cms_report **report);

// Gets the next damage that was found in the log: one line for people, in English. It is valid until the next call
// with the same report, or its end.
//
// CMS_ERR_END: there are no more.
cms_status cms_report_next_problem(cms_report *report,
                                   cms_bytes *problem);

// Gets the next package that was put back.
//
// CMS_ERR_END: there are no more.
cms_status cms_report_next_repaired(cms_report *report, cms_repaired *repaired);

// Closes a report. NULL is ignored.
void cms_report_close(cms_report *report);

/* ---- Events ---- */

// Opens a watch. `pattern` is one or more of PACKAGE, PACKAGE.SECTION and PACKAGE.SECTION.OPTION with blanks
// between them, by name; *, ? and [a-z] stand for what they do in file names: "network.*", "*.lan.ipaddr",
// "network system". Events start with the transaction after `since`, or, with CMS_SINCE_NOW, with the next one.
// To follow a state: open the watch, then read.
//
// Edits by hand become events as well, once the file is at rest, unless they change only comments.
//
// A watch of everything, "*", also gets the confirmation of a commit: an event of kind CMS_BY_CONFIRM, without
// changes. The event of a commit that has to be confirmed has `confirm_within_ms`; if it is not confirmed, an event of
// kind CMS_BY_ROLLBACK follows.
//
// CMS_ERR_INVALID: the pattern is not allowed. CMS_ERR_STALE: the log does not go back to `since`. CMS_ERR_FULL: the
// store has 1000 watches and subscriptions already. CMS_ERR_NOT_FOUND: there is no log, because no state directory can
// be written.
cms_status cms_watch_open(const cms_store *store,
                          const char *pattern,
                          uint64_t since,
                          cms_watch **watch);

// Finds the next event, and waits for it at most `timeout_ms`: 0 for not at all, CMS_FOREVER without end.
//
// CMS_ERR_END: there are no more. CMS_ERR_STALE: the log does not have the next transaction any more. Read everything
// again; the watch goes on with the transactions from now on.
cms_status cms_watch_next(cms_watch *watch,
                          int32_t timeout_ms,
                          cms_event **event);

// Gets a descriptor that is readable when there may be an event, for poll, epoll, select and event loops. Then call
// cms_watch_next with a timeout of 0 until it answers CMS_ERR_END; there may be no event at once. At first it is
// readable. It belongs to the watch: do not read from it, and do not close it.
//
// CMS_ERR_IO: the system has no descriptor left, or no instance of inotify.
cms_status cms_watch_fd(cms_watch *watch,
                        int32_t *fd);

// With `merge` other than 0, delivers all transactions that are there already as one event, with one change for each
// key.
cms_status cms_watch_set_merge(cms_watch *watch,
                               int32_t merge);

// Gets the number of the last transaction that the watch has reached. To continue after a restart, open a watch with
// it for `since`.
cms_status cms_watch_revision(const cms_watch *watch,
                              uint64_t *revision);

// Closes a watch. NULL is ignored.
void cms_watch_close(cms_watch *watch);

// Gets the record of the transaction of an event. The strings are valid as long as the event is.
cms_status cms_event_record(const cms_event *event, cms_record *record);

// Finds the next change of an event, in the order of the transaction. The strings are valid until the next call
// for the same event, or its end.
//
// CMS_ERR_END: there are no more.
cms_status cms_event_next_change(cms_event *event,
                                 cms_change *change);

// Calls `callback` with each event, in order, on a thread of the library: one for all subscriptions of the store,
// which ends with the last of them. The callback may read and write the store, and subscribe and end
// subscriptions; it must not close the store. `pattern` and `since` as in cms_watch_open.
//
// As cms_watch_open; CMS_ERR_IO: the system has no thread or descriptor left.
cms_status cms_subscription_open(const cms_store *store,
                                 const char *pattern,
                                 uint64_t since,
                                 cms_event_callback callback,
                                 void *data,
                                 cms_subscription **subscription);

// Closes a subscription. NULL is ignored. Once it returns, the callback is not running and is not called again; but if
// the callback itself calls this function, that call of the callback is the last.
void cms_subscription_close(cms_subscription *subscription);

/* ---- Verifiers ---- */

// Calls `callback` before each transaction, of any process, that would change a key that `pattern` selects (see
// cms_watch_open), to accept or refuse it. If the callback refuses, the commit fails with CMS_ERR_REFUSED, with the
// reason and the name of this program in cms_last_error. It also fails if the callback does not answer within the
// `verify_timeout_ms` of the committer, by default 5 seconds, or if this process dies during the call. A verifier that
// died earlier is ignored.
//
// The callback runs on a thread of the library, one for each verifier. It may read the store, which shows the state
// before the transaction. Changing anything fails in the callback; it must not close the store or the verifier.
// Another verifier may still refuse the transaction: to act on transactions, watch.
//
// Edits by hand are not verified, nor is the rollback of a commit that was not confirmed.
//
// CMS_ERR_INVALID: the pattern is not allowed. CMS_ERR_PERMISSION: this user is neither root nor the owner of the
// configuration directory, or the run directory belongs to another user. CMS_ERR_NOT_FOUND: no run directory can be
// used. CMS_ERR_IO: the system has no thread or descriptor left.
cms_status cms_verifier_open(const cms_store *store,
                             const char *pattern,
                             cms_verifier_callback callback,
                             void *data,
                             cms_verifier **verifier);

// Closes a verifier. NULL is ignored. Once it returns, the callback is not running and is not called again.
void cms_verifier_close(cms_verifier *verifier);

/* ---- The library: its version, and what a build may leave out ---- */

// Returns the version of the library, "0.1.0" for example. The string is part of the library.
const char *cms_version(void);

// Returns the version of the library as CMS_VERSION_NUMBER has it.
uint32_t cms_version_number(void);

// Tells whether this build of the library has a feature: 1 if it has, 0 if its functions answer CMS_ERR_UNSUPPORTED or
// there is no such feature. The features are "history" (cms_history_open, cms_history_open_pending,
// cms_blame_open, cms_find_revision, cms_get_at, cms_text_at, cms_package_iter_open_changed), "archive" (cms_archive_create, cms_archive_delete,
// cms_archive_iter_open, cms_backup, cms_restore), "audit" (cms_log_check, cms_repair), "undo" (cms_undo, cms_redo,
// cms_rollback), "verify" (cms_verifier_open), "json" and "toml" (packages whose files have these formats), and "schema"
// (commits are checked by the schemas of their packages). libcms.so has them all; libcms-small.so, for routers, has "schema"
// alone, and aborts the program where libcms.so would return CMS_ERR_INTERNAL. Reading, transactions, events, commits that wait
// to be confirmed, and recovery are in every build. Any thread may call it at any time.
int32_t cms_has_feature(const char *name);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* CMS_CONFIG_H_ */
