"""Nothing that is read can run code: how files are opened, in the whole package."""

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "darksound"
FILES = sorted(SOURCE.rglob("*.py"))
# Modules whose readers run code that is in a file.
FORBIDDEN_MODULES = {"dill", "cloudpickle", "marshal", "shelve"}
FORBIDDEN_CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "joblib.load",
    "pickle.load",
    "pickle.loads",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "os.system",
    "os.popen",
}
# The only module that names pickle's exception; it reads with weights_only.
CATCHES_PICKLE_ERRORS = {"meta/weights.py", "meta/backbones/torchvision_nets.py"}


def calls(tree: ast.AST) -> list[tuple[str, ast.Call]]:
    """Return the dotted name of each call of a module, and the call."""
    return [(ast.unparse(n.func), n) for n in ast.walk(tree) if isinstance(n, ast.Call)]


def imported(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def has_keyword(call: ast.Call, name: str, value: object) -> bool:
    return any(
        keyword.arg == name
        and isinstance(keyword.value, ast.Constant)
        and keyword.value.value is value
        for keyword in call.keywords
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_no_module_reads_a_format_that_can_hold_code(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    name = path.relative_to(SOURCE).as_posix()
    assert not imported(tree) & FORBIDDEN_MODULES
    if "pickle" in imported(tree):
        assert name in CATCHES_PICKLE_ERRORS
    for function, call in calls(tree):
        assert function not in FORBIDDEN_CALLS, (name, function)
        assert function.rsplit(".", 1)[-1] not in {"read_pickle", "Unpickler"} or name in {
            "meta/weights.py",
            "meta/checkpoints.py",
            "jobs/pretrain.py",
        }, (name, function)
        assert not has_keyword(call, "allow_pickle", True), (name, function)
        if function == "torch.load" or function.endswith("get_state_dict"):
            assert has_keyword(call, "weights_only", True), (name, function)
        assert not has_keyword(call, "shell", True), (name, function)


def test_no_file_is_opened_with_trust_by_an_option():
    text = "\n".join(path.read_text(encoding="utf-8") for path in FILES)
    assert not re.search(r"--trust|trust_remote|weights_only=False|allow_pickle=True", text)


def test_a_call_that_would_run_code_is_found():
    tree = ast.parse("import dill\nnp.load(p, allow_pickle=True)\ntorch.load(p)\neval('1')")
    assert imported(tree) & FORBIDDEN_MODULES == {"dill"}
    names = [name for name, _ in calls(tree)]
    assert names == ["np.load", "torch.load", "eval"]
    by_name = dict(calls(tree))
    assert has_keyword(by_name["np.load"], "allow_pickle", True)
    assert not has_keyword(by_name["torch.load"], "weights_only", True)
