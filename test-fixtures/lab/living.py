"""Messages changed at random while they are delivered, and the ledger of it: each recipient has got
each message exactly once, or is owed it by exactly one control file in the queue or its trash.

    living.live(tap, count=500, seconds=60, seed=1)                    # beside two daemons
    living.live(tap, count=500, seconds=60, seed=1, by=("fcntl",) * 2) # beside two lockers

The ledger is what was submitted, what the sink (or the lockers) took, and the text of the files that
lie there at the end. Nothing of it is asked of qf.
"""
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
import acting
import harness
import lab as laboratory

ASIDE = 15 # so many messages a changer leaves in the trash, or held
CHANGES = ("rm", "hold", "release", "due", "undo", "rm --purge")


class Moody(laboratory.Sink):
    """A sink that takes its time and, now and then, has none."""

    def __init__(self, dice, share):
        self.dice, self.share = dice, share
        super().__init__()

    def _reply(self, stage, command, usual):
        if stage in ("mail", "rcpt", "end") and self.dice.random() < self.share:
            return "421 4.3.2 busy"
        return super()._reply(stage, command, usual)


def seed(number):
    """The seed of a round: $QF_SEED, or by chance."""
    given = os.environ.get("QF_SEED")
    return "%s.%d" % (given.rpartition(".")[0] or given if given else random.randrange(10**6), number)


def digest_of(body):
    """SHA-256 of a body as it is sent."""
    return hashlib.sha256(body.replace(b"\n", b"\r\n")).hexdigest()


def owed(queue):
    """Who is still owed what by the files in a queue and in its trash: {(recipient, SHA-256 of the
    body as sent): paths}. And what must not be: a list."""
    places, wrong = {}, []
    for directory, _, names in os.walk(queue):
        if os.path.basename(directory) in ("stage", "journal"):
            wrong += [directory + "/" + name for name in names if directory.endswith("stage")]
            continue
        for name in names:
            if name[:2] in ("tf", "Tf", "Qf"):
                wrong.append(name)
            if directory.endswith(".part"):
                wrong.append(directory + "/" + name)
            if name[:2] == "df" and not ({"qf" + name[2:], "hf" + name[2:]} & set(names)):
                wrong.append(os.path.join(directory, name) + " has no control file")
            if name[:2] not in ("qf", "hf"):
                continue
            path = os.path.join(directory, name)
            with open(path, "rb") as f:
                control = f.read()
            try:
                with open(os.path.join(directory, "df" + name[2:]), "rb") as f:
                    body = f.read()
            except FileNotFoundError:
                wrong.append(path + " has no data file")
                continue
            if not control.endswith(b"\n.\n"):
                wrong.append(path + " is cut")
            for recipient in re.findall(rb"^R[A-Z]*:<?([^>\n]*)>?$", control, re.M):
                places.setdefault((recipient.decode(), digest_of(body)), []).append(path)
    return places, wrong


class Ledger:
    """What was submitted, and what has been destroyed since by rm --purge."""

    def __init__(self):
        self.wanted = {}        # (recipient, digest): what people call it
        self.digests = {}       # id: digest
        self.destroyed = set()  # digests: nobody gets these any more
        self.perhaps = set()    # digests: a command that was killed may have destroyed them

    def add(self, id, recipients, body, label):
        self.digests[id] = digest_of(body)
        self.wanted.update({(r, digest_of(body)): "message %s to %s" % (label, r)
                            for r in recipients})

    def audit(self, got, queue):
        """What is not as it must be. got: {(recipient, digest): how often}"""
        places, wrong = owed(queue)
        for key, label in self.wanted.items():
            there = places.get(key, [])
            count = got.get(key, 0) + len(there)
            if count > 1:
                wrong.append("doubled: %s: delivered %d times, owed by %s" % (
                    label, got.get(key, 0), there))
            if count == 0 and key[1] not in self.destroyed | self.perhaps:
                wrong.append("lost: " + label)
            if there and key[1] in self.destroyed:
                wrong.append("destroyed, and owed by %s: %s" % (there, label))
        wrong += ["came from nowhere: %s" % (key,) for key in set(got) | set(places)
                  if key not in self.wanted]
        return wrong


