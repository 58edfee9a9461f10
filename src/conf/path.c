/* path.c - paths made absolute, from values handed in. */
#include <string.h>

#include "mailsled/conf.h"

struct variable {
	const char *name;
	const char *value;    /* NULL: not set */
	const char *fallback; /* below HOME, when not set */
};

/* The XDG base directory rules: a relative value counts as none. */
static const char *
absolute(const char *value)
{
	return value != NULL && value[0] == '/' ? value : NULL;
}

static bool
add_variable(struct sled_buf *out, const struct variable *var,
             const struct sled_conf_env *env, struct sled_err *err)
{
	if (var->value != NULL)
		return sled_buf_addstr(out, var->value, err);
	if (absolute(env->home) == NULL)
		return sled_fail(err, SLED_ERR_CONFIG,
		                 "%s is not set: write the whole path",
		                 var->name);
	return sled_buf_addstr(out, env->home, err) &&
	       sled_buf_addstr(out, var->fallback, err);
}

/* Puts what PATH begins with into OUT; *rest is what follows it. */
static bool
add_start(struct sled_buf *out, const char *path, const char **rest,
          const struct sled_conf_env *env, struct sled_err *err)
{
	const struct variable vars[] = {
		{ "~", absolute(env->home), "" },
		{ "$HOME", absolute(env->home), "" },
		{ "$XDG_CONFIG_HOME", absolute(env->xdg_config), "/.config" },
		{ "$XDG_DATA_HOME", absolute(env->xdg_data), "/.local/share" },
		{ "$XDG_STATE_HOME", absolute(env->xdg_state),
		  "/.local/state" },
	};
	size_t len = strcspn(path, "/");

	*rest = path + len;
	if (path[0] == '/')
		return true;
	for (size_t i = 0; i < sizeof(vars) / sizeof(vars[0]); i++)
		if (strlen(vars[i].name) == len &&
		    memcmp(vars[i].name, path, len) == 0)
			return add_variable(out, &vars[i], env, err);
	if (path[0] == '~')
		return sled_fail(err, SLED_ERR_CONFIG,
		                 "of ~ only ~/ is known: write the whole path");
	if (path[0] == '$')
		return sled_fail(
		    err, SLED_ERR_CONFIG,
		    "of variables only $HOME, $XDG_CONFIG_HOME, "
		    "$XDG_DATA_HOME and $XDG_STATE_HOME are known");
	return sled_fail(err, SLED_ERR_CONFIG,
	                 "a relative path: it would depend on where mailsled "
	                 "was started; begin it with / or ~/");
}

/* Adds PATH to OUT without empty and "." parts; ".." is refused. */
static bool
add_tidy(struct sled_buf *out, const char *path, struct sled_err *err)
{
	size_t before = out->len;

	while (*path != '\0') {
		size_t len = strcspn(path, "/");

		if (len == 2 && memcmp(path, "..", 2) == 0)
			return sled_fail(
			    err, SLED_ERR_CONFIG,
			    "\"..\" in a path: write where it leads");
		if (len > 0 && !(len == 1 && path[0] == '.') &&
		    (!sled_buf_add(out, "/", 1, err) ||
		     !sled_buf_add(out, path, len, err)))
			return false;
		path += len;
		path += strspn(path, "/");
	}
	return out->len > before || sled_buf_add(out, "/", 1, err);
}

bool
sled_conf_expand(struct sled_buf *out, const char *path,
                 const struct sled_conf_env *env, struct sled_err *err)
{
	struct sled_buf raw = { 0 };
	size_t before = out->len;
	const char *rest;
	bool ok = add_start(&raw, path, &rest, env, err) &&
	          sled_buf_addstr(&raw, rest, err) &&
	          add_tidy(out, raw.data, err);

	if (!ok && out->data != NULL) {
		out->len = before;
		out->data[before] = '\0';
	}
	sled_buf_free(&raw);
	return ok;
}

bool
sled_conf_default_path(struct sled_buf *out, const struct sled_conf_env *env,
                       bool is_root, struct sled_err *err)
{
	if (is_root)
		return sled_buf_addstr(out, "/etc/mailsled/config.ini", err);
	if (sled_conf_expand(out, "$XDG_CONFIG_HOME/mailsled/config.ini", env,
	                     err))
		return true;
	return sled_note(err, "where the configuration is");
}
