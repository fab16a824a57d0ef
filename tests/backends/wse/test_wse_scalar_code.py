"""Scalar code of tasks computes what NumPy computes, in the cycles that the machine asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pyflame_rt import ir_text
from pyflame_rt.backends.wse.host import Runtime
from pyflame_rt.backends.wse.machine import WSE3
from pyflame_rt.errors import ValidationError
from pyflame_rt.universe import make_context

_COUNT = 24
_DTYPES = {"i16": "int16", "i32": "int32", "f16": "float16", "f32": "float32"}
Array = np.ndarray[Any, Any]


def _runtime(text: str, trace: str = "tasks") -> Runtime:
    module = ir_text.parse(text, make_context(), "test")
    return Runtime(module, WSE3, jit=False, trace=trace)


def _program(state: str, body: str) -> str:
    return f"""wse.program @p width 1 height 1 {{
      wse.place @t at [0, 0]
      wse.tile @t {{
        {state}
        wse.task @main local active {{
          {body}
        }}
      }}
    }}"""


def _each(ops: str, kinds: tuple[str, ...], result: str) -> str:
    """`ops` computes %r of %a, %b … for each element of the buffers @a, @b …"""
    names = "abc"[: len(kinds)]
    state = "".join(
        f"wse.buffer @{n} export : memref<{_COUNT}x{kind}>\n"
        for n, kind in (*zip(names, kinds, strict=True), ("r", result))
    )
    loads = "".join(
        f"%{n}s = wse.get_buffer @{n} : memref<{_COUNT}x{kind}>\n"
        f"%{n} = memref.load %{n}s[%i] : memref<{_COUNT}x{kind}>\n"
        for n, kind in zip(names, kinds, strict=True)
    )
    return _program(
        state,
        f"""
          %zero = arith.constant 0 : index
          %one = arith.constant 1 : index
          %end = arith.constant {_COUNT} : index
          scf.for %i = %zero to %end step %one {{
            {loads}
            {ops}
            %rs = wse.get_buffer @r : memref<{_COUNT}x{result}>
            memref.store %r, %rs[%i] : memref<{_COUNT}x{result}>
          }}""",
    )


def _inputs(kinds: tuple[str, ...], seed: int) -> list[Array]:
    rng = np.random.default_rng(seed)
    arrays: list[Array] = []
    for kind in kinds:
        dtype = np.dtype(_DTYPES[kind])
        if kind[0] == "i":
            limits = np.iinfo(dtype)
            array = rng.integers(limits.min, limits.max, _COUNT, endpoint=True).astype(dtype)
            array[:6] = [0, 1, -1, limits.min, limits.max, 7]
        else:
            array = (rng.standard_normal(_COUNT) * 10).astype(dtype)
            array[:4] = [0.0, -0.0, np.nan, np.inf]
        arrays.append(rng.permutation(array))
    return arrays


def _unsigned(x: Array) -> Array:
    return x.view(x.dtype.str.replace("i", "u"))


def _quotient(x: Array, y: Array) -> Array:
    left, right = x.astype(np.int64), np.where(y == 0, 1, y).astype(np.int64)
    exact = np.abs(left) // np.abs(right) * np.sign(left) * np.sign(right)
    return np.where(y == 0, 0, exact)


_BINARY: list[tuple[str, str, Callable[[Array, Array], Array]]] = [
    ("i", "arith.addi", np.add),
    ("i", "arith.subi", np.subtract),
    ("i", "arith.muli", np.multiply),
    ("i", "arith.divsi", _quotient),
    ("i", "arith.divui", lambda x, y: _quotient(_unsigned(x), _unsigned(y))),
    ("i", "arith.remsi", lambda x, y: np.where(y == 0, 0, x - _quotient(x, y) * y)),
    ("i", "arith.andi", np.bitwise_and),
    ("i", "arith.ori", np.bitwise_or),
    ("i", "arith.xori", np.bitwise_xor),
    ("i", "arith.minsi", np.minimum),
    ("i", "arith.maxsi", np.maximum),
    ("i", "arith.minui", lambda x, y: np.minimum(_unsigned(x), _unsigned(y))),
    ("i", "arith.maxui", lambda x, y: np.maximum(_unsigned(x), _unsigned(y))),
    ("i", "arith.shli", lambda x, y: x << (y & (8 * x.itemsize - 1))),
    ("i", "arith.shrsi", lambda x, y: x >> (y & (8 * x.itemsize - 1))),
    ("i", "arith.shrui", lambda x, y: _unsigned(x) >> _unsigned(y & (8 * x.itemsize - 1))),
    ("f", "arith.addf", np.add),
    ("f", "arith.subf", np.subtract),
    ("f", "arith.mulf", np.multiply),
    ("f", "arith.divf", np.divide),
    ("f", "arith.minnumf", np.fmin),
    ("f", "arith.maximumf", np.fmax),
]


@pytest.mark.parametrize("width", [16, 32])
@pytest.mark.parametrize(("family", "op", "expected"), _BINARY, ids=[row[1] for row in _BINARY])
def test_binary(
    family: str, op: str, expected: Callable[[Array, Array], Array], width: int
) -> None:
    """Wrapping, signedness, division by zero, NaN and infinities, on elements of memory."""
    kind = f"{family}{width}"
    runtime = _runtime(_each(f"%r = {op} %a, %b : {kind}", (kind, kind), kind))
    a, b = _inputs((kind, kind), width + len(op))
    runtime.write("a", a)
    runtime.write("b", b)
    runtime.run()
    with np.errstate(all="ignore"):
        wanted = expected(a, b).astype(_DTYPES[kind])
    assert np.array_equal(runtime.memcpy_d2h("r")[0, 0], wanted, equal_nan=family == "f")


_COMPARED: dict[str, Callable[[Array, Array], Array]] = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
    "ge": np.greater_equal,
}  # fmt: skip


def _float_predicate(name: str) -> Callable[[Array, Array], Array]:
    def holds(x: Array, y: Array) -> Array:
        unordered = np.isnan(x) | np.isnan(y)
        if name in ("ord", "uno"):
            return unordered if name == "uno" else ~unordered
        result = _COMPARED[name[1:]](x, y)
        return result | unordered if name[0] == "u" else result & ~unordered

    return holds


_FLOAT_PREDICATES = [f"{how}{order}" for how in "ou" for order in _COMPARED] + ["ord", "uno"]


@pytest.mark.parametrize("predicate", _FLOAT_PREDICATES)
def test_float_comparisons(predicate: str) -> None:
    """Ordered and unordered ones."""
    ops = f"%c = arith.cmpf {predicate}, %a, %b : f32\n%r = arith.extui %c : i1 to i16"
    runtime = _runtime(_each(ops, ("f32", "f32"), "i16"))
    a, b = _inputs(("f32", "f32"), 3)
    b[::3] = a[::3]
    runtime.write("a", a)
    runtime.write("b", b)
    runtime.run()
    wanted = _float_predicate(predicate)(a, b)
    assert np.array_equal(runtime.memcpy_d2h("r")[0, 0], wanted)


@pytest.mark.parametrize("kind", ["i16", "i32"])
@pytest.mark.parametrize("predicate", ["eq", "ne", "slt", "sge", "ult", "ule", "ugt", "uge"])
def test_integer_comparisons(kind: str, predicate: str) -> None:
    """Signed and unsigned ones, of values that registers keep sign-extended."""
    ops = f"%c = arith.cmpi {predicate}, %a, %b : {kind}\n%r = arith.extsi %c : i1 to i32"
    runtime = _runtime(_each(ops, (kind, kind), "i32"))
    a, b = _inputs((kind, kind), 5)
    b[::4] = a[::4]
    runtime.write("a", a)
    runtime.write("b", b)
    runtime.run()
    x, y = (_unsigned(v) if predicate[0] == "u" else v for v in (a, b))
    wanted = _COMPARED[predicate[-2:]](x, y)
    assert np.array_equal(runtime.memcpy_d2h("r")[0, 0], -wanted.astype(np.int32))


def _saturated(dtype: str) -> Callable[[Array], Array]:
    limits = np.iinfo(dtype)
    return lambda x: np.clip(
        np.trunc(np.nan_to_num(x.astype(float), nan=0)), limits.min, limits.max
    )


_CASTS: list[tuple[str, str, str, Callable[[Array], Array]]] = [
    ("arith.extsi", "i16", "i32", lambda x: x),
    ("arith.extui", "i16", "i32", _unsigned),
    ("arith.trunci", "i32", "i16", lambda x: x),
    ("arith.sitofp", "i32", "f32", lambda x: x),
    ("arith.uitofp", "i32", "f32", _unsigned),
    ("arith.uitofp", "i16", "f32", _unsigned),
    ("arith.sitofp", "i16", "f16", lambda x: x),
    ("arith.fptosi", "f32", "i16", _saturated("int16")),
    ("arith.fptosi", "f16", "i32", _saturated("int32")),
    ("arith.fptoui", "f32", "i16", _saturated("uint16")),
    ("arith.fptoui", "f32", "i32", _saturated("uint32")),
    ("arith.extf", "f16", "f32", lambda x: x),
    ("arith.truncf", "f32", "f16", lambda x: x),
    ("arith.bitcast", "f32", "i32", lambda x: x.view(np.int32)),
    ("arith.bitcast", "i16", "f16", lambda x: x.view(np.float16)),
    ("arith.bitcast", "f16", "i16", lambda x: x.view(np.int16)),
]


@pytest.mark.parametrize(("op", "source", "target", "expected"), _CASTS)
def test_casts(op: str, source: str, target: str, expected: Callable[[Array], Array]) -> None:
    """Between all types that a register holds; floats to integers saturate."""
    runtime = _runtime(_each(f"%r = {op} %a : {source} to {target}", (source,), target))
    (a,) = _inputs((source,), 7)
    runtime.write("a", a)
    runtime.run()
    found = runtime.memcpy_d2h("r")[0, 0]
    with np.errstate(all="ignore"):
        wanted = expected(a)
        if wanted.dtype == np.float64 and target[0] == "i":
            wanted = wanted.astype(np.int64)
        wanted = wanted.astype(_DTYPES[target])
    assert np.array_equal(found, wanted, equal_nan=target[0] == "f")


@pytest.mark.parametrize(
    ("ops", "kinds", "result", "expected"),
    [
        ("%r = arith.negf %a : f16", ("f16",), "f16", lambda x: -x),
        ("%r = math.absf %a : f32", ("f32",), "f32", np.abs),
        ("%r = math.sqrt %a : f32", ("f32",), "f32", np.sqrt),
        (
            "%r = math.fma %a, %b, %c : f32",
            ("f32", "f32", "f32"),
            "f32",
            lambda x, y, z: x.astype(float) * y + z,
        ),
        (
            "%p = arith.cmpf olt, %a, %b : f32\n%r = arith.select %p, %a, %b : f32",
            ("f32", "f32"),
            "f32",
            lambda x, y: np.where(x < y, x, y),
        ),
        (
            "%z = arith.constant -3 : i16\n%p = arith.cmpi slt, %z, %a : i16\n"
            "%s = arith.select %p, %z, %a : i16\n%r = arith.subi %z, %s : i16",
            ("i16",),
            "i16",
            lambda x: np.int16(-3) - np.where(x > -3, np.int16(-3), x),
        ),
        (
            "%p = arith.cmpi slt, %a, %b : i16\n%t = arith.constant true\n"
            "%q = arith.xori %p, %t : i1\n%r = arith.sitofp %q : i1 to f32",
            ("i16", "i16"),
            "f32",
            lambda x, y: -(x >= y).astype(np.float32),
        ),
    ],
)
def test_other_ops(
    ops: str, kinds: tuple[str, ...], result: str, expected: Callable[..., Array]
) -> None:
    """Unary ones, multiply-add, select on the bits of any type, constants on either side."""
    runtime = _runtime(_each(ops, kinds, result))
    arrays = _inputs(kinds, 9)
    for name, array in zip("abc", arrays, strict=False):
        runtime.write(name, array)
    runtime.run()
    with np.errstate(all="ignore"):
        wanted = expected(*arrays).astype(_DTYPES[result])
    assert np.array_equal(runtime.memcpy_d2h("r")[0, 0], wanted, equal_nan=result[0] == "f")


def _cycles(body: str, state: str = "") -> int:
    runtime = _runtime(_program(state + "wse.var @v : i32\nwse.var @w : i32", body))
    runtime.run()
    start, end = (event.cycle for event in runtime.simulator.events())
    return end - start


@pytest.mark.parametrize(
    ("body", "cycles"),
    [
        # A constant on the right is part of the instruction, on the left of a subtraction a load.
        ("%c = arith.constant 5 : i32\n%a = wse.get @v : i32\n%b = arith.addi %c, %a : i32", 1),
        ("%c = arith.constant 5 : i32\n%a = wse.get @v : i32\n%b = arith.subi %c, %a : i32", 2),
        ("%c = arith.constant 0 : i32\n%a = wse.get @v : i32\n%b = arith.subi %c, %a : i32", 1),
        # Reading and writing variables is free where the value is computed in place.
        ("%a = wse.get @v : i32\n%b = arith.addi %a, %a : i32\nwse.set @v, %b : i32", 1),
        ("%a = wse.get @v : i32\nwse.set @w, %a : i32", 1),
        # Variables that change places need a third register.
        ("%a = wse.get @v : i32\n%b = wse.get @w : i32\nwse.set @v, %b : i32\nwse.set @w, %a : i32", 3),
        # A branch that is not taken, one that is.
        ("%t = arith.constant true\n%a = wse.get @v : i32\n%c = arith.cmpi eq, %a, %a : i32\n"
         "scf.if %c {\n%x = arith.addi %a, %a : i32\n}", 1 + 3 + 1),
        ("%a = wse.get @v : i32\n%c = arith.cmpi ne, %a, %a : i32\n"
         "scf.if %c {\n%x = arith.addi %a, %a : i32\n}", 1 + 6),
        ("%a = wse.get @v : i32\n%c = arith.cmpi eq, %a, %a : i32\n"
         "scf.if %c {\n%x = arith.addi %a, %a : i32\n} else {\n%y = arith.muli %a, %a : i32\n}",
         1 + 3 + 1 + 6),
        # A known loop: the counter, then 8 an iteration but for the last branch.
        ("%z = arith.constant 0 : i32\n%o = arith.constant 1 : i32\n%n = arith.constant 10 : i32\n"
         "scf.for %i = %z to %n step %o : i32 {\n}", 1 + 10 * 2 + 9 * 6 + 3),
        # A call is a jump there and one back; a dependent float op waits.
        ("wse.call @f", 6 + 6 + 1),
        ('wse.declare_cost "some", 40', 40),
        ('%a = wse.get @v : i32\n%b = arith.addi %a, %a {wse.cost = #wse.cost<"add", 9>} : i32', 9),
    ],
)  # fmt: skip
def test_every_op_is_charged(body: str, cycles: int) -> None:
    """Cycles from the start of the task to its end."""
    function = "wse.func @f {\n%a = wse.get @v : i32\n%b = arith.addi %a, %a : i32\n}\n"
    assert _cycles(body, function) == cycles


def _many(count: int) -> str:
    lines = ["%v0 = wse.get @v : i32"]
    lines += [f"%x{n} = arith.addi %v0, %v0 : i32" for n in range(count)]
    lines += ["%s0 = arith.addi %x0, %x1 : i32"]
    lines += [f"%s{n} = arith.addi %s{n - 1}, %x{n + 1} : i32" for n in range(1, count - 1)]
    return "\n".join(lines)


def test_registers_run_out_with_an_error() -> None:
    """61 values beside two variables fit; 70 are an error that names the task."""
    assert _cycles(_many(61)) == 61 + 60
    with pytest.raises(ValidationError) as caught:
        _cycles(_many(70))
    assert "wse.task in tile @t: more than 62 values are alive at once" in str(caught.value)


def test_addresses_of_several_dimensions() -> None:
    """Strides that are powers of two and not, constant and variable indices."""
    runtime = _runtime(
        _program(
            "wse.buffer @a export : memref<3x4x5xf32>\nwse.buffer @r export : memref<5x4xf32>",
            """
            %zero = arith.constant 0 : index
            %one = arith.constant 1 : index
            %two = arith.constant 2 : index
            %four = arith.constant 4 : index
            %five = arith.constant 5 : index
            %as = wse.get_buffer @a : memref<3x4x5xf32>
            %rs = wse.get_buffer @r : memref<5x4xf32>
            scf.for %j = %zero to %four step %one {
              scf.for %k = %zero to %five step %one {
                %x = memref.load %as[%two, %j, %k] : memref<3x4x5xf32>
                memref.store %x, %rs[%k, %j] : memref<5x4xf32>
              }
            }""",
        )
    )
    a = np.arange(60, dtype="f").reshape(3, 4, 5)
    runtime.write("a", a)
    runtime.run()
    assert np.array_equal(runtime.memcpy_d2h("r")[0, 0], a[2].T)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("%a = arith.constant 1 : i64", "a register holds i1, i16, i32, index, f16 or f32, not i64"),
        ("%a = arith.constant 1.0 : f32\n%b = math.exp %a : f32",
         "math.exp in task @main of tile @t: the machine has no instructions for this op"),
        ("%a = arith.constant true\n%b = arith.addi %a, %a : i1", "i1 has no add"),
        ("%a = memref.alloc() : memref<4xf32>", "memref.alloc in task @main of tile @t"),
        ("%a = wse.get_buffer @b : memref<4xf32>\n%i = arith.constant 4 : index\n"
         "%x = memref.load %a[%i] : memref<4xf32>", "index 4 is outside of memref<4xf32>"),
        ('wse.fmovs @v, @v {wse.cost = #wse.cost<"moving", 5>}',
         "wse.fmovs in task @main of tile @t: takes what its elements take"),
        ("%z = arith.constant 0 : i32\n%o = arith.constant 1 : i32\n"
         'scf.for %i = %z to %o step %o : i32 {\n} {wse.cost = #wse.cost<"loop", 5>}',
         "scf.for in task @main of tile @t: an op of several paths cannot declare a cost"),
        ("%a = arith.constant 1.0 : f32\n%b = arith.fptosi %a : f32 to i1",
         "arith.fptosi in task @main of tile @t: a float is converted to i16 or i32, not i1"),
    ],
)  # fmt: skip
def test_what_the_machine_lacks(body: str, message: str) -> None:
    """An error of one line that names the op and its place."""
    with pytest.raises(ValidationError) as caught:
        _runtime(_program("wse.buffer @b : memref<4xf32>\nwse.mem1d_dsd @v = @b", body))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("wse.mem1d_dsd @far = @b length 1 stride 70000000000", "stride 70000000000 is too large"),
        ("\n".join(f"wse.dsr @d{n} = dest {n}" for n in range(16)),
         "wse.fmovs in task @main of tile @t: no dest DSR without a name is left to load a DSD to"),
    ],
)  # fmt: skip
def test_what_a_tile_has_too_much_of(state: str, message: str) -> None:
    """Numbers beyond 32 bits; every DSR named, and none for a DSD that an op has to load."""
    buffer = "wse.buffer @b : memref<4xf32>\nwse.mem1d_dsd @v = @b\n"
    with pytest.raises(ValidationError) as caught:
        _runtime(_program(buffer + state, "wse.fmovs @v, @v"))
    assert message in str(caught.value)
