"""What tests of the commands that change a queue share: small queues made anew for each try, what
each command has to make of them, commands ended or failing at a chosen call (faults.c), and what a
power cut would have left.

What is right is reckoned here from the text of the control file, never asked of qf.
"""
import itertools
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
import harness
import lab as laboratory

NOW = 1795400000
ID, OTHER = "6AMAAA000001", "6AMAAA000002"
REASON = "looked at by ann"
BODY = b"first line\nsecond line\n"
TRANSCRIPT = b"transcript\n"
CONTROL = ("V8\nT%d\nK%d\nN3\nP120443\nI8/1/99\nFw8\n$_[127.0.0.1]\n${daemon_flags}\nS<ann@src.example>\n"
           "MDeferred: 421 later\nrRFC822; bob@dst.example\nRPFD:<bob@dst.example>\n"
           "RPFD:<eve@dst.example>\nH?P?Return-Path: <\x81g>\nH??Subject: caf\xe9 \xff\xfe\n"
           "H??X-Long: folded\n\tonce\n.\n" % (NOW - 3600, NOW - 60)).encode("latin-1")
HELD = CONTROL.replace(b"\nFw8\n", b"\nq" + REASON.encode() + b"\nFw8\n")
EDITED = CONTROL.replace(b"MDeferred: 421 later\nrRFC822; bob@dst.example\nRPFD:<bob@dst.example>\n",
                         b"").replace(b"S<ann@src.example>", b"S<root@src.example>")
DUE = CONTROL.replace(b"\nK%d\n" % (NOW - 60), b"\nK0\n")
# Where the tests are root's, files are somebody else's, to see that they stay so.
OWNER = (1, 1) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
MODE = 0o640

# What is done: arguments of qf, prefix and content of the control file before and after.
COMMANDS = {
    "hold": (["hold", "--reason=" + REASON], ("qf", CONTROL), ("hf", HELD)),
    "release": (["release"], ("hf", HELD), ("qf", CONTROL)),
    "due": (["due"], ("qf", CONTROL), ("qf", DUE)),
    "edit": (["edit", "--drop-rcpt=rcpt:bob", "--set-sender=<root@src.example>"], ("qf", CONTROL),
             ("qf", EDITED)),
    "rm": (["rm"], ("qf", CONTROL), None),
    "rm --purge": (["rm", "--purge"], ("qf", CONTROL), None),
}
# The same and, of each that can be, its undo.
EVERY = [*COMMANDS, *("undo of " + command for command in COMMANDS if command != "rm --purge")]


def fast_folder():
    """A directory that is gone at the end; where syncing takes no time, if there is such a place."""
    memory = "/dev/shm"
    fast = os.path.isdir(memory) and os.access(memory, os.W_OK)
    return tempfile.TemporaryDirectory(prefix="qf-acting.", dir=memory if fast else None)


class Queue:
    """A queue directory with one message to be changed, ID, and one beside it, OTHER."""

    def __init__(self, path, split=False):
        self.path, self.split = path, split

    def place(self, name):
        sub = {"df": "df", "xf": "xf"}.get(name[:2], "qf") if self.split else ""
        return os.path.join(self.path, sub, name)

    def write(self, name, content, mode=MODE, owner=OWNER):
        path = self.place(name)
        with open(path, "wb") as f:
            f.write(content)
        os.chown(path, *owner)
        os.chmod(path, mode)
        return path

    def make(self, prefix="qf", control=CONTROL, transcript=True):
        """Make it anew."""
        shutil.rmtree(self.path, ignore_errors=True)
        for sub in ["", "qf", "df", "xf"] if self.split else [""]:
            os.mkdir(os.path.join(self.path, sub), 0o700)
        self.write(prefix + ID, control)
        self.write("df" + ID, BODY)
        if transcript:
            self.write("xf" + ID, TRANSCRIPT)
        self.write("qf" + OTHER, CONTROL)
        self.write("df" + OTHER, b"other body\n")
        return self

    def files(self):
        """Everything but .qf: what each name holds, its mode and owner."""
        return files_below(self.path)

    def of_message(self, id=ID):
        return {name: what for name, what in self.files().items() if name[2:] == id}

    def trash(self):
        """Entries of the trash: {entry: files}."""
        top = os.path.join(self.path, ".qf/trash")
        if not os.path.isdir(top):
            return {}
        return {entry: files_below(os.path.join(top, entry)) for entry in os.listdir(top)}


def files_below(top):
    found = {}
    for directory, folders, names in os.walk(top):
        if ".qf" in folders:
            folders.remove(".qf")
        for name in names:
            path = os.path.join(directory, name)
            st = os.lstat(path)
            content = b""
            if stat.S_ISREG(st.st_mode):
                with open(path, "rb") as f:
                    content = f.read()
            found[name] = (content, stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid)
    return found


