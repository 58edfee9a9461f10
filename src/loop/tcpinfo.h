/* tcpinfo.h - the kernel's counters of a connection; private to loop. Apart
 * from internal.h: the kernel's tcp_info clashes with the C library's. */
#ifndef LOOP_TCPINFO_H
#define LOOP_TCPINFO_H

#include <stdint.h>

/* IP bytes each way, zero where the kernel does not say. */
void sled_tcpinfo_wire(int fd, uint64_t *down, uint64_t *up);

#endif
