"""Random graphs: valid modules of the pfrt dialect, with inputs to run them on.

`graphs()` is a hypothesis strategy of `Graph`. A graph mixes single ops, drawn by the tables
`MAKERS` of this package's modules, with the motifs that fusions look for and near-misses of them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, FunctionType, ModuleOp, StringAttr
from xdsl.ir import Region

from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of
from random_graphs import control, elementwise, layers, motifs, movement, shape_arithmetic
from random_graphs.builder import Array, Builder, Rejected, Value
from random_graphs.choices import CHUNK, Choices

MODULES = (elementwise, movement, layers, shape_arithmetic, control, motifs)
_SIZES = ((2, 1, 5), (3, 7), (1, 4), (4, 0), (2, 3))
_WEIGHTS = (12, 10, 10, 4, 2, 14)
_CHOICES: tuple[tuple[Callable[[Builder], object], ...], ...] = tuple(
    tuple(maker for maker, often in module.MAKERS.items() for _ in range(often))
    for module in MODULES
)
_FAMILIES = tuple(family for family, often in enumerate(_WEIGHTS) for _ in range(often))


@dataclass(frozen=True)
class Graph:
    """A module, and inputs in argument order for each size that its batch takes."""

    module: ModuleOp
    feeds: tuple[tuple[Array, ...], ...]
    data: bytes

    def __repr__(self) -> str:
        return f'graph_of(bytes.fromhex("{self.data.hex()}"))'

    def op_kinds(self) -> set[str]:
        """The names of its ops."""
        return {op.name for op in self.module.walk() if op.name.startswith("pfrt.")}


def graphs(most: int = 10) -> st.SearchStrategy[Graph]:
    """Graphs of up to `most` drawn pieces, each an op or a motif."""
    size = CHUNK * (2 + most)
    return st.binary(min_size=size, max_size=size).map(graph_of)


def graph_of(data: bytes) -> Graph:
    """The graph that bytes stand for."""
    choices = Choices(data)
    dynamic = choices.number(0, 3) > 0
    sizes = _SIZES[choices.number(0, len(_SIZES) - 1)] if dynamic else (1,)
    b = Builder(choices, sizes, dynamic)
    pieces = choices.number(1, choices.chunks - 2)
    for chunk in range(1, 1 + pieces):
        choices.start(chunk)
        if choices.number(0, 31):
            maker = b.pick(_CHOICES[b.pick(_FAMILIES)])
            with suppress(Rejected):
                maker(b)
    choices.start(choices.chunks - 1)
    if not b.inputs and not b.visible and not b.retired:
        b.value()
    outputs = _outputs(b)
    return Graph(_module(b, outputs), _feeds(b), data)


def _outputs(b: Builder) -> list[Value]:
    """What leaks, what nothing uses, and now and then something else, an input too."""
    unused = [v for v in b.visible if not v.ssa.has_one_use() and not v.ssa.uses]
    unused = [v for v in unused if v not in b.inputs] or b.visible[-1:] or b.retired[-1:]
    chosen = [*unused[-4:], *(v for v in b.leaked if v not in unused)]
    if b.retired and b.chance(3):
        chosen.append(b.pick(b.retired[::-1]))
    if b.visible and b.chance(6):
        chosen.append(b.pick(b.visible[::-1]))
    return chosen[:6]


def _feeds(b: Builder) -> tuple[tuple[Array, ...], ...]:
    return tuple(
        tuple(np.ascontiguousarray(v.arrays[k]).reshape(v.arrays[k].shape) for v in b.inputs)
        for k in range(len(b.sizes))
    )


def _module(b: Builder, outputs: list[Value]) -> ModuleOp:
    b.block.add_op(func.ReturnOp(*(v.ssa for v in outputs)))
    kind = FunctionType.from_lists(
        [argument.type for argument in b.block.args], [v.ssa.type for v in outputs]
    )
    rows = [_attributes(f"x{k}", v, "N") for k, v in enumerate(b.inputs)]
    results = [_attributes(f"y{k}", v, "") for k, v in enumerate(outputs)]
    function = func.FuncOp(
        "main", kind, Region(b.block), arg_attrs=ArrayAttr(rows), res_attrs=ArrayAttr(results)
    )
    return ModuleOp([function])


def _attributes(name: str, value: Value, symbol: str) -> DictionaryAttr:
    entries = {"pfrt.name": StringAttr(name)}
    shape = shape_of(value.ssa)
    if symbol and shape and DYNAMIC in shape:
        dims = [StringAttr(symbol if d == DYNAMIC else "") for d in shape]
        return DictionaryAttr({**entries, "pfrt.dims": ArrayAttr(dims)})
    return DictionaryAttr(entries)
