"""Rules for all modules: length, docstrings, light imports, descriptions of settings."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

import darksound
from darksound.settings import Settings

PACKAGE = Path(darksound.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
HEAVY = (
    "torch",
    "torchvision",
    "umap",
    "librosa",
    "sklearn",
    "hdbscan",
    "matplotlib",
    "numba",
    "distributed",
)
#: What `import darksound` alone must not import either.
TABLES = ("pandas", "pyarrow", "numpy", "pydantic", "scipy")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_module_is_long_and_each_has_a_docstring(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    assert ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize(
    "program",
    [
        "import darksound",
        "import darksound; darksound.Settings(); darksound.load_settings('thesis-2023')",
        "import darksound.sources, darksound.meta, darksound.cluster, darksound.report",
        "import sys; sys.argv = ['darksound', '--help']\n"
        "from darksound.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code",
        "import sys; sys.argv = ['darksound', 'mec', '--help']\n"
        "from darksound.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code",
        "import sys; sys.argv = ['darksound', 'settings']\n"
        "from darksound.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code",
        "import darksound; darksound.load_rois('demo:test')",
    ],
    ids=["import", "settings", "rooms", "help", "mec help", "settings command", "demo table"],
)
def test_light_things_import_nothing_heavy(program, tmp_path):
    forbidden = (*HEAVY, *TABLES) if program == "import darksound" else HEAVY
    check = f"{program}\nimport sys\nloaded = [n for n in {forbidden!r} if n in sys.modules]\n"
    ended = subprocess.run(
        [sys.executable, "-c", f"{check}assert not loaded, loaded"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr


def _sections(model: type[BaseModel]):
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from ((f"{name}.{path}", f) for path, f in _sections(inner))
        else:
            yield name, field


def test_every_setting_has_a_description():
    fields = list(_sections(Settings))
    assert len(fields) > 80
    undescribed = [path for path, field in fields if not (field.description or "").endswith(".")]
    assert not undescribed


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="attribute nothing"):
        getattr(darksound, "nothing")  # noqa: B009 - a type checker refuses the attribute
    assert "mec" in dir(darksound)
    assert darksound.__version__.count(".") == 2
