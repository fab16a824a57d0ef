"""Loops, @map, DSRs and DSDs that change: loaded from text they take the hand-assembled program's cycles."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from wse_by_hand import MACHINES, dense, loaded, same

from pyflame_rt.backends.wse.machine import WSE2, WSE3, Machine
from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim.assembly import Assembler, ProgramBuilder


def _one(
    body: Callable[[ProgramBuilder], None], *arrays: tuple[str, int, str, object]
) -> Assembler:
    """A program on one PE."""
    asm = Assembler(1)
    program = asm.program("one")
    for name, count, kind, values in arrays:
        program.array(name, count, kind, values=values)  # pyright: ignore[reportArgumentType]
    program.task("main", active=True)
    body(program)
    program.end()
    asm.place(program, 0, 0)
    return asm


def _tile(body: str, state: str) -> str:
    return f"""wse.program @one width 1 height 1 {{
      wse.place @one at [0, 0]
      wse.tile @one {{
        {state}
        wse.task @main local active {{
          {body}
        }}
      }}
    }}"""


@MACHINES
@pytest.mark.parametrize("loads", ["inside", "before"])
def test_map_and_dsrs(machine: Machine, loads: str) -> None:
    """B14: y += A x by @map over x; operands are DSDs, or DSRs of which one saves its address."""
    rows, columns = 6, 5
    rng = np.random.default_rng(14)
    a, x = rng.standard_normal(rows * columns).astype("f"), rng.standard_normal(columns).astype("f")

    def by_hand(program: ProgramBuilder) -> None:
        y, a, x = (program.symbol(name) for name in "yax")
        column = program.mem1d(a, rows, save_address=True)
        scalars = program.load_dsr(1, program.mem1d(x), 3)
        operands = [program.mem1d(y), program.mem1d(y), program.mem1d(a, rows)]
        if loads == "before":
            sources = (operands[0], operands[1], column)
            operands = [program.load_dsr(file, dsd, 2) for file, dsd in enumerate(sources)]
        program.timestamp(1)
        program.li(5, 0, cost=0)
        end = program.label()
        program.emit(im.MAP_BEGIN, scalars.number, end, cost=im.COST_MAP_BEGIN)
        loop = program.here()
        program.emit(im.MAP_ELEMENT, scalars.number, 0, 2, 0, 5, cost=0)
        program.vector("fmacs", *operands, scalar=2)
        program.emit(im.MAP_NEXT, scalars.number, loop, cost=im.COST_MAP_NEXT)
        program.bind(end)
        program.timestamp(1)

    asm = _one(
        by_hand, ("y", rows, "f32", 0.0), ("a", rows * columns, "f32", a), ("x", columns, "f32", x)
    )
    load = "\n".join(
        f"wse.load_to_dsr @{dsr}, @{dsd}" for dsr, dsd in (("d", "v"), ("s", "v"), ("t", "c"))
    )
    names = "@v, @v, @c" if loads == "inside" else "@d, @s, @t"
    text = _tile(
        f"""
          wse.load_to_dsr @xs, @x1
          {load + " save_address" if loads == "before" else ""}
          %t = wse.timestamp : i32
          wse.map @xs (%e: f32) {{
            wse.fmacs {names}, %e : f32
          }}
          %u = wse.timestamp : i32
          """,
        f"""
        wse.buffer @y export : memref<{rows}xf32> = dense<0.0>
        wse.buffer @a export : memref<{columns}x{rows}xf32> = {dense(a.reshape(columns, rows))}
        wse.buffer @x export : memref<{columns}xf32> = {dense(x)}
        wse.mem1d_dsd @v = @y
        wse.mem1d_dsd @c = @a length {rows}
        wse.mem1d_dsd @x1 = @x
        wse.dsr @xs = src0 3
        wse.dsr @d = dest 2
        wse.dsr @s = src0 2
        wse.dsr @t = src1 2""",
    )
    runtime = same(text, asm, machine)
    if loads == "before":
        expected = x @ a.reshape(columns, rows)
        assert np.allclose(runtime.memcpy_d2h("y")[0, 0], expected, rtol=1e-5, atol=1e-6)


@MACHINES
def test_a_loop_over_tiles(machine: Machine) -> None:
    """B10 `while`: an iteration is the op, its loads, and eight cycles of a loop whose end is known."""

    def by_hand(program: ProgramBuilder) -> None:
        a, b = (program.mem1d(program.symbol(name)) for name in "ab")
        program.li(2, 1.0, "f16")
        program.li(3, 0)
        loop = program.here()
        program.vector("fmach", a, a, b, scalar=2)
        program.alui("add", 3, 3, 1)
        program.alui("lt", 4, 3, 9)
        program.branch(4, loop)
        program.timestamp(5)
        program.store(5, program.symbol("t"), "i32")

    asm = _one(by_hand, ("a", 16, "f16", 0.0), ("b", 16, "f16", 1.0), ("t", 1, "i32", 0))
    text = _tile(
        """
          %one = arith.constant 1.0 : f16
          %c0 = arith.constant 0 : i16
          %c1 = arith.constant 1 : i16
          %c9 = arith.constant 9 : i16
          %zero = arith.constant 0 : index
          scf.for %i = %c0 to %c9 step %c1 : i16 {
            wse.fmach @va, @va, @vb, %one : f16
          }
          %t = wse.timestamp : i32
          %stamps = wse.get_buffer @t : memref<1xi32>
          memref.store %t, %stamps[%zero] : memref<1xi32>""",
        """
        wse.buffer @a : memref<16xf16> = dense<0.0>
        wse.buffer @b : memref<16xf16> = dense<1.0>
        wse.buffer @t export : memref<1xi32> = dense<0>
        wse.mem1d_dsd @va = @a
        wse.mem1d_dsd @vb = @b""",
    )
    runtime = same(text, asm, machine)
    assert runtime.memcpy_d2h("t")[0, 0, 0] > 9 * 8


def test_dsds_that_change() -> None:
    """Offsets, strides, lengths and buffers of DSDs, by constants and by registers; a declared cost."""

    def by_hand(program: ProgramBuilder) -> None:
        a, b, y = (program.symbol(name) for name in "aby")
        row, out = program.mem1d(a, 2), program.mem1d(y, 2)
        program.vector("fmovs", out, row)
        program.add_dsd(row, im.DSD_OFFSET, 4)
        program.add_dsd(out, im.DSD_OFFSET, 8)
        program.emit(im.SET_DSD_CONSTANT, row.number, im.DSD_STRIDE, 12)
        program.vector("fmovs", out, row)
        program.emit(im.SET_DSD_CONSTANT, row.number, im.DSD_BASE, b.address)
        program.load(1, program.symbol("n"), "i16")
        program.emit(im.SET_DSD, out.number, im.DSD_LENGTH, 1)
        # The declared cost stands for both instructions of the op.
        program.alui("shl", 2, 1, 2, cost=7)
        program.emit(im.SET_DSD, out.number, im.DSD_OFFSET, 2, cost=0)
        program.vector("fmovs", out, row)

    asm = _one(
        by_hand, ("a", 8, "f32", np.arange(8)), ("b", 8, "f32", np.arange(8) * 10),
        ("y", 8, "f32", 0.0), ("n", 1, "i16", 3),
    )  # fmt: skip
    text = _tile(
        """
          wse.fmovs @out, @row
          %c1 = arith.constant 1 : i16
          %c2 = arith.constant 2 : i16
          %c3 = arith.constant 3 : i16
          %zero = arith.constant 0 : index
          wse.increment_dsd_offset @row, %c1 : i16
          wse.increment_dsd_offset @out, %c2 : i16
          wse.set_dsd_stride @row, %c3 : i16
          wse.fmovs @out, @row
          wse.set_dsd_base_addr @row, @b
          %ns = wse.get_buffer @n : memref<1xi16>
          %n = memref.load %ns[%zero] : memref<1xi16>
          wse.set_dsd_length @out, %n : i16
          wse.set_dsd_offset @out, %n {wse.cost = #wse.cost<"offset", 7>} : i16
          wse.fmovs @out, @row""",
        """
        wse.buffer @a : memref<8xf32> = dense<[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]>
        wse.buffer @b : memref<8xf32> = dense<[0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0]>
        wse.buffer @y export : memref<8xf32> = dense<0.0>
        wse.buffer @n : memref<1xi16> = dense<3>
        wse.mem1d_dsd @row = @a length 2
        wse.mem1d_dsd @out = @y length 2""",
    )
    runtime = same(text, asm, WSE3)
    assert runtime.loaded.costs == {"offset": (7,)}
    assert runtime.memcpy_d2h("y")[0, 0].tolist() == [0, 1, 1, 10, 40, 70, 0, 0]


@MACHINES
def test_map_stores_what_is_yielded(machine: Machine) -> None:
    """The yielded value takes the element's place, for nothing; the vector is a DSD that is loaded first."""

    def by_hand(program: ProgramBuilder) -> None:
        vector = program.load_dsr(1, program.mem1d(program.symbol("x"), 3, stride=2), 1)
        end = program.label()
        program.emit(im.MAP_BEGIN, vector.number, end, cost=im.COST_MAP_BEGIN)
        loop = program.here()
        program.emit(im.MAP_ELEMENT, vector.number, 0, 2, 0, 4, cost=0)
        program.alu("add", 2, 2, 2, "f16")
        program.emit(im.MAP_STORE, vector.number, 0, 2, 0, 4, cost=0)
        program.emit(im.MAP_NEXT, vector.number, loop, cost=im.COST_MAP_NEXT)
        program.bind(end)

    asm = _one(by_hand, ("x", 6, "f16", np.arange(1, 7)))
    text = _tile(
        """
          wse.map @v (%e: f16) {
            %d = arith.addf %e, %e : f16
            wse.yield %d : f16
          }""",
        f"""
        wse.buffer @x export : memref<6xf16> = {dense(np.arange(1, 7))}
        wse.mem1d_dsd @v = @x length 3 stride 2""",
    )
    runtime = same(text, asm, machine)
    assert runtime.memcpy_d2h("x")[0, 0].tolist() == [2, 2, 6, 4, 10, 6]


def test_maps_nest_beside_ops_on_dsds() -> None:
    """The DSR of a map is not one that ops inside, or another map, load their DSDs to."""
    text = _tile(
        """
          wse.map @vx (%a: f32) {
            wse.map @vx (%b: f32) {
              %p = arith.mulf %a, %b : f32
              wse.fmacs @vy, @vy, @vx, %p : f32
            }
          }""",
        """
        wse.buffer @x : memref<3xf32> = dense<[1.0, 2.0, 3.0]>
        wse.buffer @y export : memref<3xf32> = dense<0.0>
        wse.mem1d_dsd @vx = @x
        wse.mem1d_dsd @vy = @y""",
    )
    runtime = loaded(text, WSE2)
    runtime.run()
    assert runtime.memcpy_d2h("y")[0, 0].tolist() == [36, 72, 108]
