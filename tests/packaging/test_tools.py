# SPDX-License-Identifier: MIT
"""The scripts of the build find what they are there to find.

clang-format is played by a script: version 14, which alone is accepted, is not to be had on every
system that the tests run on."""

import os
import shutil
import subprocess

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
SPDX = "SPDX-License-" + "Identifier: MIT"
UNFINISHED = "TO" + "DO"


# Calls itself version 14 and dislikes two blanks before a name.
FORMATTER = r'''#!/bin/sh
[ "$1" != --version ] || { echo "clang-format version 14.0.6"; exit 0; }
shift 2 # --dry-run -Werror
! grep -Hn '[a-z]  [a-z]' "$@" /dev/null
'''


@pytest.fixture
def house(tmp_path):
    """An empty house with the real scripts; put() furnishes it, check() runs one check."""
    os.symlink(os.path.join(TOP, "scripts"), tmp_path / "scripts")
    shutil.copy(os.path.join(TOP, ".clang-format"), tmp_path)

    class House:
        root = tmp_path

        @staticmethod
        def put(path, text):
            target = tmp_path / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")

        @staticmethod
        def run(*command, **environment):
            return subprocess.run(command, cwd=tmp_path, env={**os.environ, **environment},
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=60, check=False)

        def check(self, name, **environment):
            if name == "format" and not environment:
                self.put("formatter", FORMATTER)
                os.chmod(tmp_path / "formatter", 0o755)
                environment = {"CLANG_FORMAT": "./formatter"}
            return self.run(f"scripts/check-{name}", **environment)

    return House()


def good(house):
    house.put("src/base/a.h", f"// {SPDX}\n/* Owns nothing. */\n#pragma once\nint ef_a(void);\n")
    house.put("src/base/a.c", f'// {SPDX}\n#include "base/a.h"\n\nint ef_a(void)\n{{\n'
                              "    return 1;\n}\n")
    house.put("src/store/b.c", f'// {SPDX}\n#include "base/a.h"\n\n#include <libpq-fe.h>\n')
    house.put("src/kafka/c.c", f"// {SPDX}\n#include <librdkafka/rdkafka.h>\n")


CHECKS = ["includes", "format", "spdx", "paths", "words", "shell", "python"]


@pytest.mark.parametrize("name", CHECKS)
def test_a_clean_house_passes(house, name):
    good(house)
    os.unlink(house.root / "scripts")
    (house.root / "scripts").mkdir()
    for script in (f"check-{name}", "list-files"):
        shutil.copy(os.path.join(TOP, "scripts", script), house.root / "scripts")
    done = house.check(name)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name,path,text,complaint", [
    ("includes", "src/outbox/x.c", '#include "store/store.h"\n', "src/outbox/x.c:1: "),
    ("includes", "src/base/x.c", '\n#include "loop/loop.h"\n', "src/base/x.c:2: "),
    ("includes", "src/outbox/x.c", "#include <libpq-fe.h>\n", "src/outbox/x.c:1: "),
    ("includes", "src/relay/x.c", "#include <librdkafka/rdkafka.h>\n", "src/relay/x.c:1: "),
    ("includes", "src/daemon.c", "#include <libpq-fe.h>\n", "src/daemon.c:1: "),
    ("includes", "src/base/x.c", '#include "a.h"\n', 'must be written as "room/file.h"'),
    ("includes", "src/base/x.c", '#include "base/nowhere.h"\n', "is not there"),
    ("includes", "src/attic/x.c", "", "src/attic is no room"),
    ("format", "src/base/x.c", "int  x;\n", "src/base/x.c:1:"),
    ("spdx", "src/base/x.c", "int x;\n", "src/base/x.c:1: "),
    ("spdx", "docs/x.md", "# x\n", "docs/x.md:1: "),
    ("paths", "docs/x.md", "see /ro" + "ot/notes\n", "docs/x.md:1: "),
    ("words", "src/base/x.c", f"\n// {UNFINISHED} later\n", "src/base/x.c:2: "),
    ("shell", "tool", "#!/bin/sh\nrm $x\n", "tool:2:"),
    ("python", "x.py", "import os\n", "x.py:1:"),
    ("python", "x.py", "#!/usr/bin/env python3\n", "x.py:1: "),
    ("man", "man/eventferryd.8", ".Dd\n.Xx\n", "eventferryd.8:2:"),
    ("man", "docs/x.md", "", "man/eventferryctl.1:1: is missing"),
])
def test_a_fault_is_found_and_named(house, name, path, text, complaint):
    good(house)
    house.put(path, text)
    done = house.check(name)
    assert done.returncode != 0
    assert complaint in done.stdout


