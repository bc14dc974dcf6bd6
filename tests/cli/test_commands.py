"""Options, exit statuses and messages of the commands."""

import errno
import json
import logging
import re
import sys
import tomllib
import warnings
from pathlib import Path

import pytest
from tests.cli.conftest import one_line

import darksound as package
from darksound.errors import InputError
from darksound.jobs.base import JobResult
from darksound.report.tables import Table
from darksound.rois.roi_set import Problem
from darksound.settings import Settings, load_settings

TABLE = Table("Result", ("name", "value"), (("clusters", "12"),))


@pytest.fixture
def job(monkeypatch):
    """Replace the job of `darksound mec`; return a dict with the run that it is called with."""
    seen = {}

    def install(work=lambda run, progress: JobResult((TABLE,), "All is in the run.")):
        def mec_run(run, progress):
            seen["run"] = run
            return work(run, progress)

        # The real module imports torch, which these tests do not need.
        module = type(sys)("darksound.jobs.mec")
        vars(module)["mec_run"] = mec_run
        monkeypatch.setitem(sys.modules, "darksound.jobs.mec", module)
        return seen

    return install


def raising(error):
    def work(run, progress):
        run.record_data(3, "abc")
        raise error

    return work


def test_version_is_that_of_the_package(darksound):
    ended = darksound("--version")
    assert (ended.exit_code, ended.stdout) == (0, f"darksound {package.__version__}\n")


def test_help_lists_all_commands_and_their_common_options(darksound):
    commands = ("train", "evaluate", "embed", "mec", "settings")
    text = darksound("--help").stdout
    assert all(re.search(rf"^│ {name} ", text, re.M) for name in commands)
    common = ("--config", "--preset", "--set", "--seed", "--device", "--workers", "-v", "-q")
    for name in commands:
        text = darksound(name, "--help").stdout
        assert all(option in text for option in common), name
        if name != "settings":
            assert all(o in text for o in ("--data", "--root", "--rois", "--out", "--resume"))
        assert "explained in docs/glossary.md" in one_line(text)


def test_without_a_command_help_is_shown(darksound):
    ended = darksound()
    assert ended.exit_code == 2
    assert "Usage: darksound" in ended.output


def test_finished_job_prints_its_tables_and_ends_with_0(darksound, job):
    seen = job()
    ended = darksound("mec", "--data", "demo", "--out", "r")
    assert ended.exit_code == 0
    assert re.search(r"clusters\s+12", ended.stdout)
    assert "All is in the run." in ended.stdout
    assert seen["run"].path == Path("r")
    assert json.loads(Path("r/run.json").read_text())["status"] == "done"


def test_options_override_config_and_environment(darksound, job, monkeypatch):
    seen = job()
    Path("my.toml").write_text("[mec]\niterations = 7\nn_episodes = 9\n")
    monkeypatch.setenv("DARKSOUND_MEC__N_EPISODES", "8")
    ended = darksound(
        *("mec", "--data", "demo", "--preset", "paper-2024", "--config", "my.toml"),
        *("--iterations", 3, "--set", "mec.warm_up=none", "--seed", 5, "--device", "cpu"),
        *("--workers", 2, "--rois", "windows", "--roi-length", "auto"),
        *("--method", "matching", "--backbone", "vgg16", "--weights", "none"),
    )
    assert ended.exit_code == 0, ended.output
    settings = seen["run"].settings
    assert settings == load_settings(
        "paper-2024",
        assignments=[
            *("mec.iterations=3", "mec.n_episodes=8", "mec.warm_up=none", "seed=5"),
            *("compute.device=cpu", "compute.workers=2", "rois.mode=windows"),
            *("audio.roi_s=auto", "learner.method=matching", "backbone.name=vgg16"),
            *("backbone.weights=none", f"compute.cache_dir={settings.compute.cache_dir}"),
            f"compute.data_dir={settings.compute.data_dir}",
        ],
    )


