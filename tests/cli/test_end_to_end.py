"""Whole commands on a few sounds, interrupted and resumed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from safetensors.numpy import load_file
from tests.cli.conftest import one_line

# Kills its own process with SIGKILL at the nth call of a function: after it, or before it for a
# negative n.
KILLED = """
import importlib, os, signal, sys
module, name, when, *words = sys.argv[1:]
module, calls = importlib.import_module(module), 0
real = getattr(module, name)

def call_or_die(*args, **kwargs):
    global calls
    calls += 1
    if calls == abs(int(when)):
        if int(when) > 0:
            real(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **kwargs)

setattr(module, name, call_or_die)
sys.argv = ["darksound", *words]
from darksound.cli.app import main
main()
"""


@pytest.fixture
def tiny(darksound, world):
    """Return a function that calls a command with the settings of `tiny.toml`."""
    return lambda command, *words: darksound(command, "--config", world / "tiny.toml", *words)


@pytest.fixture
def killed(world, tmp_path):
    """Return a function that calls a command which is killed at the nth call of a function."""

    def call(function, when, command, *words):
        module, name = function.rsplit(".", 1)
        words = (command, "--config", world / "tiny.toml", *words)
        ended = subprocess.run(
            [sys.executable, "-c", KILLED, module, name, str(when), *map(str, words)],
            cwd=tmp_path,
            env={**os.environ, "DARKSOUND_CACHE": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert ended.returncode == -signal.SIGKILL, ended.stderr

    return call


@pytest.fixture(scope="module")
def learner(world, tmp_path_factory):
    """Return the directory of a training run."""
    from typer.testing import CliRunner

    from darksound.cli.app import app

    out = tmp_path_factory.mktemp("learner") / "run"
    words = ("train", "--config", world / "tiny.toml", "--data", world / "sounds", "--out", out)
    ended = CliRunner().invoke(
        app, [str(w) for w in words], env={"DARKSOUND_CACHE": str(out.parent / "cache")}
    )
    assert ended.exit_code == 0, ended.output
    return out


def weights(run):
    return load_file(run / "checkpoints" / "best.safetensors")


def same_weights(one, other):
    ours, theirs = weights(one), weights(other)
    return ours.keys() == theirs.keys() and all((ours[k] == theirs[k]).all() for k in ours)


def test_training_writes_a_learner_and_its_figures(learner):
    about = json.loads((learner / "run.json").read_text())
    assert (about["status"], about["rois"], about["problems"]) == ("done", 32, 0)
    table = pd.read_csv(learner / "training.csv")
    assert table["epoch"].tolist() == [1, 2, 3, 4]
    assert table["train_loss"].notna().all()
    assert {"best.safetensors", "best.json", "last.safetensors"} <= {
        p.name for p in (learner / "checkpoints").iterdir()
    }
    log = (learner / "run.log").read_text()
    assert "CPU" in log
    assert "float32, 32 ROIs, up to" in log


def test_evaluation_writes_csv_json_and_a_figure(tiny, learner, world):
    ended = tiny("evaluate", learner, "--data", world / "sounds", "--out", "e")
    assert ended.exit_code == 0, ended.output
    assert "few-shot accuracy" in ended.stdout
    assert "(95 % CI)" in ended.stdout
    assert all(name in ended.stdout for name in ("wren", "owl", "crake", "rail"))
    figures = json.loads(Path("e/evaluation.json").read_text())
    assert 0.5 < figures["few_shot"]["accuracy"] <= 1
    per_class = pd.read_csv("e/per_class.csv")
    assert per_class["class"].tolist() == ["crake", "owl", "rail", "wren"]
    confusion = pd.read_csv("e/confusion.csv", index_col="class")
    assert confusion.to_numpy().sum() == per_class["queries"].sum()
    assert Path("e/confusion.png").read_bytes()[:4] == b"\x89PNG"
    assert imread("e/episode.png")[..., :3].std() > 0.05
    assert (pd.read_csv("e/evaluation.csv")["figure"] == "ami_all").any()


def test_embeddings_are_written_to_out_and_not_overwritten(tiny, learner, world):
    words = ("embed", "--data", world / "sounds", "--checkpoint", learner, "--out", "e.parquet")
    ended = tiny(*words)
    assert ended.exit_code == 0, ended.output
    table = pd.read_parquet("e.parquet")
    assert len(table) == 32
    assert np.isfinite(np.stack(table["embedding"].tolist())).all()
    assert sorted(set(table["label"])) == ["crake", "owl", "rail", "wren"]
    again = tiny(*words)
    assert again.exit_code == 2
    assert "exists already" in again.stderr
    assert tiny(*words[:-1], "e.npy").exit_code == 0
    assert (np.load("e.npy") == np.stack(table["embedding"].tolist())).all()
    assert tiny(*words[:-1], "a-run").exit_code == 0
    assert Path("a-run/embeddings.parquet").exists()


def test_mec_writes_all_files_of_a_run_and_is_reproducible(tiny, learner, world):
    words = ("mec", "--data", world / "sounds", "--checkpoint", learner)
    ended = tiny(*words, "--out", "a")
    assert ended.exit_code == 0, ended.output
    assert "Iterations" in ended.stdout
    assert "AMI all" in ended.stdout
    names = {p.name for p in Path("a").iterdir()}
    assert {
        *("run.json", "journal.jsonl", "settings.toml", "checkpoints", "iterations.csv"),
        *("embeddings.npy", "rois.parquet", "clusters.parquet", "map.png", "iterations.png"),
    } <= names
    assert not [name for name in names if name.endswith((".part", ".safetensors"))]
    rows = len(pd.read_parquet("a/rois.parquet"))
    assert rows == len(pd.read_parquet("a/clusters.parquet")) == len(np.load("a/embeddings.npy"))
    iterations = pd.read_csv("a/iterations.csv")
    assert iterations["kept"].sum() == 1
    assert Path("a/map_before.parquet").exists() == (not iterations["kept"][0])
    assert {"coverage", "dbcv", "ami_previous", "ami", "ami_all", "seconds"} <= set(iterations)

    assert tiny(*words, "--out", "b", "--workers", 2).exit_code == 0
    assert Path("a/clusters.parquet").read_bytes() == Path("b/clusters.parquet").read_bytes()
    assert same_weights(Path("a"), Path("b"))
    # The learner of the kept iteration is a checkpoint.
    assert tiny("mec", "--data", world / "sounds", "--checkpoint", "a").exit_code == 0


# Runs a command and prints which libraries it has imported, of those that compile or load for
# seconds and that the default settings need for no more than 5,000 ROIs.
HEAVY = """
import sys
sys.argv = ["darksound", *sys.argv[1:]]
from darksound.cli.app import main
try:
    main()
