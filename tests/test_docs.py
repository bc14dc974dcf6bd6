"""The documents are true of the code."""

import re
from pathlib import Path

import pytest

from darksound.cli.app import app
from darksound.settings import PRESETS
from darksound.settings.reference import main, settings_reference
from darksound.settings.sources import load_settings

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_settings_reference_is_the_one_that_the_models_write():
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == settings_reference()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_presets_in_the_text_exist(page):
    text = page.read_text(encoding="utf-8")
    shell = "".join(re.findall(r"```bash\n(.*?)```", text, re.S))
    commands = set(re.findall(r"\bdarksound ([a-z]+(?:-[a-z]+)*)", shell))
    groups = {
        group.typer_instance and group.typer_instance.info.name for group in app.registered_groups
    }
    assert commands <= groups | {command.name for command in app.registered_commands}
    assert set(re.findall(r"--preset ([\w-]+)", text)) <= set(PRESETS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_given_in_the_text_are_taken(page):
    assignments = re.findall(
        r"--set ([a-z_]+\.[a-z_]+=[^\s\"'`]+)", page.read_text(encoding="utf-8")
    )
    named = [text.rstrip("`.,)") for text in assignments]
    load_settings(assignments=[text for text in named if text != "section.key=value"])


def test_check_of_the_settings_reference_compares_a_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "docs" / "settings.md"
    assert main(["--check"]) == 1  # there is no file
    path.parent.mkdir()
    path.write_text(settings_reference(), encoding="utf-8")
    assert main(["--check"]) == 0
    assert main(["--check", str(path)]) == 0
    path.write_text(settings_reference().replace("seed", "Seed"), encoding="utf-8")
    assert main(["--check"]) == 1
    assert "write it again with: python -m darksound.settings.reference" in capsys.readouterr().err
    assert main(["--chek"]) == 2
