"""Headless Chromium for the benchmarks of the page."""

from selenium import webdriver


def headless(*switches: str) -> webdriver.Chrome:
    """Return a new headless browser with additional switches."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for switch in ("--headless=new", "--no-sandbox", "--disable-gpu", *switches):
        options.add_argument(switch)
    service = webdriver.ChromeService(executable_path="/usr/bin/chromedriver")
    return webdriver.Chrome(options=options, service=service)
