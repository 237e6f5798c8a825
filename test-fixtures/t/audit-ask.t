#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""qf audit diff and search; index --every; records keep to their schemas; queries use indexes."""
import glob
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", "test-fixtures"), "lab"))
from harness import FIXTURES, QF, qf, scenarios, unpack
from tap import Tap

NOW = "@1795400000"
tap = Tap()


def audit(command, *args, **options):
    return qf("audit", command, "--db=" + db, *args, **options)


def records(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def index(*args, **options):
    done = audit("index", "-C", "none", "--format=json", *args, **options)
    return records(done)[0]["snapshot"] if done.stdout else done


def write(path, content):
    with open(path + "~", "wb") as f:
        f.write(content.encode() if isinstance(content, str) else content)
    os.chmod(path + "~", 0o600)
    os.rename(path + "~", path)


def message(queue, number, rcpts=("<bob@dst.example>",), tries=0, status="", body="body\n",
            subject="hello"):
    name = "6AO8MsV80%05d" % number
    write(os.path.join(queue, "df" + name), body)
    write(os.path.join(queue, "qf" + name), "V8\nT1795300000\nK%d\nN%d\nP30000\n%sS<ann@src.example>\n"
          % (1795300100 if tries else 0, tries, "M" + status + "\n" if status else "") +
          "".join("RPFD:%s\n" % r for r in rcpts) + "H??Subject: %s\n.\n" % subject)
    return name


def diff():
    queue = os.path.join(tmp, "diff")
    os.makedirs(queue)
    ids = [message(queue, i, rcpts=["<r%d@dst.example>" % i, "<x@dst.example>"]) for i in range(6)]
    a = index("-Q", queue, "--label=before", "--now=@1795400000")
    tap.ok(audit("diff", str(a), "before").returncode == 0, "a snapshot does not differ from itself")
    time.sleep(1.1)
    os.unlink(os.path.join(queue, "qf" + ids[0]))
    os.unlink(os.path.join(queue, "df" + ids[0]))
    message(queue, 1, rcpts=["<r1@dst.example>"], tries=3, status="Deferred: 421 later")
    os.rename(os.path.join(queue, "qf" + ids[2]), os.path.join(queue, "hf" + ids[2]))
    new = message(queue, 9)
    b = index("-Q", queue, "--label=after", "--now=@1795400010")
    done = audit("diff", "before", "after", "--format=json")
    got = {(r["id"], r["change"]): r["fields"] for r in records(done)}
    tap.ok(done.returncode == 1 and sorted(got) == sorted(
        [(ids[0], "went"), (ids[1], "changed"), (ids[2], "changed"), (new, "came")]) and
        got[ids[1], "changed"]["tries"] == [0, 3] and
        got[ids[1], "changed"]["status"] == [None, "Deferred: 421 later"] and
        got[ids[1], "changed"]["recipients"] == [["<x@dst.example>"], []] and
        got[ids[2], "changed"] == {"state": ["queued", "held"]} and got[new, "came"] is None,
        "what came, went and changed, and how", got, done.stderr)
    text = audit("diff", "first", "latest").stdout
    tap.ok(len(text.splitlines()) == 4, "the same for people, by first and latest", text)
    csv = audit("diff", str(a), str(b), "--format=csv").stdout
    tap.ok(csv.startswith(b"id,queue,change,fields\r\n") and csv.count(b"\r\n") == 5, "and as CSV", csv)
    other = os.path.join(tmp, "mount")
    shutil.copytree(queue, other)
    c = index("-Q", other, "--now=@1795400020")
    done = audit("diff", "after", str(c))
    tap.ok(done.returncode == 0 and not done.stdout, "two mounts of one queue: nothing differs",
           done.stdout, done.stderr)
    done = audit("diff", "after", "before")
    tap.ok(done.returncode == 64 and b"newer" in done.stderr and not done.stdout,
           "the newer one first: said", done.stderr)
    done = audit("diff", "after", "nonsense")
    tap.ok(done.returncode == 66 and b"before" in done.stderr and not done.stdout,
           "a snapshot that is not there: said, with what there is", done.stderr)
    tap.ok(audit("diff", "after").returncode == 64, "one snapshot alone")
    return records(audit("diff", str(a), str(b), "--format=json"))


def search():
    """Over the packed queues: search says what ls says."""
    wrong = []
    for name in ("statuses", "plain-deferred", "damaged", "huge-rcpts", "quarantine-cmd", "eai", "dsn",
                 "headers", "ages", "stale-tf"):
        top = unpack(name, tmp)
        number = index("-Q", top, "--now=" + NOW)
        for query in ("", "tries>0", "is:held or is:lost", "domain:example", "subject:a", "age>1d",
                      "size>100", "header.From:example", "each.rcpt:example", "is:damaged", "nrcpt>1"):
            common = ["-C", "none", "--now=" + NOW, "--format=json", *([query] if query else [])]
            one = qf("ls", "-Q", top, *common)
            two = audit("search", "--snapshot=%d" % number, *common)
            keep = ("id", "file", "state", "created", "tries", "sender", "recipients", "size",
                    "subject", "message_id", "status", "quarantine", "priority", "warn_at", "flags",
                    "bounce_at", "due")
            one, two = [sorted(json.dumps([m[k] for k in keep]) for m in records(d))
                        for d in (one, two)]
            if one != two:
                wrong.append((name, query, [x for x in one if x not in two][:2],
                              [x for x in two if x not in one][:2]))
    tap.ok(not wrong, "search finds what ls finds", *wrong[:4])
    queue = os.path.join(tmp, "text")
    os.makedirs(queue)
    one = message(queue, 1, body="the quick brown fox\n")
    two = message(queue, 2, body="<script>jumps</script> over \x1b[2J\n")
    done = audit("search", "--text=fox")
    tap.ok(done.returncode == 1 and b"--bodies" in done.stderr, "no bodies stored: said", done.stderr)
    index("-Q", queue, "--bodies")
    index("-Q", queue, "--bodies")
    done = audit("search", "--text=fox", "--format=json")
    got = records(done)
    tap.ok([m["id"] for m in got] == [one] and got[0]["snapshots"][0] + 1 == got[0]["snapshots"][1],
           "full text: once, with its snapshots", got, done.stderr)
    done = audit("search", "--text=jumps OR fox", "from:ann", "--format=csv")
    tap.ok(done.stdout.count(b"\r\n") == 3, "full text and a filter", done.stdout)
    done = audit("search", "--text=(")
    tap.ok(done.returncode == 64 and done.stderr, "bad words are said", done.returncode, done.stderr)
    done = audit("search", '--text="')
    tap.ok(done.returncode == 64 and b"--text" in done.stderr, "also those that are cut", done.stderr)
    for wrong in ("select 'a' regexp '('", "attach 'x.db' as y", "select load_extension('x')", "selec"):
        done = audit("sql", wrong)
        tap.ok(done.returncode == 64 and b".db:" not in done.stderr, "sql: %s: usage" % wrong, done.returncode,
               done.stderr)
    done = audit("search", "nonsense:1")
    tap.ok(done.returncode == 64, "and a bad filter", done.stderr)
    done = audit("search", "from:nobody-at-all")
    tap.ok(done.returncode == 1 and not done.stdout, "nothing matches: status 1")
    done = audit("search", "--snapshot=999")
    tap.ok(done.returncode == 66 and b"there are" in done.stderr, "no such snapshot", done.stderr)
    shown = audit("search", "id=" + two).stdout
    tap.ok(b"\x1b" not in shown and two.encode() in shown, "the table is safe", shown)


def every():
    queue = os.path.join(tmp, "text")
    run = subprocess.Popen([QF, "audit", "index", "--db=" + db, "-C", "none", "-Q", queue,
                            "--every=1s"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    lines = [json.loads(run.stdout.readline()) for _ in range(2)]
    begin = time.monotonic()
    run.send_signal(signal.SIGTERM)
    status = run.wait(10)
    tap.ok(status == 0 and time.monotonic() - begin < 1.5 and
           [r["schema"] for r in lines] == ["qf.round/1"] * 2 and
           lines[1]["total"]["schema"] == "qf.audit.index/1" and
           lines[1]["total"]["unchanged"] == lines[1]["total"]["messages"] == 2 and
           lines[1]["total"]["snapshot"] == lines[0]["total"]["snapshot"] + 1,
           "index --every: a snapshot and a line each round, SIGTERM ends it", lines, status)


def schemas(differences):
    try:
        from jsonschema import Draft202012Validator
    except ImportError:
        tap.skip("records keep to their schemas", "no python3-jsonschema")
        return
    log = os.path.join(tmp, "log")
    write(log, "Nov 26 08:22:54 lab sendmail[1]: 6AQ8MsV8012620: unquarantine\n")
    wrong = []
    for name, got in (("diff", differences), ("log", records(audit("log", "--format=json", log))),
                      ("index", records(audit("index", "-C", "none", "--format=json", "-Q",
                                              os.path.join(tmp, "text"))))):
        with open(os.path.join(os.path.dirname(FIXTURES), "docs/schema/audit-%s.json" % name)) as f:
            validator = Draft202012Validator(json.load(f))
        wrong += [(name, e.message) for r in got for e in validator.iter_errors(r)]
        wrong += [(name, "none")] * (not got)
    tap.ok(not wrong, "records keep to their schemas", *wrong[:5])


def plans():
    """The statements of diff find messages by an index, never by going through a table."""
    with open(os.path.join(os.path.dirname(FIXTURES), "tools/audit_diff.c")) as f:
        source = f.read()
    macros = dict(re.findall(r"#define (OTHER)\s*\\\n((?:.*\\\n)*.*\n)", source))
    connection = sqlite3.connect(db)
    wrong = []
    for name in ("only", "changed"):
        text = re.search(r"static const char %s\[\] =(.*?);\n" % name, source, re.S).group(1)
        text = text.replace("OTHER", macros["OTHER"].replace("\\\n", "\n"))
        text = re.sub(r"SIDE\(\"(.)\"\)", r'"\1m.state"', text)
        sql = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', text))
        for row in connection.execute("EXPLAIN QUERY PLAN " + sql, (1, 2)):
            if re.match(r"SCAN (?!pair|q\b|aq|bq)", row[3]):
                wrong.append((name, row[3]))
        inner = [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + sql, (1, 2))]
        if not any("messages_queue_id" in x for x in inner):
            wrong.append((name, inner))
    tap.ok(not wrong, "diff goes by indexes", *wrong)


with tempfile.TemporaryDirectory() as tmp:
    db = os.path.join(tmp, "audit.db")
    differences = diff()
    search()
    every()
    schemas(differences)
    plans()
    tap.done()
