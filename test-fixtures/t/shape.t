#!/bin/sh
# qf shape: its table is that of Postfix's qshape, byte for byte; and what it adds.
#
# The tables after "table" were printed by qshape of Postfix 3.7.11 when run with the options that
# stand there (perl, its clock set to NOW, LC_ALL=C, output to a file) over Postfix queue files of
# the same ages, senders and recipients as the lists below have. Where qshape leaves an order to
# chance - as many recipients, domains as long - the lists have no such lines.
NOW=1795332063
export LC_ALL=C.UTF-8
n=0
cd "${TMPDIR:?run by scripts/run-tests}" || exit 1

ok() {
	n=$((n + 1))
	echo "ok $n - $1"
}

# not_ok NAME FILE...: with the beginning of the files.
not_ok() {
	n=$((n + 1))
	echo "not ok $n - $1"
	shift
	cut -c 1-200 "$@" | head -n 30 | sed 's/^/# /'
}

# check NAME COMMAND...
check() {
	name=$1
	shift
	if "$@"; then
		ok "$name"
	elif [ "$1" = equal ]; then
		diff wanted out >difference
		not_ok "$name" difference err
	else
		not_ok "$name" out err
	fi
}

# shape QUEUE OPTIONS...: prints into the files out and err, the status into $status.
shape() {
	queue=$1
	shift
	"$QF" shape -C none -Q "$queue" --now=@$NOW "$@" >out 2>err
	status=$?
}

# table NAME QUEUE OPTIONS...: standard input is what is printed, and status 0.
table() {
	name=$1
	shift
	cat >wanted
	shape "$@"
	check "$name" equal 0
}

# equal STATUS: the last shape ended so, and printed what is in the file wanted.
equal() {
	[ "$status" -eq "$1" ] && cmp -s wanted out
}

# refused STATUS PATTERN: it ended so, with one line of the pattern, and printed no result.
refused() {
	[ "$status" -eq "$1" ] && [ ! -s out ] && [ "$(wc -l <err)" -eq 1 ] && grep -q -e "$2" err
}

# control FILE AGE: a control file from standard input, lines after P; AGE "-": no T line.
control() {
	{
		echo V8
		[ "$2" = - ] || echo "T$((NOW - $2))"
		printf 'K0\nN0\nP30000\n'
		cat
		echo .
	} >"$1"
}

# queue DIRECTORY: a message for each line "AGE SENDER RECIPIENT..." of standard input.
queue() {
	mkdir "$1"
	i=0
	while read -r age sender recipients; do
		i=$((i + 1))
		{
			case $sender in
			'<>') echo 'S<>' ;;
			*) echo "S<$sender>" ;;
			esac
			for r in $recipients; do
				echo "RPFD:<$r>"
			done
		} | control "$(printf '%s/qf%06d' "$1" $i)" "$age"
	done
}

queue many <<'EOF'
-60 ann@one.example u@north.example
0 ann@one.example u@north.example
299 ann@one.example u@north.example
300 ann@one.example u@north.example
599 bob@Two.EXAMPLE u@NORTH.example v@north.example w@South.Example
600 bob@two.example u@south.example.
1199 <> u@a.very.long.domain.name.that.goes.on.and.on.and.never.ends.example
1200 <> u@h1.west.example
2400 cy@mail.three.example u@h2.west.example v@h2.west.example
4800 cy@mail.three.example u@h3.west.example v@h3.west.example w@h3.west.example
9600 cy@mx.three.example a@host4.west.example b@x.host5.west.example c@yy.host5.west.example d@x.host5.west.example
76799 dee@four.example u@east.example
76800 dee@four.example a@east.example b@east.example c@east.example
500000 dee@four.example u@some.department.of.a.rather.large.company.example
500000 dee@four.example a@other.department.of.a.rather.large.company.example b@other.department.of.a.rather.large.company.example
EOF

# 1,200 recipients in two domains: counts of three and four digits.
awk 'BEGIN {
	for (i = 1; i <= 12; i++) {
		printf "%d a@b.example", (i > 9 ? 430 : 30)
		for (j = 0; j < 100; j++)
			printf " u%d@%s.example", j, i % 3 ? "busy" : "calm"
		print ""
	}
}' | queue wide

queue labels <<'EOF'
60 a@b.example u@..x.example v@.x.example. w@a..x.example x@a.x.example
EOF

queue empty </dev/null

