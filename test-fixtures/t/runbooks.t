#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""docs/runbooks.md and docs/runbooks/, done: each command of each runbook is run as it stands there, on queues of a real
sendmail, and has the end that the runbook promises. A command of the page that is not run here is
a failure, and so is one run here that the page does not have."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import harness
import lab as laboratory
from tap import Tap, skip_all

tap = Tap()
PAGE = os.path.join(os.path.dirname(harness.FIXTURES), "docs/runbooks.md")


class Page:
    """The page's commands by section, and which of them were run."""

    def __init__(self):
        with open(PAGE) as f:
            text = f.read()
        self.commands = {}
        for part in re.split(r"(?m)^## ", text)[1:]:
            title, _, body = part.partition("\n")
            # What is no command line is a name said again: "qf wait names whom".
            spans = [s for s in re.findall(r"`([^`]+)`", body.replace("\n   ", " "))
                     if s.startswith("qf ") and len(s.split()) > 2 or s in ("qf shape", "qf doctor",
                                                                            "qf journal", "qf undo")]
            self.commands[title] = dict.fromkeys(spans, 0)
        # Pages of their own: inline, and lines of blocks.
        for name in sorted(os.listdir(PAGE[:-3])):
            with open(os.path.join(PAGE[:-3], name)) as f:
                pieces = f.read().split("```")
            spans = [s for piece in pieces[::2] for s in re.findall(r"`([^`]+)`", piece)
                     if s.startswith("qf ") and len(s.split()) > 2 and s != "qf salvage run"]
            lines = [line for piece in pieces[1::2] for line in piece.splitlines()
                     if line.startswith(("qf ", "aws s3 ", "rollback-salvage "))]
            self.commands[name] = dict.fromkeys(spans + lines, 0)

    def left(self):
        return ["%s: %s" % (title, command) for title, commands in self.commands.items()
                for command, times in commands.items() if not times]


PAGE_ = Page()


class Book:
    """One section at a queue. Words in capitals become what is given for them."""

    def __init__(self, title, lab, top):
        self.title, self.lab, self.top = title, lab, top
        self.commands = PAGE_.commands[title]
        self.bin = os.path.join(top, "bin")
        if not os.path.exists(self.bin):
            os.mkdir(self.bin)
            os.symlink(harness.QF, os.path.join(self.bin, "qf"))
            os.symlink(os.path.join(os.path.dirname(harness.FIXTURES), "scripts/rollback-salvage"),
                       os.path.join(self.bin, "rollback-salvage"))
            # An object store: a folder.
            os.mkdir(os.path.join(top, "bucket"))
            with open(os.path.join(self.bin, "aws"), "w") as f:
                f.write("#!/bin/sh\nshift 2\nfrom=$1 to=$2\nset -e\n"
                        "case $from in -) from=/dev/stdin ;; s3:*) from=%s/bucket/${from##*/} ;; esac\n"
                        "case $to in -) exec cat \"$from\" ;; s3:*) to=%s/bucket/${to##*/} ;; esac\n"
                        "exec cat \"$from\" >\"$to\"\n" % (top, top))
            os.chmod(os.path.join(self.bin, "aws"), 0o755)
        conf = os.path.join(top, "qf.conf")
        with open(conf, "w") as f:
            f.write("[all]\nconfig = %s\n[bounce]\nsendmail = %s\n[doctor]\nowner = %d:%d\n" % (
                lab.cf, lab.sendmail, os.geteuid(), os.getegid()))
        self.env = {**lab.environment({}), "QF_CONF": conf, "QF_STATE": "", "QF_QUEUE": lab.queue,
                    "PATH": self.bin + ":" + os.environ["PATH"]}

    def start(self, command, words, yes):
        text = command
        if command not in self.commands:
            tap.ok(False, "%s: the page has no %s" % (self.title, command))
        else:
            self.commands[command] += 1
        # Capitals of SQL are its own.
        for word, value in words.items():
            text = re.sub(r"\b%s\b" % word, lambda _, v=value: v, text)
        return subprocess.Popen(["bash", "-o", "pipefail", "-c", text + (" --yes" if yes else "")],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=self.top,
                                stderr=subprocess.PIPE, env=self.env, text=True, errors="replace")

    def run(self, command, status=0, yes=False, **words):
        """Run it; what it printed. It is a failure where the status is another one."""
        job = self.start(command, words, yes)
        out, err = job.communicate(timeout=120)
        wanted = status if isinstance(status, tuple) else (status,)
        tap.ok(job.returncode in wanted, "%s: %s" % (self.title, command[:100]),
               "status %s, not %s" % (job.returncode, status), out, err)
        return out + err


