"""The public Python API: its names, its documentation, its examples, and what it accepts."""

import ast
import doctest
import importlib
import inspect
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import platformdirs
import pytest
import soundfile

import darksound as ds
from darksound import api
from darksound.meta.learners.build import build_learner
from darksound.sources import RoisLike

STUB = Path(ds.__file__).with_suffix(".pyi")
API_PAGE = Path(__file__).parents[1] / "docs" / "api.md"
PUBLIC = sorted(set(ds.__all__) - {"__version__"})
FUNCTIONS = [name for name in PUBLIC if inspect.isfunction(getattr(ds, name))]
FAST = ds.Settings().replace(
    mec={"iterations": 0},
    reduction={"method": "pca"},
    evaluation={"n_episodes": 10, "folds": 2},
    training={"epochs": 1, "episodes_per_epoch": 1, "validation_episodes": 1},
    augmentation={"enabled": False},
)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory) -> Iterator[None]:
    """A cache folder that all tests of this file share, in place of the user's."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(platformdirs, "user_cache_path", lambda name: folder / "api-cache" / name)
        yield


@pytest.fixture
def workdir(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_api_page_documents_exactly_the_public_names():
    documented = re.findall(r"^::: darksound\.(\w+)$", API_PAGE.read_text("utf-8"), re.MULTILINE)
    assert sorted(documented) == PUBLIC
    assert "`darksound.__version__`" in API_PAGE.read_text("utf-8")


def test_the_stub_names_what_is_imported():
    tree = ast.parse(STUB.read_text("utf-8"))
    stubbed = {
        alias.name: getattr(importlib.import_module(f"darksound.{node.module}"), alias.name)
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert stubbed == {name: getattr(ds, name) for name in PUBLIC}
    listed = next(node.value for node in tree.body if isinstance(node, ast.Assign))
    assert sorted(ast.literal_eval(listed)) == sorted(ds.__all__)
    assert set(ds.__all__) <= set(dir(ds))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_document_arguments_results_and_errors(name):
    function = getattr(ds, name)
    signature, text = inspect.signature(function), inspect.getdoc(function) or ""
    for section in ("Args:", "Returns:", "Raises:", "Examples:"):
        assert f"\n{section}\n" in text, section
    documented = re.findall(r"^    (\w+(?:, \w+)*): ", text.split("Returns:")[0], re.MULTILINE)
    assert [n for line in documented for n in line.split(", ")] == [*signature.parameters]
    positional = [p for p in signature.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert len(positional) <= 5


@pytest.mark.parametrize("name", sorted(set(PUBLIC) - set(FUNCTIONS)))
def test_classes_and_their_members_have_docstrings(name):
    public_class = getattr(ds, name)
    assert "\nExamples:\n" in (inspect.getdoc(public_class) or "")
    members = {k: v for k, v in vars(public_class).items() if not k.startswith("_")}
    documented = [v for v in members.values() if callable(v) or hasattr(v, "__get__")]
    assert all(inspect.getdoc(member) for member in documented)


@pytest.mark.parametrize("name", PUBLIC)
def test_examples_run(name, workdir):
    finder = doctest.DocTestFinder(exclude_empty=True)
    tests = finder.find(getattr(ds, name), f"darksound.{name}", globs={})
    tests = [test for test in tests if test.examples]
    assert tests
    output: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for test in tests:
        runner.run(test, out=output.append)
    assert not runner.failures, "".join(output)


@pytest.fixture(scope="session")
def labelled(tmp_path_factory) -> Path:
    """Two folders of tones: three classes, eight clips a class in each folder."""
    root = tmp_path_factory.mktemp("labelled")
    rng = np.random.default_rng(5)
    t = np.arange(24_000) / 48_000
    for number in range(48):
        bird = number % 3
        hertz = 1500 * (1 + bird) * rng.uniform(0.97, 1.03)
        clip = np.sin(2 * np.pi * hertz * t) * np.hanning(t.size) + rng.normal(0, 0.01, t.size)
        folder = root / ("first" if number < 24 else "second") / f"bird-{bird}"
        folder.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"{number}.wav", clip / 2, 48_000)
    return root


#: The same ROIs in each form that functions take; each is made from the folder `labelled`.
FORMS: dict[str, Callable[[Path], RoisLike]] = {
    "RoiSet": lambda root: ds.load_rois(root / "first", root / "second"),
    "list of paths": lambda root: [root / "first", root / "second"],
    "tuple of names": lambda root: (str(root / "first"), str(root / "second")),
    "generator": lambda root: (root / name for name in ("first", "second")),
}


@pytest.fixture(scope="session")
def learner(labelled) -> ds.Learner:
    return ds.train(FORMS["RoiSet"](labelled), FAST)


@pytest.fixture(params=[form for form in FORMS if form != "RoiSet"])
def same_rois(request, labelled) -> Callable[[], tuple[RoisLike, RoisLike]]:
    """Return a RoiSet, and the same ROIs in another form."""
    return lambda: (FORMS["RoiSet"](labelled), FORMS[request.param](labelled))


def test_train_takes_rois_in_any_form(same_rois, labelled):
    from_set, from_data = (ds.train(rois, FAST) for rois in same_rois())
    assert from_set.classes == from_data.classes == ("bird-0", "bird-1", "bird-2")
    weights = from_data.state_dict()
    assert all(bool((weights[k] == v).all()) for k, v in from_set.state_dict().items())


def test_embed_and_build_store_take_rois_in_any_form(same_rois, learner):
    from_set, from_data = (ds.embed(rois, learner, FAST) for rois in same_rois())
    np.testing.assert_array_equal(from_set, from_data)
    images = [ds.build_store(rois, learner.settings).batch([0, 47]) for rois in same_rois()]
    assert bool((images[0] == images[1]).all())


def test_evaluate_takes_rois_in_any_form(same_rois, learner):
    from_set, from_data = (ds.evaluate(rois, learner, FAST).as_json() for rois in same_rois())
    assert _without_seconds(from_set) == _without_seconds(from_data)


def test_mec_takes_rois_in_any_form(same_rois, learner):
    from_set, from_data = (ds.mec(rois, learner, FAST) for rois in same_rois())
    pd.testing.assert_frame_equal(from_set.table, from_data.table)


@pytest.mark.parametrize("as_type", [str, Path])
def test_one_path_or_name_is_enough(labelled, learner, as_type):
    expected = ds.embed(ds.load_rois(labelled), learner, FAST)
    np.testing.assert_array_equal(ds.embed(as_type(labelled), learner, FAST), expected)
    assert ds.evaluate(as_type(labelled), learner, FAST).few_shot.n_way == 3
    assert len(ds.mec(as_type(labelled), learner, FAST)) == len(expected) == 48
    assert ds.train(as_type(labelled), FAST, validation=as_type(labelled)).embedding_dim == 512


def test_a_table_of_rois_is_taken_too(labelled, learner, tmp_path):
    rois = ds.load_rois(labelled)
    table = tmp_path / "rois.parquet"
    rois.table.drop(columns="root").to_parquet(table)
    with_root = ds.load_rois(table, root=labelled)
    np.testing.assert_array_equal(ds.embed(with_root, learner, FAST), ds.embed(rois, learner, FAST))


def test_a_learner_may_be_named_by_its_file_or_run(labelled, learner, tmp_path):
    expected = ds.embed(labelled, learner, FAST)
    file = ds.save_checkpoint(learner, tmp_path / "checkpoints")
    for checkpoint in (file, str(file), tmp_path):
        np.testing.assert_array_equal(ds.embed(labelled, checkpoint, FAST), expected)
    trained = ds.train(labelled, FAST, learner=str(tmp_path))
    assert trained.classes == learner.classes


def test_without_a_learner_the_pretrained_weights_are_used(labelled, tmp_path):
    expected = ds.embed(labelled, settings=FAST)
    np.testing.assert_array_equal(ds.mec(labelled, settings=FAST).embeddings, expected)
    np.testing.assert_array_equal(ds.evaluate(labelled, settings=FAST).embeddings, expected)


def test_a_learner_with_untrained_parameters_is_trained_on_the_demo_first(labelled, monkeypatch):
    warmed_up = []

    def warm_up(settings, folder, progress):
        warmed_up.append(settings.learner.method)
        return build_learner(settings)

    monkeypatch.setattr(api, "warm_up_learner", warm_up)
    ds.embed(labelled, settings=FAST)
    assert not warmed_up
    ds.embed(labelled, settings=FAST.replace(learner={"method": "matching"}))
    assert warmed_up == ["matching"]


CALLS: dict[str, Callable[..., object]] = {
    "train": lambda rois="demo:val", settings=None, learner=None: ds.train(
        rois, settings, learner=learner
    ),
    "embed": lambda rois="demo:val", settings=None, learner=None: ds.embed(rois, learner, settings),
    "evaluate": lambda rois="demo:val", settings=None, learner=None: ds.evaluate(
        rois, learner, settings
    ),
    "mec": lambda rois="demo:val", settings=None, learner=None: ds.mec(rois, learner, settings),
}
WRONG: dict[str, tuple[dict[str, object], str]] = {
    "number as rois": ({"rois": 3}, "Cannot load ROIs from an object of type int; pass a RoiSet,"),
    "table as rois": (
        {"rois": pd.DataFrame()},
        "Cannot load ROIs from an object of type DataFrame; pass a RoiSet,",
    ),
    "None as rois": ({"rois": None}, "Cannot load ROIs from None; pass a RoiSet,"),
    "number as learner": ({"learner": 5}, "learner must be a darksound.Learner, the path of"),
    "settings as learner": ({"learner": ds.Settings()}, "learner must be a darksound.Learner,"),
    "mapping as settings": ({"settings": {"seed": 1}}, "settings must be darksound.Settings"),
    "path as settings": ({"settings": "settings.toml"}, "settings must be darksound.Settings"),
    "learner in the place of settings": (
        {"learner": ds.Settings(), "settings": "run"},
        "settings must be darksound.Settings",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("call", CALLS)
def test_a_wrong_type_is_one_sentence(call, wrong):
    arguments, beginning = WRONG[wrong]
    with pytest.raises(ds.InputError) as caught:
        CALLS[call](**arguments)
    message = str(caught.value)
    assert message.startswith(beginning)
    assert message.endswith(".")
    assert "\n" not in message
    assert ". " not in message


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (ds.build_store, {"rois": 3}, "Cannot load ROIs from an object of type int"),
        (ds.build_store, {"settings": {}}, "settings must be darksound.Settings"),
        (ds.mec, {"review": 3}, "review must be a darksound.Review"),
        (ds.train, {"validation": 3}, "Cannot load ROIs from an object of type int"),
        (ds.mec, {"reducer": 3}, "builtins:int cannot replace reduction.method"),
        (ds.evaluate, {"clusterer": 3}, "builtins:int cannot replace clustering.method"),
    ],
)
def test_wrong_types_of_other_arguments_are_errors(function, arguments, message):
    with pytest.raises(ds.DarksoundError, match=re.escape(message)):
        function(**{"rois": "demo:val", "settings": FAST, **arguments})


def test_a_saved_result_is_read_as_it_was(labelled, learner, tmp_path):
    result = ds.mec(labelled, learner, FAST)
    result.save(tmp_path / "run")
    again = ds.read_run(tmp_path / "run")
    assert type(again) is type(result) is ds.MecResult
    for table in ("table", "clusters", "iterations"):
        pd.testing.assert_frame_equal(getattr(again, table), getattr(result, table))
    np.testing.assert_array_equal(again.embeddings, result.embeddings)
    assert again.settings == result.settings
    assert again.settings_hash == result.settings_hash
    assert (again.kept, again.notes, again.ami) == (result.kept, result.notes, result.ami)
    assert again.rois.problems == result.rois.problems
    weights = again.learner.state_dict()
    assert all(bool((weights[k] == v).all()) for k, v in result.learner.state_dict().items())


def test_rows_of_rois_that_cannot_be_read_are_nan(labelled, learner, tmp_path, caplog):
    shutil.copytree(labelled / "first", tmp_path / "clips")
    rois = ds.load_rois(tmp_path / "clips")
    expected = ds.embed(rois, learner, FAST)
    broken = [2, 11, 23]
    for row in broken:
        (tmp_path / "clips" / rois.table["recording"][row]).write_bytes(b"no sound")
    embeddings = ds.embed(rois, learner, FAST)
    assert embeddings.dtype == np.float32
    assert np.flatnonzero(np.isnan(embeddings).all(axis=1)).tolist() == broken
    np.testing.assert_array_equal(
        np.delete(embeddings, broken, axis=0), np.delete(expected, broken, axis=0)
    )
    assert "3 of 24 ROIs cannot be read; their embeddings are NaN." in caplog.messages


def test_no_readable_roi_is_an_error(labelled, learner, tmp_path):
    shutil.copytree(labelled / "first" / "bird-0", tmp_path / "clips")
    rois = ds.load_rois(tmp_path / "clips")
    for file in (tmp_path / "clips").iterdir():
        file.unlink()
    for call in (ds.embed, ds.mec):
        with pytest.raises(ds.InputError, match="None of the 8 ROIs can be read"):
            call(rois, learner, FAST)


def test_the_learner_and_the_settings_are_not_changed(labelled, learner):
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    settings = FAST.replace(mec={"iterations": 1, "n_episodes": 2})
    ds.mec(labelled, learner, settings)
    ds.evaluate(labelled, learner, settings)
    assert all(bool((before[k] == v).all()) for k, v in learner.state_dict().items())
    assert settings == FAST.replace(mec={"iterations": 1, "n_episodes": 2})


def test_settings_that_contradict_the_learner_are_an_error(labelled, learner):
    other = FAST.replace(front_end={"n_bands": 64})
    for call in (ds.embed, ds.evaluate, ds.mec):
        with pytest.raises(ds.SettingsError, match=r"front_end\.n_bands is 64"):
            call(labelled, learner, other)
    with pytest.raises(ds.SettingsError, match=r"front_end\.n_bands is 64"):
        ds.train(labelled, other, learner=learner)


def test_importing_is_quick(workdir):
    program = "import time; t = time.perf_counter(); import darksound; print(time.perf_counter()-t)"
    seconds = [
        float(subprocess.run([sys.executable, "-c", program], capture_output=True).stdout)
        for _ in range(3)
    ]
    assert min(seconds) < 0.25


def _without_seconds(metrics: dict[str, Any]) -> dict[str, Any]:
    return {**metrics, "clusters": {**metrics["clusters"], "seconds": None}}
