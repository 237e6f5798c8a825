#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""Changes of queues that somebody has prepared: links, pipes and folders where files should be, names
that lead elsewhere, directories exchanged under the command. What is no queue file of the queue is
left alone, and nothing outside of the queue is touched."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import acting
import harness
import lab as laboratory
from acting import BODY, CONTROL, ID, OTHER
from tap import Tap, skip_all

tap = Tap()


def prefix_of(command):
    return acting.COMMANDS[command][1][0]


def records(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def not_regular(directory):
    """Refused at once, and left."""
    queue = acting.Queue(directory + "/q-kinds")
    makers = {"a pipe": os.mkfifo, "a folder": os.mkdir,
              "a link to a pipe": lambda path: (os.mkfifo(directory + "/pipe"),
                                                os.symlink(directory + "/pipe", path)),
              "a link to nothing": lambda path: os.symlink("nosuch", path)}
    if os.geteuid() == 0:
        makers["a device"] = lambda path: os.mknod(path, 0o20600, os.makedev(1, 3))
    for command in acting.COMMANDS:
        wrong = []
        for what, make in makers.items():
            acting.start(command, queue)
            path = queue.place(prefix_of(command) + ID)
            os.unlink(path)
            if os.path.exists(directory + "/pipe"):
                os.unlink(directory + "/pipe")
            make(path)
            mode = os.lstat(path).st_mode
            done = acting.act(*acting.words(command, queue), queue=queue)
            if done.returncode not in (1, 2) or os.lstat(path).st_mode != mode or \
                    "df" + ID not in queue.files() or not done.stderr.startswith(b"qf: "):
                wrong.append("%s: %s" % (what, done))
        tap.ok(not wrong, command + ": what is no regular file is left alone", "\n".join(wrong))


def data_files(directory):
    """Links in place of a data file; and one with several names, which is by right."""
    queue = acting.Queue(directory + "/q-data")
    for command in ("rm", "rm --purge", "undo of rm"):
        acting.start(command, queue)
        place = queue.place("df" + ID)
        if acting.undone(command):
            place = os.path.join(queue.path, ".qf/trash", queue.entry, "df" + ID)
        os.rename(place, directory + "/elsewhere")
        os.symlink(directory + "/elsewhere", place)
        before = harness.snapshot(directory, times=False)
        done = acting.act(*acting.words(command, queue), "--format=json", queue=queue)
        after = harness.snapshot(directory, times=False)
        changed = [name for name in before.keys() | after.keys()
                   if before.get(name) != after.get(name) and "/journal" not in name and
                   not name.endswith((".qf", "q-data", "/stage", "/trash"))]
        tap.ok(done.returncode == 2 and records(done)[0]["result"] == "denied" and not changed,
               command + ": a link in place of the data file is refused", done, changed)
        os.unlink(directory + "/elsewhere")
    for command in acting.EVERY:
        acting.start(command, queue)
        place = queue.place("df" + ID)
        if not os.path.exists(place):
            place = os.path.join(queue.path, ".qf/trash", queue.entry, "df" + ID)
        second = queue.place("df" + ID + "9")
        os.link(place, second)
        done = acting.act(*acting.words(command, queue), queue=queue)
        with open(second, "rb") as f:
            tap.ok(done.returncode == 0 and acting.state(command, queue) == "new" and
                   f.read() == BODY, command + ": a data file with another name, which keeps it", done)


def linked_trash(directory):
    """What lies in the trash is taken back only as what it is."""
    queue = acting.Queue(directory + "/q-trash")
    victim = directory + "/victim"

    def undo(name, prepare, pattern):
        acting.start("undo of rm", queue)
        shutil.rmtree(victim, ignore_errors=True)
        os.mkdir(victim, 0o700)
        for prefix, content in (("qf", CONTROL), ("df", BODY)):
            with open(os.path.join(victim, prefix + ID), "wb") as f:
                f.write(content)
        words = prepare(os.path.join(queue.path, ".qf/trash"), queue.entry) or \
            acting.words("undo of rm", queue)
        before = harness.snapshot(victim)
        done = acting.act(*words, queue=queue)
        tap.ok(done.returncode in (1, 2, 65) and re.search(pattern, done.stderr) and
               not queue.of_message() and harness.snapshot(victim) == before,
               "undo of rm: " + name, done, queue.of_message())

    def folder(trash, entry):
        os.rename(os.path.join(trash, entry), os.path.join(trash, "aside"))
        os.symlink(victim, os.path.join(trash, entry))

    def control(trash, entry):
        os.unlink(os.path.join(trash, entry, "qf" + ID))
        os.symlink(os.path.join(victim, "qf" + ID), os.path.join(trash, entry, "qf" + ID))

    def pipe(trash, entry):
        os.unlink(os.path.join(trash, entry, "qf" + ID))
        os.mkfifo(os.path.join(trash, entry, "qf" + ID))

    def linked(trash, entry):
        os.link(os.path.join(trash, entry, "qf" + ID), os.path.join(trash, "second"))

    def lost_body(trash, entry):
        os.unlink(os.path.join(trash, entry, "df" + ID))

    def elsewhere(trash, entry):
        journal = os.path.join(queue.path, ".qf/journal")
        name, = os.listdir(journal)
        with open(os.path.join(journal, name), "r+") as f:
            lines = f.read().replace(entry, "../../../victim")
            f.seek(0)
            f.write(lines)
            f.truncate()
        return ["undo", "../../../victim"]

    undo("its folder is a link", folder, b"not a folder|denied|link")
    undo("its control file is a link", control, b"link|denied")
    undo("its control file is a pipe", pipe, b"not a regular file")
    undo("its control file has a second name", linked, b"second name")
    undo("its data file is gone", lost_body, b"no data file")
    undo("a journal that names a place elsewhere", elsewhere, b"slash|no such entry")


def ids(directory):
    """No id leads out of the queue."""
    queue = acting.Queue(directory + "/q-ids")
    outside = acting.Queue(directory + "/q-outside").make()
    before = harness.snapshot(outside.path)
    for id in ("../q-outside/qf" + ID, outside.place("qf" + ID), "/qf" + ID, "./" + ID, "..", ".", "/",
               "x/../qf" + ID, "qf/../../q-outside/qf" + ID, ID + "/", ID + "\n" + ID, "-" + ID):
        for way in ("operand", "-"):
            queue.make()
            mine = harness.snapshot(queue.path)
            args = ["rm", "--", id] if way == "operand" else ["rm", "-"]
            given = subprocess.run(
                [harness.QF, args[0], "-C", "none", "-Q", queue.path, *args[1:]], capture_output=True,
                input=id.encode() if way == "-" else b"", timeout=60,
                env={**os.environ, "QF_CONF": "/dev/null", "QF_STATE": ""})
            if way == "-" and "\n" in id:
                continue # two lines, two ids
            tap.ok(given.returncode in (1, 64) and harness.snapshot(outside.path) == before and
                   harness.snapshot(queue.path) == mine, "%r as %s: refused" % (id, way), given)


def exchanged(directory, faults):
    """A directory is renamed away while the command is at work, and a link to another queue takes its
    place: the command stays with what it has opened."""
    queue = acting.Queue(directory + "/q-swapped")
    other = acting.Queue(directory + "/q-other")
    for command in acting.EVERY:
        for what in ("", "/.qf", "/.qf/trash", "/.qf/stage"):
            wrong, n, points = [], 0, 0
            while n < 60:
                n += 2
                acting.start(command, queue)
                other.make()
                os.makedirs(other.path + what, exist_ok=True)
                before = harness.snapshot(other.path, times=False)
                process = subprocess.Popen(
                    [harness.QF, *acting.words(command, queue), "-C", "none", "-Q", queue.path,
                     "--now=@%d" % acting.NOW, "--jobs=1"], stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                    env={**os.environ, "QF_CONF": "/dev/null", "QF_STATE": "", "FAULTS_DO": "stop",
                         "LD_PRELOAD": faults.library, "FAULTS_AT": str(n)})
                if os.WIFEXITED(os.waitpid(process.pid, os.WUNTRACED)[1]):
                    process.stdout.close()
                    process.returncode = 0
                    break
                points += 1
                there = os.path.exists(queue.path + what)
                if there:
                    os.rename(queue.path + what, queue.path + ".away")
                    os.symlink(other.path + what, queue.path + what)
                os.kill(process.pid, signal.SIGCONT)
                said = process.communicate()[0]
                if there:
                    os.unlink(queue.path + what)
                    os.rename(queue.path + ".away", queue.path + what)
                difference = harness.differences(before, harness.snapshot(other.path, times=False))
                if difference:
                    wrong.append("call %d: the other was touched: %s" % (n, difference))
                if not acting.state(command, queue):
                    # Refused half way: the next one finishes it.
                    acting.recover(queue)
                if not acting.state(command, queue) and not acting.held_in_effect(command, queue):
                    wrong.append("call %d: %s %s" % (n, said, acting.shown(queue)))
            tap.ok(not wrong and points > 2, "%s: %s exchanged under it, at %d calls" % (
                command, what or "the queue directory", points), "\n".join(wrong[:3]))


def main():
    with acting.fast_folder() as directory:
        not_regular(directory)
        data_files(directory)
        linked_trash(directory)
        ids(directory)
        try:
            exchanged(directory, acting.Faults(directory))
        except laboratory.Missing as why:
            tap.skip("exchanged directories", why)
    tap.done()


main()
