# SPDX-License-Identifier: MIT
"""The status page in a real browser, its stream of events, and who may see them."""

import os
import socket
import struct
import subprocess
import time

import pytest
import requests

from harness.browser import PHONE, Browser
from harness.browser import missing as browser_missing
from harness.daemon import REPOSITORY, Daemon
from harness.outbox import Outbox
from harness.setup import fresh_database, relay_config, retire
from harness.timing import wait_for

EVIL = "<script>document.title='owned'</script>"


@pytest.fixture(scope="module")
def window():
    """Where it cannot be had its tests are skipped, unless the real servers are required."""
    if browser_missing():
        assert os.environ.get("EF_REQUIRE_KAFKA") != "1", f"{browser_missing()} is not installed"
        pytest.skip(f"no browser: {browser_missing()} is not installed")
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def browser(window):
    window.reset()
    yield window
    window.reset()


@pytest.fixture(scope="module")
def site(system_postgres, kafka):
    """A relay with an outbox that works, has a dead row, and one whose table does not exist. The
    topic of the dead row and the name of that table are markup."""
    database = fresh_database(system_postgres)
    outbox = Outbox(database, kafka.create_topic())
    # counted at the first look; those that the relay gives up itself follow some looks later
    database.run("INSERT INTO outbox (aggregate_type, aggregate_id, topic, payload, status) "
                 "VALUES ('order', 'dead', %s, '{}', 4)", (outbox.topic,))
    outbox.insert_many(50)
    outbox.insert("poison", topic=EVIL)
    outbox.insert("large", {"text": "x" * 1_200_000})
    config = relay_config(database, kafka, instance="relay-1")
    config["outboxes"].append({"name": "mails", "database": "db",
                               "table": f'public."{EVIL}"', "lease_ttl": "3s"})
    process = Daemon(config).start()
    process.outbox_rows = outbox
    process.wait_running("orders")
    process.wait_state("misconfigured", outbox="mails")
    wait_for(lambda: process.metric("dead_rows", outbox="orders") >= 1, 20, "the dead row is counted")
    yield process
    process.discard()
    retire(database)


def own(process, addresses):
    return [a for a in addresses if not a.startswith((process.url("/"), "about:", "data:"))]


def test_numbers_are_there_without_scripts(browser, site):
    browser.scripts(False)
    browser.driver.get(site.url("/"))
    text = browser.text()
    assert browser.text("#live") == "renewed every 5 s"
    assert "2 of 2 outboxes need a look" in text and "misconfigured" in text
    flow = browser.text("#o0-flow").split()
    delivered = site.outbox("orders")["totals"]["delivered"]
    assert flow[flow.index("delivered") - 1] == str(delivered) and delivered >= 50
    assert int(flow[flow.index("dead") - 1]) >= 1
    assert "2 record: can never be sent as it is" in text
    assert "relay-1 (this relay)" in text and "Recent happenings" in text
    assert browser.run("return document.querySelector('noscript meta').content") == "5" \
        or "http-equiv=\"refresh\"" in browser.driver.page_source


def test_numbers_change_by_themselves(browser, site):
    browser.driver.get(site.url("/"))
    wait_for(lambda: browser.text("#live") == "live", 10, "the page is live")
    browser.run("window.marker = 1")
    before = site.outbox("orders")["totals"]["delivered"]
    site.outbox_rows.insert_many(7)
    wait_for(lambda: str(before + 7) in browser.text("#o0-flow").split(), 10,
             "the new rows are shown as delivered")
    assert browser.run("return window.marker") == 1  # it was not loaded again
    first = browser.text("#asof")
    wait_for(lambda: browser.text("#asof") != first, 5, "the clock of the page goes on")


def test_last_minutes_are_drawn_and_go_on(browser, site):
    browser.driver.get(site.url("/"))

    def drawn():
        site.outbox_rows.insert_many(1)  # latencies are of what passes
        return browser.run("return document.querySelectorAll('#o0 svg.spark path.line').length") >= 6

    wait_for(drawn, 30, "rates and latencies have lines", interval=0.2)
    assert "written \u2192 read" in browser.text("#o0-charts")


def test_page_is_quiet_and_asks_nobody_else(browser, site):
    browser.driver.get(site.url("/"))
    wait_for(lambda: browser.text("#live") == "live", 10, "the page is live")
    first = browser.text("#asof")
    wait_for(lambda: browser.text("#asof") != first, 5, "an event came")
    assert browser.complaints() == []
    asked = browser.requests()
    assert site.url("/") in asked and site.url("/events") in asked
    assert own(site, asked) == []