class Changer(threading.Thread):
    """Changes random messages in random ways until the time is over or nothing is left. A share of
    its commands is killed at some moment."""

    def __init__(self, queue, ledger, seed, end, kills, faults):
        super().__init__()
        self.queue, self.ledger, self.dice = queue, ledger, random.Random(seed)
        self.end, self.kills, self.faults = end, kills, faults
        self.entries, self.done, self.wrong, self.killed = [], {}, [], 0

    def run(self):
        while time.monotonic() < self.end:
            here = [name for name in os.listdir(self.queue) if name[:2] in ("qf", "hf")]
            held = [name[2:] for name in here if name[:2] == "hf"]
            removed = [entry for command, entry in self.entries if command == "rm"]
            # Destroying is rare, and what is out of delivery comes back: else there would soon be
            # nothing to go wrong with.
            command = self.dice.choices(CHANGES, (4, 4, 4, 4, 6, 0.3))[0]
            if len(removed) > ASIDE or not here:
                self.take_back(removed)
            elif len(held) > ASIDE:
                self.change("release", self.some(held))
            elif command == "undo":
                self.take_back([entry for _, entry in self.entries])
            else:
                self.change(command, [name[2:] for name in self.some(here)])
            if not here and not removed:
                break
            time.sleep(self.dice.random() * 0.1)

    def some(self, things):
        return self.dice.sample(things, min(len(things), self.dice.choice((1, 2, 4, 8))))

    def take_back(self, entries):
        chosen = self.some(entries)
        self.entries = [what for what in self.entries if what[1] not in chosen]
        if chosen:
            self.change("undo", chosen)

    def change(self, command, args):
        reason = ["--reason=for a while"] if command == "hold" else []
        # Half of them take their time between two calls, so that others come in between.
        env = {"LD_PRELOAD": self.faults, "FAULTS_PAUSE": "8000"} if self.dice.random() < 0.5 else {}
        process = subprocess.Popen(
            [harness.QF, *command.split(), "-C", "none", "-Q", self.queue, "--format=json", *reason,
             *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "TZ": "UTC", "QF_CONF": "/dev/null", "QF_STATE": "", **env})
        if self.dice.random() < self.kills:
            time.sleep(self.dice.random() * (0.2 if env else 0.015))
            process.kill()
        out, err = process.communicate(timeout=120)
        was_killed = process.returncode == -signal.SIGKILL
        self.killed += was_killed
        if command == "rm --purge" and was_killed:
            self.ledger.perhaps |= {self.ledger.digests[id] for id in args}
        # sendmail makes a qf with a reason an hf by a moment of both; then the id is refused.
        twice = process.returncode == 64 and re.search(rb"there are several: \S*/([hq])f(\w+), "
                                                       rb"\S*/(?!\1)[hq]f\2[;,]", err)
        if process.returncode not in (0, 1, 2) and not was_killed and not twice:
            self.wrong.append("%s: %d: %s" % (command, process.returncode, err))
        for line in out.splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break # of one that was killed
            self.take(command, json.loads(line))

    def take(self, command, record):
        if record["schema"] != "qf.action/1":
            return
        key = command, record["result"]
        self.done[key] = self.done.get(key, 0) + 1
        if record["result"] in ("failed", "denied"):
            self.wrong.append(record)
        if record["result"] != "done":
            return
        if command == "rm --purge":
            self.ledger.destroyed.add(self.ledger.digests[record["id"]])
        elif command != "undo":
            self.entries.append((command, record["entry"]))


class Lockers:
    """Processes of locker.py in place of daemons."""

    def __init__(self, queue, log, flavours, seed, hold):
        self.log = log
        self.processes = [subprocess.Popen([sys.executable, os.path.join(HERE, "locker.py"), queue,
                                            log, flavour, "%s.%d" % (seed, i), "--hold=%s" % hold])
                          for i, flavour in enumerate(flavours)]

    def stop(self):
        """Their statuses, once all have ended."""
        for process in self.processes:
            process.terminate()
        return [process.wait(timeout=60) for process in self.processes]

    def told(self):
        """What they delivered, {(recipient, digest): how often}; and what went wrong."""
        got, wrong = {}, []
        if os.path.exists(self.log):
            with open(self.log) as f:
                for line in f:
                    words = line.split()
                    if words[0] == "got":
                        key = words[1], words[2]
                        got[key] = got.get(key, 0) + 1
                    else:
                        wrong.append(line.rstrip())
        return got, wrong


