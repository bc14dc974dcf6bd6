"""Unknown names and missing files are refused before torch is imported."""

import json
import subprocess
import sys

import pytest

from darksound.cluster.clusterers import CLUSTERING_METRICS, dbscan, hdbscan, linkage
from darksound.cluster.reducers import REDUCTION_METRICS
from darksound.settings import Settings

# Wrong commands, and a part of the message of each.
WRONG = {
    "mec --method foo": "'foo' is not one of 'prototypical'",
    "train --regime foo": "'foo' is not one of 'episodic'",
    "mec --preset foo": "'foo' is not one of 'default'",
    "mec --device foo": "'foo' is not one of 'auto'",
    "mec --rois foo": "'foo' is not one of 'auto'",
    "export r --format foo": "'foo' is not one of 'raven'",
    "export r --format clips --audio mp3": "'mp3' is not one of 'wav', 'flac'",
    "mec --data demo --backbone resnet19": "such as resnet18",
    "mec --data demo --set backbone.name=resnet": "such as resnet50, resnet34, resnet18",
    "mec --data demo --weights foo": "backbone.weights is 'foo', which is no file",
    "embed --data demo --backbone onnx:gone.onnx": "there is no file gone.onnx",
    "embed --embeddings gone.npy": "there is no file gone.npy",
    "mec --data demo --set clustering.method=foo": "clustering.method is 'foo'",
    "mec --data demo --set clustering.method=no.such": "clustering.method: 'no.such' cannot be",
    "mec --data demo --set reduction.method=foo": "reduction.method is 'foo'",
    "mec --data demo --set clustering.metric=cosinus": "such as cosine",
    "mec --data demo --set reduction.metric=cosinus": "such as cosine",
    "mec --data demo --set front_end.representation=foo": "should be 'mel', 'spec' or 'cqt'",
    "mec --data demo --set learner.method=foo": "learner.method is 'foo'",
    "mec --data demo:foo": "There is no demo 'demo:foo'",
    "segment demo:foo": "There is no demo 'demo:foo'",
    "train --data darksound-2023:foo": "no published set 'darksound-2023:foo'",
    "mec --data gone.csv": "There is no data 'gone.csv'",
    "mec --data demo --checkpoint gone": "There is no checkpoint gone.",
    "evaluate gone --data demo": "There is no checkpoint gone.",
    "mec --data demo --review gone.csv": "gone.csv: there is no such file",
    "export gone --format csv": "gone is not a run",
    "report gone": "gone is not a run",
    "report gone other --compare": "gone is not a run",
    "download foo": "foo is neither a published set nor",
    "embed --data demo --weights none": "embeddings of an untrained network say nothing",
    "settings --preset foo": "'foo' is not one of 'default'",
    "foo": "No such command 'foo'",
    "mec --foo": "No such option",
}

_SCRIPT = """
import json, sys
from typer.testing import CliRunner
from darksound.cli.app import app
ended = {}
for words in json.load(sys.stdin):
    result = CliRunner().invoke(app, words.split())
    ended[words] = [result.exit_code, result.output, "torch" in sys.modules]
print(json.dumps(ended))
"""


@pytest.fixture(scope="module")
def ended(tmp_path_factory) -> dict[str, tuple[int, str, bool]]:
    """Run all wrong commands in one process; return status, output and whether torch is there."""
    folder = tmp_path_factory.mktemp("wrong")
    ran = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        input=json.dumps(list(WRONG)),
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert list(folder.iterdir()) == []
    return {words: tuple(result) for words, result in json.loads(ran.stdout).items()}


@pytest.mark.parametrize("words", WRONG)
def test_wrong_name_is_one_line_before_torch_is_imported(words, ended):
    status, output, torch_imported = ended[words]
    assert (status, torch_imported) == (2, False)
    assert output.startswith("Error: ")
    assert len(output.splitlines()) == 1
    assert WRONG[words] in output


def test_metrics_of_all_clusterers_and_of_umap_are_known():
    distances = pytest.importorskip("umap.distances")
    of_clusterers = {
        *hdbscan._TREE_METRICS,
        *hdbscan._PAIRWISE_METRICS,
        *dbscan._METRICS,
        *linkage._METRICS,
    }
    assert set(CLUSTERING_METRICS) == of_clusterers
    assert set(distances.named_distances) <= set(REDUCTION_METRICS)
    assert Settings().clustering.metric in CLUSTERING_METRICS