finally:
    heavy = ("umap", "pynndescent", "numba", "hdbscan", "librosa", "torchvision")
    print("imported:", *(name for name in heavy if name in sys.modules))
"""


def test_mec_of_few_rois_imports_no_library_that_compiles(learner, world, tmp_path):
    words = ("mec", "--data", world / "sounds", "--checkpoint", learner, "--out", "run")
    changes = ("--set", "reduction.method=auto", "--set", "clustering.method=auto")
    ended = subprocess.run(
        [sys.executable, "-c", HEAVY, *map(str, (*words, *changes, "--workers", "1"))],
        cwd=tmp_path,
        env={**os.environ, "DARKSOUND_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    assert "imported:\n" in ended.stdout
    assert '"map": "tsne"' in (tmp_path / "run" / "journal.jsonl").read_text()
    assert b'"map_title":"t-SNE"' in (tmp_path / "run" / "report.html").read_bytes()


def test_killed_training_resumes_to_the_same_weights(killed, tiny, learner, world):
    # Killed while the checkpoints of the second epoch are written.
    words = ("train", "--data", world / "sounds", "--out", "r")
    killed("darksound.meta.checkpoints.save_checkpoint", 4, *words)
    assert json.loads(Path("r/run.json").read_text())["status"] == "running"
    ended = tiny("train", "--resume", "--out", "r")
    assert ended.exit_code == 0, ended.output
    assert same_weights(Path("r"), learner)
    columns = ["epoch", "train_loss", "validation_accuracy"]
    ours, theirs = (pd.read_csv(run / "training.csv")[columns] for run in (Path("r"), learner))
    pd.testing.assert_frame_equal(ours, theirs)


@pytest.mark.parametrize(
    ("function", "when"),
    [("darksound.jobs.mec.write_mec_state", -3), ("darksound.jobs.mec.png", 1)],
    ids=["in an iteration", "while results are written"],
)
def test_killed_mec_resumes_to_the_same_labels(function, when, killed, tiny, learner, world):
    words = ("mec", "--data", world / "sounds", "--checkpoint", learner)
    killed(function, when, *words, "--out", "r")
    assert tiny(*words, "--out", "whole").exit_code == 0
    ended = tiny("mec", "--resume", "--out", "r")
    assert ended.exit_code == 0, ended.output
    assert Path("r/clusters.parquet").read_bytes() == Path("whole/clusters.parquet").read_bytes()
    assert same_weights(Path("r"), Path("whole"))
    columns = ["iteration", "n_clusters", "coverage", "ami_all", "kept"]
    ours, theirs = (pd.read_csv(f"{run}/iterations.csv")[columns] for run in ("r", "whole"))
    assert len(theirs) == 4
    pd.testing.assert_frame_equal(ours, theirs)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signal_closes_the_run(number, status, tiny, learner, world, monkeypatch):
    monkeypatch.setattr(
        "darksound.jobs.mec.write_mec_state", lambda *_: os.kill(os.getpid(), number)
    )
    ended = tiny("mec", "--data", world / "sounds", "--checkpoint", learner, "--out", "r")
    assert ended.exit_code == status
    assert json.loads(Path("r/run.json").read_text())["status"] == "interrupted"


def test_unreadable_files_are_listed_and_end_with_3(tiny, learner, world):
    shutil.copytree(world / "sounds", "sounds")
    Path("sounds/owl/empty.wav").touch()
    Path("sounds/owl/text.wav").write_text("no sound")
    ended = tiny("mec", "--data", "sounds", "--checkpoint", learner, "--out", "r")
    assert ended.exit_code == 3, ended.output
    errors = pd.read_csv("r/errors.csv")
    assert sorted(errors["recording"]) == ["owl/empty.wav", "owl/text.wav"]
    assert errors["cause"].str.len().min() > 10
    assert json.loads(Path("r/run.json").read_text())["problems"] == 2
    assert len(pd.read_parquet("r/rois.parquet")) == 32


def test_changed_recording_is_an_error_on_resuming(tiny, learner, world, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    shutil.copytree(world / "sounds", "sounds")
    with monkeypatch.context() as patched:
        patched.setattr("darksound.jobs.mec.write_mec_state", interrupt)
        ended = tiny("mec", "--data", "sounds", "--checkpoint", learner, "--out", "r")
    assert ended.exit_code == 130
    os.utime("sounds/owl/1.wav", (1, 1))
    ended = tiny("mec", "--resume", "--out", "r")
    assert ended.exit_code == 2
    assert "The data of r changed since it started" in ended.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("mec",), "darksound-2023:test is not on disk"),
        (("mec",), "`--data demo` needs no download"),
        (("mec", "--data", "nowhere"), "There is no data 'nowhere'"),
        (("mec", "--data", "void"), "void"),
        (("mec", "--data", "demo", "--checkpoint", "gone"), "There is no checkpoint"),
        (("mec", "--data", "demo", "--checkpoint", "void"), "contains no checkpoint"),
        (
            ("mec", "--data", "demo", "--method", "proto"),
            "'proto' is not one of 'prototypical', 'matching'",
        ),
        (("mec", "--data", "demo", "--backbone", "resnet"), "backbone.name is 'resnet'; choose"),
        (("mec", "--data", "demo", "--device", "cuda"), "compute.device is 'cuda'"),
        (("train",), "`--data demo:train` needs no download"),
        (
            ("train", "--data", "demo:train", "--method", "x"),
            "'x' is not one of 'prototypical', 'matching'",
        ),
        (("train", "--data", "flat"), "label"),
        (
            ("evaluate", "--data", "demo"),
            "name a training run or a weights file, an embedding model",
        ),
        (("evaluate", "void", "--data", "demo"), "contains no checkpoint"),
        (("evaluate", "text.safetensors", "--data", "demo"), "damaged or not a safetensors file"),
        (("embed",), "name ROIs with --data"),
        (("mec", "--data", "demo", "demo:test"), "Got unexpected extra argument"),
        (("mec", "--data", "demo", "--data", "demo:test"), "given twice"),
        (("mec", "--data", "times.csv"), "recording"),
    ],
)
def test_input_errors_end_with_2_and_a_message(words, message, darksound, world, tmp_path):
    if words[-1] == "cuda" and shutil.which("nvidia-smi"):
        pytest.skip("there is such a device here")
    Path("void").mkdir()
    shutil.copytree(world / "sounds" / "owl", "flat")
    Path("text.safetensors").write_text("text")
    Path("times.csv").write_text("file,start\na.wav,1\n")
    before = set(tmp_path.iterdir())
    ended = darksound(*words)
    assert ended.exit_code == 2, ended.output
    assert message in one_line(ended.stderr)
    assert "Traceback" not in ended.stderr
    assert set(tmp_path.iterdir()) - before <= {tmp_path / "cache", tmp_path / "runs"}
