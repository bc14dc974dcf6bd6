"""The first view, levels, words, verification and splits of the page, in a real browser."""

from base64 import b64decode
from importlib.resources import files

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")
from selenium.webdriver.common.keys import Keys
from tests.report.page.opened import Opened

from darksound.rois.review import read_review

_AXE = """
const done = arguments[0];
axe.run(document, { resultTypes: ["violations"] }).then((found) => done(
  found.violations.filter((each) => ["serious", "critical"].includes(each.impact))
    .map((each) => [each.id, each.nodes.length, each.nodes[0].html.slice(0, 200)])));
"""


@pytest.fixture
def opened(browser, page, tmp_path):
    return Opened(browser, page, tmp_path)


def set_level(opened, size):
    opened.run(
        "const s = document.getElementById('granularity'); s.value = arguments[0];"
        "s.dispatchEvent(new Event('input'))",
        size,
    )
    tab = f"Clusters ({size})"
    opened.until(lambda: opened.one("#tab-clusters").text == tab, "the level did not change")


def test_the_answer_follows_the_review_and_opens_cards(opened):
    assert opened.one("#answer-headline").text.startswith("3 call types")
    assert "30 ROIs" in opened.one("#answer-headline").text
    opened.run("document.querySelector('article[data-cluster=\"2\"] .reject').click()")
    assert opened.one("#answer-headline").text.startswith("2 call types")
    assert "24 ROIs" in opened.one("#answer-headline").text
    assert "6 ROIs are rejected." in opened.one("#answer-list").text
    assert opened.one("#summary").text.startswith(
        "36 ROIs · 2 clusters · 67 % covered · 6 rejected"
    )
    assert opened.one("#tab-clusters").text == "Clusters (2)"
    opened.all("#start-list button")[1].click()
    assert "current" in opened.one('article[data-cluster="1"]').get_attribute("class")
    opened.run("document.getElementById('audio').pause()")


def test_names_stay_with_their_rois_at_other_levels(opened):
    opened.one('article[data-cluster="2"] .name').send_keys("wren", Keys.ENTER)
    set_level(opened, 2)
    names = [field.get_attribute("value") for field in opened.all("article.card .name")]
    assert sorted(names) == ["", "wren"]
    assert len(opened.all("article.card")) == 2
    opened.run("document.getElementById('tree').open = true")
    opened.until(lambda: len(opened.all("#tree-view li")) == 2, "no tree")
    opened.run("document.getElementById('level-own').click()")
    assert opened.one('article[data-cluster="2"] .name').get_attribute("value") == "wren"


def test_a_word_shows_its_definition_and_links_to_the_glossary(opened):
    opened.run("document.querySelector('#answer-headline .word').focus()")
    opened.until(lambda: opened.one("#tip").is_displayed(), "no definition")
    assert "Sounds that are alike" in opened.one("#tip-about").text
    opened.one("#tip-more").click()
    assert opened.one("#word-call_type").is_displayed()
    opened.keys(Keys.ESCAPE)
    assert not opened.one("#glossary").is_displayed()


def test_clips_are_verified_by_keys_and_the_verdicts_saved(opened):
    opened.one("#tab-verify").click()
    opened.keys("y", "n", "u")
    assert "3 of 30 checked" in opened.one("#view-verify").text
    opened.run("document.getElementById('audio').pause()")
    review = read_review(opened.saved())
    assert sorted(review.table["verdict"]) == ["no", "unsure", "yes"]
    assert review.table["cluster"].tolist() == [0, 0, 0]
    assert "%" in opened.one("#view-verify tbody").text
    opened.one("#undo").click()
    assert "2 of 30 checked" in opened.one("#view-verify").text
    opened.one("#redo").click()
    assert "3 of 30 checked" in opened.one("#view-verify").text


def test_a_cluster_is_split_by_its_branch_of_the_tree(opened):
    opened.keys("j", "t")
    assert opened.one("#split").is_displayed()
    opened.keys(Keys.ENTER)
    opened.until(lambda: opened.all('article[data-cluster="3"]'), "was not split")
    review = read_review(opened.saved())
    assert set(review.table["cluster"]) == {0}
    assert set(review.table["group"]) == {0, 3}
    assert len(review.table) == 15
    assert opened.one("#tab-clusters").text == "Clusters (4)"
    opened.one("#undo").click()
    assert not opened.all('article[data-cluster="3"]')


def test_spectrograms_fit_the_rows_of_the_tree(opened):
    opened.run("document.getElementById('tree').open = true")
    opened.until(lambda: opened.all("#tree-view li"), "the tree is not shown")
    rows = opened.run(
        "return [...document.querySelectorAll('#tree-view li')].map((row) =>"
        " [row.clientHeight, row.querySelector('.clip').offsetHeight])"
    )
    assert all(clip <= row for row, clip in rows), rows


def test_marked_clips_become_a_group_of_their_own(opened):
    opened.run("document.querySelector('article[data-cluster=\"1\"] .clip').click()")
    opened.keys("a")
    opened.run("document.getElementById('tab-selection').click()")
    opened.one("#view-selection input").send_keys("owl", Keys.ENTER)
    review = read_review(opened.saved())
    assert review.names == {3: "owl"}
    assert (review.table["group"] == 3).sum() == 1


def test_focus_dims_the_others_and_escape_ends_it(opened):
    picture = "return document.getElementById('map').toDataURL()"
    opened.keys("j")
    opened.run("return new Promise((done) => setTimeout(done, 100))")
    before = opened.run(picture)
    opened.keys("f")
    opened.until(lambda: opened.run(picture) != before, "nothing is dim")
    pressed = opened.all("#legend button[aria-pressed=true]")
    assert [entry.text.split("\n")[0] for entry in pressed] == ["Cluster 0"]
    opened.keys(Keys.ESCAPE)
    assert not opened.all("#legend button[aria-pressed=true]")


def test_cards_are_printed_without_the_map_and_the_buttons(opened):
    opened.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        hidden = ("#map", ".player", "#save", ".card .reject", "#tab-clusters")
        assert not any(opened.one(selector).is_displayed() for selector in hidden)
        assert all(card.is_displayed() for card in opened.all("article.card"))
        pdf = opened.browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"]
    finally:
        opened.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    content = b64decode(pdf)
    assert content.startswith(b"%PDF")
    assert len(content) > 20_000


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_there_is_no_serious_violation_of_accessibility(opened, theme):
    pytest.importorskip("axe_core_python", reason="axe-core-python is not installed")
    axe = files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    if theme == "dark":
        opened.one("#theme").click()
    opened.browser.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})
    found = []
    try:
        opened.load()
        opened.browser.execute_script(axe)
        for tab in ("clusters", "verify", "activity", "noise", "selection", "run"):
            opened.run(f"document.getElementById('tab-{tab}').click()")
            opened.run("document.getElementById('audio').pause()")
            found += opened.browser.execute_async_script(_AXE)
    finally:
        opened.browser.execute_cdp_cmd("Page.setBypassCSP", {"enabled": False})
    assert not found, found
