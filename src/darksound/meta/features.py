"""Features of many ROIs at once, in evaluation mode."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from queue import SimpleQueue

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darksound.audio.embedding_models import check_same_model
from darksound.device import download_in_order, resolve_device
from darksound.errors import CheckpointError
from darksound.meta.device import autocast, in_fast_format, to_device
from darksound.meta.device_rows import DeviceRows
from darksound.meta.learners.base import Learner
from darksound.parallel.threads import map_in_order, single_threaded, usable_threads
from darksound.progress import Progress, silent
from darksound.settings import ComputeSettings
from darksound.store.contract import RowKind, Store

Rows = npt.NDArray[np.int64]

__all__ = ["check_store", "compute_features", "fit_backbone", "inference_copy"]


@single_threaded()
def compute_features(
    images: Store,
    learner: Learner,
    compute: ComputeSettings,
    *,
    rows: npt.NDArray[np.int64] | None = None,
    embed: bool = False,
    progress: Progress = silent,
    stage: str = "embedding",
) -> Tensor:
    """Return features of unaltered ROIs; each depends on its own sound alone.

    Of a ROI with windows (`images.pieces`), vectors are the mean of those of its windows at unit
    length, times their mean length; feature maps are those of the ROI's own image.

    Args:
        images: images, or vectors of an embedding model.
        learner: moved to the device of the settings; its mode does not matter and does not change.
        compute: device, precision and batch size.
        rows: `(n,)` rows of `images`, in the order of the result; None for all.
        embed: return vectors for clustering (`Learner.embed`), not `Learner.features`.
        progress: called with the number of ROIs done.
        stage: name of the work for `progress`.

    Returns:
        float32 `(n, ...)` on the CPU.

    Raises:
        CheckpointError: the images were made with another front end.
    """
    check_store(images, learner)
    fit_backbone(images, learner)
    rows = np.arange(len(images)) if rows is None else rows
    device, dtype = resolve_device(compute)
    to_device(learner, device)
    step = compute.batch_size
    batch_rows = [rows[start : start + step] for start in range(0, len(rows), step)]
    all_windows = _window_batches(images, batch_rows, step)
    image_rows = DeviceRows(images, device)
    sources = [(image_rows, batch) for batch in batch_rows]
    if images.pieces is not None:
        window_rows = DeviceRows(images.pieces.store, device)
        sources += [(window_rows, windows) for windows, _ in all_windows]
    batches = map_in_order(lambda source: source[0].batch(source[1]), sources)
    # A CPU computes several batches at a time, a GPU one, in this thread, which has its device.
    on_cpu = device.type == "cpu"
    threads = max(1, min(usable_threads(), len(sources))) if on_cpu else 1
    networks: SimpleQueue[Learner] = SimpleQueue()
    network = inference_copy(learner, dtype)
    for _ in range(threads):
        networks.put(_structural_copy(network))

    def forward(batch: Tensor) -> Tensor:
        # The networks share their parameters, but hooks of one pass must not meet another's.
        own = networks.get()
        try:
            with torch.inference_mode(), autocast(device, dtype):
                run = own.embed if embed else own.features
                return run(in_fast_format(batch)).float()
        finally:
            networks.put(own)

    parts: list[Tensor] = []
    n_done, n_all = 0, sum(len(batch) for _, batch in sources)
    progress(stage, 0, len(rows))
    computed = map_in_order(forward, batches, threads, ahead=1) if on_cpu else map(forward, batches)
    for part in download_in_order(computed):
        parts.append(part)
        n_done += len(part)
        progress(stage, len(rows) * n_done // n_all, len(rows))
    if not parts:
        return torch.zeros(0, learner.embedding_dim)
    # A clone made outside inference mode may take part in training.
    features = torch.cat(parts[: len(batch_rows)]).clone()
    if all_windows and features.ndim == 2:
        index = np.concatenate([index for _, index in all_windows])
        _average(features, torch.cat(parts[len(batch_rows) :]), torch.from_numpy(index))
    return features


def _window_batches(
    images: Store, batch_rows: Sequence[Rows], step: int
) -> list[tuple[Rows, Rows]]:
    """Return batches of windows of the ROIs in each batch, and the index of the ROI of each window.

    No batch has windows of ROIs of two batches, so that its windows do not depend on how many
    batches are computed in one call.
    """
    if images.pieces is None:
        return []
    batches, first = [], 0
    for rows in batch_rows:
        windows, index = images.pieces.of(rows)
        for start in range(0, len(windows), step):
            part = slice(start, start + step)
            batches.append((windows[part], first + index[part]))
        first += len(rows)
    return batches


def _average(features: Tensor, of_windows: Tensor, index: Tensor) -> None:
    """Replace the vectors of ROIs that have windows, in place.

    Args:
        features: vectors of all ROIs, `(n, dim)`.
        of_windows: vectors of all windows, `(n_windows, dim)`.
        index: of the ROI of each window in `features`, `(n_windows,)`.
    """
    length = of_windows.norm(dim=1, keepdim=True)
    n_windows = torch.bincount(index, minlength=len(features))[:, None]
    # Sums over windows are in their order, so they are the same each time.
    units = torch.zeros_like(features).index_add_(0, index, F.normalize(of_windows))
    mean_length = torch.zeros(len(features), 1).index_add_(0, index, length) / n_windows
    is_long = n_windows[:, 0] > 0
    features[is_long] = (F.normalize(units) * mean_length)[is_long]


def _structural_copy(network: Learner) -> Learner:
    """Return a copy that shares all parameters and buffers."""
    shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    return deepcopy(network, shared)


def fit_backbone(images: Store, learner: Learner) -> None:
    """Fit the backbone's statistics on all rows of a store, unless they are fitted already."""
    if learner.backbone.is_fitted:
        return
    step, n = learner.settings.compute.batch_size, len(images)
    starts = range(0, n, step)
    learner.backbone.fit(images.batch(np.arange(s, min(s + step, n))) for s in starts)


