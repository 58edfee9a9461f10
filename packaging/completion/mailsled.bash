# bash completion for mailsled. Commands and options come from the program's
# own help, so they are those of the version that is installed.

_mailsled() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
	local program=${COMP_WORDS[0]} commands command='' i

	case $before in
	-c | --*file | --config | --output | --sizes)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	--path | --place | --to | --adopt)
		mapfile -t COMPREPLY < <(compgen -d -- "$word")
		return
		;;
	esac
	commands=$("$program" help 2>/dev/null | sed -n 's/^  \([a-z]*\) .*/\1/p')
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ " ${commands//$'\n'/ } " == *" ${COMP_WORDS[i]} "* ]]; then
			command=${COMP_WORDS[i]}
			break
		fi
	done
	if [[ $word == -* ]]; then
		commands="-c --json -q -v --help --version"
		[[ -z $command ]] || commands+=" $("$program" help "$command" \
			2>/dev/null | sed -n 's/^  \(--[a-z-]*\).*/\1/p')"
	elif [[ -n $command ]]; then
		return
	fi
	mapfile -t COMPREPLY < <(compgen -W "$commands help" -- "$word")
}

complete -o default -F _mailsled mailsled
