"""Which ROIs a run works on, in one hash."""

import hashlib

from darksound.data.rois import RoiSet

__all__ = ["fingerprint"]


def fingerprint(rois: RoiSet) -> str:
    """Hash of the ROIs' ids in order, and of their recordings' stamps.

    It changes when ROIs come, go or move, and when a file is written anew.

    Raises:
        InputError: a recording is gone.
    """
    digest = hashlib.sha256()
    for roi_id in rois.table["roi_id"]:
        digest.update(f"{roi_id}\n".encode())
    recordings = rois.table[["root", "recording"]].drop_duplicates()
    for root, recording in sorted(recordings.itertuples(index=False, name=None)):
        digest.update(f"{recording}\0{rois.reader.stamp(root, recording)}\n".encode())
    return digest.hexdigest()[:32]
