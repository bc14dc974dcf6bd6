"""What a killed or a second process leaves of a run directory, and settings that were changed."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest

from darksound.errors import InputError, RunError
from darksound.run.creation import lock_folder
from darksound.run.directory import Request, open_run
from darksound.run.manifest import Inputs
from darksound.settings import Settings, load_settings, to_toml

# Kills processes at the n-th rename, by which files get their final names.
KILLED = """
import os, signal, sys
from pathlib import Path
from darksound.run.directory import Request, open_run
from darksound.run.manifest import Inputs
from darksound.settings import Settings

replace, settings = os.replace, Settings(seed=7)

def kill_before_the_last(*paths):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(*paths)

os.replace = kill_before_the_last
for left in map(int, sys.argv[2:]):
    if (child := os.fork()) == 0:
        out = Path(sys.argv[1]) / str(left)
        with open_run(Request("mec", settings, Inputs(("demo:test",)), out)) as run:
            run.update_settings(settings.replace(training={"epochs": 3}))
            run.record_data(3, "abc")
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def request(out: Path, resume: bool = False, **changes) -> Request:
    fields = {"command": "mec", "settings": Settings(seed=7), "inputs": Inputs(("demo:test",))}
    return Request(**{**fields, "out": out, "resume": resume, **changes})


def stopped(out: Path, **changes) -> Path:
    with suppress(KeyboardInterrupt), open_run(request(out, **changes)) as run:
        run.update_settings(run.settings.replace(training={"epochs": 3}))
        run.record_data(3, "abc")
        raise KeyboardInterrupt
    return out


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_after_a_kill_at_any_file_a_run_is_started_or_resumed(tmp_path):
    renames = range(1, 7)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), *map(str, renames)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert killed.stdout.split() == ["-9"] * len(renames)
    for number in renames:
        out = tmp_path / str(number)
        resume = (out / "run.json").exists()
        assert resume is (number > 1)
        with open_run(request(out, resume)) as run:
            # Before the second pair of files the settings are still the first ones.
            assert run.settings.seed == 7
            assert run.settings.training.epochs == (15 if number <= 3 else 3)
            run.record_data(3, "abc")
        assert load_settings(config=out / "settings.toml") == run.settings
        assert json.loads((out / "run.json").read_text())["status"] == "done"
        assert not list(out.glob(".*.part"))


def test_a_directory_with_settings_alone_of_a_killed_start_is_used(tmp_path):
    (tmp_path / ".lock").touch()
    (tmp_path / "settings.toml").write_text(to_toml(Settings(seed=3)))
    with open_run(request(tmp_path)) as run:
        assert run.settings.seed == 7


@pytest.mark.parametrize("lock", [True, False])
def test_settings_that_the_user_put_there_are_not_replaced(lock, tmp_path):
    (tmp_path / "settings.toml").write_text("seed = 3\n")
    if lock:
        (tmp_path / ".lock").touch()
    with pytest.raises(RunError, match="is not empty and holds no darksound run"):
        open_run(request(tmp_path)).__enter__()
    assert (tmp_path / "settings.toml").read_text() == "seed = 3\n"


CHANGES = {
    "emptied": lambda text: "",
    "only comments": lambda text: "# nothing\n",
    "another value": lambda text: text.replace("epochs = 3\n", "epochs = 4\n", 1),
    "a number as text": lambda text: text.replace("epochs = 3\n", 'epochs = "3"\n', 1),
    "a key removed": lambda text: text.replace("epochs = 3\n", "", 1),
    "a key added": lambda text: text + "[more]\nkey = 1\n",
    "a list": lambda text: text.replace("smoothing = [\n    3,", "smoothing = [\n    5,", 1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_settings_are_refused_with_both_files_and_a_remedy(change, tmp_path):
    out = stopped(tmp_path / "run")
    path = out / "settings.toml"
    text = path.read_text()
    assert CHANGES[change](text) != text
    path.write_text(CHANGES[change](text))
    with pytest.raises(RunError, match="was changed after the run wrote it") as error:
        open_run(request(out, resume=True)).__enter__()
    message = str(error.value)
    assert str(path) in message
    assert str(out / "run.json") in message
    assert "restore the file, or remove it" in message
    # Both remedies do what they say.
    shutil.copy(path, tmp_path / "changed.toml")
    path.unlink()
    with open_run(request(out, resume=True)) as run:
        assert run.settings.training.epochs == 3
        run.record_data(3, "abc")
    assert path.read_text() == text


def test_the_message_on_changed_settings_has_both_values(tmp_path):
    out = stopped(tmp_path / "run")
    path = out / "settings.toml"
    path.write_text(path.read_text().replace("seed = 7", "seed = 8"))
    with pytest.raises(RunError, match=r"seed is 8 there and 7 in .*run\.json"):
        open_run(request(out, resume=True)).__enter__()


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "# A comment.\n" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace('device = "auto"', 'device = "cpu"'),
        lambda text: text.replace("page = true", "page = false"),
    ],
)
def test_changes_that_no_result_depends_on_are_accepted(change, tmp_path):
    out = stopped(tmp_path / "run")
    path = out / "settings.toml"
    assert change(path.read_text()) != path.read_text()
    path.write_bytes(change(path.read_text()).encode())
    with open_run(request(out, resume=True)) as run:
        assert run.settings.training.epochs == 3


