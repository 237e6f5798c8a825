#!/bin/sh
''':' # To sh this is a colon and a comment; what follows is for Python.
exec "${PYTHON:-python3}" "$0"
'''
"""salvage export and import: the ways out and in, byte for byte; receipts and what they release; streams
cut short; bundles with anything in them that is none of a bundle; killed and failing at each call."""
import errno
import hashlib
import io
import json
import mailbox
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("QF_FIXTURES", os.path.dirname(HERE)), "lab"))
import acting
import harness
import lab as laboratory
import salvaging
from salvaging import BODIES, IDS
from tap import Tap, skip_all

tap = Tap()
EACH = bool(os.environ.get("QF_STRESS"))
RULES = ["-C", "none", "--now=@%d" % acting.NOW, "--queue-return=never", "--format=json", "--jobs=1"]
ENV = {"QF_CONF": "/dev/null"}


def qf(verb, *args, env=None, **options):
    done = harness.qf("salvage", verb, *RULES, *args, env={**ENV, **(env or {})}, **options)
    return done


def records(done):
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return lines[:-1], lines[-1] if lines else None


def export(sides, to, *args, **options):
    return qf("export", "--from=" + sides.source, "--to=" + to, *args, **options)


def bring(sides, bundle, receipt, *args, **options):
    return qf("import", bundle, "--to=" + sides.target, "--receipt=" + receipt, *args, **options)


def let_go(sides, receipt, **options):
    return qf("export", "--from=" + sides.source, "--commit=" + receipt, **options)


def put_back(sides, run, **options):
    return qf("export", "--from=" + sides.source, "--abort=" + run, **options)


def wanted(prefix=None):
    return {id: [(("hf" if id == salvaging.HELD else "qf"),
                  acting.HELD if id == salvaging.HELD else acting.CONTROL, body)]
            for id, body in BODIES.items()}


def lines_of(receipt):
    with open(receipt) as f:
        return [json.loads(line) for line in f]


# ---------------------------------------------------------------- the ways out and in

def round_trips(top):
    for split in ((False, False), (True, True), (True, False)):
        for form in ("x.tar", "x.tar.zst", "x.tar.gz", "x.tar.xz", "folder/", "-"):
            sides = salvaging.Sides(os.path.join(top, "sides"), split).make()
            bundle, receipt = os.path.join(sides.top, form), os.path.join(sides.top, "receipt")
            label = "%s, %s" % (form, split)
            if form == "-":
                out = harness.qf("salvage", "export", *RULES, "--from=" + sides.source, "--to=-", env=ENV)
                run = out.stderr.decode().split("--abort=")[1].split()[0]
                done = bring(sides, "-", receipt, input=out.stdout)
                tap.ok(out.returncode == 0, label + ": exported", out.stderr)
            else:
                out = export(sides, bundle)
                found, total = records(out)
                run = total["run"]
                tap.ok(out.returncode == 0 and {r["id"]: r["outcome"] for r in found} ==
                       dict.fromkeys(IDS, "copied") and not sides.visible(sides.source) and
                       set(sides.claims()) == set(IDS), label + ": exported, and claimed", out)
                if form != "-":
                    check_sums(bundle, os.path.join(top, "unpacked"), label, total)
                done = bring(sides, bundle, receipt)
            tap.ok(done.returncode == 0 and sides.visible(sides.target) == wanted(),
                   label + ": imported, byte for byte", done, sides.visible(sides.target))
            lines = lines_of(receipt)
            tap.ok([line["run"] for line in lines] == [run] * 4 and lines[-1]["complete"] and
                   {line["id"] for line in lines[:-1]} == set(IDS), label + ": the receipt", lines)
            done = bring(sides, bundle, receipt) if form != "-" else bring(sides, "-", receipt,
                                                                           input=out.stdout)
            tap.ok(done.returncode == 1 and sides.visible(sides.target) == wanted() and
                   lines_of(receipt)[-1]["complete"], label + ": imported again, nothing is there twice",
                   done)
            done = let_go(sides, receipt)
            left = acting.files_below(sides.source)
            tap.ok(done.returncode == 0 and not left and not sides.claims(),
                   label + ": released", done, left)
            tap.ok(not os.listdir(os.path.join(sides.target, ".qf/import")), label + ": nothing stays behind")


