"""Every command and every Python block of README and docs runs, page by page, on made data."""

import os
import re
import shlex
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.doc_material import ENVIRONMENT, finished_run, write_material, write_review
from typer.testing import CliRunner

from darksound.cli.app import app

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
#: A block, and the reason in a comment before it where it is not run.
BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^>]+?) -->\s*\n)?"
    r"^(?P<indent> *)```(?P<language>bash|python)\n(?P<code>.*?)^ *```",
    re.S | re.M,
)
# Other programs are not ours to test.
OTHER_PROGRAMS = {
    "cd",
    "conda",
    "docker",
    "git",
    "lint-imports",
    "mkdocs",
    "mypy",
    "npm",
    "pip",
    "pre-commit",
    "pytest",
    "python",
    "python3",
    "ruff",
    "source",
    "torchrun",
    "twine",
}


@dataclass(frozen=True)
class Block:
    language: str
    code: str
    reason: str | None


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = []
    for match in BLOCK.finditer(text):
        indent = len(match["indent"])
        code = "".join(line[indent:] + "\n" for line in match["code"].splitlines())
        found.append(Block(match["language"], code, match["reason"]))
    return found


@pytest.fixture(scope="session")
def material(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("material")
    write_material(root)
    return root


@pytest.fixture
def folder(material, tmp_path, monkeypatch, tmp_path_factory) -> Path:
    shutil.copytree(material, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DARKSOUND_DATA", str(tmp_path / "sets"))
    base = tmp_path_factory.getbasetemp()
    # All worker processes share it.
    cache = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "doc-cache"
    monkeypatch.setenv("DARKSOUND_CACHE", str(cache))
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: cache)
    return tmp_path


def commands_of(code: str) -> list[list[str]]:
    """Split a block into commands, each a list of words, without comments."""
    joined = code.replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if line.strip()]
    words = [shlex.split(line, comments=True) for line in lines]
    commands: list[list[str]] = []
    for line in words:
        commands.append([])
        for word in line:
            if word == "&&":
                commands.append([])
            else:
                commands[-1].append(word)
    return [command for command in commands if command]


def run_command(words: list[str], folder: Path) -> None:
    while "=" in words[0]:
        words = words[1:]
    if words[0] in OTHER_PROGRAMS:
        return
    assert words[0] == "darksound", f"unknown program: {shlex.join(words)}"
    if "review.csv" in words and not (folder / "review.csv").exists():
        run = finished_run(folder)
        assert run is not None, "no run to review"
        write_review(run, folder / "review.csv")
    target = None
    if ">" in words:
        words, target = words[: words.index(">")], words[words.index(">") + 1]
    result = CliRunner().invoke(app, words[1:])
    # 3: done, but some input files were left out.
    assert result.exit_code in (0, 3), f"{shlex.join(words)}\n{result.output}\n{result.stderr}"
    if target is not None:
        (folder / target).write_text(result.stdout)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_of_a_page_run_in_order(page, folder):
    names: dict[str, object] = {}
    for block in blocks_of(page):
        if block.reason is not None:
            continue
        if block.language == "python":
            exec(compile(block.code, f"{page.name}", "exec"), names)
            continue
        for command in commands_of(block.code):
            run_command(command, folder)


def test_few_blocks_are_not_run_and_each_says_why():
    left_out = [block for page in PAGES for block in blocks_of(page) if block.reason is not None]
    assert all(len(block.reason or "") > 10 for block in left_out)
    assert len(left_out) <= 16


def test_extras_in_the_docs_exist():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    known = set(extras["optional-dependencies"])
    for page in PAGES:
        for names in re.findall(r"(?:\.|darksound)\[([a-z,-]+)\]'", page.read_text()):
            assert set(names.split(",")) <= known
