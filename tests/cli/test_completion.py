"""Shell completion, as bash, zsh and fish ask for it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from darksound.cli.app import app

SHELLS = ("bash", "zsh", "fish")


def run_darksound(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "darksound", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def completion_request(shell: str, line: str) -> dict[str, str]:
    """Return the environment by which a shell asks for completions of the last word of a line."""
    return {
        "_DARKSOUND_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }


def complete(line: str) -> list[str]:
    """Return the completions that bash gets for the last word of a line."""
    request = completion_request("bash", line)
    return CliRunner().invoke(app, env=request, prog_name="darksound").stdout.split()


@pytest.mark.parametrize("shell", SHELLS)
def test_choices_are_completed_in_every_shell(shell):
    ended = run_darksound(**completion_request(shell, "darksound train --method "))
    assert ended.returncode == 0, ended.stderr
    assert all(name in ended.stdout for name in ("prototypical", "matching", "relation"))


def test_commands_and_options_are_completed():
    assert complete("darksound pre") == ["pretrain"]
    assert complete("darksound train --met") == ["--method"]


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_script_calls_darksound(shell):
    ended = run_darksound(_DARKSOUND_COMPLETE=f"source_{shell}")
    assert ended.returncode == 0
    assert f"_DARKSOUND_COMPLETE=complete_{shell}" in ended.stdout


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("darksound mec --data d", ["demo", "darksound-2023", "darksound-2024"]),
        ("darksound mec --data recordings/", []),  # the shell completes file names
        ("darksound mec --out ru", []),
        ("darksound mec --preset th", ["thesis-2023"]),
        ("darksound mec --device c", ["cpu", "cuda"]),
        ("darksound mec --rois se", ["segment"]),
        ("darksound train --regime c", ["classical"]),
        ("darksound train --backbone densenet12", ["densenet121"]),
        ("darksound train --backbone on", ["onnx:"]),
        ("darksound train --weights i", ["imagenet"]),
        ("darksound mec --set mec.warm_up", ["mec.warm_up=", "mec.warm_up_epochs="]),
        ("darksound download darksound-2023", ["darksound-2023"]),
        ("darksound export run --format cl", ["clips"]),
        ("darksound export run --audio ", ["wav", "flac"]),
    ],
)
def test_values_are_completed(line, expected):
    assert complete(line) == expected


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_with_the_installed_script(tmp_path: Path):
    program = tmp_path / "darksound"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m darksound "$@"\n')
    program.chmod(0o755)
    script = """
        eval "$(_DARKSOUND_COMPLETE=source_bash darksound)"
        COMP_WORDS=(darksound train --method m)
        COMP_CWORD=3
        _darksound_completion darksound
        echo "${COMPREPLY[@]}"
        complete -p darksound
    """
    ended = subprocess.run(
        ["bash", "--norc", "-c", script],
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    completions, registration = ended.stdout.splitlines()
    assert completions == "matching"
    # File names are completed where darksound has no completions.
    assert registration == "complete -o default -F _darksound_completion darksound"


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_completion_is_installed_for_the_current_shell(tmp_path: Path):
    # A second command, so that bash does not replace itself by the first one.
    ended = subprocess.run(
        [
            "bash",
            "--norc",
            "-c",
            f"'{sys.executable}' -m darksound --install-completion bash; true",
        ],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "bash completion installed" in ended.stdout
    script = (tmp_path / ".bash_completions" / "darksound.sh").read_text()
    assert "_DARKSOUND_COMPLETE=complete_bash" in script
