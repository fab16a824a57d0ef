"""Builds the code of one tile: buffers by name, the two lines' queues, ops of the network's element type."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from xdsl.ir import Operation, SSAValue

from pyflame_rt.dialects.wse.builder import ProgramBuilder, TileBuilder
from pyflame_rt.dialects.wse.dsds import DsrOp
from pyflame_rt.dialects.wse.tile import BufferOp, ParamOp
from pyflame_rt.passes.wse.emitting.fabric import Line
from pyflame_rt.passes.wse.emitting.interface import DType
from pyflame_rt.passes.wse.emitting.memory import Buffer

# Queues by line: the deeper output queues for the chains, which are streams of streams.
_MULTICAST = {"row": 0, "column": 1}
_CHAIN = {"row": 2, "column": 3}
_LEADERS = {"row": 4, "column": 5}
# A line has leaders or a tree, not both.
_TREE = dict(_LEADERS)
# What comes from outside of a strip; what leaves it, where there are no leaders.
_PIPE = {"in": 6, "out": 4}
_OPS = {
    "fmac": ("fmacs", "fmach"), "add": ("fadds", "faddh"), "sub": ("fsubs", "fsubh"),
    "mul": ("fmuls", "fmulh"), "max": ("fmaxs", "fmaxh"), "min": ("fmins", "fminh"),
    "neg": ("fnegs", "fnegh"), "fill": ("fmovs", "fmovh"), "mov": ("mov32", "mov16"),
}  # fmt: skip


@dataclass
class Code:
    """The tile that is being built, and what of it has been declared so far."""

    program: ProgramBuilder
    tile: TileBuilder
    dtype: DType
    buffers: Mapping[str, Buffer]
    addresses: Mapping[str, int]
    _declared: dict[str, Operation] = field(default_factory=dict[str, Operation])
    # Colours of queues that differ from PE to PE: names of parameters.
    colors: set[str] = field(default_factory=set[str])

    def op(
        self, name: str, dest: str | Operation, src0: str | Operation | None = None,
        src1: str | Operation | None = None, *, scalar: SSAValue | float | None = None,
    ) -> None:  # fmt: skip
        """A vector op of the network's element type: fmac add sub mul max min neg fill mov."""
        builtin = _OPS[name][self.dtype == "f16"]
        self.tile.vector(builtin, dest, src0, src1, scalar=scalar)

    def buffer(self, name: str) -> BufferOp:
        """A buffer, which the host sees when it is live before the start or at the end."""
        if name not in self._declared:
            plan = self.buffers[name]
            self._declared[name] = self.tile.buffer(
                name, plan.elements, plan.dtype, address=self.addresses[name], export=plan.first < 0
                or plan.last >= END,
            )  # fmt: skip
        found = self._declared[name]
        assert isinstance(found, BufferOp)
        return found

    def mem(
        self, buffer: str, length: int | None = None, *, stride: int = 1, offset: int = 0
    ) -> Operation:
        """A vector of a buffer that never moves: one DSD for the tile."""
        key = f"{buffer} {length} {stride} {offset}"
        if key not in self._declared:
            self._declared[key] = self.mem_moving(buffer, length, stride=stride, offset=offset)
        return self._declared[key]

    def mem_moving(
        self, buffer: str, length: int | None = None, *, stride: int = 1, offset: int = 0
    ) -> Operation:
        """A vector of a buffer with a DSD of its own."""
        size = self.buffers[buffer].elements if length is None else length
        return self.tile.mem1d(
            self.buffer(buffer), size, stride=None if stride == 1 else stride,
            offset=offset or None,
        )  # fmt: skip

    def nest(
        self, buffer: str, sizes: tuple[int, ...], strides: tuple[int, ...], *, offset: int = 0
    ) -> Operation:
        """A nest of dimensions of a buffer, with a DSD of its own; a vector where one will do."""
        kept = [(n, s) for n, s in zip(sizes, strides, strict=True) if n != 1] or [(1, 1)]
        merged = [kept[0]]
        for size, stride in kept[1:]:
            outer_size, outer_stride = merged[-1]
            if outer_stride == size * stride:
                merged[-1] = outer_size * size, stride
            else:
                merged.append((size, stride))
        if len(merged) == 1:
            return self.mem_moving(buffer, merged[0][0], stride=merged[0][1], offset=offset)
        return self.tile.mem4d(
            self.buffer(buffer), [n for n, _ in merged], [s for _, s in merged],
            offset=offset or None,
        )  # fmt: skip

    def nest_of(
        self, buffer: str, sizes: tuple[int, ...], strides: tuple[int, ...], *, offset: int = 0
    ) -> Operation:
        """A nest of dimensions that never moves."""
        key = f"{buffer} {sizes} {strides} {offset}"
        if key not in self._declared:
            self._declared[key] = self.nest(buffer, sizes, strides, offset=offset)
        return self._declared[key]

    def dsr(self, file: str, number: int = 0) -> DsrOp:
        """A DSR by file and number."""
        key = f"dsr {file} {number}"
        if key not in self._declared:
            self._declared[key] = self.tile.dsr(file, number)
        found = self._declared[key]
        assert isinstance(found, DsrOp)
        return found

    def place(self, axis: str) -> SSAValue:
        """The PE's coordinate, x or y, an i32."""
        if axis not in self._declared:
            self._declared[axis] = self.tile.param(axis, "i32")
        found = self._declared[axis]
        assert isinstance(found, ParamOp)
        return self.tile.get(found)

    @property
    def coordinates(self) -> tuple[str, ...]:
        """The coordinates that the code uses."""
        return tuple(axis for axis in ("x", "y") if axis in self._declared)

    @contextmanager
    def map(self, vector: str | Operation) -> Generator[SSAValue]:
        """Code for each element of a vector."""
        with self.tile.map(vector, self.dtype) as element:
            yield element

    # The fabric. Lengths are elements, each a word.

    def listen(
        self, line: Line, *, multicast: bool, chain: bool, leaders: bool, tree: bool
    ) -> None:
        """Declare the input queues of a line: words go up the ramp even where nobody wants them."""
        if multicast:
            self._queue(line, _MULTICAST, into=True)
        if chain:
            self._queue(line, _CHAIN, into=True)
        if leaders:
            self._queue(line, _LEADERS, into=True)
        if tree:
            self._queue(line, _TREE, into=True)

    def receive(self, line: Line, length: int) -> Operation:
        """Words of a line's multicast."""
        return self._end(line, length, _MULTICAST, into=True)

    def send(self, line: Line, length: int, *, kind: str | None = None) -> Operation:
        """Words to a line's multicast; with `kind` "control" control words."""
        return self._end(line, length, _MULTICAST, into=False, control=kind == "control")

    def chain_in(self, line: Line, length: int) -> Operation:
        """Words from the neighbour in a line's chain."""
        return self._end(line, length, _CHAIN, into=True)

    def chain_out(self, line: Line, length: int) -> Operation:
        """Words to the next place of a line's chain."""
        return self._end(line, length, _CHAIN, into=False)

    def leader_in(self, line: Line, length: int) -> Operation:
        """Words from the next leader of a line."""
        return self._end(line, length, _LEADERS, into=True)

    def leader_out(self, line: Line, length: int) -> Operation:
        """Words to the leader before."""
        return self._end(line, length, _LEADERS, into=False)

    def tree_in(self, line: Line, length: int) -> Operation:
        """Words from a place of the tree."""
        return self._end(line, length, _TREE, into=True)

    def tree_out(self, line: Line, length: int, *, advance: bool) -> Operation:
        """Words to a place of the tree; `advance`: the router passes on what comes after them."""
        key, queue = self._queue(line, _TREE, into=False)
        key = f"{key} {length} advance {advance}"
        if key not in self._declared:
            self._declared[key] = self.tile.fabout(
                queue, length, self.dtype, advance_switch=advance
            )
        return self._declared[key]

    def tree_command(self, line: Line, command: str) -> None:
        """A command to the routers on the way."""
        word = self.tile.control_word(command, ignore=True)
        out = self._end(line, 1, _TREE, into=False, control=True)
        self.tile.vector("mov32", out, scalar=word)

    def pipe_in(self, color: str, length: int) -> Operation:
        """Words of a colour that is the same for all PEs, from outside of the tile's strip."""
        return self._pipe(color, length, into=True)

    def pipe_out(self, color: str, length: int, *, control: bool = False) -> Operation:
        """Words of such a colour to PEs outside of the strip."""
        return self._pipe(color, length, into=False, control=control)

    def _pipe(
        self, color: str, length: int, *, into: bool, control: bool = False
    ) -> Operation:  # fmt: skip
        way = "in" if into else "out"
        queue, key = f"queue {color} {way}", f"{color} {way} {length} {control}"
        if queue not in self._declared:
            make = self.tile.input_queue if into else self.tile.output_queue
            self._declared[queue] = make(_PIPE[way], color, name=f"{color}_{way}_queue")
        if key not in self._declared:
            if into:
                found = self.tile.fabin(self._declared[queue], length, self.dtype)
            else:
                kind = "i32" if control else self.dtype
                found = self.tile.fabout(self._declared[queue], length, kind, control=control)
            self._declared[key] = found
        return self._declared[key]

    def _end(
        self, line: Line, length: int, numbers: Mapping[str, int], *, into: bool,
        control: bool = False,
    ) -> Operation:  # fmt: skip
        key, queue = self._queue(line, numbers, into=into)
        key = f"{key} {length} {control}"
        if key not in self._declared:
            if into:
                self._declared[key] = self.tile.fabin(queue, length, self.dtype)
            elif control:
                self._declared[key] = self.tile.fabout(queue, length, "i32", control=True)
            else:
                self._declared[key] = self.tile.fabout(queue, length, self.dtype)
        return self._declared[key]

    def _queue(
        self, line: Line, numbers: Mapping[str, int], *, into: bool
    ) -> tuple[str, Operation]:
        """A queue of a line, and what it is called."""
        way = "in" if into else "out"
        chain = numbers is not _MULTICAST
        stem = f"{line}_leaders" if numbers is _LEADERS else line
        stem = f"{line}_tree" if numbers is _TREE else stem
        name = f"{stem}_{way}" if chain else f"{line}_multicast"
        key = f"queue {name} {way}"
        if key not in self._declared:
            color: str | Operation = name
            if chain:
                self.colors.add(name)
                color = self.tile.param(name)
            make = self.tile.input_queue if into else self.tile.output_queue
            self._declared[key] = make(numbers[line], color, name=f"{name}_{way}_queue")
        return key, self._declared[key]


END = 1 << 20
"""The step after the last one."""
