# SPDX-License-Identifier: MIT
"""The life of the Debian package on a machine: install, configure, run, upgrade under traffic,
reboot, remove, purge. The tests build on each other, in this order."""

import json
import os
import re
import shutil
import subprocess
import time

import pytest
import requests

from harness.checker import assert_intact
from harness.timing import scaled, wait_for
from stand import SECRET, newer

SERVICE = "eventferryd.service"
INSTANCE = "eventferryd@second.service"
CONFIG = "/etc/eventferry/eventferry.yaml"


class Relay:
    """The configuration that the relay of the box runs with, and its view from outside."""

    def __init__(self, box, stand):
        self.box = box
        self.outbox = stand.outbox()
        self.text, self.port = stand.configuration(self.outbox)
        self.second, self.second_port = stand.configuration(
            self.outbox, instance="second", control={"socket": "/run/eventferryd-second/control.sock"})

    def get(self, path, port=None):
        try:
            return requests.get(f"http://127.0.0.1:{port or self.port}{path}", timeout=scaled(5))
        except requests.RequestException:
            return None

    def state(self, port=None):
        answer = self.get("/status", port)
        return answer.json()["outboxes"][0]["state"] if answer is not None else None

    def wait_state(self, *states, port=None, timeout=20):
        wait_for(lambda: self.state(port) in states, timeout, f"the relay is {states}")

    def main_pid(self, unit=SERVICE):
        return int(self.box.show(unit, "MainPID"))


@pytest.fixture(scope="module")
def relay(box, stand):
    return Relay(box, stand)


@pytest.fixture(scope="module")
def upgraded(deb, tmp_path_factory):
    return newer(deb, str(tmp_path_factory.mktemp("newer")), "0.1.0-2")


def install(box, deb, *options):
    shutil.copy(deb, box.path("/srv/eventferry.deb"))
    return box.run("apt-get", "-q", "-y", "--no-install-recommends", *options, "install",
                   "/srv/eventferry.deb", timeout=300)


def doctor(box, config=CONFIG):
    """What eventferryctl doctor finds about the unit of a configuration."""
    done = box.run("eventferryctl", "--config", config, "doctor", "--no-kafka", "--no-database", "--json",
                   expect=None)
    findings = json.loads(done.stdout)["findings"]
    return next(finding for finding in findings if finding["id"] == "host.unit")


def snapshot(box):
    """Owner, mode, size and path of all that belongs to the package, and what units are on."""
    files = box.out("sh", "-c", "dpkg -L eventferry | xargs stat -c '%U:%G %a %s %n' | sort; "
                                "find /etc/eventferry /var/lib/eventferryd* -printf '%u:%g %m %p\\n' "
                                "2>/dev/null | sort; getent passwd eventferry; "
                                "getent group eventferry eventferry-admin")
    units = box.out("systemctl", "list-unit-files", "--no-legend", "eventferry*")
    return files, units, box.read(CONFIG)


