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
		words="ls show shape help --help --version"
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
		ls:*) words="--format= --sort= --limit= --columns= --by= --watch= --explain --queue= --config= --queue-return= --queue-warn= --min-queue-age= --now= --jobs= --max-ops= --redact --color= --verbose --quiet --help" ;;
		show:*) words="--format= --part= --body-limit= --queue= --config= --queue-return= --queue-warn= --min-queue-age= --now= --jobs= --max-ops= --redact --color= --verbose --quiet --help" ;;
		shape:*) words="--format= --by= --senders --parents --min-subdomains= --buckets= --bucket-time= --linear --width= --top= --batch= --queue= --config= --queue-return= --queue-warn= --min-queue-age= --now= --jobs= --max-ops= --redact --color= --verbose --quiet --help" ;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	[[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
	return 0
}
complete -F _qf qf
