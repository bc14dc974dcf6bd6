"""What the commands take, how they end, and what they say."""

import errno
import json
import logging
import re
import sys
import tomllib
import warnings
from pathlib import Path

import pytest

import darksound as package
from darksound.errors import InputError
from darksound.jobs.base import Outcome
from darksound.report.tables import Table
from darksound.settings import Settings, load_settings

TABLE = Table("Result", ("name", "value"), (("clusters", "12"),))


@pytest.fixture
def job(monkeypatch):
    """Replaces the job of `darksound mec`; gives the run that it was called with."""
    seen = {}

    def install(work=lambda run, progress: Outcome((TABLE,), "All is in the run.")):
        def mec_run(run, progress):
            seen["run"] = run
            return work(run, progress)

        # The real module imports torch and much else, which these tests need not.
        module = type(sys)("darksound.jobs.mec")
        module.mec_run = mec_run
        monkeypatch.setitem(sys.modules, "darksound.jobs.mec", module)
        return seen

    return install


def raising(error):
    def work(run, progress):
        run.note_data(3, "abc")
        raise error

    return work


def test_the_version_is_the_packages(darksound):
    ended = darksound("--version")
    assert (ended.exit_code, ended.stdout) == (0, f"darksound {package.__version__}\n")


def test_help_names_every_command_and_each_has_the_common_options(darksound):
    commands = ("train", "evaluate", "embed", "mec", "settings")
    text = darksound("--help").stdout
    assert all(re.search(rf"^  {name} ", text, re.M) for name in commands)
    common = ("--config", "--preset", "--set", "--seed", "--device", "--workers", "-v", "-q")
    for name in commands:
        text = darksound(name, "--help").stdout
        assert all(option in text for option in common), name
        if name != "settings":
            assert all(o in text for o in ("--data", "--root", "--rois", "--out", "--resume"))


def test_without_a_command_there_is_help(darksound):
    ended = darksound()
    assert ended.exit_code == 2
    assert "Commands:" in ended.output


def test_a_job_that_is_done_shows_its_tables_and_ends_with_0(darksound, job):
    seen = job()
    ended = darksound("mec", "--data", "demo", "--out", "r")
    assert ended.exit_code == 0
    assert re.search(r"clusters\s+12", ended.stdout)
    assert "All is in the run." in ended.stdout
    assert seen["run"].path == Path("r")
    assert json.loads(Path("r/run.json").read_text())["status"] == "done"


def test_flags_become_settings_over_config_and_environment(darksound, job, monkeypatch):
    seen = job()
    Path("my.toml").write_text("[mec]\niterations = 7\ntasks = 9\n")
    monkeypatch.setenv("DARKSOUND_MEC__TASKS", "8")
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


def test_inputs_left_out_end_with_3(darksound, job):
    job(lambda run, progress: Outcome((TABLE,), "Two were left out.", problems=2))
    ended = darksound("mec", "--data", "demo")
    assert ended.exit_code == 3
    assert "Two were left out." in ended.stdout


def test_what_a_person_can_mend_ends_with_2_and_its_message_alone(darksound, job):
    job(raising(InputError("a.wav holds nothing but zeros; leave it out.")))
    ended = darksound("mec", "--data", "demo")
    assert ended.exit_code == 2
    assert ended.stderr == "Error: a.wav holds nothing but zeros; leave it out.\n"
    assert ended.stdout == ""


def test_our_fault_ends_with_1_a_sentence_and_the_log(darksound, job):
    job(raising(ZeroDivisionError("division by zero")))
    ended = darksound("mec", "--data", "demo", "--out", "r")
    assert ended.exit_code == 1
    assert "its own fault: ZeroDivisionError: division by zero." in ended.stderr
    assert f"The log is {Path('r/run.log')}. Run it again with -v" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Traceback" in Path("r/run.log").read_text()
    ended = darksound("mec", "--data", "demo", "--out", "s", "-v")
    assert ended.exit_code == 1
    assert "Traceback" in ended.stderr


def test_a_full_disk_is_nobodys_fault(darksound, job):
    job(raising(OSError(errno.ENOSPC, "No space left on device", "/cache/a")))
    ended = darksound("mec", "--data", "demo")
    assert ended.exit_code == 2
    assert ended.stderr == "Error: No space left on device: /cache/a.\n"


