"""What every test may ask for."""

import os
import signal
from pathlib import Path

import pytest

# Where the tests run in the background, a shell has interrupts ignored, and processes that tests
# start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def audio_root() -> Path:
    """The folder of real recordings, or a skip that says where it was sought."""
    default = Path(__file__).parents[2] / "shared" / "audio"
    root = Path(os.environ.get("DARKSOUND_TEST_AUDIO", default))
    if not root.is_dir():
        pytest.skip(f"real recordings not found at {root}; set DARKSOUND_TEST_AUDIO")
    return root