def test_policy_keeps_other_scripts_out(browser, site):
    """The console would tell of a violation: here is one."""
    browser.driver.get(site.url("/"))
    browser.run("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"alert(1)\">');"
                "const s = document.createElement('script'); s.textContent = 'window.evil = 1';"
                "document.body.append(s)")
    wait_for(lambda: any("Content Security Policy" in line for line in browser.complaints()), 5,
             "the policy refused it")
    assert browser.run("return window.evil") is None


def test_markup_in_names_and_reasons_is_text(browser, site):
    browser.driver.get(site.url("/"))
    wait_for(lambda: browser.text("#live") == "live", 10, "the page is live")
    assert EVIL in browser.text("#summary") and EVIL in browser.text("#o1-head")
    assert EVIL in browser.text("#happenings")
    assert browser.run("return document.scripts.length") == 1
    assert "owned" not in browser.driver.title and "relay-1" in browser.driver.title


@pytest.mark.parametrize("width", ["desk", "phone"])
def test_light_and_dark_and_no_sideways_scrolling(browser, site, width):
    if width == "phone":
        browser.phone()
    colours = {}
    for scheme in ("light", "dark"):
        browser.scheme(scheme)
        browser.driver.get(site.url("/"))
        colours[scheme] = browser.run("const s = getComputedStyle(document.body);"
                                      "return [s.backgroundColor, s.color]"
                                      ".map(c => c.match(/\\d+/g).slice(0, 3)"
                                      ".reduce((a, b) => a + +b, 0) / 3)")
        assert browser.run("return document.documentElement.scrollWidth <= window.innerWidth")
    if width == "phone":
        assert browser.run("return window.innerWidth") == PHONE["width"]
    assert colours["light"][0] > 200 > 100 > colours["light"][1]
    assert colours["dark"][0] < 60 < 180 < colours["dark"][1]


def test_marked_text_stays(browser, site):
    """Somebody copies a reason while the page is live."""
    browser.driver.get(site.url("/"))
    wait_for(lambda: browser.text("#live") == "live", 10, "the page is live")
    browser.run("document.getSelection().selectAllChildren(document.getElementById('asof'))")
    held = browser.text("#asof")
    other = browser.text("#o0-facts")
    wait_for(lambda: browser.text("#o0-facts") != other, 10, "the rest goes on")
    assert browser.text("#asof") == held
    browser.run("document.getSelection().removeAllRanges()")
    wait_for(lambda: browser.text("#asof") != held, 5, "it is brought up to date")


# --- the stream ---

def listen(process, **more):
    return requests.get(process.url("/events"), stream=True, timeout=20, **more)


def test_stop_is_not_held_up_by_listeners(outbox, relay):
    process = relay(outbox)
    process.wait_running()
    streams = [listen(process) for _ in range(3)]
    lines = [stream.iter_lines() for stream in streams]
    assert all(next(line).startswith(b"retry:") for line in lines)
    began = time.monotonic()
    process.stop()
    assert time.monotonic() - began < 4
    for line in lines:  # ends with the last chunk: otherwise requests raises
        assert b"data: " in b"".join(line)


def test_page_finds_the_relay_again(browser, outbox, relay):
    process = relay(outbox)
    process.wait_running()
    browser.driver.get(process.url("/"))
    wait_for(lambda: browser.text("#live") == "live", 10, "the page is live")
    run = browser.run("return document.body.dataset.run")
    process.stop()
    wait_for(lambda: "no news" in browser.text("#live"), 15, "the page says that it is old")
    process.start()
    wait_for(lambda: browser.run("return document.body.dataset.run") not in (run, None)
             and browser.text("#live") == "live", 20, "it shows the new process")


def test_listeners_are_limited_and_slow_ones_cost_nothing(outbox, relay):
    process = relay(outbox)
    process.wait_running()
    sockets = []
    for _ in range(16):
        client = socket.create_connection(("127.0.0.1", process.port), timeout=5)
        client.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(15) == b"HTTP/1.1 200 OK"
        sockets.append(client)
    answer = listen(process)
    assert answer.status_code == 503
    for _ in range(20):
        began = time.monotonic()
        assert process.get_code("/livez") == 200
        assert time.monotonic() - began < 0.5
    for client in sockets:
        client.close()
    wait_for(lambda: listen(process).status_code == 200, 10, "there is room again")