table 'recipient domains' many  <<'EOF'
                                         T  5 10 20 40 80 160 320 640 1280 1280+
                                  TOTAL 26  3  4  2  1  2   3   4   0    1     6
                          north.example  6  3  3  0  0  0   0   0   0    0     0
                           east.example  4  0  0  0  0  0   0   0   0    1     3
                        h3.west.example  3  0  0  0  0  0   3   0   0    0     0
                          south.example  2  0  1  1  0  0   0   0   0    0     0
                        h2.west.example  2  0  0  0  0  2   0   0   0    0     0
                   x.host5.west.example  2  0  0  0  0  0   0   2   0    0     0
+ment.of.a.rather.large.company.example  2  0  0  0  0  0   0   0   0    0     2
                        h1.west.example  1  0  0  0  1  0   0   0   0    0     0
                     host4.west.example  1  0  0  0  0  0   0   1   0    0     0
                  yy.host5.west.example  1  0  0  0  0  0   0   1   0    0     0
+ment.of.a.rather.large.company.example  1  0  0  0  0  0   0   0   0    0     1
+.goes.on.and.on.and.never.ends.example  1  0  0  1  0  0   0   0   0    0     0
EOF

table '-s: sender domains, the null sender' many -s <<'EOF'
                                         T  5 10 20 40 80 160 320 640 1280 1280+
                                  TOTAL 15  3  2  2  1  1   1   1   0    1     3
                            one.example  4  3  1  0  0  0   0   0   0    0     0
                           four.example  4  0  0  0  0  0   0   0   0    1     3
                            two.example  2  0  1  1  0  0   0   0   0    0     0
                          MAILER-DAEMON  2  0  0  1  1  0   0   0   0    0     0
                     mail.three.example  2  0  0  0  0  1   1   0   0    0     0
                       mx.three.example  1  0  0  0  0  0   0   1   0    0     0
EOF

table '-p: parents of five names' many -p <<'EOF'
                                         T  5 10 20 40 80 160 320 640 1280 1280+
                                  TOTAL 26  3  4  2  1  2   3   4   0    1     6
                          .west.example 10  0  0  0  1  2   3   4   0    0     0
                          north.example  6  3  3  0  0  0   0   0   0    0     0
                           east.example  4  0  0  0  0  0   0   0   0    1     3
                        h3.west.example  3  0  0  0  0  0   3   0   0    0     0
                          south.example  2  0  1  1  0  0   0   0   0    0     0
                        h2.west.example  2  0  0  0  0  2   0   0   0    0     0
                   x.host5.west.example  2  0  0  0  0  0   0   2   0    0     0
+ment.of.a.rather.large.company.example  2  0  0  0  0  0   0   0   0    0     2
                        h1.west.example  1  0  0  0  1  0   0   0   0    0     0
                     host4.west.example  1  0  0  0  0  0   0   1   0    0     0
                  yy.host5.west.example  1  0  0  0  0  0   0   1   0    0     0
+ment.of.a.rather.large.company.example  1  0  0  0  0  0   0   0   0    0     1
+.goes.on.and.on.and.never.ends.example  1  0  0  1  0  0   0   0   0    0     0
EOF

table '-p -m: parents of parents' many -p -m 1 <<'EOF'
                                         T  5 10 20 40 80 160 320 640 1280 1280+
                                  TOTAL 26  3  4  2  1  2   3   4   0    1     6
                          .west.example 10  0  0  0  1  2   3   4   0    0     0
                          north.example  6  3  3  0  0  0   0   0   0    0     0
                           east.example  4  0  0  0  0  0   0   0   0    1     3
                        h3.west.example  3  0  0  0  0  0   3   0   0    0     0
                       .company.example  3  0  0  0  0  0   0   0   0    0     3
                    .host5.west.example  3  0  0  0  0  0   0   3   0    0     0
                 .large.company.example  3  0  0  0  0  0   0   0   0    0     3
          .rather.large.company.example  3  0  0  0  0  0   0   0   0    0     3
        .a.rather.large.company.example  3  0  0  0  0  0   0   0   0    0     3
     .of.a.rather.large.company.example  3  0  0  0  0  0   0   0   0    0     3
.+ent.of.a.rather.large.company.example  3  0  0  0  0  0   0   0   0    0     3
                          south.example  2  0  1  1  0  0   0   0   0    0     0
                        h2.west.example  2  0  0  0  0  2   0   0   0    0     0
                   x.host5.west.example  2  0  0  0  0  0   0   2   0    0     0
