/* fx_cut.c - what a power cut may leave; see fx_disk.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fx_disk.h"

#define SECTOR  512
#define NODES   1024
#define NO_CUT  UINT64_MAX

struct node {
	uint64_t ino;
	bool folder, shared; /* its bytes are the base's */
	mode_t mode;
	uint8_t *data;
	size_t len, room;
	uint64_t uncut; /* a truncation to this was lost */
};

struct entry {
	uint64_t dir, ino;
	char name[FX_NAME];
};

struct fx_tree {
	uint64_t root;
	size_t nodes, entries;
	struct node node[NODES];
	struct entry entry[NODES];
};

enum {
	IS_THERE,
	IS_NOT,
	IS_LENGTH, /* of zeros */
	IS_FRONT,  /* its first sectors */
	IS_BACK,   /* all but these */
};

static void
insist(bool ok)
{
	if (!ok)
		abort();
}

/* ---- trees ---- */

/* The latest: numbers are used again on some file systems. */
static struct node *
node_of(struct fx_tree *tree, uint64_t ino)
{
	size_t i = tree->nodes;

	while (i-- > 0 && tree->node[i].ino != ino)
		;
	insist(i < tree->nodes);
	return &tree->node[i];
}

static struct node *
add_node(struct fx_tree *tree, uint64_t ino, bool folder, mode_t mode)
{
	insist(tree->nodes < NODES);
	tree->node[tree->nodes] = (struct node){
		.ino = ino, .folder = folder, .mode = mode, .uncut = NO_CUT
	};
	return &tree->node[tree->nodes++];
}

static struct entry *
entry_of(struct fx_tree *tree, uint64_t dir, const char *name)
{
	for (size_t i = 0; i < tree->entries; i++)
		if (tree->entry[i].dir == dir &&
		    strcmp(tree->entry[i].name, name) == 0)
			return &tree->entry[i];
	return NULL;
}

static void
link_name(struct fx_tree *tree, uint64_t dir, const char *name, uint64_t ino)
{
	struct entry *entry = entry_of(tree, dir, name);

	if (entry == NULL) {
		insist(tree->entries < NODES);
		entry = &tree->entry[tree->entries++];
		entry->dir = dir;
		(void)snprintf(entry->name, sizeof(entry->name), "%s", name);
	}
	entry->ino = ino;
}

static void
unlink_name(struct fx_tree *tree, uint64_t dir, const char *name, uint64_t ino)
{
	struct entry *entry = entry_of(tree, dir, name);

	if (entry != NULL && entry->ino == ino)
		*entry = tree->entry[--tree->entries];
}

static void
own_bytes(struct node *node, size_t len)
{
	size_t room = node->shared ? 0 : node->room;
	uint8_t *data;

	if (!node->shared && len <= room)
		return;
	room = 2 * (len > node->len ? len : node->len) + 64;
	data = malloc(room);
	insist(data != NULL);
	if (node->len > 0)
		memcpy(data, node->data, node->len);
	if (!node->shared)
		free(node->data);
	node->data = data;
	node->room = room;
	node->shared = false;
}

static void
set_length(struct node *node, size_t len)
{
	own_bytes(node, len);
	if (len > node->len)
		memset(node->data + node->len, 0, len - node->len);
	node->len = len;
}

static void read_folder(struct fx_tree *tree, int fd, uint64_t ino);

static void
read_file(struct node *node, int fd, size_t len)
{
	set_length(node, len);
	insist(len == 0 || pread(fd, node->data, len, 0) == (ssize_t)len);
}

static void
read_entry(struct fx_tree *tree, int dir, uint64_t ino, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	struct stat st;

	insist(fd != -1 && fstat(fd, &st) == 0);
	link_name(tree, ino, name, st.st_ino);
	if (S_ISDIR(st.st_mode)) {
		read_folder(tree, fd, st.st_ino);
	} else {
		read_file(add_node(tree, st.st_ino, false, st.st_mode & 0777),
		          fd, (size_t)st.st_size);
	}
	insist(close(fd) == 0);
}

static bool
is_memory(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && strcmp(name + len - 4, "-shm") == 0;
}

