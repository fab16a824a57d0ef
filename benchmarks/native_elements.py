"""Plans of functions of elements, reductions and copies: compiled, beside the same plans on NumPy.

Run by `benchmarks/native.py --elements`. Each case is a function of pfrt; both plans run in turn, by
processor time of one thread. Bytes are those of operands and results, once.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from interleaving import interleaved

_SAMPLE = 2e-2


@dataclass(frozen=True)
class Case:
    """A function: lines of its body, of `%x` (and `%b`, …) to `%y`; shapes of operands and result."""

    name: str
    shapes: tuple[tuple[int, ...], ...]
    result: tuple[int, ...]
    lines: tuple[str, ...]

    def text(self) -> str:
        """The module."""
        named = [
            f"%{name}: {_kind(shape)}" for name, shape in zip("xbcd", self.shapes, strict=False)
        ]
        body = "\n".join(line.replace("$", _kind(self.result)) for line in self.lines)
        result = _kind(self.result)
        return f"func.func @main({', '.join(named)}) -> {result} {{\n{body}\nfunc.return %y : {result}\n}}"


def _kind(shape: tuple[int, ...]) -> str:
    return f"tensor<{''.join(f'{n}x' for n in shape)}f32>"


def _unary(name: str, properties: str = "", size: int = 1 << 20) -> Case:
    line = f"%y = pfrt.{name} %x {properties} : $ -> $"
    return Case(name, ((size,),), (size,), (line,))


def _reduced(name: str, shape: tuple[int, ...], axes: tuple[int, ...]) -> Case:
    result = tuple(1 if i in axes else n for i, n in enumerate(shape))
    listed = ", ".join(map(str, axes))
    line = f"%y = pfrt.{name} %x {{axes = array<i64: {listed}>}} : ({_kind(shape)}) -> $"
    return Case(f"{name} {'x'.join(map(str, shape))} along {listed}", (shape,), result, (line,))


def _turned(shape: tuple[int, ...], perm: tuple[int, ...]) -> Case:
    listed = ", ".join(map(str, perm))
    line = f"%y = pfrt.transpose %x {{perm = array<i64: {listed}>}} : {_kind(shape)} -> $"
    result = tuple(shape[axis] for axis in perm)
    return Case(f"transpose {'x'.join(map(str, shape))} to {listed}", (shape,), result, (line,))


_ROWS = (512, 768)
CASES = (
    Case("x * b + c, relu", (_ROWS, (768,), (768,)), _ROWS, (
        f"%0 = pfrt.mul %x, %b : ($, {_kind((768,))}) -> $",
        f"%1 = pfrt.add %0, %c : ($, {_kind((768,))}) -> $",
        "%y = pfrt.relu %1 : $ -> $",
    )),
    Case("gate: sigmoid(x) * tanh(b) + c", ((1 << 20,),) * 3, (1 << 20,), (
        "%0 = pfrt.sigmoid %x : $ -> $", "%1 = pfrt.tanh %b : $ -> $",
        "%2 = pfrt.mul %0, %1 : ($, $) -> $", "%y = pfrt.add %2, %c : ($, $) -> $",
    )),
    Case("x / sqrt(b + c) * d", ((1 << 20,),) * 4, (1 << 20,), (
        "%0 = pfrt.add %b, %c : ($, $) -> $", "%1 = pfrt.sqrt %0 : $ -> $",
        "%2 = pfrt.div %x, %1 : ($, $) -> $", "%y = pfrt.mul %2, %d : ($, $) -> $",
    )),
    *(_unary(n) for n in ("exp", "log", "tanh", "sigmoid", "erf", "softplus", "mish", "sqrt", "floor")),
    _unary("gelu", '{approximate = "none"}'), _unary("elu", "{alpha = 1.0 : f32}"),
    *(_reduced(n, (512, 2048), axes) for n in ("reduce_sum", "reduce_max") for axes in ((0,), (1,))),
    _reduced("reduce_mean", (8, 64, 56, 56), (2, 3)), _reduced("reduce_sum", (64, 56, 56), (1,)),
    _reduced("reduce_l2", (512, 2048), (1,)), _reduced("reduce_log_sum_exp", (512, 2048), (1,)),
    _reduced("reduce_log_sum_exp", (512, 2048), (0,)), _reduced("reduce_sum", (1 << 20,), (0,)),
    _turned((1024, 1024), (1, 0)), _turned((1, 64, 112, 112), (0, 2, 3, 1)),
    _turned((128, 12, 64), (1, 0, 2)), _turned((12, 128, 64), (0, 2, 1)), _turned((300, 500), (1, 0)),
    Case("softmax 256x1024 along 0", ((256, 1024),), (256, 1024), ("%y = pfrt.softmax %x {axis = 0 : i64} : $ -> $",)),
    Case("softmax 4420x2", ((4420, 2),), (4420, 2), ("%y = pfrt.softmax %x {axis = 1 : i64} : $ -> $",)),
    Case("log_softmax 512x1000", ((512, 1000),), (512, 1000), ("%y = pfrt.log_softmax %x {axis = 1 : i64} : $ -> $",)),
    Case("instance norm 4x64x56x56", ((4, 64, 56, 56), (64,), (64,)), (4, 64, 56, 56), (
        f"%y = pfrt.instance_normalization %x, %b, %c : ($, {_kind((64,))}, {_kind((64,))}) -> $",)),
    Case("lrn 4x64x28x28", ((4, 64, 28, 28),), (4, 64, 28, 28), ("%y = pfrt.lrn %x {size = 5 : i64} : $ -> $",)),
)  # fmt: skip


def measured(cpu: str, rounds: int, only: str = "") -> Iterator[dict[str, Any]]:
    """Figures of each case, printed as they come."""
    for case in CASES:
        if only in case.name:
            row = {"cpu": cpu, "case": case.name, **_row(cpu, case, rounds)}
            low, high = row["quartiles"]
            print(
                f"  {case.name:42} {row['microseconds']:8.1f} us, {row['gigabytes']:5.1f} GB/s; NumPy's "
                f"plan over it {row['ratio']:5.2f} ({low:.2f} to {high:.2f}), apart by {row['error']:.0e}",
                flush=True,
            )
            yield row


def _row(cpu: str, case: Case, rounds: int) -> dict[str, Any]:
    import numpy as np

    generator = np.random.default_rng(0)
    inputs = [generator.uniform(0.1, 3, shape).astype(np.float32) for shape in case.shapes]
    native, plain = _plan(case.text(), cpu), _plan(case.text(), "")
    (y,), (z,) = native(inputs), plain(inputs)
    runs = {"ours": lambda: native(inputs), "NumPy's": lambda: plain(inputs)}
    times = interleaved(runs, rounds, _SAMPLE)
    ratios = [b / a for a, b in zip(times["ours"], times["NumPy's"], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    seconds = statistics.median(times["ours"])
    return {
        "microseconds": seconds * 1e6, "ratio": middle, "quartiles": [low, high],
        "gigabytes": (sum(x.nbytes for x in inputs) + y.nbytes) / seconds / 1e9,
        "error": float(np.abs(y - z).max() / max(np.abs(z).max(), 1e-30)),
    }  # fmt: skip


def _plan(text: str, cpu: str) -> Callable[[Any], Any]:
    from pyflame_rt import module_files, pipelines
    from pyflame_rt.backends.numpy_backend import NumpyBackend
    from pyflame_rt.universe import make_context

    context = make_context()
    module = module_files.parse(text, context, "case")
    native = f"convert-plan-to-native{{cpu={cpu}}},plan-fuse-elementwise," if cpu else ""
    pipelines.run(context, module, pipelines.parse(f"convert-pfrt-to-plan,{native}plan-allocate"))
    return NumpyBackend().compile(module).run
