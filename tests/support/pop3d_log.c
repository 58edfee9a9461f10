/* pop3d_log.c - the log that tests read; see pop3d.h. */
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "pop3d.h"

/* One write() to an O_APPEND descriptor: lines of threads never mix. What the
 * peer sent may hold anything, so only printable ASCII passes. */
void
pop3d_log(const struct pop3d_server *server, const char *fmt, ...)
{
	char line[600];
	va_list ap;
	int len;

	if (server->log_fd == -1)
		return;
	va_start(ap, fmt);
	len = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	if (len < 0)
		return;
	if ((size_t)len > sizeof(line) - 2)
		len = (int)sizeof(line) - 2;
	for (int i = 0; i < len; i++)
		if (line[i] < ' ' || line[i] > '~')
			line[i] = '?';
	line[len] = '\n';
	if (write(server->log_fd, line, (size_t)len + 1) == -1)
		perror("pop3d: log");
}
