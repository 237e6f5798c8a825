#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""Odd entries of a queue, each as qf and as real sendmail list it.

qf looks first, and everything in the directory must be afterwards what it was: sendmail's own list
renames and removes files. Where sendmail aborts in the middle of its list, what it did print must
begin what qf prints. QF_RANDOM=N and QF_SEED=N in the environment: more random queues, others.
"""
import fcntl
import os
import random
import re
import shutil
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import harness
import lab as laboratory
from tap import Tap, skip_all

NOW = int(time.time())
GOOD = (b"V8\nT1795000000\nK0\nN0\nP30000\nS<ann@src.example>\nRPFD:<bob@dst.example>\n"
        b"H??Subject: x\n.\n")
SENDER = b"S<ann@src.example>\n"
TO = b"RPFD:<bob@dst.example>\n"


def changed(old, new):
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def before_header(lines):
    return changed(b"H??Subject", lines + b"H??Subject")


def tried(seconds_ago, lines=b"N1\n"):
    return changed(b"K0\nN0\n", b"K%d\n" % (NOW - seconds_ago) + lines)


def header(length, rest):
    """A header line whose first `length` bytes are filled up."""
    return before_header(b"H??X: " + b"x" * (length - 6) + rest)


# Control files with a data file. Each becomes an entry of one queue.
WITH_DATA = [GOOD, b"", b"\n", b".\n", b"V8", b"\0" * 700]
# What replaces a piece of a good one.
for old, news in {
        SENDER: [b"", b"S\n", b"S<>\n", SENDER * 2, b"MDeferred: x\n" + SENDER,
                 b"Mone\nMtwo\n" + SENDER, b"M\n" + SENDER, b"B8BITMIME\n" + SENDER,
                 b"B7BIT\nMfoo\n" + SENDER * 2, b"Babcdefghijklmn\n" + SENDER,
                 b"Fw8\n" + SENDER, SENDER + b"Fw\n", SENDER + b"qlate\n" + SENDER,
                 b"q" + b"r" * 150 + b"\n" + SENDER, b"qq\x1b[1m\xe4\n" + SENDER,
                 b"M" + b"m" * 150 + b"\n" + SENDER + b"M" + b"n" * 150 + b"\n",
                 b"M450 \x1b[2J\x1b]0;owned\x07\xe4\n" + SENDER, b"S<ann\0@src>\n",
                 SENDER[:-1] + b"\n\tT5\n", b"S" + b"a" * 2046 + b"RP:foo\n",
                 b"M" + b"a" * 2046 + b"RP:foo\n" + SENDER],
        TO: [b"", b"Rfoo@x\n", b"RPFD:\n", b"RPFD:<>\n", b"Mfoo\n" + TO * 2, TO[:-1] + b"\n fold\n",
             b"C" + b"y" * 80 + b"\n" + TO + b"C\n" + TO, b"C:bob@dst.example\n" + TO,
             TO[:8] + b"\0" + TO[8:], b"RPFD:a b@c.example\n", TO + b"V0\n" + TO, b"B7BIT\n" + TO
             + SENDER],
        b"V8\n": [b"", b"V0\n", b"V-3\n", b"V99\n", b"V4294967297\n", b"V8\0zz\n", b"V8\nqearly\n"],
        b"T1795000000\n": [b"", b"T0\n", b"Tx\n", b"T-5\n", b"T99999999999\n", b"T253402300800\n",
                           b"T-9999999999\n", b"T \t+1795000000x\n", b"T1795000000\0abc\n",
                           b"\0\0\nT1795000000\n", b"T1782864000\n", b"T1\nT2\n"],
        b"P30000\n": [b"", b"P0\n", b"P123456789012\n", b"P-123456789012\n", b"P1\nP2\n",
                      b"P99999999999999999999999\n", b"P30\x00000\n", b"Px\n", b"S<x@y>\nP77\n"],
        b"H??Subject": [b"H??X: \x81j\nH??Subject", b"\r\nH??Subject",
                        b"\xe4\nH??Subject"]}.items():
    WITH_DATA += [changed(old, new) for new in news]
WITH_DATA += [GOOD.replace(b"\n", b"\r\n"), GOOD.replace(b"\n", b"\r\r\n"),
              GOOD.replace(b"\n", b"\r"), GOOD[:-3] + b"\nRPFD:foo\r", GOOD + b"junk\n"]
WITH_DATA += [header(n, b"RP:bogus\n") for n in (2045, 2046, 2047, 2048, 4094)]
WITH_DATA += [header(2047, b"T5\n"), header(2047, b"\nRP:zz\n"), header(2046, b"\r\nRP:zz\n"),
              before_header(b"H??X\0: " + b"x" * 2040 + b"RP:bogus\n")]
for size in (37, 38, 39, 40, 70, 71, 72, 77, 78, 79):
    WITH_DATA.append(changed(SENDER, b"S" + b"a" * size + b"\n")
                     .replace(TO, b"RPFD:" + b"b" * size + b"\n"))
for odd in (b"\\", b"\t", b"\xe4", b"\x7f", b"\r", b" ", b"\x80"):
    for size in range(32, 40):
        WITH_DATA.append(changed(SENDER, b"S" + b"a" * size + odd * 3 + b"zz\n")
                         .replace(TO, b"RPFD:" + b"b" * (size + 33) + odd * 3 + b"zz\n"))

# Control files without a data file.
WITHOUT_DATA = [GOOD, b"", b"V8", b"Xx", b".", b".\n", b"\0\0", b"\0\n\0\n", GOOD + b"junk\n",
                GOOD + b"\n", GOOD + b"a\n b\n\tc\n", GOOD + b"y" * 9000 + b"\n", b" x\n" + GOOD,
                GOOD + bytes(range(1, 256)).replace(b"\n", b"").replace(b"\r", b"") + b"\n",
                GOOD[:-1] + b"more\n", changed(SENDER, b""), changed(TO, b""),
                changed(TO, b"Rfoo@x\n"), changed(TO, TO * 2), before_header(b"")[:-3] + b"\n.\nX"]
WITHOUT_DATA += [before_header(lines) for lines in [
    b"Xbad\n", b"\n", b"Bfoo\n", b"B8bitmime\n", b"B7BIT \n", b"B\n", b"Aa b\n", b"Aa+2\n",
    b"Aa=b\n", b"A<a+2Bb>\n", b"Afo\xe4\n", b"V9\n", b"V-1\n", b"V4294967305\n", b"From foo\n",
    b"From\n", b"dnowhere\n", b"d.\n", b"qwhy\nXbad\n", b"qwhy\n", b"Xbad\n more\n\tand\n",
    b"H??To: a,\n\tb,\n\tc\nXbad\n", b"Xbad\x01\x7f\t\r\x1b[2J\\\xe4\xc3\xa4\xff\"q\n",
    b"Xq\x80cut\n", b"\xe4\n", b"X" + b"0123456789" * 30 + b"\n", b"X" + b"5" * 201 + b"\n",
    b"X" + b"5" * 202 + b"\n", b"X%s%d%n\n", b"$\n", b"$x\n", b"${}x\n", b"${\n", b"${a b}x\n",
    b"${abc\n", b"${a\n b}x\n", b"${abcdefghijklmnopqrstuvwxy}x\n",
    b"${abcdefghijklmnopqrstuvwxyz}x\n", b"$\0{a}x\n", b"${\x81\xff}x\n", b"!\x02 3600\n", b"!\n",
    b"!{ab 3600\n", b"H\n", b"Hfoo\n", b"H??foo\n", b"H??: x\n", b"H??a b: x\n", b"H?PD?x\n",
    b"H?P foo: bar\n", b"H?$x?a: b\n", b"H?$?a: b\n", b"H?${abc}?a: b\n", b"H?${abc}d?a: b\n",
    b"H?${abc?a: b\n", b"H?\x81x?a: b\n", b"H?\x81xy?a: b\n", b"H?a\xe4?a: b\n",
    b"H??" + b"w" * 120 + b": x\n", b"H??Foo\t\x0b\x0c\r : bar\n", b"H??Fo\0o: bar\n",
    b"H??Foo\n : bar\n", b"Hfoo\nHbar\nXbad\n", b"H??a: b\0zz\n\tccc\nXq\n"]]

results = Tap()
laboratory_of_all = None


def write(path, content, mode=0o600):
    with open(path, "wb") as f:
        f.write(content)
    os.chmod(path, mode)


def cleaned(text):
    """What sendmail printed, without what is left out: the error text that happens to be there
    behind two complaints, and complaints about addresses that the configuration cannot parse."""
    text = re.sub(rb"(?m)^(gatherq: .* is not a regular file): .*$", rb"\1", text)
    text = text.replace(b": Numerical result out of range", b"")
    return re.sub(rb"(?m)^( *[A-Z]{2}\d{5})?(?:(?:(?:User address|Hostname) required"
                  rb"|[^\n]*\.\.\. (?:Unbalanced|Illegal|Invalid|Null|Missing|Empty|Nested)[^\n]*"
                  rb"|Syntax error in mailbox address[^\n]*|Invalid (?:host name|route address)"
                  rb"|8-bit character in mailbox address[^\n]*|Colon illegal in host name part"
                  rb"|List:; syntax[^\n]*)\n)+", rb"\1", text)


def compare(name, args=(), which=(), options={}, env={}, forms=(False, True), again=None):
    """List the queue of the laboratory with qf and with sendmail. again() makes it as it was."""
    lab = laboratory_of_all
    for verbose in forms:
        if again:
            again()
        config = os.path.join(lab.dir, "with-options.cf")
        shutil.copyfile(lab.cf, config)
        with open(config, "a") as f:
            f.writelines("O %s=%s\n" % option for option in options.items())
        label = name + (", verbose" if verbose else "")
        before = harness.snapshot(lab.dir)
        got = harness.qf("ls", "-C", config, *which, env=env,
                         *["--format=mailq-verbose" if verbose else "--format=mailq"])
        difference = harness.differences(before, harness.snapshot(lab.dir))
        if difference:
            results.ok(False, label + ": qf leaves it as it is", difference)
        real = lab.call("-bp", *(["-v"] if verbose else []), *args, *["-O%s=%s" % option
                        for option in options.items()], env=dict({"TZ": "UTC"}, **env))
        wanted = cleaned(real.stdout)
        if real.returncode < 0:
            # It died: the end of its list is missing, and half a line may be.
            wanted = wanted[:wanted.rfind(b"\n") + 1]
            results.ok(got.stdout.startswith(wanted)
                       and re.search(rb"\n\t\tTotal requests: \d+\n$", got.stdout),
                       label + " (sendmail died after %d bytes)" % len(wanted),
                       got.stderr.decode(), repr(got.stdout[len(wanted) - 200:][:600]),
                       repr(wanted[-200:]))
        else:
            results.same(got.stdout, wanted, label)
            if got.stdout != wanted and got.stderr:
                print("# qf said: %r" % got.stderr[:300])


def empty():
    for name in os.listdir(laboratory_of_all.queue):
        path = os.path.join(laboratory_of_all.queue, name)
        shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)


def maker(files, modes={}):
    """A function that makes the queue out of these files and nothing else."""
    def make():
        empty()
        for name, content in files.items():
            write(os.path.join(laboratory_of_all.queue, name), content, modes.get(name, 0o600))
    return make


def numbered(contents, prefix="qf", data=None):
    files = {}
    for i, content in enumerate(contents):
        files["%sAA%05d" % (prefix, i)] = content
        if data is not None:
            files["dfAA%05d" % i] = data
    return files


def check_tables():
    compare("entries with a data file", again=maker(numbered(WITH_DATA, data=b"x")))
    compare("the same, held", ["-qQ"], ["is:held"],
            again=maker(numbered(WITH_DATA, "hf", b"x")))
    compare("the same, lost", ["-qL"], ["is:lost"],
            again=maker(numbered(WITH_DATA, "Qf", b"x")))
    compare("entries without one", again=maker(numbered(WITHOUT_DATA)))
    compare("the same, held", ["-qQ"], ["is:held"], again=maker(numbered(WITHOUT_DATA, "hf")))
    compare("the same, lost", ["-qL"], ["is:lost"], again=maker(numbered(WITHOUT_DATA, "Qf")))
    compare("another time zone", env={"TZ": "America/New_York"},
            again=maker(numbered(WITH_DATA, data=b"x")))


def check_single():
    young = numbered([tried(100), tried(100, b"N0\n"), tried(-100), tried(4000), tried(100, b""),
                      changed(b"K0\nN0\n", b"N0\nK%d\n" % (NOW - 100)),
                      tried(100, b"M\0\nN0\n"), tried(100, b"Z" + b"z" * 254 + b"\nN0\n"),
                      tried(100, b"Z" + b"z" * 256 + b"\nN0\n"),
                      tried(100).replace(b"T1795000000", b"T%d" % (NOW - 300)),
                      tried(100).replace(b"T1795000000", b"T%d" % (NOW - 150)),
                      changed(b"K0\nN0\nP30000\n", b"P30000\nK%d\nN1\n" % (NOW - 100))],
                     data=b"x")
    compare("young, MinQueueAge", options={"MinQueueAge": "30m"}, again=maker(young))
    compare("young, MaxQueueAge", options={"MaxQueueAge": "30m"}, again=maker(young))
    compare("young without a data file", options={"MinQueueAge": "30m"}, forms=(False,),
            again=maker(numbered([tried(100), tried(100, b"N1\nXbad\n")])))
    for size in (1, 2, 3, 9):
        compare("MaxQueueRunSize=%d" % size, options={"MaxQueueRunSize": size},
                again=maker(dict(numbered([changed(b"P30000", b"P%d" % p) for p in (5, 4, 3, 2)],
                                          data=b""), hfx=b"", xfx=b"",
                                 **{"qf" + "n" * 19: GOOD})))
    compare("an empty directory", again=empty)
    compare("nothing but other files",
            again=maker({"xfA": b"", "dfA": b"", "tfA": b"", "QfA": GOOD, "hfA": GOOD, "x": b""}))
    compare("nothing lost", ["-qL"], ["is:lost"], again=maker({"qfA": GOOD}))
    compare("names of 13 to 21 characters, and none",
            again=maker({"qf": GOOD, "df": b"xx", **{"qf" + "ABCDEFGHI"[i] * n: GOOD
                         for i, n in enumerate((12, 13, 14, 15, 17, 18, 19, 20))}}))
    compare("names with odd bytes",
            again=maker({"qfA\x1b[1mB": GOOD, "qf\udcff": GOOD, "qfa b": GOOD}))
    modes = (0o600, 0o640, 0o644, 0o660, 0o602, 0o666, 0o700)
    if os.geteuid() == 0:
        # Who is not root could not open it for writing, as sendmail does.
        modes += (0o400,)
    files = numbered([GOOD] * len(modes))
    compare("modes", again=maker(files, {name: mode for name, mode in zip(files, modes)}))
    compare("modes where QueueFileMode is 0660", options={"QueueFileMode": "0660"},
            again=maker(files, {name: mode for name, mode in zip(files, modes)}))
    for cut in (b"", b"X\n"):
        compare("no end line, no data file: sendmail aborts",
                again=maker(numbered([GOOD, GOOD[:-2] + cut, changed(b"P30000", b"P40000")])))
    compare("no end line, with a data file", again=maker(numbered([GOOD[:-2], b"V8\nX\n"],
                                                                 data=b"")))
    compare("times beyond any year: sendmail -v dies",
            again=maker(numbered([changed(b"T1795000000", b"T67768036191676799"),
                                  changed(b"T1795000000", b"T-99999999999999999999")], data=b"")))
    compare("texts longer than sendmail's buffer, without a data file",
            again=maker(numbered([GOOD + b"y" * 100000 + b"\n", GOOD + b"y" * 16323 + b"\n",
                                  before_header(b"H" + b"w" * 20000 + b"\n")])))


def check_irregular():
    queue = laboratory_of_all.queue

    def make():
        maker({"qfAA": GOOD, "dfAA": b"x", "qfBB": GOOD, "qfCC": GOOD, "qfDD": GOOD})()
        os.mkdir(queue + "/qfdir")
        os.mkfifo(queue + "/qffifo")
        os.symlink("nowhere", queue + "/qfdangling")
        os.symlink("qfloop", queue + "/qfloop")
        os.symlink("/dev/null", queue + "/qfnull")
        os.symlink("qfAA", queue + "/qflink")
        os.mkdir(queue + "/dfBB")
        os.symlink("nowhere", queue + "/dfCC")
        os.symlink("dfDD", queue + "/dfDD")
        write(queue + "/qf" + "n" * 30, GOOD)
    compare("directories, FIFOs, devices, links", again=make)

    def alone():
        maker({"qfAA": GOOD, "dfAA": b"x"})()
        os.mkfifo(queue + "/qf")
        os.symlink("nowhere", queue + "/df")
    compare("a FIFO called qf, a link called df", again=alone)

    def sparse():
        maker({"qfAA": GOOD})()
        with open(queue + "/dfAA", "wb") as f:
            f.truncate(123456789012)
    # Snapshots read the bytes; of these there are too many.
    sparse()
    for verbose in (False, True):
        config = laboratory_of_all.cf
        got = harness.qf("ls", "-C", config, "--format=mailq" + ("-verbose" if verbose else ""))
        results.same(got.stdout, laboratory_of_all.mailq(*["-v"][:verbose], env={"TZ": "UTC"}),
                     "a data file of 123456789012 bytes")


def check_locks():
    """A lock held by this process, as a delivery would."""
    queue = laboratory_of_all.queue
    held = []

    def make(files, locked, how=fcntl.LOCK_EX):
        def again():
            while held:
                held.pop().close()
            maker(files)()
            held.append(open(os.path.join(queue, locked), "r+b"))
            fcntl.flock(held[0], how)
        return again
    make({"qfAA": GOOD}, "qfAA")()
    told = harness.qf("ls", "-C", laboratory_of_all.cf, "--format=json").stdout
    if b'"busy":true' not in told:
        results.skip("locked entries", "locks of others cannot be seen here")
        held.pop().close()
        return
    compare("locked", again=make({"qfAA": GOOD, "dfAA": b"x"}, "qfAA"))
    compare("locked, shared", again=make({"qfAA": GOOD, "dfAA": b"x"}, "qfAA", fcntl.LOCK_SH))
    compare("locked, no data file", again=make({"qfAA": GOOD}, "qfAA"))
    compare("locked, bad, no data file", again=make({"qfAA": before_header(b"X\n")}, "qfAA"))
    compare("locked and empty", again=make({"qfAA": b""}, "qfAA"))
    compare("locked and young", options={"MinQueueAge": "30m"},
            again=make({"qfAA": tried(100), "dfAA": b""}, "qfAA"))
    compare("locked and lost", ["-qL"], ["is:lost"],
            again=make({"QfAA": GOOD, "dfAA": b"x"}, "QfAA"))
    files = {"qfAA": GOOD, "dfAA": b"x", "qfBB": GOOD, "dfBB": b"",
             "qfCC": changed(TO, b"RPFD:<a@a.example>\n"), "dfCC": b""}
    compare("locked, by host", options={"QueueSortOrder": "host"}, again=make(files, "qfCC"))
    files.update({"qfDD": changed(b"P30000", b"P20000"), "dfDD": b"",
                  "qfEE": changed(b"P30000", b"P40000"), "dfEE": b""})
    compare("locked, by host, others of the host", options={"QueueSortOrder": "host"},
            again=make(files, "qfBB"))
    compare("locked, by name", options={"QueueSortOrder": "filename"}, again=make(files, "qfCC"))
    held.pop().close()


def check_orders():
    queue = laboratory_of_all.queue

    def message(priority, created, recipient):
        return b"V8\nT%d\nK%d\nN1\nP%d\nS<a@b.example>\n%s.\n" % (
            created, NOW - 100, priority, recipient and b"RPFD:" + recipient + b"\n")
    files = {"qfd": message(5, 100000000, b"<x@B.example>"),
             "qfa": message(9, 300000000, b"<x@a.example>"),
             "qfc": message(7, 200000000, b"<X@c.B.example>"),
             "qfb": message(6, 400000000, b"noat"),
             "qfe": message(1, 250000000, b"<y@b.Example>,<z@zz.example>"),
             "qff": message(1, 1, b""), "qfg": message(8, 2, b"<x@b.Example>"),
             "qfq": b"V8\nqx\n" + message(3, 5, b"a@b.example")}

    def make():
        maker(dict(files, **{"df" + name[2:]: b"x" for name in files}))()
        for i, name in enumerate("caebfdqg"):
            os.utime(os.path.join(queue, "qf" + name), (1000000 + i, 1000000 + i))
    for order in ("priority", "host", "time", "filename", "modification", "none", "Hosts", "m"):
        compare("QueueSortOrder=" + order, again=make,
                options={"QueueSortOrder": order, "MinQueueAge": "30m"})
    compare("QueueSortOrder=filename, held", ["-qQ"], ["is:held"],
            options={"QueueSortOrder": "filename", "MinQueueAge": "30m"},
            again=maker({"hfA": message(5, 1, b"<a@b.example>"), "dfA": b""}))


def check_directories():
    """Several directories; sub-directories; data files elsewhere; queue groups."""
    global laboratory_of_all
    elsewhere = changed(b"K0\n", b"dq1\nK0\n")
    trees = {
        "qf/ and df/": ("m", "", {"m/qf/qfA": GOOD, "m/df/dfA": b"xx", "m/qf/qfB": GOOD,
                                  "m/qf/qfX": b"V8\nXbad\n", "m/xf": None, "m/qf/qfdir": None}),
        "df/ alone": ("m", "", {"m/qfA": GOOD, "m/df/dfA": b"xx", "m/qfB": GOOD, "m/dfB": b""}),
        "qf/ alone": ("m", "", {"m/qf/qfA": GOOD, "m/dfA": b"xx", "m/qf/dfB": b"",
                                "m/qf/qfB": GOOD}),
        "slashes at the end": ("m///", "", {"m/qfA": GOOD, "m/df/dfA": b"xx", "m/qfdir": None}),
        "a file called df": ("m", "", {"m/qfA": GOOD, "m/df": b"", "m/dfA": b"x"}),
        "several": ("q*", "", {
            "q1/qfA": GOOD, "q1/dfA": b"xx", "q2/qfB": elsewhere, "q1/dfB": b"yyy",
            "q3/qf/qfC": elsewhere, "q1/dfC": b"yyyy", "q3/df/dfD": b"", "q4": None, "x": b"",
            "q5": "other", "other/qfE": GOOD, "q6/qfF": changed(b"K0\n", b"dq3\nK0\n"),
            "q3/df/dfF": b"zzzzz", "qq": b"", "q7/qfG": changed(b"K0\n", b"dq3/df\nK0\n"),
            "q7/qfH": changed(b"K0\n", b"d.\nK0\n"), "q7/qfdir": None,
            "q1/qfI": changed(b"K0\n", b"dq2\nK0\n"), "q1/dfI": b"1", "q2/dfI": b"333",
            "q1/qfJ": changed(b"K0\n", b"dq2\nXbad\nK0\n"), "q2/dfJ": b"1",
            "q1/qfK": changed(b"K0\n", b"dq2\nK0\n"), "q1/qfL": changed(b"K0\n", b"dq3\nK0\n")}),
        "groups": ("def*", "Qbulk, P=@/bulk/b*\nQgold, P=@/gold\n", {
            "def/qfA": GOOD, "def/dfA": b"xx", "gold/x": b"", "def/dfB": b"1",
            "bulk/b1/qfB": changed(b"K0\n", b"ddef\nK0\n"), "bulk/b1/dfC": b"",
            "bulk/b2/qfC": changed(b"K0\n", b"dbulk/b1\nK0\n")}),
    }
    for name, (pattern, groups, tree) in trees.items():
        for verbose in (False, True):
            with laboratory.Lab() as lab:
                base = os.path.join(lab.dir, "spool")
                lab.set(QueueDirectory=os.path.join(base, pattern))
                with open(lab.cf, "a") as f:
                    f.write(groups.replace("@", base))
                for path, content in tree.items():
                    path = os.path.join(base, path)
                    os.makedirs(os.path.dirname(path), exist_ok=True)
                    if content is None:
                        os.makedirs(path, exist_ok=True)
                    elif isinstance(content, str):
                        os.symlink(content, path)
                    else:
                        write(path, content)
                laboratory_of_all = lab
                compare(name, forms=(verbose,))


def random_line(r):
    nice = b"abcdefgh@.<>ABC0123 \\\t"

    def some(n, letters=nice):
        return bytes(r.choice(letters) for _ in range(r.randrange(n + 1)))

    def number():
        return r.choice([b"0", b"1", b"-5", b"%d" % (NOW - r.randrange(10000)), b"99999999999",
                         b"%d" % (NOW + 100 + r.randrange(10000)), b"x", b"", b" 12", b"+7z",
                         b"99999999999999999999", b"%d" % r.randrange(200000), b"12\0 3"])
    letter = r.choice(b"VTTKKNNPPSSRRRRMMMBqCF$HHA!dXZ.")
    if letter in b"TKP":
        return bytes([letter]) + number()
    rest = {
        "V": [b"8", b"0", b"6", b"9", b"-1"], "N": [b"0", b"1", b"5", b"x"],
        "S": [b"<ann@src.example>", b"<" + b"a" * r.randrange(120) + b"@x.example>"],
        "R": [b"PFD:<a@src.example>", b"b@y.example", b"N:<" + b"r" * r.randrange(120) + b"@x.e>"],
        "M": [some(130), some(130, bytes(set(range(256)) - {10}))],
        "B": [b"7BIT", b"8bitmime", b"foo", b""], "q": [some(130)],
        "C": [b"", b":x", b"root:0:0:x", b"y" * 70], "F": [some(5, b"wr8bdnse om")],
        "$": [b"x", b"", b"{", b"{}", b"{a}b", b"{a b}", b"{abc",
              b"{" + b"l" * r.randrange(20, 30)],
        "H": [r.choice([b"", b"??", b"?P?", b"?$x?", b"?${abc}?", b"?", b"?\x81x?", b"?${a?"])
              + r.choice([b"Foo: bar", b"Foo", b"F o: x", b": x", b"X: "
                          + b"x" * r.choice([300, 2030, 2038, 2043, 4080])])
              + some(3) + r.choice([b"", b"RP:zz", b"\n\tfold", b"\n R:x"])],
        "A": [b"<>", b"x+2B", b"x y", b"x+zz"], "!": [b"\x02 3600", b""],
        "d": [b"nowhere", b"."], "X": [some(300), b"\0", b"\xe4" + some(9)],
        "Z": [b"z" * r.choice([1, 250, 254, 255, 256, 300])], ".": [b"", b"x"],
    }[chr(letter)]
    line = bytes([letter]) + r.choice(rest)
    return r.choice([line] * 20 + [b"", b"\0\0ab", b" lead", b"\ttab", b"From x"])


def random_file(r):
    lines = GOOD[:-1].split(b"\n")
    lines[1] = b"T%d" % (NOW - r.randrange(400000))
    lines[4] = b"P%d" % r.randrange(30000, 200000)
    for _ in range(r.randrange(5)):
        if r.random() < .25:
            del lines[r.randrange(len(lines) - 1)]
        else:
            lines.insert(r.randrange(len(lines)), random_line(r))
    content = r.choice([b"\n"] * 8 + [b"\r\n"]).join(lines) + b"\n"
    if r.random() < .1:
        at = r.randrange(len(content))
        content = content[:at] + r.choice([b"\0", b"\r", b"\n", b" ", b"\xff"]) + content[at:]
    return content


def is_ended(content):
    """Is there an end line? Without one, and without a data file, sendmail would abort."""
    lines = re.sub(rb"\n[ \t]", b"  ", content).split(b"\n")
    return any(line.startswith(b".") for line in lines)


def check_random():
    r = random.Random(int(os.environ.get("QF_SEED", "20260")))
    for n in range(int(os.environ.get("QF_RANDOM", "25"))):
        files, modes = {}, {}
        for i in range(40):
            content = random_file(r)
            name = r.choice(["qf", "qf", "qf", "hf", "Qf"]) + "AA%05d" % i
            files[name] = content
            modes[name] = r.choice([0o600] * 9 + [0o660, 0o640])
            if r.random() < .6 or not is_ended(content):
                files["df" + name[2:]] = b"x" * r.randrange(5000)
        args, which = r.choice([((), ()), ((), ()), (["-qQ"], ["is:held"]),
                                (["-qL"], ["is:lost"])])
        options = r.choice([{}, {"MinQueueAge": "30m"}, {"MaxQueueAge": "30m"}])
        order = r.choice(["priority"] * 4 + ["host", "time", "filename", "none"])
        # "too young" without a data file tells seconds: the two may see different ones.
        forms = (False,) if "MinQueueAge" in options else (r.random() < .5,)
        compare("random queue %d" % n, args, which, dict(options, QueueSortOrder=order),
                {"TZ": r.choice(["UTC", "Europe/Berlin", "Australia/Lord_Howe"])}, forms,
                maker(files, modes))


def main():
    global laboratory_of_all
    try:
        lab = laboratory.Lab()
    except laboratory.Missing as why:
        skip_all(why)
    with lab:
        laboratory_of_all = lab
        check_tables()
        check_single()
        check_irregular()
        check_locks()
        check_orders()
        check_random()
    check_directories()
    results.done()


main()