def check_sums(bundle, folder, label, total):
    """Unpacked by tar, checked by sha256sum; the total is the one that was told."""
    shutil.rmtree(folder, ignore_errors=True)
    if bundle.endswith("/"):
        shutil.copytree(bundle, folder)
    else:
        os.mkdir(folder)
        subprocess.run(["tar", "xf", bundle, "-C", folder], check=True)
    done = subprocess.run(["sha256sum", "-c", "--strict", "--quiet", "SHA256SUMS"], cwd=folder,
                          capture_output=True)
    with open(os.path.join(folder, "manifest.jsonl")) as f:
        lines = [json.loads(line) for line in f]
    schemas = [line["schema"] for line in lines]
    names = sorted(os.listdir(os.path.join(folder, "queue")))
    tap.ok(done.returncode == 0 and len(names) == 6 and
           schemas == ["qf.salvage/1"] * 3 + ["qf.salvage.total/1"] and lines[-1] == total, label + ": as others unpack it", done)


def delivered(top):
    """What was imported and is gone since is not imported again; its receipt may be had again."""
    sides = salvaging.Sides(os.path.join(top, "sides")).make()
    bundle, receipt = os.path.join(sides.top, "x.tar"), os.path.join(sides.top, "receipt")
    export(sides, bundle)
    bring(sides, bundle, receipt)
    os.unlink(receipt)
    for prefix in ("qf", "df"):
        os.unlink(os.path.join(sides.target, prefix + IDS[0]))
    done = bring(sides, bundle, receipt)
    tap.ok(done.returncode == 1 and set(sides.visible(sides.target)) == set(IDS[1:]) and
           lines_of(receipt)[-1]["complete"], "what was delivered meanwhile is not imported again", done)


def there_otherwise(top):
    """What is at the target by another way, cut, without its body or with another one, is not acknowledged."""
    sides = salvaging.Sides(os.path.join(top, "sides")).make()
    bundle, receipt = os.path.join(sides.top, "x.tar"), os.path.join(sides.top, "receipt")
    for prefix, id, body in (("qf", IDS[0], None), ("qf", IDS[1], b"another\n"), ("hf", IDS[2], b"")):
        shutil.copy(os.path.join(sides.source, prefix + id), os.path.join(sides.target, prefix + id))
        if body is not None:
            with open(os.path.join(sides.target, "df" + id), "wb") as f:
                f.write(body)
    export(sides, bundle)
    done = bring(sides, bundle, receipt)
    lines = lines_of(receipt)
    tap.ok(done.returncode in (1, 2) and len(lines) == 1 and not lines[0]["complete"],
           "what is there by another way is not acknowledged", done, lines)
    let_go(sides, receipt)
    tap.ok(set(sides.claims()) == set(IDS) and len([n for n in acting.files_below(sides.source)
                                                    if n[:2] == "df"]) == 3, "and nothing is let go")


def twice_at_once(top):
    """--abort while the export is at work; a commit that was killed, and then --abort."""
    sides = salvaging.Sides(os.path.join(top, "sides")).make()
    bundle, receipt = os.path.join(sides.top, "x.tar"), os.path.join(sides.top, "receipt")
    faults = acting.Faults(top)
    run = subprocess.Popen([harness.QF, "salvage", "export", *RULES, "--from=" + sides.source,
                            "--to=" + bundle], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           env={**os.environ, **ENV, "LD_PRELOAD": faults.library, "FAULTS_AT": "20",
                                "FAULTS_DO": "stop"})
    # Stopped it must be before it is let go on: else it stops after that, for good.
    laboratory.wait_until(lambda: len(sides.claims()) == 3 and
                          open("/proc/%d/stat" % run.pid).read().rsplit(") ", 1)[1][0] == "T")
    name = [n for n in os.listdir(os.path.join(sides.source, ".qf/claims"))
            if os.path.isdir(os.path.join(sides.source, ".qf/claims", n))][0].rsplit(".", 1)[0]
    done = put_back(sides, name)
    tap.ok(done.returncode == 2 and len(sides.claims()) == 3 and b"still at work" in done.stderr,
           "--abort of an export that is at work: refused", done)
    os.kill(run.pid, signal.SIGCONT)
    run.communicate()
    done = put_back(sides, name)
    tap.ok(done.returncode == 0 and sides.visible(sides.source) == wanted(), "then it is done", done)
    sides.make()
    if os.path.exists(bundle):
        os.unlink(bundle)
    name = records(export(sides, bundle))[1]["run"]
    bring(sides, bundle, receipt)
    for path in os.listdir(sides.source):
        if path.startswith("df" + IDS[0]):
            os.unlink(os.path.join(sides.source, path))
    done = put_back(sides, name)
    tap.ok(done.returncode == 2 and sides.claims() == [IDS[0]] and IDS[0] not in sides.visible(sides.source) and
           b"commit" in done.stderr, "a claim whose body is gone is not put back", done)
    done = let_go(sides, receipt)
    tap.ok(done.returncode == 0 and not sides.claims(), "the receipt ends it", done)


