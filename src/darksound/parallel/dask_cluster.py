"""The workers of a Dask cluster: checked first, then given a bounded number of jobs at a time."""

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
from darksound.parallel.event_loop import running_loop
from darksound.system_errors import writing_error

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["DaskCluster", "WorkerRequirements", "connect_dask"]

logger = logging.getLogger(__name__)

Shared = TypeVar("Shared")
Job = TypeVar("Job")
Result = TypeVar("Result")

# Seconds until a scheduler must have answered, and until it must have a worker.
_CONNECT_TIMEOUT_S = 30.0
_WORKER_TIMEOUT_S = 60.0
# Seconds until all workers must have answered a question.
_ANSWER_TIMEOUT_S = 60.0
# Seconds between checks that the cluster still has workers.
_POLL_S = 2.0
# Pending jobs for each thread of the workers: one runs while the next ones are sent, and results of
# later jobs wait for those of an earlier one.
_PENDING_PER_THREAD = 3


class StampReader(Protocol):
    """Identify the content of recordings, as `darksound.rois.roi_set.Reader` does."""

    def stamp(self, root: str, recording: str) -> str:
        """Return a text that changes when the recording does.

        Raises:
            InputError: the recording is missing.
        """


@dataclass(frozen=True)
class WorkerRequirements:
    """Files that workers must be able to read and write under the same path as this process.

    Attributes:
        reader: reads the recordings.
        recordings: root and name of recordings that workers must find unchanged; one for each
            root is enough.
        folder: that workers and this process read and write; None if there is none.
    """

    reader: StampReader
    recordings: tuple[tuple[str, str], ...]
    folder: Path | None = None


class DaskCluster:
    """The workers of a Dask cluster; `connect_dask` makes one."""

    def __init__(self, client: "Client", address: str) -> None:
        self._client, self._address = client, address
        self._n_workers = 0

    def map_in_order(
        self, function: Callable[[Shared, Job], Result], shared: Shared, jobs: Iterable[Job]
    ) -> Iterator[Result]:
        """Yield `function(shared, job)` of every job, in their order.

        Only a few jobs for each thread of the workers are pending at any time, finished ones that
        wait for an earlier one included, so that memory does not grow with the number of jobs. A
        job whose worker dies is given to another worker.

        Args:
            function: the function, its arguments and its results can be pickled.
            shared: first argument of all calls; sent to each worker once.
            jobs: second arguments.

        Raises:
            WorkerError: several workers died of one job, all workers are gone, or the scheduler
                is.
            Exception: whatever `function` raised.
        """
        with self._convert_errors():
            (remote,) = self._client.scatter([shared], broadcast=True, hash=False)
        pending: deque[Future[Result]] = deque()
        try:
            for job in jobs:
                if len(pending) >= self._max_pending():
                    yield self._result(pending.popleft())
                pending.append(self._client.submit(function, remote, job, pure=False))
            while pending:
                yield self._result(pending.popleft())
        finally:
            for future in pending:
                future.cancel()

    def check_workers(self, requirements: WorkerRequirements) -> None:
        """Check that there are workers, and that all of them meet the requirements.

        Raises:
            SettingsError: this process cannot write to the folder.
            WorkerError: there are no workers, one has another version of darksound, or one cannot
                read the recordings or write to the folder.
        """
        self._wait_for_workers()
        self._check_versions()
        self._check_recordings(requirements.reader, requirements.recordings)
        if requirements.folder is not None:
            self._check_folder(requirements.folder)

    def _check_versions(self) -> None:
        local = version("darksound")
        for worker, remote in self._run_on_workers(version, "darksound").items():
            if remote != local:
                installed = "none" if isinstance(remote, Exception) else remote
                raise WorkerError(
                    f"The Dask worker {worker} has another darksound ({installed}) than this "
                    f"process ({local}); install the same version there."
                )

    def _check_recordings(self, reader: StampReader, recordings: Sequence[tuple[str, str]]) -> None:
        local = _stamps(reader, recordings)
        for worker, remote in self._run_on_workers(_stamps, reader, recordings).items():
            for (root, recording), here, there in zip(recordings, local, remote, strict=True):
                if here != there:
                    raise WorkerError(
                        f"The Dask worker {worker} cannot read {recording} in {root}, or finds "
                        "another file there than this machine does; give all machines the folder "
                        "under the same path, or run without --dask."
                    )

    def _check_folder(self, folder: Path) -> None:
        marker = folder / f".check-{uuid.uuid4().hex}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            marker.touch()
        except OSError as error:
            raise SettingsError(
                f"Cannot write to {folder}: "
                f"{writing_error(folder, error, '--set compute.cache_dir=FOLDER')}."
            ) from None
        try:
            answers = self._run_on_workers(_is_shared, marker)
        finally:
            marker.unlink(missing_ok=True)
        for worker, is_shared in answers.items():
            if is_shared is not True:
                raise WorkerError(
                    f"The Dask worker {worker} cannot write to the cache folder {folder} of this "
                    "process; choose one that all machines share with --set "
                    "compute.cache_dir=FOLDER."
                )

    def _run_on_workers(self, function: Callable[..., Any], *arguments: object) -> dict[str, Any]:
        """Return the result of each worker by its address; the exception where it raised one.

        Raises:
            WorkerError: a worker does not answer, such as one that died a moment ago.
        """
        try:
            results: dict[str, Any] = self._client.run(
                function, *arguments, on_error="return", callback_timeout=_ANSWER_TIMEOUT_S
            )
        except TimeoutError:
            raise WorkerError(
                f"A Dask worker of {self._address} did not answer within {_ANSWER_TIMEOUT_S:g} s; "
                "it may have died. Restart the workers that hang, and run the command again."
            ) from None
        for worker, answer in results.items():
            if isinstance(answer, OSError):  # the connection was lost; no function raises it
                raise WorkerError(
                    f"The Dask worker {worker} does not answer ({type(answer).__name__}); it may "
                    "have died. Restart it, and run the command again."
                )
        return results

    def _result(self, future: "Future[Result]") -> Any:
        from distributed import KilledWorker

        with self._convert_errors():
            error = self._wait_for(future)
            if error is None:
                return future.result()
            if isinstance(error, CancelledError):
                raise error
        if isinstance(error, KilledWorker):
            raise WorkerError(
                f"{error.allowed_failures + 1} Dask workers died one after another in the same "
                "job; give each more memory or fewer threads. Finished work is kept: resume with "
                "--resume."
            )
        raise error

    def _wait_for(self, future: "Future[object]") -> BaseException | None:
        """Wait until a job has ended, and return its error, if any."""
        while True:
            try:
                error: BaseException | None = future.exception(timeout=_POLL_S)
            except TimeoutError:
                self._wait_for_workers()
            else:
                return error

    @contextmanager
    def _convert_errors(self) -> Iterator[None]:
        """Raise a `WorkerError` where Dask reports a lost scheduler or lost data."""
        try:
            yield
        except (CancelledError, OSError) as error:
            logger.debug("Dask failed.", exc_info=True)
            raise WorkerError(
                f"The connection to the Dask scheduler at {self._address}, or to all of its "
                f"workers, was lost ({type(error).__name__}). Finished work is kept: resume with "
                "--resume once they are back."
            ) from None

    def _wait_for_workers(self) -> None:
        if self._n_threads():
            return
        logger.warning("The Dask cluster at %s has no workers; waiting for one.", self._address)
        start = time.monotonic()
        while not self._n_threads():
            if time.monotonic() - start > _WORKER_TIMEOUT_S:
                raise WorkerError(
                    f"The Dask cluster at {self._address} has no workers; start some with: "
                    f"dask worker {self._address}"
                )
            time.sleep(_POLL_S / 4)

    def _max_pending(self) -> int:
        with self._convert_errors():
            return _PENDING_PER_THREAD * max(self._n_threads(), 1)

    def _n_threads(self) -> int:
        """Return the number of threads of all workers; log workers that are gone."""
        threads = self._client.nthreads()
        if len(threads) < self._n_workers:
            logger.warning(
                "%d of %d Dask workers are gone; the others take over their jobs.",
                self._n_workers - len(threads),
                self._n_workers,
            )
        self._n_workers = len(threads)
        return sum(threads.values())