def names(queue, *prefixes):
    return sorted(n for n in os.listdir(queue) if n[:2] in (prefixes or ("qf", "hf")))


def inject(lab, recipient, *options, subject="x"):
    """A message; its id."""
    before = set(os.listdir(lab.queue))
    lab.inject([recipient], "Subject: %s\n\nhello %s\n" % (subject, recipient), *options)
    return [n[2:] for n in set(os.listdir(lab.queue)) - before if n[:2] == "qf"][0]


def grows(lab, sink, top):
    book = Book("A queue that grows", lab, top)
    sink.answer("rcpt", "450 4.2.1 no room now")
    bad = [inject(lab, "u%d@back.example" % i, "-f", "bad@sender.example") for i in range(3)]
    good = [inject(lab, "v%d@back.example" % i, "-f", "ann@src.example") for i in range(2)]
    lab.run_queue()
    tap.ok("no room now" in book.run("qf ls --by=status"), "one answer for all of it")
    tap.ok("back.example" in book.run("qf ls --by=domain"), "one domain")
    out = book.run("qf ls --by=from-domain")
    tap.ok(re.search(r"\b3\b.*sender\.example", out), "and one sender, mostly", out)
    tap.ok("TOTAL" in book.run("qf shape"), "the ages")
    out = book.run("qf ls is:due --limit=5")
    tap.ok(sum(id in out for id in bad + good) == 5, "what the next run takes", out)
    out = book.run("qf hold --reason=flood -n from:bad@sender.example")
    tap.ok(out.count(" planned\n") == 3 + 1 and not names(lab.queue, "hf"), "-n holds nothing", out)
    book.run("qf hold --reason=flood from:bad@sender.example", yes=True)
    tap.ok(names(lab.queue, "hf") == sorted("hf" + id for id in bad), "three are held")
    sink.clear()
    lab.call("-q", "-v", "-OMinQueueAge=1h")
    tap.ok(not sink.messages, "too young: the run takes none")
    out = book.run("qf ls domain:back.example --limit=50 --format=ids | qf due -")
    tap.ok(out.count(" done\n") >= 2, "made due by a list", out)
    lab.call("-q", "-v", "-OMinQueueAge=1h")
    tap.ok(len(sink.messages) == 2 and len(names(lab.queue)) == 3, "the run takes the two that are not held")
    book.run("qf release from:bad@sender.example", yes=True)
    book.run("qf due domain:back.example", yes=True)
    out = book.run("qf ls --sort=created --limit=20")
    tap.ok(all(id in out for id in bad), "the oldest first", out)
    before = harness.qf("show", "-C", "none", "-Q", lab.queue, "--format=json", bad[0], env=book.env).stdout
    book.run("qf edit --refresh ID", ID=bad[0])
    after = harness.qf("show", "-C", "none", "-Q", lab.queue, "--format=json", bad[0], env=book.env).stdout
    tap.ok(json.loads(after)["bounce_at"] >= json.loads(before)["bounce_at"], "a new term")
    lab.run_queue()
    tap.ok(len(sink.messages) == 5 and not names(lab.queue), "all are delivered, once")


