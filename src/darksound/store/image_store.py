"""Images of ROIs: rendered once by several workers, cached on disk, read by row."""

from darksound.audio.channels import UNBOUNDED_CHANNELS
from darksound.audio.geometry import resolve_roi_length
from darksound.errors import InputError, SettingsError
from darksound.progress import Progress, silent
from darksound.rois.roi_set import RoiSet
from darksound.settings import Settings
from darksound.store.cached_store import CachedStore
from darksound.store.rendering import render_images
from darksound.store.shards import Recipe

__all__ = ["ImageStore", "build_images"]

# Increased whenever the same settings and sound give other images than before.
_CACHE_VERSION = 1


class ImageStore(CachedStore):
    """Images `(3, h, w)` of a set of ROIs; row i belongs to row i of `rois.table`."""

    kind = "images"


def build_images(
    rois: RoiSet, settings: Settings, progress: Progress = silent, versions: int = 0
) -> ImageStore:
    """Render the images that the cache lacks, and return a store of all images.

    The same ROIs and settings give the same bytes, whatever the number of workers. An interrupted
    build resumes where it stopped, a damaged cache file is rendered again, and a changed recording
    or setting gives new images.

    Args:
        rois: ROIs of the store.
        settings: `audio` and `front_end` define the images, `augmentation` and `seed` the altered
            sound, `compute` the cache, its precision and the workers.
        progress: called with the number of ROIs done, in the stage `images`, if any are rendered.
        versions: number of versions of each ROI with altered sound, besides the unaltered one.

    Raises:
        InputError: no ROI can be read, or recordings of several sampling rates give images of
            several shapes.
        SettingsError: the front end does not support a recording's sampling rate, the cache folder
            cannot be written to, or bytes cannot hold the values of a channel.
    """
    if len(rois) == 0:
        raise InputError("There are no ROIs to make images of.")
    roi_s = resolve_roi_length(rois.durations, settings.audio, settings.front_end)
    settings = settings.replace(audio={"roi_s": roi_s})
    unbounded = UNBOUNDED_CHANNELS.intersection(settings.front_end.channels)
    if unbounded and settings.compute.cache_dtype == "uint8":
        raise SettingsError(
            f"front_end.channels: values of {', '.join(sorted(unbounded))} are not limited to "
            "[0, 1]; set compute.cache_dtype to float16."
        )
    key = (_CACHE_VERSION, settings.image_fingerprint(), settings.compute.cache_dtype)
    recipe = Recipe("images", key, render_images, "processes")
    return ImageStore.build(rois, settings, recipe, progress, versions)
