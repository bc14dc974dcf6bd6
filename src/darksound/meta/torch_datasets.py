"""ROIs as PyTorch datasets, and few-shot episodes as the batches of a DataLoader."""

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from darksound.datasets.download import download as download_sets
from darksound.datasets.registry import data_folder, select_splits
from darksound.errors import InputError
from darksound.meta.episodes import EpisodeSampler, recording_names
from darksound.meta.randomness import Purpose, numpy_generator
from darksound.settings import EpisodeSettings, Settings, load_settings
from darksound.sources import RoisLike, as_roi_set, load_rois
from darksound.store.cached_store import build_images

__all__ = ["Darksound", "EpisodeBatchSampler", "RoiDataset", "episode_collate"]

Transform = Callable[[Tensor], Any]
TargetTransform = Callable[[int], Any]

# The preset whose front end made the images of each published set.
_PRESETS = {"darksound-2023": "thesis-2023", "darksound-2024": "paper-2024"}
# Label of a ROI without a label, as in torchvision's STL10 and in scikit-learn.
_NO_LABEL = -1


class RoiDataset(Dataset[tuple[Any, Any]]):
    """Images of ROIs and their labels, as a dataset of PyTorch.

    Item i is a pair: the image of ROI i, float32 `(3, h, w)` in [0, 1], and the index of its label
    in `classes`, or -1 where it has none. Images are computed once, in parallel, and cached on
    disk; items are read from the cache, so that any number of workers of a DataLoader can share it.
    The dataset can be pickled if its transforms can.

    Args:
        rois: the ROIs, or data to load them from: a name such as `demo:train`, a path, or a list.
        settings: `audio` and `front_end` define the images, `compute` the cache; None: defaults.
        transform: applied to each image. Transforms of torchvision on tensors work, such as
            `ResNet18_Weights.IMAGENET1K_V1.transforms()`.
        target_transform: applied to each label.

    Attributes:
        rois: the ROIs that can be read, in the order of the items; the others are in
            `rois.problems`.
        settings: settings with every `auto` replaced by its value; use them for a second dataset,
            so that both have the same front end.
        classes: names of the labels, sorted.
        class_to_idx: index of each name in `classes`.
        labels: label of each item, before `target_transform`.

    Raises:
        InputError: there are no ROIs, none can be read, or `settings` has another type.
        SettingsError: the front end does not support a recording's sampling rate.

    Examples:
        >>> import darksound as ds
        >>> from torch.utils.data import DataLoader
        >>> dataset = ds.RoiDataset("demo:val")
        >>> len(dataset), len(dataset.classes), dataset.classes[0]
        (120, 10, 'species-041')
        >>> image, label = dataset[0]
        >>> image.shape, image.dtype, dataset.classes[label]
        (torch.Size([3, 112, 192]), torch.float32, 'species-041')
        >>> images, labels = next(iter(DataLoader(dataset, batch_size=32, shuffle=True)))
        >>> images.shape, labels.shape
        (torch.Size([32, 3, 112, 192]), torch.Size([32]))
    """

    def __init__(
        self,
        rois: RoisLike,
        settings: Settings | None = None,
        transform: Transform | None = None,
        target_transform: TargetTransform | None = None,
    ) -> None:
        settings = _checked(settings, Settings())
        self._images = build_images(as_roi_set(rois, settings), settings)
        self.transform, self.target_transform = transform, target_transform
        self.rois, self.settings = self._images.rois, self._images.settings
        names = self.rois.labels
        names = np.full(len(self.rois), None, dtype=object) if names is None else names
        self.classes: list[str] = sorted(set(names) - {None})
        self.class_to_idx = {name: index for index, name in enumerate(self.classes)}
        self.labels = [self.class_to_idx.get(name, _NO_LABEL) for name in names]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        row = range(len(self))[operator.index(index)]
        image: Any = self._images.batch([row])[0]
        label: Any = self.labels[row]
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            label = self.target_transform(label)
        return image, label


