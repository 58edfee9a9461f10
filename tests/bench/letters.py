"""Mail for the bench: made from a seed, like real mail in what a link feels:
long headers with signatures that no compression shortens, words that repeat,
quoted answers, base64 when there is an attachment. LF lines, bytes."""
import base64
import random

NAMES = ("Ana Ruiz", "Bo Lindqvist", "Chidi Eze", "Dorte Holm", "Emeka Obi",
         "Farid Haddad", "Greta Vogel", "Hana Sato", "Ines Prado",
         "Jon Aasen", "Kofi Mensah", "Lena Brandt", "Marta Kovac")
SYLLABLES = ("ba ce do fa gi hu ka le mi no pa ra so ta ve wi lan ter mon "
             "sil ger den vor mar tin bel cor nan").split()
SMALL = (2500, 4900)


def make_words(dice, count=900):
    """A vocabulary of this seed; short words are the frequent ones."""
    return sorted(("".join(dice.choices(SYLLABLES, k=dice.randint(1, 4)))
                   for _ in range(count)), key=len)


def sentence(dice, words):
    picks = [words[int(len(words) * dice.random() ** 2)]
             for _ in range(dice.randint(4, 15))]
    return " ".join(picks).capitalize() + dice.choice("...,?!")


def text(dice, words, octets, prefix=""):
    """Lines of about 72 columns, OCTETS long as the wire counts them."""
    lines, line, size = [], prefix, 0
    while size < octets:
        for word in sentence(dice, words).split():
            if len(line) + len(word) > 72:
                lines.append(line.rstrip())
                size += len(lines[-1]) + 2
                line = prefix
            line += word + " "
    return "\n".join(lines) + "\n"


def noise(dice, octets):
    return base64.b64encode(dice.randbytes(octets)).decode()


def folded(value, width=68):
    return "\n\t".join(value[i:i + width]
                       for i in range(0, len(value), width))


def header(dice, words, number, kind):
    name = dice.choice(NAMES)
    sender = name.lower().replace(" ", ".") + "@field.example"
    date = (f"{'Mon Tue Wed Thu Fri'.split()[number % 5]}, "
            f"{2 + number % 5:02d} Nov 2026 {number // 60 % 24:02d}:"
            f"{number % 60:02d}:{dice.randrange(60):02d} +0000")
    mark = f"{dice.getrandbits(48):012X}"
    return (f"Return-Path: <{sender}>\n"
            f"Received: from relay{number % 4}.field.example "
            f"(relay{number % 4}.field.example [203.0.113.{number % 250}])\n"
            f"\tby mx.base.example with ESMTPS id {mark}\n"
            f"\tfor <base@base.example>; {date}\n"
            "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; "
            "d=field.example;\n\ts=k1; h=from:to:subject:date:message-id;\n"
            f"\tbh={noise(dice, 32)};\n\tb={folded(noise(dice, 256))}\n"
            f"From: {name} <{sender}>\nTo: Base <base@base.example>\n"
            f"Subject: Re: {sentence(dice, words)}\nDate: {date}\n"
            f"Message-ID: <{mark}.{number}@field.example>\n"
            f"References: <{dice.getrandbits(64):016x}@base.example>\n"
            f"MIME-Version: 1.0\nContent-Type: {kind}\n")


def plain(dice, words, number, octets):
    head = header(dice, words, number, "text/plain; charset=utf-8") + "\n"
    room = max(200, octets - wire_size(head.encode()) - 120)
    return (head + text(dice, words, room * 6 // 10) +
            "\nOn Monday the base wrote:\n" +
            text(dice, words, room * 4 // 10, "> ") + "\n-- \nfield office\n")


def attached(dice, words, number, octets):
    mark = f"=_{dice.getrandbits(64):016x}"
    head = header(dice, words, number,
                  f'multipart/mixed; boundary="{mark}"')
    head += (f"\n--{mark}\nContent-Type: text/plain; charset=utf-8\n\n" +
             text(dice, words, 900) +
             f"--{mark}\nContent-Type: image/jpeg; name=p{number}.jpg\n"
             "Content-Transfer-Encoding: base64\n\n")
    room = max(0, octets - wire_size(head.encode()) - len(mark) - 8)
    data = base64.encodebytes(dice.randbytes(room * 57 // 78)).decode()
    return f"{head}{data}--{mark}--\n"


def wire_size(letter):
    """Octets with CRLF lines, as LIST tells them."""
    return len(letter) + letter.count(b"\n")


def letters(seed, sizes):
    """One letter for each of SIZES, which they meet but roughly."""
    dice = random.Random(seed)
    words = make_words(dice)
    return [(attached if size > 15000 else plain)(dice, words, number,
                                                  size).encode()
            for number, size in enumerate(sizes)]


def small(seed, count):
    dice = random.Random(seed + 1)
    return letters(seed, [dice.randint(*SMALL) for _ in range(count)])


def tiny(seed, count):
    """No more than a header: what waits on a server, not what is fetched."""
    return letters(seed, [0] * count)


def mixed(seed, count):
    """Many small, a fifth with a picture, one in thirty with a large one."""
    dice = random.Random(seed + 2)
    large, pictures = count // 30, count // 5
    sizes = ([dice.randint(300_000, 400_000) for _ in range(large)] +
             [dice.randint(20_000, 80_000) for _ in range(pictures)] +
             [dice.randint(2_000, 6_000)
              for _ in range(count - large - pictures)])
    dice.shuffle(sizes)
    return letters(seed, sizes)