def test_programs_in_the_package_are_hardened(deb, tmp_path):
    """As the packaging tools compiled, linked and stripped them, with flags of their own."""
    subprocess.run(["dpkg-deb", "-x", deb, tmp_path], check=True)
    scripts = os.path.join(os.path.dirname(__file__), "..", "..", "scripts")
    done = subprocess.run([os.path.join(scripts, "check-hardening"), tmp_path / "usr/sbin/eventferryd",
                           tmp_path / "usr/bin/eventferryctl"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_clean_machine_installs_it(box, deb):
    box.run("apt-get", "-q", "update", timeout=300)
    done = install(box, deb)
    assert "warning" not in (done.stdout + done.stderr).lower(), done.stdout + done.stderr
    assert box.out("dpkg-query", "-W", "-f", "${Status}", "eventferry") == "install ok installed"
    assert box.out("dpkg", "--verify", "eventferry") == ""
    assert "eventferryd" in box.out("eventferryd", "--version")
    assert "eventferryctl" in box.out("eventferryctl", "--version")


def test_nothing_runs_before_somebody_wants_it(box):
    assert box.out("systemctl", "is-enabled", SERVICE, expect=1) == "disabled"
    assert box.show(SERVICE, "ActiveState") == "inactive"
    assert box.out("systemctl", "is-enabled", "eventferryd.target") == "enabled"
    assert box.show("eventferryd.target", "ActiveState") == "active"


def test_account_files_and_modes(box):
    assert re.fullmatch(r"eventferry:!?\*?x?:\d+:\d+:eventferry outbox relay:/var/lib/eventferryd:"
                        r"/usr/sbin/nologin", box.out("getent", "passwd", "eventferry"))
    assert int(box.out("id", "-u", "eventferry")) < 1000
    assert box.out("id", "-Gn", "eventferry") == "eventferry"
    assert box.out("getent", "group", "eventferry-admin").startswith("eventferry-admin:")
    for path, wanted in (
            ("/etc/eventferry", "root:root 755"), (CONFIG, "root:root 644"),
            ("/etc/eventferry/credentials", "root:root 700"),
            ("/usr/sbin/eventferryd", "root:root 755"), ("/usr/bin/eventferryctl", "root:root 755"),
            ("/usr/lib/sysusers.d/eventferry.conf", "root:root 644"),
            ("/usr/share/eventferry/eventferry.yaml", "root:root 644"),
            ("/usr/share/eventferry/sql/postgresql/10_schema.sql", "root:root 644"),
            ("/usr/share/bash-completion/completions/eventferryctl", "root:root 644"),
            ("/usr/share/zsh/vendor-completions/_eventferry", "root:root 644"),
            ("/usr/share/fish/vendor_completions.d/eventferryctl.fish", "root:root 644"),
            ("/usr/lib/systemd/catalog/eventferry.catalog", "root:root 644"),
            ("/usr/share/eventferry/contrib/prometheus/alerts.yml", "root:root 644"),
            ("/usr/share/man/man8/eventferryd.8.gz", "root:root 644")):
        assert (path, box.owner_and_mode(path)) == (path, wanted)
    assert box.out("sh", "-c", "dpkg -L eventferry | xargs stat -c '%U:%G' | sort -u") == "root:root"
    assert box.out("sh", "-c", "dpkg -L eventferry | xargs -I@ find @ -maxdepth 0 ! -type l "
                               "-perm /022") == ""


def test_systemd_has_nothing_against_the_units(box):
    for unit in (SERVICE, "eventferryd@.service", "eventferryd.target"):
        path = box.show(unit.replace("@.", "@x."), "FragmentPath")
        done = box.run("systemd-analyze", "verify", "--man=no", path)
        assert done.stdout + done.stderr == ""
    for unit in (SERVICE, "eventferryd@x.service"):
        box.run("systemd-analyze", "security", "--threshold=20", unit)


def test_the_sample_is_a_good_configuration(box):
    assert box.out("eventferryd", "--check-config") == f"{CONFIG}: good"
    assert box.read(CONFIG) == box.read("/usr/share/eventferry/eventferry.yaml")


def test_a_relay_starts_and_reads_its_secret(box, relay, stand):
    box.write(CONFIG, relay.text)
    box.write("/etc/eventferry/credentials/shop", SECRET, mode=0o600)
    box.run("systemctl", "enable", "--now", SERVICE)
    assert box.show(SERVICE, "ActiveState", "SubState", "Type") == {
        "ActiveState": "active", "SubState": "running", "Type": "notify"}
    relay.wait_state("running")
    message_id = relay.outbox.insert()
    with stand.collector(relay.outbox) as collector:
        collector.wait_ids([message_id])
    wait_for(lambda: box.show(SERVICE, "StatusText") == "1 running", 10, "the unit's status text")
    assert relay.get("/readyz").status_code == 200
    assert SECRET not in box.out("journalctl", "-u", SERVICE, "-o", "json")
    assert SECRET not in box.out("systemctl", "show", SERVICE)


def test_the_journal_explains_what_the_relay_says(box, relay):
    fields = box.out("journalctl", "-u", SERVICE, "-o", "json", "EVENTFERRY_EVENT=starting")
    assert re.search(r'"MESSAGE_ID":"[0-9a-f]{32}"', fields.replace('" : "', '":"'))
    explained = box.out("journalctl", "-u", SERVICE, "-x", "EVENTFERRY_EVENT=starting")
    assert "Defined-By: eventferryd" in explained
    assert "What to do: Nothing. Many of these lines in a row are a restart loop" in explained


def test_the_relay_is_confined(box, relay):
    pid = relay.main_pid()
    assert box.owner_and_mode(f"/proc/{pid}").startswith("eventferry:eventferry ")
    status = box.out("cat", f"/proc/{pid}/status")
    assert re.search(r"^CapBnd:\s+0+$", status, re.M) and re.search(r"^CapEff:\s+0+$", status, re.M)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.M) and re.search(r"^Seccomp:\s+2$", status, re.M)
    for path, wanted in (("/run/eventferryd", "eventferry:eventferry 755"),
                         ("/run/eventferryd/control.sock", "eventferry:eventferry-admin 660"),
                         ("/var/lib/eventferryd", "eventferry:eventferry 750")):
        assert (path, box.owner_and_mode(path)) == (path, wanted)
    assert "Max core file size        0                    0" in box.out("cat", f"/proc/{pid}/limits")
    unit = box.show(SERVICE, "MemoryMax", "MemoryHigh", "TasksMax", "WatchdogUSec",
                    "TimeoutStopUSec", "RestartPreventExitStatus")
    assert unit["MemoryMax"] == str(1 << 30) and unit["TasksMax"] == "256"
    assert unit["WatchdogUSec"] == "30s" and unit["TimeoutStopUSec"] == "40s"
    assert unit["RestartPreventExitStatus"].split()[:3] == ["64", "77", "78"]


def test_members_of_the_admin_group_operate_it(box):
    box.run("useradd", "--groups", "eventferry-admin", "deputy")
    box.run("useradd", "stranger")
    shown = box.out("setpriv", "--reuid=deputy", "--regid=deputy", "--init-groups",
                    "eventferryctl", "status")
    assert "orders" in shown and "running" in shown
    box.run("setpriv", "--reuid=stranger", "--regid=stranger", "--init-groups",
            "eventferryctl", "status", expect=69)


def test_reload_fails_on_a_refused_configuration(box, relay):
    pid = relay.main_pid()
    box.write(CONFIG, relay.text + "log: {level: debug}\n")
    box.run("systemctl", "reload", SERVICE)
    box.write(CONFIG, relay.text + "log: {level: loud}\n")
    assert box.run("systemctl", "reload", SERVICE, expect=None).returncode != 0
    assert relay.main_pid() == pid and box.show(SERVICE, "ActiveState") == "active"
    box.write(CONFIG, relay.text)
    box.run("systemctl", "reload", SERVICE)
    assert relay.main_pid() == pid and relay.state() == "running"


def test_a_crash_is_followed_by_a_start(box, relay):
    box.run("systemctl", "kill", "-s", "KILL", SERVICE)
    wait_for(lambda: box.show(SERVICE, "NRestarts") == "1", 20, "the unit was started again")
    relay.wait_state("running")
    assert doctor(box) == {"id": "host.unit", "level": "WARN", "subject": "host", "text":
                           f"{SERVICE} was restarted 1 time after it had failed",
                           "mend": [f"journalctl -u {SERVICE} -p warning"]}


def test_a_stuck_loop_is_noticed(box, relay):
    drop_in = "/run/systemd/system/eventferryd.service.d"
    box.run("mkdir", "-p", drop_in)
    box.run("tee", f"{drop_in}/watchdog.conf", stdin="[Service]\nWatchdogSec=1\n")
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "restart", SERVICE)
    relay.wait_state("running")
    pid = relay.main_pid()
    box.run("kill", "-STOP", str(pid))
    wait_for(lambda: relay.main_pid() not in (0, pid), 20, "the watchdog ended and replaced it")
    assert "Watchdog timeout" in box.out("journalctl", "-u", SERVICE)
    box.run("rm", "-r", drop_in)
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "restart", SERVICE)
    relay.wait_state("running")