+ment.of.a.rather.large.company.example  2  0  0  0  0  0   0   0   0    0     2
                          .ends.example  1  0  0  1  0  0   0   0   0    0     0
                        h1.west.example  1  0  0  0  1  0   0   0   0    0     0
                     host4.west.example  1  0  0  0  0  0   0   1   0    0     0
                    .never.ends.example  1  0  0  1  0  0   0   0   0    0     0
                  yy.host5.west.example  1  0  0  0  0  0   0   1   0    0     0
                .and.never.ends.example  1  0  0  1  0  0   0   0   0    0     0
             .on.and.never.ends.example  1  0  0  1  0  0   0   0   0    0     0
         .and.on.and.never.ends.example  1  0  0  1  0  0   0   0   0    0     0
      .on.and.on.and.never.ends.example  1  0  0  1  0  0   0   0   0    0     0
 .goes.on.and.on.and.never.ends.example  1  0  0  1  0  0   0   0   0    0     0
.+goes.on.and.on.and.never.ends.example  1  0  0  1  0  0   0   0   0    0     0
.+goes.on.and.on.and.never.ends.example  1  0  0  1  0  0   0   0   0    0     0
+ment.of.a.rather.large.company.example  1  0  0  0  0  0   0   0   0    0     1
.+goes.on.and.on.and.never.ends.example  1  0  0  1  0  0   0   0   0    0     0
.+goes.on.and.on.and.never.ends.example  1  0  0  1  0  0   0   0   0    0     0
.+goes.on.and.on.and.never.ends.example  1  0  0  1  0  0   0   0   0    0     0
+.goes.on.and.on.and.never.ends.example  1  0  0  1  0  0   0   0   0    0     0
EOF

table '-p with -s' many -p -s -m 2 <<'EOF'
                                         T  5 10 20 40 80 160 320 640 1280 1280+
                                  TOTAL 15  3  2  2  1  1   1   1   0    1     3
                            one.example  4  3  1  0  0  0   0   0   0    0     0
                           four.example  4  0  0  0  0  0   0   0   0    1     3
                         .three.example  3  0  0  0  0  1   1   1   0    0     0
                            two.example  2  0  1  1  0  0   0   0   0    0     0
                          MAILER-DAEMON  2  0  0  1  1  0   0   0   0    0     0
                     mail.three.example  2  0  0  0  0  1   1   0   0    0     0
                       mx.three.example  1  0  0  0  0  0   0   1   0    0     0
EOF

table '-b: fewer columns' many -b 4 <<'EOF'
                                                                  T  5 10 20 20+
                                                           TOTAL 26  3  4  2  17
                                                   north.example  6  3  3  0   0
                                                    east.example  4  0  0  0   4
                                                 h3.west.example  3  0  0  0   3
                                                   south.example  2  0  1  1   0
                                                 h2.west.example  2  0  0  0   2
                                            x.host5.west.example  2  0  0  0   2
              other.department.of.a.rather.large.company.example  2  0  0  0   2
                                                 h1.west.example  1  0  0  0   1
                                              host4.west.example  1  0  0  0   1
                                           yy.host5.west.example  1  0  0  0   1
               some.department.of.a.rather.large.company.example  1  0  0  0   1
+ery.long.domain.name.that.goes.on.and.on.and.never.ends.example  1  0  0  1   0
EOF

table '-b 1: ages are all one' many -b 1 <<'EOF'
                                                                            T 0+
                                                                     TOTAL 26 26
                                                             north.example  6  6
                                                              east.example  4  4
                                                           h3.west.example  3  3
                                                             south.example  2  2
                                                           h2.west.example  2  2
                                                      x.host5.west.example  2  2
                        other.department.of.a.rather.large.company.example  2  2
                                                           h1.west.example  1  1
                                                        host4.west.example  1  1
                                                     yy.host5.west.example  1  1
                         some.department.of.a.rather.large.company.example  1  1
        a.very.long.domain.name.that.goes.on.and.on.and.never.ends.example  1  1
EOF

table '-b 20: the width gives way' many -p -m 2 -b 20 <<'EOF'
                    T  5 10 20 40 80 160 320 640 1280 2560 5120 10240 20480 40960 81920 163840 327680 655360 1310720 1310720+
             TOTAL 26  3  4  2  1  2   3   4   0    1    3    0     3     0     0     0      0      0      0       0        0
     .west.example 10  0  0  0  1  2   3   4   0    0    0    0     0     0     0     0      0      0      0       0        0
     north.example  6  3  3  0  0  0   0   0   0    0    0    0     0     0     0     0      0      0      0       0        0
      east.example  4  0  0  0  0  0   0   0   0    1    3    0     0     0     0     0      0      0      0       0        0
   h3.west.example  3  0  0  0  0  0   3   0   0    0    0    0     0     0     0     0      0      0      0       0        0
.+st5.west.example  3  0  0  0  0  0   0   3   0    0    0    0     0     0     0     0      0      0      0       0        0
.+.company.example  3  0  0  0  0  0   0   0   0    0    0    0     3     0     0     0      0      0      0       0        0
     south.example  2  0  1  1  0  0   0   0   0    0    0    0     0     0     0     0      0      0      0       0        0
   h2.west.example  2  0  0  0  0  2   0   0   0    0    0    0     0     0     0     0      0      0      0       0        0
