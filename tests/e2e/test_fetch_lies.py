"""Servers that lie: a scripted case for each way, and what must hold of each:
see lying.py. Behind each lie the server is honest again, and all mail comes.

Each row is a lie, (L) an oddity that servers are known for, and the tests that
tell it, here or in test_fetch_FILE.py. That each is there, and held to lying.py,
is looked at below.

greeting without end    a_greeting_without_end,
                        empty_lines_before_the_greeting_without_end
greeting twice          two_greetings
octets before the       octets_before_the_greeting, lines_before_the_greeting
 greeting
greeting of -ERR (L)    a_greeting_that_refuses
capabilities without    capabilities_without_end, a_capability_without_end
 end
capabilities of no      a_login_delay_that_is_no_number
 sense
listing without end     a_listing_without_end, a_line_of_a_listing_without_end
STAT is not LIST (L)    stat_counts_more_than_is_listed,
                        stat_counts_two_million,
                        stat_counts_fewer_than_are_listed,
                        stat_octets_are_wrong, stat_octets_are_no_number,
                        a_listing_that_leaves_out
sizes wrong             a_listed_size_that_is_wrong,
                        a_listed_size_that_is_far_too_large,
                        same.sizes_of_no_use
sizes that grow (L)     same.growing_sizes_fetch_nothing
sizes negative, 2^64    a_listed_size_that_is_no_number
numbers of no sense     numbers_that_were_not_counted,
                        a_number_twice_in_one_listing
blanks, any order (L)   a_listing_in_another_order
ids empty, 5 MB, NUL,   unique_ids_of_no_use
 escapes (L)
ids with slashes        unique_ids_that_look_like_paths
ids double (L)          a_unique_id_twice_in_one_listing,
                        every_unique_id_the_same
ids renumbered (L)      unique_ids_all_given_anew,
                        same.renumbered_ids_fetch_nothing,
                        same.renumbered_ids_with_new_mail_behind
ids reused (L)          a_maildrop_that_changes_between_visits,
                        same.reused_ids_with_another_size,
                        same.ids_that_come_back_after_they_were_gone,
                        same.ids_that_move_up_are_seen
ids none, or no more    no_unique_ids,
                        same.without_ids_what_stays_is_fetched_once
RETR -ERR for one (L)   a_message_that_is_refused_each_time
RETR cut                a_message_that_is_cut, a_line_that_is_cut_in_a_message,
                        same.a_message_that_came_short
RETR without end        aside.a_message_without_end_is_set_aside,
                        aside.a_message_without_end_costs_little_as_the_first_too
RETR, and it hangs up   aside.a_message_at_which_the_server_hangs_up
RETR of another message another_message_than_was_asked_for,
                        aside.two_of_one_size_crossed_behind_a_third,
                        proof.one_message_given_for_another_of_its_size,
                        proof.the_same_lie_at_each_visit_is_paid_twice
lines long, bare, not   a_body_of_strange_lines, a_body_without_a_last_line_end
 ended (L)
TOP cut, of another, no a_top_that_lies, aside.a_head_without_end
 end (L)
TOP refused twice, too  proof.a_refusal_of_a_header_that_came_twice,
 few, too many          proof.a_header_too_few_under_new_ids,
                        proof.a_header_too_many_under_new_ids
replies out of order    replies_in_another_order
replies too many        one_reply_too_many, a_reply_without_a_command,
                        one_reply_too_many_behind_each_message,
                        aside.a_reply_too_many_among_messages_of_one_size,
                        proof.an_answer_too_many_before_messages_of_one_size
replies none            one_reply_too_few,
                        aside.a_reply_too_few_among_messages_of_one_size
replies of no sense     replies_of_no_sense
replies with the secret a_reply_that_repeats_the_secret_is_not_told,
                        the_last_stat_that_repeats_the_secret_is_not_told
DELE refused, of        a_dele_that_is_refused, a_dele_for_another_message
 another
QUIT -ERR               a_quit_that_is_refused
QUIT deletes: EXPIRE 0  same.expire_0_keeps_quit_back_until_all_is_safe,
 (L)                    same.expire_0_that_nobody_announced_is_learned
mail hidden by RETR (L) mail_that_is_hidden_once_it_was_retrieved
another maildrop each   a_maildrop_that_changes_between_visits,
 visit                  what_another_client_did_between_visits
another within a visit  a_maildrop_that_changes_within_a_visit
lock held for 10        the_maildrop_is_locked,
 minutes (L)            locked.the_maildrop_is_locked_for_ten_minutes
LOGIN-DELAY (L)         a_login_that_comes_too_soon,
                        locked.a_login_delay_is_kept,
                        locked.a_login_that_came_too_soon_waits_for_the_delay,
                        locked.a_login_delay_of_a_century
UIDL n, LIST n (L)      one_line_answers_that_lie
AUTH answered by + (L)  a_challenge_instead_of_an_answer,
                        a_login_that_asks_without_end
abilities gone, claimed abilities_that_are_gone, pipelining_that_was_claimed
 (L)
what left early is lost eager.early_commands_are_dropped,
 or not taken (L)       eager.early_commands_are_answered_before_the_greeting,
                        eager.early_commands_close_the_connection,
                        eager.pipelining_vanishes, eager.auth_vanishes
tickets refused (L)     eager.tickets_refused_twice_are_offered_no_more
slim hello refused (L)  eager.a_refused_slim_hello_is_sent_again_in_full
no TLS, or silence (L)  what_is_no_tls, a_handshake_that_is_silent
a line that trickles    a_line_that_trickles_ends_with_the_window
"""
import base64
import importlib
import itertools
import sys
import time