def test_a_wrong_configuration_is_not_tried_again(box, relay):
    box.write(CONFIG, relay.text + "surprise: 1\n")
    box.run("systemctl", "restart", SERVICE, expect=1)
    assert box.show(SERVICE, "ActiveState", "ExecMainStatus", "NRestarts") == {
        "ActiveState": "failed", "ExecMainStatus": "78", "NRestarts": "0"}
    assert "surprise" in box.out("journalctl", "-u", SERVICE)
    box.write("/srv/good.yaml", relay.text)
    found = doctor(box, "/srv/good.yaml")
    assert (found["level"], found["text"]) == ("FAIL", f"{SERVICE} has failed: exit-code")
    box.write(CONFIG, relay.text)
    box.run("systemctl", "start", SERVICE)
    relay.wait_state("running")


def test_instances_stand_beside_each_other(box, relay):
    box.write("/etc/eventferry/second.yaml", relay.second)
    box.run("systemctl", "enable", "--now", INSTANCE)
    relay.wait_state("standby", port=relay.second_port)
    assert box.owner_and_mode("/var/lib/eventferryd-second") == "eventferry:eventferry 750"
    found = doctor(box, "/etc/eventferry/second.yaml")
    assert (found["level"], found["text"]) == ("OK", f"{INSTANCE} is active")
    # the second takes over at once, and the target ends and starts both
    box.run("systemctl", "stop", SERVICE)
    relay.wait_state("running", port=relay.second_port)
    box.run("systemctl", "stop", "eventferryd.target")
    assert box.show(INSTANCE, "ActiveState") == "inactive"
    found = doctor(box, "/etc/eventferry/second.yaml")
    assert (found["level"], found["text"]) == ("WARN", f"{INSTANCE} is inactive")
    box.run("systemctl", "start", "eventferryd.target")
    wait_for(lambda: {relay.state(), relay.state(relay.second_port)} == {"running", "standby"}, 20,
             "one of the two relays, the other stands by")