+ost5.west.example  2  0  0  0  0  0   0   2   0    0    0    0     0     0     0     0      0      0      0       0        0
+e.company.example  2  0  0  0  0  0   0   0   0    0    0    0     2     0     0     0      0      0      0       0        0
   h1.west.example  1  0  0  0  1  0   0   0   0    0    0    0     0     0     0     0      0      0      0       0        0
host4.west.example  1  0  0  0  0  0   0   1   0    0    0    0     0     0     0     0      0      0      0       0        0
+ost5.west.example  1  0  0  0  0  0   0   1   0    0    0    0     0     0     0     0      0      0      0       0        0
+e.company.example  1  0  0  0  0  0   0   0   0    0    0    0     1     0     0     0      0      0      0       0        0
+ever.ends.example  1  0  0  1  0  0   0   0   0    0    0    0     0     0     0     0      0      0      0       0        0
EOF

table '-t: first limit' many -t 60 <<'EOF'
                                T 60 120 240 480 960 1920 3840 7680 15360 15360+
                         TOTAL 26 12   3   4   0   0    4    0    0     3      0
                 north.example  6  6   0   0   0   0    0    0    0     0      0
                  east.example  4  0   0   0   0   0    4    0    0     0      0
               h3.west.example  3  0   3   0   0   0    0    0    0     0      0
                 south.example  2  2   0   0   0   0    0    0    0     0      0
               h2.west.example  2  2   0   0   0   0    0    0    0     0      0
          x.host5.west.example  2  0   0   2   0   0    0    0    0     0      0
+.rather.large.company.example  2  0   0   0   0   0    0    0    0     2      0
               h1.west.example  1  1   0   0   0   0    0    0    0     0      0
            host4.west.example  1  0   0   1   0   0    0    0    0     0      0
         yy.host5.west.example  1  0   0   1   0   0    0    0    0     0      0
+.rather.large.company.example  1  0   0   0   0   0    0    0    0     1      0
+and.on.and.never.ends.example  1  1   0   0   0   0    0    0    0     0      0
EOF

table '-l: steps of one size' many -l -t 10 -b 5 <<'EOF'
                                                               T 10 20 30 40 40+
                                                        TOTAL 26  7  2  1  0  16
                                                north.example  6  6  0  0  0   0
                                                 east.example  4  0  0  0  0   4
                                              h3.west.example  3  0  0  0  0   3
                                                south.example  2  1  1  0  0   0
                                              h2.west.example  2  0  0  0  0   2
                                         x.host5.west.example  2  0  0  0  0   2
           other.department.of.a.rather.large.company.example  2  0  0  0  0   2
                                              h1.west.example  1  0  0  1  0   0
                                           host4.west.example  1  0  0  0  0   1
                                        yy.host5.west.example  1  0  0  0  0   1
            some.department.of.a.rather.large.company.example  1  0  0  0  0   1
+.long.domain.name.that.goes.on.and.on.and.never.ends.example  1  0  1  0  0   0
EOF

table '-w: wider' many -w 120 <<'EOF'
                                                                                 T  5 10 20 40 80 160 320 640 1280 1280+
                                                                          TOTAL 26  3  4  2  1  2   3   4   0    1     6
                                                                  north.example  6  3  3  0  0  0   0   0   0    0     0
                                                                   east.example  4  0  0  0  0  0   0   0   0    1     3
                                                                h3.west.example  3  0  0  0  0  0   3   0   0    0     0
                                                                  south.example  2  0  1  1  0  0   0   0   0    0     0
                                                                h2.west.example  2  0  0  0  0  2   0   0   0    0     0
                                                           x.host5.west.example  2  0  0  0  0  0   0   2   0    0     0
                             other.department.of.a.rather.large.company.example  2  0  0  0  0  0   0   0   0    0     2
                                                                h1.west.example  1  0  0  0  1  0   0   0   0    0     0
                                                             host4.west.example  1  0  0  0  0  0   0   1   0    0     0
                                                          yy.host5.west.example  1  0  0  0  0  0   0   1   0    0     0
                              some.department.of.a.rather.large.company.example  1  0  0  0  0  0   0   0   0    0     1
             a.very.long.domain.name.that.goes.on.and.on.and.never.ends.example  1  0  0  1  0  0   0   0   0    0     0
EOF

