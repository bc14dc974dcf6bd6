"""The run directory: creation, final status, and resuming."""

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
    fields = {"command": "mec", "settings": Settings(), "inputs": Inputs(("demo:test",))}
    return Request(**{**fields, **changes})


def stopped(error=KeyboardInterrupt, **changes):
    """Start a run, record its data, stop it, and return its path."""
    with suppress(error), open_run(request(**changes)) as run:
        run.record_data(3, "abc")
        raise error
    return run.path


def finished(**changes):
    with open_run(request(**changes)) as run:
        run.record_data(3, "abc")
    return run.path


def test_a_run_has_a_new_directory_with_manifest_settings_and_journal(tmp_path):
    settings = load_settings(assignments=["training.epochs=3"])
    with open_run(request(settings=settings, argv=("mec", "--data", "demo"))) as run:
        assert re.fullmatch(r"runs/mec-\d{8}-\d{6}", str(run.path))
        about = json.loads((run.path / "run.json").read_text())
        assert about["status"] == "running"
        run.record_data(3, "abc")
        run.record_problems(
            [Problem("a.wav", "a.wav: silent."), Problem("a.wav", "a.wav: silent.")]
        )
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


def test_the_final_status_is_recorded(tmp_path):
    for error, status in [
        (KeyboardInterrupt, "interrupted"),
        (SystemExit, "interrupted"),
        (ZeroDivisionError, "failed"),
        (InputError, "failed"),
    ]:
        manifest = read_manifest(stopped(error))
        assert manifest is not None
        assert manifest.status == status
        assert manifest.ended


def test_a_failure_is_in_the_manifest_and_its_traceback_in_the_log():
    with pytest.raises(ZeroDivisionError), open_run(request(out=None)) as run:
        _ = 1 / 0
    manifest = read_manifest(run.path)
    assert manifest is not None
    assert "ZeroDivisionError" in str(manifest.error)
    assert "Traceback" in (run.path / "run.log").read_text()


def test_the_log_has_our_records_and_warnings_of_other_libraries():
    with open_run(request()) as run:
        logging.getLogger("darksound.meta").debug("one epoch")
        logging.getLogger("numba").debug("chatter")
        logging.getLogger("numba").warning("a warning")
    logging.getLogger("darksound.meta").warning("too late")
    text = (run.path / "run.log").read_text()
    assert "one epoch" in text
    assert "a warning" in text
    assert "chatter" not in text
    assert "too late" not in text


def test_a_run_that_is_refused_before_it_has_data_leaves_nothing(tmp_path):
    out = tmp_path / "out"
    for where in (None, out):
        with pytest.raises(InputError), open_run(request(out=where)):
            raise InputError("There is no data.")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_directory_stays_when_the_run_is_refused(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(InputError), open_run(request(out=out)):
        raise InputError("There is no data.")
    assert list(out.iterdir()) == []


def test_a_directory_with_other_files_is_refused_and_unchanged(tmp_path):
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
    ("make", "message"),
    [(finished, "holds a finished mec run"), (stopped, "resume it with --resume")],
)
def test_a_run_is_not_overwritten(make, message, tmp_path):
    path = make(out=tmp_path / "r")
    before = (path / "run.json").read_bytes()
    with pytest.raises(RunError, match=message), open_run(request(out=path)):
        pass
    assert (path / "run.json").read_bytes() == before


def test_a_stopped_run_is_resumed(tmp_path):
    settings = load_settings(assignments=["mec.iterations=2"])
    path = stopped(settings=settings)
    (path / ".clusters.parquet.99.part").touch()
    with open_run(Request("mec", Settings(), Inputs(), resume=True)) as run:
        assert run.path == path
        assert run.settings.mec.iterations == 2
        assert run.inputs == Inputs(("demo:test",))
        assert not run.done
        run.record_data(3, "abc")
    manifest = read_manifest(path)
    assert manifest is not None
    assert manifest.status == "done"
    assert manifest.times_resumed == 1
    assert not list(path.glob("*.part"))


MACHINE = {
    "device": "cpu",
    "precision": "float32",
    "processor": "x86_64 AVX2",
    "blas": "openblas 0.3.31 Haswell",
    "threads": "2",
}


