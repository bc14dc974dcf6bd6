"""What memory and disk a run takes, told before it starts, and refused where it cannot fit."""

from dataclasses import dataclass
from pathlib import Path

from darksound.audio.embedders.registry import TABLE, VECTORS, embedding_dim, scheme_of
from darksound.audio.length import ROI_LENGTHS
from darksound.cluster.methods import reduced
from darksound.data.cache_folder import cache_folder
from darksound.data.room import folder_size, refuse_disk, refuse_memory, said
from darksound.data.workers import worker_count
from darksound.runs.work import Work
from darksound.settings import Settings

__all__ = ["Needs", "needs_of", "refuse"]

# Measured by benchmarks/scale.py: what UMAP and HDBSCAN add once a process, compiled code included,
# for each ROI that UMAP is fitted on, and for each ROI that is reduced and clustered.
_STRUCTURE = 0.35e9
_FITTED_EACH = 5_000
_CLUSTERED_EACH = 2_000
# Average linkage keeps all distances three times, and at its finest cut as much again.
_LINKED_PAIR = 4 * 8
# A ROI in tables, in memory and in the files of a run (measured by benchmarks/exports.py); the
# page of a run, which stays below 25 MB by default, and pictures.
_TABLE_EACH = 1_500
_FILES_EACH = 400
_PICTURES = 30e6
# A worker that makes images: Python with torch and librosa.
_WORKER = 0.4e9
# ROIs that a worker is given at once.
_CHUNK = 32
# Axes that embeddings of many ROIs are turned onto, and their coordinates.
_AXES_EACH = 4 * 60
_NATIVE_HZ = 48_000


@dataclass(frozen=True)
class Needs:
    """What a run takes beyond what this process has taken, in bytes.

    Attributes:
        memory: at its peak.
        cache: that the cache may grow by, as far as it does not have it.
        files: in the directory of the run.
    """

    memory: float
    cache: float
    files: float

    def __str__(self) -> str:
        return f"{said(self.memory)} of memory and {said(self.cache + self.files)} on disk"


def needs_of(rois: int, dim: int, settings: Settings, work: Work) -> Needs:
    """An estimate from the number of ROIs, the length of their embeddings and what is to be done.

    Args:
        rois: how many.
        dim: length of an embedding.
        settings: front end, cache, reduction.
        work: what is to be done.
    """
    vectors = 4.0 * rois * dim
    memory = rois * _TABLE_EACH + work.held * vectors
    if work.clusterings:
        fitted = min(rois, settings.reduction.fit_at_most)
        # Validity takes the ROIs that it judges by in double precision, beside blocks of distances.
        judged = 8.0 * dim * min(rois, settings.mec.judge_at_most)
        structure = fitted * _FITTED_EACH + rois * (_CLUSTERED_EACH + _AXES_EACH)
        linked = 0.0 if reduced(settings, rois) else _LINKED_PAIR * rois**2
        memory += _STRUCTURE + max(structure, judged + 0.4e9, linked)
    if work.images and scheme_of(settings) not in (*VECTORS, TABLE):
        memory += min(worker_count(settings), 1 + work.images // _CHUNK) * _WORKER
    files = work.written * vectors + rois * _FILES_EACH + _PICTURES
    return Needs(memory, work.images * _cached_each(settings), files)


def refuse(rois: int, needs: Needs, settings: Settings, place: Path) -> None:
    """Refuse what cannot fit, unless `compute.refuse` is off.

    Args:
        rois: how many.
        needs: what they take.
        settings: in force.
        place: directory of the run.

    Raises:
        RunError: memory or a disk is too small; the message says what to change.
    """
    if not settings.compute.refuse:
        return
    what = f"A run on {rois:,} ROIs"
    refuse_memory(
        what,
        needs.memory,
        "take fewer ROIs, close other programs, lower reduction.fit_at_most (now "
        f"{settings.reduction.fit_at_most:,}) or --workers",
    )
    cache = cache_folder(settings)
    # What is cached of other ROIs counts too, so that nothing that fits is refused.
    missing = max(0.0, needs.cache - folder_size(cache))
    refuse_disk(
        what,
        {cache: missing, place: max(0.0, needs.files - folder_size(place))},
        "make room, name another folder with --set compute.cache_dir=FOLDER or --out, lower "
        f"augmentation.sound_versions (now {settings.augmentation.sound_versions})",
    )


def _cached_each(settings: Settings) -> float:
    """Bytes that the cache keeps of a ROI."""
    scheme = scheme_of(settings)
    if scheme == TABLE:
        return 0.0
    if scheme in VECTORS:
        return 4.0 * embedding_dim(settings)
    front, audio = settings.front_end, settings.audio
    seconds = ROI_LENGTHS[-1] if audio.roi_s == "auto" else audio.roi_s
    frames = front.frames(seconds)
    if front.hop != "auto":
        rate = _NATIVE_HZ if audio.sample_rate == "native" else audio.sample_rate
        frames = round(rate * seconds / front.hop) + 1
    return 3.0 * front.n_bands * frames * _ITEM_BYTES[settings.compute.cache_dtype]


_ITEM_BYTES = {"uint8": 1, "float16": 2}
