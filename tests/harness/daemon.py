# SPDX-License-Identifier: MIT
"""eventferryd under test: its configuration file, its process, its endpoints and its log."""

import os
import re
import signal
import subprocess

import requests

from . import metrics, yaml
from .logpipe import LogPipe
from .processes import Process, command, free_port, remove, scratch
from .timing import NotInTime, scaled, wait_for

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FIELD = re.compile(r'([A-Za-z_][A-Za-z0-9_.]*)=("(?:[^"\\]|\\.)*"|[^\s"]*)(?:\s|\Z)')
ESCAPE = re.compile(r'\\(n|"|\\|u[0-9a-f]{4})')


def build_directory():
    return os.environ.get("EF_BUILD") or os.path.join(REPOSITORY, "build")


def binary(name):
    """The program of this build; EF_BUILD names another build directory."""
    path = os.path.join(build_directory(), name)
    assert os.access(path, os.X_OK), f"{path} has not been built"
    return path


def merge(base, *changes):
    """Dictionaries merge key by key; None takes a key out; anything else replaces."""
    result = dict(base)
    for change in changes:
        for key, value in change.items():
            if value is None:
                result.pop(key, None)
            elif isinstance(value, dict) and isinstance(result.get(key), dict):
                result[key] = merge(result[key], value)
            else:
                result[key] = value
    return result


def parse_logfmt(line):
    """The fields of a log line; None for a line that is none (a sanitizer's report, say)."""
    fields, position = {}, 0
    while position < len(line):
        match = FIELD.match(line, position)
        if not match:
            return None
        value = match[2]
        if value.startswith('"'):
            value = ESCAPE.sub(_unescape, value[1:-1])
        fields[match[1]] = value
        position = match.end()
    return fields or None


def _unescape(match):
    text = match[1]
    if text.startswith("u"):
        return chr(int(text[1:], 16))
    return "\n" if text == "n" else text


