"""What a generation of the wafer can hold, and whether a program fits one.

The numbers are those of `backends/wse/machine.py`, which this layer cannot see: a test compares them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

from xdsl.dialects.builtin import SymbolRefAttr
from xdsl.ir import Operation
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.wse.base import name_of, number
from pyflame_rt.dialects.wse.dsds import DsrOp, FabinDsdOp, LoadToDsrOp
from pyflame_rt.dialects.wse.placement import layout
from pyflame_rt.dialects.wse.program import ProgramOp, RouteOp
from pyflame_rt.dialects.wse.queues import InputQueueOp, OutputQueueOp
from pyflame_rt.dialects.wse.tile import TileOp
from pyflame_rt.dialects.wse.vector import VectorOp

_SHOWN: Final = 8


@dataclass(frozen=True)
class Limits:
    """What a machine can hold."""

    name: str
    # Largest rectangle of PEs.
    max_width: int
    max_height: int
    # Memory of a PE in bytes.
    sram_bytes: int
    # The queues that exist.
    input_queues: tuple[int, ...]
    output_queues: tuple[int, ...]
    # Whether a switch position may have several receive directions.
    several_receive: bool
    # Whether a vector op may take two operands off the fabric.
    two_fabric_inputs: bool


_WSE3: Final = (755, 1170, 49_152, tuple(range(8)), tuple(range(8)), False, False)

LIMITS: Final[Mapping[str, Limits]] = {
    "wse2": Limits("wse2", 750, 994, 49_152, tuple(range(8)), tuple(range(6)), True, True),
    "wse3": Limits("wse3", *_WSE3),
    "wse3-si": Limits("wse3-si", *_WSE3),
}
"""By machine."""


def check(program: ProgramOp, limits: Limits) -> None:
    """Raise VerifyException unless a valid program fits a machine."""
    height, width = program.shape
    if width > limits.max_width or height > limits.max_height:
        most = f"{limits.max_width} x {limits.max_height}"
        _fail(program, limits, f"{width} x {height} PEs, of at most {most}")
    for op in program.body.block.ops:
        if isinstance(op, RouteOp):
            _check_route(op, limits)
        elif isinstance(op, TileOp):
            _check_tile(op, limits)


def _check_route(route: RouteOp, limits: Limits) -> None:
    for position in route.positions.data:
        if len(position.rx) > 1 and not limits.several_receive:
            _fail(
                route,
                limits,
                f"{route.color} is received from {' and '.join(position.rx)} in one switch position,"
                " which may have one direction",
            )


def _check_tile(tile: TileOp, limits: Limits) -> None:
    where = f"tile @{name_of(tile.sym_name)}"
    places, end = layout(tile)
    if end > limits.sram_bytes:
        sizes = sorted(places.items(), key=lambda item: -item[1].bytes)
        table = ", ".join(f"@{name} {place.bytes}" for name, place in sizes[:_SHOWN])
        more = ", …" if len(sizes) > _SHOWN else ""
        _fail(
            tile, limits,
            f"{where} needs {end} bytes of the PE's {limits.sram_bytes}: {table}{more}",
        )  # fmt: skip
    names = tile.symbols()
    for op in names.values():
        if isinstance(op, InputQueueOp | OutputQueueOp):
            way = "input" if isinstance(op, InputQueueOp) else "output"
            there = limits.input_queues if way == "input" else limits.output_queues
            if number(op.number) not in there:
                _fail(op, limits, f"{where}: there is no {way} queue {number(op.number)}")
    if not limits.two_fabric_inputs:
        _check_inputs(tile, names, where, limits)


def _check_inputs(tile: TileOp, names: Mapping[str, Operation], where: str, limits: Limits) -> None:
    loaded: dict[str, list[SymbolRefAttr]] = {}
    for op in tile.walk():
        if isinstance(op, LoadToDsrOp):
            loaded.setdefault(name_of(op.dsr), []).append(op.dsd)
    for op in tile.walk():
        if isinstance(op, VectorOp):
            from_fabric = [
                name
                for name in (op.src0, op.src1)
                if name is not None and any(_inputs(name, names, loaded))
            ]
            if len(from_fabric) > 1:
                both = " and ".join(map(str, from_fabric))
                _fail(op, limits, f"{where}: {both} both come off the fabric, which one source may")


def _inputs(
    name: SymbolRefAttr, names: Mapping[str, Operation],
    loaded: Mapping[str, list[SymbolRefAttr]],
) -> Iterator[bool]:  # fmt: skip
    """Whether each DSD that a name may stand for is a fabric input."""
    op = names.get(name_of(name))
    if isinstance(op, DsrOp):
        for dsd in loaded.get(name_of(name), ()):
            yield isinstance(names.get(name_of(dsd)), FabinDsdOp)
    else:
        yield isinstance(op, FabinDsdOp)


def _fail(op: Operation, limits: Limits, why: str) -> NoReturn:
    raise VerifyException(f"{op.name}: {limits.name}: {why}")
