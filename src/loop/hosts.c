/* hosts.c - what a name is known by without a query; see loop/internal.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "loop/internal.h"

#define BLANKS " \t\r\n"

static bool
is_named(char *names, const char *host)
{
	char *name;

	while ((name = strsep(&names, BLANKS)) != NULL)
		if (name[0] != '\0' && strcasecmp(name, host) == 0)
			return true;
	return false;
}

/* Adds the address of a line that names HOST, if there is room. */
static void
take_line(char *line, const char *host, char *out, size_t room)
{
	struct sockaddr_storage ignored;
	size_t len = strlen(out);
	char *names = line + strspn(line, BLANKS), *address;

	names[strcspn(names, "#")] = '\0';
	address = strsep(&names, BLANKS);
	if (names == NULL || !is_named(names, host) ||
	    !sled_addr_parse(&ignored, address, 9) ||
	    strlen(address) + 2 > room - len)
		return;
	(void)snprintf(out + len, room - len, "%s%s", len > 0 ? " " : "",
	               address);
}

bool
sled_hosts_read(const char *path, const char *host,
                char out[static SLED_HOSTS_TEXT])
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;

	out[0] = '\0';
	if (file == NULL)
		return false;
	while (getline(&line, &room, file) != -1)
		take_line(line, host, out, SLED_HOSTS_TEXT);
	free(line);
	(void)fclose(file);
	return out[0] != '\0';
}

bool
sled_hosts_find(const char *host, char out[static SLED_HOSTS_TEXT])
{
	struct sockaddr_storage ignored;

	if (sled_addr_parse(&ignored, host, 9)) {
		(void)snprintf(out, SLED_HOSTS_TEXT, "%s", host);
		return true;
	}
	if (sled_hosts_read("/etc/hosts", host, out))
		return true;
	/* RFC 6761, 6.3 */
	if (strcasecmp(host, "localhost") == 0)
		(void)snprintf(out, SLED_HOSTS_TEXT, "127.0.0.1 ::1");
	return out[0] != '\0';
}