def moved_back(top):
    """There and back, and there again: a message that left a queue may come again."""
    a = salvaging.Sides(os.path.join(top, "sides")).make()
    receipt = os.path.join(a.top, "receipt")
    for turn in range(3):
        bundle = os.path.join(a.top, "x%d.tar" % turn)
        steps = [export(a, bundle), bring(a, bundle, receipt), let_go(a, receipt)]
        tap.ok([s.returncode for s in steps] == [0, 0, 0] and a.visible(a.target) == wanted() and
               not acting.files_below(a.source), "there and back: %d" % turn, steps)
        a.source, a.target = a.target, a.source


def same_layout(top, copy):
    """Directories and links as below top, without a file."""
    for d, folders, _ in os.walk(top):
        place = os.path.join(copy, os.path.relpath(d, top))
        os.makedirs(place, exist_ok=True)
        shutil.copystat(d, place)
        for name in list(folders):
            path = os.path.join(d, name)
            if os.path.islink(path):
                target = os.readlink(path)
                os.symlink(target.replace(top, copy), os.path.join(place, name))
                folders.remove(name)


def listed(queues, top):
    """What qf ls says, with the top folder called T: the entries. Those that are equal in what they are
    sorted by come in the order of the directory."""
    done = harness.qf("ls", "-C", "none", *("-Q" + q for q in queues), "--format=mailq", "--now=@1795331700")
    return sorted(re.split(rb"\n(?=[^ \t]|\t\t[^\t])", done.stdout.replace(top.encode(), b"T")))


def groups(scenario, top):
    """-Q for each directory that the configuration of a scenario has."""
    pattern, more = harness.patterns(scenario, top)
    return [pattern] + re.findall(r"P=([^\n,]+)", more)


def found_below(top):
    """{(folder, name): bytes} of queue files."""
    found = {}
    for d, _, names in os.walk(top):
        for name in names:
            if name[:2] in ("qf", "hf", "Qf", "df") and "/.qf" not in d and \
                    os.path.isfile(os.path.join(d, name)):
                with open(os.path.join(d, name), "rb") as f:
                    found[os.path.relpath(d, top), name] = f.read()
    return found


def carried(records, before):
    """Files of messages that were exported, as they arrive: where a data file lies elsewhere, the line that
    says so goes, and it lies with its control file."""
    found = {}
    for r in records:
        # Their directory is that of the record; links are as they are.
        for (where, name), content in before.items():
            if name == r["file"]:
                lines = content.splitlines(True)
                beside = not any(line[:1] == b"d" for line in lines)
                found[where, name] = content if beside else b"".join(l for l in lines if l[:1] != b"d")
                place = where
        data = [(where, content) for (where, name), content in before.items() if name == "df" + r["id"]]
        where = data[0][0] if os.path.basename(place) == "qf" or beside else place
        found[where, "df" + r["id"]] = data[0][1]
    return found