def test_infinite_constructor_arguments_are_no_change(tmp_path):
    parameters = {"max_eps": float("inf"), "many": [1, 2.5]}
    settings = Settings(seed=7).replace(
        clustering={"method": "sklearn.cluster.OPTICS", "parameters": parameters}
    )
    out = stopped(tmp_path / "run", settings=settings)
    with open_run(request(out, resume=True)) as run:
        assert run.settings.clustering.parameters["max_eps"] == float("inf")


@pytest.mark.parametrize("damage", [b"seed = ", b"\xff\xfe\x00", b"a = " + b"[" * 9000, None])
def test_settings_that_are_no_toml_are_refused_with_a_remedy(damage, tmp_path):
    out = stopped(tmp_path / "run")
    path = out / "settings.toml"
    path.unlink()
    if damage is None:
        path.mkdir()
    else:
        path.write_bytes(damage)
    with pytest.raises(RunError, match=r"settings\.toml"):
        open_run(request(out, resume=True)).__enter__()


def test_the_settings_of_the_manifest_are_those_of_the_file(tmp_path):
    out = stopped(tmp_path / "run")
    stored = json.loads((out / "run.json").read_text())["settings"]
    found = tomllib.loads((out / "settings.toml").read_text())
    assert stored["training"]["epochs"] == found["training"]["epochs"] == 3


def test_a_second_process_is_refused_the_file_that_the_first_writes(tmp_path):
    inputs = Inputs(("demo:test",), target=str(tmp_path / "t.parquet"))
    with open_run(request(tmp_path / "a", inputs=inputs)):
        with pytest.raises(RunError, match=r"Another process is writing .*t\.parquet; wait for it"):
            open_run(request(tmp_path / "b", inputs=inputs)).__enter__()
        assert not (tmp_path / "b").exists()
        other = Inputs(("demo:test",), target=str(tmp_path / "u.parquet"))
        with open_run(request(tmp_path / "c", inputs=other)):
            pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "c"]
    with open_run(request(tmp_path / "b", inputs=inputs)):
        pass


def test_a_resumed_run_reserves_its_file_too(tmp_path):
    inputs = Inputs(("demo:test",), target=str(tmp_path / "t.parquet"))
    out = stopped(tmp_path / "a", inputs=inputs)
    with (
        open_run(request(tmp_path / "b", inputs=inputs)),
        pytest.raises(RunError, match="Another process is writing"),
    ):
        open_run(request(out, resume=True)).__enter__()


def test_a_directory_in_use_is_reported_as_such(tmp_path):
    out = stopped(tmp_path / "run")
    with lock_folder(out), pytest.raises(RunError, match="Another process is working in"):
        open_run(request(out)).__enter__()
    with pytest.raises(RunError, match="unfinished mec run; resume it with --resume"):
        open_run(request(out)).__enter__()


@pytest.mark.parametrize("error", [ZeroDivisionError, FileNotFoundError, InputError, None])
def test_a_directory_that_is_removed_during_the_run_is_an_error_that_says_so(error, tmp_path):
    out = tmp_path / "run"

    def work():
        with open_run(request(out)) as run:
            run.record_data(3, "abc")
            shutil.rmtree(out)
            if error is not None:
                raise error("x")

    with pytest.raises(RunError, match="was removed or moved while the run was working"):
        work()
    assert not out.exists()


def test_a_directory_that_files_were_written_to_after_its_removal_is_noticed(tmp_path):
    out = tmp_path / "run"

    def work():
        with open_run(request(out)) as run:
            shutil.rmtree(out)
            out.mkdir()
            (out / "state.safetensors").touch()
            run.journal.append("iteration")

    with pytest.raises(RunError, match="was removed or moved while the run was working"):
        work()
    assert not (out / "run.json").exists()
