"""A run's directory: whose it is, how it ends, and how it is found again."""

import json
import logging
import re
from contextlib import suppress

import pandas as pd
import pytest

from darksound.errors import InputError, RunError
from darksound.rois.roi_set import Problem
from darksound.run import directory
from darksound.run.directory import Request, open_run
from darksound.run.manifest import Inputs, read_manifest
from darksound.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def request(**changes):
    given = {"command": "mec", "settings": Settings(), "inputs": Inputs(("demo:test",))}
    return Request(**{**given, **changes})


def stopped(error=KeyboardInterrupt, **changes):
    """A run that began with its data and was stopped; its path."""
    with suppress(error), open_run(request(**changes)) as run:
        run.note_data(3, "abc")
        raise error
    return run.path


def finished(**changes):
    with open_run(request(**changes)) as run:
        run.note_data(3, "abc")
    return run.path


def test_a_run_has_a_directory_of_its_own_that_says_what_it_is(tmp_path):
    settings = load_settings(assignments=["training.epochs=3"])
    with open_run(request(settings=settings, argv=("mec", "--data", "demo"))) as run:
        assert re.fullmatch(r"runs/mec-\d{8}-\d{6}", str(run.path))
        about = json.loads((run.path / "run.json").read_text())
        assert about["status"] == "running"
        run.note_data(3, "abc")
        run.note_problems([Problem("a.wav", "a.wav: silent."), Problem("a.wav", "a.wav: silent.")])
    about = json.loads((run.path / "run.json").read_text())
    assert about["status"] == "done"
    assert about["started"] <= about["ended"]
    assert about["command"] == "mec"
    assert about["argv"] == ["mec", "--data", "demo"]
    assert about["settings"]["training"]["epochs"] == 3
    assert about["seed"] == 1979
    assert about["inputs"]["data"] == ["demo:test"]
    assert (about["rois"], about["fingerprint"]) == (3, "abc")
    assert {"python", "darksound", "torch", "umap-learn", "hdbscan"} <= set(about["versions"])
    assert load_settings(config=run.path / "settings.toml") == settings
    assert pd.read_csv(run.path / "errors.csv").to_dict("records") == [
        {"recording": "a.wav", "cause": "a.wav: silent."}
    ]
    assert [e["event"] for e in run.journal.read()] == ["started", "done"]


def test_two_runs_in_one_second_get_two_directories():
    assert len({finished() for _ in range(3)}) == 3


def test_how_a_run_ends_is_kept(tmp_path):
    for error, status in [
        (KeyboardInterrupt, "interrupted"),
        (SystemExit, "interrupted"),
        (ZeroDivisionError, "failed"),
        (InputError, "failed"),
    ]:
        manifest = read_manifest(stopped(error))
        assert manifest.status == status
        assert manifest.ended


def test_a_failure_is_in_the_manifest_and_its_traceback_in_the_log():
    with pytest.raises(ZeroDivisionError), open_run(request(out=None)) as run:
        _ = 1 / 0
    assert "ZeroDivisionError" in read_manifest(run.path).error
    assert "Traceback" in (run.path / "run.log").read_text()


def test_the_log_keeps_what_we_say_and_what_others_warn_of():
    with open_run(request()) as run:
        logging.getLogger("darksound.meta").debug("we learn")
        logging.getLogger("numba").debug("chatter")
        logging.getLogger("numba").warning("a warning")
    logging.getLogger("darksound.meta").warning("too late")
    text = (run.path / "run.log").read_text()
    assert "we learn" in text
    assert "a warning" in text
    assert "chatter" not in text
    assert "too late" not in text