def corpus(top):
    """Each queue exported, and imported into one of the same layout: the same files in the same places,
    and the same list. Two messages of one id, which one bundle cannot have, stay where they are."""
    moved, failed, layouts, alike = 0, [], set(), 0
    for scenario in harness.scenarios():
        with tempfile.TemporaryDirectory(prefix="qf-salvage.", dir=top) as directory:
            directory = os.path.realpath(directory)
            source = harness.unpack(scenario, directory)
            copy = os.path.join(directory, "copy", os.path.basename(source))
            same_layout(source, copy)
            here, there = groups(scenario, source), groups(scenario, copy)
            before = found_below(source)
            lists = listed(here, source)
            bundle = os.path.join(directory, "x.tar.zst")
            receipt = os.path.join(directory, "receipt")
            out = qf("export", *("--from=" + q for q in here), "--to=" + bundle, "--expired=move")
            if out.returncode in (66, 78):
                continue
            exported = [r for r in records(out)[0] if r["outcome"] == "copied"]
            left = [r for r in records(out)[0] if r["outcome"] != "copied"]
            done = qf("import", bundle, *("--to=" + q for q in there), "--receipt=" + receipt,
                      "--expired=move")
            moved += len(exported)
            wanted, got = carried(exported, before), found_below(copy)
            if wanted != got:
                wrong = sorted(k for k in wanted.keys() | got.keys() if wanted.get(k) != got.get(k))
                failed.append("%s: %s: %r" % (scenario, wrong[:6], done.stderr[-200:]))
            gone = qf("export", *("--from=" + q for q in here), "--commit=" + receipt)
            if exported and (gone.returncode or len(records(gone)[0]) != len(exported)):
                failed.append("%s: %s" % (scenario, gone))
            # What could not go is still listed there; else the lists are the same.
            if not left and exported:
                alike += 1
                after = listed(there, copy)
                if after != lists:
                    failed.append("%s: listed: %s" % (scenario, 
                                  sorted(set(lists) ^ set(after))[:4]))
            layouts.add(len(here) > 1 or "*" in here[0])
    tap.ok(not failed and moved > 200 and alike > 10 and layouts == {True, False},
           "%d messages of the corpus, byte for byte and in their places; %d lists the same" % (moved, alike),
           "\n".join(failed[:5]), alike, layouts)


def mailbox_(top):
    """For people: the mail, and the queue as it was."""
    sides = salvaging.Sides(os.path.join(top, "sides")).make()
    box = os.path.join(sides.top, "x.mbox")
    queue = acting.Queue(sides.source)
    queue.write("df" + IDS[0], b"one\nFrom here\n>From there\nno end", 0o600, (os.geteuid(), os.getegid()))
    before = harness.snapshot(sides.source, times=False)
    done = export(sides, box)
    found = list(mailbox.mbox(box))
    with open(box, "rb") as f:
        raw = f.read()
    tap.ok(done.returncode == 0 and len(found) == 3 and raw.startswith(b"From ann@src.example ") and
           b"\n>From here\n>>From there\nno end\n\n" in raw and
           all(m["X-Long"] for m in found) and
           harness.snapshot(sides.source, times=False) == before,
           "an mbox: three messages, quoted as it should be; the queue is as it was", done, raw[:600])
    os.unlink(box)
    done = export(sides, box, "--redact")
    with open(box, "rb") as f:
        raw = f.read()
    tap.ok(done.returncode == 0 and b"ann@src" not in raw and b"From here" not in raw and
           len(list(mailbox.mbox(box))) == 3, "--redact: no address, no body", raw[:600])
    for name, kind in (("x.eml/", None), ("x.maildir/", mailbox.Maildir)):
        path = os.path.join(sides.top, name)
        done = export(sides, path)
        if kind:
            texts = {key: m.get_payload() for key, m in kind(path, create=False).items()}
        else:
            texts = {n: open(path + n, "rb").read().split(b"\n\n", 1)[1].decode() for n in os.listdir(path)}
        tap.ok(done.returncode == 0 and len(texts) == 3 and
               sum(text == "one\nFrom here\n>From there\nno end" for text in texts.values()) == 1 and
               harness.snapshot(sides.source, times=False) == before,
               name + ": a file for each message, its body as it is; the queue is as it was", done, texts)
        done = export(sides, path)
        tap.ok(done.returncode not in (0, 1) and b"cannot write" in done.stderr and
               not os.path.exists(path.rstrip("/") + ".part"), name + ": one that is there stays", done)
        shutil.rmtree(path)
        done = export(sides, path, "--redact")
        files = [os.path.join(d, n) for d, _, names in os.walk(path) for n in names]
        tap.ok(done.returncode == 0 and len(files) == 3 and
               not any(b"ann@src" in open(f, "rb").read() for f in files), name + " --redact", files)
        shutil.rmtree(path)
    done = export(sides, os.path.join(sides.top, "x.tar"), "--redact")
    tap.ok(done.returncode == 64 and not sides.claims(), "--redact with a bundle: refused", done)


# ---------------------------------------------------------------- receipts

