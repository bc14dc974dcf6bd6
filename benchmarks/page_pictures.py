"""Screenshots of the report page for the docs: light and dark, 1400 and 400 pixels wide.

Opens `report.html` of a run in headless Chromium, names a cluster, selects a clip, and writes
`report-THEME-WIDTH.png`. The screenshots in the docs are of the demo:

    darksound mec --data demo --iterations 1 --out runs/demo
    python benchmarks/page_pictures.py runs/demo docs/images
"""

import argparse
from pathlib import Path

from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from browser import headless

_SIZES = ((1400, 960), (400, 860))
# A busy machine draws the cards late.
_TIMEOUT_S = 30
_NAME = """
const input = document.querySelector("article .name");
input.value = arguments[0];
input.dispatchEvent(new Event("change"));
"""
_READY = "const done = arguments[0]; setTimeout(() => requestAnimationFrame(done), 700);"


def screenshot(
    browser: webdriver.Chrome, url: str, theme: str, *, width: int, height: int
) -> bytes:
    """Return a screenshot of the page with a name and a selected clip."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(url)
    browser.execute_script("localStorage.clear()")
    browser.execute_script("localStorage.setItem('darksound:theme', arguments[0])", theme)
    browser.get(url)
    WebDriverWait(browser, _TIMEOUT_S).until(
        lambda browser: browser.find_elements(By.CSS_SELECTOR, "article .name")
    )
    browser.execute_script(_NAME, "rising trill")
    clip = browser.find_elements(By.CSS_SELECTOR, "article .clip")[1]
    browser.execute_script("arguments[0].click(); document.activeElement.blur()", clip)
    browser.execute_script("document.getElementById('audio').pause()")
    if width > 600:
        button = browser.find_element(By.ID, "zoom-all")
        ActionChains(browser).move_to_element(button).perform()
    else:
        # The first view of a phone is the map; show the part below.
        browser.execute_script("scrollTo(0, arguments[0])", height // 2)
    browser.execute_script("document.getElementById('status').textContent = ''")
    browser.execute_async_script(_READY)
    return browser.get_screenshot_as_png()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    browser = headless("--hide-scrollbars")
    try:
        for theme in ("light", "dark"):
            for width, height in _SIZES:
                url = (args.run / "report.html").resolve().as_uri()
                path = args.out / f"report-{theme}-{width}.png"
                path.write_bytes(screenshot(browser, url, theme, width=width, height=height))
                with Image.open(path) as image:
                    image.convert("RGB").save(path, optimize=True)
                print(path)
    finally:
        browser.quit()


if __name__ == "__main__":
    main()
