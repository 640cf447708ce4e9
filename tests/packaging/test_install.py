# SPDX-License-Identifier: MIT
"""What "make install", "make uninstall" and "make dist" leave behind, and the systemd units."""

import os
import re
import shutil
import stat
import subprocess
import tarfile

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
# As make names it: another spelling of the same directory would compile everything again.
BUILD = os.path.relpath(os.environ.get("EF_BUILD") or os.path.join(TOP, "build"), TOP)
SCALE = float(os.environ.get("EF_TEST_TIMEOUT_SCALE", "1"))


def run(*command, cwd=TOP, **environment):
    done = subprocess.run(command, cwd=cwd, env={**os.environ, "LC_ALL": "C", **environment},
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=300 * SCALE, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done


def make(goal, root):
    return run("make", goal, f"DESTDIR={root}", f"BUILD={BUILD}", "prefix=/usr")


def tree(root):
    """Relative path to permission bits of every file below root."""
    found = {}
    for directory, _, names in os.walk(root):
        for name in names:
            path = os.path.join(directory, name)
            found[os.path.relpath(path, root)] = stat.S_IMODE(os.lstat(path).st_mode)
    return found


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    make("install", root)
    return root


def test_every_file_is_there_with_its_mode(installed):
    files = tree(installed)
    expected = {
        "usr/sbin/eventferryd": 0o755,
        "usr/bin/eventferryctl": 0o755,
        "etc/eventferry/eventferry.yaml": 0o644,
        "usr/lib/systemd/system/eventferryd.service": 0o644,
        "usr/lib/systemd/system/eventferryd@.service": 0o644,
        "usr/lib/systemd/system/eventferryd.target": 0o644,
        "usr/lib/systemd/system-preset/90-eventferry.preset": 0o644,
        "usr/lib/systemd/catalog/eventferry.catalog": 0o644,
        "usr/lib/sysusers.d/eventferry.conf": 0o644,
        "usr/share/bash-completion/completions/eventferryd": 0o644,
        "usr/share/bash-completion/completions/eventferryctl": 0o644,
        "usr/share/zsh/site-functions/_eventferry": 0o644,
        "usr/share/fish/vendor_completions.d/eventferryd.fish": 0o644,
        "usr/share/fish/vendor_completions.d/eventferryctl.fish": 0o644,
        "usr/share/man/man8/eventferryd.8": 0o644,
        "usr/share/man/man1/eventferryctl.1": 0o644,
        "usr/share/man/man5/eventferry.yaml.5": 0o644,
        "usr/share/eventferry/contrib/README.md": 0o644,
        "usr/share/eventferry/contrib/grafana/eventferry.json": 0o644,
        "usr/share/eventferry/contrib/prometheus/alerts.yml": 0o644,
        "usr/share/doc/eventferry/README.md": 0o644,
        "usr/share/doc/eventferry/LICENSE": 0o644,
        "usr/share/doc/eventferry/eventferry.spdx.json": 0o644,
    }
    assert {path: oct(files.get(path, 0)) for path in expected} == \
        {path: oct(mode) for path, mode in expected.items()}
    sql = [path for path in files if path.startswith("usr/share/eventferry/sql/postgresql/")]
    assert sql and all(files[path] == 0o644 for path in sql)
    examples = [path for path in files if path.startswith("usr/share/doc/eventferry/examples/")]
    assert examples
    programs = {"usr/sbin/eventferryd", "usr/bin/eventferryctl"}
    assert not [path for path, mode in files.items() if mode & 0o111 and path not in programs]


def test_secrets_have_a_directory_for_root_alone(installed):
    assert stat.S_IMODE(os.stat(installed / "etc/eventferry/credentials").st_mode) == 0o700


def test_installed_programs_name_their_version(installed):
    version = re.search(r"AC_INIT\(\[eventferry\], \[(.*)\]\)",
                        open(os.path.join(TOP, "configure.ac"), encoding="ascii").read())[1]
    for program in ("usr/sbin/eventferryd", "usr/bin/eventferryctl"):
        assert version in run(str(installed / program), "--version").stdout


def test_sample_configuration_is_valid(installed):
    run(str(installed / "usr/sbin/eventferryd"), "--check-config",
        "--config", str(installed / "etc/eventferry/eventferry.yaml"))


def test_programs_are_hardened(installed):
    for program in ("usr/sbin/eventferryd", "usr/bin/eventferryctl"):
        headers = run("readelf", "-hldW", str(installed / program)).stdout
        assert re.search(r"Type: +DYN", headers), "not position independent"
        assert "GNU_RELRO" in headers
        assert re.search(r"FLAGS.*BIND_NOW|FLAGS_1.*NOW", headers), "lazy binding"
        assert re.search(r"GNU_STACK .* RW +0x", headers), "executable stack"


def test_the_journal_takes_the_catalogue_of_messages(installed):
    """journalctl makes its binary form of it below another root, and lists what it has then."""
    os.makedirs(installed / "var/lib/systemd/catalog", exist_ok=True)
    run("journalctl", f"--root={installed}", "--update-catalog")
    listed = run("journalctl", f"--root={installed}", "--list-catalog").stdout.splitlines()
    entries = open(os.path.join(TOP, "src/log-messages.in"), encoding="ascii").read()
    shutil.rmtree(installed / "var")
    assert len(listed) == len(re.findall(r"^\[", entries, re.M))
    assert [line for line in listed if line.endswith("eventferryd: topic paused; its rows wait, others go on")]


def test_second_install_keeps_an_edited_configuration(tmp_path):
    make("install", tmp_path)
    config = tmp_path / "etc/eventferry/eventferry.yaml"
    config.write_text("# mine\n", encoding="ascii")
    make("install", tmp_path)
    assert config.read_text(encoding="ascii") == "# mine\n"


def test_uninstall_leaves_only_the_configuration(tmp_path):
    make("install", tmp_path)
    make("uninstall", tmp_path)
    assert list(tree(tmp_path)) == ["etc/eventferry/eventferry.yaml"]


def test_other_prefix_reaches_the_units(tmp_path):
    run("make", "install", f"DESTDIR={tmp_path}", f"BUILD={BUILD}", "prefix=/opt/ef",
        "sysconfdir=/opt/ef/etc")
    unit = (tmp_path / "opt/ef/lib/systemd/system/eventferryd.service").read_text(encoding="ascii")
    assert "ExecStart=/opt/ef/sbin/eventferryd --config /opt/ef/etc/eventferry/eventferry.yaml" \
        in unit
    assert "ExecReload=/opt/ef/bin/eventferryctl " in unit
    assert (tmp_path / "opt/ef/etc/eventferry/eventferry.yaml").exists()


@pytest.fixture(scope="module", params=["eventferryd.service", "eventferryd@.service"])
def unit(request, installed, tmp_path_factory):
    """A unit as installed, its programs looked for below the scratch root."""
    text = (installed / "usr/lib/systemd/system" / request.param).read_text(encoding="ascii")
    copy = tmp_path_factory.mktemp("unit") / request.param
    copy.write_text(re.sub(r"^(Exec\w+=)/", rf"\1{installed}/", text, flags=re.M),
                    encoding="ascii")
    return copy


def test_systemd_finds_no_fault_in_the_units(unit):
    done = run("systemd-analyze", "verify", "--man=no", str(unit))
    assert done.stdout + done.stderr == ""


def test_units_are_hardened(unit):
    report = run("systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)).stdout
    exposure = float(re.search(r"Overall exposure level .*: ([0-9.]+)", report)[1])
    assert exposure <= 2.0


def test_the_instance_unit_is_the_plain_one_for_a_name():
    """Two files, since systemd knows no other way; they differ in the name alone."""
    def settings(name):
        text = open(os.path.join(TOP, "systemd", name), encoding="ascii").read()
        return [line for line in text.splitlines() if not line.startswith("#")]

    plain = [re.sub(r"^(Description=.*)$", r"\1, instance %i",
                    re.sub(r"^((?:Runtime|State)Directory=.*)$", r"\1-%i",
                           line.replace("/eventferry.yaml", "/%i.yaml")))
             for line in settings("eventferryd.service")]
    assert plain == settings("eventferryd@.service")


def test_the_stop_has_longer_than_the_relay_takes():
    sample = open(os.path.join(TOP, "conf/eventferry.yaml"), encoding="ascii").read()
    for name in ("eventferryd.service", "eventferryd@.service"):
        text = open(os.path.join(TOP, "systemd", name), encoding="ascii").read()
        assert int(re.search(r"^TimeoutStopSec=(\d+)$", text, re.M)[1]) >= \
            int(re.search(r"^#?shutdown_timeout: (\d+)s$", sample, re.M)[1]) + 10


def test_units_agree_with_the_exit_codes_and_limits(unit):
    text = unit.read_text(encoding="ascii")
    for line in ("Type=notify", "Restart=on-failure", "RestartPreventExitStatus=64 77 78",
                 "WatchdogSec=30", "TimeoutStopSec=40", "LimitCORE=0", "User=eventferry",
                 "LoadCredential=ef:/etc/eventferry/credentials", "TasksMax=256"):
        assert f"\n{line}\n" in text


def test_tarball_is_reproducible_and_builds(tmp_path):
    if not os.path.exists(os.path.join(TOP, ".git")):
        pytest.skip("a tarball is made from a checkout, and this is none")
    name = run("make", "dist").stdout.split()[-1]
    path = os.path.join(TOP, name)
    first = open(path, "rb").read()
    run("make", "dist")
    assert open(path, "rb").read() == first
    with tarfile.open(path) as tar:
        tar.extractall(tmp_path)
    os.unlink(path)
    top = tmp_path / name.replace(".tar.gz", "")
    assert (top / "configure").exists()
    assert not (top / ".git").exists()
    # Without inherited settings of the make that runs these tests, and quick to compile.
    run("make", "-j2", "CFLAGS=-O0", "BUILD=build", cwd=top, MAKEFLAGS="", MAKELEVEL="")
    assert (top / "build/eventferryd").exists() and (top / "build/eventferryctl").exists()