def receipts(top):
    sides = salvaging.Sides(os.path.join(top, "sides")).make()
    bundle, receipt = os.path.join(sides.top, "x.tar"), os.path.join(sides.top, "receipt")
    run = records(export(sides, bundle))[1]["run"]
    bring(sides, bundle, receipt)
    with open(receipt) as f:
        good = f.read()
    lines = good.splitlines(True)
    before = harness.snapshot(sides.source, times=False)

    def refused(text, status, label):
        with open(receipt, "w") as f:
            f.write(text)
        done = let_go(sides, receipt)
        tap.ok(done.returncode == status and len(done.stderr.splitlines()) == 1 and
               harness.snapshot(sides.source, times=False) == before, "receipt %s: refused" % label, done)

    refused(good.replace(run, "20200101T000000Z-x-0123456789abcdef"), 66, "of another run")
    refused("".join(lines[:-1]), 65, "without its end")
    refused(good[:-20], 65, "cut off")
    refused("", 65, "that is empty")
    refused("x\n", 65, "that is none")
    refused(lines[0].replace(run, "20200101T000000Z-x-0123456789abcdef") + good, 65, "of two runs")
    # Of one message alone: the others stay claimed.
    other = lines[1].replace('"control":"', '"control":"0').replace('0"control', '"control')
    changed = json.loads(lines[1])
    changed["sha256"]["control"] = "0" * 64
    with open(receipt, "w") as f:
        f.write(lines[0] + json.dumps(changed) + "\n" + lines[-1])
    done = let_go(sides, receipt)
    found = {r["id"]: (r["outcome"], r["why"]) for r in records(done)[0]}
    first = json.loads(lines[0])["id"]
    tap.ok(done.returncode == 2 and found.pop(first) == ("moved", None) and
           set(found.values()) == {("failed", "changed"), ("skipped", "unsigned")} and
           set(sides.claims()) == set(IDS) - {first}, "what it does not name, or names wrongly, stays claimed",
           done)
    done = put_back(sides, run)
    now = {id: what for id, what in wanted().items() if id != first}
    tap.ok(done.returncode == 0 and sides.visible(sides.source) == now and not sides.claims(),
           "--abort puts back what no receipt named", done, sides.visible(sides.source))
    done = put_back(sides, run)
    tap.ok(done.returncode == 66, "once", done)


def claimed(top):
    """What others say of an export's claims."""
    sides = salvaging.Sides(os.path.join(top, "sides")).make()
    run = records(export(sides, os.path.join(sides.top, "x.tar")))[1]["run"]
    done = harness.qf("orphans", "-C", "none", "-Q", sides.source, "--format=json", "--grace=0s", env=ENV)
    found = [f for f in records(done)[0]]
    tap.ok([(f["cause"], f["verdict"], f["fix"]) for f in found] == [("claim", "recoverable", None)] * 3 and
           all("--abort" in f["why"] for f in found), "orphans: claims of an export", found)
    done = qf("resume", "--from=" + sides.source, "--to=" + sides.target)
    tap.ok(not acting.files_below(sides.target) and len(sides.claims()) == 3,
           "resume leaves them: they are on their way to another place", done)
    done = put_back(sides, run)
    tap.ok(done.returncode == 0 and sides.visible(sides.source) == wanted(), "put back", done)


# ---------------------------------------------------------------- bad bundles

def cut_short(top):
    sides = salvaging.Sides(os.path.join(top, "sides")).make()
    receipt = os.path.join(sides.top, "receipt")
    for form in ("x.tar", "x.tar.zst"):
        bundle = os.path.join(sides.top, form)
        failures, seen = [], set()
        sides.make()
        run = records(export(sides, bundle))[1]["run"]
        with open(bundle, "rb") as f:
            content = f.read()
        saved = os.path.join(top, "saved")
        shutil.rmtree(saved, ignore_errors=True)
        shutil.copytree(sides.source, saved)
        sizes = range(0, len(content), 512 if form == "x.tar" else 97)
        for size in sizes:
            shutil.rmtree(sides.target)
            shutil.rmtree(sides.source)
            shutil.copytree(saved, sides.source)
            salvaging.make(sides.target)
            if os.path.exists(receipt):
                os.unlink(receipt)
            done = bring(sides, "-", receipt, input=content[:size])
            there = sides.visible(sides.target)
            if done.returncode not in (2, 65):
                # Only what pads the end of a tar may be missing.
                if there != wanted() or done.returncode:
                    failures.append("%d: status %d %s" % (size, done.returncode, done.stderr))
                continue
            if done.returncode == 65:
                if there or os.path.exists(receipt):
                    failures.append("%d: refused, but something was done" % size)
                continue
            if any(there[id] != wanted()[id] for id in there) or len(
                    [n for n in acting.files_below(sides.target)]) != 2 * len(there):
                failures.append("%d: half of a message: %s" % (size, there))
            named = {line.get("id") for line in lines_of(receipt)[:-1]}
            if named != set(there) or lines_of(receipt)[-1]["complete"]:
                failures.append("%d: the receipt names %s, there is %s" % (size, named, set(there)))
            seen.add(len(there))
            let_go(sides, receipt)
            put_back(sides, run)
            both = {**sides.visible(sides.source), **there}
            if both != wanted() or set(sides.visible(sides.source)) & set(there) or sides.claims():
                failures.append("%d: not each once: %s %s" % (size, set(there),
                                                              sides.visible(sides.source)))
        tap.ok(not failures and (seen >= {1, 2} or form != "x.tar"), "%s cut short at %d places" % (
            form, len(sizes)), "\n".join(failures[:4]), seen)


