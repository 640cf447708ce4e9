# SPDX-License-Identifier: MIT
"""make release-check ends at the first step that fails, and never calls a run complete that was not."""

import os
import re
import shutil
import subprocess

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
SCRIPT = os.path.join(TOP, "scripts", "release-check")


def steps():
    with open(SCRIPT, encoding="utf-8") as text:
        return re.findall(r"^step (\S+)", text.read(), re.M)


def check(directory, *wanted, **variables):
    return subprocess.run([os.path.join(directory, "scripts", "release-check")], cwd=directory,
                          env={**os.environ, "SKIP": " ".join(set(steps()) - set(wanted)), **variables},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                          timeout=60)


def house(path, heading):
    os.symlink(os.path.join(TOP, "scripts"), path / "scripts")
    (path / "CHANGELOG.md").write_text(f"# Changelog\n\n## {heading}\n", encoding="utf-8")
    return path


def test_steps_left_out_are_no_release(tmp_path):
    done = check(house(tmp_path, "0.1.0, 2030-01-01"), "changelog")
    assert done.returncode == 1 and "=== changelog: good, 0 s" in done.stdout, done.stdout
    assert "this is no proof" in done.stdout and "ready" not in done.stdout


def test_the_first_failure_ends_it(tmp_path):
    done = check(house(tmp_path, "0.1.0, unreleased"), "changelog", "sbom")
    assert done.returncode == 1 and "=== changelog: FAILED" in done.stdout, done.stdout
    assert 'still says "unreleased"' in done.stdout and "=== sbom" not in done.stdout


@pytest.mark.parametrize("fails", ["none", "lint-deb", "lint-rpm", "make deb", "make rpm", "other deb",
                                   "other rpm"])
def test_a_failure_in_the_middle_of_a_step_counts(tmp_path, fails):
    """The tools are stand-ins; make writes a package, another one the second time if it is to differ."""
    for path in ("scripts", "tools"):
        os.mkdir(tmp_path / path)
    shutil.copy(SCRIPT, tmp_path / "scripts")
    for path, does in (
            ("scripts/lint-deb", f'[ "{fails}" != lint-deb ]'),
            ("scripts/lint-rpm", f'[ "{fails}" != lint-rpm ]'),
            ("tools/make", f'mkdir -p "build/$1"; echo "$1" >"build/$1/x.$1"; echo >>"times.$1"; '
                           f'[ "{fails}" != "other $1" ] || cp "times.$1" "build/$1/x.$1"; '
                           f'[ "{fails}" != "make $1" ] || [ "$(wc -l <"times.$1")" -gt 1 ]')):
        (tmp_path / path).write_text(f"#!/bin/sh\nset -e\n{does}\n", encoding="ascii")
        os.chmod(tmp_path / path, 0o755)
    done = check(tmp_path, "packages", PATH=f"{tmp_path}/tools:{os.environ['PATH']}")
    said = "=== packages: good" if fails == "none" else "=== packages: FAILED"
    assert said in done.stdout, done.stdout


def test_the_document_names_every_step():
    with open(os.path.join(TOP, "docs", "releasing.md"), encoding="utf-8") as text:
        named = {name for row in re.findall(r"^ +\| ([a-z, -]+) \|", text.read(), re.M)
                 for name in row.split(", ")}
    assert named - {"step"} == set(steps())
