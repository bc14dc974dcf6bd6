"""The workers of an existing Dask cluster: looked over first, then given work a few jobs ahead."""

import logging
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from darksound.errors import InputError, SettingsError, WorkerError

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["Cluster", "Sight", "dask_cluster"]

logger = logging.getLogger(__name__)

Shared = TypeVar("Shared")
Job = TypeVar("Job")
Result = TypeVar("Result")

# Until a scheduler must have answered, and until it must have a worker.
_ANSWER_S = 10.0
_WORKERS_S = 60.0
# How often it is seen to that there still are workers.
_LOOK_S = 2.0
# Jobs under way for each thread of the workers: one is done while the next ones travel, and
# results of later jobs wait for those of an earlier one.
_AHEAD = 3


class Stamper(Protocol):
    """Identifies the content of recordings, as `darksound.rois.roi_set.Reader` does."""

    def stamp(self, root: str, recording: str) -> str:
        """Return a text that changes when the recording does.

        Raises:
            InputError: the recording is missing.
        """


@dataclass(frozen=True)
class Sight:
    """What workers must see as this process does.

    Attributes:
        reader: how recordings are heard.
        recordings: root and name of some; one of each root will do.
        folder: that workers write to for this process, and read what it wrote; None where they
            do not.
    """

    reader: Stamper
    recordings: tuple[tuple[str, str], ...]
    folder: Path | None = None


class Cluster:
    """The workers of a Dask cluster; `dask_cluster` makes one."""

    def __init__(self, client: "Client", address: str) -> None:
        self._client, self._address = client, address
        self._workers = 0

    def in_order(
        self, function: Callable[[Shared, Job], Result], shared: Shared, jobs: Iterable[Job]
    ) -> Iterator[Result]:
        """`function(shared, job)` of every job, in their order.

        Only a few jobs for each thread of the workers are under way at any time, or wait for an
        earlier one, so that memory does not grow with the number of jobs. A job whose worker
        dies is given to another one.

        Args:
            function: as with all that jobs and results hold, it can be pickled.
            shared: what all jobs need; it is sent to each worker once.
            jobs: what differs.

        Raises:
            WorkerError: workers died of a job again and again, or all are gone, or the scheduler
                is.
            Exception: whatever `function` raised.
        """
        with self._reachable():
            (there,) = self._client.scatter([shared], broadcast=True, hash=False)
        under_way: deque[Future[Result]] = deque()
        try:
            for job in jobs:
                if len(under_way) >= self._most_under_way():
                    yield self._result(under_way.popleft())
                under_way.append(self._client.submit(function, there, job, pure=False))
            while under_way:
                yield self._result(under_way.popleft())
        finally:
            for future in under_way:
                future.cancel()

    def look_over(self, sight: Sight) -> None:
        """See that the workers can do what is asked of them.

        Raises:
            WorkerError: there are no workers, one has another version of darksound, or one does
                not see what this process sees.
        """
        self._wait_for_workers()
        self._hold_versions()
        ours = _stamps(sight.reader, sight.recordings)
        for worker, stamps in self._ask(_stamps, sight.reader, sight.recordings).items():
            for (root, recording), here, there in zip(sight.recordings, ours, stamps, strict=True):
                if here != there:
                    raise WorkerError(
                        f"The Dask worker {worker} does not see {recording} in {root} as this "
                        f"machine does; let all machines have the folder under the same path, or "
                        f"leave --dask out."
                    )
        if sight.folder is not None:
            self._hold_folder(sight.folder)

    def _hold_versions(self) -> None:
        ours = version("darksound")
        for worker, theirs in self._ask(version, "darksound").items():
            if theirs != ours:
                found = "none" if isinstance(theirs, Exception) else theirs
                raise WorkerError(
                    f"The Dask worker {worker} has another darksound ({found}) than this process "
                    f"({ours}); install the same version there."
                )

    def _hold_folder(self, folder: Path) -> None:
        sign = folder / f".seen-{uuid.uuid4().hex}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            sign.touch()
        except OSError as error:
            raise SettingsError(
                f"compute.cache_dir: nothing can be kept in {folder} ({error.strerror}); name "
                "another folder."
            ) from None
        try:
            answers = self._ask(_writable, sign)
        finally:
            sign.unlink(missing_ok=True)
        for worker, writable in answers.items():
            if writable is not True:
                raise WorkerError(
                    f"The Dask worker {worker} cannot write to the cache folder {folder} of this "
                    "process; name one that all machines share with --set "
                    "compute.cache_dir=FOLDER."
                )

    def _ask(self, question: Callable[..., Any], *of: object) -> dict[str, Any]:
        """The answer of each worker, which is an exception where it raised one."""
        answers: dict[str, Any] = self._client.run(question, *of, on_error="return")
        return answers

    def _result(self, future: "Future[Result]") -> Any:
        from distributed import KilledWorker

        with self._reachable():
            failed = self._failure(future)
            if failed is None:
                return future.result()
            if isinstance(failed, CancelledError):
                raise failed
        if isinstance(failed, KilledWorker):
            raise WorkerError(
                f"{failed.allowed_failures + 1} Dask workers died one after another of the same "
                "piece of work; give each more memory or fewer threads. What is done is kept: go "
                "on with --resume."
            )
        raise failed

    def _failure(self, future: "Future[object]") -> BaseException | None:
        """What ended a job before its time; None once it is done."""
        while True:
            try:
                failed: BaseException | None = future.exception(timeout=_LOOK_S)
            except TimeoutError:
                self._wait_for_workers()
            else:
                return failed

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        """Turn what Dask raises where a scheduler is lost, or what was sent to its workers."""
        try:
            yield
        except (CancelledError, OSError) as error:
            logger.debug("Dask gave up.", exc_info=True)
            raise WorkerError(
                f"The Dask scheduler at {self._address}, or all of its workers, went away "
                f"({type(error).__name__}). What is done is kept: go on with --resume once they "
                "are back."
            ) from None

    def _wait_for_workers(self) -> None:
        if self._threads():
            return
        logger.warning("The Dask cluster at %s has no workers; waiting for some.", self._address)
        began = time.monotonic()
        while not self._threads():
            if time.monotonic() - began > _WORKERS_S:
                raise WorkerError(
                    f"The Dask cluster at {self._address} has no workers; start some with: "
                    f"dask worker {self._address}"
                )
            time.sleep(_LOOK_S / 4)

    def _most_under_way(self) -> int:
        with self._reachable():
            return _AHEAD * max(self._threads(), 1)

    def _threads(self) -> int:
        """Of all workers together."""
        threads = self._client.nthreads()
        if len(threads) < self._workers:
            logger.warning(
                "%d of %d Dask workers are gone; the others do their work.",
                self._workers - len(threads),
                self._workers,
            )
        self._workers = len(threads)
        return sum(threads.values())


