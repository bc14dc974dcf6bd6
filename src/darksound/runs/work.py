"""How much a run has to do."""

from dataclasses import astuple, dataclass

from darksound.settings import Settings

__all__ = ["Work"]


@dataclass(frozen=True)
class Work:
    """How much there is to do, at most.

    Attributes:
        images: to be made, or vectors, as far as the cache does not have them.
        embedded: images that pass the network.
        trained: images that pass it forward and back.
        clusterings: of all ROIs.
        held: copies of all embeddings in memory at once.
        written: copies of all embeddings in the run's directory at once.
    """

    images: int = 0
    embedded: int = 0
    trained: int = 0
    clusterings: int = 0
    held: int = 0
    written: int = 0

    @classmethod
    def of_training(cls, rois: int, settings: Settings, epochs: int) -> "Work":
        """Training on that many ROIs."""
        training, episodes = settings.training, settings.episodes
        episode = episodes.n_way * (episodes.n_shot + episodes.n_query)
        batch = training.batch_size if training.regime == "classical" else episode
        return cls(
            images=rois * (1 + settings.augmentation.versions),
            embedded=epochs * training.validation_tasks * episode,
            trained=epochs * training.tasks * batch,
        )

    def __add__(self, other: "Work") -> "Work":
        return Work(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))
