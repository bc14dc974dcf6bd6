"""Embedding models and tables of embeddings, with every command."""

import json

import numpy as np
import pandas as pd
import pytest
from tests.audio.embedding_models.models import DIM, tflite_file
from tests.cli.conftest import one_line

from darksound.audio import embedding_models as registry


@pytest.fixture
def model(tmp_path):
    """Return the path of a TFLite model with a licence."""
    registry._open_once.cache_clear()
    return tflite_file(tmp_path / "lab.tflite", name="Lab 1", licence="CC BY-NC-SA 4.0")


@pytest.fixture
def run_command(world, darksound):
    """Return a function that calls a command on the sounds of `world`."""
    sounds, config = world / "sounds", world / "any-backbone.toml"

    def call(command, *words):
        return darksound(command, *words, "--data", sounds, "--config", config)

    return call


def _manifest(path) -> dict:
    return json.loads((path / "run.json").read_text())


def test_mec_stores_licence_and_identity_of_the_embedding_model(run_command, model, tmp_path):
    # A relative path is stored as an absolute one, so that the run can be resumed from any folder.
    ended = run_command("mec", "--backbone", "tflite:lab.tflite", "--out", "run")
    assert ended.exit_code == 0, ended.output
    output = " ".join(ended.output.split())
    assert "Lab 1 is used under its licence: CC BY-NC-SA 4.0" in output
    manifest = _manifest(tmp_path / "run")
    assert manifest["licences"] == ["Lab 1: CC BY-NC-SA 4.0"]
    assert manifest["settings"]["backbone"]["name"] == f"tflite:{model}"
    assert manifest["settings"]["embedding_model"]["embedding_dim"] == DIM
    checkpoint = json.loads((tmp_path / "run" / "checkpoints" / "best.json").read_text())
    assert checkpoint["settings"]["embedding_model"] == manifest["settings"]["embedding_model"]
    assert np.load(tmp_path / "run" / "embeddings.npy").shape == (32, DIM)
    again = run_command("mec", "--out", "run", "--resume")
    assert again.exit_code == 0, again.output


def test_learner_works_with_its_own_embedding_model_only(run_command, model, tmp_path):
    trained = run_command("train", "--backbone", f"tflite:{model}", "--out", "trained")
    assert trained.exit_code == 0, trained.output
    evaluated = run_command("evaluate", "trained", "--out", "evaluated")
    assert evaluated.exit_code == 0, evaluated.output
    frozen = run_command("evaluate", "--backbone", f"tflite:{model}", "--out", "frozen")
    assert frozen.exit_code == 0, frozen.output
    moved = tflite_file(tmp_path / "elsewhere.tflite", name="Lab 1", licence="CC BY-NC-SA 4.0")
    same = run_command(
        "mec", "--checkpoint", "trained", "--backbone", f"tflite:{moved}", "--out", "mec"
    )
    assert same.exit_code == 0, same.output
    other = tflite_file(tmp_path / "other.tflite", output="scores")
    refused = run_command(
        "mec", "--checkpoint", "trained", "--backbone", f"tflite:{other}", "--out", "refused"
    )
    assert refused.exit_code == 2
    assert "gives other embeddings than the learner was trained on" in " ".join(
        refused.output.split()
    )
    assert "Traceback" not in refused.output


def test_table_of_embeddings_is_clustered_with_and_without_recordings(
    run_command, darksound, world, model, tmp_path
):
    made = run_command("embed", "--backbone", f"tflite:{model}", "--out", "made.parquet")
    assert made.exit_code == 0, made.output
    config = world / "any-backbone.toml"
    alone = darksound("mec", "--embeddings", "made.parquet", "--config", config, "--out", "alone")
    assert alone.exit_code == 0, alone.output
    assert _manifest(tmp_path / "alone")["rois"] == 32
    # ROIs without a row are skipped and reported.
    table = pd.read_parquet(tmp_path / "made.parquet")
    table.iloc[3:].to_parquet(tmp_path / "some.parquet")
    joined = run_command("mec", "--embeddings", "some.parquet", "--out", "joined")
    assert joined.exit_code == 3, joined.output
    assert len(pd.read_parquet(tmp_path / "joined" / "clusters.parquet")) == 29
    assert len(pd.read_csv(tmp_path / "joined" / "errors.csv")) == 3


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--backbone", "birdnet", "--embeddings", "e.npy"], 2, "not both"),
        (["--embeddings", "gone.npy"], 2, "there is no file gone.npy"),
        (["--backbone", "onnx:gone.onnx"], 2, "there is no file gone.onnx"),
        (["--backbone", "birdnett"], 2, "birdnet"),
        (["--backbone", "embeddings"], 2, "--embeddings FILE"),
    ],
)
def test_unusable_backbone_ends_with_2(run_command, words, status, message):
    ended = run_command("mec", *words, "--out", "run")
    assert ended.exit_code == status, ended.output
    assert message in one_line(ended.output)
    assert "Traceback" not in ended.output
