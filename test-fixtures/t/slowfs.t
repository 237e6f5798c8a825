#!/bin/sh
# The slow file system of the tests (test-fixtures/bench/slowfs.c), and qf on it: as few operations
# as can be, many of them in flight, what fails told apart from what is gone.
set -u
n=0
ok() {
	n=$((n + 1))
	echo "ok $n - $1"
}
not_ok() {
	n=$((n + 1))
	echo "not ok $n - $1"
	shift
	for line; do
		echo "$line" | sed 's/^/# /'
	done
}
# is NAME GOT WANTED
is() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1" "got: $2" "wanted: $3"
	fi
}
# holds NAME EXPRESSION (of awk)
holds() {
	if awk "BEGIN { exit !($2) }"; then
		ok "$1"
	else
		not_ok "$1" "$2"
	fi
}

"$QF_FIXTURES/../scripts/bench" --helpers "$QF_BUILD" >&2 || exit 1
slowfs=$QF_BUILD/bench/slowfs
gen=$QF_BUILD/bench/gen-queue
loop=$QF_BUILD/bench/bare-loop
measure=$QF_BUILD/bench/measure
cd "${TMPDIR:?run by scripts/run-tests}" || exit 1
if ! why=$("$slowfs" --check 2>&1); then
	echo "1..0 # SKIP $why"
	exit 0
fi
count() { # OPERATION: of the last run
	awk -v op="$1" '$1 == op { n = $2 } END { print n + 0 }' stats
}

# ---------------------------------------------------------------- the file system itself

mkdir below
"$slowfs" --delay=0 --stats=stats below -- sh -ec '
	cd below
	mkdir -m 2750 d; echo one >d/a; echo two >>d/a; ln d/a d/b; ln -s a d/c
	chmod 640 d/a; touch -d @1000000000 d/a; mv d/b e; mkfifo p; cp d/c big
	dd if=/dev/zero of=big bs=300000 count=2 2>/dev/null; truncate -s 400000 big
	rm p; mkdir gone; rmdir gone; cat d/c; stat -c "%a %h %Y %s" d/a; ls d; readlink d/c
' >out 2>&1
is "slowfs: what is done above it is found below it" \
	"$(cat out && stat -c '%a %h %Y %s' below/d/a below/e && stat -c %s below/big &&
		stat -c %a below/d && cat below/e && ls below)" \
	"$(printf 'one\ntwo\n640 2 1000000000 8\na\nc\na\n640 2 1000000000 8\n640 2 1000000000 8\n'
		printf '400000\n2750\none\ntwo\nbig\nd\ne')"
is "slowfs: operations are counted by kind" \
	"$(count mkdir) $(count rmdir) $(count link) $(count symlink) $(count unlink) $(count rename)" \
	"2 1 1 1 1 1"

(cd below && "$slowfs" . -- sh -c 'exit 3')
is "slowfs: the status is that of the command" $? 3
"$slowfs" below -- sh -c 'kill -TERM $$'
is "slowfs: a signal that ended the command is told as the shell does" $? 143
"$slowfs" --nonsense below -- true 2>/dev/null
is "slowfs: an unknown option is refused" $? 125

"$slowfs" below -- sh -c 'grep -c " fuse.slowfs " /proc/mounts; echo $$ >pid; exec sleep 60' >inside &
slow=$!
for _ in $(seq 100); do
	[ -s pid ] && break
	sleep 0.1
done
outside=$(grep -c ' fuse.slowfs ' /proc/mounts)
kill -KILL $slow
wait $slow 2>/dev/null
for _ in $(seq 50); do
	kill -0 "$(cat pid)" 2>/dev/null || break
	sleep 0.1
done
is "slowfs: mounted for the command alone; killed, it leaves no mount and no command" \
	"$(cat inside) $outside $(grep -c ' fuse.slowfs ' /proc/mounts) $(ls below | wc -l) $(
		kill -0 "$(cat pid)" 2>/dev/null || echo ended)" "1 0 0 3 ended"