@pytest.mark.parametrize("quiet", [(), ("-q",)])
def test_inputs_that_were_left_out_are_named_in_the_last_line(darksound, job, quiet):
    problems = [
        Problem("St. 1; 2/a.wav", "/data/St. 1; 2/a.wav: not a sound file (no. 1); leave it out."),
        Problem("b.mp3", "cut short after 2.0 s."),
        Problem("b.mp3", "cut short after 2.0 s."),
        Problem("c.wav", "/data/c.wav: empty."),
        Problem("d.wav", "/data/d.wav: empty."),
    ]
    job(lambda run, progress: JobResult((TABLE,), "Done.", tuple(problems), Path("r/errors.csv")))
    ended = darksound("mec", "--data", "demo", *quiet)
    assert ended.exit_code == 3
    assert ended.stderr.splitlines()[-1] == (
        "Warning: 4 inputs were left out or used in part: /data/St. 1; 2/a.wav: not a sound file "
        "(no. 1); b.mp3: cut short after 2.0 s; /data/c.wav: empty. And 1 more. All are listed in "
        "r/errors.csv"
    )


def test_one_input_that_was_left_out_is_named(darksound, job):
    job(lambda run, progress: JobResult((), "Done.", (Problem("a.wav", "empty."),), Path("e.csv")))
    last = darksound("mec", "--data", "demo").stderr.splitlines()[-1]
    assert last.endswith(
        "1 input was left out or used in part: a.wav: empty. It is listed in e.csv"
    )


def test_user_error_ends_with_2_and_its_message(darksound, job):
    job(raising(InputError("a.wav holds nothing but zeros; leave it out.")))
    ended = darksound("mec", "--data", "demo")
    assert ended.exit_code == 2
    assert ended.stderr == "Error: a.wav holds nothing but zeros; leave it out.\n"
    assert ended.stdout == ""


def test_internal_error_ends_with_1_and_names_the_log(darksound, job):
    job(raising(ZeroDivisionError("division by zero")))
    ended = darksound("mec", "--data", "demo", "--out", "r")
    assert ended.exit_code == 1
    assert "Error: internal error: ZeroDivisionError: division by zero." in ended.stderr
    assert f"The log is {Path('r/run.log')}. Run it again with -v" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Traceback" in Path("r/run.log").read_text()
    ended = darksound("mec", "--data", "demo", "--out", "s", "-v")
    assert ended.exit_code == 1
    assert "Traceback" in ended.stderr


def test_full_disk_is_a_user_error(darksound, job):
    job(raising(OSError(errno.ENOSPC, "No space left on device", "/cache/a")))
    ended = darksound("mec", "--data", "demo")
    assert ended.exit_code == 2
    assert re.fullmatch(r"Error: Cannot write: the disk of / is full .*\n", ended.stderr)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.EACCES, "Permission denied", "/r/a"), "/r/a: no permission to read it"),
        (OSError(errno.EMFILE, "Too many open files"), "too many files are open"),
        (MemoryError("Unable to allocate 9 TiB"), "Memory ran out (Unable to allocate 9 TiB)"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "Memory ran out (Default"),
    ],
)
def test_errors_of_the_machine_are_no_internal_errors(darksound, job, error, message):
    job(raising(error))
    ended = darksound("mec", "--data", "demo")
    assert (ended.exit_code, len(ended.stderr.splitlines())) == (2, 1)
    assert ended.stderr.startswith(f"Error: {message}")


def test_interrupt_ends_with_130_and_the_command_to_resume(darksound, job):
    job(raising(KeyboardInterrupt()))
    ended = darksound("mec", "--data", "demo", "--out", "my run")
    assert ended.exit_code == 130
    assert ended.stderr == "Interrupted. Resume with: darksound mec --resume --out 'my run'\n"
    seen = job()
    assert darksound("mec", "--resume", "--out", "my run").exit_code == 0
    assert seen["run"].inputs.data == ("demo:test",)


def test_resuming_a_finished_run_does_nothing(darksound, job):
    job()
    darksound("mec", "--data", "demo", "--out", "r")
    job(raising(AssertionError("called again")))
    ended = darksound("mec", "--resume")
    assert ended.exit_code == 2  # ./r is not below ./runs
    ended = darksound("mec", "--resume", "--out", "r")
    assert ended.exit_code == 0
    assert "The run in r is finished; nothing to do." in ended.stderr