def submit(lab, ledger, count, dice):
    """Messages of one to three recipients in the queue, none of them tried."""
    source = lab.daemon()
    for i in range(count):
        body = "message %d\n" % i
        rcpts = ["u%d@dst%d.example" % (k, dice.randrange(3))
                 for k in range(dice.choice((1, 1, 2, 3)))]
        reply = laboratory.submit(source.port, "ann@src.example", rcpts,
                                  "Subject: %d\n\n%s" % (i, body))
        ledger.add(laboratory.queue_id(reply), rcpts, body.encode(), i)
    source.stop()


def recover(lab, ledger):
    """What killed commands have left is finished by the next one, whatever it is about."""
    lab.inject(["last@dst.example"], "Subject: last\n\nthe last one\n")
    for name in os.listdir(lab.queue):
        if name[:2] == "qf" and name[2:] not in ledger.digests:
            ledger.add(name[2:], ["last@dst.example"], b"the last one\n", "last")
            harness.qf("due", "-C", "none", "-Q", lab.queue, name[2:])


def added(*counts):
    total = {}
    for one in counts:
        for key, n in one.items():
            total[key] = total.get(key, 0) + n
    return total


def live(tap, count, seconds, seed, delay=0.02, by=("daemon", "daemon"), changers=2, kills=0.1,
         queue=None, label=""):
    """count messages are delivered by two daemons and lockers (by: "daemon", "fcntl", "flock") to a
    sink that takes its time and now and then answers 421, while `changers` change them at random.
    queue: where it is to lie, if that matters."""
    dice = random.Random(seed)
    ledger = Ledger()
    name = "%d messages, %s%s" % (count, " and ".join(by), label)
    options = {"MaxQueueChildren": "4", "MaxRunnersPerQueue": "4", "MinQueueAge": "0"}
    with laboratory.Lab(queue=queue, options=options) as lab, \
            Moody(random.Random(seed), 0.25) as sink, \
            tempfile.TemporaryDirectory(prefix="qf-living.") as aside:
        lab.relay_to(sink)
        submit(lab, ledger, count, dice)
        sink.delay = delay
        daemons = [lab.daemon("-q1s") for who in by if who == "daemon"]
        lockers = Lockers(lab.queue, os.path.join(aside, "log"),
                          [who for who in by if who != "daemon"], seed, delay)
        faults = acting.Faults(aside).library
        threads = [Changer(lab.queue, ledger, "%s.%d" % (seed, i), time.monotonic() + seconds, kills,
                           faults) for i in range(changers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # The daemons begin nothing new, and their children end what they have begun. With SIGTERM
        # they would not: sendmail, alone on its queue, then delivered a message a second time in 3
        # of 12 rounds (observed).
        for daemon in daemons:
            daemon.signal(signal.SIGSTOP)
        laboratory.wait_until(lambda: not [p for d in daemons for p in d.processes() if p != d.pid],
                              timeout=300)
        for daemon in daemons:
            daemon.kill()
        statuses = lockers.stop()
        got, told = lockers.told()
        under_way = sum(added(sink.copies(), got).values())
        recover(lab, ledger)
        wrong = ledger.audit(added(sink.copies(), got), lab.queue)
        tap.ok(not wrong, name + ": each recipient got it once or is owed it", "\n".join(wrong),
               "seed %s" % seed)
        told += [what for thread in threads for what in thread.wrong]
        tap.ok(not told and not any(statuses), "no change failed, no lock was broken",
               "\n".join(map(str, told)), statuses)
        done = added(*(thread.done for thread in threads))
        tap.ok(all(done.get((c, "done")) for c in ("rm", "hold", "release", "undo")) and under_way,
               "there was something of each: %s, %d killed, %d delivered meanwhile" % (
                   ", ".join("%d %s %s" % (n, *key) for key, n in sorted(done.items())),
                   sum(thread.killed for thread in threads), under_way), done)
        # What is left goes out, but for what lies in the trash.
        sink.share = sink.delay = 0
        left = [name[2:] for name in os.listdir(lab.queue) if name[:2] in ("qf", "hf")]
        if left:
            harness.qf("release", "-C", "none", "-Q", lab.queue, *left)
            lab.run_queue()
            lab.run_queue()
        wrong = ledger.audit(added(sink.copies(), got), lab.queue)
        rest = [name for name in os.listdir(lab.queue) if name != ".qf"]
        tap.ok(not wrong and not rest, "released and run: only the trash owes anything",
               "\n".join(wrong), rest, "seed %s" % seed)
        with open(lab.log) as f:
            bad = [line for line in f if "SYSERR" in line]
        tap.ok(not bad, "sendmail had nothing to complain of", "".join(bad[:20]))
