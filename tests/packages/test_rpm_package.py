# SPDX-License-Identifier: MIT
"""The life of the RPM package. A machine of Fedora's kind is not to be had everywhere, so rpm works in
a Debian box here: the files, owners, scripts and units are those of the package, the libraries come
from Debian, and rpm is told to believe that they are there. Wanted: EF_RPMS, the directory with the
package, and EF_NEWER_RPMS, the same one with a higher release."""

import glob
import os
import re
import shutil
import subprocess

import pytest

from box import Box
from harness.timing import wait_for
from stand import SECRET

SERVICE = "eventferryd.service"
CONFIG = "/etc/eventferry/eventferry.yaml"


def package(variable):
    found = [path for path in glob.glob(os.path.join(os.environ[variable], "eventferry-[0-9]*.rpm"))
             if not path.endswith(".src.rpm")]
    assert len(found) == 1, f"{variable}={os.environ[variable]} holds {found}"
    return found[0]


@pytest.fixture(scope="module")
def box(deb):
    """The libraries are those that the Debian package asks for."""
    depends = subprocess.run(["dpkg-deb", "-f", deb, "Depends"], stdout=subprocess.PIPE, text=True,
                             check=True).stdout
    libraries = re.findall(r"^\s*(lib[a-z0-9.+-]+)", depends.replace(",", "\n"), re.M)
    machine = Box("bookworm", "rpm", *libraries)
    try:
        machine.boot()
        yield machine
    finally:
        machine.discard()


def rpm(box, *arguments, **more):
    return box.run("rpm", "--force-debian", *arguments, **more)


def install(box, variable):
    shutil.copy(package(variable), box.path("/srv/eventferry.rpm"))
    done = rpm(box, "-U", "--nodeps", "/srv/eventferry.rpm")
    assert done.stdout + done.stderr == "" or "Created symlink" in done.stderr, done.stderr


def test_it_can_be_installed_into_another_root(tmp_path):
    """rpm --root: owners and modes of all files, from outside; no script may need more than a root."""
    subprocess.run(["rpm", "--root", str(tmp_path), "--force-debian", "--nodeps", "--noscripts", "-U",
                    package("EF_RPMS")], check=True)
    found = subprocess.run(["rpm", "--root", str(tmp_path), "-V", "--nodeps", "eventferry"],
                           stdout=subprocess.PIPE, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")
    assert oct(os.stat(tmp_path / "etc/eventferry/credentials").st_mode & 0o7777) == "0o700"


def test_files_owners_and_modes(box):
    install(box, "EF_RPMS")
    assert rpm(box, "-V", "--nodeps", "eventferry").stdout == ""
    for path, wanted in (
            (CONFIG, "root:root 644"), ("/etc/eventferry/credentials", "root:root 700"),
            ("/usr/sbin/eventferryd", "root:root 755"), ("/usr/bin/eventferryctl", "root:root 755"),
            ("/usr/lib/systemd/system/eventferryd.service", "root:root 644")):
        assert (path, box.owner_and_mode(path)) == (path, wanted)
    assert int(box.out("id", "-u", "eventferry")) < 1000
    assert box.out("systemctl", "is-enabled", SERVICE, expect=1) == "disabled"
    assert box.out("systemctl", "is-active", "eventferryd.target") == "active"
    assert box.out("eventferryd", "--check-config") == f"{CONFIG}: good"


def test_it_relays_and_survives_an_upgrade(box, stand):
    outbox = stand.outbox()
    text, _ = stand.configuration(outbox)
    box.write(CONFIG, text)
    box.write("/etc/eventferry/credentials/shop", SECRET, mode=0o600)
    box.run("systemctl", "enable", "--now", SERVICE)
    before = box.show(SERVICE, "MainPID")
    with stand.collector(outbox) as collector:
        collector.wait_ids([outbox.insert()])
        install(box, "EF_NEWER_RPMS")
        wait_for(lambda: box.show(SERVICE, "MainPID") not in ("0", before), 20, "another process")
        collector.wait_ids([outbox.insert()])
    assert box.read(CONFIG) == text
    assert ".newer" in rpm(box, "-q", "eventferry").stdout
    assert box.show(SERVICE, "ActiveState", "NRestarts") == {
        "ActiveState": "active", "NRestarts": "0"}


def test_an_upgrade_starts_nothing_that_was_stopped(box):
    box.run("systemctl", "stop", SERVICE)
    rpm(box, "-U", "--nodeps", "--replacepkgs", "/srv/eventferry.rpm")
    assert box.show(SERVICE, "ActiveState") == "inactive"
    box.run("systemctl", "start", "eventferryd.target")
    assert box.show(SERVICE, "ActiveState") == "active"


def test_erased_it_leaves_what_was_written(box):
    box.write("/etc/eventferry/second.yaml", "surprise: 1\n")
    box.run("systemctl", "enable", SERVICE, "eventferryd@second.service")
    box.run("systemctl", "start", "eventferryd@second.service", expect=1)
    rpm(box, "-e", "eventferry")
    assert box.show(SERVICE, "ActiveState") == "inactive"
    assert box.out("find", "/etc/systemd/system", "-name", "eventferry*") == ""
    assert box.out("systemctl", "--failed", "--no-legend", "--plain") == ""
    assert box.out("pgrep", "eventferryd", expect=1) == ""
    assert not box.exists("/usr/sbin/eventferryd")
    assert box.exists(CONFIG + ".rpmsave") and box.exists("/etc/eventferry/credentials/shop")