table '-w: never narrower than 80' many -w 40 <<'EOF'
                                         T  5 10 20 40 80 160 320 640 1280 1280+
                                  TOTAL 26  3  4  2  1  2   3   4   0    1     6
                          north.example  6  3  3  0  0  0   0   0   0    0     0
                           east.example  4  0  0  0  0  0   0   0   0    1     3
                        h3.west.example  3  0  0  0  0  0   3   0   0    0     0
                          south.example  2  0  1  1  0  0   0   0   0    0     0
                        h2.west.example  2  0  0  0  0  2   0   0   0    0     0
                   x.host5.west.example  2  0  0  0  0  0   0   2   0    0     0
+ment.of.a.rather.large.company.example  2  0  0  0  0  0   0   0   0    0     2
                        h1.west.example  1  0  0  0  1  0   0   0   0    0     0
                     host4.west.example  1  0  0  0  0  0   0   1   0    0     0
                  yy.host5.west.example  1  0  0  0  0  0   0   1   0    0     0
+ment.of.a.rather.large.company.example  1  0  0  0  0  0   0   0   0    0     1
+.goes.on.and.on.and.never.ends.example  1  0  0  1  0  0   0   0   0    0     0
EOF

table '-n means nothing to a file' many -n 2 <<'EOF'
                                         T  5 10 20 40 80 160 320 640 1280 1280+
                                  TOTAL 26  3  4  2  1  2   3   4   0    1     6
                          north.example  6  3  3  0  0  0   0   0   0    0     0
                           east.example  4  0  0  0  0  0   0   0   0    1     3
                        h3.west.example  3  0  0  0  0  0   3   0   0    0     0
                          south.example  2  0  1  1  0  0   0   0   0    0     0
                        h2.west.example  2  0  0  0  0  2   0   0   0    0     0
                   x.host5.west.example  2  0  0  0  0  0   0   2   0    0     0
+ment.of.a.rather.large.company.example  2  0  0  0  0  0   0   0   0    0     2
                        h1.west.example  1  0  0  0  1  0   0   0   0    0     0
                     host4.west.example  1  0  0  0  0  0   0   1   0    0     0
                  yy.host5.west.example  1  0  0  0  0  0   0   1   0    0     0
+ment.of.a.rather.large.company.example  1  0  0  0  0  0   0   0   0    0     1
+.goes.on.and.on.and.never.ends.example  1  0  0  1  0  0   0   0   0    0     0
EOF

table '0 is as not given' many -b 0 -t 0 -m 0 -w 0 <<'EOF'
                                         T  5 10 20 40 80 160 320 640 1280 1280+
                                  TOTAL 26  3  4  2  1  2   3   4   0    1     6
                          north.example  6  3  3  0  0  0   0   0   0    0     0
                           east.example  4  0  0  0  0  0   0   0   0    1     3
                        h3.west.example  3  0  0  0  0  0   3   0   0    0     0
                          south.example  2  0  1  1  0  0   0   0   0    0     0
                        h2.west.example  2  0  0  0  0  2   0   0   0    0     0
                   x.host5.west.example  2  0  0  0  0  0   0   2   0    0     0
+ment.of.a.rather.large.company.example  2  0  0  0  0  0   0   0   0    0     2
                        h1.west.example  1  0  0  0  1  0   0   0   0    0     0
                     host4.west.example  1  0  0  0  0  0   0   1   0    0     0
                  yy.host5.west.example  1  0  0  0  0  0   0   1   0    0     0
+ment.of.a.rather.large.company.example  1  0  0  0  0  0   0   0   0    0     1
+.goes.on.and.on.and.never.ends.example  1  0  0  1  0  0   0   0   0    0     0
EOF

table 'columns as wide as counts' wide  <<'EOF'
                                       T   5  10 20 40 80 160 320 640 1280 1280+
                              TOTAL 1200 900 300  0  0  0   0   0   0    0     0
                       busy.example  800 600 200  0  0  0   0   0   0    0     0
                       calm.example  400 300 100  0  0  0   0   0   0    0     0
EOF

table 'empty labels are none' labels -p -m 1 <<'EOF'
                                         T  5 10 20 40 80 160 320 640 1280 1280+
                                  TOTAL  4  4  0  0  0  0   0   0   0    0     0
                              x.example  2  2  0  0  0  0   0   0   0    0     0
                             .x.example  2  2  0  0  0  0   0   0   0    0     0
                            a.x.example  2  2  0  0  0  0   0   0   0    0     0
EOF

table 'an empty queue' empty  <<'EOF'
                                         T  5 10 20 40 80 160 320 640 1280 1280+
                                  TOTAL  0  0  0  0  0  0   0   0   0    0     0
EOF

# ------------------------------------------------------------------ what is not qshape's

