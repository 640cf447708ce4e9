# SPDX-License-Identifier: MIT
"""The machine in words, the table, and the JSON file."""

import glob
import json
import os
import platform
import re
import statistics
import subprocess
import time

# What is aimed at on two cores that PostgreSQL, Kafka and the daemon share; docs/performance.md says
# where the numbers come from. For information: a benchmark does not fail by them.
TARGETS = {
    "delete": "130 000/s, 4.5 us, 48 MiB", "archive": "100 000/s", "mark": "55 000/s",
    "payload-500": "95 000/s", "hot": "60 % of delete", "embedded": "",
    "notify-1000": "p50 3, p99 12 ms", "poll-1000": "", "poll-5000": "", "notify-10000": "p50 6, p99 30 ms",
    "idle-poll": "0.3 + 0.3 %, 20 MiB", "idle-notify": "0.3 + 0.3 %, 20 MiB", "start": "0.2 s"}
# On MariaDB; MySQL is measured beside it.
MY_TARGETS = {**dict.fromkeys(TARGETS, ""), "delete": "35 000/s, 6 us", "archive": "25 000/s",
              "mark": "15 000/s", "poll-1000": "p50 6, p99 30 ms", "idle-poll": "database 0.5 %"}
POSTGRES_ONLY = ("notify-1000", "notify-10000", "idle-notify", "embedded")
DISTURBED = 0.25  # cores kept busy by others
LOADED = 0.3  # load average a core at the beginning above which the figures are not the relay's own


def _first(path, pattern):
    try:
        with open(path, encoding="utf-8") as text:
            found = re.search(pattern, text.read(), re.MULTILINE)
        return found[1].strip() if found else None
    except OSError:
        return None


