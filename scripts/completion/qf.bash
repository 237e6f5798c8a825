# bash completion for qf; made by scripts/gen-docs from the program's own tables.

_qf()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=
	local command=${COMP_WORDS[1]}
	COMPREPLY=()
	# --option=value is cut at the = by readline: prev is then "=".
	if [[ $cur == = ]]; then cur=; fi
	if [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi
	if ((COMP_CWORD == 1)); then
		words="ls show shape hold release rm due undo journal wait audit orphans tui salvage doctor edit deliver bounce metrics help --help --version"
	else
		case $command:$prev in
		ls:--format) words="table mailq mailq-verbose json csv ids ids0" ;;
		ls:--sort) return ;;
		ls:--limit) return ;;
		ls:--columns) return ;;
		ls:--by) return ;;
		ls:--watch) return ;;
		ls:--queue|ls:-Q)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		ls:--config|ls:-C)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		ls:--queue-return) return ;;
		ls:--queue-warn) return ;;
		ls:--min-queue-age) return ;;
		ls:--now) return ;;
		ls:--jobs) return ;;
		ls:--max-ops) return ;;
		ls:--color) words="auto always never" ;;
		show:--format) words="table json" ;;
		show:--part) words="qf df xf headers body eml" ;;
		show:--body-limit) return ;;
		show:--queue|show:-Q)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		show:--config|show:-C)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		show:--queue-return) return ;;
		show:--queue-warn) return ;;
		show:--min-queue-age) return ;;
		show:--now) return ;;
		show:--jobs) return ;;
		show:--max-ops) return ;;
		show:--color) words="auto always never" ;;
		shape:--format) words="table json csv" ;;
		shape:--by) return ;;
		shape:--min-subdomains|shape:-m) return ;;
		shape:--buckets|shape:-b) return ;;
		shape:--bucket-time|shape:-t) return ;;
		shape:--width|shape:-w) return ;;
		shape:--top|shape:-n) return ;;
		shape:--batch|shape:-N) return ;;
		shape:--queue|shape:-Q)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		shape:--config|shape:-C)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		shape:--queue-return) return ;;
		shape:--queue-warn) return ;;
		shape:--min-queue-age) return ;;
		shape:--now) return ;;
		shape:--jobs) return ;;
		shape:--max-ops) return ;;
		shape:--color) words="auto always never" ;;
		hold:--reason) return ;;
		hold:--note) return ;;
		hold:--wait) return ;;
		hold:--journal)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		hold:--trash)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		hold:--format) words="table json" ;;
		hold:--keep) return ;;
		hold:--queue|hold:-Q)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		hold:--config|hold:-C)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		hold:--queue-return) return ;;
		hold:--queue-warn) return ;;
		hold:--min-queue-age) return ;;
		hold:--now) return ;;
		hold:--jobs) return ;;
		hold:--max-ops) return ;;
		hold:--color) words="auto always never" ;;
		release:--note) return ;;
		release:--wait) return ;;
		release:--journal)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		release:--trash)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		release:--format) words="table json" ;;
		release:--keep) return ;;
		release:--queue|release:-Q)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		release:--config|release:-C)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		release:--queue-return) return ;;
		release:--queue-warn) return ;;
		release:--min-queue-age) return ;;
		release:--now) return ;;
		release:--jobs) return ;;
		release:--max-ops) return ;;
		release:--color) words="auto always never" ;;
		rm:--note) return ;;
		rm:--wait) return ;;
		rm:--journal)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		rm:--trash)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		rm:--format) words="table json" ;;
		rm:--keep) return ;;
		rm:--queue|rm:-Q)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		rm:--config|rm:-C)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		rm:--queue-return) return ;;
		rm:--queue-warn) return ;;
		rm:--min-queue-age) return ;;
		rm:--now) return ;;
		rm:--jobs) return ;;
		rm:--max-ops) return ;;
		rm:--color) words="auto always never" ;;
		due:--note) return ;;
		due:--wait) return ;;
		due:--journal)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		due:--trash)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		due:--format) words="table json" ;;
		due:--keep) return ;;
		due:--queue|due:-Q)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		due:--config|due:-C)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		due:--queue-return) return ;;
		due:--queue-warn) return ;;
		due:--min-queue-age) return ;;
		due:--now) return ;;
		due:--jobs) return ;;
		due:--max-ops) return ;;
		due:--color) words="auto always never" ;;
		undo:--note) return ;;
		undo:--wait) return ;;
		undo:--journal)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		undo:--trash)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		undo:--format) words="table json" ;;
		undo:--keep) return ;;
		undo:--queue|undo:-Q)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		undo:--config|undo:-C)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		undo:--queue-return) return ;;
		undo:--queue-warn) return ;;
		undo:--min-queue-age) return ;;
		undo:--now) return ;;
		undo:--jobs) return ;;
		undo:--max-ops) return ;;
		undo:--color) words="auto always never" ;;
		journal:--note) return ;;
		journal:--wait) return ;;
		journal:--journal)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		journal:--trash)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		journal:--format) words="table json" ;;
		journal:--keep) return ;;
		journal:--queue|journal:-Q)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		journal:--config|journal:-C)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		journal:--queue-return) return ;;
		journal:--queue-warn) return ;;
		journal:--min-queue-age) return ;;
		journal:--now) return ;;
		journal:--jobs) return ;;
		journal:--max-ops) return ;;
		journal:--color) words="auto always never" ;;
		wait:--for) words="idle empty" ;;
		wait:--timeout) return ;;
		wait:--format) words="table json" ;;
		wait:--queue|wait:-Q)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		wait:--config|wait:-C)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		wait:--queue-return) return ;;
		wait:--queue-warn) return ;;
		wait:--min-queue-age) return ;;
		wait:--now) return ;;
		wait:--jobs) return ;;
		wait:--max-ops) return ;;
		wait:--color) words="auto always never" ;;
		audit:--db)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		audit:--label) return ;;
		audit:--log)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		audit:--zone) return ;;
		audit:--year) return ;;
		audit:--format) words="table json csv" ;;
		audit:--snapshot) return ;;
		audit:--against) return ;;
		audit:--html)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		audit:--text) return ;;
		audit:--every) return ;;
		audit:--note) return ;;
		audit:--wait) return ;;
		audit:--journal)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		audit:--keep) return ;;
		audit:--queue|audit:-Q)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		audit:--config|audit:-C)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		audit:--queue-return) return ;;
		audit:--queue-warn) return ;;
		audit:--min-queue-age) return ;;
		audit:--now) return ;;
		audit:--jobs) return ;;
		audit:--max-ops) return ;;
		audit:--color) words="auto always never" ;;
		orphans:--format) words="table json csv nagios prometheus" ;;
		orphans:--grace) return ;;
		orphans:--warn) return ;;
		orphans:--crit) return ;;
		orphans:--log)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		orphans:--since)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		orphans:--output)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		orphans:--fix) return ;;
		orphans:--lost-found)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		orphans:--every) return ;;
		orphans:--ping) return ;;
		orphans:--note) return ;;
		orphans:--wait) return ;;
		orphans:--journal)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		orphans:--keep) return ;;
		orphans:--queue|orphans:-Q)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		orphans:--config|orphans:-C)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		orphans:--queue-return) return ;;
		orphans:--queue-warn) return ;;
		orphans:--min-queue-age) return ;;
		orphans:--now) return ;;
		orphans:--jobs) return ;;
		orphans:--max-ops) return ;;
		orphans:--color) words="auto always never" ;;
		tui:--idle-limit) return ;;
		tui:--refresh) return ;;
		tui:--columns) return ;;
		tui:--key) return ;;
		tui:--queue|tui:-Q)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		tui:--config|tui:-C)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		tui:--queue-return) return ;;
		tui:--queue-warn) return ;;
		tui:--min-queue-age) return ;;
		tui:--now) return ;;
		tui:--jobs) return ;;
		tui:--max-ops) return ;;
		tui:--color) words="auto always never" ;;
		salvage:--from) return ;;
		salvage:--to) return ;;
		salvage:--plan)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		salvage:--save)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		salvage:--manifest)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		salvage:--commit) return ;;
		salvage:--abort) return ;;
		salvage:--smtp) return ;;
		salvage:--user) return ;;
		salvage:--password-file)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		salvage:--receipt)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		salvage:--log)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		salvage:--audit) return ;;
		salvage:--expired) words="hold refresh move skip" ;;
		salvage:--unhold) return ;;
		salvage:--limit) return ;;
		salvage:--rate) return ;;
		salvage:--lease) return ;;
		salvage:--progress) words="text json" ;;
		salvage:--format) words="table json" ;;
		salvage:--queue|salvage:-Q)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		salvage:--config|salvage:-C)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		salvage:--queue-return) return ;;
		salvage:--queue-warn) return ;;
		salvage:--min-queue-age) return ;;
		salvage:--now) return ;;
		salvage:--jobs) return ;;
		salvage:--max-ops) return ;;
		salvage:--color) words="auto always never" ;;
		doctor:--format) words="table json nagios" ;;
		doctor:--owner) return ;;
		doctor:--mode) return ;;
		doctor:--stop-grace) return ;;
		doctor:--run-interval) return ;;
		doctor:--sendmail)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		doctor:--fix) words="perms" ;;
		doctor:--note) return ;;
		doctor:--journal)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		doctor:--timeout) return ;;
		doctor:--warn) return ;;
		doctor:--crit) return ;;
		doctor:--every) return ;;
		doctor:--queue|doctor:-Q)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		doctor:--config|doctor:-C)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		doctor:--queue-return) return ;;
		doctor:--queue-warn) return ;;
		doctor:--min-queue-age) return ;;
		doctor:--now) return ;;
		doctor:--jobs) return ;;
		doctor:--max-ops) return ;;
		doctor:--color) words="auto always never" ;;
		edit:--drop-rcpt) return ;;
		edit:--rcpt) return ;;
		edit:--set-rcpt) return ;;
		edit:--set-sender) return ;;
		edit:--note) return ;;
		edit:--wait) return ;;
		edit:--journal)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		edit:--trash)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		edit:--format) words="table json" ;;
		edit:--keep) return ;;
		edit:--queue|edit:-Q)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		edit:--config|edit:-C)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		edit:--queue-return) return ;;
		edit:--queue-warn) return ;;
		edit:--min-queue-age) return ;;
		edit:--now) return ;;
		edit:--jobs) return ;;
		edit:--max-ops) return ;;
		edit:--color) words="auto always never" ;;
		deliver:--sendmail)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		deliver:--note) return ;;
		deliver:--wait) return ;;
		deliver:--journal)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		deliver:--trash)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		deliver:--format) words="table json" ;;
		deliver:--keep) return ;;
		deliver:--queue|deliver:-Q)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		deliver:--config|deliver:-C)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		deliver:--queue-return) return ;;
		deliver:--queue-warn) return ;;
		deliver:--min-queue-age) return ;;
		deliver:--now) return ;;
		deliver:--jobs) return ;;
		deliver:--max-ops) return ;;
		deliver:--color) words="auto always never" ;;
		bounce:--sendmail)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		bounce:--note) return ;;
		bounce:--wait) return ;;
		bounce:--journal)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		bounce:--trash)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		bounce:--format) words="table json" ;;
		bounce:--keep) return ;;
		bounce:--queue|bounce:-Q)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		bounce:--config|bounce:-C)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		bounce:--queue-return) return ;;
		bounce:--queue-warn) return ;;
		bounce:--min-queue-age) return ;;
		bounce:--now) return ;;
		bounce:--jobs) return ;;
		bounce:--max-ops) return ;;
		bounce:--color) words="auto always never" ;;
		metrics:--format) words="prometheus emf" ;;
		metrics:--output)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		metrics:--listen) return ;;
		metrics:--top) return ;;
		metrics:--every) return ;;
		metrics:--queue|metrics:-Q)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		metrics:--config|metrics:-C)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return ;;
		metrics:--queue-return) return ;;
		metrics:--queue-warn) return ;;
		metrics:--min-queue-age) return ;;
		metrics:--now) return ;;
		metrics:--jobs) return ;;
		metrics:--max-ops) return ;;
		metrics:--color) words="auto always never" ;;
		ls:*) words="--format= --sort= --limit= --columns= --by= --watch= --explain --queue= --config= --queue-return= --queue-warn= --min-queue-age= --now= --jobs= --max-ops= --redact --no-sandbox --color= --verbose --quiet --help" ;;
		show:*) words="--format= --part= --body-limit= --no-body --queue= --config= --queue-return= --queue-warn= --min-queue-age= --now= --jobs= --max-ops= --redact --no-sandbox --color= --verbose --quiet --help" ;;
		shape:*) words="--format= --by= --senders --parents --min-subdomains= --buckets= --bucket-time= --linear --width= --top= --batch= --queue= --config= --queue-return= --queue-warn= --min-queue-age= --now= --jobs= --max-ops= --redact --no-sandbox --color= --verbose --quiet --help" ;;
		hold:*) words="--reason= --yes --dry-run --note= --wait= --journal= --no-journal --trash= --format= --keep= --queue= --config= --queue-return= --queue-warn= --min-queue-age= --now= --jobs= --max-ops= --redact --no-sandbox --color= --verbose --quiet --help" ;;
		release:*) words="--yes --dry-run --note= --wait= --journal= --no-journal --trash= --format= --keep= --queue= --config= --queue-return= --queue-warn= --min-queue-age= --now= --jobs= --max-ops= --redact --no-sandbox --color= --verbose --quiet --help" ;;
		rm:*) words="--purge --yes --dry-run --note= --wait= --journal= --no-journal --trash= --format= --keep= --queue= --config= --queue-return= --queue-warn= --min-queue-age= --now= --jobs= --max-ops= --redact --no-sandbox --color= --verbose --quiet --help" ;;
		due:*) words="--yes --dry-run --note= --wait= --journal= --no-journal --trash= --format= --keep= --queue= --config= --queue-return= --queue-warn= --min-queue-age= --now= --jobs= --max-ops= --redact --no-sandbox --color= --verbose --quiet --help" ;;
		undo:*) words="--yes --dry-run --note= --wait= --journal= --no-journal --trash= --format= --keep= --queue= --config= --queue-return= --queue-warn= --min-queue-age= --now= --jobs= --max-ops= --redact --no-sandbox --color= --verbose --quiet --help" ;;
		journal:*) words="--yes --dry-run --note= --wait= --journal= --no-journal --trash= --format= --keep= --queue= --config= --queue-return= --queue-warn= --min-queue-age= --now= --jobs= --max-ops= --redact --no-sandbox --color= --verbose --quiet --help" ;;
		wait:*) words="--for= --timeout= --format= --queue= --config= --queue-return= --queue-warn= --min-queue-age= --now= --jobs= --max-ops= --redact --no-sandbox --color= --verbose --quiet --help" ;;
		audit:*) words="--db= --label= --bodies --digest --log= --zone= --year= --format= --snapshot= --against= --html= --apply --text= --every= --yes --dry-run --note= --wait= --journal= --no-journal --keep= --queue= --config= --queue-return= --queue-warn= --min-queue-age= --now= --jobs= --max-ops= --redact --no-sandbox --color= --verbose --quiet --help" ;;
		orphans:*) words="--format= --deep --grace= --warn= --crit= --log= --since= --output= --fix= --release --lost-found= --every= --ping= --yes --dry-run --note= --wait= --journal= --no-journal --keep= --queue= --config= --queue-return= --queue-warn= --min-queue-age= --now= --jobs= --max-ops= --redact --no-sandbox --color= --verbose --quiet --help" ;;
		tui:*) words="--read-only --idle-limit= --refresh= --plain --columns= --key= --actions --queue= --config= --queue-return= --queue-warn= --min-queue-age= --now= --jobs= --max-ops= --redact --no-sandbox --color= --verbose --quiet --help" ;;
		salvage:*) words="--from= --to= --plan= --save= --manifest= --commit= --abort= --smtp= --user= --password-file= --receipt= --log= --audit= --expired= --copy --hold --unhold= --due --limit= --rate= --lease= --retarget --progress= --format= --queue= --config= --queue-return= --queue-warn= --min-queue-age= --now= --jobs= --max-ops= --redact --no-sandbox --color= --verbose --quiet --help" ;;
		doctor:*) words="--format= --owner= --mode= --stop-grace= --run-interval= --sendmail= --probe --fix= --yes --note= --journal= --no-journal --peer --timeout= --warn= --crit= --every= --queue= --config= --queue-return= --queue-warn= --min-queue-age= --now= --jobs= --max-ops= --redact --no-sandbox --color= --verbose --quiet --help" ;;
		edit:*) words="--drop-rcpt= --rcpt= --set-rcpt= --set-sender= --refresh --yes --dry-run --note= --wait= --journal= --no-journal --trash= --format= --keep= --queue= --config= --queue-return= --queue-warn= --min-queue-age= --now= --jobs= --max-ops= --redact --no-sandbox --color= --verbose --quiet --help" ;;
		deliver:*) words="--sendmail= --yes --dry-run --note= --wait= --journal= --no-journal --trash= --format= --keep= --queue= --config= --queue-return= --queue-warn= --min-queue-age= --now= --jobs= --max-ops= --redact --no-sandbox --color= --verbose --quiet --help" ;;
		bounce:*) words="--sendmail= --yes --dry-run --note= --wait= --journal= --no-journal --trash= --format= --keep= --queue= --config= --queue-return= --queue-warn= --min-queue-age= --now= --jobs= --max-ops= --redact --no-sandbox --color= --verbose --quiet --help" ;;
		metrics:*) words="--format= --output= --listen= --top= --no-orphans --every= --queue= --config= --queue-return= --queue-warn= --min-queue-age= --now= --jobs= --max-ops= --redact --no-sandbox --color= --verbose --quiet --help" ;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	[[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
	return 0
}
complete -F _qf qf
