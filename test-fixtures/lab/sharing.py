"""The shared-queue system on one machine, with real parts: sendmail daemons that are replaced, each with its
own host name and log, on one queue directory; an SMTP sink whose answer is switched; qf as the judge.

    sharing.accept(tap, messages=30, replacements=6, seed="1")

What was promised and what was seen of it is printed at the end as a table. Nothing of the ledger is
asked of qf. Where it can be had each daemon is the first process of a pid namespace, as in a container:
both hosts draw queue ids from the same small numbers, and when the daemon ends its children are killed.
"""
import json
import os
import random
import re
import shutil
import signal
import smtplib
import subprocess
import tempfile
import time

import harness
import lab as laboratory
from living import digest_of, owed

OPTIONS = {"MaxQueueChildren": "4", "MaxRunnersPerQueue": "4", "MinQueueAge": "0", "LogLevel": "20",
           "Timeout.rcpt": "40s", "Timeout.queuereturn": "4d", "Timeout.queuewarn": "4h",
           "DeliveryMode": "background"}
# Between the remote's acceptance and the removal of the control file: a kill then has it sent again.
WINDOW = 2.0


UNSHARE = ["unshare", "--pid", "--fork", "--mount-proc"]


def namespaces():
    """Can a daemon have a pid namespace of its own?"""
    return bool(shutil.which("unshare")) and subprocess.run(
        UNSHARE + ["true"], capture_output=True, check=False).returncode == 0


class Host(laboratory.Lab):
    """A laboratory whose daemons are first processes."""

    apart = False

    def command(self, *args):
        return (UNSHARE if self.apart and "-bD" in args else []) + super().command(*args)

    def daemon(self, *args, port=None):
        daemon = super().daemon(*args, port=port)
        if self.apart:
            with open("/proc/%d/task/%d/children" % (daemon.session, daemon.session)) as f:
                daemon.pid = int(f.read().split()[0])
        return daemon


class Hosts:
    """Two hosts on one queue, a third with a queue of its own."""

    def __init__(self, top, sink):
        self.queue = os.path.join(top, "shared")
        os.mkdir(self.queue, 0o700)
        self.labs = [Host(queue=self.queue, options=OPTIONS, extra="Djhost-%s.example\n" % name,
                                    directory=os.path.join(top, name)) for name in "ab"]
        self.local = laboratory.Lab(options=OPTIONS, extra="Djhost-c.example\n",
                                    directory=os.path.join(top, "c"))
        for lab in (*self.labs, self.local):
            lab.relay_to(sink)
            # A stale tf, which a KILL can leave, stops a runner for 465 s (M11). Intervals and
            # time-outs above and below are so many times shorter too.
            lab.haste = 20
        self.apart = namespaces()
        for lab in self.labs:
            lab.apart = self.apart
        self.daemons = [None, None]
        self.kills = []

    def start(self, i):
        self.daemons[i] = self.labs[i].daemon("-q20s")

    def replace(self, i, grace):
        """As a task is replaced: TERM and a grace, or KILL; then a new daemon."""
        self.kills.append(time.time())
        if grace:
            self.daemons[i].stop()
        else:
            self.daemons[i].kill()
        self.kills.append(time.time())
        self.start(i)

    def rest(self):
        """Nothing is begun any more, what was begun is finished; then all daemons are gone."""
        for daemon in self.daemons:
            daemon.signal(signal.SIGSTOP)
        laboratory.wait_until(lambda: not [p for d in self.daemons for p in d.processes() if p not in (d.pid, d.session)],
                              timeout=120)
        for daemon in self.daemons:
            daemon.kill()

    def names(self, queue=None):
        return sorted(n for n in os.listdir(queue or self.queue) if n[:2] in ("qf", "hf"))

    def stop(self):
        for lab in (*self.labs, self.local):
            lab.stop()