static void
read_folder(struct fx_tree *tree, int fd, uint64_t ino)
{
	DIR *dir = fdopendir(dup(fd));
	struct dirent *entry;

	insist(dir != NULL);
	(void)add_node(tree, ino, true, 0755);
	while ((entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0 &&
		    !is_memory(entry->d_name))
			read_entry(tree, fd, ino, entry->d_name);
	(void)closedir(dir);
}

struct fx_tree *
fx_tree_read(const char *path)
{
	struct fx_tree *tree = calloc(1, sizeof(*tree));
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	insist(tree != NULL && fd != -1 && fstat(fd, &st) == 0);
	tree->root = st.st_ino;
	read_folder(tree, fd, tree->root);
	insist(close(fd) == 0);
	return tree;
}

void
fx_tree_free(struct fx_tree **tree)
{
	if (*tree == NULL)
		return;
	for (size_t i = 0; i < (*tree)->nodes; i++)
		if (!(*tree)->node[i].shared)
			free((*tree)->node[i].data);
	free(*tree);
	*tree = NULL;
}

static void
write_file(const struct node *node, int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	                node->mode);

	insist(fd != -1);
	insist(node->len == 0 ||
	       write(fd, node->data, node->len) == (ssize_t)node->len);
	insist(close(fd) == 0);
}

static void
write_folder(struct fx_tree *tree, uint64_t ino, int dir)
{
	for (size_t i = 0; i < tree->entries; i++) {
		const struct entry *entry = &tree->entry[i];
		const struct node *node;
		int fd;

		if (entry->dir != ino)
			continue;
		node = node_of(tree, entry->ino);
		if (!node->folder) {
			write_file(node, dir, entry->name);
			continue;
		}
		insist(mkdirat(dir, entry->name, 0755) == 0);
		fd = openat(dir, entry->name, O_RDONLY | O_CLOEXEC);
		insist(fd != -1);
		write_folder(tree, entry->ino, fd);
		insist(close(fd) == 0);
	}
}

void
fx_tree_write(const struct fx_tree *tree, const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	insist(fd != -1);
	write_folder((struct fx_tree *)(uintptr_t)tree, tree->root, fd);
	insist(close(fd) == 0);
}

static uint64_t
mix(uint64_t hash, const void *data, size_t len)
{
	const uint8_t *at = data;
	uint64_t word = 0;

	/* Eight octets a step: megabytes go through here for each state. */
	for (; len >= sizeof(word); len -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		hash = (hash ^ word) * 0x9e3779b97f4a7c15;
		hash ^= hash >> 29;
	}
	for (; len > 0; len--)
		hash = (hash ^ *at++) * 0x100000001b3;
	return hash;
}

/* The sum of what stands under each name, so that order is nothing. */
static uint64_t
hash_folder(struct fx_tree *tree, uint64_t ino, uint64_t seed)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < tree->entries; i++) {
		const struct entry *entry = &tree->entry[i];
		const struct node *node;
		uint64_t hash;

		if (entry->dir != ino)
			continue;
		hash = mix(seed, entry->name, strlen(entry->name) + 1);
		node = node_of(tree, entry->ino);
		if (node->folder)
			hash ^= hash_folder(tree, entry->ino, hash);
		else if (node->len > 0)
			hash = mix(hash, node->data, node->len);
		sum += mix(hash, &node->len, sizeof(node->len));
	}
	return sum;
}

uint64_t
fx_tree_hash(const struct fx_tree *tree)
{
	return hash_folder((struct fx_tree *)(uintptr_t)tree, tree->root,
	                   0xcbf29ce484222325);
}

static bool
is_same(struct fx_tree *a, uint64_t ino, struct fx_tree *b, uint64_t other)
{
	const struct node *x = node_of(a, ino), *y = node_of(b, other);

	return x->folder ? y->folder
	                 : !y->folder && x->len == y->len &&
	                       (x->len == 0 ||
	                        memcmp(x->data, y->data, x->len) == 0);
}

/* What A has in a folder, and B has not, or has otherwise. */
static const struct entry *
lacks(struct fx_tree *a, struct fx_tree *b)
{
	for (size_t i = 0; i < a->entries; i++) {
		const struct entry *here = &a->entry[i];
		const struct entry *there = entry_of(b, here->dir, here->name);

		if (there == NULL || !is_same(a, here->ino, b, there->ino))
			return here;
	}
	return NULL;
}

const char *
fx_tree_difference(const struct fx_tree *now, const struct fx_tree *built)
{
	struct fx_tree *a = (struct fx_tree *)(uintptr_t)now;
	struct fx_tree *b = (struct fx_tree *)(uintptr_t)built;
	const struct entry *one = lacks(a, b), *other = lacks(b, a);
	static char text[3 * FX_NAME];

	(void)snprintf(text, sizeof(text), "on the disk %s, by the log %s",
	               one == NULL ? "nothing" : one->name,
	               other == NULL ? "nothing" : other->name);
	return text;
}

/* ---- what is pending ---- */

