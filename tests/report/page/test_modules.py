"""The modules of the page: their unit tests in node, and the script that is made of them."""

import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from darksound.report.page.scripts import page_script

ASSETS = Path(str(files("darksound.report.page") / "assets"))
NODE_TESTS = Path(__file__).parent / "node"
MODULES = sorted(path.name for path in ASSETS.glob("*.js"))
IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([\w.]+)";$', re.MULTILINE)

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


@needs_node
def test_the_modules_do_what_their_tests_in_node_expect(tmp_path):
    # `#assets/` in the tests is the folder of the page's files.
    tests = tmp_path / "tests"
    shutil.copytree(NODE_TESTS, tests)
    shutil.copytree(ASSETS, tests / "assets")
    (tests / "package.json").write_text(
        '{"type": "module", "imports": {"#assets/*": "./assets/*"}}', encoding="utf-8"
    )
    names = sorted(str(path) for path in tests.glob("*.test.js"))
    done = subprocess.run(
        ["node", "--test", *names], cwd=tests, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


@needs_node
def test_the_script_of_all_modules_is_valid(tmp_path):
    script = tmp_path / "page.js"
    script.write_text(page_script(), encoding="utf-8")
    subprocess.run(["node", "--check", script], check=True, timeout=60)


def test_every_module_is_in_the_script():
    script = page_script()
    assert "\nimport " not in script
    assert "\nexport " not in script
    for module in MODULES:
        first = (ASSETS / module).read_text(encoding="utf-8").splitlines()[0]
        assert first.startswith("// "), module
        assert first in script, module


@pytest.mark.parametrize("module", MODULES)
def test_modules_import_what_they_use_and_what_exists(module):
    text = (ASSETS / module).read_text(encoding="utf-8")
    body = IMPORT.sub("", text)
    for names, home in IMPORT.findall(text):
        source = (ASSETS / home).read_text(encoding="utf-8")
        for name in filter(None, (part.strip() for part in names.split(","))):
            assert re.search(rf"\b{name}\b", body), f"{name} is not used"
            exported = (
                rf"^export (?:const|let|function|class|async function) (?:\{{[^}}]*)?\b{name}\b"
            )
            assert re.search(exported, source, re.MULTILINE), f"{home} exports no {name}"