def test_upgrade_under_traffic(box, relay, stand, upgraded):
    pids = relay.main_pid(), relay.main_pid(INSTANCE)
    before = snapshot(box)
    with stand.writers(relay.outbox, threads=3) as writers, \
            stand.collector(relay.outbox) as collector:
        wait_for(lambda: writers.count > 200, 20, "traffic")
        install(box, upgraded)
        assert box.out("dpkg-query", "-W", "-f", "${Version}", "eventferry") == "0.1.0-2"
        done_at = time.time()
        wait_for(lambda: any(row.committed_at > done_at + 0.5 for row in writers.committed), 20,
                 "traffic after the upgrade")
        rows = writers.stop()
        collector.wait_ids([row.message_id for row in rows], timeout=30)
        messages = [message for message in collector.drain()
                    if message.message_id in {row.message_id for row in rows}]
    assert not set(pids) & {relay.main_pid(), relay.main_pid(INSTANCE)}
    assert_intact(rows, messages, repeats=0)
    after = snapshot(box)
    assert after[1:] == before[1:]
    for unit in (SERVICE, INSTANCE):
        assert box.show(unit, "ActiveState", "NRestarts") == {
            "ActiveState": "active", "NRestarts": "0"}


def test_a_relay_runs_on_until_the_package_is_in_place(box, relay, upgraded):
    """Unpacking takes as long as a disk takes; only configuring restarts."""
    pids = relay.main_pid(), relay.main_pid(INSTANCE)
    box.run("dpkg", "--unpack", "/srv/eventferry.deb")
    assert (relay.main_pid(), relay.main_pid(INSTANCE)) == pids
    box.run("dpkg", "--configure", "eventferry")
    assert not {0, *pids} & {relay.main_pid(), relay.main_pid(INSTANCE)}


def test_an_upgrade_starts_nothing_that_was_stopped(box, relay, upgraded):
    """What is enabled may have been stopped for a reason, and what runs need not be enabled."""
    box.run("systemctl", "disable", SERVICE)
    box.run("systemctl", "stop", INSTANCE)
    pid = relay.main_pid()
    install(box, upgraded, "--reinstall")
    assert relay.main_pid() not in (0, pid)
    assert box.show(INSTANCE, "ActiveState") == "inactive"
    assert box.out("systemctl", "is-enabled", SERVICE, expect=1) == "disabled"
    box.run("systemctl", "stop", "eventferryd.target")
    install(box, upgraded, "--reinstall")
    for unit in (SERVICE, INSTANCE, "eventferryd.target"):
        assert (unit, box.show(unit, "ActiveState")) == (unit, "inactive")
    box.run("systemctl", "enable", SERVICE)
    box.run("systemctl", "start", "eventferryd.target")
    wait_for(lambda: {relay.state(), relay.state(relay.second_port)} == {"running", "standby"}, 20,
             "one of the two relays, the other stands by")


