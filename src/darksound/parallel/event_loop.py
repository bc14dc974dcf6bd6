"""The event loop of a connection to Dask, in a thread that may take its time to start."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tornado.ioloop import IOLoop

__all__ = ["running_loop"]


@contextmanager
def running_loop() -> "Iterator[IOLoop]":
    """Yield an event loop that runs in a thread of its own until the context ends.

    Dask would start one itself, but fails with an `AssertionError` where the thread does not run
    within 10 s, as on a machine that is overloaded or was suspended.
    """
    from tornado.ioloop import IOLoop

    started: Future[tuple[IOLoop, asyncio.Event]] = Future()

    async def wait() -> None:
        stop = asyncio.Event()
        started.set_result((IOLoop.current(), stop))
        await stop.wait()

    def run() -> None:
        try:
            # The loop of all systems that tornado supports: by default Windows has another.
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                runner.run(wait())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=run, name="Dask event loop", daemon=True)
    thread.start()
    loop, stop = started.result()
    try:
        yield loop
    finally:
        loop.add_callback(stop.set)
        thread.join()
