#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""hold, release, due, rm and rm --purge, killed before each call that changes a file, and cut off
by a power failure after each: the queue is in its old state, in the new one, or in one that the next
command completes; and sendmail delivers the message once, or never where it was removed."""
import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import acting
import harness
import lab as laboratory
from acting import ID
from tap import Tap, skip_all

tap = Tap()
LAYOUTS = {"flat": False, "qf/ df/ xf/": True}


def judge(command, queue, label, failures):
    """What an interruption left: first as it is, then after the next change. Adds to failures."""
    def failed(text):
        failures.append("%s: %s\n%s" % (label, text, acting.shown(queue)))

    found, everywhere = acting.harm(queue)
    if found:
        failed(", ".join(found))
    if command != "rm --purge" and "df" + ID not in everywhere:
        failed("the data file is nowhere")
    at_once = acting.state(command, queue)
    between = acting.held_in_effect(command, queue)
    if command in ("hold", "release", "due") and not at_once and not between:
        failed("neither old nor new, nor held")
    done = acting.recover(queue)
    if done.returncode:
        failed("the next change ended with %d: %s" % (done.returncode, done.stderr))
    found, _ = acting.harm(queue)
    if found:
        failed("after the next change: " + ", ".join(found))
    now = acting.state(command, queue)
    if at_once and now != at_once:
        failed("%s, but after the next change %s" % (at_once, now))
    if not now and acting.held_in_effect(command, queue):
        # Either command completes it.
        finish = acting.COMMANDS[command][0]
        done = acting.act(*finish, ID, queue=queue)
        now = acting.state(command, queue)
        if done.returncode or now != "new":
            failed("%s again does not complete it: %s" % (command, done.stderr))
    if not now:
        failed("after the next change neither old nor new")
    stage = os.path.join(queue.path, ".qf/stage")
    if os.path.isdir(stage) and os.listdir(stage):
        failed("staged files stay: %s" % os.listdir(stage))
    return at_once or ("between" if between else now and now + " after recovery")


def killed(faults, command, layout, split, directory):
    queue = acting.Queue(os.path.join(directory, "queue"), split)
    failures, seen, n = [], [], 0
    while n < 100:
        n += 1
        acting.start(command, queue)
        done = faults.run(command, queue, at=n)
        if done.returncode != -9:
            break
        seen.append(judge(command, queue, "killed at call %d" % n, failures))
    name = "%s, %s" % (command, layout)
    tap.ok(not failures, name + ": killed at every step", "\n".join(failures[:3]))
    tap.ok(n > 8 and done.returncode == 0 and acting.state(command, queue) == "new",
           name + ": %d points, then it is done" % (n - 1), done.stderr, acting.shown(queue))
    # Else the points would all lie before or behind what matters.
    tap.ok("old" in seen and "new" in seen and (command == "due" or len(set(seen)) > 2),
           name + ": before, within and behind its steps", seen)


def cut_off(faults, command, layout, split, directory):
    queue = acting.Queue(os.path.join(directory, "queue"), split)
    log = os.path.join(directory, "log")
    if os.path.exists(log):
        os.unlink(log)
    acting.start(command, queue)
    disk = acting.Disk(queue.path)
    done = faults.run(command, queue, log=log)
    with open(log) as f:
        lines = f.read().splitlines()
    failures, tried = [], []
    for n, line in enumerate(lines, 1):
        if not line.split("\t")[1].startswith(queue.path):
            continue
        disk.do(line)
        trees = disk.trees()
        for tree in trees:
            last = n == len(lines)
            if tree in tried and not last:
                continue
            tried.append(tree)
            acting.put_tree(tree, queue.path)
            if last and acting.state(command, queue) != "new":
                failures.append("done, but a power cut undoes it\n" + acting.shown(queue))
            judge(command, queue, "power cut after call %d, %s" % (n, line[:160]), failures)
    name = "%s, %s" % (command, layout)
    tap.ok(done.returncode == 0 and len(tried) > 8 and not failures,
           name + ": power cut after every call", "%d trees" % len(tried),
           "\n".join(failures[:3]))


def model_is_right(faults, directory):
    """The model of the disk, with everything synced, is what is on the disk; and it drops."""
    queue = acting.Queue(os.path.join(directory, "queue"))
    log = os.path.join(directory, "log")
    acting.start("rm", queue)
    disk = acting.Disk(queue.path)
    faults.run("rm", queue, log=log)
    with open(log) as f:
        for line in f:
            disk.do(line)
    os.unlink(log)
    tree = {}
    disk._walk(disk.now, disk.root, "", "now", tree)
    real = {}
    for where, folders, names in os.walk(queue.path):
        for name in folders + names:
            path = os.path.join(where, name)
            real[os.path.relpath(path, queue.path)] = os.path.isdir(path)
    tap.ok({name: what[0] for name, what in tree.items()} == real, "the recorded calls are all",
           tree.keys(), real.keys())
    disk.do("create\t%s/new\t\t384\t" % queue.path)
    disk.do("write\t%s/new\t\t0\t41" % queue.path)
    found = [tree["new"][3] if "new" in tree else None for tree in disk.trees()]
    tap.ok({b"", b"A", None} == set(found), "what is not synced is dropped", found)


def delivered(lab, sink):
    return sum(count for (rcpt, _), count in sink.copies().items())


def with_sendmail(faults):
    """Killed at the calls between which the queue changes, then sendmail runs it."""
    for command in ("hold", "release", "due", "rm"):
        with laboratory.Lab() as lab, laboratory.Sink() as sink:
            lab.relay_to(sink)
            made, n = {}, 0
            lab.inject(["bob@dst.example"], "Subject: x\n\nhello\n")
            names = os.listdir(lab.queue)
            for name in names:
                with open(os.path.join(lab.queue, name), "rb") as f:
                    made[name] = f.read()
            id = [name[2:] for name in names if name[:2] == "qf"][0]
            if command == "due":
                made["qf" + id] = made["qf" + id].replace(b"\nK0\n", b"\nK1795300000\n")
            wrong, seen = [], set()
            # From the first call behind the journal's intent on.
            for n in range(12 if command != "rm" else 14, 24):
                harness.subprocess.run(["rm", "-rf", lab.queue])
                os.mkdir(lab.queue, 0o700)
                for name, content in made.items():
                    with open(os.open(os.path.join(lab.queue, name), os.O_CREAT | os.O_WRONLY,
                                      0o600), "wb") as f:
                        f.write(content)
                if command == "release":
                    harness.qf("hold", "--reason=x", "-C", "none", "-Q", lab.queue, id)
                sink.messages.clear()
                done = harness.qf(*acting.COMMANDS[command][0], "-C", "none", "-Q", lab.queue, id,
                                  env={"LD_PRELOAD": faults.library, "FAULTS_AT": str(n)})
                if done.returncode != -9:
                    break
                lab.run_queue()
                first = delivered(lab, sink)
                # Who wanted it held, or let go, says so again; then it is let go.
                left = os.listdir(lab.queue)
                seen.add((first, "".join(sorted(x[:2] for x in left if x[2:] == id))))
                if command != "rm":
                    harness.qf("release", "-C", "none", "-Q", lab.queue, id)
                    lab.run_queue()
                    total = delivered(lab, sink)
                    if total != 1:
                        wrong.append("killed at %d: %s, delivered %d times" % (n, left, total))
                else:
                    harness.qf("due", "-C", "none", "-Q", lab.queue, "6AMAAA000009")
                    entries = [f for _, _, f in os.walk(os.path.join(lab.queue, ".qf/trash")) if f]
                    if first + len(entries) != 1:
                        wrong.append("killed at %d: %s, delivered %d, trash %s"
                                     % (n, left, first, entries))
            tap.ok(not wrong and len(seen) > (command != "due"),
                   "%s: killed, then sendmail runs the queue" % command, seen, "\n".join(wrong))


def main():
    with acting.fast_folder() as directory:
        try:
            faults = acting.Faults(directory)
        except laboratory.Missing as why:
            skip_all(why)
        model_is_right(faults, directory)
        for command in acting.COMMANDS:
            for layout, split in LAYOUTS.items():
                killed(faults, command, layout, split, directory)
                cut_off(faults, command, layout, split, directory)
        try:
            with_sendmail(faults)
        except laboratory.Missing as why:
            tap.skip("killed, then sendmail runs the queue", why)
    tap.done()


main()
