"""`torchrun -m darksound train`: two processes, one run."""

import json
import os
import subprocess
import sys

import pandas as pd
import pytest
from safetensors.numpy import load_file

# Kills itself with SIGKILL after it has saved two epochs.
_KILLED = """
import os, signal
import darksound.jobs.train as training
from darksound.cli.app import main
real, calls = training.save_train_state, []

def deadly(*args):
    real(*args)
    calls.append(args)
    if len(calls) == 2:
        os.kill(os.getpid(), signal.SIGKILL)

training.save_train_state = deadly
main()
"""


@pytest.fixture
def torchrun(world, tmp_path):
    """Return a function that calls `torchrun` with two processes of darksound or of a script."""

    def call(command, *words, program=("-m", "darksound")):
        return subprocess.run(
            [
                *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
                *(*program, command, "--config", world / "tiny.toml", *words),
            ],
            cwd=tmp_path,
            env={**os.environ, "DARKSOUND_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=240,
        )

    return call


def test_killed_training_in_two_processes_resumes_and_ends_as_in_one(
    torchrun, darksound, world, tmp_path
):
    (tmp_path / "killed.py").write_text(_KILLED)
    data = ("--data", str(world / "sounds"))
    broken = torchrun("train", *data, "--out", "two", program=(tmp_path / "killed.py",))
    assert broken.returncode != 0
    assert len(pd.read_csv(tmp_path / "two" / "training.csv")) <= 2
    ended = torchrun("train", "--resume", "--out", "two")
    assert ended.returncode == 0, ended.stderr
    # Rank 0 alone prints messages and writes the run.
    assert ended.stdout.count("The learner is in two.") == 1
    assert ended.stderr.count("epoch 4/4") == 1
    assert "epoch 2/4" not in ended.stderr
    assert "Process 2" not in ended.stderr
    manifest = json.loads((tmp_path / "two" / "run.json").read_text())
    assert (manifest["status"], manifest["times_resumed"]) == ("done", 1)
    # `auto` is stored as a number, so that any number of processes can resume.
    assert manifest["settings"]["training"]["episodes_per_step"] == 2

    done = darksound(
        *("train", "--config", world / "tiny.toml", *data, "--out", "one"),
        *("--set", "training.episodes_per_step=2"),
    )
    assert done.exit_code == 0, done.output
    two, one = (
        pd.read_csv(tmp_path / name / "training.csv").iloc[:, :6] for name in ("two", "one")
    )
    pd.testing.assert_frame_equal(two, one, rtol=1e-4)
    ours = load_file(tmp_path / "one" / "checkpoints" / "best.safetensors")
    theirs = load_file(tmp_path / "two" / "checkpoints" / "best.safetensors")
    for name, value in ours.items():
        assert abs(theirs[name] - value).max() <= 1e-4 * abs(value).max(), name


def test_command_for_one_process_is_an_error_in_each_process(torchrun):
    ended = torchrun("mec", "--data", "demo", "--out", "m")
    assert ended.returncode != 0
    assert "Error: darksound mec runs in one process; start it without torchrun." in ended.stderr
    assert "Process 2 of 2: darksound mec runs in one process" in ended.stderr
