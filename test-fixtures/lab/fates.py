"""What becomes of mail, by chance, and what qf audit says of it: real daemons that share a queue take mail,
deliver, are killed in it and rotate their logs, while messages are removed by hand, by qf, or lost. The sink
and the queue are the truth. Nothing that was lost is accounted for, nothing is called what it is not; and an
old copy of the queue that is put back, audited and run sends nothing twice and loses nothing.

Every final address is of one message alone: it tells which one a file, a line or a copy is of."""
import collections
import json
import os
import re
import shutil
import signal
import smtplib
import time

import chance
import harness
import lab as laboratory

OPTIONS = {"MinQueueAge": "0", "MaxRunnersPerQueue": "4", "Timeout.rcpt": "4s", "Timeout.queuereturn": "4d",
           "Timeout.queuewarn": "4h", "QueueSortOrder": "random"}
DOMAINS = ("dst0", "dst1", "dst2")
ALIASES = 60
ANSWERS = {"later": "450 4.2.0 later", "no": "550 5.1.1 no such"}


def returned_in(text):
    """Final addresses that a report is about, as its second part has them: a block of lines for each."""
    failed = [block for block in re.split(rb"\r?\n\r?\n", text)
              if block.startswith((b"Final-Recipient:", b"Original-Recipient:")) and b"Action: failed" in block]
    return {name.decode() for name in re.findall(rb"[rl]\d+[xm]\d+@dst\d\.example", b" ".join(failed))}


def bare(record):
    """Whom it is about, without the domain where that is the host's; empty: whom nobody names."""
    return re.sub("@(lab|host-.).example$", "", (record["recipient"] or "").split("<")[-1].rstrip(">"))


class Sink(laboratory.Sink):
    """Knows, too, whom it refused for good."""

    def __init__(self):
        super().__init__()
        self.keep = True
        self.refused = set()

    def returned(self):
        """Those whose senders were told that it is over."""
        return set().union(*(returned_in(m["text"]) for m in list(self.messages)
                             if not m["sender"] and b"Returned mail" in m["headers"]))

    def _reply(self, stage, command, usual):
        reply = super()._reply(stage, command, usual)
        if stage == "rcpt" and reply not in (laboratory.HANG, laboratory.CLOSE) and reply[:1] == "5":
            self.refused.add(command.split(b"<")[1].split(b">")[0].decode())
        return reply