queue ties <<'EOF'
60 a@b.example u@ccc.example u@aaa.example u@dd.example u@bbb.example
60 a@b.example u@x.y u@x.y u@x.y u@x.y
EOF
table 'equal counts: shorter names first, then by name; TOTAL before all' ties -b 1 <<'EOF'
                                                                            T 0+
                                                                     TOTAL  8  8
                                                                       x.y  4  4
                                                                dd.example  1  1
                                                               aaa.example  1  1
                                                               bbb.example  1  1
                                                               ccc.example  1  1
EOF

queue one <<'EOF'
60 a@b.example u@x.example v@x.example w@y.example
700 a@b.example u@x.example
EOF
table 'JSON' one -b 3 --format=json <<'EOF'
{"schema":"qf.shape/1","by":"domain","key":"TOTAL","total":4,"limits":[5,10],"counts":[3,0,1]}
{"schema":"qf.shape/1","by":"domain","key":"x.example","total":3,"limits":[5,10],"counts":[2,0,1]}
{"schema":"qf.shape/1","by":"domain","key":"y.example","total":1,"limits":[5,10],"counts":[1,0,0]}
EOF
table 'JSON of an empty queue' empty -b 1 -s --format=json <<'EOF'
{"schema":"qf.shape/1","by":"from-domain","key":"TOTAL","total":0,"limits":[],"counts":[0]}
EOF
tr '$' '\r' >wanted <<'EOF'
by,key,total,5,10,10+$
rcpt-domain,TOTAL,4,3,0,1$
rcpt-domain,x.example,3,2,0,1$
rcpt-domain,y.example,1,1,0,0$
EOF
shape one -b 3 --format=csv --by=rcpt-domain
check 'CSV' equal 0

cat >wanted <<'EOF'
{"schema":"qf.shape/1","by":"domain","key":"TOTAL","total":3,"limits":[],"counts":[3]}
{"schema":"qf.shape/1","by":"domain","key":"x.example","total":2,"limits":[],"counts":[2]}
{"schema":"qf.shape/1","by":"domain","key":"y.example","total":1,"limits":[],"counts":[1]}
EOF
shape one -b 1 --format=json domain:y.example
check 'a filter chooses messages; all their recipients count' equal 0
cat >wanted <<'EOF'
{"schema":"qf.shape/1","by":"domain","key":"TOTAL","total":0,"limits":[],"counts":[0]}
EOF
shape one -b 1 --format=json domain:z.example
check 'a filter that matches nothing: status 1' equal 1

mkdir answers
control answers/qf000001 60 <<'EOF'
MDeferred: Connection timed out with mx1.far.example.
S<a@b.example>
RPFD:<u@far.example>
RPFD:<v@far.example>
EOF
control answers/qf000002 400 <<'EOF'
MDeferred: 451 4.7.1 <w@near.example>: Greylisted, try again in 300 seconds
S<a@b.example>
MDeferred: Connection timed out with mx2.far.example.
RPFD:<u@far.example>
MDeferred: 451 4.7.1 <w@near.example>: Greylisted, try again in 300 seconds
RPFD:<w@near.example>
EOF
control answers/qf000003 60 <<'EOF'
S<root>
RPFD:<x@new.example>
RPFD:root
EOF
control answers/qf000004 - <<'EOF'
S<>
EOF
table 'status: recipients count, like falls to like; the beginning of a long text' answers \
	-b 11 --by=status <<'EOF'
                                    T  5 10 20 40 80 160 320 640 1280 2560 2560+
                             TOTAL  6  4  2  0  0  0   0   0   0    0    0     0
Deferred: Connection timed out wi…  3  2  1  0  0  0   0   0   0    0    0     0
                            (none)  2  2  0  0  0  0   0   0   0    0    0     0
Deferred: 451 4.7.1 <ADDRESS>: Gr…  1  0  1  0  0  0   0   0   0    0    0     0
EOF
check 'a message without recipients is said to be left out' \
	grep -q '1 message without recipients not counted' err
table 'DSN codes' answers -b 2 --by=dsn <<'EOF'
                                                                         T  5 5+
                                                                  TOTAL  6  4  2
                                                                 (none)  5  4  1
                                                                  4.7.1  1  0  1
EOF
table 'relays, with parents' answers -b 2 --by=relay -p -m 2 <<'EOF'
                                                                         T  5 5+
                                                                  TOTAL  6  4  2
                                                                 (none)  3  2  1
                                                           .far.example  3  2  1
                                                        mx1.far.example  2  2  0
                                                        mx2.far.example  1  0  1
