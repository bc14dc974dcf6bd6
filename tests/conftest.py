"""What every test may ask for."""

import os
import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from darksound.parallel.event_loop import running_loop

# Where the tests run in the background, a shell has interrupts ignored, and processes that tests
# start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# One thread a process, because tests run in as many processes as there are cores. What tests start
# inherits this.
os.environ |= {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}


# UMAP compiles for half a minute in every process, a Dask cluster and a browser start slowly: tests
# that need one of them share a process.
_SHARED_PROCESS = {
    "umap": ("test_sample.py", "test_structure.py", "test_reducer_contract.py", "umap"),
    "dask": ("dask",),
    "browser": ("test_in_browser.py",),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let tests that share something slow run in one process of pytest-xdist."""
    for item in items:
        for group, parts in _SHARED_PROCESS.items():
            if any(part in item.nodeid for part in parts):
                item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def audio_root() -> Path:
    """The folder of real recordings, or a skip that says where it was sought."""
    default = Path(__file__).parents[2] / "shared" / "audio"
    root = Path(os.environ.get("DARKSOUND_TEST_AUDIO", default))
    if not root.is_dir():
        pytest.skip(f"real recordings not found at {root}; set DARKSOUND_TEST_AUDIO")
    return root


@contextmanager
def local_cluster(**options: Any) -> Iterator[Any]:
    """Start a Dask cluster whose workers have a thread each; `options` are of `LocalCluster`."""
    distributed = pytest.importorskip("distributed")
    with (
        running_loop() as loop,
        distributed.LocalCluster(
            threads_per_worker=1, dashboard_address=":0", loop=loop, **options
        ) as cluster,
    ):
        yield cluster


@contextmanager
def local_dask() -> Iterator[str]:
    """Start a Dask cluster of two worker processes; yield its address."""
    with local_cluster(n_workers=2, processes=True) as cluster:
        yield cluster.scheduler_address


@pytest.fixture(scope="session")
def dask_address() -> Iterator[str]:
    """Return the scheduler of a Dask cluster that all tests share; none may kill a worker of it."""
    with local_dask() as address:
        yield address


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape bytes of names that are not UTF-8, which a report cannot carry to another process."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections
    ]
    return report
