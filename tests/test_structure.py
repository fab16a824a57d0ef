"""The house rules that a machine can check: layers, names, sizes, documentation, coverage."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from xdsl.ir import Block, Operation
from xdsl.irdl import IRDLOperation
from xdsl.parser import Parser
from xdsl.passes import ModulePass

from pyflame_rt import kernels
from pyflame_rt.dialects.pfrt import FAMILIES, operations
from pyflame_rt.universe import PFRT_UNIVERSE, make_context

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("backends", "dialects", "passes", "tools")
LEAVES = (
    "dtypes",
    "errors",
    "files",
    "kernels",
    "limits",
    "mapped_files",
    "packed_nm",
    "registrations",
    "safetensors",
    "tensor",
    "weights",
)
PARTS = ("backends", "frontends", "passes")
"""The three parts of layer 2, which never import each other."""

WITHOUT_KERNEL = {"fused", "if", "loop", "scan", "sequence_map", "yield"}
"""pfrt ops that no kernel computes: control flow is the executor's."""

COMPARED_WITH = {"onnxruntime": ("tools",)}
"""What only users of a comparison import, and the folders where they may."""

OPS: dict[str, type[IRDLOperation]] = {
    op.name: op
    for factory in PFRT_UNIVERSE.all_dialects.values()
    for op in factory().operations
    if issubclass(op, IRDLOperation)
}
PASSES: dict[str, type[ModulePass]] = {
    name: factory() for name, factory in PFRT_UNIVERSE.all_passes.items()
}


def package_files() -> list[Path]:
    """The package's source files by their place in the import tree: pyflame_rt/dialects/…"""
    files = [*(ROOT / "pyflame_rt").rglob("*.py")]
    files += [p for folder in FOLDERS for p in (ROOT / "pyflame_rt" / folder).rglob("*.py")]
    return sorted({p.relative_to(ROOT) for p in files})


def project_files(*suffixes: str) -> list[Path]:
    """Every file of the project with one of these suffixes, once."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode != 0:
        pytest.skip("needs a git checkout, to know which files are the project's")
    paths = [Path(line) for line in listed.stdout.splitlines()]
    return [p for p in paths if p.suffix in suffixes and (ROOT / p).is_file()]


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Full names of everything a file imports, inside functions too."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    package = path.with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def layer(name: str) -> tuple[int, str]:
    """Layer and part of a module, named from the root: (2, "passes")."""
    top = name.split(".")[1] if "." in name else ""
    if top in LEAVES:
        return 0, "leaves"
    if top == "dialects":
        return 1, top
    if top in PARTS:
        return 2, top
    return (4, top) if top == "tools" else (3, "compiler")


def lit_text() -> str:
    """All lit tests together."""
    return _read_all(ROOT / "lit_tests")


@cache
def _read_all(folder: Path) -> str:
    files = (p for p in sorted(folder.rglob("*")) if p.suffix in {".mlir", ".onnxtxt", ".test"})
    return "\n".join(p.read_text(encoding="utf-8") for p in files)


@cache
def docs_generator() -> ModuleType:
    """scripts/generate_docs.py as a module."""
    spec = importlib.util.spec_from_file_location(
        "generate_docs", ROOT / "scripts" / "generate_docs.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_top_level_folders_are_linked_into_the_package():
    """Type checkers, editors and the editable install follow committed symlinks."""
    for folder in FOLDERS:
        link = ROOT / "pyflame_rt" / folder
        assert link.is_symlink(), f"pyflame_rt/{folder} is not a symlink"
        assert link.readlink() == Path("..") / folder


def test_every_folder_with_code_is_a_package():
    """setuptools leaves a folder without __init__.py out of the wheel."""
    folders = {path.parent for path in package_files()}
    assert not [str(f) for f in sorted(folders) if not (ROOT / f / "__init__.py").is_file()]


def test_files_stay_small():
    """A file over 600 lines wants to be two."""
    lengths = {p: (ROOT / p).read_bytes().count(b"\n") for p in project_files(".py")}
    assert not {str(p): n for p, n in lengths.items() if n > 600}


def test_imports_go_down_only():
    """L4 tools → L3 compiler → L2 passes, backends, frontends → L1 dialects → L0 leaves."""
    offences = []
    for path in package_files():
        level, part = layer(".".join(path.with_suffix("").parts))
        for name in imports(path):
            if name.split(".")[0] != "pyflame_rt":
                continue
            other_level, other_part = layer(name)
            if other_level > level or (other_level == level and other_part != part):
                offences.append(f"{path} (L{level}) imports {name} (L{other_level})")
    assert not offences


def test_leaves_do_not_know_the_ir():
    """Kernels and weights must serve without xdsl: errors and dtypes are imported by everything."""
    offences = [
        f"{path} imports {name}"
        for path in package_files()
        if layer(".".join(path.with_suffix("").parts))[0] == 0
        for name in imports(path)
        if name.split(".")[0] in {"click", "onnx", "xdsl"}
    ]
    assert not offences


def test_the_package_needs_no_other_runtime():
    """Nothing imports a framework it stands in for, nor unpickles; never `tests` (xdsl has one)."""
    offences = []
    for path in package_files():
        for name in imports(path):
            top = name.split(".")[0]
            allowed = path.parts[1] in COMPARED_WITH.get(top, ())
            banned = {"onnxruntime", "pickle", "tests", "torch", *FOLDERS}
            if top in banned and not allowed:
                offences.append(f"{path} imports {name}")
    assert not offences


def test_tests_never_import_tests():
    """The xdsl wheel installs a top-level package of that name."""
    offences = [
        f"{path} imports {name}"
        for path in project_files(".py")
        if not path.is_relative_to("pyflame_rt")
        for name in imports(path)
        if name.split(".")[0] == "tests"
    ]
    assert not offences


def test_no_file_names_a_place_on_somebodys_disk():
    """Absolute paths of a developer's machine mean nothing on the next one."""
    homes = "|".join(("tmp", "root", "work", "home", "Users"))
    pattern = re.compile(rf"(?<![\w.:/~}}])/({homes})/\w")
    suffixes = (".py", ".md", ".mlir", ".toml", ".json", ".cfg", ".onnxtxt", ".svg", "")
    offences = [
        f"{path}: {match.group()}"
        for path in project_files(*suffixes)
        for match in pattern.finditer((ROOT / path).read_text(encoding="utf-8", errors="replace"))
    ]
    assert not offences