/* Looked at from the cut backwards: is what was done to INO covered? */
struct cover {
	bool all;
	size_t len;
	uint64_t ino[NODES];
	bool yes[NODES];
};

static bool
is_covered(const struct cover *cover, uint64_t ino)
{
	for (size_t i = 0; i < cover->len; i++)
		if (cover->ino[i] == ino)
			return cover->yes[i];
	return cover->all;
}

static void
set_cover(struct cover *cover, uint64_t ino, bool yes)
{
	size_t i = 0;

	while (i < cover->len && cover->ino[i] != ino)
		i++;
	insist(i < NODES);
	cover->ino[i] = ino;
	cover->yes[i] = yes;
	if (i == cover->len)
		cover->len++;
}

/* One sector cannot be torn. */
static uint8_t
choices_of(const struct fx_op *op)
{
	if (op->kind != FX_OP_WRITE)
		return 2;
	return op->at / SECTOR == (op->at + op->len - 1) / SECTOR ? IS_FRONT
	                                                         : IS_BACK + 1;
}

static bool
look_back(struct cover *cover, const struct fx_op *op)
{
	switch (op->kind) {
	case FX_OP_SYNC_ALL:
		if (!op->claimed)
			*cover = (struct cover){ .all = true };
		return false;
	case FX_OP_SYNC:
		if (!op->claimed)
			set_cover(cover, op->ino, true);
		return false;
	case FX_OP_SYNC_LOST:
		set_cover(cover, op->ino, false);
		return false;
	case FX_OP_NOTE:
		return false;
	case FX_OP_RENAME:
		return !is_covered(cover, op->dir) ||
		       !is_covered(cover, op->dir2);
	case FX_OP_CREATE:
	case FX_OP_MKDIR:
	case FX_OP_UNLINK:
		return !is_covered(cover, op->dir);
	case FX_OP_WRITE:
	case FX_OP_CUT:
	case FX_OP_MODE:
	default:
		return !is_covered(cover, op->ino);
	}
}

void
fx_cut_begin(struct fx_cut *cut, const struct fx_log *log, size_t after)
{
	struct cover cover = { 0 };
	size_t n;

	cut->after = after;
	cut->pending = 0;
	cut->tear = 0;
	for (size_t i = after; i-- > 0;)
		if (look_back(&cover, &log->op[i])) {
			n = cut->pending++;
			cut->op[n] = (uint32_t)i;
			cut->choice[n] = IS_THERE;
			cut->choices[n] = choices_of(&log->op[i]);
		}
}

size_t
fx_cut_ways(const struct fx_cut *cut, size_t most)
{
	size_t ways = 1;

	for (size_t i = 0; i < cut->pending; i++) {
		ways *= cut->choices[i];
		if (ways > most)
			return most;
	}
	return ways;
}