EOF
table 'no value is null in JSON' answers -b 1 --by=dsn --format=json <<'EOF'
{"schema":"qf.shape/1","by":"dsn","key":"TOTAL","total":6,"limits":[],"counts":[6]}
{"schema":"qf.shape/1","by":"dsn","key":null,"total":5,"limits":[],"counts":[5]}
{"schema":"qf.shape/1","by":"dsn","key":"4.7.1","total":1,"limits":[],"counts":[1]}
EOF
table 'recipients without a domain' answers -b 1 <<'EOF'
                                                                            T 0+
                                                                     TOTAL  6  6
                                                               far.example  3  3
                                                                   (local)  1  1
                                                               new.example  1  1
                                                              near.example  1  1
EOF
table 'senders: messages count, one without creation time as new' answers -b 2 --by=from <<'EOF'
                                                                         T  5 5+
                                                                  TOTAL  4  3  1
                                                            a@b.example  2  1  1
                                                                     <>  1  1  0
                                                                   root  1  1  0
EOF
check 'nothing is said to be left out where messages count' [ ! -s err ]
table 'any other field' answers -b 2 --by=state <<'EOF'
                                                                         T  5 5+
                                                                  TOTAL  4  3  1
                                                                 queued  4  3  1
EOF

shape answers -b 1 --by=rcpt --redact
! grep -q -e example -e root out && [ "$(grep -c 'r-[0-9a-f]*@redacted' out)" -eq 5 ]
check '--redact: no addresses' [ $? -eq 0 ]
shape answers -b 1 --redact
check '--redact: domains stay' grep -q ' near\.example  1  1$' out

# ------------------------------------------------------------------ keys from strangers

mkdir strange
printf 'S<>\nRPFD:<u@\033[31mred\007.example>\nRPFD:<u@b\303\274cher.example>\nRPFD:<u@\377\376.example>\n' |
	control strange/qf000001 60
