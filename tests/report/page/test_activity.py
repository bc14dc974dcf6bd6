"""The part of the page on sites, hours and dates."""

import numpy as np
import pytest
from tests.report.page.opened import Opened
from tests.report.page.small_run import HOSTILE, small_run

from darksound.report.activity import activity, recorded_times
from darksound.report.page.activity import activity_content, cells_of_rois
from darksound.report.page.writing import write_page
from darksound.report.result import read_run
from darksound.rois.effort import EFFORT_SCHEMA, SITE_SCHEMA, as_effort_table, as_site_table
from darksound.run.files import write_parquet


@pytest.fixture(scope="module")
def with_effort(tmp_path_factory):
    """Return the small run with effort: site <b>a</b> at 5 and 6 h, b on another day, c unknown."""
    run = small_run(tmp_path_factory.mktemp("effort"))
    root = read_run(run).rois.table["root"].iloc[0]
    starts = ["2022-01-31T05:00:00Z", "2022-01-31T06:00:00Z", "2022-02-02T05:00:00Z"]
    effort = {
        "root": [root] * 7,
        "recording": [*HOSTILE, "silent.wav"],
        "site": ["<b>a</b>", "<b>a</b>", "b", "b", None, None, "b"],
        "recorded_at": [*starts, starts[2], None, None, starts[2]],
        "used_s": [1800.0, 3600.0, 900.0, 900.0, 60.0, 60.0, 3600.0],
    }
    write_parquet(run / "effort.parquet", as_effort_table(effort), EFFORT_SCHEMA)
    sites = {"site": ["<b>a</b>"], "latitude": [52.5], "longitude": [13.4], "time_zone": ["UTC"]}
    write_parquet(run / "sites.parquet", as_site_table(sites), SITE_SCHEMA)
    return read_run(run)


@pytest.fixture
def opened(browser, with_effort, tmp_path):
    page = Opened(browser, write_page(with_effort).path, tmp_path)
    page.run("document.getElementById('tab-activity').click()")
    return page


def recorded_of(result):
    return recorded_times(result.rois.table, result.effort, result.sites)


def text(rate: float) -> str:
    return f"{rate:.0f}" if rate == 0 or rate >= 10 else f"{rate:.1f}"


def titles(opened, selector):
    return [element.get_attribute("textContent") for element in opened.all(selector)]


def test_cells_have_what_was_recorded_and_rois_know_their_cell(with_effort):
    recorded = recorded_of(with_effort)
    content = activity_content(recorded, with_effort.sites)
    assert content["sites"] == ["<b>a</b>", "b", ""]
    assert content["dates"] == ["2022-01-31", "2022-02-01", "2022-02-02"]
    assert (content["recordings"], content["silent"], content["untimed"]) == (7, 1, 2)
    sunrise = content["sun"][0][1]
    assert len(sunrise) == 3
    assert 6.5 < sunrise[0] < 7
    assert content["sun"][1:] == [None, None]
    cells = cells_of_rois(recorded)
    # Six ROIs of each recording; both recordings of b are in one cell, and both of no site.
    assert np.unique(cells, return_counts=True)[1].tolist() == [12, 6, 6, 12]


def test_rates_are_those_of_the_package(opened, with_effort):
    expected = activity(recorded_of(with_effort), ["hour"]).dropna()
    columns = expected[["hour", "calls_per_hour", "low", "high"]].itertuples(index=False)
    assert titles(opened, "#view-activity svg.activity g title") == [
        f"{hour} to {hour + 1} h: {text(rate)} calls an hour ({text(low)} to {text(high)})"
        for hour, rate, low, high in columns
    ]
    unrecorded = titles(opened, "#view-activity svg.activity:not(.dates) rect.unrecorded title")
    assert len(unrecorded) == 22
    assert unrecorded[0] == "0 to 1 h: never recorded"
    about = opened.one("#view-activity").text
    assert "3.0 hours of sound in 7 recordings, 1 of them without a ROI." in about
    assert "The start of 2 recordings is unknown" in about


def test_sites_have_rates_and_unknown_ones_are_named(opened, with_effort):
    rows = [row.text.split(" ")[0] for row in opened.all("#view-activity tbody tr")]
    assert rows == ["<b>a</b>", "b", "site"]
    expected = activity(recorded_of(with_effort), ["site"]).set_index("site")
    cells = [cell.text for cell in opened.all("#view-activity tbody tr:nth-child(2) td")]
    assert cells[:3] == ["1.5", "12", f"{expected['calls_per_hour']['b']:.1f}"]