def crashes(lab, sink, top):
    book = Book("A message that crashes delivery", lab, top)
    sink.messages.clear()
    sink.answer("rcpt", "450 4.2.1 later")
    ids = [inject(lab, "u%d@dst.example" % i, "-f", "ann@src.example") for i in range(4)]
    lab.run_queue()
    # Without a sender the runner aborts (field notes): as a crash of a writer, or a restore, leaves it.
    path = os.path.join(lab.queue, "qf" + ids[0])
    with open(path, "rb") as f:
        text = f.read()
    with open(path, "wb") as f:
        f.write(re.sub(rb"(?m)^S.*\n", b"", text))
    book.run("qf ls is:busy", 1)
    book.run("qf show ID", (0, 1), ID=ids[0])
    out = book.run("qf orphans --deep", 1)
    tap.ok("qf-no-sender" in out and ids[0] in out, "the shape is named", out)
    book.run("qf orphans --deep --fix=guard", (0, 1, 2), yes=True)
    tap.ok("qf" + ids[0] not in names(lab.queue), "it is out of the runner's way", os.listdir(lab.queue))
    book.run("qf hold --reason='ends the runner' ID", ID=ids[1])
    tap.ok(names(lab.queue, "hf") and "hf" + ids[1] in names(lab.queue), "held")
    out = book.run("qf show --part=qf ID", ID=ids[1])
    tap.ok("RPFD:u1@dst.example" in out.replace("<", "").replace(">", ""), "its control file", out)
    out = book.run("qf show --part=eml ID", ID=ids[1])
    tap.ok("hello u1@dst.example" in out, "it as mail", out)
    bad = inject(lab, "bad@dst.example", "-f", "ann@src.example")
    lab.inject(["bad@dst.example", "good@dst.example"], "Subject: two\n\nx\n", "-f", "ann@src.example")
    two = [n[2:] for n in names(lab.queue, "qf") if n[2:] not in ids + [bad]][0]
    book.run("qf edit --drop-rcpt=rcpt:bad ID", ID=two)
    book.run("qf release ID", ID=ids[1])
    out = book.run("qf journal")
    tap.ok(all(word in out for word in ("hold", "edit", "release")), "what was changed", out)
    book.run("qf undo")
    tap.ok("hf" + ids[1] in names(lab.queue), "the release is taken back", os.listdir(lab.queue))
    sink.clear()
    book.run("qf bounce ID", ID=bad)
    reports = [m for m in sink.messages if not m["sender"]]
    tap.ok(len(reports) == 1 and "qf" + bad not in names(lab.queue), "returned", sink.messages)
    lab.run_queue()
    got = sorted(r for m in sink.messages if m["sender"] for r in m["recipients"])
    tap.ok([r.strip("<>") for r in got] == ["good@dst.example", "u2@dst.example", "u3@dst.example"],
           "the rest is delivered, the held one is not", got)
    harness.qf("rm", "-C", "none", "-Q", lab.queue, "--yes", "ALL", env=book.env)
    sink.messages.clear()


def storms(lab, sink, top):
    book = Book("Lost-lock storms", lab, top)
    out = book.run("qf doctor", (1, 2))
    tap.ok("lock-flavour" in out and "mount-options" in out and "cf-queue" in out, "the three are told", out)
    jobs = [book.start("qf doctor lock-test --peer", {}, False) for _ in range(2)]
    told = [job.communicate(timeout=90)[0] for job in jobs]
    tap.ok(all(job.returncode == 0 for job in jobs), "two peers exclude each other", told)
    out = book.run("qf doctor --probe", (1, 2))
    tap.ok(re.search(r"ok +rename-fsync", out) and re.search(r"ok +clock-skew", out), "--probe tries", out)
    # One that is delivered, and put back as it was: as by a kill behind the remote's yes.
    lab.set(LogLevel="9")
    id = inject(lab, "twice@dst.example", "-f", "ann@src.example")
    kept = os.path.join(top, "kept")
    shutil.copytree(lab.queue, kept, ignore=shutil.ignore_patterns(".qf"))
    lab.run_queue()
    for name in os.listdir(kept):
        shutil.copy2(os.path.join(kept, name), lab.queue)
    lab.run_queue()
    inject(lab, "once@dst.example", "-f", "ann@src.example")
    lab.run_queue()
    book.run("qf audit log --db=FILE LOGFILE", FILE=top + "/storm.db", LOGFILE=lab.log)
    sql = [c for c in book.commands if c.startswith("qf audit sql")][0]
    out = book.run(sql, FILE=top + "/storm.db")
    tap.ok(id in out and "twice@dst.example" in out and "once@dst.example" not in out,
           "the one that was doubled, and no other", out)
    sink.messages.clear()


