# SPDX-License-Identifier: MIT
"""Completion in bash, zsh and fish, asked of the shells themselves, against what --help of the built
programs says."""

import os
import re
import shutil
import subprocess

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(TOP, os.environ.get("EF_BUILD") or "build")
SCALE = float(os.environ.get("EF_TEST_TIMEOUT_SCALE", "1"))
SHELLS = ["bash", "zsh", "fish"]
STATUS = """relay-1: eventferryd 0.1.0, pid 812, up 3 d 4 h, ready
Kafka up, 3 brokers connected, kafka-1:9092

OUTBOX  STATE    OWNER    LAG ROWS  OLDEST  IN FLIGHT   RATE
orders  running  this           12   40 ms         12  812/s
        2 topics on hold
mails   standby  relay-2         -       -          0    0/s
"""


def helped(*command):
    return subprocess.run([os.path.join(BUILD, command[0]), *command[1:], "--help"], check=True,
                          stdout=subprocess.PIPE, text=True, timeout=60 * SCALE).stdout


def verbs():
    listed = helped("eventferryctl").split("\n\n")[1]
    return [line.split()[0] for line in listed.splitlines() if re.match(r"  [a-z]", line)]


def long_options(text):
    """Every long option anywhere in a help text, usage lines included."""
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """A PATH whose eventferryctl knows two outboxes."""
    directory = tmp_path_factory.mktemp("bin")
    fake = directory / "eventferryctl"
    fake.write_text(f"#!/bin/sh\n[ $1 = status ] && cat <<'END'\n{STATUS}END\n", encoding="ascii")
    fake.chmod(0o755)
    (directory / "inside").write_text(ZSH_INSIDE, encoding="ascii")
    return directory


@pytest.fixture(params=SHELLS)
def complete(request, programs):
    """complete("eventferryctl", "status", "--j") is what the shell offers for the last word."""
    shell = shutil.which(request.param)
    if shell is None and not os.environ.get("CI"):
        pytest.skip(f'no {request.param} here; "make deps" installs it')
    assert shell, f"{request.param} is missing, which make deps should have installed"

    def ask(*words):
        done = subprocess.run([shell, *SCRIPTS[request.param](words)], cwd=TOP, check=False,
                              env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}",
                                   "HOME": str(programs), "LC_ALL": "C.UTF-8"},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60 * SCALE)
        assert done.returncode == 0 and done.stderr == "", done.stdout + done.stderr
        return READERS[request.param](done.stdout, words[-1])

    ask.shell = request.param
    return ask


def bash_script(words):
    quoted = " ".join(f"'{word}'" for word in words)
    return ["--norc", "-c", f"source completions/eventferry.bash; COMP_WORDS=({quoted}); "
            f"COMP_CWORD={len(words) - 1}; _{words[0]}; printf '%s\\n' \"${{COMPREPLY[@]}}\""]


def fish_script(words):
    return ["--no-config", "-c", "source completions/eventferry.fish; "
            f"complete -C '{' '.join(words)}'"]


ZSH_INSIDE = """
fpath=(completions $fpath)
autoload -Uz compinit
compinit -u -d $HOME/dump
bindkey '^I' complete-word
bindkey '^U' kill-whole-line
unset PROMPT_SP PROMPT_CR
# Every match that is offered goes through compadd; calls with -O, -A or -D only sort them.
compadd() {
    if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)* ]]; then
        local -a hits
        local hit
        builtin compadd -O hits "$@"
        for hit in $hits; do print -r -- $hit >>$HOME/hits; done
    fi
    builtin compadd "$@"
}
PS1='READ''Y>'
"""
ZSH_OUTSIDE = """
zmodload zsh/zpty
rm -f $HOME/hits
zpty shell 'TERM=dumb zsh -f -i'
zpty -w shell 'source $HOME/inside'
zpty -r shell seen '*READY>*' || exit 1 # zsh edits the line from here on
zpty -w -n shell $1$'\\t'
zpty -w shell $'\\x15'"print DO''NE"
zpty -r shell seen '*DONE*' || exit 1
zpty -d shell
[[ ! -e $HOME/hits ]] || cat $HOME/hits
"""


def zsh_script(words):
    """On a pseudo terminal: completion in zsh works only while somebody edits a line."""
    return ["-f", "-c", ZSH_OUTSIDE, "zsh", " ".join(words)]


SCRIPTS = {"bash": bash_script, "fish": fish_script, "zsh": zsh_script}
READERS = {"bash": lambda out, word: set(out.split()),
           "fish": lambda out, word: {line.split("\t")[0] for line in out.splitlines()},
           "zsh": lambda out, word: {hit for hit in out.split() if hit.startswith(word.rsplit("/")[-1][:1])}}


def test_verbs(complete):
    assert set(verbs()) <= complete("eventferryctl", "")
    assert {"status"} == complete("eventferryctl", "stat")


def test_options_of_the_daemon(complete):
    wanted = long_options(helped("eventferryd"))
    assert len(wanted) >= 8
    assert {name.rstrip("=") for name in complete("eventferryd", "--")} == wanted


def test_options_before_the_verb(complete):
    assert complete("eventferryctl", "--") >= {"--config", "--help", "--version"}


def test_options_of_every_verb(complete):
    for verb in verbs():
        wanted = long_options(helped("eventferryctl", verb)) - {"--config"} | {"--help"}
        offered = {name.rstrip("=") for name in complete("eventferryctl", verb, "--")}
        assert wanted <= offered | {"--"}, f"{verb}: {wanted - offered}"


def test_options_after_another_configuration(complete):
    assert "--json" in complete("eventferryctl", "--config", "x.yaml", "status", "--j")


def test_names_of_outboxes(complete):
    assert complete("eventferryctl", "status", "") >= {"orders", "mails"}
    assert complete("eventferryctl", "pause", "or") == {"orders"}
    assert not complete("eventferryctl", "reload", "") & {"orders", "mails"}


def test_words_of_an_option(complete):
    assert complete("eventferryctl", "migrate", "--driver", "") == {"postgres", "mysql"}


def test_files(complete):
    offered = complete("eventferryd", "--config", "conf/event")
    assert {os.path.basename(name.rstrip("/")) for name in offered} >= {"eventferry.yaml"}
