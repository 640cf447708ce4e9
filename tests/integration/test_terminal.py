# SPDX-License-Identifier: MIT
"""eventferryctl at a terminal: an editor for a dead row, the question before acts on many, and how
far long work is. The program gets a pseudo terminal of its own."""

import json
import os
import pty
import re
import signal
import stat

import pytest

from harness.daemon import binary
from harness.outbox import DEAD, RELAY
from harness.timing import wait_for

BAD = "no such topic!"


class Terminal:
    """A program in a session of its own whose terminal we are; used as a context."""

    def __init__(self, daemon, *words, **environment):
        command = [binary("eventferryctl"), "--config", daemon.config_path, *map(str, words)]
        self.text = ""
        self.pid, self.ours = pty.fork()
        if self.pid == 0:
            for number in (signal.SIGINT, signal.SIGQUIT):  # shells ignore them for what runs behind
                signal.signal(number, signal.SIG_DFL)
            os.execve(command[0], command, {**os.environ, "TERM": "xterm", **environment})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.ours)

    def read(self):
        try:
            self.text += os.read(self.ours, 65536).decode()
            return True
        except OSError:  # EIO: the program has ended
            return False

    def wait(self, words):
        def shown():
            self.read()
            return words in self.text

        wait_for(shown, 30, f"the words {words!r} in {self.text!r}")

    def type(self, keys):
        os.write(self.ours, keys.encode())

    def end(self):
        """Its exit code, or minus the signal that ended it."""
        while self.read():
            pass
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)


def status_of(db, row):
    found = db.run("SELECT status FROM public.outbox WHERE id = %s", [row])
    return found[0][0] if found else None


@pytest.fixture
def owner(db):
    with db.session() as session:
        session.run(f"GRANT UPDATE (topic, key, headers, payload, kafka_partition) ON public.outbox TO {RELAY}")
        yield session


@pytest.fixture
def dead(outbox, relay, owner):
    """A daemon and two dead rows."""
    daemon = relay(outbox)
    daemon.wait_running()
    rows = []
    for aggregate in ("a-1", "a-2"):
        message = outbox.insert(aggregate, topic=BAD, payload={"n": 1})
        rows.append(owner.run("SELECT id FROM public.outbox WHERE message_id = %s", [message])[0][0])
    wait_for(lambda: all(status_of(owner, row) == DEAD for row in rows), 20, "they are dead")
    return daemon, rows


@pytest.fixture
def editor(tmp_path):
    """editor(SHELL) makes an editor of a script; "$1" is the file. Files that are left over are
    found in editor.directory."""
    def make(script):
        path = tmp_path / "editor"
        path.write_text("#!/bin/sh\n" + script + "\n")
        path.chmod(0o755)
        return {"EDITOR": str(path), "VISUAL": "", "TMPDIR": str(make.directory)}

    make.directory = tmp_path / "files"
    make.directory.mkdir()
    return make


def columns_of(db, row):
    return db.run("SELECT topic, payload::text, status FROM public.outbox WHERE id = %s", [row])[0]


# --- an editor ---

def test_what_is_saved_is_changed(dead, editor, owner, topic):
    daemon, rows = dead
    with Terminal(daemon, "dead", "edit", rows[0],
                  **editor(f'sed -i "s/{BAD}/{topic}/" "$1"')) as terminal:
        assert terminal.end() == 0, terminal.text
    assert f"row {rows[0]} changed" in terminal.text
    assert columns_of(owner, rows[0]) == (topic, '{"n": 1}', DEAD)
    assert list(editor.directory.iterdir()) == []


def test_an_editor_that_changes_nothing_does_nothing(dead, editor, owner):
    daemon, rows = dead
    before = columns_of(owner, rows[0])
    with Terminal(daemon, "dead", "edit", rows[0], "--retry", **editor("true")) as terminal:
        assert terminal.end() == 0
    assert "nothing was changed" in terminal.text
    assert columns_of(owner, rows[0]) == before
    assert list(editor.directory.iterdir()) == []


def test_an_editor_that_fails_does_nothing(dead, editor, owner):
    daemon, rows = dead
    before = columns_of(owner, rows[0])
    with Terminal(daemon, "dead", "edit", rows[0],
                  **editor('sed -i s/no/yes/ "$1"; exit 1')) as terminal:
        assert terminal.end() == 1
    assert "the editor failed; nothing was changed" in terminal.text
    assert columns_of(owner, rows[0]) == before
    assert list(editor.directory.iterdir()) == []


@pytest.mark.parametrize("script,said", [
    ('echo "{\\"topic\\": " > "$1"', "what was saved is no JSON object: line"),
    ('echo "{\\"payload\\": 7}" > "$1"', '"payload" must be a string or null'),
    ('echo "{\\"colour\\": \\"red\\"}" > "$1"', 'nothing is called "colour"; there are topic, key')])
