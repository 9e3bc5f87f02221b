/* Stock libuci as a peer: uci_lookup_ptr with all packages loaded. It writes into the key, so that is copied. */
#include <string.h>
#include <uci.h>

struct uci_context *uci_peer_open(const char *config_dir)
{
	struct uci_context *context = uci_alloc_context();
	char **name, **names = NULL;

	if (!context || uci_set_confdir(context, config_dir) || uci_list_configs(context, &names))
		return NULL;
	for (name = names; *name; name++) {
		struct uci_package *package;
		if (uci_load(context, *name, &package))
			return NULL;
	}
	return context;
}

const char *uci_peer_get(void *context, const char *key, char *scratch)
{
	struct uci_ptr found;

	strcpy(scratch, key);
	if (uci_lookup_ptr(context, &found, scratch, false) || !(found.flags & UCI_LOOKUP_COMPLETE) || !found.o)
		return NULL;
	return found.o->v.string;
}

void uci_peer_close(struct uci_context *context)
{
	uci_free_context(context);
}

/* Changes one option durably, as a program does: `change` is "package.section.option=value". */
int uci_peer_commit(const char *config_dir, const char *save_dir, char *change)
{
	struct uci_context *context = uci_alloc_context();
	struct uci_ptr found;
	int failed = 1;

	if (!context)
		return 1;
	if (!uci_set_confdir(context, config_dir) && !uci_set_savedir(context, save_dir) &&
	    !uci_lookup_ptr(context, &found, change, false) && !uci_set(context, &found) &&
	    !uci_save(context, found.p) && !uci_commit(context, &found.p, false))
		failed = 0;
	uci_free_context(context);
	return failed;
}
