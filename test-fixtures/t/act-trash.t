#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""rm --trash=DIR: copied to another file system, verified, then removed; taken back from there; killed
before each call that changes a file, on the way there and back; a trash that is not ours."""
import json
import os
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import acting
import lab as laboratory
from acting import ID
from tap import Tap, skip_all

tap = Tap()


def files_of(folder):
    """{name: (content, mode, owner, group)} of a folder."""
    found = {}
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        st = os.lstat(path)
        with open(path, "rb") as f:
            found[name] = (f.read(), st.st_mode & 0o7777, st.st_uid, st.st_gid)
    return found


def entries(trash):
    return {name: files_of(os.path.join(trash, name)) for name in os.listdir(trash)}


def remove(queue, trash, *args, **options):
    return acting.act("rm", "--trash=" + trash, "--format=json", ID, *args, queue=queue, **options)


def entry_of(done):
    return json.loads(done.stdout.splitlines()[0])["entry"]


def there_and_back(queue, trash, where):
    queue.make("qf", acting.CONTROL)
    was = queue.of_message()
    done = remove(queue, trash)
    entry = entry_of(done)
    tap.ok(done.returncode == 0 and not queue.of_message() and entries(trash) == {entry: was},
           where + ": all of it is there, as it was, and not in the queue", done.stderr,
           entries(trash))
    listed = acting.act("journal", "--format=json", queue=queue)
    last = [json.loads(line) for line in listed.stdout.splitlines()][-1]
    tap.ok(last["entry"] == entry and last["undo"] == "possible", where + ": it can be taken back",
           last)
    done = acting.act("undo", queue=queue)
    del was["xf" + ID]
    tap.ok(done.returncode == 0 and queue.of_message() == was and not entries(trash),
           where + ": taken back, whole, and gone from there", done.stderr, acting.shown(queue))
    done = acting.act("undo", entry, queue=queue)
    tap.ok(done.returncode == 2 and queue.of_message() == was, where + ": once", done.stderr)


def killed_there(faults, queue, trash):
    failures, seen, n = [], set(), 0
    while n < 100:
        n += 1
        queue.make("qf", acting.CONTROL)
        shutil.rmtree(trash)
        os.mkdir(trash, 0o700)
        was = queue.of_message()
        done = remove(queue, trash, env={"LD_PRELOAD": faults.library, "FAULTS_AT": str(n), "FAULTS_DO": "kill"})
        if done.returncode != -9:
            break
        acting.recover(queue)
        whole = [e for e, files in entries(trash).items() if files == was and not e.endswith(".copy")]
        now = queue.of_message()
        seen.add("in the queue" if now == was else "away")
        if now != was and (now or len(whole) != 1):
            failures.append("killed at call %d: %s, %s" % (n, acting.shown(queue), list(entries(trash))))
        found, _ = acting.harm(queue)
        if found:
            failures.append("killed at call %d: %s" % (n, found))
        # It may have been delivered since: nothing brings it back by itself.
        if now == was and whole:
            for name in now:
                os.unlink(queue.place(name))
            again = acting.act("undo", whole[0], queue=queue)
            if again.returncode == 0 or queue.of_message():
                failures.append("killed at call %d: delivered, and brought back" % n)
    tap.ok(not failures and n > 15 and done.returncode == 0 and len(seen) == 2,
           "killed at each of %d calls: in the queue, or whole in the trash" % (n - 1),
           *failures[:3], seen, done.stderr)


def killed_back(faults, queue, trash):
    failures, seen, n = [], set(), 0
    while n < 100:
        n += 1
        queue.make("qf", acting.CONTROL)
        shutil.rmtree(trash)
        os.mkdir(trash, 0o700)
        was = queue.of_message()
        del was["xf" + ID]
        entry = entry_of(remove(queue, trash))
        env = {"LD_PRELOAD": faults.library, "FAULTS_AT": str(n), "FAULTS_DO": "kill"}
        done = acting.act("undo", entry, queue=queue, env=env)
        if done.returncode != -9:
            break
        now = queue.of_message()
        acting.recover(queue)
        if "qf" + ID in now:
            seen.add("arrived")
            if queue.of_message() != was:
                failures.append("killed at call %d: arrived, but %s" % (n, acting.shown(queue)))
            if n % 2:   # sendmail delivers it
                for name in queue.of_message():
                    os.unlink(queue.place(name))
                was = {}
        else:
            seen.add("not yet")
        acting.act("undo", entry, queue=queue)
        if queue.of_message() != was:
            failures.append("killed at call %d, undone again: %s" % (n, acting.shown(queue)))
    tap.ok(not failures and n > 10 and done.returncode == 0 and len(seen) == 2,
           "taking back, killed at each of %d calls: gone on with, and never twice" % (n - 1),
           *failures[:3], seen, done.stderr)


def not_ours(queue, trash):
    queue.make("qf", acting.CONTROL)
    was = queue.files()
    plain = os.path.join(trash, "plain")
    with open(plain, "w") as f:
        f.write("x")
    open_to_all, foreign = os.path.join(trash, "open"), os.path.join(trash, "foreign")
    for folder, mode in ((open_to_all, 0o777), (foreign, 0o700)):
        os.mkdir(folder)
        os.chmod(folder, mode)
    link = os.path.join(trash, "link")
    os.symlink(open_to_all, link)
    cases = [("missing", os.path.join(trash, "nowhere"), 66), ("a file", plain, None),
             ("open to all", open_to_all, 77), ("a link to one open to all", link, 77)]
    if os.geteuid() == 0:
        os.chown(foreign, 12345, 12345)
        cases.append(("another's", foreign, 77))
    for what, path, status in cases:
        done = acting.act("rm", "--trash=" + path, ID, queue=queue)
        tap.ok((done.returncode == status if status else done.returncode >= 64) and
               done.stderr.count(b"\n") == 1 and not done.stdout and queue.files() == was,
               "a trash that is %s: one line, nothing done" % what, done.returncode, done.stderr)
    done = acting.act("rm", "--purge", "--trash=" + trash, ID, queue=queue)
    tap.ok(done.returncode == 64 and queue.files() == was, "not with --purge", done.stderr)


def old_ones(queue, trash):
    queue.make("qf", acting.CONTROL)
    was = {name: file for name, file in queue.of_message().items() if name[:2] in ("qf", "df")}
    later = "--now=@%d" % (acting.NOW + 8 * 86400)
    for where in (["--trash=" + trash], []):
        entry = entry_of(acting.act("rm", *where, "--format=json", ID, queue=queue))
        done = acting.act("undo", *where, later, entry, queue=queue)
        tap.ok(done.returncode == 0 and queue.of_message() == was,
               "undo brings back what is older than --keep, and clears nothing away %s" % where,
               done.returncode, done.stderr)
    entry = entry_of(remove(queue, trash))
    cut = os.path.join(trash, "20200101T000000Z-host-1-0.copy")
    os.mkdir(cut, 0o700)
    other = acting.act("rm", "--trash=" + trash, "--format=json", later, acting.OTHER, queue=queue)
    tap.ok(list(entries(trash)) == [entry_of(other)], "what is older than --keep goes", entry,
           entries(trash).keys())
    done = acting.act("undo", entry, queue=queue)
    tap.ok(done.returncode == 2 and b"no longer" in done.stderr, "and cannot be taken back", done.stderr)


def the_last_one(queue):
    queue.make("qf", acting.CONTROL)
    acting.act("hold", "--reason=x", ID, queue=queue)
    acting.act("rm", "--purge", "--yes", acting.OTHER, queue=queue)
    done = acting.act("undo", queue=queue)
    tap.ok(done.returncode == 0 and "qf" + ID in queue.of_message() and
           b"passed over: purge of %s" % acting.OTHER.encode() in done.stderr,
           "undo names the later change that has no way back", done.stderr)
    queue.make("qf", acting.CONTROL)
    acting.act("rm", "--yes", "ALL", queue=queue)
    done = acting.act("undo", queue=queue)
    tap.ok(done.returncode == 0 and b"1 more of the same command stay" in done.stderr,
           "and how many of the same command stay", done.stderr)
    done = acting.act("undo", queue=queue)
    tap.ok(done.returncode == 0 and b"stay" not in done.stderr and len(queue.trash()) == 0, "until none does",
           done.stderr)


def main():
    try:
        with acting.fast_folder() as top, tempfile.TemporaryDirectory() as other:
            faults = acting.Faults(other)
            for where, folder in (("another file system", other), ("the same", top)):
                trash = os.path.join(folder, "trash")
                for split in (False, True):
                    os.mkdir(trash, 0o700)
                    queue = acting.Queue(os.path.join(top, "queue"), split)
                    there_and_back(queue, trash, where + (", split" if split else ""))
                    shutil.rmtree(trash)
            queue = acting.Queue(os.path.join(top, "queue"))
            # File systems list a folder in orders of their own: what is removed first differs.
            for part, folder in ((killed_there, other), (killed_back, other), (killed_back, top)):
                trash = os.path.join(folder, "trash")
                os.mkdir(trash, 0o700)
                part(faults, queue, trash)
                shutil.rmtree(trash)
            trash = os.path.join(other, "trash")
            for part in (not_ours, old_ones):
                os.mkdir(trash, 0o700)
                part(queue, trash)
                shutil.rmtree(trash)
            the_last_one(queue)
    except laboratory.Missing as why:
        skip_all(why)
    tap.done()


main()
