"""A small run, its page, and a browser."""

import shutil
from pathlib import Path

import pytest
from tests.report.page.small_run import small_run

from darksound.report.page.writing import write_page
from darksound.report.result import read_run


@pytest.fixture(scope="session")
def result(tmp_path_factory):
    return read_run(small_run(tmp_path_factory.mktemp("page")))


@pytest.fixture(scope="session")
def page(result) -> Path:
    """Return the page of the run."""
    return write_page(result).path


@pytest.fixture(scope="session")
def page_of_two_levels(tmp_path_factory) -> Path:
    """Return a page whose clusters 0 and 2 are in supercluster 0, and 1 in supercluster 1."""
    run = small_run(tmp_path_factory.mktemp("levels"), superclusters=(0, 1, 0))
    return write_page(read_run(run)).path


@pytest.fixture(scope="session")
def browser():
    """Return headless Chromium that logs all requests; skip where it is not installed."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("chromium or chromedriver is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for switch in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=driver)
    opened = webdriver.Chrome(options=options, service=service)
    try:
        yield opened
    finally:
        opened.quit()
