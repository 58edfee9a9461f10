/* fx_safe.h - is this document harmless? Judged by other lists than those that
 * made it, and by a grammar so narrow that no two browsers read it in two ways:
 * <name( name="value")*>, </name>, text without < and >. */
#ifndef FX_SAFE_H
#define FX_SAFE_H

#include <stdbool.h>

#include "mailsled/types.h"

/* What each picture's URL begins with that is not data of its own. */
#define FX_SAFE_PICTURE "/part/"

/* NULL, or what is wrong with it: static text. */
const char *fx_safe_fault(struct sled_span document);

#endif