def test_every_pass_file_is_registered():
    """A pass that the universe does not name cannot be run."""
    registered = {inspect.getsourcefile(p) for p in PASSES.values()}
    stems = {Path(file).stem for file in registered if file is not None}
    files = (ROOT / "passes").rglob("*.py")
    declaring = {
        p.stem for p in files if re.search(r"^class \w+\(.*ModulePass", p.read_text(), re.M)
    }
    assert declaring == stems


@pytest.mark.parametrize("name", PASSES)
def test_pass_is_named_like_its_file(name: str):
    """`-p pfrt-fold-constants` is passes/<folder>/pfrt_fold_constants.py."""
    pass_type = PASSES[name]
    assert pass_type.name == name
    module = pass_type.__module__.split(".")
    assert module[:2] == ["pyflame_rt", "passes"]
    assert len(module) == 4
    assert module[-1] == name.replace("-", "_")


@pytest.mark.parametrize("name", PASSES)
def test_pass_is_documented_and_tested(name: str):
    """A sentence, IR before and after, every option explained, a lit test."""
    pass_type = PASSES[name]
    documentation = inspect.cleandoc(pass_type.__doc__ or "")
    assert re.search(r"^Before\b.*:", documentation, re.M)
    assert re.search(r"^After\b.*:", documentation, re.M)
    unexplained = [row[0] for row in docs_generator().option_rows(pass_type) if not row[3]]
    assert not unexplained
    assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", lit_text()), "not in any lit test"


@pytest.mark.parametrize("name", OPS)
def test_op_is_documented_and_tested(name: str):
    """A sentence and an example, and a lit test that mentions the op."""
    documentation = inspect.cleandoc(OPS[name].__doc__ or "")
    assert documentation
    assert not documentation.startswith(OPS[name].__name__ + "("), "the dataclass's signature"
    assert name in "".join(examples(documentation)), "no ```mlir example of the op"
    assert re.search(rf"(?<![\w.]){re.escape(name)}\b", lit_text()), "not in any lit test"


@pytest.mark.parametrize("name", [name for name in OPS if name.startswith("pfrt.")])
def test_constraints_are_those_documented(name: str):
    """Every "C1" that an op's verifier cites is explained in its docstring and seen in a lit test."""
    op = OPS[name]
    cited = {
        number
        for owner in op.__mro__
        if owner.__module__.startswith("pyflame_rt.")
        for number in re.findall(r'"(C\d+)"', methods_source(owner))
    }
    explained = set(re.findall(r"\b(C\d+):", inspect.cleandoc(op.__doc__ or "")))
    assert explained == cited
    seen = set(re.findall(rf"{re.escape(name)}: (C\d+)\b", lit_text()))
    assert explained == seen


def methods_source(owner: type) -> str:
    """Source of a class without its docstring."""
    source = inspect.getsource(owner)
    return source.replace(owner.__doc__ or "\0", "") if "__doc__" in vars(owner) else source


@pytest.mark.parametrize("name", [name for name in OPS if name.startswith("pfrt.")])
def test_example_parses_and_verifies(name: str):
    """The example in an op's docstring is IR that parser and verifier take."""
    for example in examples(inspect.cleandoc(OPS[name].__doc__ or "")):
        if "…" in example:
            continue
        ops = example_ops(example)
        assert name in [op.name for op in ops]
        for op in ops:
            op.verify()


def example_ops(example: str) -> list[Operation]:
    """The ops of an example; values that it leaves undefined become block arguments."""
    parser = Parser(make_context(), example)
    ops = list(iter(parser.parse_optional_operation, None))
    block = Block()
    for values in parser.forward_ssa_references.values():
        for value in values.values():
            value.replace_all_uses_with(block.insert_arg(value.type, len(block.args)))
    return ops


def examples(documentation: str) -> list[str]:
    """The ```mlir blocks of a docstring."""
    return re.findall(r"```mlir\n(.*?)```", documentation, re.S)


def test_every_op_has_its_kernel_and_every_kernel_its_op():
    """kernels.table() gives meaning to each pfrt op but those with none of their own."""
    ops = {name.removeprefix("pfrt.") for name in operations()}
    assert set(kernels.table()) == ops - WITHOUT_KERNEL


def test_families_have_the_same_names_everywhere():
    """An op family is one file of the dialect and one of the kernels."""
    assert set(kernels.FAMILIES) == set(FAMILIES) - {"control", "fused", "scan"}
