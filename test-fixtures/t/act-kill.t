#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""hold, release, due, edit, rm, rm --purge and the undo of each, killed before each call that changes a file, and cut off
by a power failure after each: the queue is in its old state, in the new one, or in one that the next
command completes; and sendmail delivers the message once, or never where it was removed."""
import json
import os
import shutil
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
EACH = bool(os.environ.get("QF_STRESS"))
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
    if not command.endswith(("rm", "rm --purge")) and not at_once and not between:
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
    if not now:
        failed("after the next change neither old nor new")
    stage = os.path.join(queue.path, ".qf/stage")
    if os.path.isdir(stage) and os.listdir(stage):
        failed("staged files stay: %s" % os.listdir(stage))
    return at_once or ("between" if between else now and now + " after recovery")


def take_back(command, queue, label, failures):
    """What was interrupted, taken back by name: then, or still, it is as it was."""
    listed = acting.act("journal", "--format=json", queue=queue)
    entries = [json.loads(line) for line in listed.stdout.splitlines()]
    entries = [e["entry"] for e in entries if e["command"] == command and not e["result"]]
    for entry in entries:
        acting.act("undo", entry, queue=queue)
    if entries and acting.state(command, queue) != "old":
        failures.append("%s: not taken back\n%s" % (label, acting.shown(queue)))
    return len(entries)


def killed(faults, command, layout, split, directory):
    queue = acting.Queue(os.path.join(directory, "queue"), split)
    failures, seen, n, taken = [], [], 0, 0
    while n < 100:
        n += 1
        acting.start(command, queue)
        done = faults.run(command, queue, at=n)
        if done.returncode != -9:
            break
        seen.append(judge(command, queue, "killed at call %d" % n, failures))
        if command in ("hold", "release"):
            taken += take_back(command, queue, "killed at call %d" % n, failures)
    name = "%s, %s" % (command, layout)
    tap.ok(not failures, name + ": killed at every step", "\n".join(failures[:3]))
    tap.ok(n > 8 and done.returncode == 0 and acting.state(command, queue) == "new",
           name + ": %d points, then it is done" % (n - 1), done.stderr, acting.shown(queue))
    if command in ("hold", "release"):
        tap.ok(taken > 5, name + ": what was interrupted can be taken back", taken)
    # Else the points would all lie before or behind what matters.
    tap.ok("old" in seen and "new" in seen and (command.endswith(("due", "edit")) or len(set(seen)) > 2),
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


def put(lab, files):
    """A queue of these files and of a held message that stays."""
    shutil.rmtree(lab.queue)
    os.mkdir(lab.queue, 0o700)
    held = {"hf" + acting.OTHER: acting.HELD, "df" + acting.OTHER: b"other\n"}
    for name, content in {**files, **held}.items():
        with open(os.path.join(lab.queue, name), "wb") as f:
            os.fchmod(f.fileno(), 0o600)
            f.write(content)


def places(lab, id):
    """Prefixes of the files of the message: in the queue, and in each entry of the trash."""
    trash = os.path.join(lab.queue, ".qf/trash")
    folders = [lab.queue]
    if os.path.isdir(trash):
        folders += [os.path.join(trash, entry) for entry in os.listdir(trash)]
    found = ["".join(sorted(name[:2] for name in os.listdir(f) if name[2:] == id)) for f in folders]
    return found[0], [names for names in found[1:] if names]


def with_sendmail(faults, number, command):
    """Killed, then sendmail runs the queue, then the next change finishes what is to be finished, and
    sendmail runs it again: delivered once, or removed and not delivered. Every call in its turn with
    stress, else each third."""
    with laboratory.Lab() as lab, laboratory.Sink() as sink:
        def qf(*args, **env):
            return harness.qf(*args, "-C", "none", "-Q", lab.queue,
                              env={"QF_CONF": "/dev/null", "QF_STATE": "", **env})

        lab.relay_to(sink)
        lab.inject(["bob@dst.example"], "Subject: x\n\nhello\n")
        made = {}
        for name in os.listdir(lab.queue):
            with open(os.path.join(lab.queue, name), "rb") as f:
                made[name] = f.read()
        id = [name[2:] for name in made if name[:2] == "qf"][0]
        made["qf" + id] = made["qf" + id].replace(b"\nK0\n", b"\nK1795300000\n")
        first = acting.undone(command) or command
        wrong, seen, tried = [], set(), 0
        for n in range(1, 100) if EACH else range(1 + number % 3, 100, 3):
            put(lab, made)
            sink.messages.clear()
            if first == "release":
                qf("hold", "--reason=x", id)
            args = [*acting.COMMANDS[first][0], id]
            if first == "edit": # the message has one recipient, who stays
                args = ["edit", "--set-sender=<root@src.example>", id]
            if first != command:
                done = qf(*args, "--format=json")
                args = ["undo", json.loads(done.stdout.splitlines()[0])["entry"]]
            done = qf(*args, LD_PRELOAD=faults.library, FAULTS_AT=str(n))
            tried += done.returncode == -9
            lab.run_queue()
            at_once = len(sink.messages), *places(lab, id)
            qf("due", acting.OTHER)
            lab.run_queue()
            # Who wanted it held lets it go.
            if os.path.exists(os.path.join(lab.queue, "hf" + id)):
                qf("release", id)
            lab.run_queue()
            count, (queue, trash) = len(sink.messages), places(lab, id)
            seen.add((at_once[0], at_once[1], *at_once[2]))
            good = count == 1 and not queue and not trash
            if first.startswith("rm"):
                good = good or count == 0 and not queue and trash == (["dfqf"] if first == "rm" else [])
            if not good:
                wrong.append("killed at %d: %s; at the end delivered %d times, in the queue %s, in "
                             "the trash %s" % (n, at_once, count, queue, trash))
            if done.returncode != -9:
                break
        with open(lab.log) as f:
            bad = [line for line in f if "SYSERR" in line or "Losing" in line]
        tap.ok(not wrong and not bad and tried > (10 if EACH else 3) and (len(seen) > 1 or "due" in command or "edit" in command),
               "%s: killed at %d calls, sendmail delivers it once or finds it removed"
               % (command, tried), seen, "\n".join(wrong), "".join(bad[:5]))


def main():
    with acting.fast_folder() as directory:
        try:
            faults = acting.Faults(directory)
        except laboratory.Missing as why:
            skip_all(why)
        model_is_right(faults, directory)
        for command in acting.EVERY:
            for layout, split in LAYOUTS.items():
                killed(faults, command, layout, split, directory)
                cut_off(faults, command, layout, split, directory)
        try:
            for number, command in enumerate(acting.EVERY):
                with_sendmail(faults, number, command)
        except laboratory.Missing as why:
            tap.skip("killed, then sendmail runs the queue", why)
    tap.done()


main()