@pytest.mark.parametrize("source,complaint", [
    ('ef_warn("new words", EF_INT("n", 1));', 'a.c:3: src/log-messages.in has no entry for the message "new words"'),
    ('ef_warn(text);', "a.c:3: the message of a log line must be constant"),
    ('ef_info("known");', "a page"),
    ('', "log-messages.in:1: nothing logs the message of known_one any more"),
])
def test_log_messages_and_their_catalogue_agree(house, source, complaint):
    house.put("src/log-messages.in", "[known_one]\nmessage: known\nmeans: A test,\n  no more.\ndo: Nothing.\n")
    house.put("src/relay/a.c", f'#define EF_LOG_ROOM "relay"\nvoid f(void) {{\n{source}\n}}\n')
    (house.root / "docs").mkdir()
    (house.root / "systemd").mkdir()
    done = house.check("log-messages")
    assert done.returncode == 1
    if complaint != "a page":
        assert complaint in done.stdout
        return
    assert "docs/log-messages.md:1: " in done.stdout and "systemd/eventferry.catalog:1: " in done.stdout
    assert house.run("scripts/update-log-catalogue").returncode == 0
    assert house.check("log-messages").returncode == 0
    page = (house.root / "docs/log-messages.md").read_text(encoding="utf-8")
    assert "## relay\n\n### known_one\n\n*known* (info)\n\nA test, no more.\n\n**Do:** Nothing.\n" in page


def test_other_formatters_are_refused(house):
    house.put("formatter", "#!/bin/sh\necho clang-format version 19.1.7\n")
    os.chmod(house.root / "formatter", 0o755)
    done = house.check("format", CLANG_FORMAT="./formatter")
    assert done.returncode == 1
    assert "is version 19" in done.stdout


def test_symbols_are_ours_and_calls_are_safe(house):
    house.put("good.c", "int ef_x(void);\nint ef_x(void) { return 1; }\n")
    house.put("bad.c", "#include <string.h>\nvoid other(char *a, char *b) { strcpy(a, b); }\n"
                       "unsigned sleep(unsigned s);\nvoid ef_y(void) { sleep(1); }\n")
    for name in ("good", "bad"):
        assert house.run("cc", "-c", f"{name}.c").returncode == 0
    assert house.run("ar", "rcs", "libeventferryctl.a", "good.o").returncode == 0
    assert house.run("ar", "rcs", "libeventferry.a", "good.o").returncode == 0
    done = house.check("symbols", EF_BUILD=".")
    assert (done.returncode, done.stdout) == (0, "")
    assert house.run("ar", "rcs", "libeventferry.a", "bad.o").returncode == 0
    done = house.check("symbols", EF_BUILD=".")
    assert done.returncode == 1
    for complaint in ("bad.o: defines other,", "bad.o: calls strcpy:", "bad.o: calls sleep:"):
        assert complaint in done.stdout


def test_headers_compile_alone(house):
    good(house)
    compiler = "cc -Isrc -Wall -Werror -MMD"
    done = house.check("headers", EF_COMPILE=compiler)
    assert (done.returncode, done.stdout) == (0, "")
    house.put("src/base/z.h", f"// {SPDX}\n#pragma once\nsize_t ef_z(void);\n")
    done = house.check("headers", EF_COMPILE=compiler)
    assert done.returncode == 1
    assert "src/base/z.h:2: must begin with a comment" in done.stdout
    assert "size_t" in done.stdout


DAEMON = """#!/bin/sh
case $1 in
--print-options=schema)
    echo '{"properties": {"outboxes": {"items": {"properties": {"max_rows": {}}}}}}' ;;
--print-options=man) echo '.It Cm outboxes'; echo '.It Cm max_rows' ;;
*) exit 1 ;;
esac
"""
PAGE = '.\\" options begin man\n{}.\\" options end\n.Sh SEE ALSO\n'


def options(house):
    house.put("build/eventferryd", DAEMON)
    os.chmod(house.root / "build/eventferryd", 0o755)
    house.put("src/config/options.c", '{.path = "outboxes[].max_rows",\n OUTBOX(window.max_rows),\n},\n')
    house.put("src/relay/r.c", "int ef_r(struct o *o)\n{\n    return o->window.max_rows;\n}\n")
    house.put("man/eventferry.yaml.5", PAGE.format(".It Cm outboxes\n.It Cm max_rows\n"))


def test_options_are_alive_and_described(house):
    options(house)
    for name in ("options", "documents"):
        done = house.check(name, EF_BUILD="build")
        assert (done.returncode, done.stdout) == (0, "")


def test_dead_options_are_found(house):
    options(house)
    house.put("src/relay/r.c", "")
    house.put("src/config/load.c", "int x = o->window.max_rows;\n")
    done = house.check("options", EF_BUILD="build")
    assert done.returncode == 1
    assert 'src/config/options.c:1: nothing outside src/config reads max_rows' in done.stdout


def test_options_that_no_page_describes_are_found(house):
    options(house)
    house.put("man/eventferry.yaml.5", PAGE.format(".It Cm outboxes\n.It Cm max_rows_more\n"))
    done = house.check("options", EF_BUILD="build")
    assert done.returncode == 1
    assert 'does not describe the option "outboxes.max_rows"' in done.stdout


