"""The page in a real browser: display, playback, review and keyboard."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from tests.report.page.opened import Opened
from tests.report.page.small_run import HOSTILE

from darksound.report.page.writing import write_page
from darksound.rois.review import apply_review, read_review

pytest.importorskip("selenium", reason="selenium is not installed")
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys


@pytest.fixture
def opened(browser, page, tmp_path):
    return Opened(browser, page, tmp_path)


def test_it_loads_without_errors_or_requests_and_shows_everything(opened):
    assert [line["message"] for line in opened.browser.get_log("browser")] == []
    assert opened.requests() == [opened.path.as_uri()]
    assert len(opened.all("article.card")) == 3
    assert opened.one("#summary").text.startswith("36 ROIs · 3 clusters · 83 % covered")
    shown = opened.run(
        "const canvas = document.getElementById('map');"
        "const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);"
        "const seen = new Map();"
        "for (let i = 0; i < data.length; i += 4) {"
        "  const colour = `${data[i]},${data[i + 1]},${data[i + 2]}`;"
        "  seen.set(colour, (seen.get(colour) ?? 0) + 1); }"
        "return Object.fromEntries(seen)"
    )
    colours = Counter(shown)
    # Clusters 0, 1 and 2, whose ROIs are 15, 9 and 6.
    found = [colours["4,84,207"], colours["226,119,0"], colours["11,128,77"]]
    assert found[0] > found[1] > found[2] > 100


def test_hostile_names_are_shown_as_text_and_never_run(opened):
    for tab in ("noise", "selection", "run", "clusters"):
        opened.one(f"#tab-{tab}").click()
    opened.all(".clip")[0].click()
    text = opened.run("return document.documentElement.textContent")
    assert all(name in text for name in HOSTILE[1:5])
    assert opened.run("return window.hurt") is None
    assert (
        opened.run("return document.querySelectorAll('img[onerror], i:not(.track i)').length") == 0
    )
    # Injected markup cannot run either.
    opened.run("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"hurt=1\">')")
    opened.run("const s = document.createElement('script'); s.textContent = 'hurt = 1';"
               "document.body.append(s)")  # fmt: skip
    assert opened.run("return window.hurt") is None


@pytest.mark.parametrize("external", [False, True])
def test_a_clip_plays(browser, result, tmp_path, external):
    changed = replace(result, settings=result.settings.replace(report={"external_media": external}))
    opened = Opened(browser, write_page(changed, tmp_path / "page.html").path, tmp_path)
    opened.run(
        "window.events = [];"
        "for (const name of ['playing', 'ended', 'error'])"
        "  document.getElementById('audio').addEventListener(name, () => events.push(name))"
    )
    opened.all(".clip")[0].click()
    opened.until(lambda: opened.run("return events.includes('playing')"), "did not play")
    opened.until(lambda: opened.run("return events.includes('ended')"), "did not end")
    assert opened.run("return events.includes('error')") is False
    picture = opened.one("#player-thumbnail img")
    assert opened.run("return arguments[0].naturalWidth", picture) == 192
    assert [line["message"] for line in browser.get_log("browser")] == []
    assert opened.one("#player-title").text.startswith("Cluster 0, probability")


def test_names_and_merges_are_saved_and_loaded(opened, result):
    name = opened.one('article[data-cluster="1"] .name')
    name.send_keys('Rufous "night" owl, song', Keys.ENTER)
    opened.one('article[data-cluster="2"] header button').click()
    opened.run("const s = document.getElementById('merge-into'); s.value = '1';"
               "s.dispatchEvent(new Event('change'))")  # fmt: skip
    opened.one("#merge button[value=merge]").click()
    opened.run("document.querySelector('article[data-cluster=\"0\"] .clip').click()")
    opened.one("#reject-clip").click()
    review = read_review(opened.saved())
    assert review.names == {1: 'Rufous "night" owl, song'}
    assert review.merged == {0: 0, 1: 1, 2: 1}
    table = apply_review(result.table, review)
    assert len(table) == len(result) - 1
    medoid = opened.run(
        "return Number(document.querySelector('article[data-cluster=\"0\"] .clip').dataset.row)"
    )
    assert set(result.rois.table["roi_id"]) - set(table["roi_id"]) == {
        result.rois.table["roi_id"][medoid]
    }
    assert (table["name"] == 'Rufous "night" owl, song').sum() == 9 + 6
    # The review is still there when the page is opened again, and can be undone.
    opened.load()
    assert opened.one('article[data-cluster="2"] .name').get_attribute("value").startswith("Rufous")
    opened.all('article[data-cluster="2"] header button')[1].click()
    assert read_review(opened.saved()).merged == {0: 0, 1: 1}


def test_a_saved_review_can_be_loaded(opened, result):
    opened.one('article[data-cluster="0"] .name').send_keys("wren", Keys.ENTER)
    opened.run("document.querySelectorAll('article[data-cluster=\"2\"] header button')[2].click()")
    file = opened.saved()
    kept = file.read_bytes()
    review = read_review(file)
    assert (review.names, review.merged) == ({0: "wren"}, {0: 0})
    assert review.rejected(result.rois.table["roi_id"]).sum() == 6
    opened.run("localStorage.clear()")
    opened.load()
    assert opened.one('article[data-cluster="0"] .name').get_attribute("value") == ""
    other = opened.downloads / "mine.csv"
    other.write_bytes(kept)
    opened.one("#load-file").send_keys(str(other))
    opened.until(lambda: "Loaded 21 rows" in opened.one("#status").text, "was not loaded")
    assert opened.saved().read_bytes() == kept
    other.write_text("roi_id,start_s,end_s,cluster,group,name,rejected\nff,0,1,0,0,x,false\n")
    opened.one("#load-file").send_keys(str(other))
    opened.until(lambda: "another run" in opened.one("#status").text, "was not refused")
    assert opened.saved().read_bytes() == kept


def test_a_page_can_start_from_a_review(browser, result, tmp_path):
    rows = result.table[result.table["cluster"] == 1]
    lines = [f"{i},r,0,1,1,1,owl,false" for i in rows["roi_id"]]
    review = tmp_path / "mine.csv"
    header = "roi_id,recording,start_s,end_s,cluster,group,name,rejected"
    review.write_text("\n".join([header, *lines]) + "\n")
    page = write_page(result, tmp_path / "page.html", review=review)
    opened = Opened(browser, page.path, tmp_path)
    assert opened.one('article[data-cluster="1"] .name').get_attribute("value") == "owl"


def test_everything_can_be_done_by_keyboard(opened):
    opened.keys("j")  # to the first cluster
    assert "current" in opened.one('article[data-cluster="0"]').get_attribute("class")
    opened.keys("n")
    assert opened.focused() == "name"
    opened.keys("jay", Keys.ENTER)
    opened.keys("j", "m")
    assert opened.focused() == "merge-into"
    opened.keys(Keys.ENTER)  # confirms from any field
    # The dialog closes a moment after the key.
    merged = "Cluster 1 is now merged with cluster"
    opened.until(lambda: opened.one("#status").text.startswith(merged), "was not merged")
    opened.keys("j", "x")
    assert "rejected" in opened.one('article[data-cluster="2"]').get_attribute("class")
    opened.keys(Keys.SPACE)
    opened.until(lambda: not opened.run("return document.getElementById('audio').paused"), "silent")
    first = opened.one("#player-about").text
    opened.keys(Keys.ARROW_RIGHT)
    assert opened.one("#player-about").text != first
    opened.keys("u")
    assert "rejected" not in opened.one('article[data-cluster="2"]').get_attribute("class")
    opened.keys("s")
    opened.until((opened.downloads / "review.csv").exists, "was not saved")
    assert "jay" in (opened.downloads / "review.csv").read_text(encoding="utf-8")


def test_tab_reaches_every_control_in_order_with_visible_focus(opened):
    seen = []
    for _ in range(70):
        opened.keys(Keys.TAB)
        seen.append(opened.focused())
        outline = opened.run("return getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", seen[-1]
    sought = ["skip", "save", "theme", "help", "colour-by", "lasso", "map", "tab-clusters", "sort"]
    assert [seen.index(name) for name in sought] == sorted(seen.index(name) for name in sought)


def test_the_map_can_be_moved_by_keys(opened):
    opened.run("document.getElementById('map').focus()")
    place = opened.run("return document.getElementById('map').toDataURL()")
    opened.keys(Keys.ARROW_LEFT, "+", "+")
    opened.run("return new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))")
    assert opened.run("return document.getElementById('map').toDataURL()") != place
    opened.keys("0", "v")
    assert opened.one("#tab-selection").text == "Selection (36)"
    assert opened.one("#tab-selection").get_attribute("aria-selected") == "true"


def test_a_lasso_selects_and_a_point_plays(opened):
    canvas = opened.one("#map")
    width, height = canvas.size["width"], canvas.size["height"]
    opened.one("#lasso").click()
    corners = [(width - 10, 0), (0, height - 10), (10 - width, 0), (0, 14 - height)]
    actions = ActionChains(opened.browser).move_to_element_with_offset(
        canvas, 5 - width // 2, 5 - height // 2
    )
    actions.click_and_hold()
    for dx, dy in corners:
        actions.move_by_offset(dx, dy)
    actions.release().perform()
    assert opened.one("#tab-selection").text == "Selection (36)"
    opened.one("#lasso").click()
    opened.run("document.getElementById('tab-clusters').click()")
    # Zoomed in upon a ROI, it lies in the middle: a press there plays it.
    opened.run("document.querySelector('.clip').click(); document.getElementById('audio').pause()")
    row = opened.run("return Number(document.querySelector('.clip').dataset.row)")
    opened.keys("0")
    ActionChains(opened.browser).move_to_element(opened.one("#hover, #map")).perform()
    assert row >= 0


def test_colours_can_show_every_known_column(opened):
    choice = opened.one("#colour-by")
    known = {
        option.get_attribute("value"): option.is_enabled()
        for option in choice.find_elements(By.TAG_NAME, "option")
    }
    assert known == dict.fromkeys(
        ["cluster", "label", "recording", "site", "hour", "probability"], True
    )
    for value in known:
        before = opened.run("return document.getElementById('map').toDataURL()")
        opened.run("arguments[0].value = arguments[1];"
                   "arguments[0].dispatchEvent(new Event('change'))", choice, value)  # fmt: skip
        opened.until(
            lambda before=before, value=value: (
                value == "cluster"
                or opened.run("return document.getElementById('map').toDataURL()") != before
            ),
            f"{value} changes nothing",
        )
        assert opened.one("#legend").text


@pytest.mark.parametrize("width", [400, 1400])
def test_nothing_overflows_the_page(browser, page, tmp_path, width):
    opened = Opened(browser, page, tmp_path, width=width)
    for tab in ("clusters", "noise", "selection", "run"):
        opened.run(f"document.getElementById('tab-{tab}').click()")
        wide = opened.run("return document.documentElement.scrollWidth")
        assert wide <= width, tab


def test_the_theme_is_stored(opened):
    ground = "return getComputedStyle(document.body).backgroundColor"
    light = opened.run(ground)
    opened.one("#theme").click()
    dark = opened.run(ground)
    assert light != dark
    opened.load()
    assert opened.run(ground) == dark
    assert np.mean([int(c) for c in dark.strip("rgb()").split(",")]) < 60


@pytest.fixture
def of_two_levels(browser, page_of_two_levels, tmp_path):
    return Opened(browser, page_of_two_levels, tmp_path)


def visible(opened):
    """Return the numbers of the visible cards in their order."""
    cards = [card for card in opened.all("article.card") if card.is_displayed()]
    return [int(card.get_attribute("data-cluster")) for card in cards]


def test_superclusters_are_sections_that_open_and_close(of_two_levels):
    opened = of_two_levels
    assert [line["message"] for line in opened.browser.get_log("browser")] == []
    assert opened.one("#summary").text.startswith("36 ROIs · 3 clusters · 2 superclusters · 83 %")
    sections = opened.all(".supercluster")
    assert [section.get_attribute("aria-label") for section in sections] == [
        "Supercluster 0", "Supercluster 1"
    ]  # fmt: skip
    assert sections[0].find_element(By.CSS_SELECTOR, ".size").text == "2 clusters, 21 ROIs, 58 %"
    # Few clusters: all are open at first.
    assert visible(opened) == [0, 2, 1]
    opened.all(".disclosure")[0].click()
    assert visible(opened) == [1]
    assert opened.all(".disclosure")[0].get_attribute("aria-expanded") == "false"
    closed = sections[0].find_elements(By.CSS_SELECTOR, ".clip")
    medoids = [clip for clip in closed if clip.is_displayed()]
    assert [clip.find_element(By.TAG_NAME, "b").text for clip in medoids] == [
        "cluster 0", "cluster 2"
    ]  # fmt: skip
    opened.one("#open-all").click()
    assert visible(opened) == [0, 2, 1]
    assert opened.one("#open-all").text == "Close all"
    opened.one("#open-all").click()
    assert visible(opened) == []


def test_a_cluster_in_a_closed_supercluster_is_found_and_reached(of_two_levels):
    opened = of_two_levels
    opened.one("#open-all").click()
    opened.keys("j")
    assert visible(opened) == [0, 2]
    opened.keys("j", "j")
    assert visible(opened) == [0, 2, 1]
    opened.run("document.getElementById('open-all').click()")
    opened.one("#find").send_keys("2")
    assert visible(opened) == [2]
    assert [section.is_displayed() for section in opened.all(".supercluster")] == [True, False]
    opened.one("#find").send_keys(Keys.BACKSPACE)
    assert visible(opened) == []


def test_superclusters_follow_the_order_of_the_clusters(of_two_levels):
    opened = of_two_levels
    order = (
        "return [...document.querySelectorAll('.supercluster')].map(s => s.dataset.supercluster)"
    )
    assert opened.run(order) == ["0", "1"]
    opened.run("document.getElementById('sort').value = 'low';"
               "document.getElementById('sort').dispatchEvent(new Event('change'))")  # fmt: skip
    bands = opened.run(
        "return JSON.parse(document.getElementById('data').textContent).clusters"
        ".map((info) => [info.band.low_hz, info.supercluster])"
    )
    first = [supercluster for _, supercluster in sorted(bands)]
    assert opened.run(order) == [str(number) for number in dict.fromkeys(first)]


def test_colours_can_show_superclusters(of_two_levels):
    opened = of_two_levels
    opened.run("const choice = document.getElementById('colour-by'); choice.value = 'supercluster';"
               "choice.dispatchEvent(new Event('change'))")  # fmt: skip
    entries = [entry.get_attribute("title") for entry in opened.all("#legend button")]
    assert entries == ["supercluster 0: 21 ROIs", "supercluster 1: 9 ROIs", "noise: 6 ROIs"]
    assert not any(entry.is_displayed() for entry in opened.all("#hover"))


@pytest.mark.parametrize("width", [400, 1400])
def test_superclusters_do_not_overflow_the_page(browser, page_of_two_levels, tmp_path, width):
    opened = Opened(browser, page_of_two_levels, tmp_path, width=width)
    assert opened.run("return document.documentElement.scrollWidth") <= width
    opened.run("document.getElementById('open-all').click()")
    assert opened.run("return document.documentElement.scrollWidth") <= width
