"""`report.html`: put together and written."""

import hashlib
import logging
from base64 import b64encode
from dataclasses import dataclass
from importlib.resources import files
from math import inf
from pathlib import Path

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from darksound.atomic import write_bytes
from darksound.progress import Progress, silent
from darksound.report.page.cards import Codes, cluster_cards
from darksound.report.page.content import page_content
from darksound.report.page.encoding import column, script_safe_json
from darksound.report.page.media import PLACES, Media, make_media, page_scale
from darksound.report.page.members import cluster_members, showing_order
from darksound.run.reading import RunResult
from darksound.settings import ReportSettings

__all__ = ["FILE", "Page", "write_page"]

#: What the page is called in a run.
FILE = "report.html"

logger = logging.getLogger(__name__)

_MEGABYTE = 1e6
_DEFAULT_MB = 50.0
_MEAN_BYTES = 4000
# Causes that are told in full.
_MOST_CAUSES = 200
_ASSETS = files("darksound.report.page") / "assets"
# In this order; each uses what stands before it.
_SCRIPTS = (
    "data.js",
    "elements.js",
    "colours.js",
    "media.js",
    "review.js",
    "charts.js",
    "stamps.js",
    "map.js",
    "gestures.js",
    "clips.js",
    "cards.js",
    "merging.js",
    "colouring.js",
    "story.js",
    "keys.js",
    "main.js",
)


@dataclass(frozen=True)
class Page:
    """A page that was written.

    Attributes:
        path: of it.
        size: in bytes, without a folder beside it.
        rois: how many ROIs it shows.
        heard: how many of them have sound and a picture.
        unreadable: how many have none because their recordings cannot be read.
    """

    path: Path
    size: int
    rois: int
    heard: int
    unreadable: int


def write_page(
    result: RunResult,
    path: Path | None = None,
    *,
    review: str | None = None,
    progress: Progress = silent,
) -> Page:
    """Write the page of a run; `result.settings.report` says what it holds.

    The same run gives the same page, whatever the number of workers.

    Args:
        result: the run.
        path: of the page; None: `report.html` in the run.
        review: the text of a `review.csv` that the page starts from where its browser kept none.
        progress: told of the ROIs heard, in the stage `clips`.

    Raises:
        RunError: the page cannot be written.
    """
    path = result.path / FILE if path is None else path
    members = cluster_members(result)
    codes, scale = Codes(result.rois), page_scale(result)
    fixed = page_content(result, codes, scale)

    def page(media: Media, told: object, images: str, sounds: str) -> bytes:
        cards = cluster_cards(result, members, media, codes, scale)
        content = {**fixed, "clusters": cards, "media": told, "review": review}
        content["unreadable"] = column(np.array(sorted(media.causes)), "i4")
        content["causes"] = list(media.causes.items())[:_MOST_CAUSES]
        return _html(result, script_safe_json(content), images, sounds)

    report = result.settings.report
    # Mean spectrograms, which are not there yet, are about as large as this.
    bare = len(page(Media(), None, "", "")) + _MEAN_BYTES * len(members)
    room = _room(report, bare)
    place = PLACES[report.external_media](path.parent, room)
    order = showing_order(result, members) if room > 0 else np.empty(0, np.int64)
    media = make_media(result, members, order, scale, place.keep, progress)
    content = page(media, *place.close())
    write_bytes(path, content)
    _remark(bare, len(result), media)
    return Page(path, len(content), len(result), len(media.rows), len(media.causes))


def _room(report: ReportSettings, bare: int) -> float:
    if report.external_media:
        return inf if report.page_mb == "auto" else _MEGABYTE * report.page_mb
    limit = _DEFAULT_MB if report.page_mb == "auto" else report.page_mb
    return _MEGABYTE * limit - bare


def _remark(bare: int, rois: int, media: Media) -> None:
    silent_rois = rois - len(media.rows) - len(media.causes)
    if silent_rois:
        logger.info(
            "%d of %d ROIs have sound and a picture in the page; for more, raise "
            "--report-mb (%.0f MB are tables) or use --external-media.",
            len(media.rows),
            rois,
            bare / _MEGABYTE,
        )


def _html(result: RunResult, data: str, images: str, sounds: str) -> bytes:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(_asset("page.html.j2"))
    body = "\n".join(_asset(name) for name in _SCRIPTS)
    script = f'"use strict";\n(() => {{\n{body}\n}})();\n'
    style = _asset("style.css")
    text = template.render(
        run=result.name,
        version=result.version,
        policy=_policy(script, style),
        # Ours, or made of characters that mean nothing in HTML.
        style=Markup(style),
        script=Markup(script),
        data=Markup(data),
        images=Markup(images),
        sounds=Markup(sounds),
    )
    return text.encode()


def _policy(script: str, style: str) -> str:
    """What the page may do: run this script and style, and show what it holds or what lies beside.

    Nothing is ever asked of a network, and no markup that slipped in could run.
    """
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "img-src data: blob: file: 'self'",
            "media-src data: blob: file: 'self'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _hash(text: str) -> str:
    return "sha256-" + b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")