static uint64_t
next_random(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static bool
is_of_name(const struct fx_op *op)
{
	return op->kind <= FX_OP_UNLINK;
}

static void
choose_kind(struct fx_cut *cut, const struct fx_log *log, uint8_t names,
            uint8_t bytes)
{
	for (size_t i = 0; i < cut->pending; i++) {
		uint8_t choice =
		    is_of_name(&log->op[cut->op[i]]) ? names : bytes;

		cut->choice[i] =
		    choice < cut->choices[i] ? choice : (uint8_t)IS_NOT;
	}
}

static void
choose_random(struct fx_cut *cut, uint64_t seed)
{
	/* Mostly there, mostly not, or half and half. */
	unsigned lean = (unsigned)(next_random(&seed) % 3);

	for (size_t i = 0; i < cut->pending; i++) {
		uint64_t r = next_random(&seed);

		if (lean < 2 && (r >> 32) % 4 != 0)
			cut->choice[i] = (uint8_t)lean;
		else
			cut->choice[i] = (uint8_t)(r % cut->choices[i]);
	}
}

void
fx_cut_choose(struct fx_cut *cut, const struct fx_log *log, size_t n,
              size_t most, uint64_t seed)
{
	static const uint8_t corners[][2] = { { IS_THERE, IS_THERE },
		                              { IS_NOT, IS_NOT },
		                              { IS_THERE, IS_NOT },
		                              { IS_NOT, IS_THERE },
		                              { IS_THERE, IS_LENGTH } };
	size_t p = cut->pending;

	cut->tear = seed ^ (n << 20) ^ cut->after;
	if (fx_cut_ways(cut, most + 1) <= most) {
		for (size_t i = 0; i < p; i++) {
			cut->choice[i] = (uint8_t)(n % cut->choices[i]);
			n /= cut->choices[i];
		}
	} else if (n < 5) {
		choose_kind(cut, log, corners[n][0], corners[n][1]);
	} else if (n - 5 < 2 * p && n < most / 2) {
		bool only = (n - 5) % 2 == 0;

		choose_kind(cut, log, only, only);
		cut->choice[(n - 5) / 2] = !only;
	} else {
		choose_random(cut, seed ^ (n * 0x2545f4914f6cdd1d) ^
		                       (cut->after << 32));
	}
}

/* ---- building ---- */

static void
put_sectors(struct node *node, const struct fx_op *op, const uint8_t *data,
            uint64_t from, uint64_t to)
{
	if (from >= to)
		return;
	if (to > node->len)
		set_length(node, to);
	own_bytes(node, node->len);
	memcpy(node->data + from, data + (from - op->at), to - from);
}

/* A bound between two sectors of it, which has two at least. */
static uint64_t
bound_of(const struct fx_op *op, uint64_t tear)
{
	uint64_t first = op->at / SECTOR;
	uint64_t bounds = (op->at + op->len - 1) / SECTOR - first;

	return (first + 1 + next_random(&tear) % bounds) * SECTOR;
}

static void
apply_write(struct fx_tree *tree, const struct fx_op *op, const uint8_t *data,
            uint8_t choice, uint64_t tear)
{
	struct node *node = node_of(tree, op->ino);
	uint64_t end = op->at + op->len;
	uint64_t middle = choice < IS_FRONT ? end : bound_of(op, tear);

	if (choice == IS_NOT || op->len == 0 || end > node->uncut)
		return;
	if (choice == IS_LENGTH && end > node->len)
		set_length(node, end);
	else if (choice == IS_FRONT)
		put_sectors(node, op, data, op->at, middle);
	else if (choice == IS_BACK)
		put_sectors(node, op, data, middle, end);
	else if (choice == IS_THERE)
		put_sectors(node, op, data, op->at, end);
}

static void
apply_cut(struct fx_tree *tree, const struct fx_op *op, bool there)
{
	struct node *node = node_of(tree, op->ino);

	if (there && op->at <= node->uncut)
		set_length(node, op->at);
	else if (op->at < node->uncut)
		node->uncut = op->at;
}

static void
apply_name(struct fx_tree *tree, const struct fx_op *op)
{
	bool renamed = op->kind == FX_OP_RENAME;

	if (renamed || op->kind == FX_OP_UNLINK)
		unlink_name(tree, op->dir, op->name, op->ino);
	if (renamed)
		link_name(tree, op->dir2, op->name2, op->ino);
	else if (op->kind != FX_OP_UNLINK)
		link_name(tree, op->dir, op->name, op->ino);
}

static void
apply(struct fx_tree *tree, const struct fx_log *log, const struct fx_op *op,
      uint8_t choice, uint64_t tear)
{
	if (op->kind == FX_OP_CREATE || op->kind == FX_OP_MKDIR)
		(void)add_node(tree, op->ino, op->kind == FX_OP_MKDIR,
		               (mode_t)op->at);
	if (is_of_name(op) && choice == IS_THERE)
		apply_name(tree, op);
	else if (op->kind == FX_OP_WRITE)
		apply_write(tree, op, log->data + op->data, choice, tear);
	else if (op->kind == FX_OP_CUT)
		apply_cut(tree, op, choice == IS_THERE);
	else if (op->kind == FX_OP_MODE && choice == IS_THERE)
		node_of(tree, op->ino)->mode = (mode_t)op->at;
}

static struct fx_tree *
copy_tree(const struct fx_tree *base)
{
	struct fx_tree *tree = malloc(sizeof(*tree));

	insist(tree != NULL);
	tree->root = base->root;
	tree->nodes = base->nodes;
	tree->entries = base->entries;
	memcpy(tree->node, base->node, base->nodes * sizeof(*base->node));
	memcpy(tree->entry, base->entry, base->entries * sizeof(*base->entry));
	for (size_t i = 0; i < tree->nodes; i++)
		tree->node[i].shared = true;
	return tree;
}

struct fx_tree *
fx_cut_build(const struct fx_cut *cut, const struct fx_log *log,
             const struct fx_tree *base)
{
	struct fx_tree *tree = copy_tree(base);
	size_t next = cut->pending;

	for (size_t i = 0; i < cut->after; i++) {
		uint8_t choice = IS_THERE;

		if (next > 0 && cut->op[next - 1] == i)
			choice = cut->choice[--next];
		apply(tree, log, &log->op[i], choice, cut->tear + i);
	}
	return tree;
}
