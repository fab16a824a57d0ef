"""Nothing that reads a model can run code of it: what would be needed is not in the loaders."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "pyflame_rt"

LOADERS = sorted(
    [
        *(PACKAGE / "frontends").rglob("*.py"),
        *(PACKAGE / f"{name}.py" for name in ("weights", "safetensors", "mapped_files", "limits")),
    ]
)
MODULES = frozenset({
    "pickle", "_pickle", "cPickle", "pickletools", "marshal", "shelve", "dill", "cloudpickle",
    "joblib", "runpy", "code", "codeop", "subprocess", "multiprocessing", "zipimport", "tarfile",
    "torch", "onnxruntime",
})  # fmt: skip
"""What runs what it reads, or starts programs; and the libraries that models come from."""

NATIVE = frozenset({"checker", "shape_inference", "version_converter", "inliner"})
"""onnx's C++, which dies of mutated models. Its parser is for text, which people write."""

CALLS = frozenset({"exec", "eval", "compile", "__import__", "input", "breakpoint"})
METHODS = frozenset({"system", "popen", "fork", "execv", "execve", "extract", "extractall"})
REGISTRIES = frozenset({
    "frontends/__init__.py",
    "frontends/onnx/ops/__init__.py",
    "frontends/onnx/export/ops/__init__.py",
    "frontends/torch/aten/rules.py",
})  # fmt: skip
"""Import our own modules, by names of their own tables."""


def imported(tree: ast.AST) -> Iterator[tuple[str, ...]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((*node.module.split("."), alias.name) for alias in node.names)


@pytest.mark.parametrize("path", LOADERS, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_loaders_cannot_execute(path: Path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for parts in imported(tree):
        assert parts[0] not in MODULES
        assert not (parts[0] == "onnx" and NATIVE & set(parts[1:]))
        assert parts[0] != "importlib" or path.relative_to(PACKAGE).as_posix() in REGISTRIES
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            assert not (isinstance(function, ast.Name) and function.id in CALLS)
            assert not (isinstance(function, ast.Attribute) and function.attr in METHODS)
            assert not any(keyword.arg == "allow_pickle" for keyword in node.keywords)


def test_the_loaders_are_found():
    """The list is of files that exist, the ones that read torch's files among them."""
    names = {path.relative_to(PACKAGE).as_posix() for path in LOADERS}
    assert {"frontends/torch/pickle_machine.py", "frontends/onnx/loading.py"} <= names
    assert all(path.is_file() for path in LOADERS)
