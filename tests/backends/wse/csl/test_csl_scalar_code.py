"""Scalar code: what the emitted CSL says is what the simulator computes, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from csl_interpreter import Interpreter, np_type

from pyflame_rt import module_files
from pyflame_rt.backends.wse.csl import syntax as s
from pyflame_rt.backends.wse.csl.checking import check_project
from pyflame_rt.backends.wse.csl.grammar import parse
from pyflame_rt.backends.wse.host import Runtime
from pyflame_rt.universe import make_context
from pyflame_rt.wse_csl import WseCslTarget

COUNT = 24

PROGRAM = """\
wse.program @p width 1 height 1 {{
  wse.place @t at [0, 0]
  wse.tile @t {{
    wse.buffer @a export : memref<{n}x{source}>
    wse.buffer @b export : memref<{n}x{source}>
    wse.buffer @out export : memref<{n}x{target}>
    wse.task @main local active {{
      %a = wse.get_buffer @a : memref<{n}x{source}>
      %b = wse.get_buffer @b : memref<{n}x{source}>
      %out = wse.get_buffer @out : memref<{n}x{target}>
      %zero = arith.constant 0 : index
      %one = arith.constant 1 : index
      %n = arith.constant {n} : index
      scf.for %i = %zero to %n step %one {{
        %x = memref.load %a[%i] : memref<{n}x{source}>
        %y = memref.load %b[%i] : memref<{n}x{source}>
{code}
        memref.store %r, %out[%i] : memref<{n}x{target}>
      }}
    }}
  }}
}}
"""

SAME = (
    [
        "addi",
        "subi",
        "muli",
        "divsi",
        "divui",
        "remsi",
        "remui",
        "andi",
        "ori",
        "xori",
        "minsi",
        "maxsi",
        "minui",
        "maxui",
    ],
    ["addf", "subf", "mulf", "divf", "minnumf", "maxnumf"],
)
ORDERS = (
    ("cmpi", ["eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge"]),
    (
        "cmpf",
        [
            "oeq",
            "ogt",
            "oge",
            "olt",
            "ole",
            "one",
            "ord",
            "ueq",
            "ugt",
            "uge",
            "ult",
            "ule",
            "une",
            "uno",
        ],
    ),
)
CASES = [
    *((kind, kind, f"%r = arith.{name} %x, %y : {kind}") for kind in ("i16", "i32") for name in SAME[0]),
    *((kind, kind, f"%r = arith.{name} %x, %y : {kind}") for kind in ("f16", "f32") for name in SAME[1]),
    *(
        (kind, "i16", f"%c = arith.{op} {order}, %x, %y : {kind}\n%r = arith.extui %c : i1 to i16")
        for kinds, (op, orders) in zip((("i16", "i32"), ("f16", "f32")), ORDERS, strict=True)
        for kind in kinds
        for order in orders
    ),
    *(
        (kind, kind, f"%k = arith.constant 3 : {kind}\n%r = arith.{name} %x, %k : {kind}")
        for kind in ("i16", "i32")
        for name in ("shli", "shrsi", "shrui")
    ),
    ("i16", "i32", "%r = arith.extsi %x : i16 to i32"),
    ("i16", "i32", "%r = arith.extui %x : i16 to i32"),
    ("i32", "i16", "%r = arith.trunci %x : i32 to i16"),
    ("i16", "f32", "%r = arith.sitofp %x : i16 to f32"),
    ("i16", "f32", "%r = arith.uitofp %x : i16 to f32"),
    ("f16", "f32", "%r = arith.extf %x : f16 to f32"),
    ("f32", "f16", "%r = arith.truncf %x : f32 to f16"),
    ("f32", "i32", "%r = arith.bitcast %x : f32 to i32"),
    ("f32", "f32", "%r = arith.negf %x : f32"),
    ("i32", "i32", "%c = arith.cmpi slt, %x, %y : i32\n%r = arith.select %c, %x, %y : i32"),
    ("i16", "i32", "%c = arith.cmpi slt, %x, %y : i16\n%r = arith.extsi %c : i1 to i32"),
    (
        "i16",
        "i16",
        "%c = arith.cmpi slt, %x, %y : i16\n%d = arith.cmpi eq, %x, %y : i16\n"
        "%e = arith.ori %c, %d : i1\n%f = arith.xori %e, %d : i1\n"
        "%r = scf.if %f -> (i16) {\n%s = arith.subi %x, %y : i16\nscf.yield %s : i16\n} else {\n"
        "scf.yield %y : i16\n}",
    ),
    (
        "i16",
        "i16",
        "%k = arith.constant 7 : i16\n%m = arith.andi %x, %k : i16\n"
        "%r, %q = scf.while (%p = %m, %t = %y) : (i16, i16) -> (i16, i16) {\n"
        "%z = arith.constant 0 : i16\n%c = arith.cmpi sgt, %p, %z : i16\n"
        "scf.condition(%c) %t, %p : i16, i16\n} do {\n^bb0(%g: i16, %h: i16):\n"
        "%w = arith.constant 1 : i16\n%u = arith.subi %h, %w : i16\n"
        "%v = arith.addi %g, %h : i16\nscf.yield %u, %v : i16, i16\n}",
    ),
]  # fmt: skip


def numbers(kind: str, seed: int) -> np.ndarray:
    """Numbers of a type, with the ones at its edges; none is zero."""
    rng = np.random.default_rng(seed)
    dtype = np_type(kind)
    if kind[0] == "f":
        found = (rng.standard_normal(COUNT) * 50).astype(dtype)
        found[:3] = [np.inf, -2.5, 1.0] if seed else [1.0, -2.5, np.nan]
        return found
    limits = np.iinfo(dtype)
    found = rng.integers(limits.min, limits.max, COUNT, dtype, endpoint=True)
    found[:4] = [limits.max, limits.min, 7, -3] if seed else [limits.min, 3, 7, limits.max]
    return np.where(found == 0, 1, found).astype(dtype)


@pytest.mark.parametrize(("source", "target", "code"), CASES, ids=[case[2][:60] for case in CASES])
def test_code_means_what_the_simulator_computes(source: str, target: str, code: str):
    """Both run over the same numbers, wrapping, unsigned orders and numbers that are none included."""
    text = PROGRAM.format(n=COUNT, source=source, target=target, code=code)
    module = module_files.parse(text, make_context(), "code")
    module.verify()
    arrays = {"a": numbers(source, 0), "b": numbers(source, 1)}
    runtime = Runtime(module, "wse2")
    for name, array in arrays.items():
        runtime.memcpy_h2d(name, array.reshape(1, 1, -1))
    runtime.run()
    wanted = runtime.memcpy_d2h("out").ravel()
    sources = WseCslTarget().sources(module)
    assert check_project(sources) == []
    state = Interpreter(arrays | {"out": np.zeros(COUNT, np_type(target))})
    for item in parse(sources["t.csl"]).items:
        if isinstance(item, s.Function) and item.name == "main" and item.body is not None:
            state.run(item.body)
    np.testing.assert_array_equal(state.arrays["out"], wanted)