def test_rates_follow_the_chosen_cluster_the_site_and_the_review(opened):
    def calls():
        return [row.text for row in opened.all("#view-activity tbody tr td:nth-of-type(2)")]

    assert calls() == ["12", "12", "12"]
    choose = "const s = document.querySelectorAll('#view-activity select')[arguments[0]];"
    choose += "s.value = arguments[1]; s.dispatchEvent(new Event('change'));"
    opened.run(choose, 0, "0")
    assert calls() == ["12", "3", "0"]
    assert opened.run("return document.activeElement.tagName") == "SELECT"
    opened.run(choose, 1, "1")
    assert "5 to 6 h" in opened.one("#view-activity").text
    assert not opened.all("#view-activity svg.dates .sun")
    opened.run(choose, 1, "0")
    assert opened.all("#view-activity svg.dates .sun")
    opened.run(choose, 0, "all")
    card = "document.querySelector('article[data-cluster=\"0\"] header button.reject')"
    opened.run(f"{card}.click()")
    assert calls() == ["0", "9", "12"]
    opened.run("document.getElementById('undo').click()")
    assert calls() == ["12", "12", "12"]


def test_clusters_of_one_name_and_parts_that_were_split_off_count_by_the_review(opened, tmp_path):
    review = tmp_path / "review.csv"
    ids = [opened.run("return JSON.parse(document.getElementById('data').textContent).ids")]
    rows = [
        f"{roi_id},0,1,{0 if i < 15 else 1},{0 if i % 2 else 3},{'wren' if i % 2 else ''},false"
        for i, roi_id in enumerate(ids[0][:15])
    ]
    names = "roi_id,start_s,end_s,cluster,group,name,rejected"
    review.write_text("\n".join([names, *rows]) + "\n")
    opened.one("#load-file").send_keys(str(review))
    options = "#view-activity select option"
    opened.until(lambda: "wren" in titles(opened, options), "the review was not loaded")
    choose = "const s = document.querySelector('#view-activity select'); s.value = arguments[0];"
    opened.run(choose + "s.dispatchEvent(new Event('change'));", "3")
    calls = [row.text for row in opened.all("#view-activity tbody tr td:nth-of-type(2)")]
    # Every other of the 15 ROIs of cluster 0: 12 at the first site, 3 at b.
    assert calls == ["6", "2", "0"]


def test_cards_have_an_activity_curve_and_site_bars(opened):
    opened.run("document.getElementById('tab-clusters').click()")
    card = "article[data-cluster='0']"
    opened.run(f'document.querySelector("{card}").scrollIntoView()')
    opened.until(lambda: opened.all(f"{card} svg.activity"), "the card has no curve")
    bars = [bar.text for bar in opened.all(f"{card} .bars .label")][:3]
    assert bars == ["<b>a</b>", "b", "site not known"]


def test_what_is_not_known_is_a_sentence(browser, result, page, tmp_path):
    opened = Opened(browser, page, tmp_path)
    opened.run("document.getElementById('tab-activity').click()")
    assert "no table of effort" in opened.one("#view-activity").text
    assert not opened.all("#view-activity svg")


def test_without_times_and_sites_there_are_sentences_in_place_of_plots(browser, tmp_path):
    run = small_run(tmp_path)
    root = read_run(run).rois.table["root"].iloc[0]
    effort = {"root": [root] * len(HOSTILE), "recording": list(HOSTILE), "used_s": 60.0}
    write_parquet(run / "effort.parquet", as_effort_table(effort), EFFORT_SCHEMA)
    opened = Opened(browser, write_page(read_run(run)).path, tmp_path)
    opened.run("document.getElementById('tab-activity').click()")
    text = opened.one("#view-activity").text
    assert "The start of no recording is known" in text
    assert "The sites of the recordings are not known" in text
    assert not opened.all("#view-activity svg")


@pytest.mark.parametrize("width", [400, 1400])
def test_it_does_not_overflow_the_page(browser, with_effort, tmp_path, width):
    opened = Opened(browser, write_page(with_effort).path, tmp_path, width=width)
    opened.run("document.getElementById('tab-activity').click()")
    assert opened.run("return document.documentElement.scrollWidth") <= width
    assert opened.browser.get_log("browser") == []