cat >wanted <<'EOF'
                                                                            T 0+
                                                                     TOTAL  3  3
                                                          \xff\xfe.example  1  1
                                                       b\u{fc}cher.example  1  1
                                                   \x1b[31mred\x07.example  1  1
EOF
LC_ALL=C shape strange -b 1
check 'escape sequences and invalid bytes are shown, never sent' equal 0
cat >wanted <<'EOF'
                                                                            T 0+
                                                                     TOTAL  3  3
                                                          \xff\xfe.example  1  1
                                                            bücher.example  1  1
                                                   \x1b[31mred\x07.example  1  1
EOF
LC_ALL=C.UTF-8 shape strange -b 1
check 'UTF-8 where it can be shown, by columns' equal 0

# 60 letters of three bytes and two columns, and an end of letters that take no column.
mkdir wide-letters
{
	printf 'S<>\nRPFD:<u@'
	i=0
	while [ $i -lt 60 ]; do
		printf '\346\274\242'
		i=$((i + 1))
	done
	printf '.example>\nRPFD:<u@'
	head -c 2000000 /dev/zero | sed 's/\x00\x00/\xcc\x81/g'
	printf '>\n'
} | control wide-letters/qf000001 60
LC_ALL=C.UTF-8 shape wide-letters -b 1
check 'a name is cut by columns, at whole letters' \
	grep -q '^ +漢\{32\}\.example  1  1$' out
check 'letters that take no column are not shown without end' \
	[ "$(wc -l <out) $(wc -L <out)" = '4 80' ]

# 30 letters with three marks each, within the width and beyond it.
mkdir marks
{
	printf 'S<>\n'
	for name in e eeeeeeeeeeeeeeeeeeeeeeeeeeeeee eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee; do
		printf 'RPFD:<u@%s.example>\n' "$(printf %s $name | sed 's/./&\xcc\x81\xcc\x82\xcc\x83/g')"
	done
} | control marks/qf000001 60
LC_ALL=C.UTF-8 shape marks -b 1
letter=$(printf 'e\314\201\314\202\314\203')
check 'marks on letters take no columns' \
	grep -q "^ \{36\}\($letter\)\{30\}\.example  1  1$" out
check 'marks stay on their letters' grep -q "^+\($letter\)\{65\}\.example  1  1$" out

# A name of a million labels, and 20,000 names of 150 labels.
mkdir deep deeper
{
	printf 'S<>\nRPFD:<u@'
	head -c 1000000 /dev/zero | sed 's/\x00/a./g'
	printf 'example>\n'
} | control deep/qf000001 60
{
	echo 'S<>'
	awk 'BEGIN {
		for (i = 0; i < 150; i++)
			labels = labels ".b"
		for (i = 0; i < 20000; i++)
			print "RPFD:<u@" i labels ".example>"
	}'
} | control deeper/qf000001 60
shape deep -p -m 1 --format=json
check 'parents are within the length of a domain name' \
	[ "$status $(grep -c '"key":"\.' out) $(grep -o '"key":"\.[^"]*' out | wc -L)" = '0 123 261' ]
timeout 60 "$QF" shape -C none -Q deeper --now=@$NOW -p --format=json >out 2>err
status=$?
check 'many labels take no time' [ "$status $(wc -l <out)" = '0 20002' ]

# ------------------------------------------------------------------ what cannot be done

shape one -b 1
cp out wanted
shape one -b 1 -Q absent
check 'one directory of several is not there' equal 2
check 'it is named' grep -q '^qf: shape: absent: ' err

cp -R one closed
control closed/qf000009 60 <<'EOF'
S<a@b.example>
RPFD:<u@z.example>
EOF
chmod 0 closed/qf000009
chmod 755 . closed
cp "$QF" ./qf
as_nobody=
[ "$(id -u)" -ne 0 ] || as_nobody='setpriv --reuid=65534 --regid=65534 --clear-groups'
chmod 755 qf
chmod 644 closed/qf000001 closed/qf000002
$as_nobody ./qf shape -C none -Q closed --now=@$NOW -b 1 >out 2>err
status=$?
check 'a message that cannot be read is in no line' equal 2
check 'it is named too' grep -q '^qf: shape: closed/qf000009: cannot read' err

shape one --by=nonsense
check 'an unknown field' refused 64 '--by: nonsense: no such field'
shape one -s --by=dsn
check '-s and another field' refused 64 '^qf: shape: -s: '
shape one -p --by=dsn
check '-p of what has no parents' refused 64 '^qf: shape: -p: '
shape one -b 60
check 'more columns than time' refused 64 '--buckets'
shape one -b 1001 -l
check 'too many columns' refused 64 '--buckets'
shape one -w 10001
check 'too wide' refused 64 '--width'
shape one --format=mailq
check 'a format of other commands' refused 64 'table, json, csv'
shape one 'domain:('
check 'a bad filter' refused 64 'column'
shape absent
check 'no such queue' refused 66 'absent'
"$QF" shape -C none -Q one >/dev/full 2>err
check 'output that cannot be written' [ $? -eq 74 ]

timeout --preserve-status -s TERM 1 "$QF" shape -C none -Q many --now=@$NOW --jobs=1 --max-ops=4 \
	>out 2>err
check 'interrupted: no table that could be taken for the whole' [ "$? $(wc -c <out)" = '143 0' ]

# ------------------------------------------------------------------ on a terminal

# terminal OPTIONS...: shape with a terminal as its standard output, which goes to the file out.
terminal() {
	"$PYTHON" - "$QF" shape -C none --now=@$NOW "$@" 2>err <<'EOF' | tr -d '\r' >out
import os, subprocess, sys
there, here = os.openpty()
child = subprocess.Popen(sys.argv[1:], stdout=here, stdin=subprocess.DEVNULL)
os.close(here)
try:
    while piece := os.read(there, 65536):
        os.write(1, piece)
except OSError:
    pass
sys.exit(child.wait())
EOF
}
export TERM=xterm
shape many
head -n 5 out >wanted
terminal -Q many -n 4
[ "$(wc -l <wanted)" -eq 5 ] && cmp -s wanted out
check '-n: lines on a terminal, TOTAL included' [ $? -eq 0 ]
check '-n: says that there is more' grep -q '^qf: shape: 9 more lines; -n 0 shows all' err
terminal -Q many -n 12
check '-n: one line less than there are' [ "$(wc -l <out)" -eq 13 ]
terminal -Q many -p -m 1
check '20 lines by themselves' [ "$(wc -l <out)" -eq 21 ]
shape many -p -m 1
cp out wanted
terminal -Q many -p -m 1 -n 0
[ -s wanted ] && cmp -s wanted out
check '-n 0: all of them' [ $? -eq 0 ]
shape many --format=json
cp out wanted
terminal -Q many --format=json -n 2
[ -s wanted ] && cmp -s wanted out
check '-n: of the table alone' [ $? -eq 0 ]

# 15 messages at 10 operations a second take three seconds or more.
terminal -Q many -N 1 -n 0 --jobs=1 --max-ops=10
clear=$(printf '\033\\[H\033\\[2J')
shown=$(grep -c "$clear" out)
[ "$shown" -ge 3 ] && [ "$shown" -le 6 ]
check 'what there is so far is shown, in place, once a second' [ $? -eq 0 ]
tail -n 14 out | sed "s/$clear//" >last
shape many
check 'the last table is the whole one' cmp -s out last
terminal -Q many -N 0 --jobs=1 --max-ops=10
check '-N 0: only the last one' [ "$(wc -l <out) $(grep -c "$clear" out)" = '14 0' ]

echo "1..$n"
