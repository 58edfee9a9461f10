/* pop3d_sample.c - a small post bag for the demo; see pop3d.h. */
#include "pop3d.h"

#define FOR_MIA   "To: Mia <mia@example.net>\n"
#define TEN(x)    x x x x x x x x x x
#define LONG_PART "salt 14.2 temp 8.1 oxygen 9.7 | "

static const struct {
	const char *name, *text;
} samples[] = {
	{ "01-weather.eml",
	  "From: Harbour Weather <forecast@example.org>\n" FOR_MIA
	  "Subject: Forecast for the sound, Monday\n"
	  "Date: Mon, 02 Nov 2026 05:30:00 +0000\n"
	  "Message-ID: <fc-1102@example.org>\n\n"
	  "Wind    north-west 4, rising to 6 after noon\n"
	  "Sea     moderate, 1.5 m at the outer buoy\n"
	  "Rain    from about 15:00, clearing at night\n"
	  "Ice     none\n\n"
	  "A good morning to cross. Be back for lunch.\n" },
	{ "02-parts.eml",
	  "From: Joren Vik <joren@example.org>\n" FOR_MIA
	  "Subject: Parts for the north pump\n"
	  "Date: Tue, 03 Nov 2026 09:12:41 +0100\n"
	  "Message-ID: <parts-77@example.org>\n"
	  "MIME-Version: 1.0\n"
	  "Content-Type: multipart/mixed; boundary=\"pump\"\n\n"
	  "--pump\nContent-Type: text/plain\n\n"
	  "Here is the list. The seal is the one that matters; all else can\n"
	  "wait for the spring boat.\n\nJoren\n"
	  "--pump\nContent-Type: text/csv; name=\"parts.csv\"\n"
	  "Content-Disposition: attachment; filename=\"parts.csv\"\n"
	  "Content-Transfer-Encoding: base64\n\n"
	  "cGFydCxjb3VudCxuZWVkZWQKc2hhZnQgc2VhbCA0MG1tLDIsbm93CmltcGVsbGVy"
	  "LDEsc3ByaW5nCmhv\n"
	  "c2UgY2xhbXAsMTIsc3ByaW5nCmdyZWFzZSA0MDBnLDMsc3ByaW5nCg==\n"
	  "--pump--\n" },
	{ "03-utf8-subject.eml",
	  "From: =?UTF-8?Q?B=C3=A9n=C3=A9dicte?= <bene@example.net>\n" FOR_MIA
	  "Subject: =?UTF-8?B?Q2Fmw6kg4oCTIGxhIG1hY2hpbmUgZXN0IHLDqXBhcsOpZQ=="
	  "?=\n"
	  "Date: Tue, 03 Nov 2026 18:02:10 +0100\n"
	  "Message-ID: <cafe@example.net>\n"
	  "MIME-Version: 1.0\n"
	  "Content-Type: text/plain; charset=utf-8\n"
	  "Content-Transfer-Encoding: 8bit\n\n"
	  "La machine \303\240 caf\303\251 marche \303\240 nouveau \342\200\223 "
	  "c'\303\251tait le fusible.\n"
	  "On f\303\252te \303\247a demain \303\240 sept heures.\n" },
	{ "04-dots.eml",
	  "From: Lighthouse Keeper <keeper@example.org>\n" FOR_MIA
	  "Subject: What the lamp did last night\n"
	  "Date: Wed, 04 Nov 2026 06:00:00 +0000\n"
	  "Message-ID: <lamp-4@example.org>\n\n"
	  "One dot is one flash:\n\n"
	  ".\n..\n...\n....\n"
	  ". . . and then it was morning.\n"
	  ".. The second lens wants a cloth.\n" },
	{ "05-long-line.eml",
	  "From: Buoy 12 <buoy12@example.org>\n" FOR_MIA
	  "Subject: Readings, one line, as the logger writes them\n"
	  "Date: Wed, 04 Nov 2026 12:00:00 +0000\n"
	  "Message-ID: <buoy12-308@example.org>\n\n"
	  "begin " TEN(TEN(LONG_PART)) "end\n" },
	{ "06-html.eml",
	  "From: Library Boat <library@example.net>\n" FOR_MIA
	  "Subject: The library boat calls on Friday\n"
	  "Date: Thu, 05 Nov 2026 08:00:00 +0000\n"
	  "Message-ID: <boat-11@example.net>\n"
	  "MIME-Version: 1.0\n"
	  "Content-Type: multipart/alternative; boundary=\"book\"\n\n"
	  "--book\nContent-Type: text/plain; charset=utf-8\n\n"
	  "Friday, 14:00 to 16:30, at the fish pier.\n"
	  "New: two atlases, a cook book, eleven novels.\n"
	  "--book\nContent-Type: text/html; charset=utf-8\n\n"
	  "<p><b>Friday, 14:00 to 16:30</b>, at the fish pier.</p>\n"
	  "<ul><li>two atlases<li>a cook book<li>eleven novels</ul>\n"
	  "--book--\n" },
	{ "07-reply.eml",
	  "From: Joren Vik <joren@example.org>\n" FOR_MIA
	  "Subject: Re: Parts for the north pump\n"
	  "Date: Thu, 05 Nov 2026 10:45:09 +0100\n"
	  "Message-ID: <parts-78@example.org>\n"
	  "In-Reply-To: <reply-2@example.net>\n"
	  "References: <parts-77@example.org> <reply-2@example.net>\n\n"
	  "> Is 40 mm the inner or the outer size?\n\n"
	  "Inner. The outer one is 62, it is stamped on the rim.\n" },
	{ "08-track.eml",
	  "From: Field Team 3 <team3@example.org>\n" FOR_MIA
	  "Subject: Track of today's walk\n"
	  "Date: Fri, 06 Nov 2026 17:31:55 +0000\n"
	  "Message-ID: <track-6@example.org>\n"
	  "MIME-Version: 1.0\n"
	  "Content-Type: application/gpx+xml; name=\"walk.gpx\"\n"
	  "Content-Transfer-Encoding: 7bit\n\n"
	  "<gpx version=\"1.1\" creator=\"team3\">\n"
	  "<trk><name>Ridge and back</name><trkseg>\n"
	  "<trkpt lat=\"68.1042\" lon=\"13.9127\"/>\n"
	  "<trkpt lat=\"68.1093\" lon=\"13.9201\"/>\n"
	  "<trkpt lat=\"68.1151\" lon=\"13.9188\"/>\n"
	  "</trkseg></trk></gpx>\n" },
	{ "09-empty.eml", "From: Mia <mia@example.net>\n" FOR_MIA
	                  "Subject: Remember the tide tables\n"
	                  "Date: Sat, 07 Nov 2026 07:07:07 +0000\n"
	                  "Message-ID: <note-9@example.net>\n\n" },
	{ "10-recipe.eml",
	  "From: Aunt Solveig <solveig@example.org>\n" FOR_MIA
	  "Subject: The bread, as promised\n"
	  "Date: Sun, 08 Nov 2026 15:20:00 +0100\n"
	  "Message-ID: <bread@example.org>\n\n"
	  "500 g rye, 300 g wheat, 20 g salt, 600 ml water, the sour dough.\n"
	  "Mix in the evening. Leave it alone. Bake at 230 degrees for an\n"
	  "hour, then do not cut it while it is warm. You will, I know.\n" },
	{ "11-list.eml",
	  "From: Tide Gauge Network <list@example.net>\n"
	  "To: gauges@example.net\n"
	  "Subject: [gauges] Digest 212\n"
	  "Date: Mon, 09 Nov 2026 00:00:03 +0000\n"
	  "Message-ID: <digest-212@example.net>\n"
	  "List-Id: Gauge keepers <gauges.example.net>\n"
	  "Precedence: bulk\n\n"
	  "1. Gauge 4 is back after its winter in the workshop\n"
	  "2. Who still has paper rolls for the old recorder?\n"
	  "3. Clocks: please set them to UTC and leave them there\n\n"
	  "From here on, quiet week.\n" },
	{ "12-no-newline.eml",
	  "From: Ferry Office <ferry@example.org>\n" FOR_MIA
	  "Subject: Your parcel is on the 14:10\n"
	  "Date: Mon, 09 Nov 2026 11:58:30 +0000\n"
	  "Message-ID: <parcel-5512@example.org>\n\n"
	  "One box, 6 kg, from the pump works.\n"
	  "This line has no end" },
};

const char *
pop3d_sample_name(size_t index)
{
	if (index >= sizeof(samples) / sizeof(samples[0]))
		return NULL;
	return samples[index].name;
}

const char *
pop3d_sample_text(size_t index)
{
	return samples[index].text;
}
