# SPDX-License-Identifier: MIT
"""Headless Chromium for the status page, through Selenium and chromedriver of the distribution."""

import importlib.util
import json
import os
import shutil

PHONE = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}


def missing():
    """What is not installed; None: everything is there."""
    if shutil.which("chromedriver") is None:
        return "chromedriver"
    return None if importlib.util.find_spec("selenium") else "Selenium"


class Browser:
    """One window. Everything it asks the network for, and what it complains of, is kept."""

    def __init__(self):
        from selenium import webdriver  # not needed by other tests
        from selenium.webdriver.chrome.options import Options
        from selenium.webdriver.chrome.service import Service
        options = Options()
        for argument in ("--headless=new", "--disable-gpu", "--window-size=1280,1000",
                         "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
                         "--disable-background-networking", "--disable-component-update"):
            options.add_argument(argument)
        if os.geteuid() == 0:  # its sandbox refuses root
            options.add_argument("--no-sandbox")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(service=Service(shutil.which("chromedriver")), options=options)
        self.driver.set_page_load_timeout(30)

    def close(self):
        self.driver.quit()

    def command(self, name, **arguments):
        return self.driver.execute_cdp_cmd(name, arguments)

    def run(self, script):
        return self.driver.execute_script(script)

    def text(self, selector="body"):
        """What a reader sees there."""
        return self.run(f"const e = document.querySelector({json.dumps(selector)});"
                        "return e ? e.innerText : null")

    def scripts(self, on):
        self.command("Emulation.setScriptExecutionDisabled", value=not on)

    def scheme(self, name):
        self.command("Emulation.setEmulatedMedia",
                     features=[{"name": "prefers-color-scheme", "value": name}])

    def phone(self):
        self.command("Emulation.setDeviceMetricsOverride", **PHONE)

    def reset(self):
        self.driver.get("about:blank")
        self.scripts(True)
        self.command("Emulation.clearDeviceMetricsOverride")
        self.command("Emulation.setEmulatedMedia", features=[])
        self.complaints()
        self.requests()

    def complaints(self):
        """Lines of the console since the last call: errors, refusals by the policy."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self):
        """Addresses asked for since the last call."""
        messages = [json.loads(entry["message"])["message"]
                    for entry in self.driver.get_log("performance")]
        return [message["params"]["request"]["url"] for message in messages
                if message["method"] == "Network.requestWillBeSent"]