class Book:
    """What 250 was said for. What was handed over when the daemon ended under it may or may not come."""

    def __init__(self):
        self.wanted, self.perhaps, self.n = {}, set(), 0

    def submit(self, port, dice, domain=None):
        self.n += 1
        body = "message %d\n" % self.n
        rcpts = ["u%d@%s.example" % (k, domain or "dst%d" % dice.randrange(3)) for k in range(dice.choice((1, 1, 2)))]
        keys = [(r, digest_of(body.encode())) for r in rcpts]
        try:
            laboratory.submit(port, "ann@src.example", rcpts, "Subject: %d\n\n%s" % (self.n, body))
        except (OSError, smtplib.SMTPException):
            self.perhaps.update(keys)
            return
        self.wanted.update({key: "message %d to %s" % (self.n, key[0]) for key in keys})

    def lost(self, copies, queues):
        there = {}
        for queue in queues:
            there.update(owed(queue)[0])
        return [label for key, label in self.wanted.items() if not copies.get(key) and key not in there]

    def invented(self, copies):
        return [key for key in copies if key not in self.wanted and key not in self.perhaps]


def doubled(sink, kills):
    """(explained, unexplained): messages sent more than once, with and without a kill in the window."""
    times = {}
    for message in sink.messages:
        for recipient in message["recipients"]:
            times.setdefault((recipient, message["body"]), []).append(message["time"])
    named, bad = [], []
    for key, seen in times.items():
        if len(seen) > 1:
            near = [k for k in kills for t in seen[:-1] if -0.2 <= k - t <= WINDOW or
                    any(a <= t <= b for a, b in zip(kills[::2], kills[1::2]))]
            (named if near and len(seen) == 2 else bad).append((key, seen))
    return named, bad


