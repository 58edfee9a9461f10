/* pop3d_drop.c - the maildrop: listing, ids, sizes, removal; see pop3d.h. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "pop3d.h"

#define PATIENCE_S 1

bool
pop3d_drop_init(struct pop3d_drop *drop, const struct pop3d_conf *conf)
{
	char *text;

	*drop = (struct pop3d_drop){ .conf = conf };
	if (pthread_mutex_init(&drop->lock, NULL) != 0 ||
	    pthread_cond_init(&drop->left, NULL) != 0)
		return false;
	if (conf->generate > 0) {
		drop->built_in = conf->generate;
		text = pop3d_generate(0, conf->generate_bytes,
		                      &drop->generated_size);
		if (text == NULL)
			return false;
		free(text);
	} else if (conf->sample) {
		while (pop3d_sample_name(drop->built_in) != NULL)
			drop->built_in++;
	}
	drop->gone = calloc(drop->built_in + 1, sizeof(*drop->gone));
	return drop->gone != NULL;
}

void
pop3d_drop_free(struct pop3d_drop *drop)
{
	for (size_t i = 0; i < drop->hidden_count; i++)
		free(drop->hidden[i]);
	free(drop->hidden);
	free(drop->gone);
	(void)pthread_cond_destroy(&drop->left);
	(void)pthread_mutex_destroy(&drop->lock);
}

static bool
is_hidden(const struct pop3d_drop *drop, const char *name)
{
	for (size_t i = 0; i < drop->hidden_count; i++)
		if (strcmp(drop->hidden[i], name) == 0)
			return true;
	return false;
}

static bool
hide(struct pop3d_drop *drop, const char *name)
{
	if (is_hidden(drop, name))
		return true;
	if (drop->hidden_count == drop->hidden_cap) {
		size_t cap = drop->hidden_cap * 2 + 64;
		char **more = realloc(drop->hidden, cap * sizeof(*more));

		if (more == NULL)
			return false;
		drop->hidden = more;
		drop->hidden_cap = cap;
	}
	drop->hidden[drop->hidden_count] = strdup(name);
	return drop->hidden[drop->hidden_count++] != NULL;
}

static bool
add_mail(struct pop3d_view *view, const char *name, uint32_t index)
{
	if (view->count == view->cap) {
		size_t cap = view->cap * 2 + 64;
		struct pop3d_mail *more =
		    realloc(view->mails, cap * sizeof(*more));

		if (more == NULL)
			return false;
		view->mails = more;
		view->cap = cap;
	}
	view->mails[view->count] = (struct pop3d_mail){
		.name = strdup(name),
		.index = index,
	};
	return view->mails[view->count++].name != NULL;
}

static bool
list_built_in(const struct pop3d_drop *drop, bool all, struct pop3d_view *view)
{
	for (size_t i = 0; i < drop->built_in; i++) {
		const char *name;
		char made[32];

		(void)snprintf(made, sizeof(made), "sheet-%07zu.eml", i);
		name = drop->conf->sample ? pop3d_sample_name(i) : made;
		if (drop->gone[i] || (!all && is_hidden(drop, name)))
			continue;
		if (!add_mail(view, name, (uint32_t)i))
			return false;
	}
	return true;
}

static int
by_name(const void *a, const void *b)
{
	const struct pop3d_mail *left = a, *right = b;

	return strcmp(left->name, right->name);
}

static bool
list_folder(const struct pop3d_drop *drop, bool all, struct pop3d_view *view)
{
	DIR *dir = opendir(drop->conf->folder);
	const struct dirent *entry;
	bool ok = dir != NULL;

	while (ok && (entry = readdir(dir)) != NULL) {
		size_t len = strlen(entry->d_name);

		if (len < 5 || strcmp(entry->d_name + len - 4, ".eml") != 0)
			continue;
		if (all || !is_hidden(drop, entry->d_name))
			ok = add_mail(view, entry->d_name, 0);
	}
	if (dir != NULL)
		(void)closedir(dir);
	if (view->count > 0)
		qsort(view->mails, view->count, sizeof(*view->mails), by_name);
	return ok;
}

/* What cannot be read any more is listed with size 0; RETR refuses it. */
static void
measure(const struct pop3d_drop *drop, struct pop3d_view *view)
{
	bool plain = drop->conf->generate > 0 &&
	             drop->conf->size_mode != POP3D_SIZE_GROW &&
	             drop->conf->size_mode != POP3D_SIZE_LF;

	for (size_t i = 0; i < view->count; i++) {
		struct pop3d_body body;

		if (plain) {
			view->mails[i].size = drop->generated_size;
			continue;
		}
		pop3d_body_init(&body);
		if (!pop3d_body_run(&body, drop, view, i))
			continue;
		view->mails[i].size = body.size;
		view->mails[i].lines = body.lines;
	}
}

static void
empty_view(struct pop3d_view *view)
{
	for (size_t i = 0; i < view->count; i++)
		free(view->mails[i].name);
	free(view->mails);
	*view = (struct pop3d_view){ .mails = NULL };
}

static bool
wait_until_left(struct pop3d_drop *drop)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	while (drop->busy)
		if (pthread_cond_timedwait(&drop->left, &drop->lock, &until) !=
		    0)
			break;
	return !drop->busy;
}