@contextmanager
def dask_cluster(address: str, sight: Sight) -> Iterator[Cluster]:
    """The cluster of a scheduler, once its workers are seen to be fit.

    Args:
        address: of the scheduler, such as `tcp://host:8786`.
        sight: what its workers must see.

    Raises:
        SettingsError: Dask is not installed, or no scheduler answers.
        WorkerError: see `Cluster.look_over`.
    """
    if find_spec("distributed") is None:
        raise SettingsError(
            "compute.dask needs Dask; install it with pip install 'darksound[dask]', or leave it "
            "out."
        )
    from distributed import Client

    try:
        client = Client(address, timeout=_ANSWER_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"compute.dask: no Dask scheduler answers at {address} ({error})."
        ) from None
    with client:
        cluster = Cluster(client, address)
        cluster.look_over(sight)
        yield cluster


def _stamps(reader: Stamper, recordings: Sequence[tuple[str, str]]) -> list[str | None]:
    return [_stamp(reader, root, recording) for root, recording in recordings]


def _stamp(reader: Stamper, root: str, recording: str) -> str | None:
    try:
        return reader.stamp(root, recording)
    except InputError:
        return None


def _writable(sign: Path) -> bool:
    """Whether a file that another process made is there, and another can be made beside it."""
    beside = sign.with_name(f"{sign.name}-{uuid.uuid4().hex}")
    try:
        beside.touch()
        beside.unlink()
    except OSError:
        return False
    return sign.exists()