def replaced(lab, sink, top):
    book = Book("A replaced task", lab, top)
    out = book.run("qf wait --for=idle --timeout=110s")
    out = book.run("qf doctor --stop-grace=120s", (1, 2))
    tap.ok("stop-grace" in out, "the grace is compared", out)
    sink.answer("rcpt", "450 4.2.1 later")
    # What was doubled a moment ago is another story: a log of its own.
    with open(lab.log, "w"):
        pass
    ids = [inject(lab, "u%d@dst.example" % i, "-f", "ann@src.example") for i in range(5)]
    lab.set(LogLevel="9")
    words = {"SHARED": lab.queue, "FILE": top + "/replaced.db", "LOGFILE": lab.log}
    book.run("qf audit index --db=FILE -Q SHARED --label=before", **words)
    lab.run_queue()
    harness.qf("audit", "index", "--db=" + words["FILE"], "-Q", lab.queue, "--label=after", env=book.env)
    out = book.run("qf audit reconcile --db=FILE before after --log=LOGFILE", **words)
    tap.ok("missing" not in out or "0 missing" in out, "nothing was lost", out)
    # What a killed writer leaves: a new version beside the old one.
    path = os.path.join(lab.queue, "qf" + ids[0])
    shutil.copy2(path, os.path.join(lab.queue, "tf" + ids[0]))
    old = os.stat(path).st_mtime - 900
    os.utime(os.path.join(lab.queue, "tf" + ids[0]), (old, old))
    out = book.run("qf orphans --deep", 1)
    tap.ok("tf-beside" in out, "the stale tf is told", out)
    out = book.run("qf orphans --deep --fix=all -n", (0, 1, 2))
    tap.ok(os.path.exists(os.path.join(lab.queue, "tf" + ids[0])), "-n leaves it", out)
    book.run("qf orphans --deep --fix=all", (0, 1, 2), yes=True)
    tap.ok(not names(lab.queue, "tf") and len(names(lab.queue)) == 5, "it is gone, and no message with it",
           os.listdir(lab.queue))
    with laboratory.Lab() as new:
        new.relay_to(sink)
        words = {"OLD": lab.queue, "NEW": new.queue}
        out = book.run("qf salvage plan --from=OLD --to=NEW", **words)
        tap.ok(all(id in out for id in ids) and not names(new.queue), "the plan moves nothing", out)
        book.run("qf salvage run --from=OLD --to=NEW", **words)
        book.run("qf salvage verify --from=OLD --to=NEW", **words)
        book.run("qf salvage resume --from=OLD --to=NEW", (0, 1), **words)
        tap.ok(not names(lab.queue) and len(names(new.queue)) == 5, "all are in the new queue")
        sink.clear()
        new.run_queue()
        tap.ok(len(sink.messages) == 5 and not names(new.queue), "and delivered, once")
    sink.messages.clear()


def rollback(lab, sink, top):
    book = Book("Rollback", lab, top)
    sink.answer("rcpt", "450 4.2.1 later")
    for i in range(6):
        inject(lab, "u%d@dst.example" % i, "-f", "ann@src.example")
    lab.run_queue()
    with laboratory.Lab() as own:
        own.relay_to(sink)
        words = {"SHARED": lab.queue, "LOCAL": own.queue, "PLAN": top + "/plan"}
        tap.ok("later" in book.run("qf ls --by=status -Q SHARED", **words), "what there is to move")
        book.run("qf doctor -Q LOCAL", (1, 2), **words)
        # One is in delivery, and stays so until the remote answers.
        sink.clear()
        sink.answer("end", laboratory.HANG, times=1)
        daemon = lab.daemon()
        last = sorted(names(lab.queue))[0][2:]
        runner = subprocess.Popen(lab.command("-qI" + last), env=lab.environment(), stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, start_new_session=True)

        def is_busy():
            done = harness.qf("ls", "-C", lab.cf, "-Q", lab.queue, "is:busy", "--format=ids",
                              env=book.env)
            return last.encode() in done.stdout
        laboratory.wait_until(is_busy)
        book.run("qf salvage plan --from=SHARED --to=LOCAL --save=PLAN", (0, 1, 2), **words)
        out = book.run("qf salvage run --from=SHARED --to=LOCAL --plan=PLAN", 2, **words)
        tap.ok(names(lab.queue) == ["qf" + last] and len(names(own.queue)) == 5,
               "all but the one in delivery are moved", out, os.listdir(lab.queue))
        daemon.stop()
        for pid in [n for n in os.listdir("/proc") if n.isdigit()]:
            try:
                if os.readlink("/proc/%s/exe" % pid) == lab.sendmail:
                    os.kill(int(pid), 9)
            except OSError:
                pass
        runner.wait()
        book.run("qf wait --for=idle --timeout=110s -Q SHARED", **words)
        book.run("qf salvage run --from=SHARED --to=LOCAL", **words)
        book.run("qf salvage verify --from=SHARED --to=LOCAL", **words)
        book.run("qf orphans --deep -Q SHARED", (0, 1), **words)
        out = book.run("qf ls -Q SHARED", **words)
        tap.ok(last not in out and not names(lab.queue), "the shared queue has nothing left", out)
        sink.clear()
        own.run_queue()
        got = sorted(r.strip("<>") for m in sink.messages for r in m["recipients"])
        tap.ok(got == ["u%d@dst.example" % i for i in range(6)], "each is delivered from the local one, once",
               got)
    for name in os.listdir(lab.queue):
        if name != ".qf":
            os.unlink(os.path.join(lab.queue, name))
    sink.messages.clear()