def test_a_run_refused_before_it_had_data_leaves_nothing(tmp_path):
    out = tmp_path / "out"
    for where in (None, out):
        with pytest.raises(InputError), open_run(request(out=where)):
            raise InputError("There is no data.")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_was_there_before_stays(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(InputError), open_run(request(out=out)):
        raise InputError("There is no data.")
    assert list(out.iterdir()) == []


def test_what_was_in_the_directory_before_is_not_taken_for_a_run(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.doc").touch()
    with (
        pytest.raises(RunError, match=r"not empty and holds no darksound run"),
        open_run(request(out=tmp_path / "mine")),
    ):
        pass
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.doc"]
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="Cannot use"), open_run(request(out=tmp_path / "file")):
        pass


def test_an_empty_directory_may_be_used(tmp_path):
    (tmp_path / "empty").mkdir()
    assert finished(out=tmp_path / "empty") == tmp_path / "empty"


@pytest.mark.parametrize(
    ("make", "said"), [(finished, "holds a finished mec run"), (stopped, "go on with --resume")]
)
def test_a_run_is_not_overwritten(make, said, tmp_path):
    path = make(out=tmp_path / "r")
    before = (path / "run.json").read_bytes()
    with pytest.raises(RunError, match=said), open_run(request(out=path)):
        pass
    assert (path / "run.json").read_bytes() == before


def test_a_stopped_run_is_gone_on_with(tmp_path):
    settings = load_settings(assignments=["mec.iterations=2"])
    path = stopped(settings=settings)
    (path / ".clusters.parquet.99.part").touch()
    with open_run(Request("mec", Settings(), Inputs(), resume=True)) as run:
        assert run.path == path
        assert run.settings.mec.iterations == 2
        assert run.inputs == Inputs(("demo:test",))
        assert not run.done
        run.note_data(3, "abc")
    manifest = read_manifest(path)
    assert manifest.status == "done"
    assert manifest.times_resumed == 1
    assert not list(path.glob("*.part"))


def test_a_killed_run_is_gone_on_with(tmp_path):
    path = stopped()
    about = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps({**about, "status": "running", "ended": None}))
    with open_run(request(resume=True, out=path)) as run:
        assert not run.done


def test_resuming_takes_the_newest_run_of_the_command(tmp_path, monkeypatch):
    clock = iter(f"2030-01-01T00:00:{s:02d}+00:00" for s in range(60))
    monkeypatch.setattr(directory, "now", lambda: next(clock))
    stopped()
    newest = stopped()
    stopped(command="train")
    (directory.RUNS / "of-others").mkdir()
    (directory.RUNS / "of-others" / "run.json").write_text("[]")
    with open_run(request(resume=True)) as run:
        assert run.path == newest


def test_a_finished_run_is_opened_as_done_and_not_touched(tmp_path):
    path = finished()
    before = {p.name: p.read_bytes() for p in path.iterdir()}
    with open_run(request(resume=True)) as run:
        assert run.done
    assert {p.name: p.read_bytes() for p in path.iterdir()} == before


@pytest.mark.parametrize(
    ("assignment", "said"),
    [("mec.iterations=3", r"mec\.iterations is 3, but .* with 5"), ("seed=1", "seed is 1, but")],
)
def test_a_resumed_run_is_not_given_other_settings(assignment, said):
    stopped()
    given = load_settings(assignments=[assignment])
    with pytest.raises(RunError, match=said), open_run(request(settings=given, resume=True)):
        pass


def test_settings_may_be_repeated_and_computing_may_move_on_resuming():
    stopped(settings=load_settings(assignments=["mec.iterations=2"]))
    given = load_settings(assignments=["mec.iterations=2", "compute.workers=3"])
    with open_run(request(settings=given, resume=True)) as run:
        assert run.settings.compute.workers == 3
        assert run.settings.mec.iterations == 2


def test_a_resumed_run_is_not_given_other_data(tmp_path):
    path = stopped()
    with (
        pytest.raises(RunError, match=r"--data is demo:train, but .* with demo:test"),
        open_run(request(inputs=Inputs(("demo:train",)), resume=True)),
    ):
        pass
    with (
        pytest.raises(RunError, match=r"changed since it began \(3 ROIs then, 4 now\)"),
        open_run(request(resume=True)) as run,
    ):
        run.note_data(4, "abd")
    assert path.exists()


def test_inputs_mean_the_same_from_any_working_directory(tmp_path, monkeypatch):
    (tmp_path / "sounds").mkdir()
    path = stopped(inputs=Inputs(("sounds", "demo"), root="sounds", checkpoint="learner"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with open_run(Request("mec", Settings(), Inputs(), tmp_path / path, resume=True)) as run:
        assert run.inputs.data == (str(tmp_path / "sounds"), "demo:test")
        assert run.inputs.root == str(tmp_path / "sounds")
        assert run.inputs.checkpoint == str(tmp_path / "learner")


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda path: None, "There is no run in"),
        (lambda path: (path / "run.json").write_text("{}"), "is not the manifest"),
        (lambda path: (path / "run.json").write_text('{"command'), "is not the manifest"),
        (lambda path: finished(command="train", out=path), "holds a train run, not a mec run"),
    ],
)
def test_what_cannot_be_resumed_is_said(prepare, said, tmp_path):
    path = tmp_path / "r"
    path.mkdir()
    prepare(path)
    with pytest.raises(RunError, match=said), open_run(request(out=path, resume=True)):
        pass


def test_nothing_to_resume_is_said():
    with pytest.raises(RunError, match=r"no mec run in .*runs"), open_run(request(resume=True)):
        pass
