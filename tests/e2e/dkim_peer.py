"""What python3-dkim makes of mail: dkim_peer.py sign|craft|judge <JSON >JSON.

sign   [[mail, header form, body form, length, algorithm]] -> [signed mail]
craft  [[mail, body form, octets or null]] -> [mail with a bh= and no key]
judge  [mail] -> [holds|other|unknown|none], of the body hash alone
Mail is base64. Signed mail is verified whole, with its key, before it is
given back. Run by a test, with the python that has the module."""
import base64
import hashlib
import json
import re
import subprocess
import sys

import dkim
from dkim.canonicalization import CanonicalizationPolicy
from dkim.util import InvalidTagValueList, parse_tag_value

DOMAIN = b"example.org"


def rsa_key():
    def run(*args, stdin=None):
        return subprocess.run(["openssl", *args], input=stdin, check=True,
                              capture_output=True).stdout
    private = run("genrsa", "-traditional", "1024")
    public = run("rsa", "-pubout", "-outform", "DER", stdin=private)
    return private, b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)


def ed25519_key():
    import nacl.encoding
    import nacl.signing
    key, coder = nacl.signing.SigningKey.generate(), nacl.encoding
    public = key.verify_key.encode(coder.Base64Encoder)
    return (key.encode(coder.Base64Encoder),
            b"v=DKIM1; k=ed25519; p=" + public)


def sign(cases):
    keys, out = {"rsa-sha256": rsa_key()}, []
    if any(case[4] == "ed25519-sha256" for case in cases):
        keys["ed25519-sha256"] = ed25519_key()
    for mail, head, body, length, algorithm in cases:
        private, record = keys[algorithm]
        field = dkim.sign(mail, b"k", DOMAIN, private, length=length,
                          canonicalize=(head.encode(), body.encode()),
                          include_headers=[b"From", b"Subject"],
                          signature_algorithm=algorithm.encode())
        assert dkim.verify(field + mail, dnsfunc=lambda *_, **__: record)
        out.append(field + mail)
    return out


def canonical(mail, form):
    policy = CanonicalizationPolicy.from_c_value(form)
    return policy.canonicalize_body(dkim.rfc822_parse(mail)[1])


def craft(cases):
    out = []
    for mail, body, octets in cases:
        form = b"simple/" + body.encode()
        text = canonical(mail, form)[:octets]
        length = b"" if octets is None else b" l=%d;" % octets
        out.append(b"DKIM-Signature: v=1; a=rsa-sha256; c=%s; d=%s; s=k;\r\n"
                   b"\th=From; b=AAAA;%s\r\n\tbh=%s\r\n" % (
                       form, DOMAIN, length, base64.b64encode(
                           hashlib.sha256(text).digest())) + mail)
    return out


def judge_field(mail, value):
    try:
        tags = parse_tag_value(re.sub(rb"\r\n", b"", value))
    except InvalidTagValueList:
        return "unknown"
    if tags.get(b"a") not in (b"rsa-sha256", b"ed25519-sha256"):
        return "unknown"
    text = canonical(mail, tags.get(b"c"))
    if b"l" in tags:
        text = text[:int(tags[b"l"])]
    bh = base64.b64decode(re.sub(rb"\s+", b"", tags[b"bh"]))
    return "holds" if hashlib.sha256(text).digest() == bh else "other"


def judge(mails):
    out = []
    for mail in mails:
        found = {judge_field(mail, value)
                 for name, value in dkim.rfc822_parse(mail)[0]
                 if name.lower() == b"dkim-signature"}
        out.append(next((word for word in ("holds", "other", "unknown")
                         if word in found), "none"))
    return out


def main():
    given = json.load(sys.stdin)
    if sys.argv[1] == "judge":
        json.dump(judge(map(base64.b64decode, given)), sys.stdout)
        return
    made = {"sign": sign, "craft": craft}[sys.argv[1]](
        [[base64.b64decode(mail), *rest] for mail, *rest in given])
    json.dump([base64.b64encode(mail).decode() for mail in made], sys.stdout)


if __name__ == "__main__":
    main()
