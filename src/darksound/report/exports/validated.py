"""Exports of what a review has verified: single ROIs, or groups of a known precision."""

from dataclasses import replace

from darksound.errors import InputError
from darksound.report.exports.base import ExportContent
from darksound.report.review_report import review_report

__all__ = ["of_precise_groups", "verified_rois"]


def verified_rois(content: ExportContent) -> ExportContent:
    """Return the content with the ROIs that have the verdict `yes`.

    Raises:
        InputError: there are none.
    """
    is_verified = content.verdicts == "yes"
    if not is_verified.any():
        raise InputError(
            "No ROI has the verdict yes, so none is verified; give a review with verdicts "
            "(--review), or leave out --verified."
        )
    return replace(content, table=content.table[is_verified].reset_index(drop=True))


def of_precise_groups(content: ExportContent, min_precision: float) -> ExportContent:
    """Return the content with the groups whose precision is at least `min_precision`.

    It is the lower end of the 95 % interval that counts, see `review_report`. ROIs with the verdict
    `no`, and those in no group, are left out.

    Raises:
        InputError: there is no review with verdicts, or no group is as precise.
    """
    if content.review is None:
        raise InputError("--min-precision needs a review with verdicts; give it with --review.")
    report = review_report(content.result, content.review)
    groups = report[report["group"].notna()]
    precise = groups[groups["low"] >= min_precision]
    if precise.empty:
        best = groups.sort_values("low").iloc[-1]
        raise InputError(
            f"No group has a precision of at least {min_precision:g}: that of {best['name']} is "
            f"{best['low']:.2f} to {best['high']:.2f} (95 %). Lower --min-precision, or check more "
            "ROIs (darksound review-report --next)."
        )
    kept = content.table["group"].isin(precise["group"]) & (content.verdicts != "no")
    return replace(content, table=content.table[kept].reset_index(drop=True))
