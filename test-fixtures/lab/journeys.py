"""Messages on journeys between three queues: by run, resume, export, import and commit, several at once and
killed at any call, while their sendmails deliver. However it goes, each is in one place, or was delivered once."""
import collections
import json
import os

import chance

QUEUES = "abc"
CONTROL = """V8
T%(created)d
K%(tried)d
N1
P30000
%(held)sMDeferred: not now
Fbs
$_localhost [127.0.0.1]
$rESMTP
$shost
${daemon_flags}
S<a%(n)d@src.example>
RPFD:<b%(n)d@dst.example>
H??From: <a@src.example>
.
"""


class Journeys(chance.Course):
    def __init__(self, top, seed, faults):
        super().__init__(top, seed, faults)
        self.bodies, self.exports = [], []
        self.ids = {}  # new ones: what they were
        self.many = self.random.choice([None, *QUEUES])  # a queue of two directories
        self.split = [q for q in QUEUES if q != self.many and self.random.random() < .3]
        for q in QUEUES:
            for sub in ("q1", "q2") if q == self.many else ("qf", "df", "xf") if q in self.split else ("",):
                os.makedirs(os.path.join(self.top, q, sub), 0o700, exist_ok=True)
            os.chmod(os.path.join(self.top, q), 0o700)
            for _ in range(3):
                self.put(q)

    # ---------------------------------------------------------------- queues

    def path(self, q):
        return os.path.join(self.top, q, "q*" if q == self.many else "")

    def places(self, q):
        """(folder of control files, folder of their data files)"""
        base = os.path.join(self.top, q)
        if q == self.many:
            return [(os.path.join(base, sub),) * 2 for sub in ("q1", "q2")]
        return [(os.path.join(base, "qf"), os.path.join(base, "df"))] if q in self.split else [(base, base)]

    def put(self, q):
        n = len(self.bodies)
        control, data = self.random.choice(self.places(q))
        id, held = "75RAAA%06d" % (100000 + n), self.random.random() < .15
        self.bodies.append(b"this is message %d\n" % n * self.random.choice([1, 1, 5, 3000]))
        age = self.random.choice([600, 600, 600, 7 * 86400])
        text = CONTROL % {"created": self.now - age, "tried": self.now - 300, "n": n, "held": "qheld\n" if held else ""}
        self.write(os.path.join(data, "df" + id), self.bodies[n])
        self.write(os.path.join(control, ("hf" if held else "qf") + id), text.encode())

    def serve(self, q, most=3):
        found = [(place, name) for place in self.places(q) for name in os.listdir(place[0]) if name[:2] == "qf"]
        for (control, data), name in self.random.sample(found, min(most, len(found))):
            held = self.deliver(os.path.join(control, name), os.path.join(data, "df" + name[2:]))
            if held:
                self.delivered.append((q, held[1]))

    # ---------------------------------------------------------------- what is done with them

    def start(self, verb, *args, kill=0):
        return super().start("salvage", verb, "-C", "none", "--format=json", *args, kill=kill)

    def end(self, process, statuses=(0, 1, 2, -9, 66)):
        status, out = super().end(process, statuses)
        lines = [json.loads(line) for line in out.splitlines()]
        for line in lines:
            if line.get("new_id"):
                self.ids[line["new_id"]] = self.ids.get(line["id"], line["id"])
        return status, lines

    def do(self, verb, *args, **options):
        return self.end(self.start(verb, *args, **options))

    def kill(self):
        return self.random.choice([0, 0, 0, self.random.randint(1, 140)])

    def step(self):
        choose = self.random.choice
        a, b = self.random.sample(QUEUES, 2)
        from_a, to_b = "--from=" + self.path(a), "--to=" + self.path(b)
        what = choose(["put"] * 4 + ["deliver"] * 3 + ["run"] * 4 + ["both"] + ["resume"] + ["export"] * 2 +
                      ["import"] * 2 + ["commit"] + ["verify"])
        undone = [e for e in self.exports if os.path.exists(e["bundle"].rstrip("/"))]
        if what == "put":
            self.put(a)
        elif what == "deliver":
            self.serve(a)
        elif what == "run":
            how = choose([[], ["--hold"], ["--expired=refresh"], ["--expired=move"], ["--expired=skip"], ["--due"],
                          ["--limit=2"]])
            self.do("run", from_a, to_b, *how, kill=self.kill())
        elif what == "both":
            c = choose([q for q in QUEUES if q != a])
            runs = [self.start("run", from_a, to_b, kill=self.kill()),
                    self.start("run", from_a, "--to=" + self.path(c), kill=self.kill())]
            self.serve(b, 1)
            for run in runs:
                self.end(run)
        elif what == "resume":
            self.do("resume", from_a, to_b, "--lease=0s", kill=self.kill())
        elif what == "export":
            bundle = os.path.join(self.top, "x%d%s" % (len(self.exports), choose([".tar", ".tar.gz", "/"])))
            self.do("export", from_a, "--to=" + bundle, *choose([[], ["--limit=3"]]), kill=self.kill())
            self.exports.append({"from": a, "bundle": bundle, "to": None, "receipt": bundle.rstrip("/") + ".receipt"})
        elif what == "import" and undone:
            self.bring(choose(undone), kill=self.kill())
        elif what == "commit" and undone:
            self.let_go(choose(undone), kill=self.kill())
        elif what == "verify":
            self.do("verify", from_a, to_b)

    def bring(self, export, kill=0):
        export["to"] = export["to"] or self.random.choice([q for q in QUEUES if q != export["from"]])
        self.do("import", export["bundle"], "--to=" + self.path(export["to"]), "--receipt=" + export["receipt"],
                kill=kill)

    def let_go(self, export, kill=0):
        if os.path.exists(export["receipt"]):
            self.do("export", "--from=" + self.path(export["from"]), "--commit=" + export["receipt"], kill=kill)

    # ---------------------------------------------------------------- the end

    def claims(self, q):
        tops = {place[0] if q == self.many else os.path.join(self.top, q) for place in self.places(q)}
        return [(folder, name) for top in tops for folder, _, names in os.walk(os.path.join(top, ".qf/claims"))
                for name in names if name != "run.json" and not name.startswith("clock.")]

    def settle(self):
        """All that was begun is brought to its end, in the way that the manual says."""
        for export in self.exports:
            if export["to"]:
                self.bring(export)
                self.let_go(export)
        for q in QUEUES:
            runs = set()
            for folder, _ in self.claims(q):
                with open(os.path.join(folder, "run.json")) as f:
                    run = json.load(f)
                if run["command"] == "export":
                    runs.add(run["run"])
            for run in runs:
                self.do("export", "--from=" + self.path(q), "--abort=" + run, "--lease=0s")
        for a in QUEUES:
            for b in QUEUES:
                if a != b:
                    self.do("resume", "--from=" + self.path(a), "--to=" + self.path(b), "--lease=0s")

    def judge(self):
        found = collections.Counter(body for _, body in self.delivered)
        for q in QUEUES:
            self.wrong += ["still claimed: %s/%s" % claim for claim in self.claims(q)]
            for control, data in self.places(q):
                for name in os.listdir(control):
                    if name[:2] not in ("qf", "hf"):
                        continue
                    try:
                        with open(os.path.join(data, "df" + name[2:]), "rb") as f:
                            found[f.read()] += 1
                    except OSError as why:
                        self.wrong.append("%s of %s: %s" % (name, q, why))
        self.wrong += ["message %d is there %d times" % (n, found[body]) for n, body in enumerate(self.bodies)
                       if found[body] != 1]
        if set(found) - set(self.bodies):
            self.wrong.append("a body of no message")

    def verify(self):
        """Nothing is unexplained but what its own sendmail delivered after a run was killed that had planned it."""
        for to in QUEUES:
            others = [q for q in QUEUES if q != to]
            status, lines = self.do("verify", *["--from=" + self.path(q) for q in others], "--to=" + self.path(to))
            for r in lines:
                if r.get("outcome") in ("missing", "doubled", "altered"):
                    body = self.bodies[int(self.ids.get(r["id"], r["id"])[6:]) - 100000]
                    if r["outcome"] != "missing" or not any((q, body) in self.delivered for q in others):
                        self.wrong.append("verify: %s" % r)


def course(top, seed, faults, steps):
    """What went wrong in it; and what was done."""
    journeys = Journeys(top, seed, faults)
    for _ in range(steps):
        journeys.step()
    journeys.settle()
    journeys.judge()
    journeys.verify()
    return journeys.close()