def restore(lab, sink, top):
    book = Book("Restore from a backup", lab, top)
    lab.set(LogLevel="9")
    sink.answer("rcpt", "450 4.2.1 later")
    gone = [inject(lab, "gone%d@dst.example" % i, "-f", "ann@src.example") for i in range(2)]
    still = inject(lab, "still@dst.example", "-f", "ann@src.example")
    owed = inject(lab, "owed@dst.example", "-f", "ann@src.example")
    lab.run_queue()
    restored = os.path.join(top, "restored")
    shutil.copytree(lab.queue, restored, ignore=shutil.ignore_patterns(".qf"))
    os.chmod(restored, 0o700)
    # Since then: two are delivered, one is lost with the disk; what is restored has another mode.
    sink.clear()
    for id in gone:
        lab.call("-qI" + id)
    laboratory.wait_until(lambda: len(names(lab.queue)) == 2)
    for prefix in ("qf", "df"):
        os.unlink(os.path.join(lab.queue, prefix + owed))
    os.chmod(os.path.join(restored, "qf" + still), 0o660)
    sink.messages.clear()
    words = {"RESTORED": restored, "LIVE": lab.queue, "FILE": top + "/restore.db", "LOGFILE": lab.log}
    out = book.run("qf doctor -Q RESTORED", 1, **words)
    tap.ok(re.search(r"fail +file-mode", out), "the mode is found before sendmail finds it", out)
    book.run("qf doctor --fix=perms -Q RESTORED", yes=True, **words)
    tap.ok(os.stat(os.path.join(restored, "qf" + still)).st_mode & 0o777 == 0o600, "and set right")
    book.run("qf audit index --db=FILE -Q RESTORED --label=restored", **words)
    book.run("qf audit index --db=FILE -Q LIVE --label=live", **words)
    book.run("qf audit log --db=FILE LOGFILE", **words)
    report = "qf audit report --db=FILE --snapshot=restored --against=live"
    out = book.run(report, 1, **words)
    tap.ok(all(id in out for id in gone + [still]) and "delivered" in out and "still-live" in out,
           "what became of each", out)
    before = names(restored)
    book.run(report + " --apply -n -Q RESTORED", (0, 1), **words)
    tap.ok(names(restored) == before, "-n does nothing")
    apply = ["audit", "report", "--db=" + words["FILE"], "--snapshot=restored", "--against=live", "--apply",
             "--yes", "-Q", restored]
    done = harness.qf(*apply, env=book.env)
    tap.ok(not {p + id for p in ("qf", "hf") for id in gone + [still]} & set(names(restored)),
           "what was delivered, or is in the live queue, leaves the restored one", done, names(restored))
    here = names(restored)
    book.run("qf undo -Q RESTORED", **words)
    tap.ok(names(restored) != here, "and can be taken back", names(restored))
    left = [json.loads(line) for line in harness.qf("journal", "-Q", restored, "--format=json",
                                                    env=book.env).stdout.splitlines()]
    again = [e for e in left if e["undo"] == "done"][-1]
    harness.qf("rm" if again["command"] == "rm" else "hold", *(["--reason=again"] if again["command"] == "hold"
                                                                else []), "-Q", restored, again["id"],
               "--yes", env=book.env)
    # Whether it is owed nothing tells: whoever knows releases it.
    if "hf" + owed in names(restored):
        harness.qf("release", "-Q", restored, owed, env=book.env)
    book.run("qf salvage plan --from=RESTORED --to=LIVE", **words)
    book.run("qf salvage run --from=RESTORED --to=LIVE", **words)
    book.run("qf salvage verify --from=RESTORED --to=LIVE", **words)
    lab.run_queue()
    got = sorted(r.strip("<>") for m in sink.messages for r in m["recipients"])
    tap.ok(got == ["owed@dst.example", "still@dst.example"],
           "what is owed is delivered once; what was delivered is not", got, os.listdir(lab.queue))