def check_store(images: Store, learner: Learner) -> None:
    """Check that a store holds the kind of images or vectors that the learner was trained on.

    Images must be made with the learner's front end. Only the ROI length may differ, and only
    where the hop follows it. Vectors must be made by the learner's embedding model.

    Raises:
        CheckpointError: the store differs; the message names the settings.
    """
    _CHECKS[images.kind](images, learner)


def _check_embedding_model(images: Store, learner: Learner) -> None:
    actual = images.settings
    check_same_model(learner.settings.embedding_model, actual.embedding_model, actual.backbone.name)


def _check_front_end(images: Store, learner: Learner) -> None:
    expected, actual = learner.settings, images.settings
    differing = [
        f"{section}.{key} ({value!r} against {getattr(getattr(actual, section), key)!r})"
        for section in ("audio", "front_end")
        for key, value in getattr(expected, section)
        if value != getattr(getattr(actual, section), key)
        and not (key == "roi_s" and expected.front_end.hop == "auto")
        and not (key == "long_rois" and "start" not in (value, actual.front_end.long_rois))
    ]
    if differing:
        raise CheckpointError(
            f"The learner was trained on images of another front end: {'; '.join(differing)}. "
            f"Make the images with the learner's settings, or train a learner on these."
        )


_CHECKS: dict[RowKind, Callable[[Store, Learner], None]] = {
    "images": _check_front_end,
    "vectors": _check_embedding_model,
}


@torch.no_grad()
def inference_copy(learner: Learner, dtype: torch.dtype | None) -> Learner:
    """Return a copy in evaluation mode with the same output that runs faster.

    Batch norm is folded into convolutions, and weights are converted once to the type that autocast
    would convert them to in each batch.

    Args:
        learner: on the device where it will be used.
        dtype: type of autocast; None for float32.
    """
    copy = _structural_copy(learner).eval()
    copy.backbone.fold_batch_norm()
    for module in copy.backbone.modules() if dtype is not None else ():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            # Modules that are not folded share their parameters with the learner.
            for name, parameter in module.named_parameters(recurse=False):
                setattr(module, name, nn.Parameter(parameter.to(dtype), requires_grad=False))
    return copy