@contextmanager
def connect_dask(address: str, requirements: WorkerRequirements) -> Iterator[DaskCluster]:
    """Yield the cluster of a scheduler, whose workers meet the requirements.

    Args:
        address: of the scheduler, such as `tcp://host:8786`.
        requirements: files that the workers need.

    Raises:
        SettingsError: Dask is not installed, or no scheduler answers.
        WorkerError: see `DaskCluster.check_workers`.
    """
    if find_spec("distributed") is None:
        raise SettingsError(
            "compute.dask needs Dask; install it with pip install 'darksound[dask]', or run "
            "without --dask."
        )
    from distributed import Client
    from distributed.comm import resolve_address

    with running_loop() as loop:
        try:
            # A client that is refused for its address is never closed.
            resolve_address(address)
            client = Client(address, loop=loop, timeout=_CONNECT_TIMEOUT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"compute.dask: no Dask scheduler answers at {address} ({error})."
            ) from None
        with client:
            cluster = DaskCluster(client, address)
            cluster.check_workers(requirements)
            yield cluster


def _stamps(reader: StampReader, recordings: Sequence[tuple[str, str]]) -> list[str | None]:
    return [_stamp(reader, root, recording) for root, recording in recordings]


def _stamp(reader: StampReader, root: str, recording: str) -> str | None:
    try:
        return reader.stamp(root, recording)
    except InputError:
        return None


def _is_shared(marker: Path) -> bool:
    """Return whether the marker of another process exists and a file can be written beside it."""
    probe = marker.with_name(f"{marker.name}-{uuid.uuid4().hex}")
    try:
        probe.touch()
        probe.unlink()
    except OSError:
        return False
    return marker.exists()