from harness import Sled, message, wire
from liar import CAPA, Liar, asked, lines, stuffed
from lying import (ALL, MAIL, MIB, QUEUED, each, fetch, lie, nothing_came,
                   said, whole)


def tests_of(module):
    return {name[5:] for name in vars(module) if name.startswith("test_")}


def test_the_table_is_true(_):
    """What it names is there, in files whose visits are held to lying.py; and
    it names each test of this one."""
    rows = __doc__.partition("looked at below.\n")[2].splitlines()
    named = {word for row in rows
             for word in row[24:].replace(",", " ").split()}
    for name in named:
        file, _, test = name.rpartition(".")
        module = importlib.import_module(f"test_fetch_{file or 'lies'}")
        assert module.fetch is fetch and test in tests_of(module), name
    unnamed = tests_of(sys.modules[__name__]) - named - {"the_table_is_true"}
    assert named and not unnamed, unnamed


def forever(part):
    return itertools.repeat(part)


def all_came(tmp, *args, fetched=len(MAIL), **more):
    """The lie costs nothing but words."""
    first, again, liar, sled = lie(tmp, *args, **more)
    assert first["fetched"] == fetched, first
    return first, again, liar, sled


# ---- the greeting ----

def test_a_greeting_without_end(tmp):
    nothing_came(tmp, 76, "does not end", sent=QUEUED,
                 greeting=lambda s, a: forever(b"+OK and on " * 100))


def test_lines_before_the_greeting(tmp):
    nothing_came(tmp, 76, "neither +OK nor -ERR",
                 greeting=lambda s, a: b"Welcome to the mail\r\n+OK\r\n")


def test_octets_before_the_greeting(tmp):
    """A screen is not cleared by them, nor are they taken for an answer."""
    for here, odd in each(tmp, (b"\0\xff\x1b[2J", b"\xef\xbb\xbf", b"\r\n",
                                b"HTTP/1.0 400 Bad\r\n\r\n")):
        nothing_came(here, 76, "neither +OK nor -ERR", known=odd == b"\r\n",
                     greeting=lambda s, a: odd + b"+OK ready\r\n")


def test_empty_lines_before_the_greeting_without_end(tmp):
    nothing_came(tmp, 76, "neither +OK nor -ERR", sent=QUEUED,
                 greeting=lambda s, a: forever(b"\r\n" * 100))


def test_two_greetings(tmp):
    """The second stands for an answer: what follows is odd lines of a list."""
    all_came(tmp, 0, "", greeting=lambda s, a: b"+OK one\r\n+OK two\r\n")


def test_a_greeting_that_refuses(tmp):
    """Never 77: it knows of no login."""
    for here, (status, text) in each(tmp, (
            (69, b"too many of you"), (69, b"[AUTH] no"), (69, b"[IN-USE] no"),
            (75, b"[SYS/TEMP] later"), (75, b"[LOGIN-DELAY] wait"))):
        for known in (False, True):
            (here / str(known)).mkdir()
            nothing_came(here / str(known), status,
                         text.decode().split()[-1], known=known,
                         greeting=lambda s, a: b"-ERR %s\r\n" % text)


# ---- capabilities ----

def test_capabilities_without_end(tmp):
    nothing_came(tmp, 76, "too many lines", sent=QUEUED,
                 CAPA=lambda s, a: itertools.chain(
                     [b"+OK\r\n"], forever(b"X-MORE and more\r\n" * 100)))


def test_a_capability_without_end(tmp):
    nothing_came(tmp, 76, "the listing does not end", sent=QUEUED + 9 * MIB,
                 CAPA=lambda s, a: itertools.chain(
                     [b"+OK\r\n"], forever(b"SASL PLAIN " * 100)))