def test_an_upgrade_leaves_a_drop_in_of_the_administrator(box, relay, upgraded):
    """What "systemctl edit" writes: it counts, and stays."""
    drop_in = "/etc/systemd/system/eventferryd.service.d/override.conf"
    box.run("mkdir", os.path.dirname(drop_in))
    box.write(drop_in, "[Service]\nMemoryMax=2G\nLoadCredential=extra:/etc/hostname\n")
    box.run("systemctl", "daemon-reload")
    install(box, upgraded, "--reinstall")
    assert box.show(SERVICE, "MemoryMax") == str(2 << 30)
    assert box.out("ls", f"/run/credentials/{SERVICE}").split() == ["ef_shop", "extra"]
    box.run("rm", "-r", os.path.dirname(drop_in))
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "restart", SERVICE)


def test_installing_again_changes_nothing(box, relay, upgraded):
    pid = relay.main_pid()
    before = snapshot(box)
    install(box, upgraded, "--reinstall")
    assert snapshot(box) == before
    assert relay.main_pid() not in (0, pid)


def test_enabled_relays_are_there_after_a_boot(box, relay):
    box.shut_down()
    box.boot()
    wait_for(lambda: {relay.state(), relay.state(relay.second_port)} == {"running", "standby"}, 30,
             "both relays after a boot")
    assert box.out("systemctl", "--failed", "--no-legend", "--plain") == ""


def test_remove_keeps_configuration_and_state(box, relay):
    # one relay runs without the target, one failed
    box.run("systemctl", "stop", "eventferryd.target")
    box.run("systemctl", "start", SERVICE)
    box.run("systemctl", "start", "eventferryd@third.service", expect=1)
    assert box.show("eventferryd@third.service", "ActiveState") == "failed"
    box.run("apt-get", "-q", "-y", "remove", "eventferry")
    for unit in (SERVICE, INSTANCE, "eventferryd@third.service"):
        assert (unit, box.show(unit, "ActiveState")) == (unit, "inactive")
    assert box.out("pgrep", "eventferryd", expect=1) == ""
    assert not box.exists("/usr/sbin/eventferryd")
    assert box.read(CONFIG) == relay.text
    assert box.read("/etc/eventferry/credentials/shop") == SECRET
    assert box.exists("/var/lib/eventferryd") and box.exists("/var/lib/eventferryd-second")
    assert "eventferry" in box.out("getent", "passwd", "eventferry")


def test_installing_after_remove_finds_the_configuration(box, relay, deb):
    install(box, deb)
    assert box.read(CONFIG) == relay.text
    assert box.out("systemctl", "is-enabled", SERVICE) == "enabled"
    # both were enabled before: installing starts the two, and either may own the outbox
    wait_for(lambda: {relay.state(), relay.state(relay.second_port)} == {"running", "standby"}, 30,
             "both relays after installing again")


def test_purge_takes_all_but_other_peoples_files(box):
    box.run("apt-get", "-q", "-y", "purge", "eventferry")
    assert sorted(box.out("find", "/etc/eventferry", "-type", "f").split()) == [
        "/etc/eventferry/credentials/shop", "/etc/eventferry/second.yaml"]
    left = box.out("find", "/usr", "/var/lib", "/etc/systemd", "/run/systemd", "-name",
                   "*eventferry*", "!", "-path", "/var/lib/dpkg/*", "!", "-path",
                   "/var/lib/systemd/*")
    assert left == ""
    assert "eventferry" not in box.out("dpkg-query", "-W", "-f", "${Package} ${Status}\n")
    box.run("rm", "-r", "/etc/eventferry")
    assert box.out("systemctl", "--failed", "--no-legend", "--plain") == ""


def test_purge_of_an_untouched_package_leaves_nothing(box, deb):
    install(box, deb)
    box.run("apt-get", "-q", "-y", "purge", "eventferry")
    assert not box.exists("/etc/eventferry") and not box.exists("/var/lib/eventferryd")
