# SPDX-License-Identifier: MIT
# fish completion for eventferryd and eventferryctl; installed under both names.
# Written by scripts/update-completions.

function __eventferryctl_verb
    set -l skip no
    for word in (commandline -opc)[2..-1]
        if test $skip = yes
            set skip no
            continue
        end
        switch $word
            case -c --config
                set skip yes
            case '-*'
            case '*'
                echo $word
                return
        end
    end
end

function __eventferryctl_is
    contains -- (__eventferryctl_verb) $argv
end

function __eventferryctl_is_none
    test (count (__eventferryctl_verb)) -eq 0
end

function __eventferryctl_outboxes
    eventferryctl status 2>/dev/null </dev/null | awk '/^OUTBOX/ { on = 1; next } on && /^[^ ]/ { print $1 } on && /^$/ { exit }'
end

complete -c eventferryd -f
complete -c eventferryctl -f
complete -c eventferryd -s c -l config -r -F -d 'configuration (default /etc/eventferry/eventferry.yaml)'
complete -c eventferryd -l check-config -d 'check the configuration and end'
complete -c eventferryd -l print-config -d 'print the effective configuration, secrets masked'
complete -c eventferryd -l print-options -x -a 'text yaml man schema markdown' -d 'print every option as text, yaml, man, schema or markdown'
complete -c eventferryd -l port-file -r -F -d 'write the addresses chosen at start to FILE'
complete -c eventferryd -l core-dumps -d 'allow core dumps (they may hold payloads and secrets)'
complete -c eventferryd -s V -l version -d 'print the versions and end'
complete -c eventferryd -s h -l help -d 'a short help'
complete -c eventferryctl -n '__eventferryctl_is_none' -s c -l config -r -F -d 'default /etc/eventferry/eventferry.yaml'
complete -c eventferryctl -n '__eventferryctl_is_none' -s V -l version -d 'what this program is'
complete -c eventferryctl -n '__eventferryctl_is_none' -s h -l help -d 'a short help'

complete -c eventferryctl -n __eventferryctl_is_none -a migrate -d 'make or complete what an outbox needs in its database'
complete -c eventferryctl -n '__eventferryctl_is migrate' -l outbox -x -d 'only this outbox of the configuration, not all of them'
complete -c eventferryctl -n '__eventferryctl_is migrate' -l table -x -d 'this table, whatever the configuration says'
complete -c eventferryctl -n '__eventferryctl_is migrate' -l url -x -d 'connect here as the owner, directly and not through a pooler'
complete -c eventferryctl -n '__eventferryctl_is migrate' -l print -d 'show the SQL and run nothing: for a database with nothing in it'
complete -c eventferryctl -n '__eventferryctl_is migrate' -l driver -x -a 'postgres mysql' -d 'postgres or mysql, where neither --url nor the configuration says'
complete -c eventferryctl -n '__eventferryctl_is migrate' -l grant-to -x -d 'grant the role that eventferryd connects as what it needs'
complete -c eventferryctl -n '__eventferryctl_is migrate' -l app-role -x -d 'grant the application\'s role INSERT'
complete -c eventferryctl -n '__eventferryctl_is migrate' -l existing -x -d 'with layout: debezium, what becomes of the rows that are in the table'
complete -c eventferryctl -n '__eventferryctl_is migrate' -l doorbell -d 'make the doorbell for wake: notify'
complete -c eventferryctl -n '__eventferryctl_is migrate' -l no-doorbell -d 'do not'
complete -c eventferryctl -n '__eventferryctl_is migrate' -l remove-doorbell -d 'remove the doorbell and do nothing else'
complete -c eventferryctl -n '__eventferryctl_is migrate' -l wait -x -d 'how long to wait for locks, in all (30s)'
complete -c eventferryctl -n '__eventferryctl_is migrate' -s h -l help -d 'a short help'