def test_log_messages_are_shown_and_those_of_other_packages_go_to_the_log(darksound, job):
    def work(run, progress):
        logging.getLogger("darksound.meta").info("training [x]")
        logging.getLogger("darksound.meta").warning("few classes")
        logging.getLogger("darksound.meta").debug("details")
        logging.getLogger("numba").warning("a message of numba")
        warnings.warn("a library warns", UserWarning, stacklevel=1)
        progress("images", 0, 1)
        progress("images", 1, 1)
        return JobResult((), "Done.")

    job(work)
    loud = darksound("mec", "--data", "demo", "--out", "a")
    assert re.fullmatch(
        r"training \[x\]\nWarning: few classes\nDone in [\d.]+ (s|min)\.\n", loud.stderr
    )
    quiet = darksound("mec", "--data", "demo", "--out", "b", "-q")
    assert (quiet.stderr, quiet.stdout) == ("Warning: few classes\n", "Done.\n")
    verbose = darksound("mec", "--data", "demo", "--out", "c", "-v")
    assert "details" in verbose.stderr
    for run in "abc":
        text = Path(run, "run.log").read_text()
        assert "details" in text
        assert "a message of numba" in text
    # Python shows a warning of one place once.
    assert "a library warns" in Path("a/run.log").read_text()


def test_tables_are_not_folded_without_a_terminal(darksound, job):
    wide = Table("Wide", tuple(f"column {i}" for i in range(20)), (("0.123456789",) * 20,))
    job(lambda run, progress: JobResult((wide,), "Done."))
    text = darksound("mec", "--data", "demo").stdout
    assert text.count("0.123456789") == 20
    assert "column 19" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("mec", "--preset", "thesis"),
            "Invalid value for '--preset': ... 'thesis' is not one of 'default'",
        ),
        (("mec", "--set", "mec.iteration=3"), "did you mean iterations?"),
        (("mec", "--set", "mec"), "not of the form section.key=value"),
        (("mec", "--config", "gone.toml"), "gone.toml: there is no such file"),
        (("mec", "--device", "tpu"), "'tpu' is not one of 'auto', 'cpu', 'cuda', 'mps'"),
        (("mec", "--workers", "many"), "compute.workers cannot be 'many'"),
        (("mec", "--rois", "segments"), "'segments' is not one of 'auto', 'whole'"),
        (("mec", "--roi-length", "long"), "audio.roi_s cannot be 'long'"),
        (("mec", "--iterations", "-1"), "mec.iterations cannot be -1"),
        (("mec", "--iterations", "few"), "Invalid value for '--iterations'"),
        (("mec", "--data", "demo:none"), "There is no demo 'demo:none'"),
        (("mec", "--resume"), "There is no mec run in"),
        (("mec", "--nothing"), "No such option ... --nothing"),
        (("mce",), "Did you mean 'mec'"),
        (("settings", "--regime", "classic"), "'classic' is not one of 'episodic', 'classical'"),
    ],
)
def test_wrong_usage_ends_with_2_and_writes_nothing(words, message, darksound, tmp_path):
    ended = darksound(*words)
    assert ended.exit_code == 2
    # Versions of Typer differ in the words in place of " ... ".
    for part in message.split(" ... "):
        assert part in one_line(ended.stderr)
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("preset", ["default", "thesis-2023", "paper-2024"])
def test_printed_settings_are_accepted_by_config(preset, darksound, tmp_path):
    words = ("settings", "--preset", preset, "--seed", 3, "--set", "compute.data_dir=/d")
    first = darksound(*words)
    assert first.exit_code == 0
    assert tomllib.loads(first.stdout)["seed"] == 3
    Path("mine.toml").write_text(first.stdout)
    assert darksound("settings", "--config", "mine.toml").stdout != ""
    settings = load_settings(config=Path("mine.toml"))
    assert settings.replace(compute={"cache_dir": None, "data_dir": None}, seed=1979) == (
        load_settings(preset, assignments=["seed=1979"])
    )
    assert isinstance(settings, Settings)