def test_pages_that_disagree_are_found_and_mended(house):
    options(house)
    house.put("man/eventferry.yaml.5", PAGE.format(".It Cm outboxes\n"))
    done = house.check("documents", EF_BUILD="build")
    assert done.returncode == 1
    assert "man/eventferry.yaml.5:1: does not agree" in done.stdout
    assert house.run("scripts/update-options", EF_BUILD="build").returncode == 0
    assert house.check("documents", EF_BUILD="build").returncode == 0
    assert (house.root / "man/eventferry.yaml.5").read_text(encoding="utf-8") == \
        PAGE.format(".It Cm outboxes\n.It Cm max_rows\n")


def test_embedded_files_keep_every_byte(house):
    content = bytes(range(1, 256)) * 3 + b'??/"\\\n'
    (house.root / "sql").mkdir()
    (house.root / "sql/all.sql").write_bytes(content)
    house.put("sql/empty.sql", "")
    assert house.run("scripts/embed", "sql_files", "sql/all.sql", "sql/empty.sql").returncode == 0
    house.put("main.c", """
        #include <stdio.h>
        #include <string.h>
        #include "sql_files.h"
        int main(void)
        {
            for (const struct ef_sql_file *f = ef_sql_files; f->path != NULL; f++) {
                if (f->text[f->len] != 0)
                    return 1;
                fprintf(stderr, "%s %zu\\n", f->path, f->len);
                fwrite(f->text, 1, f->len, stdout);
            }
            return 0;
        }""")
    done = house.run("cc", "-Wall", "-Wextra", "-Werror", "-o", "main", "main.c", "sql_files.c")
    assert done.returncode == 0, done.stdout
    done = subprocess.run([house.root / "main"], capture_output=True, timeout=60, check=True)
    assert done.stdout == content
    assert done.stderr == f"sql/all.sql {len(content)}\nsql/empty.sql 0\n".encode()


def program(house, text):
    house.put("program", text)
    os.chmod(house.root / "program", 0o755)
    return house.run("scripts/run-unit", "./program", "--", EF_TEST_TIMEOUT_SCALE="0.01")


@pytest.mark.parametrize("text,code,closing", [
    ("echo '100%: Checks: 3, Failures: 0, Errors: 0'", 0, "3 passed, 0 failed"),
    ("echo '33%: Checks: 3, Failures: 1, Errors: 1'; exit 1", 1, "1 passed, 2 failed"),
    ("echo '100%: Checks: 3, Failures: 0, Errors: 0'; exit 2", 1, "3 passed, 1 failed"),
    ("kill -ABRT $$", 1, "0 passed, 1 failed"),
    ("exit 0", 1, "0 passed, 1 failed"),
    ("exec sleep 60", 1, "0 passed, 1 failed"),
])
def test_unit_test_programs_are_counted(house, text, code, closing):
    done = program(house, f"#!/bin/sh\n{text}\n")
    assert done.returncode == code
    assert done.stdout.splitlines()[-1] == f"unit tests: {closing}"


BASE_PROGRAMS = ["sh", "id", "sed", "cut", "tr", "sort", "grep", "mktemp", "rm", "tail", "dirname",
                 "env", "cat"]


@pytest.fixture
def bare(house):
    """deps on a machine that has nothing but a base system and dnf, which only takes notes."""
    tools = house.root / "tools"
    tools.mkdir()
    for name in BASE_PROGRAMS:
        os.symlink(shutil.which(name), tools / name)
    house.put("tools/dnf", f"#!/bin/sh\necho \"$@\" >>{house.root}/dnf.log\n")
    house.put("tools/sudo", '#!/bin/sh\nexec "$@"\n')
    for name in ("dnf", "sudo"):
        (tools / name).chmod(0o755)
    return house


def deps(house, *arguments, **environment):
    return house.run(os.path.join(TOP, "scripts/deps"), *arguments,
                     **{"PATH": str(house.root / "tools"), "DEPS": "", **environment})


def test_deps_lists_what_is_missing(bare):
    done = deps(bare, "--check", "build")
    assert done.returncode == 1
    assert "libpq-devel" in done.stdout and "a C compiler" in done.stdout
    assert not (bare.root / "dnf.log").exists()


def test_deps_can_be_told_not_to_install(bare):
    done = deps(bare, "--ensure", "build", DEPS="no")
    assert done.returncode == 1
    assert "librdkafka-devel" in done.stdout and "DEPS=no" in done.stdout
    assert not (bare.root / "dnf.log").exists()


def test_deps_installs_without_a_terminal_and_says_what_is_left(bare):
    done = deps(bare, "--ensure", "build", "unit")
    log = (bare.root / "dnf.log").read_text(encoding="utf-8")
    for package in ("gcc", "autoconf", "libpq-devel", "check-devel"):
        assert f" {package}\n" in log
    assert "pytest" not in log
    # This dnf installs nothing, and deps must notice.
    assert done.returncode == 1
    assert "still missing:" in done.stdout


def test_deps_without_a_package_manager_says_so(bare):
    os.unlink(bare.root / "tools/dnf")
    done = deps(bare, "--ensure", "build")
    assert done.returncode == 1
    assert "neither apt nor dnf" in done.stdout and "libpq" in done.stdout


def test_deps_refuses_unknown_words(bare):
    assert "unknown group" in deps(bare, "--check", "everything").stdout
    assert deps(bare, "--frobnicate").returncode == 1
