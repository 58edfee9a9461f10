/* hash.c - see mailsled/hash.h for the contract. */
#include "mailsled/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "mailsled/text.h"

struct sled_sha256 {
	EVP_MD_CTX *ctx;
	EVP_MD *md; /* fetched once: an implicit fetch costs more than a hash */
};

bool
sled_sha256_new(struct sled_sha256 **out, struct sled_err *err)
{
	struct sled_sha256 *sha = calloc(1, sizeof(*sha));

	if (sha == NULL)
		return sled_fail_sys(err, ENOMEM, "SHA-256");
	sha->ctx = EVP_MD_CTX_new();
	sha->md = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (sha->ctx == NULL || sha->md == NULL ||
	    EVP_DigestInit_ex2(sha->ctx, sha->md, NULL) != 1) {
		sled_sha256_free(&sha);
		return sled_fail(err, SLED_ERR_INTERNAL,
		                 "OpenSSL offers no SHA-256");
	}
	*out = sha;
	return true;
}

void
sled_sha256_free(struct sled_sha256 **sha)
{
	if (*sha == NULL)
		return;
	EVP_MD_CTX_free((*sha)->ctx);
	EVP_MD_free((*sha)->md);
	free(*sha);
	*sha = NULL;
}

/* A digest that cannot go on must never be taken for one that matched. */
static void
insist(int ok)
{
	if (ok != 1)
		abort();
}

void
sled_sha256_add(struct sled_sha256 *sha, const void *data, size_t len)
{
	insist(EVP_DigestUpdate(sha->ctx, data, len));
}

struct sled_hash
sled_sha256_end(struct sled_sha256 *sha)
{
	struct sled_hash hash;

	insist(EVP_DigestFinal_ex(sha->ctx, hash.b, NULL));
	insist(EVP_DigestInit_ex2(sha->ctx, sha->md, NULL));
	return hash;
}

bool
sled_hash_equal(const struct sled_hash *a, const struct sled_hash *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

void
sled_hash_hex(char out[SLED_HASH_HEX], const struct sled_hash *hash)
{
	sled_text_hex(out, hash->b, sizeof(hash->b));
}

bool
sled_hash_random(uint8_t *out, size_t len, struct sled_err *err)
{
	if (RAND_bytes(out, (int)len) != 1)
		return sled_fail(err, SLED_ERR_INTERNAL,
		                 "no random bytes from OpenSSL");
	return true;
}