def test_a_login_delay_that_is_no_number(tmp):
    all_came(tmp, 0, "", capa=["UIDL", "PIPELINING", "SASL PLAIN",
                               "LOGIN-DELAY -1", "LOGIN-DELAY " + "9" * 40,
                               "EXPIRE never and 0", "EXPIRE -3"])


# ---- the listing ----

def test_a_listing_without_end(tmp):
    for here, verb in each(tmp, ("UIDL", "LIST")):
        nothing_came(here, 76, "goes on behind", sent=QUEUED,
                     **{verb: lambda s, a: itertools.chain(
                         [b"+OK\r\n"], forever(b"1 100\r\n" * 100))})


def test_a_line_of_a_listing_without_end(tmp):
    for here, verb in each(tmp, ("UIDL", "LIST")):
        nothing_came(here, 76, "the listing does not end",
                     sent=QUEUED + 9 * MIB,
                     **{verb: lambda s, a: itertools.chain(
                         [b"+OK\r\n1 "], forever(b"x" * 1000))})


def test_stat_counts_more_than_is_listed(tmp):
    lie(tmp, 76, "counts more", STAT=lambda s, a: b"+OK 9 9000\r\n")


def test_stat_counts_two_million(tmp):
    """And five are listed: room is kept for what is counted, and not filled."""
    lie(tmp, 76, "counts more", STAT=lambda s, a: b"+OK 2000000 1\r\n")


def test_stat_counts_fewer_than_are_listed(tmp):
    """What it did not count is not touched, and comes next time."""
    lie(tmp, 0, "not understood", left=(4, 5),
        STAT=lambda s, a: b"+OK 3 100\r\n")


def test_stat_octets_are_wrong(tmp):
    """More than there is in the world, or nothing: no trouble."""
    for here, octets in each(tmp, (b"0", b"1", b"18446744073709551615")):
        all_came(here, 0, "", STAT=lambda s, a: b"+OK 5 %s\r\n" % octets)


def test_stat_octets_are_no_number(tmp):
    for here, text in each(tmp, (
            "5 -100", "5 18446744073709551616", "-5 100", "five 100", "",
            "99999999999 1")):
        nothing_came(here, 76, "STAT",
                     STAT=lambda s, a: b"+OK %s\r\n" % text.encode())


def test_a_listing_that_leaves_out(tmp):
    """LIST or UIDL says nothing of the third: without a size it waits, without
    an id it goes in the visit that fetches it."""
    def without(what):
        return lambda s, a: None if a else lines(
            *(b"%d %s" % (n, what(s, n)) for n in s.live() if n != 3))
    for here, (verb, what, status, word, left) in each(tmp, (
            ("LIST", lambda s, n: s.size(n), 76, "counts more", [3]),
            ("UIDL", lambda s, n: s.uid(n), 0, "1 message is of no use", []))):
        lie(here, status, word, left=left, **{verb: without(what)})


def with_size(size):
    """LIST says SIZE of the third message."""
    def answer(s, arg):
        def of(n):
            return size if n == 3 else s.size(n)
        return s.one(arg, of) if arg else s.listed(of)
    return answer


def test_a_listed_size_that_is_no_number(tmp):
    """The other four come; that one waits for a size."""
    for here, size in each(tmp, (b"-1", b"18446744073709551616", b"1e3", b"",
                                 b"0x20", b"\0", b"9" * 5000)):
        lie(here, 76, "not understood", left=[3], LIST=with_size(size))


def test_a_listed_size_that_is_wrong(tmp):
    """Of a server that is exact else: the message may be another one, stays,
    and is fetched once more; the same octets then are its own."""
    mail = [message(i, "text\n" * (i + 3)) for i in range(1, 6)]
    for here, size in each(tmp, (b"1", b"0", b"150", b"99999")):
        lie(here, 76, "another size", mail=mail, left=[3], spare=1,
            LIST=with_size(size))


def test_a_listed_size_that_is_far_too_large(tmp):
    """No place has room for it, it is said: 73. The other four come. A sum
    that runs over must not make room."""
    for here, size in each(tmp, (b"8589934592", b"18446744073709551615")):
        lie(here, 73, "room", left=[3], LIST=with_size(size))


def test_numbers_that_were_not_counted(tmp):
    def more(what):
        return lambda s, a: lines(b"0 zero", b"4294967297 big", b"-1 x",
                                  b"7 seven", b"1", b"", b" ",
                                  *(b"%d %s" % (n, what(s, n))
                                    for n in s.live()))
    all_came(tmp, 0, "not understood", UIDL=more(lambda s, n: s.uid(n)),
             LIST=more(lambda s, n: s.size(n)))


