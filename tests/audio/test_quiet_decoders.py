"""Messages of decoders do not reach the terminal, and our own do."""

import os
import subprocess
import sys

import pytest

# Everything that reads a damaged MP3 file, in this process, in threads and in a forked process.
SCRIPT = """
import io, os, sys, threading
from pathlib import Path
import numpy as np
import soundfile as sf
from darksound.audio.files import open_audio, read

path = Path(sys.argv[1])
rng = np.random.default_rng(0)
sf.write(path, rng.normal(0, 0.1, 96000), 24000, format="MP3")
content = bytearray(path.read_bytes())
for place in range(500, len(content), 97):
    content[place] ^= 255
path.write_bytes(content)

def decode():
    with open_audio(path) as file:
        while len(file.read(1000)):
            os.write(2, b"own message\\n")
        for start in range(0, 90000, 9000):
            file.seek(start)
            file.read(100)

decode()
threads = [threading.Thread(target=decode) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
child = os.fork()
if child == 0:
    decode()
    os._exit(0)
os.waitpid(child, 0)
print("end", file=sys.stderr, flush=True)
"""

linux = pytest.mark.skipif(
    sys.platform != "linux" or not os.confstr("CS_GNU_LIBC_VERSION"), reason="needs glibc"
)


@linux
def test_libmpg123_is_silent_and_own_messages_are_not(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(tmp_path / "a.mp3")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    lines = done.stderr.splitlines()
    assert lines[-1] == "end"
    assert set(lines[:-1]) == {"own message"}


@linux
def test_c_writes_to_the_terminal_again_after_the_last_decoder():
    script = """
import ctypes
from darksound.audio.quiet_decoders import quiet_decoders
libc = ctypes.CDLL(None)
def c_message(text):
    stream = ctypes.c_void_p.in_dll(libc, "stderr")
    libc.fputs(text, stream)
    libc.fflush(stream)
c_message(b"before ")
with quiet_decoders():
    with quiet_decoders():
        c_message(b"within ")
    c_message(b"still within ")
c_message(b"after")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == "before after"