def message(control, prefix="qf", transcript=True):
    """The files of the message when its control file is this."""
    files = {prefix + ID: (control, MODE, *OWNER), "df" + ID: (BODY, MODE, *OWNER)}
    if transcript:
        files["xf" + ID] = (TRANSCRIPT, MODE, *OWNER)
    return files


def undone(command):
    """What "undo of hold" takes back; None where it is no undo."""
    return command[8:] if command.startswith("undo of ") else None


def words(command, queue):
    """The arguments of qf."""
    if undone(command):
        return ["undo", queue.entry]
    return [*COMMANDS[command][0], ID]


def before(command):
    """Files of the message in the queue."""
    return after(undone(command))[0] if undone(command) else message(*reversed(COMMANDS[command][1]))


def after(command):
    """(files in the queue, entries of the trash as a list of their files)."""
    if undone(command) == "rm":
        # A transcript does not come back, nor does it stay in the trash.
        return message(CONTROL, transcript=False), []
    if undone(command):
        return before(undone(command)), []
    if COMMANDS[command][2]:
        return message(*reversed(COMMANDS[command][2])), []
    return {}, [before(command)] if command == "rm" else []


def start(command, queue):
    """Make the queue what it is before the command."""
    first = undone(command) or command
    prefix, control = COMMANDS[first][1]
    queue.make(prefix, control)
    if undone(command):
        done = act(*words(first, queue), "--format=json", queue=queue)
        queue.entry = json.loads(done.stdout.splitlines()[0])["entry"]
    return queue


def with_content(trash):
    """Files of those entries that have any; the rest of an undo, a transcript, does not count."""
    return [files for entry, files in trash.items()
            if files and not (entry.endswith(".part") and all(name[:2] == "xf" for name in files))]


def state(command, queue):
    """old, new, or None for anything else."""
    files, trash = queue.of_message(), queue.trash()
    # One of a transcript alone is the rest of an undo, and does no harm.
    if any(entry.endswith(".part") and not all(name[:2] == "xf" for name in trash[entry])
           for entry in trash):
        return None
    first = undone(command)
    if files == before(command) and with_content(trash) == (after(first)[1] if first else []):
        return "old"
    if (files, with_content(trash)) == after(command):
        return "new"
    return None


def held_in_effect(command, queue):
    """Between the two steps of hold and release: qf, with the reason in it."""
    return ((undone(command) or command) in ("hold", "release") and queue.of_message() == message(HELD) and
            not with_content(queue.trash()))


def harm(queue):
    """What must never be there, at no moment; empty where it is not."""
    files = queue.files()
    found = []
    for name, (content, *_) in files.items():
        if name[:2] == "tf":
            found.append(name + " was left")
        if name[:2] in ("qf", "hf", "Qf"):
            if "df" + name[2:] not in files:
                found.append(name + " without data file")
            if not content.endswith(b"\n.\n"):
                found.append(name + " is not whole: %r" % content[-40:])
    found += ["qf and hf of " + name[2:] for name in files
              if name[:2] == "qf" and "hf" + name[2:] in files]
    ours = [name for name in files if name[2:] not in (ID, OTHER)]
    found += ["%s has come up" % name for name in ours]
    everywhere = dict(queue.of_message())
    for entry in queue.trash().values():
        everywhere.update(entry)
    return found, everywhere


def shown(queue):
    """What is there, for who reads of a failure."""
    known = {CONTROL: "as made", HELD: "held", DUE: "due", BODY: "whole", TRANSCRIPT: "whole"}

    def say(files):
        return ", ".join("%s %s %o %d:%d" % (name, known.get(what[0], what[0]), *what[1:])
                         for name, what in sorted(files.items())) or "nothing"

    return "in the queue: %s; in the trash: %s" % (
        say(queue.of_message()), {entry: say(files) for entry, files in queue.trash().items()})


class Faults:
    """qf with the library in front of it."""

    def __init__(self, directory):
        self.library = os.path.join(directory, "faults.so")
        for compiler in ("cc", "gcc", "clang"):
            if shutil.which(compiler):
                subprocess.run([compiler, "-std=c17", "-O1", "-shared", "-fPIC", "-o",
                                self.library, os.path.join(HERE, "faults.c")], check=True)
                return
        raise laboratory.Missing("no C compiler")

    def run(self, command, queue, at=0, do="kill", log=None, args=()):
        env = {"LD_PRELOAD": self.library, "FAULTS_AT": str(at), "FAULTS_DO": str(do)}
        if log:
            env["FAULTS_LOG"] = log
        return act(*words(command, queue), *args, queue=queue, env=env)


def act(command, *args, queue=None, env=None, **options):
    """qf with the queue (a Queue or a path), no configuration, at NOW, one job."""
    path = getattr(queue, "path", queue)
    return harness.qf(command, "-C", "none", *(["-Q", path] if path else []), "--now=@%d" % NOW,
                      "--jobs=1", *args, env={"QF_CONF": "/dev/null", "QF_STATE": "", **(env or {})},
                      **options)