complete -c eventferryctl -n __eventferryctl_is_none -a doctor -d 'look at everything the daemon needs, and say what mends it'
complete -c eventferryctl -n '__eventferryctl_is doctor' -a '(__eventferryctl_outboxes)' -d outbox
complete -c eventferryctl -n '__eventferryctl_is doctor' -l json -d 'all findings as JSON'
complete -c eventferryctl -n '__eventferryctl_is doctor' -s q -l quiet -d 'only what is not well'
complete -c eventferryctl -n '__eventferryctl_is doctor' -l list -d 'what is looked at, and end'
complete -c eventferryctl -n '__eventferryctl_is doctor' -l no-kafka -d 'leave the brokers alone'
complete -c eventferryctl -n '__eventferryctl_is doctor' -l no-database -d 'leave the databases alone'
complete -c eventferryctl -n '__eventferryctl_is doctor' -l old-transaction -x -d 'a transaction open for longer is a warning (5m)'
complete -c eventferryctl -n '__eventferryctl_is doctor' -s h -l help -d 'a short help'

complete -c eventferryctl -n __eventferryctl_is_none -a status -d 'show how the outboxes of a running daemon are'
complete -c eventferryctl -n '__eventferryctl_is status' -a '(__eventferryctl_outboxes)' -d outbox
complete -c eventferryctl -n '__eventferryctl_is status' -l json -d 'the whole picture as JSON'
complete -c eventferryctl -n '__eventferryctl_is status' -l socket -r -F -d 'the daemon\'s control socket (that of the configuration)'
complete -c eventferryctl -n '__eventferryctl_is status' -s h -l help -d 'a short help'

complete -c eventferryctl -n __eventferryctl_is_none -a pause -d 'stop relaying a table, whichever relay owns it'
complete -c eventferryctl -n '__eventferryctl_is pause' -a '(__eventferryctl_outboxes)' -d outbox
complete -c eventferryctl -n '__eventferryctl_is pause' -l all -d 'every outbox of this daemon'
complete -c eventferryctl -n '__eventferryctl_is pause' -l topic -x -d 'rows of this topic alone'
complete -c eventferryctl -n '__eventferryctl_is pause' -l aggregate -x -d 'rows of this aggregate alone'
complete -c eventferryctl -n '__eventferryctl_is pause' -l reason -x -d 'for whoever looks at the status'
complete -c eventferryctl -n '__eventferryctl_is pause' -l socket -r -F -d 'the daemon\'s control socket (that of the configuration)'
complete -c eventferryctl -n '__eventferryctl_is pause' -s h -l help -d 'a short help'

complete -c eventferryctl -n __eventferryctl_is_none -a resume -d 'end a pause or a drain'
complete -c eventferryctl -n '__eventferryctl_is resume' -a '(__eventferryctl_outboxes)' -d outbox
complete -c eventferryctl -n '__eventferryctl_is resume' -l all -d 'every outbox of this daemon'
complete -c eventferryctl -n '__eventferryctl_is resume' -l socket -r -F -d 'the daemon\'s control socket (that of the configuration)'
complete -c eventferryctl -n '__eventferryctl_is resume' -s h -l help -d 'a short help'

complete -c eventferryctl -n __eventferryctl_is_none -a drain -d 'stop reading and wait until nothing is in flight'
complete -c eventferryctl -n '__eventferryctl_is drain' -a '(__eventferryctl_outboxes)' -d outbox
complete -c eventferryctl -n '__eventferryctl_is drain' -l all -d 'every outbox of this daemon'
complete -c eventferryctl -n '__eventferryctl_is drain' -l timeout -x -d 'how long to wait (30s)'
complete -c eventferryctl -n '__eventferryctl_is drain' -l socket -r -F -d 'the daemon\'s control socket (that of the configuration)'
complete -c eventferryctl -n '__eventferryctl_is drain' -s h -l help -d 'a short help'

complete -c eventferryctl -n __eventferryctl_is_none -a reload -d 'make the daemon read its configuration again'
complete -c eventferryctl -n '__eventferryctl_is reload' -l socket -r -F -d 'the daemon\'s control socket (that of the configuration)'
complete -c eventferryctl -n '__eventferryctl_is reload' -s h -l help -d 'a short help'

complete -c eventferryctl -n __eventferryctl_is_none -a lag -d 'show how far the outboxes are behind'
complete -c eventferryctl -n '__eventferryctl_is lag' -a '(__eventferryctl_outboxes)' -d outbox
complete -c eventferryctl -n '__eventferryctl_is lag' -l json -d 'the same as JSON'
complete -c eventferryctl -n '__eventferryctl_is lag' -l socket -r -F -d 'the daemon\'s control socket (that of the configuration)'
complete -c eventferryctl -n '__eventferryctl_is lag' -s h -l help -d 'a short help'

