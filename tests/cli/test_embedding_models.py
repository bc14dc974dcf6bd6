"""Embedders of others and embeddings made elsewhere, through every command."""

import json

import numpy as np
import pandas as pd
import pytest
from tests.audio.embedding_models.models import DIM, tflite_file

from darksound.audio import embedding_models as registry


@pytest.fixture
def model(tmp_path):
    """A TFLite model with a licence, as `--backbone` names it."""
    registry._open_once.cache_clear()
    return tflite_file(tmp_path / "lab.tflite", name="Lab 1", licence="CC BY-NC-SA 4.0")


@pytest.fixture
def with_world(world, darksound):
    """Calls a command on the small world's sounds."""
    sounds, config = world / "sounds", world / "tiny.toml"

    def call(command, *words):
        return darksound(command, *words, "--data", sounds, "--config", config)

    return call


def _manifest(path) -> dict:
    return json.loads((path / "run.json").read_text())


def test_mec_on_an_embedder_notes_its_licence_and_keeps_what_it_was(with_world, model, tmp_path):
    # A relative name means the same file wherever the run is gone on with.
    ended = with_world("mec", "--backbone", "tflite:lab.tflite", "--out", "run")
    assert ended.exit_code == 0, ended.output
    assert "Lab 1 is used on the terms of its licence: CC BY-NC-SA 4.0" in " ".join(
        ended.output.split()
    )
    manifest = _manifest(tmp_path / "run")
    assert manifest["licences"] == ["Lab 1: CC BY-NC-SA 4.0"]
    assert manifest["settings"]["backbone"]["name"] == f"tflite:{model}"
    assert manifest["settings"]["embedding_model"]["embedding_dim"] == DIM
    about = json.loads((tmp_path / "run" / "checkpoints" / "best.json").read_text())
    assert about["settings"]["embedding_model"] == manifest["settings"]["embedding_model"]
    assert np.load(tmp_path / "run" / "embeddings.npy").shape == (32, DIM)
    again = with_world("mec", "--out", "run", "--resume")
    assert again.exit_code == 0, again.output


def test_a_learner_is_trained_judged_and_used_with_its_own_embedder_alone(
    with_world, model, tmp_path
):
    trained = with_world("train", "--backbone", f"tflite:{model}", "--out", "trained")
    assert trained.exit_code == 0, trained.output
    judged = with_world("evaluate", "trained", "--out", "judged")
    assert judged.exit_code == 0, judged.output
    frozen = with_world("evaluate", "--backbone", f"tflite:{model}", "--out", "frozen")
    assert frozen.exit_code == 0, frozen.output
    moved = tflite_file(tmp_path / "elsewhere.tflite", name="Lab 1", licence="CC BY-NC-SA 4.0")
    same = with_world(
        "mec", "--checkpoint", "trained", "--backbone", f"tflite:{moved}", "--out", "mec"
    )
    assert same.exit_code == 0, same.output
    other = tflite_file(tmp_path / "other.tflite", output="scores")
    refused = with_world(
        "mec", "--checkpoint", "trained", "--backbone", f"tflite:{other}", "--out", "refused"
    )
    assert refused.exit_code == 2
    assert "gives other vectors than the learner was made for" in " ".join(refused.output.split())
    assert "Traceback" not in refused.output


def test_embeddings_made_elsewhere_are_clustered_with_and_without_their_sound(
    with_world, darksound, world, model, tmp_path
):
    made = with_world("embed", "--backbone", f"tflite:{model}", "--out", "made.parquet")
    assert made.exit_code == 0, made.output
    config = world / "tiny.toml"
    alone = darksound("mec", "--embeddings", "made.parquet", "--config", config, "--out", "alone")
    assert alone.exit_code == 0, alone.output
    assert _manifest(tmp_path / "alone")["rois"] == 32
    # Some rows are gone; the ROIs that they were of are left out and told.
    table = pd.read_parquet(tmp_path / "made.parquet")
    table.iloc[3:].to_parquet(tmp_path / "some.parquet")
    joined = with_world("mec", "--embeddings", "some.parquet", "--out", "joined")
    assert joined.exit_code == 3, joined.output
    assert len(pd.read_parquet(tmp_path / "joined" / "clusters.parquet")) == 29
    assert len(pd.read_csv(tmp_path / "joined" / "errors.csv")) == 3


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--backbone", "birdnet", "--embeddings", "e.npy"], 2, "not both"),
        (["--embeddings", "gone.npy"], 2, "gone.npy: embeddings cannot be read"),
        (["--backbone", "onnx:gone.onnx"], 2, "there is no such file"),
        (["--backbone", "birdnett"], 2, "birdnet"),
        (["--backbone", "embeddings"], 2, "--embeddings FILE"),
    ],
)
def test_what_cannot_be_heard_with_is_refused_in_a_sentence(with_world, words, status, message):
    ended = with_world("mec", *words, "--out", "run")
    assert ended.exit_code == status, ended.output
    assert message in " ".join(ended.output.split())
    assert "Traceback" not in ended.output
