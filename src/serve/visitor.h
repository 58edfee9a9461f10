/* visitor.h - one request, from its header to its answer. */
#ifndef SERVE_VISITOR_H
#define SERVE_VISITOR_H

#include "serve/internal.h"

/* NULL: no memory. */
struct sled_visitor *sled_visitor_new(struct sled_serve *serve,
                                      struct MHD_Connection *http,
                                      const char *path);
void sled_visitor_free(struct sled_visitor *visitor);
/* The form of MHD_AccessHandlerCallback: the header came, or some of the body,
 * or all of it, or its program has ended. */
enum MHD_Result sled_visitor_go_on(struct sled_visitor *visitor,
                                   const char *method, const char *data,
                                   size_t *size);

#endif