complete -c eventferryctl -n __eventferryctl_is_none -a top -d 'watch the outboxes at work'
complete -c eventferryctl -n '__eventferryctl_is top' -a '(__eventferryctl_outboxes)' -d outbox
complete -c eventferryctl -n '__eventferryctl_is top' -l interval -x -d 'between two looks (2s)'
complete -c eventferryctl -n '__eventferryctl_is top' -l once -d 'one look, without the screen'
complete -c eventferryctl -n '__eventferryctl_is top' -l socket -r -F -d 'the daemon\'s control socket (that of the configuration)'
complete -c eventferryctl -n '__eventferryctl_is top' -s h -l help -d 'a short help'

complete -c eventferryctl -n __eventferryctl_is_none -a topics -d 'describe, validate or make topics in Kafka'
complete -c eventferryctl -n '__eventferryctl_is topics' -a 'describe validate ensure'
complete -c eventferryctl -n '__eventferryctl_is topics' -a '(__eventferryctl_outboxes)' -d outbox
complete -c eventferryctl -n '__eventferryctl_is topics' -l topic -x -d 'this topic, perhaps more than one'
complete -c eventferryctl -n '__eventferryctl_is topics' -l from-rows -d 'also those that undelivered rows of the table name'
complete -c eventferryctl -n '__eventferryctl_is topics' -l partitions -x -d 'of new topics (the brokers\' default)'
complete -c eventferryctl -n '__eventferryctl_is topics' -l replication-factor -x -d 'the same'
complete -c eventferryctl -n '__eventferryctl_is topics' -l setting -x -d 'a setting of these topics, perhaps more than one'
complete -c eventferryctl -n '__eventferryctl_is topics' -l grow -d 'add partitions to topics that have fewer'
complete -c eventferryctl -n '__eventferryctl_is topics' -l dry-run -d 'ask the brokers whether they would, and change nothing'
complete -c eventferryctl -n '__eventferryctl_is topics' -l yes -d 'do it without asking'
complete -c eventferryctl -n '__eventferryctl_is topics' -l brokers -x -d 'not those of the configuration'
complete -c eventferryctl -n '__eventferryctl_is topics' -l json -d 'the same as JSON'
complete -c eventferryctl -n '__eventferryctl_is topics' -l socket -r -F -d 'the daemon\'s control socket (that of the configuration)'
complete -c eventferryctl -n '__eventferryctl_is topics' -s h -l help -d 'a short help'

