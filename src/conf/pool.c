/* pool.c - the memory of one sled_conf, given back as a whole. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/parse.h"

struct sled_conf_pool {
	struct sled_conf_pool *next;
	max_align_t data[];
};

void *
sled_conf_alloc(struct sled_conf *conf, size_t size, struct sled_err *err)
{
	struct sled_conf_pool *block = calloc(1, sizeof(*block) + size);

	if (block == NULL) {
		(void)sled_fail_sys(err, ENOMEM, "configuration");
		return NULL;
	}
	block->next = conf->pool;
	conf->pool = block;
	return block->data;
}

const char *
sled_conf_keep(struct sled_conf *conf, const char *text, size_t len,
               struct sled_err *err)
{
	char *copy = sled_conf_alloc(conf, len + 1, err);

	if (copy != NULL)
		memcpy(copy, text, len);
	return copy;
}

/* The array doubles when LEN is a power of two: then it is just full. */
void *
sled_conf_grow(struct sled_conf *conf, void *array, size_t len, size_t size,
               struct sled_err *err)
{
	void *more;

	if (len != 0 && (len & (len - 1)) != 0)
		return array;
	more = sled_conf_alloc(conf, (len == 0 ? 1 : 2 * len) * size, err);
	if (more != NULL && len != 0)
		memcpy(more, array, len * size);
	return more;
}

void
sled_conf_free(struct sled_conf **conf)
{
	struct sled_conf_pool *block, *next;

	if (*conf == NULL)
		return;
	for (block = (*conf)->pool; block != NULL; block = next) {
		next = block->next;
		free(block);
	}
	free(*conf);
	*conf = NULL;
}