def replaced(tap, hosts, sink, book, dice, messages, replacements, db):
    for i in (0, 1):
        hosts.start(i)
    sink.answer("rcpt", "451 4.3.0 not now")
    for _ in range(messages):
        book.submit(hosts.daemons[dice.randrange(2)].port, dice)
    laboratory.wait_until(lambda: b"stat=Deferred" in logs(hosts))
    run = harness.qf("audit", "index", "--db=" + db, "-C", hosts.labs[0].cf, "--label=before")
    tap.ok(run.returncode == 0, "a snapshot before the first daemon is replaced", run)
    for turn in range(replacements):
        sink.clear()
        mood = ("accept", "defer", "reject", "hang")[turn % 4] if turn % 5 else "accept"
        if mood == "defer":
            sink.answer("rcpt", "451 4.3.0 not now")
        elif mood == "hang":
            sink.answer("rcpt", laboratory.HANG)
        elif mood == "reject":
            # Of the connection: a rejected recipient would be returned, and the return is mail too.
            sink.answer("greeting", "421 4.3.2 no service")
        for _ in range(3):
            book.submit(hosts.daemons[1 - turn % 2].port, dice)
        time.sleep(dice.random() * 0.6)
        hosts.replace(turn % 2, grace=turn % 3 == 0)
    sink.clear()
    sink.answer("rcpt", "451 4.3.0 not now", only="dst2")
    for i in range(messages // 2):
        book.submit(hosts.daemons[i % 2].port, dice, "dst2")


def logs(hosts):
    text = b""
    for lab in hosts.labs:
        if os.path.exists(lab.log):
            with open(lab.log, "rb") as f:
                text += f.read()
    return text


def accept(tap, messages, replacements, seed):
    dice = random.Random(seed)
    top = tempfile.mkdtemp(prefix="qf-sharing.")
    os.chmod(top, 0o755)
    table = []

    def promise(good, text, evidence, *why):
        tap.ok(good, text, *why, "seed %s" % seed)
        table.append((text, ("" if good else "NOT KEPT: ") + evidence))

    hosts = None
    with laboratory.Sink() as sink:
        try:
            hosts = Hosts(top, sink)
            book = Book()
            db = os.path.join(top, "audit.db")
            replaced(tap, hosts, sink, book, dice, messages, replacements, db)
            # All but those for dst2 go out, whoever of the two takes them.
            stuck = []
            try:
                laboratory.wait_until(lambda: not owing(hosts.queue, "dst0", "dst1"), timeout=90)
            except TimeoutError:
                stuck = owing(hosts.queue, "dst0", "dst1")
                stuck.append(harness.qf("orphans", "-C", "none", "-Q", hosts.queue, "--grace=0").stdout.decode())
            hosts.rest()
            copies = sink.copies()
            lost = book.lost(copies, [hosts.queue])
            promise(not lost and not stuck and not book.invented(copies),
                    "(1) what was deferred when its daemon was killed, the sibling delivers; nothing lost",
                    "%d replacements%s, %d recipients promised, %d lost" % (
                        replacements, " of pid namespaces" if hosts.apart else "", len(book.wanted), len(lost)), lost, book.invented(copies),
                    *stuck)
            named, bad = doubled(sink, hosts.kills)
            promise(not bad, "(2) no second copy but where the kill fell behind the remote's acceptance",
                    "%d doubled in that window (%s), %d otherwise" % (
                        len(named), ", ".join(k[0] for k, _ in named) or "none", len(bad)), bad)

            runs = [harness.qf("audit", "index", "--db=" + db, "-C", lab.cf, "--label=" + name)
                    for lab, name in zip(hosts.labs, "ab")]
            run = harness.qf("audit", "diff", "--db=" + db, "a", "b", "--format=json")
            left = hosts.names()
            promise(all(r.returncode == 0 for r in runs) and run.returncode == 0 and not run.stdout and left,
                    "(3) every daemon's view agrees", "audit diff empty over %d messages" % len(left), run,
                    *runs)

            proof(promise, hosts, db, {key[0][0] for key in named})

            text = logs(hosts)
            locked, changed = text.count(b": locked"), len(re.findall(rb": changed|file changed", text))
            tries = text.count(b"stat=")
            rows = [json.loads(l) for l in harness.qf("ls", "-C", "none", "-Q", hosts.queue, "--format=json")
                    .stdout.splitlines()]
            passed_over = [r["id"] for r in rows if not r["tries"]]
            promise(not passed_over and tries and locked <= 10 * tries,
                    "(4) no lock storm, no message passed over by all",
                    "%d locked and %d changed lines for %d tries at LogLevel 20" % (locked, changed, tries),
                    passed_over)

            perms(promise, hosts)

            restored = os.path.join(top, "aws-backup-restore_2026-11-26T09-00-00-123Z", "mqueue")
            shutil.copytree(hosts.queue, restored, ignore=shutil.ignore_patterns(".qf"))

            for i in (0, 1):
                hosts.start(i)
            waiting = len(hosts.names())
            for _ in range(40):
                run = harness.qf("salvage", "run", "-C", "none", "--from=" + hosts.queue,
                                 "--to=" + hosts.local.queue)
                if not hosts.names():
                    break
                time.sleep(0.25)
            verified = harness.qf("salvage", "verify", "-C", "none", "--from=" + hosts.queue,
                                  "--to=" + hosts.local.queue)
            moved = len(hosts.names(hosts.local.queue))
            hosts.rest()
            sink.clear()
            for _ in range(3):
                hosts.local.run_queue()
            copies = sink.copies()
            lost = book.lost(copies, [hosts.queue, hosts.local.queue])
            named, bad = doubled(sink, hosts.kills)
            promise(not lost and not bad and moved == waiting and not hosts.names(hosts.local.queue),
                    "(5) rollback in mid-flight into a local queue: all there, once",
                    "%d of %d moved beside running daemons, then delivered" % (moved, waiting), lost, bad,
                    run, verified, hosts.names(hosts.local.queue))
            missing = [label for key, label in book.wanted.items() if not copies.get(key)]
            promise(not missing, "in the end each recipient has it", "%d recipients" % len(book.wanted),
                    missing)
            restore(promise, hosts, sink, db, restored)
        finally:
            if hosts:
                hosts.stop()
            shutil.rmtree(top, ignore_errors=True)
    for text, evidence in table:
        print("# %-80s | %s" % (text, evidence))


def proof(promise, hosts, db, doubled):
    """What the two snapshots and the daemons' logs prove of it. The sink says what is true."""
    run = harness.qf("audit", "reconcile", "--db=" + db, "-C", hosts.labs[0].cf, "before", "b", "--format=json",
                     *["--log=" + lab.log for lab in hosts.labs if os.path.exists(lab.log)])
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    total = rows[-1] if rows else {}
    named = {r["recipient"].strip("<>") for r in rows[:-1] if r["doubled"]}
    promise(total.get("accounted") and total["missing"] == 0 and named <= doubled and
            run.returncode == (1 if named else 0) and total["contention"] is not None,
            "(1) audit reconcile, from the logs of both, accounts for all",
            "%d recipients of %d messages, %d doubled, %s lines of contention" % tuple(
                total.get(k) or 0 for k in ("recipients", "messages", "doubled", "contention")),
            rows[:6], total, doubled, run.stderr)


def restore(promise, hosts, sink, db, restored):
    """(6) the queue as it was before all was delivered comes back, audited against the logs and the
    queue that there is; then it is run."""
    cf = hosts.local.cf
    before, old = sink.copies(), hosts.names(restored)
    runs = [harness.qf("audit", "index", "--db=" + db, "-C", cf, "--label=live"),
            harness.qf("audit", "log", "--db=" + db,
                       *[lab.log for lab in (*hosts.labs, hosts.local) if os.path.exists(lab.log)]),
            harness.qf("audit", "index", "--db=" + db, "-C", cf, "--label=old", "-Q", restored)]
    run = harness.qf("audit", "report", "--db=" + db, "-C", cf, "--snapshot=old", "--against=live",
                     "--apply", "--yes", "--format=json")
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    total = ([r for r in rows if r["schema"] == "qf.audit.report.total/1"] + [{"classes": {}}])[0]
    classes = {name: n for name, n in total["classes"].items() if n}
    for _ in range(2):
        hosts.local.run_queue("-OQueueDirectory=" + restored)
    after = sink.copies()
    again = [key for key in after if after[key] > before.get(key, 0)]
    promise(old and not again and classes == {"delivered": len(old)} and not hosts.names(restored),
            "(6) an old copy restored, audited and applied, then run: nobody gets a message again",
            "%d restored: %s" % (len(old), ", ".join("%d %s" % (n, c) for c, n in classes.items())),
            again, classes, hosts.names(restored), run, *runs)


def owing(queue, *domains):
    """Names of control files that still owe one of these domains."""
    found = []
    for name in os.listdir(queue):
        if name[:2] in ("qf", "tf"):
            # What a killed sendmail was about to write of a message that is done with owes nobody anything.
            if name[0] == "t" and not os.path.exists(os.path.join(queue, "df" + name[2:])):
                continue
            try:
                with open(os.path.join(queue, name), "rb") as f:
                    text = f.read()
            except FileNotFoundError:
                continue
            if any(("@%s.example" % d).encode() in line for d in domains
                   for line in text.splitlines() if line.startswith(b"R")):
                found.append(name)
    return found


def perms(promise, hosts):
    """(7) desynced by hand; no daemon runs."""
    name = hosts.names()[0]
    path = os.path.join(hosts.queue, name)
    doctor = ["doctor", "-C", hosts.labs[0].cf, "-Q", hosts.queue, "--owner=root:root", "--format=json"]

    def file_mode():
        records = [json.loads(l) for l in harness.qf(*doctor).stdout.splitlines()]
        return [r for r in records if r.get("check") == "file-mode"][0]
    before = file_mode()
    os.chmod(path, 0o660)
    found = file_mode()
    fixed = harness.qf(*doctor, "--fix=perms", "--yes")
    hosts.labs[0].run_queue()
    promise(before["result"] == "ok" and found["result"] != "ok" and path in json.dumps(found) and
            os.path.exists(path) and not [n for n in os.listdir(hosts.queue) if n.startswith("Qf")],
            "(7) a mode desynced by hand: the doctor finds it before sendmail does",
            "file-mode %s, then %s; mended, and the next run renames nothing" % (before["result"],
                                                                                 found["result"]),
            before, found, fixed)