mkdir hundred
"$gen" --messages=100 hundred >/dev/null
read -r one _ <<END
$("$slowfs" --delay=5ms hundred -- "$measure" "$loop" --threads=1 hundred)
END
read -r many _ <<END
$("$slowfs" --delay=5ms hundred -- "$measure" "$loop" --threads=50 hundred)
END
holds "slowfs: each of 6 operations a message waits, one after the other" "$one >= 3"
holds "slowfs: fifty threads wait side by side" "$many < $one / 8"

touch below/x below/y
"$slowfs" --delay=0 --fail=unlink:2:EIO --fail='open:1+:EACCES:b*' below -- \
	sh -c 'cd below; rm x; rm y; rm y; cat big; cat e' >out 2>err
is "slowfs: the second unlink fails, the third does not; open fails by name" \
	"$(sed 's/.*: //' err | tr '\n' ','; cat out; ls below | tr '\n' ' ')" \
	"Input/output error,Permission denied,one
two
big d e "

# One word for each question, in their order. flock and fcntl locks by their own system calls.
cat >locks.py <<'END'
import fcntl, os, signal, struct, subprocess, sys, time

def try_lock(how, flags=os.O_RDWR):
    "in a process of its own: free, or the name of the error"
    pid = os.fork()
    if pid == 0:
        try:
            how(os.open("below/l", flags))
            os._exit(0)
        except OSError as e:
            os._exit(e.errno)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return "free" if status == 0 else {11: "held", 9: "EBADF"}.get(status, str(status))

def flocks(f):
    fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)

def fcntls(f):
    fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)

def asks(f):
    "F_OFD_GETLK, as qf does"
    whole = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
    if struct.unpack("hhqqi4x", fcntl.fcntl(f, 36, whole))[0] != fcntl.F_UNLCK:
        raise OSError(11, "")

mine = os.open("below/l", os.O_RDWR | os.O_CREAT)
flocks(mine)
print("flocked:", try_lock(flocks), try_lock(fcntls), try_lock(asks, os.O_RDONLY))
fcntl.flock(mine, fcntl.LOCK_SH)
print("shared:", try_lock(fcntls), try_lock(lambda f: fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB)))
os.close(mine)
print("closed:", try_lock(flocks), try_lock(fcntls), try_lock(asks, os.O_RDONLY))
mine = os.open("below/l", os.O_RDWR)
fcntl.lockf(mine, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 100)
print("range:", try_lock(flocks), try_lock(lambda f: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 50)))
fcntl.lockf(mine, fcntl.LOCK_UN, 2, 104)
print("split:", try_lock(lambda f: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 2, 104)),
      try_lock(lambda f: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 109)))
other = os.open("below/l", os.O_RDONLY)
os.close(other)
print("other descriptor closed:", try_lock(flocks))
print("read only:", try_lock(flocks, os.O_RDONLY))
# Waiting: until it is given up, and until the lock is free.
flocks(mine)
waiter = subprocess.Popen(["flock", "-x", "-w", "1", "below/l", "true"])
print("gave up:", waiter.wait())
waiter = subprocess.Popen(["flock", "-x", "-w", "60", "below/l", "true"])
time.sleep(0.5)
early = waiter.poll()
os.close(mine)
print("waited:", early, waiter.wait())
END
is "slowfs: flock and fcntl locks exclude each other, and end as on NFS" \
	"$(timeout 60 "$slowfs" --delay=0 --locks=both below -- "$PYTHON" locks.py 2>&1)" \
	"flocked: held held held
shared: held free
closed: free free free
range: held free
split: free held
other descriptor closed: free
read only: EBADF
gave up: 1
waited: None 0"
is "slowfs: they are left to the kernel, and apart, unless asked for" \
	"$("$slowfs" --delay=0 below -- "$PYTHON" locks.py 2>&1 | head -n 1)" \
	"flocked: held free free"

# ---------------------------------------------------------------- qf

