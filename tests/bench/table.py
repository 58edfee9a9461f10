"""A run's records as a table: plain text of at most 100 columns, or Markdown.

Records are objects, as they stand in the .jsonl file: one "machine", then for
each work a "heading", its "row"s and "note"s."""
import json

COLUMNS = ("seconds", "down B", "up B", "t/floor", "d/floor", "d/mail",
           "t/mpop", "d/mpop", "MiB")
LEGEND = ("t/floor, d/floor, t/mpop, d/mpop: time and bytes down against the "
          "floor's and mpop's. d/mail: bytes\ndown against the mail's own. "
          "MiB: most memory held. The floor stores nothing: it is what POP3S\n"
          "allows at least (first commands with the TLS Finished; "
          "floor-strict: behind the greeting).\n")


def load(path):
    with open(path) as file:
        return [json.loads(line) for line in file]


def ratio(row, other, key):
    if not other or other.get("wrong") or not row.get(key) or \
            not other.get(key):
        return "-"
    return f"{row[key] / other[key]:.2f}"


def number(row, key):
    return f"{row[key]:,}" if row.get(key) is not None else "-"


def cells(row, rows):
    """The columns of ROW; ROWS are those of its work, by program."""
    floor, mpop = rows.get("floor"), rows.get("mpop")
    mail = {"down": row.get("mail")}
    peak = row.get("peak_kib")
    return [f"{row['seconds']:.2f}", number(row, "down"), number(row, "up"),
            ratio(row, floor, "seconds"), ratio(row, floor, "down"),
            ratio(row, mail, "down"), ratio(row, mpop, "seconds"),
            ratio(row, mpop, "down"), f"{peak / 1024:.0f}" if peak else "-"]


def another(machine, first):
    """What a work's heading says when it is of another run than the first:
    its day, and what else that one has not."""
    known = first.rstrip(".").split(", ")
    news = [part for part in machine.rstrip(".").split(", ")
            if part not in known]
    said = ", ".join(news)
    return f"; {said[0].lower()}{said[1:]}" if news else ""


def works(records):
    """[(name, heading, [rows], [notes])] in order."""
    found = {}
    for record in records:
        if "machine" in record:
            run = another(record["machine"], records[0]["machine"])
        if "work" not in record:
            continue
        part = found.setdefault(record["work"], ["", [], []])
        if "heading" in record:
            part[0] = record["heading"] + run
        elif "note" in record:
            part[2].append(record["note"])
        else:
            part[1].append(record)
    return [(name, *part) for name, part in found.items()]


def wrong(row):
    return f"WRONG: {row['wrong']}"


WIDTHS = (9, 11, 10, 7, 7, 7, 7, 7, 5)


def fold(words, width=100, indent=2):
    line, lines = "", []
    for word in words.split():
        if len(line) + len(word) + 1 > width - (indent if lines else 0):
            lines.append(line)
            line = ""
        line += (" " if line else "") + word
    return ("\n" + " " * indent).join([*lines, line])


def plain_head():
    return f"  {'':13}" + "".join(f" {c:>{w}}"
                                  for c, w in zip(COLUMNS, WIDTHS))


def plain_row(row, rows):
    if row.get("wrong"):
        return fold(f"  {row['peer']:13} {wrong(row)}"[2:], 96, 4).replace(
            row["peer"], f"  {row['peer']:13}", 1)
    return f"  {row['peer']:13}" + "".join(
        f" {c:>{w}}" for c, w in zip(cells(row, rows), WIDTHS))


def plain(records):
    out = [fold(records[0]["machine"]), "", LEGEND]
    for name, heading, rows, notes in works(records):
        by_name = {row["peer"]: row for row in rows}
        out += [fold(f"{name}: {heading}")] + [plain_head()] * bool(rows)
        out += [plain_row(row, by_name) for row in rows]
        out += ["  " + fold(note, 98, 4) for note in notes] + [""]
    return "\n".join(out)


def markdown(records):
    out = [records[0]["machine"], "", LEGEND.replace("\n", " ").strip(), "",
           "| work | program | " + " | ".join(COLUMNS) + " |",
           "| --- | --- |" + " ---: |" * len(COLUMNS)]
    tail = []
    for name, heading, rows, notes in works(records):
        by_name = {row["peer"]: row for row in rows}
        for row in rows:
            end = ([wrong(row).replace("|", "/")] + [""] * (len(COLUMNS) - 1)
                   if row.get("wrong") else cells(row, by_name))
            out.append(f"| {name} | {row['peer']} | " + " | ".join(end) +
                       " |")
        tail.append("- " + "; ".join([f"`{name}`: {heading}", *notes]))
    return "\n".join([*out, "", *tail, ""])


BEGIN, END = "<!-- bench -->", "<!-- /bench -->"


def rewrite(path, records):
    """The part of a README between its two comments; False without them."""
    text = path.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        return False
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    path.write_text(f"{before}{BEGIN}\n{markdown(records)}{END}{after}")
    return True
