"""Images of ROIs: made once by several workers, cached on disk, read by row."""

from darksound.audio.roi_length import resolve_roi_length
from darksound.errors import InputError
from darksound.progress import Progress, silent
from darksound.rois.roi_set import RoiSet
from darksound.settings import Settings
from darksound.store.cached_store import CachedStore
from darksound.store.rendering import render
from darksound.store.shards import Recipe

__all__ = ["ImageStore", "build_images"]

# Changes whenever the same settings and sound come to give other images.
_EDITION = 1


class ImageStore(CachedStore):
    """Images `(3, h, w)` of a set of ROIs, row i of it being row i of `rois.table`."""

    kind = "images"


def build_images(
    rois: RoiSet, settings: Settings, progress: Progress = silent, versions: int = 0
) -> ImageStore:
    """Make the images that are not in the cache yet, and open them all.

    The same ROIs and settings give the same bytes, whatever the number of workers. A build that
    was interrupted goes on where it stopped; a cache file that is damaged is made again; a
    recording or setting that changed gives new images.

    Args:
        rois: what to make images of.
        settings: `audio` and `front_end` say how; `augmentation` and `seed` alter the sound;
            `compute` names the cache, its precision and the workers.
        progress: told of ROIs done, in the stage `images`, where any are made.
        versions: number of versions of each ROI with altered sound, beside the unaltered.

    Raises:
        InputError: no ROI can be read, or their rates give images of several shapes.
        SettingsError: the front end cannot work at a recording's rate, or the cache folder
            cannot be written to.
    """
    if len(rois) == 0:
        raise InputError("There are no ROIs to make images of.")
    settings = resolve_roi_length(settings, rois.durations)
    key = (_EDITION, settings.image_fingerprint(), settings.compute.cache_dtype)
    recipe = Recipe("images", key, render, "processes")
    return ImageStore.build(rois, settings, recipe, progress, versions)
