"""Training curves for TensorBoard, where the extra `tensorboard` is installed."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

__all__ = ["epoch_writer"]


@contextmanager
def epoch_writer(folder: Path) -> Iterator[Callable[[Mapping[str, float]], None]]:
    """What takes the figures of an epoch, `epoch` among them; it does nothing without the extra."""
    if find_spec("tensorboard") is None:
        yield lambda figures: None
        return
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:

        def write(figures: Mapping[str, float]) -> None:
            for name, value in figures.items():
                if name != "epoch":
                    writer.add_scalar(name, value, int(figures["epoch"]))
            writer.flush()

        yield write