class Daemon:
    """One process (started again under the same configuration and state after stop or kill)."""

    def __init__(self, config, env=None, arguments=(), drop_root=False, piped_log=False):
        self.directory = scratch("ef-d-", for_server=drop_root)
        self.config_path = os.path.join(self.directory, "eventferry.yaml")
        self.env = env or {}
        self.arguments = list(arguments)
        self.drop_root = drop_root
        self.piped_log = piped_log
        self.log_pipe = None  # the present run's LogPipe, where piped_log was asked for
        self.process = None
        self.runs = 0
        self.port = free_port()
        self.config = merge({
            "http": {"listen": f"127.0.0.1:{self.port}"},
            "control": {"socket": os.path.join(self.directory, "control.sock")},
            "state_dir": os.path.join(self.directory, "state"),
            "log": {"level": "debug"},
        }, config)
        os.makedirs(os.path.join(self.directory, "state"))
        self.write_config()
        if drop_root:
            self._own_by_server()

    def _own_by_server(self):
        owner = os.stat(self.directory)
        for name in ("state", "eventferry.yaml"):
            os.chown(os.path.join(self.directory, name), owner.st_uid, owner.st_gid)

    def write_config(self, *changes, text=None):
        self.config = merge(self.config, *changes)
        with open(self.config_path, "w", encoding="utf-8") as out:
            out.write(text if text is not None else yaml.dump(self.config))

    # life

    def launch(self):
        """Starts the process and waits for nothing."""
        assert self.process is None or not self.process.running
        self.runs += 1
        log_path = os.path.join(self.directory, f"log.{self.runs}")
        if self.piped_log:
            self.log_pipe = LogPipe(log_path)
        self.process = Process(
            [binary("eventferryd"), "--config", self.config_path, *self.arguments],
            log_path, env=self.env, drop_root=self.drop_root, death_signal="KILL",
            output=self.log_pipe)
        if self.log_pipe:
            self.log_pipe.handed_over()
        return self

    def start(self, timeout=10):
        """Starts and waits until the process answers; not until it relays."""
        self.launch()
        self.wait_live(timeout)
        return self

    def wait_live(self, timeout=10):
        def answers():
            assert self.process.running, \
                f"eventferryd ended with {self.process.exit_code}:\n{self.process.log_tail()}"
            return self.get_code("/livez") == 200

        wait_for(answers, timeout, "eventferryd answers /livez")

    def wait_state(self, *states, outbox=None, timeout=20):
        """Until the outbox (or the only one) is in one of these states of /status."""
        def reached():
            now = self.outbox(outbox)
            return now if now and now["state"] in states else None

        try:
            return wait_for(reached, timeout, f"outbox is {' or '.join(states)}")
        except NotInTime as error:
            raise NotInTime(f"{error}; it is {self.outbox(outbox)}") from None

    def wait_running(self, outbox=None, timeout=20):
        return self.wait_state("running", outbox=outbox, timeout=timeout)

    def stop(self, expect=0, timeout=40):
        code = self.process.stop(signal.SIGTERM, timeout)
        if expect is not None:
            assert code == expect, f"exit code {code}, expected {expect}:\n" \
                                   f"{self.process.log_tail()}"
        return code

    def kill(self):
        """As long as it runs: one that has ended by itself is not taken for killed."""
        self.process.kill()
        assert self.process.child.returncode == -signal.SIGKILL, \
            f"it had ended by itself: {self.process.child.returncode}"

    def pause(self):
        self.process.pause()

    def resume(self):
        self.process.resume()

    def reload(self):
        self.process.send(signal.SIGHUP)

    def discard(self):
        """Ends whatever runs. A process that does not stop by itself is the test's failure."""
        running = self.process is not None and self.process.running
        code = self.process.stop(signal.SIGTERM, 40) if running else None
        remove(self.directory)
        return code

    @property
    def pid(self):
        return self.process.pid

    @property
    def running(self):
        return self.process is not None and self.process.running

    # endpoints

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def get(self, path, **more):
        return requests.get(self.url(path), timeout=scaled(5), **more)

    def get_code(self, path):
        try:
            return self.get(path).status_code
        except requests.RequestException:
            return None

    def status(self):
        return self.get("/status").json()

    def outbox(self, name=None):
        """The outbox's part of /status; None while nobody answers."""
        try:
            outboxes = self.status()["outboxes"]
        except requests.RequestException:
            return None
        if name is None:
            assert len(outboxes) == 1, "name the outbox"
            return outboxes[0]
        return next(o for o in outboxes if o["name"] == name)

    def metrics(self):
        answer = self.get("/metrics")
        assert answer.status_code == 200
        return metrics.Page(answer.text)

    def metric(self, name, **labels):
        """Sum over the matching series, 0 when there is none yet; without the prefix."""
        return self.metrics().total("eventferry_" + name, **labels)

    def ctl(self, *arguments, config=True, timeout=30, **more):
        return ctl(*(["--config", self.config_path] if config else []), *arguments,
                   timeout=timeout, **more)

    # log

    def log_text(self):
        parts = []
        for run in range(1, self.runs + 1):
            with open(os.path.join(self.directory, f"log.{run}"), encoding="utf-8",
                      errors="replace") as text:
                parts.append(text.read())
        return "".join(parts)

    def log(self, **wanted):
        """Log lines as dictionaries whose fields contain the wanted texts."""
        lines = (parse_logfmt(line) for line in self.log_text().splitlines())
        return [line for line in lines if line is not None
                and all(text in line.get(key, "") for key, text in wanted.items())]

    def wait_log(self, timeout=10, **wanted):
        return wait_for(lambda: self.log(**wanted), timeout, f"a log line with {wanted}")[0]


def run(name, *arguments, timeout=20, env=None, drop_root=False):
    """Runs a program of the build to its end; the result has returncode, stdout and stderr."""
    return subprocess.run(command([binary(name), *arguments], drop_root), capture_output=True,
                          text=True, timeout=scaled(timeout), check=False,
                          stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})})


def ctl(*arguments, timeout=30, env=None, expect=0):
    """eventferryctl; expect None takes any exit code."""
    done = run("eventferryctl", *arguments, timeout=timeout, env=env)
    if expect is not None:
        assert done.returncode == expect, f"eventferryctl {' '.join(map(str, arguments))}: exit " \
            f"{done.returncode}, expected {expect}\n{done.stdout}{done.stderr}"
    return done
