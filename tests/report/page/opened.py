"""A page in the browser."""

import json
from pathlib import Path

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

# A browser on a busy machine can take many seconds to load a page.
_WAIT_S = 60


class Opened:
    """A page in the browser, newly loaded, with an empty storage."""

    def __init__(self, browser, path: Path, downloads: Path, width=1400, height=1000):
        self.browser, self.path, self.downloads = browser, path, downloads
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        place = {"behavior": "allow", "downloadPath": str(downloads)}
        browser.execute_cdp_cmd("Browser.setDownloadBehavior", place)
        browser.get(path.as_uri())
        browser.execute_script("localStorage.clear()")
        for kind in ("browser", "performance"):
            browser.get_log(kind)
        self.load()

    def load(self):
        self.browser.get(self.path.as_uri())

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def run(self, script, *given):
        return self.browser.execute_script(script, *given)

    def keys(self, *keys):
        ActionChains(self.browser).send_keys(*keys).perform()

    def until(self, condition, what):
        WebDriverWait(self.browser, _WAIT_S, 0.05).until(lambda _: condition(), what)

    def focused(self):
        return self.run("const e = document.activeElement; return e.id || e.className || e.tagName")

    def requests(self):
        """Return the requested addresses, without data and blob addresses."""
        messages = [json.loads(line["message"]) for line in self.browser.get_log("performance")]
        asked = [
            message["message"]["params"]["request"]["url"]
            for message in messages
            if message["message"]["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in asked if not url.startswith(("data:", "blob:"))]

    def saved(self):
        file = self.downloads / "review.csv"
        file.unlink(missing_ok=True)
        self.run("document.getElementById('save').click()")
        self.until(file.exists, "review.csv was not saved")
        return file
