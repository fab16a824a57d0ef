"""The `dot` target: a module's graph as Graphviz text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, ShapedType, StringAttr
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.traits import ConstantLike, IsTerminator
from xdsl.utils.target import Target

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC


@dataclass(frozen=True)
class DotTarget(Target):
    """Print a module for Graphviz: ops are nodes with the names of their values, edges have types.

    Constants are left out unless `constants` is set: they outnumber the rest and say little.
    """

    name = "dot"

    constants: bool = False

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        graph = _Graph(self.constants)
        output.write("digraph {\n  node [shape=box, fontname=sans];\n  edge [fontname=sans];\n")
        for line in graph.module(module):
            output.write(f"{line}\n")
        output.write("}\n")


@dataclass
class _Graph:
    constants: bool
    nodes: dict[SSAValue, str] = field(default_factory=dict[SSAValue, str])
    count: int = 0

    def module(self, module: ModuleOp) -> Iterator[str]:
        for op in module.ops:
            if isinstance(op, func.FuncOp):
                yield from self.cluster(op, f"@{op.sym_name.data}", "  ")
            else:
                yield from self.operation(op, "  ")

    def cluster(self, op: Operation, label: str, indent: str) -> Iterator[str]:
        yield f"{indent}subgraph cluster_{self.next()} {{"
        inner = indent + "  "
        yield f"{inner}label={_quoted(label)};"
        for region in op.regions:
            for block in region.blocks:
                yield from self.arguments(op, block, inner)
                for nested in block.ops:
                    yield from self.operation(nested, inner)
        yield f"{indent}}}"

    def arguments(self, op: Operation, block: Block, indent: str) -> Iterator[str]:
        attrs = op.arg_attrs if isinstance(op, func.FuncOp) else None
        for index, value in enumerate(block.args):
            name = attrs.data[index].data.get("pfrt.name") if attrs else None
            text = name.data if isinstance(name, StringAttr) else f"%{value.name_hint or index}"
            yield self.node([value], text, indent, "shape=ellipse")

    def operation(self, op: Operation, indent: str) -> Iterator[str]:
        if op.has_trait(ConstantLike) and not self.constants:
            return
        names = op.names.data if isinstance(op, PfrtOp) and op.names is not None else ()
        label = "\n".join((op.name, *(name for name in names if name)))
        style = "shape=ellipse" if op.has_trait(IsTerminator) else ""
        yield self.node(op.results, label, indent, style)
        own = f"n{self.count - 1}"
        for operand in op.operands:
            if operand in self.nodes:
                label = _quoted(_type_text(operand.type))
                yield f"{indent}{self.nodes[operand]} -> {own} [label={label}];"
        if op.regions:
            yield from self.cluster(op, op.name, indent)

    def node(self, values: Iterable[SSAValue], label: str, indent: str, style: str) -> str:
        name = f"n{self.next()}"
        self.nodes.update((value, name) for value in values)
        attributes = f"label={_quoted(label)}" + (f", {style}" if style else "")
        return f"{indent}{name} [{attributes}];"

    def next(self) -> int:
        self.count += 1
        return self.count - 1


def _type_text(kind: Attribute) -> str:
    if not isinstance(kind, ShapedType):
        return str(kind)
    dims = ["?" if size == DYNAMIC else str(size) for size in kind.get_shape()]
    return "x".join([*dims, str(getattr(kind, "element_type", ""))])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