def test_a_listing_in_another_order(tmp):
    def turned(what):
        return lambda s, a: None if a else lines(
            *(b"%d   %s \t" % (n, what(s, n)) for n in reversed(s.live())))
    all_came(tmp, 0, "", UIDL=turned(lambda s, n: s.uid(n)),
             LIST=turned(lambda s, n: s.size(n)))


# ---- unique-ids ----

def with_uid(uid):
    """UIDL says UID of the third message."""
    def answer(s, arg):
        def of(n):
            return uid if n == 3 else s.uid(n)
        return s.one(arg, of) if arg else s.listed(of)
    return answer


def test_unique_ids_of_no_use(tmp):
    """Empty, of 5 MB, with NUL, escapes, blanks: fetched and deleted in one
    visit, as mail without an id is."""
    for here, uid in each(tmp, (b"", b"u" * 5 * MIB, b"a\0b", b"\x1b[31mred",
                                b"two words", b"\xff\xfe", b"x" * 71)):
        all_came(here, 0, "1 message is of no use", sent=6 * MIB,
                 UIDL=with_uid(uid))


def test_unique_ids_that_look_like_paths(tmp):
    for here, uid in each(tmp, (b"../../../../tmp/x", b"/etc/passwd", b"..",
                                b"%s%n%00", b"';--", b"C:\\x")):
        all_came(here, 0, "", UIDL=with_uid(uid))
        names = {p.name for p in here.rglob("*") if p.is_file()}
        assert not names & {"x", "passwd"}, names


def test_a_unique_id_twice_in_one_listing(tmp):
    """Neither is taken for the other."""
    all_came(tmp, 0, "2 messages are of no use", UIDL=with_uid(b"id2"))


def test_every_unique_id_the_same(tmp):
    all_came(tmp, 0, "5 messages are of no use",
             UIDL=lambda s, a: s.listed(lambda n: b"one"))


def test_a_number_twice_in_one_listing(tmp):
    """Two ids, two sizes for one number: none of them is a proof."""
    all_came(tmp, 0, "1 message is of no use", UIDL=lambda s, a: lines(
        b"1 id1", b"1 other", *(b"%d %s" % (n, s.uid(n))
                                for n in (2, 3, 4, 5))))


def test_no_unique_ids(tmp):
    """-ERR where they are not announced: they go in the visit that fetches
    them. Where they were, 69: a maildrop is not paid for again for that."""
    def refuse(s, a):
        return b"-ERR what\r\n"
    (tmp / "never").mkdir()
    all_came(tmp / "never", 0, "", UIDL=refuse,
             capa=[c for c in CAPA if c != "UIDL"])
    (tmp / "no more").mkdir()
    nothing_came(tmp / "no more", 69, "refuses UIDL", UIDL=refuse, known=True)


def left_there(tmp, **lies):
    """A liar, and a sled that has all of its mail, and left it there."""
    liar = Liar(tmp, MAIL, **lies)
    sled = Sled(tmp, {"home": liar}, account={"timeout": "20s",
                                              "delete": "never"})
    assert fetch(sled).status == 0
    sled.account_keys["delete"] = "verified"
    sled.write()
    return liar, sled


def test_unique_ids_all_given_anew(tmp):
    """[S4] All that is listed is proved by its header, and none is fetched:
    that it is deleted, is all that comes of it."""
    liar, sled = left_there(tmp)
    with liar:
        liar.lies = {"UIDL": lambda s, a: s.listed(
            lambda n: b"new-%d-%d" % (s.number, n))}
        for _ in range(2):
            done = fetch(sled)
            assert done.status == 0 and not done.reports[-1]["fetched"], done
        assert not liar.mail and set(asked(liar).values()) == {1}
        whole(sled)


# ---- messages ----

def retr(number, answer):
    return lambda s, a: answer(s) if a == str(number) else None


