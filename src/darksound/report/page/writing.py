"""Write the report page, `report.html`."""

import hashlib
import logging
from base64 import b64encode
from dataclasses import dataclass
from math import inf
from pathlib import Path

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from darksound.atomic import write_bytes
from darksound.progress import Progress, silent
from darksound.report.page.cards import RoiCodes, cluster_cards
from darksound.report.page.content import page_content
from darksound.report.page.media import (
    MEDIA_WRITERS,
    RenderedMedia,
    column,
    render_media,
    script_safe_json,
    thumbnail_scale,
)
from darksound.report.page.members import clip_order, cluster_members
from darksound.report.page.plan import planned_rows
from darksound.report.page.scripts import page_script, page_texts, read_asset
from darksound.report.page.similar import similar_clips
from darksound.report.result import MecResult
from darksound.rois.review import read_review
from darksound.rois.roi_set import Problem
from darksound.settings import ReportSettings

__all__ = ["PAGE_FILE", "Page", "write_page"]

#: Name of the page in the run directory.
PAGE_FILE = "report.html"

logger = logging.getLogger(__name__)

_MEGABYTE = 1e6
_DEFAULT_MB = 50.0
_MEAN_BYTES = 4000
# Number of read errors whose text is in the page.
_MAX_CAUSES = 200


@dataclass(frozen=True)
class Page:
    """A written page.

    Attributes:
        path: path of the page.
        size: size in bytes, without external media.
        rois: number of ROIs.
        with_sound: number of ROIs with sound and thumbnail.
        problems: recordings of ROIs without, because they cannot be read; the page lists them.
    """

    path: Path
    size: int
    rois: int
    with_sound: int
    problems: tuple[Problem, ...]


def write_page(
    result: MecResult,
    out: str | Path | None = None,
    *,
    review: str | Path | None = None,
    progress: Progress = silent,
) -> Page:
    """Write the report page of a result; `result.settings.report` sets its content and size.

    The same result gives the same page, whatever the number of workers.

    Args:
        result: the result of MEC.
        out: path of the page; None: `report.html` in the run directory.
        review: path of a `review.csv` of the run; the page starts with it, unless the browser
            has stored a review of this run.
        progress: called with the number of rendered ROIs, in the stage `clips`.

    Raises:
        InputError: the review is of another run, or `out` is None for an unsaved result.
        RunError: the page cannot be written.
    """
    path = result.directory / PAGE_FILE if out is None else Path(out)
    members = cluster_members(result)
    codes, scale = RoiCodes(result.rois.table), thumbnail_scale(result)
    planned = planned_rows(result)
    fixed = {
        **page_content(result, codes, scale, planned),
        "review": _review_text(result, review),
    }

    def html(media: RenderedMedia, index: object, images: str, sounds: str) -> bytes:
        cards = cluster_cards(result, members, media, codes, scale)
        content = {**fixed, "clusters": cards, "media": index}
        content["similar"] = similar_clips(result, media.rows)
        content["unreadable"] = column(np.array(sorted(media.causes)), "i4")
        content["causes"] = list(media.causes.items())[:_MAX_CAUSES]
        return _html(result, script_safe_json(content), images, sounds)

    report = result.settings.report
    # The mean spectrograms do not exist yet; they have about this size.
    tables_size = len(html(RenderedMedia(), None, "", "")) + _MEAN_BYTES * len(members)
    max_bytes = _media_size(report, tables_size)
    writer = MEDIA_WRITERS[report.external_media](path.parent, max_bytes)
    order = clip_order(result, members, planned) if max_bytes > 0 else np.empty(0, np.int64)
    media = render_media(result, members, order, scale, writer=writer, progress=progress)
    content = html(media, *writer.close())
    write_bytes(path, content)
    _log_missing_clips(tables_size, len(result), media)
    recordings = result.rois.table["recording"]
    problems = [Problem(recordings.iloc[row], cause) for row, cause in media.causes.items()]
    return Page(path, len(content), len(result), len(media.rows), tuple(problems))


def _review_text(result: MecResult, review: str | Path | None) -> str | None:
    if review is None:
        return None
    result.reviewed(read_review(review))  # raises for the review of another run
    return Path(review).read_text(encoding="utf-8-sig")


def _media_size(report: ReportSettings, tables_size: int) -> float:
    """Return the maximum size of all clips in bytes; not positive where there is no space."""
    if report.external_media:
        return inf if report.page_mb == "auto" else _MEGABYTE * report.page_mb
    limit = _DEFAULT_MB if report.page_mb == "auto" else report.page_mb
    return _MEGABYTE * limit - tables_size


def _log_missing_clips(tables_size: int, rois: int, media: RenderedMedia) -> None:
    if rois - len(media.rows) - len(media.causes):
        logger.info(
            "%d of %d ROIs have sound and a thumbnail in the page; for more, raise "
            "--report-mb (%.0f MB are tables) or use --external-media.",
            len(media.rows),
            rois,
            tables_size / _MEGABYTE,
        )


def _html(result: MecResult, data: str, images: str, sounds: str) -> bytes:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(read_asset("page.html.j2"))
    script, style, texts = page_script(), read_asset("style.css"), page_texts()
    language = result.settings.report.language
    text = template.render(
        run=result.name,
        version=result.version,
        language="en" if language == "auto" else language,
        no_script=" ".join(texts["page.no_script"].values()),
        policy=_policy(script, style),
        # Package files, base64, or JSON without HTML characters.
        style=Markup(style),
        script=Markup(script),
        texts=Markup(script_safe_json(texts)),
        data=Markup(data),
        images=Markup(images),
        sounds=Markup(sounds),
    )
    return text.encode()


def _policy(script: str, style: str) -> str:
    """Return the content security policy: this script and style, embedded and local media.

    There are no network requests, and injected markup cannot run.
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
