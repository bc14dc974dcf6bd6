"""Plain code for the stages of darksound, to compare with: one ROI at a time, in float32.

The images are those of the preset `thesis-2023`, made with librosa alone.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path

import librosa
import numpy as np
import numpy.typing as npt
import torch
import torchvision
from torch import Tensor, nn

Floats = npt.NDArray[np.floating]
RATE = 48_000
_LENGTH = 3 * RATE


def mel_power(path: Path) -> Floats:
    """Return the power in 128 mel bands of three seconds of a file, faded in and out."""
    wave, _ = librosa.load(path, sr=None)
    fade = RATE // 10
    ramp = np.sin(np.linspace(-0.5, 0.5, fade) * np.pi) / 2 + 0.5
    wave[:fade] *= ramp
    wave[-fade:] *= ramp[::-1]
    missing = max(0, _LENGTH - len(wave))
    wave = np.pad(wave, (missing - missing // 2, missing // 2))[:_LENGTH]
    return librosa.feature.melspectrogram(
        y=wave,
        sr=RATE,
        n_fft=1024,
        hop_length=512,
        n_mels=128,
        pad_mode="reflect",
        htk=True,
        norm="slaney",
    )[::-1]


def image(path: Path) -> Tensor:
    """Return the published image `(3, 224, 224)` of a file, normalised for the network."""
    mel = mel_power(path)
    harmonic, percussive = librosa.decompose.hpss(mel, kernel_size=31, margin=(1, 5), power=2.0)
    level = librosa.amplitude_to_db(mel, ref=np.max)
    channels = (
        librosa.amplitude_to_db(harmonic, ref=np.max),
        librosa.amplitude_to_db(percussive, ref=np.max),
        librosa.feature.delta(level, width=9, order=1),
    )
    scaled = np.stack([(x - x.min()) / (np.ptp(x) or 1) for x in channels]).astype(np.float32)
    resize = torchvision.transforms.functional.resize
    crop = torchvision.transforms.functional.center_crop
    fitted = crop(resize(torch.from_numpy(scaled), [256], antialias=True), [224, 224])
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    out: Tensor = (fitted - mean[:, None, None]) / deviation[:, None, None]
    return out


def resnet() -> nn.Module:
    """Return an untrained ResNet18 without its classification layer."""
    network: nn.Module = torchvision.models.resnet18(weights=None)
    network.fc = nn.Identity()
    return network


def embed(network: nn.Module, images: Sequence[Tensor]) -> Tensor:
    """Return vectors `(n, 512)` of images, computed one at a time."""
    network.eval()
    with torch.no_grad():
        return torch.cat([network(x[None]) for x in images])


def episode_loss(network: nn.Module, support: Tensor, query: Tensor, n_way: int) -> Tensor:
    """Return the prototypical loss of one query a class.

    The support set `(n_way * n_shot, ...)` is sorted by class.
    """
    prototypes = network(support).unflatten(0, (n_way, -1)).mean(1)
    scores = -torch.cdist(network(query), prototypes).square()
    return nn.functional.cross_entropy(scores, torch.arange(n_way))


def dbcv(x: Floats, labels: npt.NDArray[np.int64]) -> float:
    """Return DBCV (Moulavi et al. 2014) by loops over pairs; there must be no noise."""
    n, dim = x.shape
    names = sorted(set(labels.tolist()))
    members = {name: [i for i in range(n) if labels[i] == name] for name in names}
    core = np.zeros(n)
    for name in names:
        for i in members[name]:
            others = [np.linalg.norm(x[i] - x[j]) for j in members[name] if j != i]
            inverse = np.sum([(1.0 / d) ** dim for d in others]) / len(others)
            core[i] = inverse ** (-1.0 / dim)

    def reachability(i: int, j: int) -> tuple[float, float]:
        """Return the mutual reachability distance, and the distance, which breaks ties."""
        distance = float(np.linalg.norm(x[i] - x[j]))
        return max(core[i], core[j], distance), distance

    inner = {name: _tree(members[name], reachability) for name in names}
    validity = 0.0
    for name in names:
        nodes, sparseness = inner[name]
        separation = min(
            reachability(i, j)[0]
            for other in names
            if other != name
            for i, j in itertools.product(nodes, inner[other][0])
        )
        validity += len(members[name]) / n * (separation - sparseness) / max(separation, sparseness)
    return validity


def _tree(nodes: list[int], reachability) -> tuple[list[int], float]:  # type: ignore[no-untyped-def]
    """Return inner nodes of a minimum spanning tree (Prim), and the longest edge between them."""
    remaining, connected, edges = set(nodes[1:]), [nodes[0]], []
    while remaining:
        (length, _), i, j = min((reachability(i, j), i, j) for i in connected for j in remaining)
        edges.append((length, i, j))
        remaining.remove(j)
        connected.append(j)
    degree = {i: sum(i in edge[1:] for edge in edges) for i in nodes}
    inner_nodes = [i for i in nodes if degree[i] > 1] or nodes
    lengths = [length for length, i, j in edges if degree[i] > 1 and degree[j] > 1]
    return inner_nodes, max(lengths or [edge[0] for edge in edges])