def home(lab, sink, top):
    """docs/runbooks/rollback.md."""
    sink.clear()
    with laboratory.Lab() as own:
        own.relay_to(sink)
        book = Book("rollback.md", own, top)
        book.env["PAUSE"] = "1"
        words = {"FROM": lab.queue, "TO": own.queue}
        ids = [inject(lab, "u%d@dst.example" % i, "-f", "ann@src.example") for i in range(4)]
        for id in ids[:2]:
            path = os.path.join(lab.queue, "qf" + id)
            with open(path, "rb") as f:
                text = f.read()
            with open(path, "wb") as f:
                f.write(re.sub(rb"(?m)^T\d+$", lambda m: b"T%d" % (int(m.group()[1:]) - 6 * 86400), text))
        out = book.run("qf orphans --deep -Q FROM", (0, 1), **words)
        out = book.run("rollback-salvage FROM TO", **words)
        tap.ok("none is left behind" in out and not names(lab.queue) and len(names(own.queue)) == 4, "all of it is home",
               out)
        out = book.run("qf ls is:held -Q TO", **words)
        tap.ok(all(id in out for id in ids[:2]) and ids[2] not in out, "those past their time are held", out)
        book.run("qf edit --refresh ID", ID=ids[0])
        book.run("qf release ID", ID=ids[0])
        harness.qf("release", "-C", "none", "-Q", own.queue, ids[1], env=book.env)
        book.run("qf bounce ID", ID=ids[1])
        own.run_queue()
        got = sorted((m["sender"] != "", r.strip("<>")) for m in sink.messages for r in m["recipients"])
        tap.ok(got == [(False, "ann@src.example")] + [(True, "u%d@dst.example" % i) for i in (0, 2, 3)],
               "three are delivered, one is returned, each once", got)
        # No container sees both.
        sink.messages.clear()
        ids = [inject(lab, "v%d@dst.example" % i, "-f", "ann@src.example") for i in range(3)]
        export = "qf salvage export --from=FROM --to=- | aws s3 cp - s3://BUCKET/queue.tar"
        out = book.run(export, **words)
        tap.ok(not names(lab.queue), "they are claimed, and run by nobody", out, os.listdir(lab.queue))
        run = re.search(r"--abort=([^\s,;)]+)", out)
        book.run("qf salvage export --from=FROM --abort=RUN", RUN=run.group(1) if run else "none", **words)
        tap.ok(len(names(lab.queue)) == 3, "put back", os.listdir(lab.queue))
        book.run(export, **words)
        book.run("aws s3 cp s3://BUCKET/queue.tar - | qf salvage import - --to=TO --receipt=receipt", **words)
        book.run("aws s3 cp receipt s3://BUCKET/receipt")
        os.unlink(os.path.join(top, "receipt"))
        book.run("aws s3 cp s3://BUCKET/receipt receipt")
        book.run("qf salvage export --from=FROM --commit=receipt", **words)
        book.run("qf salvage verify --from=FROM --to=TO", (0, 1), **words)
        out = book.run("qf ls -Q FROM", **words)
        tap.ok(not names(lab.queue) and not any(id in out for id in ids), "nothing is left there", out)
        own.run_queue()
        got = sorted(r.strip("<>") for m in sink.messages for r in m["recipients"])
        tap.ok(got == ["v%d@dst.example" % i for i in range(3)], "and each is delivered once", got)


def main():
    try:
        lab, sink = laboratory.Lab(), laboratory.Sink()
    except laboratory.Missing as why:
        skip_all(why)
    with lab, sink, tempfile.TemporaryDirectory(prefix="qf-runbooks.") as top:
        lab.relay_to(sink)
        for part in (grows, crashes, storms, replaced, rollback, home, restore):
            try:
                part(lab, sink, top)
            except Exception as why:
                tap.ok(False, part.__name__, repr(why))
            sink.clear()
    tap.ok(not PAGE_.left(), "every command of the page was run", "\n".join(PAGE_.left()))
    tap.done()


main()