class Darksound(RoiDataset):
    """A split of a published Darksound set, with its published images by default.

    Each clip is an item; see `RoiDataset` for items, labels and transforms.

    Args:
        split: `train`, `val` or `test`; `darksound-2024` has no `val`.
        transform: applied to each image, a tensor.
        target_transform: applied to each label.
        download: verify the split on disk, and download it if it is missing or damaged.
        name: `darksound-2023` (290 nocturnal species) or `darksound-2024`.
        settings: front end, cache and data folder; None: the preset of the publication,
            `thesis-2023` or `paper-2024`.

    Attributes:
        name: of the set.
        split: of the set.
        rois, settings, classes, class_to_idx, labels: see `RoiDataset`.

    Raises:
        InputError: there is no such split, or it is not on disk and `download` is false.
        DownloadError: the split cannot be downloaded.

    Examples:
        >>> from pathlib import Path
        >>> import darksound as ds, numpy as np, soundfile
        >>> for species in ("Owl", "Potoo"):
        ...     folder = Path("darksound-2023/test/family", species)
        ...     folder.mkdir(parents=True)
        ...     wave = np.random.default_rng(1).normal(scale=0.1, size=48_000)
        ...     soundfile.write(folder / "1.wav", wave, 48_000)
        >>> settings = ds.load_settings("thesis-2023", flags={"compute": {"data_dir": "."}})
        >>> dataset = ds.Darksound("test", settings=settings)
        >>> dataset.classes, dataset.labels
        (['Owl', 'Potoo'], [0, 1])
        >>> dataset[0][0].shape
        torch.Size([3, 128, 282])
        >>> try:
        ...     ds.Darksound("train", settings=settings)
        ... except ds.InputError as error:
        ...     print(str(error).partition(" (")[0])
        darksound-2023:train is not on disk
    """

    def __init__(
        self,
        split: str = "train",
        transform: Transform | None = None,
        target_transform: TargetTransform | None = None,
        download: bool = False,
        *,
        name: str = "darksound-2023",
        settings: Settings | None = None,
    ) -> None:
        spec = f"{name}:{split}"
        select_splits(spec)
        settings = _checked(settings, load_settings(_PRESETS[name]))
        if download:
            download_sets(spec, settings=settings)
        folder = data_folder(settings.compute) / name / split
        if not folder.is_dir():
            raise InputError(
                f"{spec} is not on disk (searched in {folder}). Pass download=True, or run "
                f"`darksound download {spec}`; if it is in another folder, pass settings with "
                f"compute.data_dir. darksound.RoiDataset('demo:train') needs no download."
            )
        rois = load_rois(spec, settings=settings, rois="whole")
        super().__init__(rois, settings, transform, target_transform)
        self.name, self.split = name, split


class EpisodeBatchSampler(Sampler[list[int]]):
    """Few-shot episodes as the batches of a DataLoader; pass it as `batch_sampler`.

    A batch is one episode: the items of the support set, grouped by class, then those of the query
    set, with the classes in the same order. Support and query of a class come from different
    recordings where that is possible. Classes with fewer than `n_shot + n_query` items are skipped,
    and so are items with the label -1 or None.

    The episodes depend on `seed` and on the epoch alone, not on the workers of the DataLoader. Call
    `set_epoch` before each epoch, as with torch's DistributedSampler; without it every epoch has
    the same episodes, as validation needs them.

    Args:
        data: a `RoiDataset`, or the label of each item of another dataset.
        settings: `settings.episodes` of `darksound.Settings`; None: the defaults.
        n_way: number of classes in an episode; None: as in `settings`.
        n_shot: number of support items of each class; None: as in `settings`.
        n_query: number of query items of each class; None: as in `settings`.
        n_episodes: number of episodes in an epoch.
        seed: of the episodes.
        recordings: names of the items' recordings, `(n,)`; None: those of the dataset. Without
            names, support and query may come from the same recording.

    Raises:
        InputError: fewer than two classes are large enough, or `data` has no labels.
        SettingsError: a number is not allowed.

    Examples:
        >>> import darksound as ds
        >>> from torch.utils.data import DataLoader
        >>> dataset = ds.RoiDataset("demo:val")
        >>> sampler = ds.EpisodeBatchSampler(dataset, n_way=5, n_shot=2, n_query=1, n_episodes=10)
        >>> loader = DataLoader(
        ...     dataset, batch_sampler=sampler, collate_fn=ds.episode_collate, num_workers=2
        ... )
        >>> for support, support_labels, query, query_labels, class_ids in loader:
        ...     pass
        >>> support.shape, query.shape, len(class_ids)
        (torch.Size([10, 3, 112, 192]), torch.Size([5, 3, 112, 192]), 5)
        >>> support_labels.tolist(), query_labels.tolist()
        ([0, 0, 1, 1, 2, 2, 3, 3, 4, 4], [0, 1, 2, 3, 4])
    """

    def __init__(
        self,
        data: RoiDataset | npt.ArrayLike | Sequence[object],
        settings: EpisodeSettings | None = None,
        *,
        n_way: int | None = None,
        n_shot: int | None = None,
        n_query: int | None = None,
        n_episodes: int = 100,
        seed: int = 0,
        recordings: npt.ArrayLike | Sequence[str] | None = None,
    ) -> None:
        settings = EpisodeSettings() if settings is None else settings
        if not isinstance(settings, EpisodeSettings):
            raise InputError(
                f"settings must be the section `episodes` of darksound.Settings, not of type "
                f"{type(settings).__name__}."
            )
        sizes = {"n_way": n_way, "n_shot": n_shot, "n_query": n_query}
        settings = settings.replace(**{k: v for k, v in sizes.items() if v is not None})
        if isinstance(data, RoiDataset):
            recordings = recording_names(data.rois) if recordings is None else recordings
            data = data.labels
        self._sampler = EpisodeSampler(_labels(data), recordings, settings)
        self._n_episodes, self._seed, self._epoch = n_episodes, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Select the episodes of an epoch, a number from 0."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._n_episodes

    def __iter__(self) -> Iterator[list[int]]:
        epoch = self._epoch
        for number in range(self._n_episodes):
            rng = numpy_generator(self._seed, Purpose.EPISODE, epoch, number)
            yield self._sampler.sample(rng).rows.tolist()


