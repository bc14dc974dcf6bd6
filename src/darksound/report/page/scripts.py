"""The files of the page: its script, made from modules, and its texts in several languages."""

import json
import re
from functools import cache
from importlib.resources import files

__all__ = ["page_script", "page_texts", "read_asset"]

_ASSETS = files("darksound.report.page") / "assets"
_FIRST = "main.js"
_IMPORT = re.compile(r'^import (?:\{[^}]*\} from )?"\./([\w.]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async function|class|const|function|let)\b)", re.MULTILINE)
_DECLARED = re.compile(
    r"^(?:async function|class|const|function|let) (\w+|\{[^}]*\})", re.MULTILINE
)


def read_asset(name: str) -> str:
    """Return the text of a file of the page."""
    return (_ASSETS / name).read_text(encoding="utf-8")


@cache
def page_script() -> str:
    """Return the modules of the page as one script, each after those that it imports.

    Browsers load no modules from a file beside the page. So import lines are left out, as is the
    word `export`, and all modules share one scope. They export by name where they declare, import
    without renaming, and use no name for two things.

    Raises:
        ValueError: two modules declare the same name.
    """
    modules: dict[str, str] = {}
    _add_module(_FIRST, modules, set())
    declared: dict[str, str] = {}
    for module, text in modules.items():
        for match in _DECLARED.finditer(text):
            for name in re.findall(r"\w+", match[1]):
                if name in declared:
                    raise ValueError(f"{module} and {declared[name]} both declare {name}")
                declared[name] = module
    body = "\n".join(modules.values())
    return f'"use strict";\n(() => {{\n{body}\n}})();\n'


def _add_module(name: str, modules: dict[str, str], begun: set[str]) -> None:
    begun.add(name)
    text = read_asset(name)
    for imported in _IMPORT.findall(text):
        if imported not in begun:
            _add_module(imported, modules, begun)
    modules[name] = _EXPORT.sub("", _IMPORT.sub("", text))


@cache
def page_texts() -> dict[str, dict[str, str]]:
    """Return the texts of the page by key and language."""
    texts: dict[str, dict[str, str]] = json.loads(read_asset("texts.json"))
    return texts