ls() {
	"$QF" ls -C none --now=@1795331700 "$@"
}
mkdir queue
"$gen" --messages=400 --states=queued:9,held:1 queue >/dev/null
for format in json mailq; do
	ls -Q queue --format=$format >fast.$format
	"$slowfs" --stats=stats.$format queue -- "$QF" ls -C none --now=@1795331700 -Q queue \
		--format=$format >slow.$format
	if cmp fast.$format slow.$format 2>differs; then
		ok "qf ls --format=$format: the same, fast or slow"
	else
		not_ok "qf ls --format=$format: the same, fast or slow" "$(cat differs)"
	fi
done
cp stats.json stats
holds "qf ls: sixteen and more operations are in flight by itself" "$(count most-in-flight) >= 16"
is "qf ls --format=json: one open, one read, one close a message" \
	"$(count open) $(count read) $(count flush)" "400 400 400"
# A stat is a lookup and a getattr; json shows owners' and modes' faults, which takes an fstat too.
holds "qf ls --format=json: one look-up of each file and two stats a message, and little else" \
	"$(count lookup) <= 810 && $(count getattr) <= 810 && $(count total) - 6 * 400 <= 840"
"$slowfs" --delay=0 --stats=stats queue -- "$QF" ls -C none -Q queue --format=ids >out
is "qf ls --format=ids: one open, one read, one close a message" \
	"$(count open) $(count read) $(count flush)" "400 400 400"
holds "qf ls --format=ids: no stat, no lock, nothing of data files" \
	"$(count lookup) <= 410 && $(count getattr) <= 10 && $(count getlk) == 0"
"$slowfs" --delay=0 --locks=both --stats=stats queue -- "$QF" ls -C none -Q queue --format=json >out
is "qf ls --format=json: asks once about the lock where it can be told, and takes none" \
	"$(count getlk) $(count setlk)" "400 0"
"$slowfs" --stats=stats queue -- "$QF" ls -C none -Q queue --format=ids --jobs=2 >out
holds "qf ls --jobs=2: two reads in flight, and the closes behind them" \
	"$(count most-in-flight) <= 6"

read -r all _ _ first _ <<END
$("$slowfs" --delay=3ms queue -- "$measure" --pipe "$QF" ls -C none -Q queue --format=json --jobs=4)
END
holds "qf ls --format=json: the first row is there long before the last" "$first < $all / 2"

"$slowfs" --stats=stats queue -- "$QF" doctor -C none -Q queue --format=json >out
holds "qf doctor: owners and modes are asked for many at once, and once each" \
	"$(count most-in-flight) >= 8 && $(count lookup) <= 840"

name=$(cd queue && echo qf* | cut -d ' ' -f 7)
"$slowfs" --delay=0 --fail="read:1+:EIO:$name" queue -- "$QF" ls -C none -Q queue --format=ids \
	>out 2>err
is "qf ls: a control file that cannot be read is named, and all others are listed" \
	"$? $(grep -vc "${name#qf}" out) $(grep -c "$name.*Input/output error" err)" "2 399 1"
"$slowfs" --delay=0 --fail="open:1+:ESTALE:$name" queue -- "$QF" ls -C none -Q queue \
	--format=ids >out 2>err
is "qf ls: a stale handle is a message that is gone" "$? $(wc -l <out) $(wc -c <err)" "0 399 0"
"$slowfs" --delay=0 --fail=readdir:1+:EIO queue -- "$QF" ls -C none -Q queue --format=ids \
	>out 2>err
is "qf ls: a directory that cannot be listed is named" \
	"$? $(wc -c <out) $(grep -c 'queue.*Input/output error' err)" "2 0 1"
"$slowfs" --delay=0 --fail=readdir:2+:EIO queue -- "$QF" ls -C none -Q queue --format=ids \
	>out 2>err
is "qf ls: nor does a listing that breaks off pass for a whole one" \
	"$? $(grep -c 'queue.*Input/output error' err)" "2 1"

echo "1..$n"