def test_an_interrupt_ends_with_130_and_how_to_go_on(darksound, job):
    job(raising(KeyboardInterrupt()))
    ended = darksound("mec", "--data", "demo", "--out", "my run")
    assert ended.exit_code == 130
    assert ended.stderr == ("Interrupted. Go on with: darksound mec --resume --out 'my run'\n")
    seen = job()
    assert darksound("mec", "--resume", "--out", "my run").exit_code == 0
    assert seen["run"].inputs.data == ("demo:test",)


def test_a_finished_run_that_is_resumed_says_so_and_does_nothing(darksound, job):
    job()
    darksound("mec", "--data", "demo", "--out", "r")
    job(raising(AssertionError("called again")))
    ended = darksound("mec", "--resume")
    assert ended.exit_code == 2  # ./r is not below ./runs
    ended = darksound("mec", "--resume", "--out", "r")
    assert ended.exit_code == 0
    assert "The run in r is finished; nothing is left to do." in ended.stderr


def test_what_is_logged_is_shown_and_warnings_of_others_go_to_the_log(darksound, job):
    def work(run, progress):
        logging.getLogger("darksound.meta").info("learning [x]")
        logging.getLogger("darksound.meta").warning("few classes")
        logging.getLogger("darksound.meta").debug("details")
        logging.getLogger("numba").warning("numba speaks")
        warnings.warn("a library warns", UserWarning, stacklevel=1)
        progress("images", 0, 1)
        progress("images", 1, 1)
        return Outcome((), "Done.")

    job(work)
    loud = darksound("mec", "--data", "demo", "--out", "a")
    assert loud.stderr == "learning [x]\nWarning: few classes\nDone in 0.0 s.\n"
    quiet = darksound("mec", "--data", "demo", "--out", "b", "-q")
    assert (quiet.stderr, quiet.stdout) == ("Warning: few classes\n", "Done.\n")
    verbose = darksound("mec", "--data", "demo", "--out", "c", "-v")
    assert "details" in verbose.stderr
    for run in "abc":
        text = Path(run, "run.log").read_text()
        assert "details" in text
        assert "numba speaks" in text
    # Python shows a warning of one place once.
    assert "a library warns" in Path("a/run.log").read_text()


def test_tables_are_not_cut_where_there_is_no_terminal(darksound, job):
    wide = Table("Wide", tuple(f"column {i}" for i in range(20)), (("0.123456789",) * 20,))
    job(lambda run, progress: Outcome((wide,), "Done."))
    text = darksound("mec", "--data", "demo").stdout
    assert text.count("0.123456789") == 20
    assert "column 19" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("mec", "--preset", "thesis"), "There is no preset 'thesis'"),
        (("mec", "--set", "mec.iteration=3"), "did you mean iterations?"),
        (("mec", "--set", "mec"), "not of the form section.key=value"),
        (("mec", "--config", "gone.toml"), "Cannot read settings from gone.toml"),
        (("mec", "--device", "tpu"), "compute.device cannot be 'tpu'"),
        (("mec", "--workers", "many"), "compute.workers cannot be 'many'"),
        (("mec", "--rois", "segments"), "rois.mode cannot be 'segments'"),
        (("mec", "--roi-length", "long"), "audio.roi_s cannot be 'long'"),
        (("mec", "--iterations", "-1"), "mec.iterations cannot be -1"),
        (("mec", "--iterations", "few"), "Invalid value for '--iterations'"),
        (("mec", "--data", "demo:none"), "There is no demo 'demo:none'"),
        (("mec", "--resume"), "There is no mec run in"),
        (("mec", "--nothing"), "No such option: --nothing"),
        (("mce",), "Did you mean 'mec'"),
        (("settings", "--regime", "classic"), "training.regime cannot be 'classic'"),
    ],
)
def test_wrong_usage_ends_with_2_and_leaves_nothing(words, said, darksound, tmp_path):
    ended = darksound(*words)
    assert ended.exit_code == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("preset", ["default", "thesis-2023", "paper-2024"])
def test_settings_are_printed_as_toml_that_config_takes_back(preset, darksound, tmp_path):
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