def episode_collate(
    batch: Sequence[tuple[Tensor, Any]],
) -> tuple[Tensor, Tensor, Tensor, Tensor, list[Any]]:
    """Return the parts of an episode; the `collate_fn` of a DataLoader with `EpisodeBatchSampler`.

    Args:
        batch: images `(3, h, w)` and labels of the items, in the order of the sampler.

    Returns:
        support_images: `(n_way * n_shot, 3, h, w)`, grouped by class.
        support_labels: their classes within the episode, from 0 to `n_way - 1`.
        query_images: `(n_way * n_query, 3, h, w)`, grouped by class.
        query_labels: their classes within the episode.
        class_ids: label in the dataset of each of the `n_way` classes, as a list.

    Raises:
        InputError: the batch is not an episode.

    Examples:
        >>> import torch
        >>> import darksound as ds
        >>> labels = [7, 7, 4, 4, 7, 4]
        >>> batch = [(torch.zeros(3, 112, 192), label) for label in labels]
        >>> support, support_labels, query, query_labels, class_ids = ds.episode_collate(batch)
        >>> support_labels, query_labels, class_ids
        (tensor([0, 0, 1, 1]), tensor([0, 1]), [7, 4])
    """
    labels = [label.item() if isinstance(label, Tensor) else label for _, label in batch]
    class_ids = list(dict.fromkeys(labels))
    n_way = len(class_ids)
    # The support set begins with the items of one class, and a query set of all classes follows.
    n_shot = next((i for i, label in enumerate(labels) if label != labels[0]), len(labels))
    n_query = len(labels) // max(n_way, 1) - n_shot
    expected = [label for size in (n_shot, n_query) for label in class_ids for _ in range(size)]
    if n_way < 2 or n_query < 1 or labels != expected:
        raise InputError(
            "The batch is not an episode; pass darksound.EpisodeBatchSampler as batch_sampler of "
            "the DataLoader, and a target_transform that keeps classes apart."
        )
    images = torch.stack([image for image, _ in batch])
    n_support = n_way * n_shot
    numbers = torch.arange(n_way)
    return (
        images[:n_support],
        numbers.repeat_interleave(n_shot),
        images[n_support:],
        numbers.repeat_interleave(n_query),
        class_ids,
    )


def _labels(data: npt.ArrayLike | Sequence[object]) -> list[object]:
    """Return labels `(n,)` with None for items without one.

    Raises:
        InputError: `data` is neither a sequence nor an array of labels.
    """
    values = np.asarray(data, dtype=object) if isinstance(data, Sequence) else np.asarray(data)
    if values.ndim != 1:
        raise InputError(
            f"data must be a darksound.RoiDataset or a list of labels, not of type "
            f"{type(data).__name__}; for another dataset pass the label of each item."
        )
    return [None if value == _NO_LABEL else value for value in values.tolist()]


def _checked(settings: object, default: Settings) -> Settings:
    if settings is None:
        return default
    if not isinstance(settings, Settings):
        raise InputError(
            f"settings must be darksound.Settings or None, not of type {type(settings).__name__}; "
            f"pass a transform by its name."
        )
    return settings