def _output(*args):
    try:
        done = subprocess.run(args, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return (done.stdout + done.stderr).strip()


def machine():
    memory_kib = int(_first("/proc/meminfo", r"^MemTotal:\s*(\d+)") or 0)
    return {"processor": _first("/proc/cpuinfo", r"^model name\s*:(.*)$") or platform.machine(),
            "cores": os.cpu_count(), "memory_gib": round(memory_kib / 1024 / 1024, 1),
            "kernel": platform.release(),
            "system": _first("/etc/os-release", r'^PRETTY_NAME="?([^"\n]*)'),
            "load_at_begin": os.getloadavg()[0]}


def software(stand, builds):
    jars = glob.glob(os.path.join(stand.kafka.jars, "kafka-clients-*.jar"))
    java = _output("java", "-version") or ""
    return {"database": stand.describe(), "kafka": re.sub(r".*kafka-clients-(.*)\.jar", r"\1", jars[0]) if jars else None,
            "java": java.splitlines()[0] if java else None,
            "eventferryd": {build: _output(os.path.join(build, "eventferryd"), "--version")
                            for build in builds}}


def median(runs):
    """Of each number the median; what is no number as the first run has it. Runs that other work on
    the machine disturbed count only when there are none else."""
    calm = [run for run in runs if run.get("others_cores", 0.0) <= DISTURBED]
    runs = calm or runs
    result = {}
    for key, value in runs[0].items():
        numbers = [run[key] for run in runs if isinstance(run[key], (int, float))]
        if isinstance(value, bool) or not numbers:
            result[key] = value
        else:
            result[key] = statistics.median(numbers)
    return result


def complaints(run):
    """What is wrong with the messages of a run, in words; empty when nothing is."""
    found = run.get("checks")
    if not found:
        return ""
    return ", ".join(f"{found[key]} {key.replace('_', ' ')}" for key in
                     ("lost", "repeated", "invented", "out_of_order") if found[key])


def _number(value, digits=1):
    return "-" if value is None else f"{value:,.{digits}f}".replace(",", " ")


HEADS = {
    "drain": ("events/s", "(from .. to)", "daemon us", "database us", "vacuum us", "Kafka us",
              "peak MiB", "others"),
    "latency": ("p50 ms", "p90", "p99", "p99.9", "daemon %", "database %", "Kafka %",
                "others"),
    "idle": ("daemon %", "database %", "without relay %", "RSS MiB"),
    "start": ("first message s", "(from .. to)")}


def _cells(kind, runs):
    m = median(runs)
    if kind == "drain":
        rates = [run["events_s"] for run in runs]
        return (_number(m["events_s"], 0), f"{_number(min(rates), 0)} .. {_number(max(rates), 0)}",
                _number(m["daemon_us"], 2), _number(m["database_us"], 2), _number(m["vacuum_us"], 2),
                _number(m["kafka_us"]), _number(m["peak_mib"]), _number(m["others_cores"], 2))
    if kind == "latency":
        return tuple(_number(m[key], 2) for key in ("p50_ms", "p90_ms", "p99_ms", "p999_ms")) + \
            tuple(_number(m[f"{who}_core_percent"]) for who in ("daemon", "database", "kafka")) + \
            (_number(m["others_cores"], 2),)
    if kind == "idle":
        return (_number(m["daemon_core_percent"], 2), _number(m["database_core_percent"], 2),
                _number(m["database_alone_core_percent"], 2), _number(m["rss_mib"]))
    times = [run["first_message_s"] for run in runs]
    return _number(m["first_message_s"], 3), f"{_number(min(times), 3)} .. {_number(max(times), 3)}"


def _remarks(result):
    wrong = {complaints(run) for run in result["runs"]} - {""}
    if any(run.get("rate_held") is False for run in result["runs"]):
        wrong.add("the writer did not hold its rate")
    slow = sum(run.get("slow_callbacks") or 0 for run in result["runs"])
    if slow:
        wrong.add(f"{slow} slow callbacks")
    disturbed = sum(run.get("others_cores", 0.0) > DISTURBED for run in result["runs"])
    if disturbed:
        wrong.add(f"{disturbed} of {len(result['runs'])} runs disturbed")
    return "; ".join(sorted(wrong)) or "ok"


def _print_markdown(lines, _left):
    for number, line in enumerate(lines):
        print("| " + " | ".join(line) + " |")
        if number == 0:
            print("|" + "---|" * len(line))


def _print_aligned(lines, left):
    """The first columns and the last two are words, the others numbers."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        print("  ".join(cell.ljust(width) if i < left or i >= len(line) - 2 else cell.rjust(width)
                        for i, (cell, width) in enumerate(zip(line, widths))).rstrip())


def print_table(results, several, markdown=False, targets=None):
    targets = targets or TARGETS
    for kind, heads in HEADS.items():
        chosen = [result for result in results if result["kind"] == kind]
        if not chosen:
            continue
        lines = [(kind, *(["relay"] if several else []), *heads, "remarks", "target")]
        for result in chosen:
            lines.append((result["case"], *([result["relay"]] if several else []),
                          *_cells(kind, result["runs"]), _remarks(result),
                          targets.get(result["case"], "")))
        print()
        (_print_markdown if markdown else _print_aligned)(lines, 2 if several else 1)
    _print_shares(results)
    if several:
        _print_ratios(results)


def _print_shares(results):
    rates = {result["case"]: median(result["runs"])["events_s"] for result in reversed(results)
             if result["kind"] == "drain"}
    if "hot" in rates and "delete" in rates:
        print(f"\none hot aggregate runs at {100 * rates['hot'] / rates['delete']:.0f} % of the wide"
              " case")


RATIOS = {"drain": ("events_s", "daemon_us", "database_us", "peak_mib"),
          "latency": ("p50_ms", "p99_ms", "daemon_core_percent", "database_core_percent"),
          "idle": ("daemon_core_percent", "database_core_percent", "rss_mib"),
          "start": ("first_message_s",)}


def _print_ratios(results):
    """Against the first relay of the same case. They ran in turn, so the machine's moods cancel."""
    first = {}
    print()
    for result in results:
        m = median(result["runs"])
        base = first.setdefault(result["case"], (result["relay"], m))
        if base[1] is m:
            continue
        parts = [f"{key} x{m[key] / base[1][key]:.2f}" for key in RATIOS[result["kind"]]
                 if base[1].get(key) and m.get(key)]
        print(f"{result['case']}: {result['relay']} against {base[0]}: {', '.join(parts)}")


def write_json(path, facts, results):
    directory = os.path.dirname(path)
    if directory:
        os.makedirs(directory, exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        json.dump({"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **facts,
                   "results": [{**result, "median": median(result["runs"])}
                               for result in results]}, out, indent=1)
        out.write("\n")
