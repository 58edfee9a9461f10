/*
 * ration.c - a message's octets for GMime, no more than memory has room for.
 *
 * GMime makes objects of each part and each field: a kilobyte of a part that is
 * seven octets, and of an address that is two. So who sends 25 MB could have it
 * take gigabytes, which ends this process, and does so again at each run. What
 * it takes is looked at as it reads; where that is out of all measure, the
 * message ends for it. Mail that people write takes a hundredth.
 *
 * And it calls itself for each group of addresses in a group ("a:a:a:..."), so
 * that a From of 80 kB ends the process: of the colons of one field it sees as
 * many as people write. What it makes of parts comes from below, as it is.
 */
#include <malloc.h>
#include <string.h>

#include "reader/internal.h"

#define STEP      16384 /* octets between two looks */
#define HEAP_MOST (INT64_C(16) << 20)
/* Of a block without an empty line that becomes objects: a header. Its fields
 * are taken apart when all of it is read, and then take fifty times as much. */
#define HEAD_MOST (INT64_C(1) << 19)

struct ration {
	GMimeStream stream;
	GMimeStream *below;
	int64_t first;     /* what the heap held */
	int64_t head;      /* ... where the block of lines began, ... */
	gint64 from;       /* ... which is here */
	gint64 looked;     /* where the last look was */
	gboolean new_head; /* an empty line came since */
	gboolean filled;   /* something stands on the line at hand */
	gboolean in_line;  /* some of it was read */
	size_t colons;     /* of the field at hand */
	gboolean cut;
};

static struct ration *
of(void *stream)
{
	return stream;
}

static int64_t
heap_now(void)
{
	struct mallinfo2 heap = mallinfo2();

	return (int64_t)heap.uordblks + (int64_t)heap.hblkhd;
}

static void
look_for_heads(struct ration *ration, const char *at, size_t len)
{
	while (len > 0) {
		const char *lf = memchr(at, '\n', len);
		size_t line = lf == NULL ? len : (size_t)(lf - at);

		ration->filled =
		    ration->filled || line > 1 || (line == 1 && *at != '\r');
		if (lf == NULL)
			return;
		ration->new_head = ration->new_head || !ration->filled;
		ration->filled = FALSE;
		at = lf + 1;
		len -= line + 1;
	}
}

static void
drop_colons(struct ration *ration, char *at, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!ration->in_line && at[i] != ' ' && at[i] != '\t')
			ration->colons = 0;
		ration->in_line = at[i] != '\n';
		if (at[i] == ':' && ++ration->colons > SLED_COLONS_MOST)
			at[i] = ' ';
	}
}

static void
look(struct ration *ration, gint64 at)
{
	int64_t heap = heap_now();

	ration->looked = at;
	ration->cut =
	    heap - ration->first > HEAP_MOST ||
	    (at - ration->from > HEAD_MOST && heap - ration->head > HEAD_MOST);
	if (!ration->new_head)
		return;
	ration->new_head = FALSE;
	ration->head = heap;
	ration->from = at;
}

/* ---- a stream of GMime's ---- */

static ssize_t
read_some(GMimeStream *stream, char *out, size_t room)
{
	struct ration *ration = of(stream);
	ssize_t got;

	if (ration->cut)
		return 0;
	got = g_mime_stream_read(ration->below, out, room);
	if (got <= 0)
		return got;
	stream->position += got;
	look_for_heads(ration, out, (size_t)got);
	drop_colons(ration, out, (size_t)got);
	if (stream->position - ration->looked >= STEP)
		look(ration, stream->position);
	return got;
}

static gboolean
is_at_end(GMimeStream *stream)
{
	return of(stream)->cut || g_mime_stream_eos(of(stream)->below);
}

static gint64
seek_to(GMimeStream *stream, gint64 offset, GMimeSeekWhence whence)
{
	gint64 at = g_mime_stream_seek(of(stream)->below, offset, whence);

	if (at != -1)
		stream->position = at;
	return at;
}

static int
go_back(GMimeStream *stream)
{
	stream->position = stream->bound_start;
	return g_mime_stream_reset(of(stream)->below);
}

static gint64
tell_place(GMimeStream *stream)
{
	return stream->position;
}

static gint64
tell_length(GMimeStream *stream)
{
	return g_mime_stream_length(of(stream)->below);
}

/* What is read of a part later needs no ration. GMime, which calls this, has what
 * it gets hold on to us: a hold on what is below would be forgotten. */
static GMimeStream *
take_out(GMimeStream *stream, gint64 from, gint64 end)
{
	GMimeStream *below = of(stream)->below;

	return GMIME_STREAM_GET_CLASS(below)->substream(below, from, end);
}

static void
drop_below(GObject *object)
{
	GObjectClass *ours = (void *)G_OBJECT_GET_CLASS(object);
	GObjectClass *above = g_type_class_peek_parent(ours);

	g_object_unref(of(object)->below);
	above->finalize(object);
}

static void
set_class(void *class, void *unused)
{
	GMimeStreamClass *stream = class;

	(void)unused;
	((GObjectClass *)class)->finalize = drop_below;
	stream->read = read_some;
	stream->eos = is_at_end;
	stream->reset = go_back;
	stream->seek = seek_to;
	stream->tell = tell_place;
	stream->length = tell_length;
	stream->substream = take_out;
}

static GType
type_of_ration(void)
{
	static gsize type;

	if (g_once_init_enter(&type))
		g_once_init_leave(&type,
		                  g_type_register_static_simple(
				      GMIME_TYPE_STREAM, "SledRation",
				      sizeof(GMimeStreamClass), set_class,
				      sizeof(struct ration), NULL, 0));
	return type;
}

GMimeStream *
sled_ration_new(GMimeStream *below)
{
	struct ration *ration = g_object_new(type_of_ration(), NULL);

	g_mime_stream_construct(&ration->stream, below->bound_start,
	                        below->bound_end);
	ration->below = below;
	ration->first = ration->head = heap_now();
	return &ration->stream;
}

bool
sled_ration_cut(GMimeStream *stream)
{
	return of(stream)->cut != FALSE;
}
