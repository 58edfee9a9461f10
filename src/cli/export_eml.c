/* export_eml.c - the exact bytes, under the names they have in the archive. */
#include <errno.h>
#include <string.h>

#include "cli/export.h"

static bool
open_box(struct sled_cli_export *x, const char *label, struct sled_err *err)
{
	(void)x;
	(void)label;
	(void)err;
	return true;
}

/* Done with the folder of the message before: its names are durable. */
static bool
leave_folder(struct sled_cli_export *x, struct sled_err *err)
{
	const struct sled_sys *sys = x->cli->sys;
	bool ok = x->box == -1 || sled_dir_sync(sys, x->box, x->folder, err);

	if (x->box != -1)
		(void)sys->close(sys->ctx, x->box);
	x->box = -1;
	x->folder[0] = '\0';
	return ok;
}

/* One level down; x->box is the folder then. */
static bool
step_into(struct sled_cli_export *x, const char *part, struct sled_err *err)
{
	const struct sled_sys *sys = x->cli->sys;
	int above = x->box == -1 ? x->dir : x->box, below = -1;
	bool ok = sled_dir_make(sys, above, part, 0700, err) &&
	          sled_dir_open(&below, sys, above, part, err);

	if (x->box != -1)
		(void)sys->close(sys->ctx, x->box);
	x->box = below;
	return ok;
}

static bool
enter_folder(struct sled_cli_export *x, const char *folder,
             struct sled_err *err)
{
	const char *at = folder;
	char part[sizeof(x->folder)];

	if (!leave_folder(x, err))
		return false;
	while (*at != '\0') {
		size_t len = strcspn(at, "/");

		memcpy(part, at, len);
		part[len] = '\0';
		if (!step_into(x, part, err))
			return false;
		at += len;
		(void)snprintf(x->folder, sizeof(x->folder), "%.*s",
		               (int)(at - folder), folder);
		at += *at == '/';
	}
	return true;
}

static bool
go_to_folder(struct sled_cli_export *x, const struct sled_message *message,
             struct sled_err *err)
{
	char folder[sizeof(x->folder)];
	const char *slash = strrchr(message->entry, '/');

	if (slash == NULL)
		return sled_fail(err, SLED_ERR_DAMAGED,
		                 "%s: no name of a message", message->label);
	(void)snprintf(folder, sizeof(folder), "%.*s",
	               (int)(slash - message->entry), message->entry);
	return strcmp(folder, x->folder) == 0 || enter_folder(x, folder, err);
}

/* A file shows under its name only when it is whole; that its name is durable
 * the run that wrote it may not have come to. */
static bool
has(struct sled_cli_export *x, const struct sled_message *message, bool *there,
    struct sled_err *err)
{
	const struct sled_sys *sys = x->cli->sys;
	struct stat st = { 0 };

	*there = false;
	if (!sled_cli_path_is_inside(message->entry))
		return sled_fail(err, SLED_ERR_DAMAGED,
		                 "%s/%llu: its name in the archive leads out "
		                 "of the folder",
		                 message->label,
		                 (unsigned long long)message->number);
	if (sys->fstatat(sys->ctx, x->dir, message->entry, &st, 0) == 0) {
		*there =
		    st.st_size >= 0 && (uint64_t)st.st_size == message->octets;
		return !*there || go_to_folder(x, message, err);
	}
	return errno == ENOENT || errno == ENOTDIR ||
	       sled_fail_sys(err, errno, "look at %s", message->entry);
}

static bool
begin(struct sled_cli_export *x, const struct sled_message *message,
      struct sled_err *err)
{
	const char *slash = strrchr(message->entry, '/');

	if (!go_to_folder(x, message, err))
		return false;
	(void)snprintf(x->name, sizeof(x->name), "%s", slash + 1);
	(void)snprintf(x->temp, sizeof(x->temp), "%s.tmp", slash + 1);
	return sled_cli_export_temp(x, x->box, err);
}

static bool
data(struct sled_cli_export *x, struct sled_span bytes, struct sled_err *err)
{
	return sled_buf_add(&x->out.buf, bytes.data, bytes.len, err) &&
	       sled_cli_out_flush(&x->out, false, err);
}

static bool
end(struct sled_cli_export *x, const struct sled_message *message,
    struct sled_err *err)
{
	(void)message;
	return sled_cli_export_name(x, x->box, err);
}

const struct sled_cli_format sled_cli_eml = {
	.name = "eml",
	.open_box = open_box,
	.has = has,
	.begin = begin,
	.data = data,
	.end = end,
	.drop = sled_cli_export_remove,
	.close_box = leave_folder,
};
