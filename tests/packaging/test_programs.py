# SPDX-License-Identifier: MIT
"""What the programs say about themselves, and how they are built: scripts/check-hardening finds each
protection that is missing."""

import os
import re
import shutil
import subprocess

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("EF_BUILD") or os.path.join(TOP, "build")
CHECK = os.path.join(TOP, "scripts", "check-hardening")
SONAMES = {"librdkafka": "librdkafka.so.", "libpq": "libpq.so.", "libmariadb": "libmariadb.so.",
           "libev": "libev.so.", "c-ares": "libcares.so.", "libyaml": "libyaml-0.so.",
           "jansson": "libjansson.so.", "libmicrohttpd": "libmicrohttpd.so.",
           "libsystemd": "libsystemd.so."}
# The C library's own, the allocators of --with-allocator, and what sanitizers bring.
OTHERS = re.compile(r"lib(c|m|pthread|dl|rt|resolv|gcc_s|jemalloc|mimalloc|.san)\.so\.|ld-linux")

# It has what the programs have: many functions that others may call, a frame of several pages, a call
# that can be fortified, and a --version.
SOURCE = r"""
#include <stdio.h>
#include <string.h>
#define F(n) __attribute__((noinline)) int ef_f##n(int x); \
    int ef_f##n(int x) { char b[64]; snprintf(b, sizeof(b), "%d", x + n); return b[0]; }
#define TEN(n) F(n##0) F(n##1) F(n##2) F(n##3) F(n##4) F(n##5) F(n##6) F(n##7) F(n##8) F(n##9)
TEN(1) TEN(2) TEN(3) TEN(4) TEN(5) TEN(6) TEN(7) TEN(8) TEN(9) TEN(10) TEN(11)
__attribute__((noinline)) void ef_large(const char *s);
void ef_large(const char *s) { char b[20000]; strcpy(b, s); puts(b); }
int main(int argc, char **argv)
{
    (void)argc;
    ef_large(argv[0]);
#ifdef __USE_FORTIFY_LEVEL
    printf("features: x, fortify %d\n", __USE_FORTIFY_LEVEL);
#endif
    return 0;
}
"""
FLAGS = {"fortify": "-D_FORTIFY_SOURCE=3", "pie": "-fPIE -pie", "relro": "-Wl,-z,relro",
         "now": "-Wl,-z,now", "stack": "-Wl,-z,noexecstack", "protector": "-fstack-protector-strong",
         "clash": "-fstack-clash-protection", "cf": "-fcf-protection"}
X86 = os.uname().machine == "x86_64"


def hardening(*programs):
    return subprocess.run([CHECK, *map(str, programs)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False, timeout=60)


@pytest.mark.parametrize("program", ["eventferryd", "eventferryctl"])
def test_version_names_the_libraries_that_are_linked(program):
    path = os.path.join(BUILD, program)
    dynamic = subprocess.run(["readelf", "-dW", path], stdout=subprocess.PIPE, text=True,
                             check=True).stdout
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)
    first, *lines, features = subprocess.run([path, "--version"], stdout=subprocess.PIPE, text=True,
                                             check=True).stdout.splitlines()
    assert re.fullmatch(rf"{program} \d+\.\d+\.\d+ \(.+\)", first)
    told = dict(line.split(" ", 1) for line in lines)
    assert set(told) <= set(SONAMES)
    for name, version in told.items():
        assert re.match(r"\d+\.\d+", version) or (name, version) == ("libsystemd", "(linked)")
    assert sorted(SONAMES[name] for name in told) == sorted(
        re.sub(r"(\.so\.).*", r"\1", soname) for soname in needed if not OTHERS.match(soname))
    assert re.fullmatch(r"features: systemd (yes|no), allocator \w+, fortify \d", features)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A program with all protections but one."""
    directory = tmp_path_factory.mktemp("programs")
    source = directory / "program.c"
    source.write_text(SOURCE)

    def build(without=None, instead=""):
        path = directory / f"without-{without}"
        flags = [flag for name, flag in FLAGS.items() if name != without and (X86 or name != "cf")]
        subprocess.run(["gcc", "-O2", "-U_FORTIFY_SOURCE", "-o", path, source, *" ".join(flags).split(),
                        *instead.split()], check=True)
        return path

    return build


def test_a_program_with_all_of_it_passes_stripped_too(made, tmp_path):
    path = made()
    done = hardening(path)
    assert (done.returncode, done.stdout) == (0, "")
    shutil.copy(path, tmp_path / "stripped")
    subprocess.run(["strip", tmp_path / "stripped"], check=True)
    done = hardening(tmp_path / "stripped")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("without, instead, said", [
    ("fortify", "", "no call is fortified"), ("fortify", "-D_FORTIFY_SOURCE=2", "at level 2"),
    ("pie", "-no-pie", "no position-independent executable"),
    ("relro", "-Wl,-z,norelro", "no read-only relocations"),
    ("now", "-Wl,-z,lazy", "relocations stay writable"),
    ("stack", "-Wl,-z,execstack", "the stack is executable"),
    ("protector", "-fno-stack-protector", "no stack protector"),
    (None, "-Wl,-rpath,/tmp", "libraries in a place of its own"),
    pytest.param("clash", "-fno-stack-clash-protection", "do not touch their pages",
                 marks=pytest.mark.skipif(not X86, reason="read from x86-64 code")),
    pytest.param("cf", "-fcf-protection=none", "does not begin with endbr64",
                 marks=pytest.mark.skipif(not X86, reason="an instruction of x86-64")),
])
def test_each_missing_protection_is_found(made, without, instead, said):
    done = hardening(made(without, instead))
    assert done.returncode == 1 and said in done.stdout, done.stdout


def test_the_programs_have_all_of_it():
    done = hardening(os.path.join(BUILD, "eventferryd"), os.path.join(BUILD, "eventferryctl"))
    assert (done.returncode, done.stdout) == (0, "")
