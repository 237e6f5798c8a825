#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""Queues from hell: no file of any kind, size or content makes qf crash, hang, allocate without
bound, change anything, or print what is not JSON.

QF_MUTATIONS: how many mutated control files (600). With a build that has sanitizers they are run
through that one.
"""
import json
import os
import random
import resource
import socket
import stat
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from acceptance import (MadeQueue, QF_SAN, control_file, harness, ls, run, show, tap, temporary,
                        unsafe_bytes)

EVERY_FIELD = ("mark,id,queue,state,busy,from,from-domain,rcpt,domain,subject,message_id,"
               "header.From,status,dsn,relay,body,envid,reason,flags,age,idle,tries,size,priority,"
               "nrcpt,created,last_try,due,warn_at,bounce_at,file,path,data")
FORMS = ((), ("--format=json",), ("--format=csv",), ("--format=ids",), ("--format=ids0",),
         ("--format=mailq",), ("--format=mailq-verbose",), ("--sort=-size",),
         ("--columns=" + EVERY_FIELD,), ("--by=domain",), ("--by=status", "--format=json"),
         ("--by=subject", "--format=csv"), ("--redact", "--format=json"),
         ("body:x or header.From:x or is:damaged or is:busy", "--format=json", "--explain"))


def patient(function, *args, timeout=100, **options):
    """The Result, or text where it ran out of time."""
    try:
        return function(*args, timeout=timeout, **options)
    except subprocess.TimeoutExpired:
        return "ran out of time: %s" % (args,)


def sound(result, statuses=(0, 1)):
    """Did it end in order, and is its JSON JSON?"""
    if isinstance(result, str) or result.status not in statuses or b"Sanitizer" in result.err or \
            b"runtime error" in result.err:
        return False
    if "--format=json" in result.args:
        for line in result.out.split(b"\n")[:-1]:
            json.loads(line)
    return True


def survives(q, name, forms=FORMS, statuses=(0, 1), timeout=100, **options):
    """Every form of ls, and show, of that queue."""
    bad = []
    for args in forms:
        result = patient(ls, q.path, *args, timeout=timeout, **options)
        if not sound(result, statuses):
            bad.append(str(result))
    tap.ok(not bad, name, *bad)


def limited(megabytes):
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return limit


# ---------------------------------------------------------------- what is no plain file

def test_kinds_of_file(tmp):
    q = MadeQueue(tmp + "/kinds")
    q.add("6AM700HA000001")
    # Each with a name that would be a message, and as the body and transcript of one.
    made = {}

    def make(letter, function, what):
        for prefix, number in (("qf", 2), ("df", 3), ("xf", 3)):
            path = q.place("%s6AM700H%s00000%d" % (prefix, letter, number))
            try:
                function(path)
            except (OSError, PermissionError) as error:
                tap.skip("a %s as queue file" % what, str(error))
                return
        q.write("qf6AM700H%s000003" % letter, control_file())
        made[letter] = what

    def bind(path):
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(path)

    here = os.fsencode(tmp)
    target = here + b"/outside"
    with open(target, "wb") as f:
        f.write(control_file(sender="<linked@src.example>").encode())
    os.mkfifo(here + b"/fifo")
    make("B", os.mkfifo, "FIFO")
    make("C", bind, "socket")
    make("D", os.mkdir, "directory")
    make("E", lambda path: os.symlink("/nonexistent", path), "dangling link")
    make("F", lambda path: os.symlink(os.path.basename(path), path), "link to itself")
    make("G", lambda path: os.symlink(here + b"/fifo", path), "link to a FIFO")
    make("H", lambda path: os.symlink("/dev/zero", path), "link to /dev/zero")
    make("I", lambda path: os.symlink(q.path, path), "link to a directory")
    if os.getuid() == 0:
        make("J", lambda path: os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5)),
             "character device")
        make("K", lambda path: os.mknod(path, stat.S_IFBLK | 0o600, os.makedev(7, 250)),
             "block device")
    else:
        tap.skip("device nodes", "this takes root")
    os.symlink(target, q.place("qf6AM700HL000002"))
    before = harness.snapshot(q.path)
    survives(q, "FIFO, socket, devices, directory, links: every form ends, in order", timeout=30)
    result = patient(ls, q.path, "--format=json", timeout=30)
    rows = {row["id"]: row for row in map(json.loads, result.out.splitlines())}
    for letter, what in made.items():
        row = rows.get("6AM700H%s000002" % letter, {})
        codes = [d["code"] for d in row.get("diagnostics", [])]
        tap.ok(codes == ["not-regular"] and row["sender"] is None,
               "a %s named qf...: listed as not-regular, never read" % what, row)
        row = rows.get("6AM700H%s000003" % letter, {})
        tap.ok(row.get("size", 0) is None and
               "no-data" in [d["code"] for d in row["diagnostics"]],
               "a %s named df...: no data file" % what, row)
        for number in (2, 3):
            id = "6AM700H%s00000%d" % (letter, number)
            for args in ((), ("--format=json",)):
                shown = patient(show, q.path, *args, id, timeout=30)
                tap.ok(not isinstance(shown, str) and shown.status in (0, 1, 2, 65) and
                       (shown.status != 65 or shown.err),
                       "show %s of %s: %s" % (" ".join(args), what, "qf" if number == 2 else "df"),
                       shown)
        parts = ("qf",) if letter not in made else ("qf", "df", "xf", "eml")
        for part in parts:
            id = "6AM700H%s00000%d" % (letter, 2 if part == "qf" else 3)
            shown = patient(show, q.path, "--part=" + part, id, timeout=30)
            tap.ok(not isinstance(shown, str) and shown.status >= 64 and shown.out == b"" and
                   shown.err.count(b"\n") == 1,
                   "show --part=%s of a %s: refused" % (part, what), shown)
    row = rows["6AM700HL000002"]
    tap.ok(row["sender"] == "<linked@src.example>",
           "a link to a plain file is followed, as sendmail does", row)
    tap.ok(harness.snapshot(q.path) == before, "nothing of all this was changed",
           harness.differences(before, harness.snapshot(q.path)))


def test_names(tmp):
    q = MadeQueue(tmp + "/names")
    # 20 characters are the most that sendmail takes for a message, prefix included.
    names = [b"qf", b"qf\n", b"qf a b", b"qf\x1b[2J\x1b[31m", b"qf\xff\xfe", b"qf\xe2\x80\xaevil",
             b"qf\xc2\x9b1m", b"qf-Q", b"qf--help", b"qf%s%n", b"qf'\"`$(id)", b"qf\\x1b", b"qf,",
             b"qf" + b"x" * 18, b"hf" + b"y" * 18, b"qf" + "漢字".encode() * 3]
    ignored = [b"qf" + b"x" * 19, b"qf" + b"x" * 200, b"Qf" + b"z" * 19, b"QF1", b"q", b"nf1",
               b"qF1", b"notes"]
    for name in names + ignored:
        with open(os.path.join(os.fsencode(q.path), name), "wb") as f:
            f.write(control_file().encode())
    got = ls(q.path, "--format=ids0")
    tap.ok(sorted(got.out.split(b"\0")[:-1]) == sorted(name[2:] for name in names),
           "names: what sendmail takes for a message is listed, longer ones are not", got)
    survives(q, "names with line ends, escapes, invalid UTF-8: every form")
    rows = [json.loads(line) for line in ls(q.path, "--format=json").out.splitlines()]
    tap.ok(len(rows) == len(names) and "\x1b[2J\x1b[31m" in [row["id"] for row in rows],
           "such names in JSON", [row["id"] for row in rows])
    raw = [row["raw"] for row in rows if "raw" in row]
    tap.ok(len(raw) == 1 and raw[0]["id"] == "//4=" and raw[0]["file"] == "cWb//g==",
           "names that are not UTF-8 exactly, in base64", raw)
    for name in names[1:]:
        shown = show(q.path, "--part=qf", "--", name[2:])
        tap.ok(shown.status == 0 and shown.out == control_file().encode(),
               "show finds %r" % name, shown)
    text = ls(q.path)
    tap.ok(not unsafe_bytes(text.out) and text.out.count(b"\n") == len(names) + 1,
           "one line for each in the table", text)
    os.mkdir(q.place("qf\x1b[31m\n"))
    refused = run("show", "-C", "none", "-Q", q.path, "no\x1b[2J\nsuch")
    tap.ok(not unsafe_bytes(refused.err) and refused.err.count(b"\n") == 1,
           "errors are one safe line", refused)


# ---------------------------------------------------------------- sizes

def test_sizes(tmp):
    q = MadeQueue(tmp + "/small")
    random.seed(1)
    q.write("qf6AM700ZA000001", b"")
    q.write("qf6AM700ZB000002", b"\0" * 100000)
    q.write("qf6AM700ZC000003", b"\n" * 100000)
    q.write("qf6AM700ZD000004", b".")
    q.write("qf6AM700ZE000005", b" " * 100000)
    q.write("qf6AM700ZF000006", b"H??" * 100000)
    q.write("qf6AM700ZG000007", random.randbytes(20 << 20))
    q.write("qf6AM700ZH000008", b"".join(b"%c\n" % (i % 256) for i in range(200000)))
    q.write("qf6AM700ZI000009", control_file(created="9" * 400, last_try="-" + "9" * 400,
                                             tries="0x10", priority="1e99"))
    q.write("qf6AM700ZJ000010", control_file(created=-2**63, last_try=2**63 - 1, tries=2**63 - 1,
                                             priority=-2**63))
    q.write("qf6AM700ZK000011", control_file(headers=[("X%d" % i, "=?utf-8?B?" * 100)
                                                      for i in range(2000)]))
    q.write("qf6AM700ZL000012", control_file(rcpts=["<" + "(" * 5000 + "@" * 5000 + ">"] * 20,
                                             M="Deferred: " + "4.2.0 " * 20000))
    survives(q, "0 bytes, NULs, line ends, 20 MB of noise, absurd numbers: every form",
             preexec_fn=limited(3000))
    for id in q.order():
        for args in ((), ("--format=json",), ("--part=eml",), ("--part=headers",)):
            shown = patient(show, q.path, *args, id, preexec_fn=limited(3000))
            if not sound(shown, (0, 66)):
                tap.ok(False, "show %s %s" % (" ".join(args), id), shown)
    rows = {row["id"]: row for row in
            map(json.loads, ls(q.path, "--format=json").out.splitlines())}
    tap.ok("empty" in [d["code"] for d in rows["6AM700ZA000001"]["diagnostics"]],
           "0 bytes: empty", rows["6AM700ZA000001"])
    tap.ok(len(rows["6AM700ZG000007"]["diagnostics"]) <= 1001,
           "findings about noise are no more than 1,000")


def test_large(tmp):
    few = (("--format=json",), (), ("--by=domain",))
    nowhere = {"stdout": subprocess.DEVNULL}
    q = MadeQueue(tmp + "/sparse")
    with open(q.place("qf6AM700LA000001"), "wb") as f:
        f.truncate(1 << 30)
    q.add("6AM700LB000002")
    survives(q, "a sparse file of 1 GB: in 1.5 GB", few, preexec_fn=limited(1500))
    shown = patient(show, q.path, "6AM700LA000001", preexec_fn=limited(1500))
    tap.ok(sound(shown) and b"too-large" in shown.out and len(shown.out) < 10000,
           "show of it: what was not read is said", shown)
    result = patient(show, q.path, "--part=qf", "6AM700LA000001", stdout=subprocess.DEVNULL,
                     preexec_fn=limited(1500))
    tap.ok(sound(result), "show --part=qf of it: the whole file", result)
    os.unlink(q.place("qf6AM700LA000001"))

    q = MadeQueue(tmp + "/line")
    with open(q.place("qf6AM700LC000003"), "wb") as f:
        f.write(b"V8\nT1795390000\nK0\nN0\nP1\nM")
        for _ in range(200):
            f.write(b"x" * (1 << 20))
        f.write(b"\nS<ann@src.example>\nRPFD:<bob@dst.example>\nH??Subject: x\n.\n")
    survives(q, "a line of 200 MB: in 2 GB", few, preexec_fn=limited(2000), **nowhere)
    table = ls(q.path, env={"COLUMNS": "80"})
    tap.ok(all(len(line) < 200 for line in table.out.splitlines()), "a row of it fits the terminal")
    os.unlink(q.place("qf6AM700LC000003"))

    q = MadeQueue(tmp + "/recipients")
    with open(q.place("qf6AM700LD000004"), "wb") as f:
        f.write(b"V8\nT1795390000\nK0\nN0\nP1\nS<ann@src.example>\n")
        f.write(b"".join([b"RPFD:<user%d@host%d.example>\n" % (i, i % 1000)
                          for i in range(1000000)]))
        f.write(b"H??Subject: x\n.\n")
    survives(q, "a million recipients: in 3 GB", few + (("--format=csv",), ("--sort=rcpt",),
                                                        ("--format=mailq",)),
             preexec_fn=limited(3000), **nowhere)
    result = patient(ls, q.path, "--columns=nrcpt", "--format=csv", preexec_fn=limited(3000))
    tap.ok(result.out == b"nrcpt\r\n1000000\r\n", "all of them are counted", result)
    result = patient(ls, q.path, "--format=ids", "each.domain:example",
                     "rcpt=user999999@host999.example", preexec_fn=limited(3000))
    tap.ok(result.status == 0, "and looked at by a filter", result)
    result = patient(show, q.path, "6AM700LD000004", preexec_fn=limited(3000))
    tap.ok(sound(result) and result.out.count(b"\n  To ") == 1000000, "and shown", result.status)
    os.unlink(q.place("qf6AM700LD000004"))

    q = MadeQueue(tmp + "/several")
    for i in range(8):
        with open(q.place("qf6AM700LE%06d" % i), "wb") as f:
            f.truncate(1 << 30)
    result = patient(ls, q.path, "--format=ids", "--jobs=16", preexec_fn=limited(2500))
    tap.ok(sound(result) and len(result.lines()) == 8,
           "eight sparse files of 1 GB with 16 jobs, in 2.5 GB", result)


# ---------------------------------------------------------------- files that change while read

def test_moving(tmp):
    q = MadeQueue(tmp + "/moving")
    for i in range(40):
        q.add("6AM7%02dMA%06d" % (i, i), rcpts=["<r%d@dst.example>" % n for n in range(400)])
    ids = q.order()
    texts = [control_file(sender="<v%d@src.example>" % n,
                          rcpts=["<r%d@dst.example>" % k for k in range(n * 200 + 1)])
             for n in range(4)]
    stop = threading.Event()

    def deliver():
        """As sendmail does it: a new version through tf, removal of df and then qf, new ones."""
        chance = random.Random(1)
        while not stop.is_set():
            id = chance.choice(ids)
            what = chance.random()
            if what < 0.6:
                q.write("tf" + id, chance.choice(texts))
                os.rename(q.place("tf" + id), q.place("qf" + id))
            elif what < 0.8:
                for prefix in ("df", "qf"):
                    if os.path.exists(q.place(prefix + id)):
                        os.unlink(q.place(prefix + id))
            else:
                q.write("df" + id, "body\n")
                q.write("tf" + id, chance.choice(texts))
                os.rename(q.place("tf" + id), q.place("qf" + id))

    def tear():
        """As nobody does it: in place, longer and shorter."""
        chance = random.Random(2)
        while not stop.is_set():
            path = q.place("qf" + chance.choice(ids))
            try:
                with open(path, "r+b") as f:
                    f.truncate(chance.randrange(30000))
                    f.seek(0, 2)
                    f.write(chance.choice(texts).encode()[:chance.randrange(60000)])
            except FileNotFoundError:
                pass

    for change, name in ((deliver, "messages that come, go and change as sendmail does it"),
                         (tear, "files that grow and shrink while they are read")):
        stop.clear()
        thread = threading.Thread(target=change)
        thread.start()
        bad, rows = [], 0
        begun = time.monotonic()
        try:
            while time.monotonic() < begun + 2:
                for jobs in ("--jobs=1", "--jobs=8"):
                    result = patient(ls, q.path, "--format=json", jobs, timeout=30)
                    if not sound(result, (0,)) or result.err:
                        bad.append(str(result))
                        continue
                    for row in map(json.loads, result.out.splitlines()):
                        rows += 1
                        if change is deliver and (
                                row["state"] != "queued" or not row["sender"] or
                                not row["recipients"] or
                                {d["code"] for d in row["diagnostics"]} -
                                {"no-data", "unsafe-owner"}): # the owner: not run by root
                            bad.append("half reported: %s" % str(row)[:500])
                for args in ((), ("--format=mailq",), ("--part=qf",)):
                    result = patient(show, q.path, *args, ids[0], timeout=30) if "--part=qf" in \
                        args else patient(ls, q.path, *args, timeout=30)
                    if isinstance(result, str) or result.status not in (0, 1, 66):
                        bad.append(str(result))
        finally:
            stop.set()
            thread.join()
        tap.ok(not bad and rows > 100, name + ": %s" % (
            "no error, never half reported" if change is deliver else "no error"), rows, *bad)


# ---------------------------------------------------------------- mutations

def mutate(chance, data, other):
    """One or several of the ways in which a file goes wrong."""
    data = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(data) + 1)
        to = min(len(data), at + chance.choice((1, 4, 40, 400)))
        what = chance.randrange(11)
        if what == 0 and data:
            data[min(at, len(data) - 1)] = chance.randrange(256)
        elif what == 1:
            del data[at:to]
        elif what == 2:
            data[at:at] = data[at:to] * chance.choice((1, 2, 50))
        elif what == 3:
            data[at:at] = chance.randbytes(chance.choice((1, 3, 30)))
        elif what == 4:
            data[at:at] = b"\0" * chance.choice((1, 2, 300))
        elif what == 5:
            del data[at:]
        elif what == 6:
            data[at:] = other[chance.randrange(len(other) + 1):]
        elif what == 7:
            lines = data.split(b"\n")
            chance.shuffle(lines)
            data = bytearray(b"\n".join(lines))
        elif what == 8:
            data[at:at] = chance.choice((b"\n", b"\r\n", b"\n ", b"\n\t", b"\n.", b"\nR", b"\nQ",
                                         b"\n!\x02 -99999999999999999999", b"\n$", b"\n${", b"\nH?",
                                         b"\nH?${x?", b"\nV99999999999", b"\nT99999999999999999999",
                                         b"\nK-1", b"\nq", b"\nd../../etc", b"\nF", b"\nB", b"\nA"))
        elif what == 9:
            data[at:at] = chance.choice((b"9" * 30, b"-", b"<", b">", b"@", b":", b"=?utf-8?B?",
                                         b"?=", b"\xff", b"\x81g", b"\x1b[", b"%s", b"\\"))
        else:
            data = data.replace(b"\n", b"\r\n", chance.choice((1, -1)))
    return bytes(data)


def test_mutations(tmp):
    count = int(os.environ.get("QF_MUTATIONS", 600))
    chance = random.Random(int(os.environ.get("QF_SEED", 1)))
    program = QF_SAN if os.access(QF_SAN, os.X_OK) else None
    originals = []
    for scenario in ("plain-deferred", "headers", "dsn", "aliases-lists", "statuses", "damaged",
                     "addresses", "bodytypes", "queue-groups-xdev", "eai", "quarantine-cmd"):
        top = harness.unpack(scenario, tmp)
        for directory, _, names in os.walk(top):
            for name in names:
                if name[:2] in ("qf", "hf", "Qf"):
                    with open(os.path.join(directory, name), "rb") as f:
                        originals.append(f.read())
    originals = [o for o in originals if 0 < len(o) < 20000]
    done = 0
    forms = FORMS[:1] + FORMS[1:3] + FORMS[6:7] + FORMS[8:9] + FORMS[10:]
    bad = []
    while done < count:
        q = MadeQueue(tmp + "/mutations%d" % done)
        for i in range(min(200, count - done)):
            id = "6AM7%02dXA%06d" % (i % 60, i)
            q.write(chance.choice(("qf", "qf", "qf", "hf", "Qf")) + id,
                    mutate(chance, chance.choice(originals), chance.choice(originals)))
            if chance.random() < 0.9:
                q.write("df" + id, mutate(chance, chance.choice(originals),
                                          chance.choice(originals)))
        ids = q.order()
        for args in forms:
            result = patient(ls, q.path, *args, program=program)
            if not sound(result):
                bad.append("%s\n%s" % (q.path, result))
            elif args == () and unsafe_bytes(result.out):
                bad.append("raw in a table: %s" % unsafe_bytes(result.out))
        for args in ((), ("--format=json",), ("--part=eml",)):
            result = patient(show, q.path, *args, *ids, program=program)
            # Of some there is no data file, or one in another directory.
            if not sound(result, (0, 64, 66)):
                bad.append("%s\n%s" % (q.path, result))
        done += len(ids)
        if not bad:
            subprocess.run(["rm", "-rf", q.path], check=True)
    tap.ok(not bad, "%d mutated control files%s" % (done, "" if program else
                                                    " (no build with sanitizers at hand)"), *bad)


def main():
    with temporary() as tmp:
        test_kinds_of_file(tmp)
        test_names(tmp)
        test_sizes(tmp)
        test_moving(tmp)
        test_mutations(tmp)
        test_large(tmp)
    tap.done()


main()
