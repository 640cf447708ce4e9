# SPDX-License-Identifier: MIT
# bash completion for eventferryd and eventferryctl; installed under both names.

_eventferryd()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    case $before in
        -c | --config | --port-file)
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            compopt -o filenames
            return
            ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W '--config --check-config --print-config
        --print-options --port-file --core-dumps --version --help' -- "$word")
}

# The verb is the first word that is neither an option nor the argument of --config.
_eventferryctl_verb()
{
    local at
    for ((at = 1; at < COMP_CWORD; at++)); do
        case ${COMP_WORDS[at]} in
            -c | --config) ((at++)) ;;
            -*) ;;
            *)
                echo "${COMP_WORDS[at]}"
                return
                ;;
        esac
    done
}

_eventferryctl()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words verb
    case $before in
        -c | --config | --socket)
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            compopt -o filenames
            return
            ;;
        --existing)
            mapfile -t COMPREPLY < <(compgen -W 'sent pending' -- "$word")
            return
            ;;
        --reason | --timeout | --wait | --url | --table | --outbox | --grant-to | --app-role)
            return
            ;;
    esac
    verb=$(_eventferryctl_verb)
    case $verb in
        '') words='--config --version --help status pause resume drain reload migrate doctor' ;;
        status) words='--json --socket --help' ;;
        pause) words='--reason --all --socket --help' ;;
        resume) words='--all --socket --help' ;;
        drain) words='--timeout --all --socket --help' ;;
        reload) words='--socket --help' ;;
        doctor) words='--quiet --json --list --no-kafka --no-database --old-transaction --help' ;;
        migrate) words='--outbox --table --url --print --grant-to --app-role --existing --doorbell
            --no-doorbell --remove-doorbell --wait --help' ;;
        *) return ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -F _eventferryd eventferryd
complete -F _eventferryctl eventferryctl