def recover(queue):
    """The next change of the queue: of the other message."""
    return act("due", OTHER, queue=queue)


# ---------------------------------------------------------------- power cuts

class Node:
    """A file or folder of the model. What was written since the last sync may be lost."""

    def __init__(self, folder, mode, owner, content=b""):
        self.folder, self.mode, self.owner, self.content = folder, mode, owner, content
        self.safe = (mode, owner, content)

    def sync(self):
        self.safe = (self.mode, self.owner, self.content)


class Disk:
    """A directory tree, the recorded calls done to it one after the other, and every tree that may
    be there after a power cut: of each folder the last changes that were not synced are missing; a
    file whose content was not synced is empty."""

    def __init__(self, top):
        self.top = top
        self.now = {}    # (folder node, name): node
        self.log = []    # [operations on names, folders concerned, synced]
        self.root = self._load(top)
        self.first = dict(self.now)

    def _load(self, path):
        st = os.lstat(path)
        owner = (st.st_uid, st.st_gid)
        mode = stat.S_IMODE(st.st_mode)
        if not stat.S_ISDIR(st.st_mode):
            with open(path, "rb") as f:
                return Node(False, mode, owner, f.read())
        node = Node(True, mode, owner)
        for name in os.listdir(path):
            self.now[node, name] = self._load(os.path.join(path, name))
        return node

    def _find(self, path):
        node = self.root
        for name in os.path.relpath(path, self.top).split("/"):
            node = node if name == "." else self.now[node, name]
        return node

    def _split(self, path):
        return self._find(os.path.dirname(path)), os.path.basename(path)

    def do(self, line):
        """One line of what faults.c recorded."""
        what, path, second, number, content = line.rstrip("\n").split("\t")
        if what in ("create", "mkdir"):
            node = Node(what == "mkdir", int(number), (os.geteuid(), os.getegid()))
            self._names([(self._split(path), node)])
        elif what == "rename":
            source, target = self._split(path), self._split(second)
            self._names([(source, None), (target, self.now[source])])
        elif what == "link":
            self._names([(self._split(second), self._find(path))])
        elif what in ("unlink", "rmdir"):
            self._names([(self._split(path), None)])
        elif what == "write":
            self._find(path).content += bytes.fromhex(content)
        elif what == "chmod":
            self._find(path).mode = int(number)
        elif what == "chown":
            self._find(path).owner = (int(number), int(number)) # the same here
        elif what == "fsync":
            node = self._find(path)
            node.sync()
            for operation in self.log:
                if node in operation[1]:
                    operation[2] = True
        elif what != "open":
            raise ValueError("what is %s?" % what)

    def _names(self, changes):
        self.log.append([changes, {folder for (folder, _), _ in changes}, False])
        self._apply(self.now, changes)

    @staticmethod
    def _apply(names, changes):
        for key, node in changes:
            if node is None:
                names.pop(key, None)
            else:
                names[key] = node

    def _kept(self, limits):
        """Which operations are there, when of each folder only so many of the unsynced are. One that
        was synced brings along what came before it in its folders."""
        sure = set()
        for i in reversed(range(len(self.log))):
            _, folders, synced = self.log[i]
            if synced or any(folders & self.log[k][1] for k in sure if k > i):
                sure.add(i)
        left, ended = dict(limits), set()
        for i, (_, folders, _) in enumerate(self.log):
            if i in sure:
                yield i
            elif folders & ended or any(left[f] == 0 for f in folders):
                ended |= folders
            else:
                for f in folders:
                    left[f] -= 1
                yield i

    def trees(self):
        """Trees a power cut may leave now: {path: (folder, mode, owner, content)}, each once."""
        loose = {}
        for _, folders, synced in self.log:
            for folder in folders if not synced else ():
                loose[folder] = loose.get(folder, 0) + 1
        found = []
        for counts in itertools.product(*(range(n + 1) for n in loose.values())):
            names = dict(self.first)
            for i in self._kept(dict(zip(loose, counts))):
                self._apply(names, self.log[i][0])
            for content in ("safe", "now"):
                tree = {}
                self._walk(names, self.root, "", content, tree)
                if tree not in found:
                    found.append(tree)
        return found

    def _walk(self, names, folder, path, content, tree):
        for (parent, name), node in names.items():
            if parent is folder:
                mode, owner, data = (node.safe if content == "safe" else
                                     (node.mode, node.owner, node.content))
                tree[path + name] = (node.folder, mode, owner, data)
                if node.folder:
                    self._walk(names, node, path + name + "/", content, tree)


def put_tree(tree, top):
    """Make the directory hold this tree."""
    shutil.rmtree(top, ignore_errors=True)
    os.mkdir(top, 0o700)
    for name in sorted(tree):
        folder, mode, owner, content = tree[name]
        path = os.path.join(top, name)
        if folder:
            os.mkdir(path)
        else:
            with open(path, "wb") as f:
                f.write(content)
        os.chown(path, *owner)
        os.chmod(path, mode)