complete -c eventferryctl -n __eventferryctl_is_none -a dead -d 'look at rows that were given up, and act on them'
complete -c eventferryctl -n '__eventferryctl_is dead' -a 'list show retry skip edit export'
complete -c eventferryctl -n '__eventferryctl_is dead' -a '(__eventferryctl_outboxes)' -d outbox
complete -c eventferryctl -n '__eventferryctl_is dead' -l topic -x -d 'rows of this topic'
complete -c eventferryctl -n '__eventferryctl_is dead' -l aggregate -x -d 'rows of this aggregate'
complete -c eventferryctl -n '__eventferryctl_is dead' -l class -x -a 'transient busy uncertain record destination outage fenced config fatal' -d 'rows whose last error is of this class: record, transient, destination, or'
complete -c eventferryctl -n '__eventferryctl_is dead' -l since -d 'made then, 2026-11-24T06:14 in UTC, or so long ago: 2h'
complete -c eventferryctl -n '__eventferryctl_is dead' -l until -x -d 'made then, 2026-11-24T06:14 in UTC, or so long ago: 2h'
complete -c eventferryctl -n '__eventferryctl_is dead' -l id -x -d '1,2,10-20'
complete -c eventferryctl -n '__eventferryctl_is dead' -l all -d 'all of them, for retry and skip without a filter'
complete -c eventferryctl -n '__eventferryctl_is dead' -l waiting -d 'those of status 3'
complete -c eventferryctl -n '__eventferryctl_is dead' -l limit -x -d 'list: at most so many (50)'
complete -c eventferryctl -n '__eventferryctl_is dead' -l after -x -d 'list: those above it'
complete -c eventferryctl -n '__eventferryctl_is dead' -l dry-run -d 'show what would be done'
complete -c eventferryctl -n '__eventferryctl_is dead' -l yes -d 'do it to many rows without asking'
complete -c eventferryctl -n '__eventferryctl_is dead' -l reason -x -d 'for the audit'
complete -c eventferryctl -n '__eventferryctl_is dead' -l json -d 'JSON'
complete -c eventferryctl -n '__eventferryctl_is dead' -l output -r -F -d 'export: write there'
complete -c eventferryctl -n '__eventferryctl_is dead' -l payload-file -r -F -d 'edit: the new payload (-: standard input)'
complete -c eventferryctl -n '__eventferryctl_is dead' -l tombstone -d 'edit: no payload'
complete -c eventferryctl -n '__eventferryctl_is dead' -l set-topic -x -d 'edit: \'\' is SQL\'s NULL for key'
complete -c eventferryctl -n '__eventferryctl_is dead' -l key -x -d 'edit: \'\' is SQL\'s NULL for key'
complete -c eventferryctl -n '__eventferryctl_is dead' -l headers -x -d 'edit: \'\' is SQL\'s NULL for key'
complete -c eventferryctl -n '__eventferryctl_is dead' -l partition -x -d 'edit: \'\' is SQL\'s NULL for key'
complete -c eventferryctl -n '__eventferryctl_is dead' -l retry -d 'edit: and send it again'
complete -c eventferryctl -n '__eventferryctl_is dead' -l socket -r -F -d 'the daemon\'s control socket (that of the configuration)'
complete -c eventferryctl -n '__eventferryctl_is dead' -s h -l help -d 'a short help'

complete -c eventferryctl -n __eventferryctl_is_none -a purge -d 'remove finished rows from a table'
complete -c eventferryctl -n '__eventferryctl_is purge' -a '--done --dead'
complete -c eventferryctl -n '__eventferryctl_is purge' -a '(__eventferryctl_outboxes)' -d outbox
complete -c eventferryctl -n '__eventferryctl_is purge' -l older-than -x -d 'finished longer ago than that'
complete -c eventferryctl -n '__eventferryctl_is purge' -l dry-run -d 'count them and change nothing'
complete -c eventferryctl -n '__eventferryctl_is purge' -l yes -d 'do it without asking'
complete -c eventferryctl -n '__eventferryctl_is purge' -l reason -x -d 'for the audit'
complete -c eventferryctl -n '__eventferryctl_is purge' -l socket -r -F -d 'the daemon\'s control socket (that of the configuration)'
complete -c eventferryctl -n '__eventferryctl_is purge' -s h -l help -d 'a short help'

complete -c eventferryctl -n __eventferryctl_is_none -a explain -d 'show a row\'s message, and why it has not gone'
complete -c eventferryctl -n '__eventferryctl_is explain' -a '(__eventferryctl_outboxes)' -d outbox
complete -c eventferryctl -n '__eventferryctl_is explain' -l last -x -d 'the newest N rows of the table (1)'
complete -c eventferryctl -n '__eventferryctl_is explain' -l no-kafka -d 'ask no broker'
complete -c eventferryctl -n '__eventferryctl_is explain' -l json -d 'JSON'
complete -c eventferryctl -n '__eventferryctl_is explain' -l socket -r -F -d 'the daemon\'s control socket (that of the configuration)'
complete -c eventferryctl -n '__eventferryctl_is explain' -s h -l help -d 'a short help'

complete -c eventferryctl -n __eventferryctl_is_none -a log-level -d 'log more or less for a while'
complete -c eventferryctl -n '__eventferryctl_is log-level' -a 'admin base daemon kafka loop main relay store debug info warn error reset'
complete -c eventferryctl -n '__eventferryctl_is log-level' -l for -x -d 'until then (15m), at most 24h'
complete -c eventferryctl -n '__eventferryctl_is log-level' -l json -d 'what is in force, as JSON'
complete -c eventferryctl -n '__eventferryctl_is log-level' -l socket -r -F -d 'the daemon\'s control socket (that of the configuration)'
complete -c eventferryctl -n '__eventferryctl_is log-level' -s h -l help -d 'a short help'
