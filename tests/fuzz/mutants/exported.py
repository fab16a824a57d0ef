"""Exported programs changed as JSON: the graph, its signature, and what says where weights lie."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

from xdsl.dialects.builtin import ModuleOp

from mutants import archives, corpus
from mutants.base import Format, changed_bytes, changed_leaf, changed_tree, how_many
from pyflame_rt import pipelines
from pyflame_rt.frontends.torch.exported import import_exported
from pyflame_rt.universe import make_context

OWN = corpus.ROOT / "tests" / "frontends" / "torch" / "programs"


def read(data: bytes) -> ModuleOp:
    """The verified module of an archive."""
    module = import_exported(data, name="m.pt2")
    pipelines.run(make_context(), module, (), verify=True)
    return module


def seeds() -> Iterator[bytes]:
    """The programs that the project's tests have, the small ones several times."""
    for path in sorted(OWN.glob("*.pt2"), key=lambda path: path.stat().st_size):
        copies = 1 if path.stat().st_size > 50_000 else 4
        yield from [path.read_bytes()] * copies


def changed(data: bytes, draw: random.Random) -> bytes:
    """An archive with one of its documents changed."""
    files = archives.members(data)
    documents = [name for name in files if name.endswith(".json")]
    programs = [name for name in documents if name.startswith("models/")]
    if not programs or draw.random() < 0.05:
        return archives.changed(data, draw)
    name = draw.choice(programs if draw.random() < 0.8 else documents)
    if draw.random() < 0.05:
        files[name] = changed_bytes(files[name], draw)
        return archives.packed(files)
    tree = json.loads(files[name])
    for _ in range(how_many(draw)):
        part = _part(tree, draw)
        if draw.random() < 0.15:
            _change_expression(part, draw)
        else:
            changed_tree(part, draw)
    files[name] = json.dumps(tree).encode()
    return archives.packed(files)


def _part(tree: object, draw: random.Random) -> object:
    """The document, or a small part of it: most of a program is said of places and of versions."""
    part = tree
    for key in (
        "graph_module",
        "graph",
        draw.choice(("nodes", "nodes", "tensor_values", "outputs", "inputs")),
    ):
        if draw.random() < 0.1 or not isinstance(part, dict) or not part.get(key):
            return part
        part = part[key]
    if isinstance(part, list) and draw.random() < 0.9:
        return draw.choice(part) or tree
    return part


def _change_expression(part: object, draw: random.Random) -> None:
    """Change an expression of sizes, or put one where a number is."""
    for node in _dicts(part):
        if "expr_str" in node:
            node["expr_str"] = changed_leaf(node["expr_str"], draw)
            return
        if "as_int" in node and draw.random() < 0.3:
            del node["as_int"]
            node["as_expr"] = {"expr_str": draw.choice(EXPRESSIONS), "hint": None}
            return


EXPRESSIONS = (
    "Symbol('s77', positive=True, integer=True)", "Mul(Integer(2), Symbol('s77', integer=True))",
    "Pow(Symbol('s77'), Integer(99999999))", "Pow(Integer(9), Pow(Integer(9), Integer(99)))",
    "Add(" * 90 + ")" * 90, "Mod(Symbol('s77'), Integer(0))", "floor(Rational(1, 0))", "Max()",
    "__import__('os')", "Integer(-1)", "Symbol('')", "Symbol('s77", "Integer(" + "9" * 5000 + ")",
)  # fmt: skip


def _dicts(tree: object) -> Iterator[dict[str, object]]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


PT2 = Format("pt2", seeds, changed, read, 70)
