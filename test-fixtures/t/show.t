#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""qf show: a message whole, in words and as JSON; its parts byte for byte; ids and paths; who holds
the lock."""
import glob
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from acceptance import (Locked, MadeQueue, NOW, QF, control_file, fails, harness, on_terminal, run,
                        show, tap, temporary, unsafe_bytes)

ID = "6AM77wPF020610"
WITHOUT_MIME = re.search(b"without: .*mime", run("--version").out)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def made(directory, split=False):
    q = MadeQueue(directory, split)
    q.add(ID, sender="<ann@src.example>", created=NOW - 7200, last_try=NOW - 600, tries=3,
          priority=120443, F="w8", B="8BITMIME", Z="ENV+2B1", A="ann@src.example",
          M="Deferred: 450 4.2.0 busy", q=None,
          rcpts=(("PFD", "<bob@dst.example>", {"M": "Deferred: 450 4.2.0 busy",
                                               "Q": "rfc822;bob+2Bx@dst.example",
                                               "r": "RFC822; robert@dst.example",
                                               "C": "smith:1000:1000:list-owner"}),
                 ("PNS", "<carol@dst.example>", {}), ("PN", "<never@dst.example>", {})),
          headers=(("Received", "from a.example\n\tby b.example;\n\tSun, 22 Nov 2026 07:00:00 GMT"),
                   ("From", "=?utf-8?Q?J=C3=B6rg?= <ann@src.example>"),
                   ("Subject", "=?utf-8?B?R3LDvMOfZQ==?= from afar"),
                   ("Content-Type", "text/plain; charset=utf-8"),
                   ("Content-Transfer-Encoding", "quoted-printable")),
          body="caf=C3=A9 =\nau lait\nsecond line\n")
    q.write("xf" + ID, "... while talking to mx.dst.example.:\n>>> RCPT To:<bob@dst.example>\n"
            "<<< 450 4.2.0 busy\n", 0o600)
    return q


def test_text(q):
    done = show(q.path, "--queue-warn=4h", ID)
    text = done.out.decode()
    tap.ok(done.status == 0 and done.err == b"", "a message is shown", done)
    for pattern, what in (
            (r"(?m)^Message +%s$" % ID, "the id"),
            (r"(?m)^Id made +2026-11-22T07:07:58Z by process 20610, its number 1515$",
             "what the id says of its making"),
            (r"(?m)^State +queued$", "its state"),
            (r"(?m)^File +%s$" % re.escape(q.place("qf" + ID).decode()), "its control file"),
            (r"(?m)^Sender +<ann@src.example>$", "the sender"),
            (r"(?m)^Created +2026-11-23T00:13:20Z \(2h ago\)$", "creation"),
            (r"(?m)^Tries +3$", "tries"),
            (r"(?m)^Last try +2026-11-23T02:03:20Z \(10m ago\)$", "the last try"),
            (r"(?m)^Last answer +Deferred: 450 4.2.0 busy$", "the last answer"),
            (r"(?m)^Priority +120443$", "priority"), (r"(?m)^Size +32$", "size"),
            (r"(?m)^Body type +8BITMIME$", "the body type"),
            (r"(?m)^Flags +warned 8bit$", "flags in words"),
            (r"(?m)^Envelope id +ENV\+2B1$", "the envelope id as stored"),
            (r"(?m)^ +To +<bob@dst.example>\n +answer +Deferred: 450 4.2.0 busy$",
             "a recipient with its last answer"),
            (r"(?m)^ +original rfc822;bob\+2Bx@dst.example", "its original recipient"),
            (r"(?m)^ +final +RFC822; robert@dst.example", "its final recipient"),
            (r"by +smith:1000:1000:list-owner", "the user who controls it"),
            (r"(?s)carol.*?report +success\n", "reports asked for"),
            (r"(?s)never@.*?report +never\n", "no report wanted"),
            (r"(?m)^ +From: Jörg <ann@src.example>$", "a header decoded (RFC 2047)"),
            (r"(?m)^ +Subject: Grüße from afar$", "the subject decoded"),
            (r"(?m)^ +Received: from a.example by b.example; Sun", "a folded header on one line"),
            (r"(?m)^ +café au lait$", "the body as text, decoded"),
            (r"(?m)^ +<<< 450 4.2.0 busy$", "the transcript"),
            (r"(?m)Any queue run tries it", "what happens next"),
            (r"The sender has been warned", "that the sender was warned"),
            (r"returns it: at 2026-11-28T00:13:20Z \(in 4d22h\)", "when it is returned")):
        if WITHOUT_MIME and ("decoded" in what):
            tap.skip("text: " + what, "built without MIME")
            continue
        tap.ok(re.search(pattern, text), "text: " + what, text)
    tap.ok("Locked by" not in text, "text: no lock holder where there is no lock", text)
    text = show(q.path, "--min-queue-age=30m", ID).out.decode()
    tap.ok(re.search(r"not tried before: at 2026-11-23T02:33:20Z \(in 20m\)", text),
           "text: when it is tried next, by --min-queue-age", text)
    text = show(q.path, "--queue-return=1h", ID).out.decode()
    tap.ok(re.search(r"next try is its last.*since 2026-11-23T01:13:20Z \(for 1h\)", text),
           "text: past its return time, by --queue-return", text)
    text = show(q.path, "--queue-return=never", ID).out.decode()
    tap.ok("never returned" in text, "text: --queue-return=never", text)


def test_next(tmp):
    """In words what happens to those that no queue run delivers."""
    q = MadeQueue(tmp + "/fates")
    q.add("6AM700FA000001", prefix="hf", q="looks bad")
    q.add("6AM700FB000002", prefix="Qf")
    q.add("6AM700FC000003", end=False)
    q.add("6AM700FD000004", body=None)
    q.add("6AM700FE000005", rcpts=())
    q.add("6AM700FF000006", sender=None)
    q.write("qf6AM700FG000007", control_file().replace("\n.\n", "\n.\nX\n"))
    q.write("df6AM700FG000007", "x")
    q.write("qf6AM700FH000008", "")
    q.add("6AM700FI000009", q="reason in a qf")
    q.add("6AM700FJ000010")
    os.chmod(q.place("qf6AM700FJ000010"), 0o666)
    for id, pattern in (
            ("6AM700FA000001", r"(?s)Held for +looks bad.*held: no queue run takes it"),
            ("6AM700FB000002", r"set it aside \(Qf\): no queue run takes it"),
            ("6AM700FC000003", r"(?s)passes it over.*never tried.*Found wrong.*no-terminator"),
            ("6AM700FD000004", r"(?s)no data file.*empty message.*no-data"),
            ("6AM700FE000005", r"(?s)deletes it.*no-recipient"),
            ("6AM700FF000006", r"(?s)run ends when it comes to it.*no-sender"),
            ("6AM700FG000007", r"(?s)renames it to Qf.*data-after-end: line \d+, column 1"),
            ("6AM700FH000008", r"(?s)deletes it together with its data file.*empty"),
            ("6AM700FI000009", r"holds it \(renames it to hf\)"),
            ("6AM700FJ000010", r"(?s)renames it to Qf.*unsafe-mode.*0666")):
        done = show(q.path, id)
        tap.ok(done.status == 0 and re.search(pattern, done.out.decode()),
               "in words: " + pattern.replace("(?s)", ""), done)


def test_json(q):
    done = show(q.path, "--format=json", ID)
    row = json.loads(done.out)
    tap.ok(done.out.count(b"\n") == 1 and row["schema"] == "qf.message/1" and row["id"] == ID,
           "JSON: one object on one line", done)
    plain = json.loads(run("ls", "-C", "none", "-Q", q.path, "--now=@%d" % NOW, "--format=json",
                           "id:" + ID).out)
    tap.ok({key: row[key] for key in plain} == plain, "JSON: all that ls says")
    tap.ok(WITHOUT_MIME or
           {"name": "Subject", "value": "Grüße from afar"} in row["headers"],
           "JSON: headers decoded", row["headers"])
    tap.ok(WITHOUT_MIME or row["text"] == "café au lait\nsecond line\n",
           "JSON: the body as text", row.get("text"))
    tap.ok("<<< 450 4.2.0 busy\n" in row["transcript"], "JSON: the transcript", row["transcript"])
    tap.ok(row["holder"] is None and row["holder_pid"] is None, "JSON: no holder of a lock")
    tap.ok("Any queue run tries it" in row["next"], "JSON: what happens next", row["next"])


def test_locks(q):
    path = q.place("qf" + ID).decode()
    for how in ("flock", "fcntl"):
        with Locked(how, path) as holder:
            text = show(q.path, ID).out.decode()
            tap.ok(re.search(r"(?m)^Locked by +process %d .*python.*%s" % (holder.pid, how), text)
                   and "in delivery now" in text,
                   "the process that holds the lock is named: " + how, text)
            row = json.loads(show(q.path, "--format=json", ID).out)
            tap.ok(row["busy"] is True and row["holder_pid"] == holder.pid and
                   "python" in row["holder"], "JSON: holder and holder_pid: " + how, row)
    with Locked("flock", path, title="from=secret@private.example"):
        for args in ([], ["--format=json"]):
            done = show(q.path, *args, ID)
            tap.ok(b"from=secret@private.example" in done.out, "its command line is shown", done)
            done = show(q.path, "--redact", *args, ID)
            tap.ok(b"python" in done.out and b"secret" not in done.out and
                   b"private" not in done.out, "--redact: no address in it", done)
        unshare = ["unshare", "-p", "-f", "--mount-proc"]
        if subprocess.run(unshare + ["true"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode:
            tap.skip("another pid namespace", "unshare is not permitted")
        else:
            done = run(*unshare[1:], QF, "show", "-C", "none", "-Q", q.path, ID,
                       program=unshare[0])
            tap.ok(b"Whether it is in delivery cannot be told from here" in done.out and
                   b"Locked by" not in done.out,
                   "in another pid namespace: that it cannot be told is said", done)
    with Locked("flock-shared", path):
        text = show(q.path, ID).out.decode()
        tap.ok("Locked by" not in text, "a shared lock is no delivery", text)
    text = show(q.path, ID).out.decode()
    tap.ok("Locked by" not in text and "in delivery now" not in text, "no lock is left behind",
           text)


def test_parts(q, tmp):
    for part, name in (("qf", "qf" + ID), ("df", "df" + ID), ("body", "df" + ID),
                       ("xf", "xf" + ID)):
        done = show(q.path, "--part=" + part, ID)
        tap.ok(done.status == 0 and done.out == read(q.place(name)) and done.err == b"",
               "--part=%s: the bytes of %s" % (part, name), done)
    headers = show(q.path, "--part=headers", ID).out
    tap.ok(headers.startswith(b"Received: from a.example\n\tby b.example") and
           headers.endswith(b"\n") and b"\n\n" not in headers and
           b"Subject: =?utf-8?B?R3LDvMOfZQ==?= from afar\n" in headers and b"H??" not in headers,
           "--part=headers: as they would be sent, not decoded", headers)
    eml = show(q.path, "--part=eml", ID).out
    tap.ok(eml == headers + b"\n" + read(q.place("df" + ID)),
           "--part=eml: headers, a blank line, the body", eml)
    binary = MadeQueue(tmp + "/binary")
    body = bytes(range(256)) * 5000
    binary.add(ID, body=body)
    for part in ("df", "body"):
        tap.ok(show(binary.path, "--part=" + part, ID).out == body,
               "--part=%s: every byte of a binary body of 1.2 MB" % part)
    for prefix in ("hf", "Qf"):
        other = MadeQueue(tmp + "/" + prefix)
        other.add(ID, prefix=prefix)
        done = show(other.path, "--part=qf", ID)
        tap.ok(done.out == read(other.place(prefix + ID)), "--part=qf of an " + prefix, done)
    fails(show(binary.path, "--part=xf", ID), 66, "xf" + ID + ": .*No such file",
          "--part=xf without transcript")
    bare = MadeQueue(tmp + "/bare")
    bare.add(ID, body=None)
    for part in ("df", "body", "eml"):
        fails(show(bare.path, "--part=" + part, ID), 66, "df" + ID + ": .*No such file",
              "--part=%s without data file: an error, and nothing that could be taken for it" %
              part)
    fails(show(q.path, "--redact", "--part=qf", ID), 64, "--redact",
          "--part and --redact do not go together")


def test_corpus_parts(tmp):
    """Parts of every message of some queues, in every layout."""
    wrong, count = [], 0
    for scenario in ("subdirs", "multi-dir-subdirs", "queue-groups-xdev", "bodytypes", "lost",
                     "quarantine-cmd", "crash-partial-qf"):
        top = harness.unpack(scenario, tmp)
        queue = harness.patterns(scenario, top)[0]
        queues = [queue]
        if scenario.startswith("queue-groups"):
            queues = sorted(glob.glob(top + "/*"))
        options = [word for path in queues for word in ("-Q", path)]
        rows = [json.loads(line) for line in run("ls", "-C", "none", *options,
                                                 "--format=json").out.splitlines()]
        for row in rows[:25]:
            count += 1
            done = run("show", "-C", "none", *options, "--part=qf", row["path"])
            if done.status or done.out != read(row["path"]):
                wrong.append("%s: --part=qf %s" % (scenario, done))
            if row["size"] is not None:
                done = run("show", "-C", "none", *options, "--part=df", row["path"])
                if done.status or done.out != read(row["data"]):
                    wrong.append("%s: --part=df %s" % (scenario, done))
    tap.ok(not wrong and count > 90,
           "--part=qf and df of %d messages: found by path in every layout" % count, *wrong)


def test_ids(q, tmp):
    split = made(tmp + "/split", split=True)
    for what, queue, id in (("an id", q.path, ID), ("a file name", q.path, "qf" + ID),
                            ("a path", q.path, q.place("qf" + ID).decode()),
                            ("an id below qf/", split.path, ID),
                            ("a path below qf/", split.path, split.path + "/qf/qf" + ID)):
        done = show(queue, "--part=qf", id)
        tap.ok(done.status == 0 and done.out == read(q.place("qf" + ID)), "found by " + what, done)
    done = run("show", "-C", "none", "-Q", ".", "--part=qf", "./qf" + ID, cwd=q.path)
    tap.ok(done.status == 0 and done.out, "found by a relative path", done)
    tap.ok(show(split.path, "--part=xf", ID).out == read(q.place("xf" + ID)),
           "the transcript below xf/")
    three = MadeQueue(tmp + "/three")
    for prefix, subject in (("qf", "one"), ("hf", "two"), ("Qf", "three")):
        three.write(prefix + ID, control_file(headers=(("Subject", subject),)))
    done = show(three.path, ID)
    text = done.out.decode()
    tap.ok(done.status == 0 and all("Subject: " + s in text for s in ("one", "two", "three")) and
           all(re.search(r"(?m)^State +%s$" % s, text) for s in ("queued", "held", "lost")),
           "qf, hf and Qf of one id are each shown", done)
    done = show(three.path, three.place("hf" + ID).decode())
    tap.ok("Subject: two" in done.out.decode() and "Subject: three" not in done.out.decode(),
           "by its path one of them", done)
    done = show(three.path, "--format=json", ID)
    tap.ok(sorted(json.loads(line)["file"][:2] for line in done.out.splitlines()) ==
           ["Qf", "hf", "qf"], "in JSON an object each", done)

    both = ["-Q", q.path, "-Q", split.path]
    fails(run("show", "-C", "none", *both, ID), 64,
          r"%s: several queues hold it: %s, %s;" % (ID, re.escape(q.place("qf" + ID).decode()),
                                                    re.escape(split.place("qf" + ID).decode())),
          "an id that several directories hold is refused, and the paths are named")
    for part in ("qf", "eml"):
        fails(run("show", "-C", "none", *both, "--part=" + part, ID), 64, "several queues",
              "refused for --part=%s too" % part)
    done = run("show", "-C", "none", *both, "--format=json", split.place("qf" + ID).decode())
    tap.ok(done.status == 0 and json.loads(done.out)["queue"] == split.path, "its path decides",
           done)
    fails(show(q.path, "6AM7000000000X"), 1, "6AM7000000000X: no such message",
          "an id that is not there: status 1")
    other = MadeQueue(tmp + "/other")
    other.add("6AM700OA000001")
    done = show(other.path, "6AM700OA000001", "nosuch", "6AM700OA000001")
    tap.ok(done.status == 1 and len(re.findall(rb"Message +6AM700OA000001", done.out)) == 2 and
           done.err.count(b"\n") == 1 and b"nosuch" in done.err,
           "several ids: what is there is shown, what is not is named", done)
    for id in ("a/b", "../qf" + ID, other.place("qf6AM700OA000001").decode(), "/etc/passwd",
               q.place("df" + ID).decode(), q.path):
        fails(show(q.path, id), 64,
              re.escape(id) + ": neither an id nor the path of a control file", "with a slash, but no control file of this queue: " + os.path.basename(id))
    fails(show(q.path, os.path.join(q.path, "qf6AM7000000000X")), 1, "no such message",
          "the path of a control file that is not there: status 1")
    for id in ("x" * 19, "x" * 5000, "%s%n", "*", "qf", "df" + ID):
        fails(show(q.path, id), 1, "no such message", "no such id: " + id[:30])
    fails(show(q.path, ""), 64, "empty id", "an empty id")
    fails(run("show", "-C", "none", "-Q", q.path), 64, "which message", "no id at all")
    done = show(q.path, "--", "-x")
    fails(done, 1, "-x: no such message", "-- ends options")


def test_body(tmp):
    q = MadeQueue(tmp + "/bodies")
    q.add("6AM700ZA000001", body="0123456789" * 100 + "\n")
    done = show(q.path, "--body-limit=50", "6AM700ZA000001")
    tap.ok(b"01234567890123456789" in done.out and b"0123456789" * 10 not in done.out and
           b"goes on behind 50 bytes" in done.out, "--body-limit: so much, and that there is more",
           done)
    done = show(q.path, "--body-limit=1k", "6AM700ZA000001")
    tap.ok(b"0123456789" * 100 in done.out and b"goes on" not in done.out,
           "--body-limit=1k: all of 1,001 bytes", done)
    q.add("6AM700ZB000002", headers=(("MIME-Version", "1.0"), (
        "Content-Type", "multipart/mixed; boundary=\"=b=\"")),
          body="--=b=\nContent-Type: text/html\n\n<p>Hello <b>you</b>\n--=b=\n"
          "Content-Type: application/pdf; name=bill.pdf\nContent-Transfer-Encoding: base64\n\n"
          "JVBERi0=\n--=b=--\n")
    done = show(q.path, "6AM700ZB000002")
    if WITHOUT_MIME:
        tap.skip("a MIME body as text", "built without MIME")
    else:
        tap.ok(b"Hello you" in done.out and b"<b>" not in done.out and b"bill.pdf" in done.out and
               b"JVBER" not in done.out, "a MIME body as text, its attachment named", done)
    begun = show(q.path, "6AM700ZA000001").out
    tap.ok(begun == show(q.path, "6AM700ZA000001").out, "the same each time")


def test_terminal(tmp):
    q = MadeQueue(tmp + "/hostile")
    evil = "\x1b[2J\x1b]52;c;x\x07 \x9b31m \u202e \u2066 \x7f \x08 \udcff\udc9b"
    q.add(ID, sender="<a%s@x.example>" % evil, M=evil, q="q" + evil, Z=evil, A=None, F="w" + evil,
          rcpts=(("PFD", "<r%s@x.example>" % evil, {"M": evil, "Q": evil, "r": evil, "C": evil}),),
          headers=(("Subject", evil), ("X" + "\x1b[1m", "y"),
                   ("From", "=?utf-8?B?G1syShtdMDtvd25lZAc=?= =?utf-8?Q?=E2=80=AE=C2=9B?=")),
          body="body %s\nmore\x1b[0m\n" % evil)
    q.write("xf" + ID, "transcript %s\n" % evil)
    with open(q.place("qf" + ID), "ab") as f:
        f.write(b"E\x1b[31mvil\nZ%s\n" % evil.encode("utf-8", "surrogateescape"))
    for args in ([], ["--format=json"], ["--part=qf"], ["--part=df"], ["--part=body"],
                 ["--part=xf"], ["--part=headers"], ["--part=eml"]):
        done = on_terminal("show", "-C", "none", "-Q", q.path, *args, ID)
        bad = unsafe_bytes(done.out)
        tap.ok(not bad and len(done.out) > 20, "hostile text is never raw on a terminal: show %s" %
               " ".join(args), bad, done)
    for args in ([], ["--format=json"]):
        bad = unsafe_bytes(show(q.path, *args, ID).out)
        tap.ok(not bad, "nor in a pipe: show %s" % " ".join(args), bad)
    tap.ok(show(q.path, "--part=df", ID).out == read(q.place("df" + ID)),
           "parts in a pipe are the exact bytes")
    done = show(q.path, "\x1b[2Jid")
    tap.ok(done.status == 1 and unsafe_bytes(done.err) == "", "nor in an error", done)


def main():
    with temporary() as tmp:
        q = made(tmp + "/made")
        test_text(q)
        test_next(tmp)
        test_json(q)
        test_locks(q)
        test_parts(q, tmp)
        test_ids(q, tmp)
        test_body(tmp)
        test_terminal(tmp)
        test_corpus_parts(tmp)
    tap.done()


main()