def test_what_cannot_be_taken_is_kept(dead, editor, owner, script, said):
    daemon, rows = dead
    before = columns_of(owner, rows[0])
    with Terminal(daemon, "dead", "edit", rows[0], **editor(script)) as terminal:
        assert terminal.end() == 1
    assert said in terminal.text
    assert columns_of(owner, rows[0]) == before
    kept, = editor.directory.iterdir()
    assert f'what you wrote is kept in "{kept}"' in terminal.text
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert kept.read_text().startswith("{")


def test_what_the_database_refuses_is_kept(dead, editor, owner, topic):
    daemon, rows = dead
    owner.run(f"REVOKE UPDATE (topic) ON public.outbox FROM {RELAY}")
    with Terminal(daemon, "dead", "edit", rows[0],
                  **editor(f'sed -i "s/{BAD}/{topic}/" "$1"')) as terminal:
        assert terminal.end() == 1
    assert "GRANT UPDATE" in terminal.text
    kept, = editor.directory.iterdir()
    assert f'kept in "{kept}"' in terminal.text
    assert json.loads(kept.read_text())["topic"] == topic


def test_interrupting_the_editor_does_not_end_the_program(dead, editor, owner, topic):
    """Ctrl-C reaches both; an editor such as vi goes on, and what it saves counts."""
    daemon, rows = dead
    script = (f"trap 'sed -i \"s/{BAD}/{topic}/\" \"$1\"; exit 0' INT\n"
              "echo ready; while :; do read line || :; done")
    with Terminal(daemon, "dead", "edit", rows[0], **editor(script)) as terminal:
        terminal.wait("ready")
        terminal.type("\x03")
        assert terminal.end() == 0, terminal.text
    assert columns_of(owner, rows[0])[0] == topic


# --- the question ---

@pytest.mark.parametrize("keys,done,code", [("y\n", True, 0), ("Yes\n", True, 0), ("n\n", False, 1),
                                            ("\n", False, 1), ("\x04", False, 1),
                                            ("\x03", False, -signal.SIGINT)])
def test_the_question_before_many_rows(dead, owner, keys, done, code):
    daemon, rows = dead
    with Terminal(daemon, "dead", "skip", "--all") as terminal:
        terminal.wait("do it? [y/N] ")
        terminal.type(keys)
        assert terminal.end() == code, terminal.text
    assert "skip 2 rows of 1 topic and 2 aggregates" in terminal.text
    assert [status_of(owner, row) for row in rows] == ([None, None] if done else [DEAD, DEAD])
    assert ("nothing was changed" in terminal.text) == (code == 1)
    if keys == "\x04":
        assert "[y/N] \r\n" in terminal.text


def test_one_row_is_not_asked_about(dead, owner):
    daemon, rows = dead
    with Terminal(daemon, "dead", "skip", rows[0]) as terminal:
        assert terminal.end() == 0
    assert "do it?" not in terminal.text and status_of(owner, rows[0]) is None


def test_the_question_keeps_no_daemon_waiting(dead, owner):
    """The tool has asked the database itself, and has no lease while people think."""
    daemon, rows = dead
    daemon.stop()
    with Terminal(daemon, "dead", "skip", "--all") as terminal:
        terminal.wait("do it? [y/N] ")
        assert owner.run("SELECT count(*) FROM eventferry.lease WHERE expires_at > now()") == [(0,)]
        daemon.start()
        daemon.wait_running()
        terminal.type("y\n")
        assert terminal.end() == 0, terminal.text
    assert [status_of(owner, row) for row in rows] == [None, None]


# --- how far it is ---

PURGE = ("purge", "--done", "--older-than", "1h", "--yes")


def fill(db, count):
    db.run("INSERT INTO public.outbox (message_id, aggregate_type, aggregate_id, topic, payload, status, "
           "processed_at) SELECT gen_random_uuid(), 'order', 'a-' || mod(n, 10), 't', '{}', 2, "
           "now() - interval '2 hours' FROM generate_series(1, %s) n", [count])


def test_long_work_shows_how_far_it_is_on_a_terminal(outbox, relay, owner):
    daemon = relay(outbox, {"on_delivered": "mark"})
    daemon.wait_running()
    fill(owner, 3500)
    with Terminal(daemon, *PURGE) as terminal:
        assert terminal.end() == 0, terminal.text
    assert re.search(r"\r\x1b\[K1 000 rows of 3 500, [\d ,.]+/s, [\d.]+ (s|ms|min) left", terminal.text), terminal.text
    drawn = terminal.text.split("\r\x1b[K")
    assert drawn[-1] == "3500 rows removed\r\n"  # the line is wiped before the result
    assert owner.run("SELECT count(*) FROM public.outbox")[0][0] == 0


def test_long_work_is_quiet_where_no_terminal_is(outbox, relay, owner):
    daemon = relay(outbox, {"on_delivered": "mark"})
    daemon.wait_running()
    fill(owner, 1500)
    done = daemon.ctl(*PURGE)
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "1500 rows removed" and "\r" not in done.stdout