# --- who may see it ---

def secret(process, name, text, mode=0o600):
    path = os.path.join(process.directory, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


@pytest.fixture
def open_relay(outbox, relay):
    """Listens on all addresses."""
    process = relay(outbox, start=False)
    process.config["http"]["listen"] = f"0.0.0.0:{process.port}"
    process.write_config()
    return process


def test_beyond_loopback_the_page_is_closed_until_a_file_says_who(open_relay):
    process = open_relay
    process.start()
    for path in ("/", "/status", "/events"):
        answer = process.get(path)
        assert answer.status_code == 403 and "http.token_file" in answer.text
    for path in ("/livez", "/metrics"):
        assert process.get_code(path) == 200
    assert process.get_code("/readyz") in (200, 503)
    assert "stay closed until" in process.log_text()

    process.config["http"]["token_file"] = secret(process, "token", "0123456789abcdef\n")
    process.write_config()
    process.reload()
    wait_for(lambda: process.get_code("/status") == 401, 5, "the reload asks for the token")
    bearer = {"Authorization": "Bearer 0123456789abcdef"}
    assert process.get("/status", headers=bearer).json()["outboxes"]
    assert process.get_code("/status?token=0123456789abcdef") == 401

    secret(process, "token", "another-token-of-24-chars\n")
    process.reload()
    wait_for(lambda: process.get("/status", headers=bearer).status_code == 401, 5,
             "the reload read the file again")
    secret(process, "token", "0123456789abcdef\n", mode=0o644)
    process.reload()
    process.wait_log(event="reload_refused")
    assert process.get("/status", headers={"Authorization": "Bearer another-token-of-24-chars"}
                       ).status_code == 200
    assert "another-token" not in process.log_text() and "0123456789" not in process.log_text()


def test_a_browser_comes_in_with_a_password(browser, open_relay):
    process = open_relay
    process.config["http"]["basic_file"] = secret(process, "users", "# who\nann:se cret\n")
    process.write_config()
    process.start()
    assert process.get("/", auth=("ann", "wrong")).status_code == 401
    process.wait_log(event="http_credentials_refused")
    browser.driver.get(process.url("/").replace("//", "//ann:se%20cret@"))
    wait_for(lambda: browser.text("#live") == "live", 10, "its stream comes in, too")


@pytest.mark.parametrize("text,mode,code", [("ann\n", 0o600, 78), ("ann:pw\n", 0o604, 78),
                                            (None, 0, 77)])
def test_a_bad_file_of_users_is_said_at_start(open_relay, text, mode, code):
    process = open_relay
    process.config["http"]["basic_file"] = os.path.join(process.directory, "users") if text is None \
        else secret(process, "users", text, mode)
    process.write_config()
    process.launch()
    assert process.process.wait(20) == code
    assert "users" in process.log_text() and "ann:" not in process.log_text()


@pytest.mark.limit(120)
def test_the_pictures_of_the_documents_can_be_made_anew(site, window, tmp_path):
    """window: only where there is a browser."""
    script = os.path.join(REPOSITORY, "scripts", "screenshots")
    done = subprocess.run([script, site.url("/"), str(tmp_path)], capture_output=True, text=True,
                          check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    sizes = {}
    for path in tmp_path.iterdir():
        png = path.read_bytes()
        assert png.startswith(b"\x89PNG\r\n") and 10_000 < len(png) < 400_000
        sizes[path.name] = struct.unpack(">II", png[16:24])
    assert sizes == {"status-page-light.png": (1120, 1080), "status-page-dark.png": (1120, 1080),
                     "status-page-phone.png": (390, 1150)}
    refused = subprocess.run([script, "nowhere"], capture_output=True, text=True, check=False)
    assert refused.returncode == 1 and "usage" in refused.stderr


@pytest.mark.limit(150)  # a list that has changed is asked for again after a minute
def test_dead_rows_are_listed_as_text(site, browser):
    browser.driver.get(site.url("/"))
    wait_for(lambda: "Latest dead rows" in browser.text("#o0-facts"), 90, "they are listed")
    wait_for(lambda: EVIL in browser.text("#o0-facts"), 90, "the topic is told as it is")
    assert browser.run("return document.title") != "owned"
