# SPDX-License-Identifier: MIT
# bash completion for eventferryd and eventferryctl; installed under both names.
# Written by scripts/update-completions.

_eventferryd()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    case $before in
        --config | --port-file | -c)
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            compopt -o filenames 2>/dev/null
            return
            ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W '-c --config --check-config --print-config --print-options --port-file --core-dumps -V --version -h --help' -- "$word")
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

# Asked of the daemon; nothing where none answers.
_eventferryctl_outboxes()
{
    eventferryctl status 2>/dev/null </dev/null | awk '/^OUTBOX/ { on = 1; next } on && /^[^ ]/ { print $1 } on && /^$/ { exit }'
}

_eventferryctl()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words outboxes verb
    case $before in
        --config | --output | --payload-file | --socket | -c)
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            compopt -o filenames 2>/dev/null
            return
            ;;
        --after | --aggregate | --app-role | --brokers | --existing | --for | --grant-to | --headers | --id | --interval | --key | --last | --limit | --old-transaction | --older-than | --outbox | --partition | --partitions | --reason | --replication-factor | --set-topic | --setting | --table | --timeout | --topic | --until | --url | --wait)
            return
            ;;
        --class)
            mapfile -t COMPREPLY < <(compgen -W 'transient busy uncertain record destination outage fenced config fatal' -- "$word")
            return
            ;;
        --driver)
            mapfile -t COMPREPLY < <(compgen -W 'postgres mysql' -- "$word")
            return
            ;;
    esac
    verb=$(_eventferryctl_verb)
    case $verb in
        '') words='-c --config -V --version -h --help migrate doctor status pause resume drain reload lag top topics dead purge explain log-level' ;;
        migrate) words='--outbox --table --url --print --driver --grant-to --app-role --existing --doorbell --no-doorbell --remove-doorbell --wait -h --help' ;;
        doctor) words='--json -q --quiet --list --no-kafka --no-database --old-transaction -h --help' outboxes=yes ;;
        status) words='--json --socket -h --help' outboxes=yes ;;
        pause) words='--all --topic --aggregate --reason --socket -h --help' outboxes=yes ;;
        resume) words='--all --socket -h --help' outboxes=yes ;;
        drain) words='--all --timeout --socket -h --help' outboxes=yes ;;
        reload) words='--socket -h --help' ;;
        lag) words='--json --socket -h --help' outboxes=yes ;;
        top) words='--interval --once --socket -h --help' outboxes=yes ;;
        topics) words='describe validate ensure --topic --from-rows --partitions --replication-factor --setting --grow --dry-run --yes --brokers --json --socket -h --help' outboxes=yes ;;
        dead) words='list show retry skip edit export --topic --aggregate --class --since --until --id --all --waiting --limit --after --dry-run --yes --reason --json --output --payload-file --tombstone --set-topic --key --headers --partition --retry --socket -h --help' outboxes=yes ;;
        purge) words='--done --dead --older-than --dry-run --yes --reason --socket -h --help' outboxes=yes ;;
        explain) words='--last --no-kafka --json --socket -h --help' outboxes=yes ;;
        log-level) words='admin base daemon kafka loop main relay store debug info warn error reset --for --json --socket -h --help' ;;
        *) return ;;
    esac
    if [[ -n $outboxes && $word != -* ]]; then words+=" $(_eventferryctl_outboxes)"; fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -F _eventferryd eventferryd
complete -F _eventferryctl eventferryctl
