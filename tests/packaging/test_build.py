# SPDX-License-Identifier: MIT
"""What make compiles anew, and what it shows."""

import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))


def make(directory, goal, *settings):
    done = subprocess.run(["make", f"BUILD={directory}", *settings, f"{directory}/{goal}"], cwd=TOP,
                          env={**os.environ, "MAKEFLAGS": "", "MAKELEVEL": ""}, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_tests_are_compiled_without_compiling_the_rest_anew(tmp_path):
    """flags.txt, on which every object depends, is the same whoever asks for it."""
    make(tmp_path, "src/base/error.o")
    assert "src/base/error.c" in make(tmp_path, "src/base/error.o", "CFLAGS=-O1")
    make(tmp_path, "tests/unit/test_ctl_shown.o", "CFLAGS=-O1")
    assert "src/base/error.c" not in make(tmp_path, "src/base/error.o", "CFLAGS=-O1")


def test_commands_are_shown_on_request(tmp_path):
    shown = make(tmp_path, "src/base/error.o")
    assert "CC   src/base/error.c" in shown and "-fPIE" not in shown
    os.unlink(tmp_path / "src/base/error.o")
    assert "-fPIE" in make(tmp_path, "src/base/error.o", "V=1")
