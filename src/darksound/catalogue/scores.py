"""Open-set scores: how much a new ROI is like each known call type, and whether it is like any.

Embeddings of unit length are whitened by the covariance within types, shrunk towards a multiple of
the identity as in regularised discriminant analysis (Friedman 1989, doi
10.1080/01621459.1989.10478752), and centred. The score of a type is the cosine with its prototype,
the mean of its core ROIs. The centre lies between the mean of the known types and the mean of the
new ROIs that are like none of them, since the directions from there separate the known from the
unknown.

Thresholds come from core ROIs that were left out: of each recording (of each of 12 groups of
recordings, if there are more) scores are computed from the other recordings, and the threshold is
the quantile that rejects at most the wanted share of further known calls (split conformal
prediction, Vovk et al. 2005). Scores with one type left out are those of unknown calls; a logistic
function of the score between both (Platt 1999) gives the probability of being known, at the share
of unknown calls that explains the new ROIs best (Saerens et al. 2002, doi
10.1162/089976602753284446).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, logsumexp

__all__ = ["OpenSet", "Scores", "score_open_set"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.floating]

# Chosen on syllables of a finch, British birds and synthetic birds (`benchmarks/open_set.py`).
# Weight of the identity in the covariance within types.
_SHRINKAGE = 0.5
# Weight of the unlike new ROIs in the centre: of many, and the number for half of it.
_CENTRE_WEIGHT, _HALF = 0.5, 20
# New ROIs with a score below this quantile of the known are like no type; how often they are found.
_UNLIKE, _ROUNDS = 0.2, 2
# A type's mean score counts as much as that of all types with core ROIs of so many recordings.
_SHRUNK_RECORDINGS = 10
_MAX_FOLDS = 12
_ROWS = 4096
_PRIOR_STEPS = 30


@dataclass(frozen=True)
class OpenSet:
    """The core ROIs of known types; row i of all arrays is core ROI i.

    Attributes:
        embeddings: `(n, dim)`.
        types: `(n,)` number of the type, 0 to k - 1; each occurs.
        recordings: `(n,)` names of recordings.
        max_rejected: largest share of known calls that thresholds reject.
    """

    embeddings: Vectors
    types: Ints
    recordings: npt.NDArray[np.object_]
    max_rejected: float = 0.05

    @property
    def n_types(self) -> int:
        """Return the number of types."""
        return int(self.types.max()) + 1


@dataclass(frozen=True)
class Scores:
    """Scores of m ROIs against k types.

    Attributes:
        score: `(m, k)` similarity with each type, -1 to 1.
        threshold: `(k,)` lowest score of an accepted ROI of each type.
        nearest: `(m,)` the type whose score is highest above its threshold.
        accepted: `(m,)` whether that score reaches the threshold.
        probability: `(m, k)` probability of each type; the rest to 1 is that of unknown calls.
    """

    score: Floats
    threshold: Floats
    nearest: Ints
    accepted: npt.NDArray[np.bool_]
    probability: Floats

    @property
    def margin(self) -> Floats:
        """Return how far the score of the nearest type is above its threshold `(m,)`."""
        margins: Floats = (self.score - self.threshold).max(axis=1)
        return margins


def score_open_set(known: OpenSet, new: Vectors) -> Scores:
    """Return the scores of new ROIs `(m, dim)` against known types.

    The result of a ROI depends on all new ROIs, through the centre and the share of unknown calls,
    but not on their order.

    Args:
        known: the core ROIs of at least one type.
        new: their embeddings.
    """
    x, q = _unit(known.embeddings), _unit(new)
    folds = [_Fold(x, known, rows) for rows in _folds(known)]
    whole = _Fold(x, known, np.zeros(0, dtype=np.int64))
    middle = whole.means.mean(axis=0) if known.n_types > 1 else np.zeros(x.shape[1])
    centre = middle
    for _ in range(_ROUNDS):
        held_out = _HeldOut.of(folds, known, centre)
        scores = whole.scores(q, centre) - held_out.offsets
        unlike = scores.max(axis=1) < held_out.quantile(_UNLIKE)
        weight = _CENTRE_WEIGHT * unlike.sum() / (unlike.sum() + _HALF)
        if known.n_types > 1 and unlike.any():
            # Sorted, so that the sum does not depend on the order of the ROIs.
            mean = np.sort(q[unlike], axis=0).mean(axis=0)
            centre = (1 - weight) * middle + weight * mean
    held_out = _HeldOut.of(folds, known, centre)
    scores = whole.scores(q, centre)
    threshold = held_out.quantile(known.max_rejected) + held_out.offsets
    margins = scores - threshold
    nearest = margins.argmax(axis=1) if len(q) else np.zeros(0, dtype=np.int64)
    accepted = margins.max(axis=1) >= 0 if len(q) else np.zeros(0, dtype=bool)
    probability = held_out.probabilities(scores - held_out.offsets)
    return Scores(scores, threshold, nearest, accepted, probability)


class _Fold:
    """Prototypes without some of the core ROIs, in the space whitened without these.

    Args:
        x: `(n, dim)` unit vectors of the core ROIs.
        known: their types.
        rows: `(h,)` the rows that are left out; each type has others.
    """

    def __init__(self, x: Floats, known: OpenSet, rows: Ints) -> None:
        self.rows = rows
        kept = np.setdiff1d(np.arange(len(x)), rows)
        self._types = known.types[kept]
        self.means = _means(x[kept], self._types, known.n_types)
        self._whiten(x[kept] - self.means[self._types], len(kept) - known.n_types)
        self._whitened, self._left_out = self._apply(x[kept]), self._apply(x[rows])

    def _whiten(self, within: Floats, freedom: int) -> None:
        """Keep the axes of the differences `(m, dim)` within types, and their scales."""
        dim = within.shape[1]
        if len(within) < dim:
            _, singular, axes = np.linalg.svd(within, full_matrices=False)
            variance = singular**2 / max(1, freedom)
        else:
            variance, vectors = np.linalg.eigh(within.T @ within / max(1, freedom))
            variance, axes = np.maximum(variance, 0), vectors.T
        mean = variance.sum() / dim
        if mean <= 0:
            # A single core ROI a type, or copies of it: there is no covariance to whiten by.
            self._axes, self._scales, self._rest = np.zeros((0, dim)), np.zeros(0), 1.0
            return
        self._axes, self._rest = axes, float(1 / np.sqrt(_SHRINKAGE * mean))
        self._scales = 1 / np.sqrt((1 - _SHRINKAGE) * variance + _SHRINKAGE * mean) - self._rest

    def _apply(self, x: Floats) -> Floats:
        """Return whitened vectors `(m, dim)`."""
        whitened: Floats = self._rest * x + (x @ self._axes.T * self._scales) @ self._axes
        return whitened

    def scores(self, x: Floats, centre: Floats) -> Floats:
        """Return the cosines `(m, k)` of unit vectors `(m, dim)` with the prototypes."""
        parts: list[Floats] = [
            self._cosines(self._apply(x[start : start + _ROWS]), centre)
            for start in range(0, len(x), _ROWS)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.means)))

    def left_out_scores(self, centre: Floats) -> Floats:
        """Return the cosines `(h, k)` of the core ROIs that were left out."""
        return self._cosines(self._left_out, centre)

    def _cosines(self, whitened: Floats, centre: Floats) -> Floats:
        shift = self._apply(centre[None])
        members = _unit(self._whitened - shift)
        prototypes = _unit(_means(members, self._types, len(self.means)))
        cosines: Floats = _unit(whitened - shift) @ prototypes.T
        return cosines


@dataclass(frozen=True)
class _HeldOut:
    """Scores of core ROIs from the others.

    Attributes:
        scores: `(n, k)` less the offsets.
        types: `(n,)` their types.
        offsets: `(k,)` how much higher than the mean the scores of each type are.
    """

    scores: Floats
    types: Ints
    offsets: Floats

    @classmethod
    def of(cls, folds: "list[_Fold]", known: OpenSet, centre: Floats) -> "_HeldOut":
        rows = np.concatenate([fold.rows for fold in folds])
        scores = np.concatenate([fold.left_out_scores(centre) for fold in folds])
        types = known.types[rows]
        own = scores[np.arange(len(rows)), types]
        offsets = np.zeros(known.n_types)
        for number in np.unique(types):
            inside = types == number
            n_recordings = len(set(known.recordings[rows][inside]))
            weight = n_recordings / (n_recordings + _SHRUNK_RECORDINGS)
            offsets[number] = weight * (own[inside].mean() - own.mean())
        return cls(scores - offsets, types, offsets)

    def quantile(self, share: float) -> float:
        """Return the score that at most this share of further known calls is below."""
        if not len(self.scores):
            return -1.0
        # Of n + 1 exchangeable scores, a new one is equally likely to have each rank.
        rank = int(share * (len(self.scores) + 1))
        highest = np.sort(self.scores.max(axis=1))
        return float(highest[rank - 1]) if rank else float(np.nextafter(highest[0], -2))

    def probabilities(self, scores: Floats) -> Floats:
        """Return the probability of each type `(m, k)` for scores `(m, k)` less the offsets."""
        k = scores.shape[1]
        if k < 2 or not len(self.scores):
            highest = np.sort(self.scores.max(axis=1, initial=-1.0))
            # Without another type there are no unknown calls to compare with.
            rank = np.searchsorted(highest, scores.max(axis=1, initial=-1.0), side="right")
            ranks: Floats = np.repeat((rank / (len(highest) + 1))[:, None], k, axis=1)
            return ranks
        share = _softmax(self._inverse_temperature() * scores)
        others = self.scores.copy()
        others[np.arange(len(others)), self.types] = -np.inf
        known, unknown = self.scores.max(axis=1), others.max(axis=1)
        log_odds = _logistic(known, unknown)(scores.max(axis=1))
        is_known: Floats = expit(log_odds + _prior_log_odds(log_odds))
        return is_known[:, None] * share

    def _inverse_temperature(self) -> float:
        """Return the factor of scores that makes their softmax most likely for the core ROIs."""
        rows = np.arange(len(self.scores))

        def loss(log_factor: float) -> float:
            logits = np.exp(log_factor) * self.scores
            return float((logsumexp(logits, axis=1) - logits[rows, self.types]).mean())

        return float(np.exp(minimize_scalar(loss, bounds=(0, 5), method="bounded").x))


def _folds(known: OpenSet) -> Iterator[Ints]:
    """Yield the rows of core ROIs that are left out together, none twice.

    They are those of a recording, or of several if there are many. Where a type would have no other
    core ROI, the two halves of its core ROIs are left out in turn; a single one never is.
    """
    names, recording = np.unique(known.recordings.astype(str), return_inverse=True)
    group = recording % _MAX_FOLDS if len(names) > _MAX_FOLDS else recording
    alone: set[int] = set()
    for number in range(known.n_types):
        if len(set(group[known.types == number])) < 2:
            alone.add(number)
    apart = ~np.isin(known.types, list(alone))
    for number in np.unique(group[apart]):
        yield np.flatnonzero(apart & (group == number))
    halves: list[list[int]] = [[], []]
    for number in sorted(alone):
        rows = np.flatnonzero(known.types == number)
        middle = len(rows) // 2
        if middle:
            halves[0] += rows[:middle].tolist()
            halves[1] += rows[middle:].tolist()
    yield from (np.array(half, dtype=np.int64) for half in halves if half)
    if not apart.any() and not halves[0]:
        yield np.zeros(0, dtype=np.int64)


def _logistic(known: Floats, unknown: Floats) -> Callable[[Floats], Floats]:
    """Return a function from scores to log odds of known against unknown calls, equally frequent.

    They rise with the score. Targets are those of Platt (1999), which keep the odds finite.
    """
    scores = np.concatenate([known, unknown])
    high, low = (len(known) + 1) / (len(known) + 2), 1 / (len(unknown) + 2)
    target = np.concatenate([np.full(len(known), high), np.full(len(unknown), low)])
    centre, spread = scores.mean(), max(float(scores.std()), 1e-9)

    def loss(parameters: Floats) -> float:
        logits = np.exp(parameters[0]) * (scores - centre) / spread + parameters[1]
        return float((np.logaddexp(0, logits) - target * logits).mean())

    slope, intercept = minimize(loss, np.zeros(2), method="Nelder-Mead").x
    return lambda x: np.exp(slope) * (x - centre) / spread + intercept


def _prior_log_odds(log_odds: Floats) -> float:
    """Return the log odds of known calls among new ROIs, from those of each at equal frequencies.

    Expectation maximisation, from equal frequencies on; the share stays between 2 and 98 %.
    """
    prior = 0.0
    for _ in range(_PRIOR_STEPS):
        if not len(log_odds):
            break
        share = float(np.clip(np.sort(expit(log_odds + prior)).mean(), 0.02, 0.98))
        prior = float(np.log(share / (1 - share)))
    return prior


def _unit(x: Vectors) -> Floats:
    wide = np.asarray(x, dtype=np.float64)
    length = np.linalg.norm(wide, axis=1, keepdims=True)
    unit: Floats = wide / np.where(length > 0, length, 1)
    return unit


def _means(x: Floats, types: Ints, k: int) -> Floats:
    """Return the mean `(k, dim)` of the rows of each type."""
    means = np.zeros((k, x.shape[1]))
    np.add.at(means, types, x)
    means /= np.bincount(types, minlength=k)[:, None]
    return means


def _softmax(logits: Floats) -> Floats:
    shares: Floats = np.exp(logits - logsumexp(logits, axis=1, keepdims=True))
    return shares