class Fates(chance.Course):
    def __init__(self, top, seed, faults):
        super().__init__(top, seed, faults)
        os.makedirs(self.top, 0o755)
        self.level = self.random.choice(["5", "6", "7", "8", "9", "9", "9", "10", "12", "14", "20"])
        self.mode = self.random.choice(["background", "background", "queueonly"])
        self.queue, self.db = os.path.join(self.top, "mqueue"), os.path.join(self.top, "audit.db")
        os.mkdir(self.queue, 0o700)
        self.sink = Sink()
        self.labs, self.daemons = [], []
        self.vain, self.proven = [], 0  # what was there, and not proven; reconciliations that proved all
        self.n, self.members = 0, {}
        self.finals, self.asked = {}, {}  # final address: the id it is of, whom the client named for it
        self.lost, self.lost_before, self.removed = set(), set(), set()
        self.unsure = set()  # handed over when the daemon ended: it may have come or not
        self.told_of = set()  # whose sender was told, or was about to be
        self.killed = False
        self.backups, self.classes = [], collections.Counter()

    def begin(self):
        options = {**OPTIONS, "LogLevel": self.level, "DeliveryMode": self.mode}
        if self.random.random() < .3:
            options["Timeout.queuereturn"] = "5s"  # some are returned for their age
        for name in ("a", "b")[:self.random.choice([1, 2])]:
            lab = laboratory.Lab(queue=self.queue, options=options, extra="Djhost-%s.example\n" % name,
                                 directory=os.path.join(self.top, name))
            lab.relay_to(self.sink)
            with open(lab.cf) as f:  # one recipient a transaction, for some
                text = f.read()
            if self.random.random() < .5:
                text = re.sub(r"(Mesmtp,.*?)A=TCP", r"\1r=1, A=TCP", text, count=1, flags=re.S)
            with open(lab.cf, "w") as f:
                f.write(text)
            lab.haste = 20
            self.labs.append(lab)
        aliases = self.aliases()
        for lab in self.labs:
            lab.aliases(aliases)
            self.daemons.append(lab.daemon())

    def aliases(self):
        """Each for one message. Members in <> look like recipients: below LogLevel 10 nothing tells them apart
        where they were looked up by a queue run."""
        forms = ["%s", "%s", "Some One <%s>"] + ["<%s>"] * (self.mode == "background" or int(self.level) >= 10)
        text = ""
        for i in range(ALIASES):
            members = ["l%dm%d@%s.example" % (i, k, self.random.choice(DOMAINS))
                       for k in range(self.random.choice([1, 2, 3]))]
            form = self.random.choice(forms)
            text += "list%d: %s\n" % (i, ", ".join(form % m for m in members))
            if self.random.random() < .2:
                text += "owner-list%d: own@src.example\n" % i
            self.members["list%d" % i] = members
        return text

    # ---------------------------------------------------------------- what is done

    def submit(self):
        self.n += 1
        rcpts, finals = [], {}
        for k in range(self.random.choice([1, 1, 2, 3])):
            name = "list%d" % self.n
            if self.random.random() < .2 and self.n < ALIASES and name not in rcpts:
                rcpts.append(name)
                finals.update({m: name for m in self.members[name]})
            else:
                rcpts.append("r%dx%d@%s.example" % (self.n, k, self.random.choice(DOMAINS)))
                finals[rcpts[-1]] = None
        sender = self.random.choice(["ann@src.example"] * 5 + [""])
        body = "body %d\n" % self.n * self.random.choice([1, 1, 5, 5000])
        headers = "Subject: %d\nFrom: <ann@src.example>\n" % self.n
        if self.random.random() < .5:
            headers += "Message-Id: <m%d@src.example>\n" % self.n
        try:
            id = laboratory.queue_id(laboratory.submit(self.random.choice(self.daemons).port, sender, rcpts,
                                                       headers + "\n" + body))
        except (OSError, smtplib.SMTPException) as why:
            self.told.append("submit %d: %s" % (self.n, why))
            self.unsure.update(finals)
            return
        self.told.append("%d is %s: %s" % (self.n, id, rcpts))
        for final, alias in finals.items():
            self.finals[final], self.asked[final] = id, alias or final

    def moods(self):
        """How each domain answers from now on."""
        self.sink.clear()
        self.sink.answer("rcpt", "250 2.1.5 ok", only="src.example")
        for domain in DOMAINS:
            mood = self.random.choice(["", "", "later", "later", "no"])
            if mood:
                self.sink.answer("rcpt", ANSWERS[mood], only=domain)
            self.told.append("%s: %s" % (domain, mood or "ok"))

    def run(self):
        self.random.choice(self.labs).run_queue()
        self.told.append("run")

    def processes(self, lab=None):
        """Of sendmail; a background delivery leaves its daemon's session."""
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink("/proc/%s/exe" % name).startswith((lab.dir if lab else self.top) + "/"):
                    found.append(int(name))
            except OSError:
                pass
        return found

    def busy(self):
        return set(self.processes()) - {d.pid for d in self.daemons}

    def rest(self):
        """What was begun is finished."""
        try:
            laboratory.wait_until(lambda: not self.busy(), timeout=60)
        except TimeoutError:
            self.wrong.append("no rest")

    def kill(self):
        """In the middle of a delivery, if there is one."""
        i = self.random.randrange(len(self.daemons))
        self.sink.answer("rcpt", laboratory.HANG, only=self.random.choice(DOMAINS + ("x1@", "m1@")))
        if self.mode == "background":
            self.submit()
        runner = self.labs[i].daemon("-q1s")
        time.sleep(self.random.random() * 1.5)
        for daemon in (runner, self.daemons[i]):
            daemon.kill()
        for pid in self.processes(self.labs[i]):
            os.kill(pid, signal.SIGKILL)
        self.killed = True
        self.moods()
        self.daemons[i] = self.labs[i].daemon()
        self.told.append("kill")

    def messages(self, queue=None):
        """{name: its final addresses that are open, or None where that is written as an alias}"""
        found = {}
        for name in os.listdir(queue or self.queue):
            if name[:2] not in ("qf", "hf", "Qf"):
                continue
            try:
                with open(os.path.join(queue or self.queue, name), encoding="latin-1") as f:
                    text = f.read()
            except FileNotFoundError:
                continue
            found[name] = self.open_in(text)
        return found

    def open_in(self, text):
        owed = set()
        for rcpt in re.findall(r"(?m)^R[A-Z]*:<?([^>\n]*)>?$", text):
            rcpt = rcpt.split("<")[-1]
            alias = rcpt.split("@")[0]
            owed.update(self.members.get(alias, [rcpt]))
        return owed

    def lose(self):
        """Files deleted by hand."""
        self.rest()
        there = self.messages()
        if not there:
            return
        name = self.random.choice(sorted(there))
        with open(os.path.join(self.queue, "df" + name[2:]), "rb") as f:
            self.told_of |= returned_in(f.read())  # a return
        for file in (name, "df" + name[2:]):
            os.unlink(os.path.join(self.queue, file))
        self.lost.update(there[name])
        self.told.append("lost: %s %s" % (name, sorted(there[name])))

    def act(self):
        """By qf, which writes it into the journal."""
        there = self.messages()
        if not there:
            return
        name = self.random.choice(sorted(there))
        verb = self.random.choice(["rm", "hold", "release", "edit", "due"])
        for options, gone in self.strikes(there[name]) if verb == "edit" else [(
                ["--reason=x"] if verb == "hold" else [], there[name] if verb == "rm" else set())]:
            done = harness.qf(verb, "-C", self.labs[0].cf, *options, name[2:])
            if b"1 done" in done.stderr:
                self.removed |= gone
            self.told.append("%s %s: %d %s" % (verb, name, done.returncode, done.stderr[-200:]))

    def strikes(self, owed):
        """One of them is struck, by his name or as the alias that stands for him: whichever is there."""
        if not owed:
            return []
        final = self.random.choice(sorted(owed))
        alias = self.asked.get(final, final)
        return [(["--drop-rcpt=rcpt~" + re.escape(address)], gone) for address, gone in
                {final: {final}, alias: owed & set(self.members.get(alias, [alias]))}.items()]

    def rotate(self):
        """As logrotate does: between two lines."""
        lab = self.random.choice(self.labs)
        if not os.path.exists(lab.log):
            return
        self.audit("log", *self.logs())
        for i in (3, 2, 1):
            if os.path.exists("%s.%d" % (lab.log, i)):
                os.rename("%s.%d" % (lab.log, i), "%s.%d" % (lab.log, i + 1))
        os.rename(lab.log, lab.log + ".1")
        with open(lab.log, "w"):
            pass
        self.told.append("rotated " + lab.log)

    def backup(self):
        """A copy of the files, while the queue is at work."""
        place = os.path.join(self.top, "aws-backup-restore_2026-11-26T09-00-0%d-123Z" % len(self.backups), "mqueue")
        os.makedirs(place, 0o700)
        for name in sorted(os.listdir(self.queue), key=lambda _: self.random.random()):
            if name != ".qf":
                try:
                    shutil.copy2(os.path.join(self.queue, name), place)
                except FileNotFoundError:
                    pass
        self.backups.append(place)
        self.told.append("backup of %s" % sorted(self.messages(place)))

    def step(self):
        what = self.random.choice(["submit"] * 8 + ["moods"] * 3 + ["run"] * 3 + ["kill", "lose", "act", "act", "rotate"])
        getattr(self, what)()

    # ---------------------------------------------------------------- what qf says

    def logs(self):
        return [os.path.join(lab.dir, name) for lab in self.labs for name in os.listdir(lab.dir)
                if name.startswith("mail.log")]

    def audit(self, verb, *args):
        done = harness.qf("audit", verb, "--db=" + self.db, "-C", self.labs[0].cf, "--format=json", *args)
        self.told.append("audit %s %s: %d %s" % (verb, " ".join(args), done.returncode, done.stderr.decode()[-500:]))
        if done.returncode not in (0, 1, 2):
            self.wrong.append(self.told[-1])
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]

    def index(self, label, *args):
        self.audit("index", "--label=" + label, *args)

    def returned(self):
        """Those that it is over with: refused, or returned; the report may lie in the queue, too."""
        texts = []
        for name in os.listdir(self.queue):
            if name[:2] == "df":
                with open(os.path.join(self.queue, name), "rb") as f:
                    texts.append(f.read())
        return self.told_of | self.sink.refused | self.sink.returned() | returned_in(b"".join(texts))

    def taken(self):
        counts = collections.Counter()
        for message in list(self.sink.messages):
            counts.update(message["recipients"])
        return counts

    def reconcile(self, a, b):
        """Snapshot b is of a queue at rest."""
        taken, there, refused = self.taken(), set().union(set(), *self.messages().values()), self.returned()
        status, lines = self.audit("reconcile", "-v", a, b, *["--log=" + log for log in self.logs()])
        if not lines:
            return
        records, total = lines[:-1], lines[-1]
        self.told.append("%s" % total)
        truly = {final for final in self.finals if not taken[final] and final not in there | refused | self.removed}
        self.wrong += ["%s of %s is nowhere: not qf's doing?" % (final, self.finals[final])
                       for final in truly - self.lost]
        # What was lost before snapshot A was made is not asked about.
        self.are_named(truly - self.lost_before, records)
        if truly - self.lost_before and (total["accounted"] or status == 0):
            self.wrong.append("lost, and all is accounted for: %s" % total)
        for r in records:
            name = bare(r)
            if not name.startswith(("r", "l")):
                continue  # reports, and those whom nobody names
            members = self.members.get(name, [name])
            # Below LogLevel 8 no line says who was served before it.
            removed = self.removed if int(self.level) >= 8 else {
                m for m in self.finals if self.finals[m] in {self.finals.get(gone) for gone in self.removed}}
            so = {"delivered": any(taken[m] for m in members) and
                  all(taken[m] or m in refused | self.removed for m in members),
                  "queued": any(m in there for m in members),
                  "returned": any(m in refused for m in members),
                  "removed": any(m in removed for m in members),
                  "missing": any(m in truly for m in members)}[r["outcome"]]
            if not so and r["outcome"] == "missing":
                self.vain.append("not proven: %s" % r)
            elif not so:
                self.wrong.append("%s is not so: taken %s, there %s, refused %s, removed %s" % (
                    r, [taken[m] for m in members], [m in there for m in members],
                    [m in refused for m in members], [m in self.removed for m in members]))
            if r["doubled"] and taken[name] < 2 and name not in self.members:
                self.wrong.append("%s is not doubled" % r)
            # What a server took of who was killed then is in no log.
            if taken[name] > 1 and not r["doubled"] and not self.killed:
                self.wrong.append("%s is doubled" % r)
        self.proven += total["accounted"]
        if not truly and not self.unsure and not total["accounted"]:
            self.vain.append("all is there, and not accounted for: %s" % total.get("gaps"))

    def are_named(self, lost, records):
        """By their own names, or by those of the aliases that they are members of, or as one of those whom the
        log does not name."""
        for final in sorted(lost):
            of_it = [bare(r) for r in records if r["outcome"] == "missing" and
                     self.finals[final] in (r["id"], self.finals.get(bare(r)))]
            # A list with an owner goes on under an id of its own.
            if not of_it or (self.asked[final] == final and final not in of_it and "" not in of_it):
                self.wrong.append("%s of %s was lost, and is not missing: %s" % (final, self.finals[final], of_it))

    def restore(self, place):
        """An old copy is put back, audited, and run; then the real one."""
        self.index("live")
        self.audit("log", *self.logs())
        before, owed = self.taken(), {m for rcpts in self.messages(place).values() for m in rcpts}
        returns = self.returns()
        there, refused = set().union(set(), *self.messages().values()), self.returned()
        for _ in range(2):
            self.index("restored", "-Q", place)
            status, lines = self.audit("report", "--snapshot=restored", "--against=live", "--apply", "--yes", "-Q",
                                       place)
            if not any("qf orphans first" in (r.get("why") or "") for r in lines):
                break
            done = harness.qf("orphans", "-C", self.labs[0].cf, "-Q", place, "--fix=all", "--grace=0", "--yes")
            self.told.append("orphans: %d %s" % (done.returncode, done.stderr.decode()[-400:]))
        if status not in (0, 1):
            self.wrong.append("report --apply: %d" % status)
        self.classes.update(r["class"] for r in lines if r.get("class"))
        self.told += ["%s" % r for r in lines if r.get("class")] + ["%s" % r for r in lines if r.get("result")]
        self.sink.clear()
        for _ in range(2):
            self.labs[0].run_queue("-OQueueDirectory=" + place)
        after, held = self.taken(), set().union(set(), *self.messages(place).values())
        for final in owed & set(self.finals):
            sent = after[final] - before[final]
            if sent > (0 if before[final] or final in there or final in refused or final in self.removed else 1):
                self.wrong.append("restored: %s of %s was sent again: %s" % (
                    final, self.finals.get(final), self.said_of(lines, final)))
            if not (after[final] or final in held or final in there or final in refused
                    or final in self.removed):
                self.wrong.append("restored: %s of %s was lost by it: %s" % (
                    final, self.finals.get(final), self.said_of(lines, final)))
        if self.returns() > returns:
            self.wrong.append("restored: senders were told again")

    def said_of(self, lines, final):
        return [r.get("result") or r["class"] for r in lines if r.get("id", "") == self.finals.get(final)]

    def returns(self):
        return sum(not m["sender"] and b"Returned mail" in m["headers"] for m in self.sink.messages)

    def course(self, steps):
        self.begin()
        try:
            self.moods()
            first, copy = self.random.randrange(steps // 2), self.random.randrange(steps)
            for i in range(steps):
                if i == first:
                    self.lost_before = set(self.lost)
                    self.index("a")
                    time.sleep(1.1)
                if i == copy:
                    self.backup()
                self.step()
            self.rest()
            time.sleep(1.1)
            self.index("b")
            self.reconcile("a", "b")
            self.lost_before = set(self.lost)
            self.lose()
            time.sleep(1.1)
            self.index("c")
            self.reconcile("b", "c")
            for place in self.backups:
                self.restore(place)
        finally:
            for lab in self.labs:
                lab.stop()
            self.sink.stop()
        return self.close()


def course(top, seed, faults, steps):
    """What went wrong in it; and what was done."""
    return Fates(top, seed, faults).course(steps)