def packed(path, entries):
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, content, kind in entries:
            info = tarfile.TarInfo(name)
            if kind == "file":
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:
                info.type = {"symlink": tarfile.SYMTYPE, "hardlink": tarfile.LNKTYPE,
                             "fifo": tarfile.FIFOTYPE, "device": tarfile.CHRTYPE,
                             "folder": tarfile.DIRTYPE}[kind]
                info.linkname = content
                tar.addfile(info)


def hostile(top):
    sides = salvaging.Sides(os.path.join(top, "sides")).make()
    bundle, receipt = os.path.join(sides.top, "x.tar"), os.path.join(sides.top, "receipt")
    bad = os.path.join(sides.top, "bad.tar")
    export(sides, bundle)
    with tarfile.open(bundle) as tar:
        good = [(m.name, tar.extractfile(m).read(), "file") for m in tar.getmembers()]
    outside = os.path.join(sides.top, "outside")

    def sums_of(text):
        return hashlib.sha256(text).hexdigest()

    def renamed(old, new):
        return [(new if name == old else name, content.replace(old.encode()[6:], new.encode()[6:])
                 if name == "manifest.jsonl" and new.startswith("queue/") else content, kind)
                for name, content, kind in good]

    first = good[1][0]
    cases = {
        "a path that leads out": renamed(first, "queue/../../outside"),
        "a path from the root": renamed(first, outside),
        "a path with a dot": renamed(first, "./" + first),
        "a name that the manifest does not have": good[:-1] + [("queue/qf6AMAAA999999", b"x", "file")],
        "a name of nothing": good[:-1] + [("queue/.forward", b"x", "file")],
        "a file twice": good[:2] + [good[1]] + good[2:],
        "a manifest twice": [good[0]] + good,
        "a symbolic link": good[:1] + [(first, "/etc/passwd", "symlink")] + good[2:],
        "a hard link": good[:2] + [(good[2][0], first, "hardlink")] + good[3:],
        "a FIFO": good[:1] + [(first, "", "fifo")] + good[2:],
        "a device": good[:1] + [(first, "", "device")] + good[2:],
        "a folder": good[:1] + [("queue", "", "folder")] + good[1:],
        "a wrong sum": good[:1] + [(first, b"other\n", "file")] + good[2:],
        "something behind its end": good + [("queue/df6AMAAA999999", b"x", "file")],
        "its manifest not first": good[1:] + good[:1],
        "a manifest that is none": [(good[0][0], b"x\n", "file")] + good[1:],
        "a manifest of links": [(good[0][0], good[0][1].replace(b'"file":"qf', b'"file":"../qf'),
                                 "file")] + good[1:],
    }
    for label, entries in cases.items():
        packed(bad, entries)
        before = acting.files_below(sides.target)
        done = bring(sides, bad, receipt)
        tap.ok(done.returncode == 65 and acting.files_below(sides.target) == before == {} and
               not os.path.exists(outside) and not os.path.exists(receipt) and
               len(done.stderr.splitlines()) <= 2 and
               not os.listdir(os.path.join(sides.target, ".qf/import")), "%s: refused" % label, done)
    # The same of a folder.
    folder = os.path.join(sides.top, "folder")
    for label, spoil in {
            "a link": lambda: (os.unlink(os.path.join(folder, first)),
                               os.symlink("/etc/passwd", os.path.join(folder, first))),
            "another file": lambda: open(os.path.join(folder, "queue/qf6AMAAA999999"), "w").close(),
            "other bytes": lambda: open(os.path.join(folder, first), "a").write("x"),
            "a folder": lambda: os.mkdir(os.path.join(folder, "queue/sub"))}.items():
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder)
        with tarfile.open(bundle) as tar:
            tar.extractall(folder)
        spoil()
        done = bring(sides, folder, receipt)
        tap.ok(done.returncode == 65 and not acting.files_below(sides.target),
               "a folder with %s: refused" % label, done)