bool
pop3d_drop_open(struct pop3d_drop *drop, bool recent, struct pop3d_view *view)
{
	bool ok;

	*view = (struct pop3d_view){ .mails = NULL };
	(void)pthread_mutex_lock(&drop->lock);
	ok = wait_until_left(drop);
	if (ok) {
		drop->busy = true;
		view->session = ++drop->sessions;
	}
	(void)pthread_mutex_unlock(&drop->lock);
	if (!ok)
		return false;
	ok = drop->built_in > 0 ? list_built_in(drop, recent, view)
	                        : list_folder(drop, recent, view);
	if (!ok) {
		pop3d_drop_close(drop, view);
		return false;
	}
	measure(drop, view);
	return true;
}

/* A folder that its owner made read-only loses nothing, even to root. */
static bool
is_read_only(const char *folder)
{
	struct stat st;

	return stat(folder, &st) == -1 || (st.st_mode & S_IWUSR) == 0;
}

static bool
remove_mail(struct pop3d_drop *drop, const struct pop3d_mail *mail)
{
	char path[4096];

	if (drop->built_in > 0) {
		drop->gone[mail->index] = true;
		return true;
	}
	if (is_read_only(drop->conf->folder) ||
	    snprintf(path, sizeof(path), "%s/%s", drop->conf->folder,
	             mail->name) >= (int)sizeof(path))
		return false;
	return unlink(path) == 0;
}

/* The holder of the maildrop alone comes here: no lock is needed. */
void
pop3d_drop_commit(struct pop3d_server *server, unsigned conn,
                  struct pop3d_view *view)
{
	struct pop3d_drop *drop = &server->drop;
	const struct pop3d_conf *conf = drop->conf;

	for (size_t i = 0; i < view->count; i++) {
		const struct pop3d_mail *mail = &view->mails[i];
		bool expires = conf->expire0 || conf->expire0_silent;

		if (mail->deleted || (mail->read && expires)) {
			bool ok = remove_mail(drop, mail);

			pop3d_log(server, "MAIL %u %s %s", conn,
			          ok ? "gone" : "stuck", mail->name);
		} else if (mail->read && conf->hide_read) {
			(void)hide(drop, mail->name);
		}
	}
}

void
pop3d_drop_close(struct pop3d_drop *drop, struct pop3d_view *view)
{
	empty_view(view);
	(void)pthread_mutex_lock(&drop->lock);
	drop->busy = false;
	(void)pthread_cond_signal(&drop->left);
	(void)pthread_mutex_unlock(&drop->lock);
}

uint64_t
pop3d_mail_size(const struct pop3d_drop *drop, const struct pop3d_view *view,
                size_t at)
{
	const struct pop3d_mail *mail = &view->mails[at];

	switch ((enum pop3d_size_mode)drop->conf->size_mode) {
	case POP3D_SIZE_LF:
		return mail->size - mail->lines;
	case POP3D_SIZE_ZERO:
		return 0;
	case POP3D_SIZE_HUGE:
		return 9000000000000000000U;
	case POP3D_SIZE_EXACT:
	case POP3D_SIZE_GROW:
		break;
	}
	return mail->size;
}

/* RFC 1939 7: 1 to 70 characters of 0x21 to 0x7E. */
static void
uid_of_name(const char *name, char *out)
{
	size_t len = strlen(name);

	if (len > 4 && strcmp(name + len - 4, ".eml") == 0)
		len -= 4;
	if (len > 70)
		len = 70;
	for (size_t i = 0; i < len; i++)
		out[i] =
		    (char)(name[i] > ' ' && name[i] <= '~' ? name[i] : '_');
	out[len] = '\0';
}

static void
uid_of_hash(const char *name, char *out)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int len = 0;

	if (EVP_Digest(name, strlen(name), digest, &len, EVP_sha256(), NULL) !=
	    1)
		len = 0;
	*out = '\0';
	for (unsigned int i = 0; i < len && i < 16; i++)
		(void)snprintf(out + 2 * (size_t)i, 3, "%02x", digest[i]);
}

void
pop3d_mail_uid(const struct pop3d_drop *drop, const struct pop3d_view *view,
               size_t at, char out[POP3D_UID_MAX])
{
	const char *name = view->mails[at].name;

	*out = '\0';
	switch ((enum pop3d_uid_mode)drop->conf->uid_mode) {
	case POP3D_UID_NAME:
	case POP3D_UID_SPACES:
		uid_of_name(name, out);
		break;
	case POP3D_UID_HASH:
		uid_of_hash(name, out);
		break;
	case POP3D_UID_REUSE:
		(void)snprintf(out, POP3D_UID_MAX, "id-%zu", at + 1);
		break;
	case POP3D_UID_RENUMBER:
		(void)snprintf(out, POP3D_UID_MAX, "s%u-%zu", view->session,
		               at + 1);
		break;
	case POP3D_UID_DOUBLE:
		uid_of_name(view->mails[at & ~(size_t)1].name, out);
		break;
	case POP3D_UID_LONG:
		memset(out, 'L', 200);
		uid_of_name(name, out + 200);
		break;
	case POP3D_UID_CONTROL:
		memcpy(out, "\033[31m\001\377\t", 8);
		uid_of_name(name, out + 8);
		break;
	case POP3D_UID_EMPTY:
		break;
	}
}
