"""The rules of the house, held against every module."""

import ast
import graphlib
import subprocess
import sys
import typing
from pathlib import Path

import pytest
from pydantic import BaseModel

import darksound
from darksound.settings import Settings

PACKAGE = Path(darksound.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
# A room may import itself and what stands before it.
ROOMS = (
    ("errors", "progress"),
    ("atomic", "locking"),
    ("settings",),
    ("audio",),
    ("data",),
    ("meta",),
    ("cluster",),
    ("report",),
    ("runs",),
    ("cli",),
)
RANK = {name: rank for rank, names in enumerate(ROOMS) for name in names}
HEAVY = ("torch", "torchvision", "umap", "librosa", "sklearn", "hdbscan", "matplotlib", "numba")


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def _imported(path: Path) -> set[str]:
    return _names(ast.parse(path.read_text(encoding="utf-8")))


def _names(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "darksound"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    room = _room(path)
    if room in ("__init__", "__main__"):
        return
    for name in _imported(path):
        parts = name.split(".")
        other = parts[1] if len(parts) > 1 else "__init__"
        if other in RANK:
            assert RANK[other] <= RANK[room], f"{room} imports {name}"
        else:
            # `import darksound` for its version, where a command was called.
            assert room == "cli", f"{room} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_module_is_long_and_each_says_what_it_is(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    assert ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize(
    "program",
    [
        "import darksound",
        "import darksound; darksound.Settings(); darksound.load_settings('thesis-2023')",
        "import darksound.data, darksound.meta, darksound.cluster, darksound.report",
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
    check = f"{program}\nimport sys\nloaded = [n for n in {HEAVY!r} if n in sys.modules]\n"
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


def test_every_setting_says_what_it_does():
    fields = list(_sections(Settings))
    assert len(fields) > 80
    silent = [path for path, field in fields if not (field.description or "").endswith(".")]
    assert not silent


def test_no_two_modules_of_a_room_import_each_other():
    graph = {}
    for path in MODULES:
        relative = path.relative_to(PACKAGE).with_suffix("")
        name = ".".join(("darksound", *relative.parts)).removesuffix(".__init__")
        graph[name] = _imported_at_once(path)
    for name, imported in graph.items():
        # A name is imported from a module, or is one.
        homes = {n if n in graph else n.rpartition(".")[0] for n in imported}
        graph[name] = (homes & set(graph)) - {name}
    graphlib.TopologicalSorter(graph).prepare()


def _imported_at_once(path: Path) -> set[str]:
    """What a module imports as it is itself imported, not in a function or for a type checker."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    return _names(tree)


def test_every_public_name_is_there_and_the_same_for_a_type_checker():
    for name in darksound.__all__:
        assert getattr(darksound, name) is not None
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    checked = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("darksound")
        for alias in node.names
    }
    homes = {name: f"darksound.{home}" for name, home in darksound._HOMES.items()}
    assert checked == homes
    assert set(darksound.__all__) == {*homes, "__version__"}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = darksound.nothing
    assert "mec" in dir(darksound)
    assert typing.cast("str", darksound.__version__).count(".") == 2
