/* files.c - style sheet and script, as they are in the source tree. */
#include <string.h>

#include "serve/internal.h"

/* NOLINTBEGIN(bugprone-macro-parentheses): a declaration takes none */
#define EMBED(symbol, file)                                            \
	__asm__(".section .rodata\n"                                   \
	        ".globl " #symbol "\n.globl " #symbol "_end\n" #symbol \
	        ":\n.incbin \"src/serve/" file "\"\n" #symbol          \
	        "_end:\n.byte 0\n.previous\n");                        \
	extern const char symbol[], symbol##_end[]

/* NOLINTEND(bugprone-macro-parentheses) */

EMBED(sled_serve_css, "page.css");
EMBED(sled_serve_js, "page.js");
EMBED(sled_serve_icon, "icon.svg");

const struct sled_serve_file *
sled_serve_file(const char *path)
{
	static const struct sled_serve_file files[] = {
		{ "/page.css", "text/css; charset=utf-8", sled_serve_css,
		  sled_serve_css_end },
		{ "/page.js", "text/javascript; charset=utf-8", sled_serve_js,
		  sled_serve_js_end },
		{ "/icon.svg", "image/svg+xml", sled_serve_icon,
		  sled_serve_icon_end },
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		if (strcmp(path, files[i].path) == 0)
			return &files[i];
	return NULL;
}
