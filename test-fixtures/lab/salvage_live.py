"""salvage between two real sendmails that work all the time, with runs that are killed, and runs side
by side: each message is delivered to each recipient exactly once."""
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import acting
import harness
import lab as laboratory
import living
import salvaging


def salvage(verb, source, target, *args):
    return [harness.QF, "salvage", verb, "-C", "none", "--from=" + source, "--to=" + target, *args]


def live(tap, count, seed, kills):
    """count messages are brought from one sendmail to another, both with daemons and queue runs, by
    runs of which `kills` are killed at some moment; the sink answers 421 now and then."""
    dice = random.Random(seed)
    wanted, ids = {}, {}
    options = {"MaxQueueChildren": "4", "MaxRunnersPerQueue": "4", "MinQueueAge": "0"}
    quiet = {**options, "DeliveryMode": "queueonly"}
    with laboratory.Lab(options=quiet) as source, laboratory.Lab(options=options) as target, \
            living.Moody(random.Random(seed), 0.1) as sink:
        source.relay_to(sink)
        target.relay_to(sink)
        sink.delay = 0.05
        first = source.daemon()
        for i in range(count):
            body = "message %d\n" % i * (1 if i % 9 else 2000)
            rcpts = ["u%d@dst%d.example" % (k, dice.randrange(3))
                     for k in range(dice.choice((1, 1, 2, 3)))]
            reply = laboratory.submit(first.port, "ann@src.example", rcpts,
                                      "Subject: %d\n\n%s" % (i, body))
            ids[i] = laboratory.queue_id(reply)
            digest = living.digest_of(body.encode())
            wanted.update({(rcpt, digest): i for rcpt in rcpts})
        first.stop()
        daemons = [source.daemon("-q1s"), target.daemon("-q1s")]
        told, moved, killed, end = [], 0, 0, time.monotonic() + 120
        while time.monotonic() < end:
            here = [n for n in os.listdir(source.queue) if n[:2] in ("qf", "hf")]
            claimed = [n for _, _, names in os.walk(os.path.join(source.queue, ".qf/claims"))
                       for n in names if n[:2] in ("qf", "hf")]
            if not here and not claimed:
                break
            if claimed:
                done = subprocess.run(salvage("resume", source.queue, target.queue),
                                      capture_output=True)
                moved += done.stdout.count(b" moved\n")
                if done.returncode not in (0, 1, 2):
                    told.append("resume: %d: %s" % (done.returncode, done.stderr))
            run = subprocess.Popen(salvage("run", source.queue, target.queue,
                                           "--limit=%d" % dice.choice((5, 20, 50))),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            if killed < kills:
                killed += 1
                time.sleep(dice.random() * 0.08)
                run.kill()
            out, err = run.communicate(timeout=60)
            moved += out.count(b" moved\n")
            if run.returncode not in (0, 1, 2, -signal.SIGKILL):
                told.append("run: %d: %s" % (run.returncode, err))
        sink.delay = sink.share = 0

        def is_empty():
            return not [n for queue in (source.queue, target.queue)
                        for n in os.listdir(queue) if n != ".qf"]

        # By themselves: a runner that is ended between the sink's 250 and its own removal of the
        # message is sendmail's way of doubling, or emptying, one (M5).
        with contextlib.suppress(TimeoutError):
            laboratory.wait_until(is_empty, timeout=60)
        for daemon in daemons:
            daemon.stop()
        got = sink.copies()
        wrong = ["%s to %s: %d times" % (wanted[key], key[0], got.get(key, 0)) for key in wanted
                 if got.get(key, 0) != 1]
        wrong += ["came from nowhere: %s" % (key,) for key in got if key not in wanted]
        wrong += ["is left: " + n for queue in (source.queue, target.queue)
                  for n in os.listdir(queue) if n != ".qf"]
        for line in list(wrong):
            id = ids.get(int(line.split()[0])) if line[0].isdigit() else None
            for where, lab in (("source", source), ("target", target)) if id else ():
                with open(lab.log, errors="replace") as f:
                    wrong += ["%s: %s" % (where, x.rstrip()) for x in f if id in x]
        tap.ok(not wrong, "%d messages, both sendmails at work, %d runs killed: each delivered once"
               % (count, killed), "\n".join(wrong[:20]), "seed %s" % seed)
        tap.ok(not told and moved > count // 3, "%d were moved, the others delivered from the source"
               % moved, "\n".join(told))
        done = subprocess.run(salvage("verify", source.queue, target.queue, "--format=json"),
                              capture_output=True)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        # Of a run that was killed it is not known whether it came to a message that the source's
        # sendmail has delivered since: that is told as missing, and only that.
        odd = [r for r in rows[:-1] if r["outcome"] in ("doubled", "altered", "left")]
        missing = rows[-1]["unexplained"]
        tap.ok(not odd and missing <= 50 * killed and done.returncode == (missing > 0),
               "verify accounts for all but %d, planned by runs that were killed" % missing,
               odd[:5], rows[-1], done.stderr)


def side_by_side(tap, count, rounds):
    """Two runs started at the same time: together they move each message once."""
    with acting.fast_folder() as top:
        for number in range(rounds):
            source, target = os.path.join(top, "source"), os.path.join(top, "target")
            salvaging.make(source)
            salvaging.make(target)
            for i in range(count):
                for kind, content in (("qf", acting.CONTROL), ("df", b"body %d\n" % i)):
                    with open(os.open("%s/%s6AMAAA%06d" % (source, kind, i),
                                      os.O_CREAT | os.O_WRONLY, 0o600), "wb") as f:
                        f.write(content)
            now = "--now=@%d" % acting.NOW
            runs = [subprocess.Popen(salvage("run", source, target, now), stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE) for _ in range(2)]
            outs = [run.communicate(timeout=120) for run in runs]
            moved = [out.count(b" moved\n") for out, _ in outs]
            there = acting.files_below(target)
            bodies = sorted(there["df" + n[2:]][0] for n in there if n[:2] == "qf")
            good = (sum(moved) == count and bodies == sorted(b"body %d\n" % i for i in range(count))
                    and len(there) == 2 * count and not acting.files_below(source)
                    and all(run.returncode in (0, 1, 2) for run in runs))
            check = subprocess.run(salvage("verify", source, target, now), capture_output=True)
            tap.ok(good and check.returncode == 0, "side by side, %d: %s of %d" % (
                number + 1, " and ".join(map(str, moved)), count),
                [(run.returncode, err[-300:]) for run, (_, err) in zip(runs, outs)], len(there),
                check.stdout[-300:])