@pytest.mark.parametrize(
    ("changes", "differing"),
    [
        ({"threads": "16"}, None),
        ({}, None),
        (
            {"processor": "x86_64 AVX512", "blas": "openblas 0.3.31 SkylakeX"},
            "processor x86_64 AVX2 and x86_64 AVX512; "
            "blas openblas 0.3.31 Haswell and openblas 0.3.31 SkylakeX",
        ),
        ({"device": "NVIDIA H100"}, "device cpu and NVIDIA H100"),
    ],
    ids=["threads", "nothing", "processor", "device"],
)
def test_resuming_warns_of_what_changes_last_digits(changes, differing, caplog):
    with suppress(KeyboardInterrupt), open_run(request()) as run:
        run.record_data(3, "abc")
        run.record_machine(MACHINE)
        raise KeyboardInterrupt
    with open_run(Request("mec", Settings(), Inputs(), resume=True)) as resumed:
        resumed.record_machine({**MACHINE, **changes})
    manifest = read_manifest(resumed.path)
    assert manifest is not None
    assert manifest.machine == MACHINE
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == (differing is not None)
    assert differing is None or f"({differing})" in warnings[0]


def test_resuming_with_another_version_of_torch_warns(caplog):
    path = stopped()
    about = json.loads((path / "run.json").read_text())
    about["versions"]["torch"], about["machine"] = "2.4.1", MACHINE
    (path / "run.json").write_text(json.dumps(about))
    with open_run(Request("mec", Settings(), Inputs(), resume=True)) as resumed:
        resumed.record_machine(MACHINE)
    assert re.search(r"\(torch 2\.4\.1 and \d", caplog.text)


def test_a_killed_run_is_resumed(tmp_path):
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


def test_a_finished_run_is_opened_as_done_and_unchanged(tmp_path):
    path = finished()
    before = {p.name: p.read_bytes() for p in path.iterdir()}
    with open_run(request(resume=True)) as run:
        assert run.done
    assert {p.name: p.read_bytes() for p in path.iterdir()} == before


@pytest.mark.parametrize(
    ("assignment", "message"),
    [("mec.iterations=3", r"mec\.iterations is 3, but .* with 5"), ("seed=1", "seed is 1, but")],
)
def test_a_resumed_run_refuses_other_settings(assignment, message):
    stopped()
    given = load_settings(assignments=[assignment])
    with pytest.raises(RunError, match=message), open_run(request(settings=given, resume=True)):
        pass


def test_on_resuming_equal_settings_and_other_compute_settings_are_allowed():
    stopped(settings=load_settings(assignments=["mec.iterations=2"]))
    given = load_settings(assignments=["mec.iterations=2", "compute.workers=3"])
    with open_run(request(settings=given, resume=True)) as run:
        assert run.settings.compute.workers == 3
        assert run.settings.mec.iterations == 2


def test_a_resumed_run_refuses_other_data(tmp_path):
    path = stopped()
    with (
        pytest.raises(RunError, match=r"--data is demo:train, but .* with demo:test"),
        open_run(request(inputs=Inputs(("demo:train",)), resume=True)),
    ):
        pass
    with (
        pytest.raises(RunError, match=r"changed since it started \(3 ROIs then, 4 now\)"),
        open_run(request(resume=True)) as run,
    ):
        run.record_data(4, "abd")
    assert path.exists()


def test_inputs_are_independent_of_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "sounds").mkdir()
    path = stopped(inputs=Inputs(("sounds", "demo"), root="sounds", checkpoint="learner"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with open_run(Request("mec", Settings(), Inputs(), tmp_path / path, resume=True)) as run:
        assert run.inputs.data == (str(tmp_path / "sounds"), "demo:test")
        assert run.inputs.root == str(tmp_path / "sounds")
        assert run.inputs.checkpoint == str(tmp_path / "learner")


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda path: None, "There is no run in"),
        (lambda path: (path / "run.json").write_text("{}"), "is not the manifest"),
        (lambda path: (path / "run.json").write_text('{"command'), "is not the manifest"),
        (lambda path: finished(command="train", out=path), "holds a train run, not a mec run"),
    ],
)
def test_a_directory_that_cannot_be_resumed_is_an_error(prepare, message, tmp_path):
    path = tmp_path / "r"
    path.mkdir()
    prepare(path)
    with pytest.raises(RunError, match=message), open_run(request(out=path, resume=True)):
        pass


def test_resuming_without_any_run_is_an_error():
    with pytest.raises(RunError, match=r"no mec run in .*runs"), open_run(request(resume=True)):
        pass