def refused(top):
    sides = salvaging.Sides(os.path.join(top, "sides")).make()
    there = os.path.join(sides.top, "there.tar")
    open(there, "w").close()
    before = harness.snapshot(sides.source, times=False)
    for args, status in (
            (["export", "--from=" + sides.source, "--to=x.zip"], 64),
            (["export", "--from=" + sides.source, "--to=" + there], 64),
            (["export", "--from=" + sides.source, "--to=/nowhere/x.tar"], 66),
            (["export", "--from=" + sides.source], 64),
            (["export", "--to=x.tar"], 64),
            (["export", "--from=" + sides.source, "--to=x.tar", "--abort=x"], 64),
            (["export", "--from=" + sides.source, "--abort=x"], 66),
            (["export", "--from=" + sides.source, "--commit=/nowhere"], 66),
            (["export", "--from=" + sides.source, "--to=x.tar", "--receipt=x"], 64),
            (["import", "--to=" + sides.target], 64),
            (["import", there], 64),
            (["import", there, "--to=" + sides.target, "--from=" + sides.source], 64),
            (["import", "/nowhere", "--to=" + sides.target], 66),
            (["import", there, "--to=" + sides.target], 65)):
        done = qf(*args, cwd=sides.top)
        visible = sides.visible(sides.source)
        tap.ok(done.returncode == status and done.stderr and visible == wanted() and
               not acting.files_below(sides.target) and not sides.claims(),
               "salvage %s: %d" % (" ".join(a.replace(top, "") for a in args), status), done)
    # Who reads from the pipe goes away.
    for body in range(60):
        sides_queue = acting.Queue(sides.source)
        sides_queue.write("qf6AMAAA1%05d" % body, acting.CONTROL, 0o600, (os.geteuid(), os.getegid()))
        sides_queue.write("df6AMAAA1%05d" % body, os.urandom(20000), 0o600, (os.geteuid(), os.getegid()))
    before = sides.visible(sides.source)
    done = subprocess.run("%s salvage export -C none --from=%s --to=- | head -c 300000 >/dev/null" % (
        harness.QF, sides.source), shell=True, capture_output=True)
    run = re.search(rb"--abort=(\S+) puts", done.stderr)
    here, claims = sides.visible(sides.source), sides.claims()
    tap.ok(run and claims and set(here) | set(claims) == set(before) and not set(here) & set(claims),
           "the reader of the stream goes away: what he may have read stays claimed", done.stderr[-300:],
           len(here), len(claims))
    done = put_back(sides, run.group(1).decode())
    tap.ok(done.returncode == 0 and sides.visible(sides.source) == before and not sides.claims(),
           "and --abort puts it back", done)


# ---------------------------------------------------------------- killed, failing

def whole(sides):
    """Each message once: at the source, claimed there, or at the target. What is wrong with that."""
    found = []
    source, target, claims = sides.visible(sides.source), sides.visible(sides.target), sides.claims()
    for id in IDS:
        places = [p for p, ids in (("source", source), ("target", target)) if id in ids]
        if not places and id not in claims:
            found.append("%s is nowhere" % id)
        if len(places) + (places == ["source"] and id in claims) > 1:
            found.append("%s is in %s, claims %s" % (id, places, claims))
        for queue in (source, target):
            if id in queue and queue[id] != wanted()[id]:
                found.append("%s is not whole: %s" % (id, queue[id]))
    return found