def test_a_message_that_is_cut(tmp):
    """Half of it, then a dot as if it were whole: it is short, is kept there,
    and fetched once more; the first one too, of a server not known before."""
    mail = [message(i, "text\n" * 9) for i in range(1, 9)]
    for here, number in each(tmp, (2, 1)):
        def half(s):
            body = s.mail[number - 1][1]
            return b"+OK\r\n" + stuffed(body[:len(body) // 2] + b"\r\n")
        first, again, liar, sled = lie(here, 76, "another size", mail=mail,
                                       left=[number], spare=1,
                                       RETR=retr(number, half))
        assert again["fetched"] == 1, again
        assert liar.wanted.count(f"id{number}") == 2, liar.wanted


def test_a_line_that_is_cut_in_a_message(tmp):
    """What came whole before it is not asked for again."""
    def half(s):
        s.done = True
        return b"+OK\r\n" + s.mail[2][1][:40]
    first, again, liar, sled = lie(tmp, 75, "home", left=ALL,
                                   RETR=retr(3, half))
    assert (first["fetched"], again["fetched"]) == (2, 3), (first, again)


def test_another_message_than_was_asked_for(tmp):
    """Its size betrays it: nothing is deleted on its word."""
    mail = [message(i, "text\n" * (9 + i)) for i in range(1, 9)]
    lie(tmp, 76, "another size", mail=mail, left=[7], spare=1,
        RETR=retr(7, lambda s: b"+OK\r\n" + stuffed(s.mail[4][1])))


def test_a_message_that_is_refused_each_time(tmp):
    for here, (status, text) in each(tmp, ((69, b"gone"),
                                           (69, b"[SYS/TEMP] later"))):
        lie(here, status, text.decode(), left=[2],
            RETR=retr(2, lambda s: b"-ERR %s\r\n" % text))


def test_a_body_of_strange_lines(tmp):
    """A line of 3 MB, bare CR, NUL, dots: byte by byte as they came."""
    odd = (b"Subject: odd\r\n\r\n" + b"x" * 3 * MIB + b"\r\n..\r\n.\rmore\r\n"
           b"\0\x1a\r\n")
    lie(tmp, 0, "", mail=[*MAIL[:2], odd], sent=4 * MIB)


def test_a_body_without_a_last_line_end(tmp):
    """The dot follows its last octet: only the end of the line tells that it is
    no part of it. What comes behind it is lost with the order of replies."""
    def bare(s):
        return b"+OK\r\n" + s.mail[4][1][:-2] + b".\r\n"
    lie(tmp, 75, "timed out", left=ALL, keys={"timeout": "1s"},
        RETR=retr(5, bare))


# ---- TOP ----

def test_a_top_that_lies(tmp):
    """Where a header has to prove that a message is known (its size is another
    than it was), a TOP that is cut, of another or refused proves nothing: what
    it is asked for is fetched before it goes."""
    def head(s, n):
        return s.mail[n - 1][1].partition(b"\r\n\r\n")[0]
    for here, lied in each(tmp, (
            lambda s, a: b"+OK\r\n" + stuffed(head(s, 3)[:30] + b"\r\n\r\n"),
            lambda s, a: b"+OK\r\n" + stuffed(head(s, 4) + b"\r\n\r\n"),
            lambda s, a: b"+OK\r\n.\r\n",
            lambda s, a: b"-ERR no\r\n")):
        liar, sled = left_there(here)
        with liar:
            liar.mail["id3"] = liar.mail["id3"] + b"Status: RO\r\n"
            liar.lies = {"TOP": lied}
            for _ in range(2):
                done = fetch(sled)
                assert done.status == 0, done
            assert not liar.mail, done
            assert liar.wanted.count("id3") == 2, liar.wanted
            whole(sled, [*MAIL, MAIL[2] + b"Status: RO\n"])


# ---- replies ----

def test_replies_in_another_order(tmp):
    """Of two in flight the second is answered first: the sizes tell."""
    mail = [message(i, "text\n" * (5 + 3 * i)) for i in range(1, 9)]

    def crossed(s, arg):
        other = {"5": 6, "6": 5}.get(arg)
        return other and b"+OK\r\n" + stuffed(s.mail[other - 1][1])
    lie(tmp, 76, "another size", mail=mail, left=[5, 6], spare=2, RETR=crossed)


def twice(verb):
    return {verb: lambda s, a: s.honest(verb, a) + b"+OK once more\r\n"}


def test_one_reply_too_many(tmp):
    """[W5] Behind STAT or DELE it stands for the next answer."""
    for here, (verb, word) in each(tmp, (("STAT", "not understood: +OK"),
                                         ("DELE", ""))):
        all_came(here, 0, word, **twice(verb))


def test_one_reply_too_many_behind_each_message(tmp):
    """It begins the next message, whose octets are too many then: none of
    those is deleted for it, and each comes whole from an honest server."""
    lie(tmp, None, "answered other", left=ALL, spare=5, **twice("RETR"))


def test_a_reply_without_a_command(tmp):
    """Behind the login's, before anything was asked for."""
    nothing_came(tmp, 76, "STAT says", AUTH=lambda s, a: b"+OK\r\n+OK you\r\n",
                 STAT=lambda s, a: b"+OK me\r\n")


def test_one_reply_too_few(tmp):
    """[W3] The line is silent where an answer is due: the time-out ends it."""
    silent = {"timeout": "1s"}
    for here, verb in each(tmp, ("greeting", "CAPA", "AUTH", "UIDL", "LIST",
                                 "RETR")):
        nothing_came(here, 75, "timed out", keys=silent,
                     **{verb: lambda s, a: b""})
    (tmp / "STAT").mkdir()  # what comes next is taken for it
    nothing_came(tmp / "STAT", 76, "STAT says", STAT=lambda s, a: b"")
    (tmp / "late").mkdir()
    for here, (verb, word) in each(tmp / "late", (
            ("DELE", "was not answered"), ("QUIT", "timed out"))):
        first, again, liar, sled = lie(here, 75, word, left=ALL, keys=silent,
                                       **{verb: lambda s, a: b""})
        assert (first["fetched"], again["fetched"]) == (5, 0), (first, again)


def test_replies_of_no_sense(tmp):
    """Neither +OK nor -ERR: what is meant is not guessed."""
    for here, verb in each(tmp, ("AUTH", "STAT", "UIDL", "LIST", "RETR")):
        nothing_came(here, 76, "neither +OK nor -ERR",
                     **{verb: lambda s, a: b"\x1b]0;250 Fine\x07\xff\r\n"})


# ---- DELE and QUIT ----

def test_a_dele_that_is_refused(tmp):
    """It stays, and is not fetched again."""
    first, again, liar, sled = lie(
        tmp, 69, "refused to delete", left=[2],
        DELE=lambda s, a: b"-ERR no\r\n" if a == "2" else None)
    assert again["fetched"] == 0 and asked(liar)["2"] == 1, again


def test_a_quit_that_is_refused(tmp):
    """-ERR to QUIT: some were not removed. What is gone, the next listing
    tells; nothing is fetched again."""
    for here, commits in each(tmp, (True, False)):
        def refuse(s, arg):
            if commits and s.deleted:
                s.commit()
            s.done = True
            return b"-ERR some messages were not removed\r\n"
        first, again, liar, sled = lie(here, 69, "not removed", QUIT=refuse,
                                       left=() if commits else ALL)
        assert first["deleted"] == again["fetched"] == 0, (first, again)
        assert set(asked(liar).values()) == {1}


def test_a_dele_for_another_message(tmp):
    """The server deletes its neighbour: what was not stored is never among
    what can go, for all are stored first."""
    def wrong(s, arg):
        s.deleted.add(int(arg) % len(MAIL) + 1)
        return b"+OK\r\n"
    with Liar(tmp, MAIL, DELE=wrong,
              RETR=retr(3, lambda s: b"-ERR [SYS/TEMP] later\r\n")) as liar:
        sled = Sled(tmp, {"home": liar})
        first = fetch(sled)
        assert first.status == 69, first
        said(first, "later")
        # A server can lose what it holds; the client must not claim it.
        assert first.reports[-1]["failed"] == 1, first
        whole(sled, [m for m in MAIL if m is not MAIL[2]])


# ---- between visits ----

def test_the_maildrop_is_locked(tmp):
    """Each visit is turned away with 69, and none counts as a wrong password.
    For ten minutes: see test_fetch_locked.py."""
    for here, known in each(tmp, (False, True)):
        nothing_came(here, 69, "do not disturb", known=known,
                     AUTH=lambda s, a: b"-ERR [IN-USE] do not disturb\r\n")


def test_a_login_that_comes_too_soon(tmp):
    """[LOGIN-DELAY] is no wrong password: 75, and told."""
    for here, known in each(tmp, (False, True)):
        nothing_came(here, 75, "wait", known=known,
                     capa=["UIDL", "PIPELINING", "SASL PLAIN",
                           "LOGIN-DELAY 600"],
                     AUTH=lambda s, a: b"-ERR [LOGIN-DELAY] wait\r\n")


def test_a_maildrop_that_changes_within_a_visit(tmp):
    """STAT, UIDL and LIST each see another one: nothing that was not stored
    is deleted, and in the end all of it is here, once."""
    late = {f"new{i}": wire(message(90 + i, "late\n")) for i in range(3)}

    def grow(s, arg):
        if arg == "" and late:
            name, data = late.popitem()
            s.liar.mail[name] = data
            s.mail.append((name, data))
    mail = [*MAIL, *(message(90 + i, "late\n") for i in range(3))]
    with Liar(tmp, MAIL, UIDL=grow, LIST=grow, STAT=grow) as liar:
        sled = Sled(tmp, {"home": liar})
        for _ in range(3):
            fetch(sled)
        liar.lies.clear()
        liar.mail.update(late)
        assert fetch(sled).status == 0 and not liar.mail
        assert fetch(sled).status == 0
        whole(sled, mail)


def test_a_maildrop_that_changes_between_visits(tmp):
    """Other mail under the old ids, all but one of the old sizes: that one
    shows that ids are used again, so that all of it is proved, and fetched."""
    other = [m.replace(b"text", b"TEXT").replace(b"Note", b"NOTE")
             for m in MAIL]
    other[3] += b"more\n"
    liar, sled = left_there(tmp)
    with liar:
        liar.mail = {f"id{i}": wire(m) for i, m in enumerate(other, 1)}
        done = fetch(sled)
        said(done, "to other mail")
        row = done.reports[-1]
        assert (row["fetched"], row["deleted"], row["kept"]) == (1, 1, 4), row
        done = fetch(sled)
        assert done.reports[-1]["fetched"] == 4 and not liar.mail, done
        whole(sled, [*MAIL, *other])


def test_what_another_client_did_between_visits(tmp):
    """It deleted two and moved the rest, and new mail came between: that alone
    is fetched."""
    liar, sled = left_there(tmp)
    with liar:
        late = message(77, "late\n")
        kept = list(liar.mail.items())
        liar.mail = dict([kept[4], ("late", wire(late)), kept[2], kept[0]])
        done = fetch(sled)
        assert done.status == 0 and not liar.mail, done
        assert done.reports[-1]["fetched"] == 1, done
        whole(sled, [*MAIL, late])


def test_mail_that_is_hidden_once_it_was_retrieved(tmp):
    """Gmail: behind a QUIT, nothing that was RETRieved is listed any more, until
    its owner has all mail shown again. Nothing is lost for it, nor fetched
    again."""
    hidden = set()

    def hide(s, _):
        hidden.update(s.liar.wanted)

    def shown(s, _):
        s.mail = [m for m in s.mail if m[0] not in hidden]
    liar, sled = left_there(tmp, QUIT=hide, STAT=shown)
    with liar:
        done = fetch(sled)
        assert done.status == done.reports[-1]["listed"] == 0, done
        assert len(liar.mail) == 5
        liar.lies.clear()
        for _ in range(2):
            done = fetch(sled)
            assert done.status == 0, done
        assert not liar.mail and set(asked(liar).values()) == {1}, liar.wanted
        whole(sled)


def told_of(sled, done):
    """All that anybody reads of it."""
    return [done.out.encode(), done.err.encode(), *(
        p.read_bytes() for place in sled.places for p in place.rglob("*")
        if p.is_file() and "ticket" not in str(p))]


def test_a_reply_that_repeats_the_secret_is_not_told(tmp):
    """[L1] Whatever it answers: an order that is lost makes the refusal of a
    login that of another command. Neither on the terminal nor in a place."""
    secret = "pass\\w\"rd-1"
    plain = base64.b64encode(f"\0demo\0{secret}".encode())
    for reply, words in (
            (b"-ERR what is AUTH PLAIN %s?\r\n" % plain,
             ("STAT", "UIDL", "LIST", "RETR", "DELE", "QUIT")),
            (b"PASS %s?\r\n" % secret.encode(), ("STAT", "RETR"))):
        for word in words:
            here = tmp / f"{word}{len(reply)}"
            with Liar(here, MAIL, **{word: lambda s, a: reply}) as liar:
                liar.password = secret
                sled = Sled(here, {"home": liar})
                done = fetch(sled)
                assert done.status in (69, 75, 76), done
                said(done, "not shown")
                for part in (b"pass\\", plain[:12]):
                    assert not any(part in text
                                   for text in told_of(sled, done)), done


def test_the_last_stat_that_repeats_the_secret_is_not_told(tmp):
    """It is asked for where two messages in a row are the same."""
    secret = "pass-word-1"

    def later(s, _):
        return b"+OK PASS %s?\r\n" % secret.encode() if s.liar.wanted else None
    with Liar(tmp, [MAIL[0], MAIL[0]], STAT=later) as liar:
        liar.password = secret
        sled = Sled(tmp, {"home": liar})
        done = fetch(sled)
        assert done.status == 76, done
        said(done, "not shown")
        assert not any(b"pass-word" in text
                       for text in told_of(sled, done)), done


# ---- what was learned of a server ----

def test_one_line_answers_that_lie(tmp):
    """A maildrop of 80 is asked for by number (UIDL n, LIST n): answers about
    another number, of no sense or none bring the whole listing, and nothing is
    taken for what it is not."""
    mail = [message(i, f"text {i}\n" * (i % 7)) for i in range(80)]
    for here, (verb, answer) in each(tmp, (
            ("UIDL", lambda s, n: b"+OK 1 id1\r\n"),
            ("LIST", lambda s, n: b"+OK %d -1\r\n" % n))):
        with Liar(here, mail) as liar:
            sled = Sled(here, {"home": liar}, account={"delete": "never"})
            assert fetch(sled).reports[-1]["fetched"] == 80
            late = message(99, "late\n")
            liar.mail["late"] = wire(late)
            liar.lies = {verb: lambda s, a: answer(s, int(a)) if a else None}
            done = fetch(sled)
            assert done.status == 0, done
            assert liar.count("UIDL", "") == 2, done
            assert done.reports[-1]["fetched"] == 1, done
            whole(sled, [*mail, late])


def test_a_challenge_instead_of_an_answer(tmp):
    """AUTH took its initial response, and now asks for it: what leaves with it
    must not be taken for the secret; once more, step by step."""
    secret = base64.b64encode(b"\0demo\0demo").decode()

    def ask(s, _):
        s.asked = True
        return b"+ \r\n"

    def eaten(s, _):
        return b"-ERR that is no secret\r\n" if hasattr(s, "asked") and (
            s.behind) else None
    all_came(tmp, 0, "", known=True, AUTH=ask, STAT=eaten,
             **{secret: lambda s, a: b"+OK\r\n"})


def test_a_login_that_asks_without_end(tmp):
    """Each question costs an answer: four, and no more [W2]."""
    for here, (capa, known) in each(tmp, itertools.product(
            (CAPA, ["UIDL", "SASL LOGIN"]), (False, True))):
        _, _, liar, _ = nothing_came(
            here, 76, "questions", capa=capa, known=known, sent=QUEUED,
            AUTH=lambda s, a: forever(b"+ \r\n"))


def test_abilities_that_are_gone(tmp):
    """AUTH and PIPELINING were there, and are not: by steps, then; also where
    the rest of what left on trust is answered, as if the login were good."""
    def refuse(s, _):
        s.stranger = True
        return b"-ERR unknown\r\n"

    def admit(s, _):
        s.stranger = False

    def outside(s, _):
        return b"-ERR log in\r\n" if s.stranger else None
    for here, more in each(tmp, ({}, dict.fromkeys(("STAT", "UIDL", "LIST"),
                                                   outside))):
        all_came(here, 0, "", known=True, capa=["USER", "UIDL"], AUTH=refuse,
                 PASS=admit, **more)


def test_pipelining_that_was_claimed(tmp):
    """What came along with STAT is dropped: twice in a row, then one command
    at a time."""
    def drop(s, _):
        return b"" if s.behind else None
    with Liar(tmp, MAIL, UIDL=drop, LIST=drop) as liar:
        sled = Sled(tmp, {"home": liar}, account={"timeout": "1s"})
        for _ in range(2):
            done = fetch(sled)
            assert done.status == 75, done
            said(done, "timed out")
        sled.be_patient()
        done = fetch(sled)
        assert done.status == 0 and not liar.mail, done
        whole(sled)


# ---- before POP3 ----

def test_what_is_no_tls(tmp):
    """Another protocol, or noise without end, instead of a handshake: 76, and
    not an octet of the login leaves."""
    for here, spoken in each(tmp, (
            lambda s, c: b"+OK ready\r\n", lambda s, c: b"HTTP/1.0 200 OK\r\n",
            lambda s, c: forever(b"\x16\x03\x03\x40\0" + b"x" * 16384),
            lambda s, c: forever(b"\0" * 4096))):
        nothing_came(here, 76, "TLS", sent=QUEUED, connect=spoken)


def test_a_handshake_that_is_silent(tmp):
    """Before the server's first octet, and behind it."""
    def silent(s, conn):
        while conn.recv(4096):
            pass
        return b""

    def begun(s, conn):
        conn.sendall(b"\x16\x03\x03")
        return silent(s, conn)
    for here, spoken in each(tmp, (silent, begun)):
        nothing_came(here, 75, "timed out", keys={"timeout": "1s"},
                     connect=spoken)


def test_a_line_that_trickles_ends_with_the_window(tmp):
    """An octet before each time-out is no silence: the window ends it."""
    def trickle(s, _):
        yield b"+OK\r\n"
        while True:
            time.sleep(0.1)
            yield b"1"
    with Liar(tmp, MAIL, UIDL=trickle) as liar:
        sled = Sled(tmp, {"home": liar}, account={"timeout": "20s"})
        done = fetch(sled, "--window", "2s", sent=1000)
        assert done.status == 75, done
        said(done, "window")
        liar.lies.clear()
        assert fetch(sled).status == 0 and not liar.mail
        whole(sled)
