"""Similar clips on the page, in a browser."""

import pytest
from selenium.webdriver.common.keys import Keys
from tests.report.page.opened import Opened

from darksound.rois.review import read_review


@pytest.fixture
def opened(browser, page, tmp_path):
    return Opened(browser, page, tmp_path)


def notes(opened):
    return [clip.text.split("\n")[0] for clip in opened.all("#view-selection .clip")]


def rows(opened):
    return [int(clip.get_attribute("data-row")) for clip in opened.all("#view-selection .clip")]


def test_every_clip_has_a_button_that_shows_the_clips_like_it(opened):
    cells = opened.all('article[data-cluster="0"] .clip-cell')
    row = int(cells[1].find_element("css selector", ".clip").get_attribute("data-row"))
    button = cells[1].find_element("css selector", ".more")
    assert button.get_attribute("aria-label").startswith("More like the clip ")
    button.click()
    assert opened.one("#tab-selection").text == "Selection (9)"
    assert rows(opened)[0] == row
    assert notes(opened)[0] == "this clip"
    distances = [float(note.rsplit(" ", 1)[-1]) for note in notes(opened)[1:]]
    assert len(distances) == 8
    assert distances == sorted(distances)
    # The clips are the playlist.
    opened.keys(Keys.ARROW_RIGHT)
    playing = opened.one("#view-selection .clip.playing")
    assert int(playing.get_attribute("data-row")) == rows(opened)[1]


def test_the_key_and_the_button_of_the_player_show_the_clips_like_the_current_one(opened):
    opened.keys("i")
    assert opened.one("#status").text
    opened.all('article[data-cluster="0"] .clip')[0].click()
    opened.keys("i")
    first = rows(opened)
    assert len(first) == 9
    # From one clip to the next.
    opened.all("#view-selection .clip")[3].click()
    opened.one("#similar").click()
    assert rows(opened)[0] == first[3]
    assert opened.browser.get_log("browser") == []


def test_similar_clips_become_a_group_that_python_reads(opened, result):
    opened.all('article[data-cluster="0"] .clip-cell .more')[0].click()
    grouped = rows(opened)
    opened.one("#view-selection form input").send_keys("small owl")
    opened.one("#view-selection form button[type=submit]").click()
    review = read_review(opened.saved())
    reviewed = result.reviewed(review)
    table = reviewed.clusters.set_index("roi_id")["cluster"]
    own = set(table[result.rois.table["roi_id"].iloc[grouped]])
    assert len(own) == 1
    assert review.names[own.pop()] == "small owl"
    assert reviewed.n_clusters == result.n_clusters + 1