def interrupted(faults, top):
    sides = salvaging.Sides(os.path.join(top, "sides"))
    bundle, receipt = os.path.join(sides.top, "x.tar"), os.path.join(sides.top, "receipt")

    def run_of():
        path = os.path.join(sides.source, ".qf/claims")
        for folder in os.listdir(path) if os.path.isdir(path) else ():
            if os.path.isdir(os.path.join(path, folder)):
                return folder.rsplit(".", 1)[0]
        return None

    def begin(step):
        sides.make()
        if step != "export":
            export(sides, bundle)
        if step == "commit":
            bring(sides, bundle, receipt)

    def do(step, env=None):
        return {"export": lambda: export(sides, bundle, env=env),
                "import": lambda: bring(sides, bundle, receipt, env=env),
                "commit": lambda: let_go(sides, receipt, env=env),
                "abort": lambda: put_back(sides, run_of(), env=env)}[step]()

    def finish(step, label, failures):
        """What a person does then; at the end each message is at one place."""
        found = whole(sides)
        if step == "export":
            if run_of() and sides.claims():
                done = put_back(sides, run_of())
                if done.returncode:
                    found.append("abort: %s" % done)
            if sides.visible(sides.source) != wanted():
                found.append("not all are back: %s" % sides.visible(sides.source))
            if os.path.exists(bundle) and not tarfile.is_tarfile(bundle):
                found.append("half a bundle has the name")
            for name in ("x.tar", "x.tar.part"):
                if os.path.exists(os.path.join(sides.top, name)):
                    os.unlink(os.path.join(sides.top, name))
        elif step == "import":
            done = do("import")
            # What had arrived is skipped: 1, as everywhere.
            wrong = done.returncode not in (0, 1) or done.returncode != (b'"present"' in done.stdout)
            if wrong or sides.visible(sides.target) != wanted() or not lines_of(receipt)[-1]["complete"]:
                found.append("again: %s" % done)
            for folder in os.listdir(os.path.join(sides.target, ".qf/import")):
                # An empty one may for an hour be one that somebody has just made.
                if os.listdir(os.path.join(sides.target, ".qf/import", folder)):
                    found.append("what was unpacked stays")
            done = let_go(sides, receipt)
            if done.returncode or sides.claims():
                found.append("commit: %s" % done)
        elif step == "commit":
            done = do("commit")
            if done.returncode not in (0, 66) or sides.claims() or acting.files_below(sides.source):
                found.append("again: %s %s" % (done, acting.files_below(sides.source)))
        else:
            if run_of() and sides.claims():
                done = do("abort")
                if done.returncode:
                    found.append("again: %s" % done)
            if sides.visible(sides.source) != wanted() or sides.claims():
                found.append("not all are back")
        failures += ["%s: %s" % (label, text) for text in found + whole(sides)
                     if not (step == "commit" and "nowhere" in text)]

    for step in ("export", "import", "commit", "abort"):
        log = os.path.join(top, "log")
        if os.path.exists(log):
            os.unlink(log)
        begin(step)
        do(step, {"LD_PRELOAD": faults.library, "FAULTS_LOG": log})
        with open(log) as f:
            calls = len(f.read().splitlines())
        failures = []
        for at in range(1, calls + 2):
            begin(step)
            do(step, {"LD_PRELOAD": faults.library, "FAULTS_AT": str(at)})
            finish(step, "%s killed at call %d" % (step, at), failures)
        tap.ok(not failures and calls > 8, "%s killed at each of %d calls" % (step, calls),
               "\n".join(failures[:3]))
        failures = []
        for at in range(1, calls + 1):
            for code in ("ENOSPC", "EIO", "EACCES", "ESTALE", "EROFS", "EDQUOT") if EACH else (
                    ("ENOSPC", "EIO", "EACCES")[at % 3],):
                begin(step)
                done = do(step, {"LD_PRELOAD": faults.library, "FAULTS_AT": str(at),
                                 "FAULTS_DO": str(getattr(errno, code))})
                if done.returncode < 0 or (done.returncode and not done.stderr):
                    failures.append("%s at call %d: %s" % (code, at, done))
                finish(step, "%s, %s at call %d" % (step, code, at), failures)
        tap.ok(not failures, "%s with each of %d calls failing" % (step, calls), "\n".join(failures[:3]))


def main():
    with acting.fast_folder() as top:
        try:
            faults = acting.Faults(top)
        except laboratory.Missing as why:
            skip_all(why)
        round_trips(top)
        delivered(top)
        there_otherwise(top)
        twice_at_once(top)
        moved_back(top)
        mailbox_(top)
        receipts(top)
        claimed(top)
        cut_short(top)
        hostile(top)
        refused(top)
        interrupted(faults, top)
        corpus(top)
    tap.done()


main()
