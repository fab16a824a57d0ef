"""Time that the highest optimization level takes on generated models of 5,000 and 20,000 ops.

    python benchmarks/optimizer_scaling.py [--ops 5000 20000] [--rounds 3] [--pipeline TEXT] [--json]
    python benchmarks/optimizer_scaling.py --ops 5000 --profile 40

The models mix, in equal parts, what exporters write: residual blocks of convolutions with batch
normalizations; transformer blocks on dynamic shapes with normalization, Gelu and head splitting
spelled out; and chains of shape arithmetic, transposes and casts that should come to nothing.
A round imports the model and runs the passes without verification between them; times are of the
processor, the least of the rounds. `--profile` prints the functions in which most was spent.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import json
import pstats
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from pyflame_rt import compiler, pipelines
from pyflame_rt.passes import optimization_levels

LEVEL = 3
CHANNELS, SIDE = 16, 8
HIDDEN, HEADS = 48, 4
LARGEST_SLICE = 2**63 - 1


@dataclass
class Model:
    """An ONNX graph in the making: an image and a sequence that blocks take and give."""

    rng: np.random.Generator
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: list[onnx.TensorProto] = field(default_factory=list)
    image: str = "image"
    tokens: str = "tokens"

    def op(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """Add a node; the name of its (first) output, the others follow as name.1, name.2, …"""
        name = f"v{len(self.nodes)}"
        names = [name, *(f"{name}.{i}" for i in range(1, outputs))]
        self.nodes.append(helper.make_node(kind, inputs, names, f"n{name}", **attributes))
        return name

    def constant(self, value: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        """Add an initializer."""
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def weight(self, *shape: int) -> str:
        """Add an initializer of drawn numbers."""
        return self.constant(self.rng.standard_normal(shape) * 0.1)


def residual_block(model: Model) -> None:
    """Two convolutions with batch normalizations, their input added: 7 nodes."""
    x = model.image
    for last in (False, True):
        shape = (CHANNELS, CHANNELS, 3, 3)
        y = model.op("Conv", x, model.weight(*shape), pads=[1, 1, 1, 1], kernel_shape=[3, 3])
        scale, bias, mean = (model.weight(CHANNELS) for _ in range(3))
        variance = model.constant(np.ones(CHANNELS))
        y = model.op("BatchNormalization", y, scale, bias, mean, variance)
        x = model.op("Relu", model.op("Add", y, model.image) if last else y)
    model.image = x


def layer_norm(model: Model, x: str) -> str:
    """Layer normalization as tracing exporters spell it out: 9 nodes."""
    centred = model.op("Sub", x, model.op("ReduceMean", x, axes=[-1]))
    squared = model.op("Pow", centred, model.constant(2.0))
    variance = model.op("ReduceMean", squared, axes=[-1])
    deviation = model.op("Sqrt", model.op("Add", variance, model.constant(1e-5)))
    scaled = model.op("Mul", model.op("Div", centred, deviation), model.weight(HIDDEN))
    return model.op("Add", scaled, model.weight(HIDDEN))


def linear(model: Model, x: str, inputs: int, outputs: int) -> str:
    """A product with weights and a bias."""
    return model.op(
        "Add", model.weight(outputs), model.op("MatMul", x, model.weight(inputs, outputs))
    )


def dimension(model: Model, x: str, axis: int) -> str:
    """One dimension of a value as a vector, as tracing exporters ask for it: 3 nodes."""
    picked = model.op("Gather", model.op("Shape", x), model.constant(axis, np.int64), axis=0)
    return model.op("Unsqueeze", picked, model.constant([0], np.int64))


def reshape(model: Model, x: str, like: str, *rest: int) -> str:
    """Reshape to the first two dimensions of `like` and others: 8 nodes."""
    dims = [dimension(model, like, 0), dimension(model, like, 1)]
    dims += [model.constant([size], np.int64) for size in rest]
    return model.op("Reshape", x, model.op("Concat", *dims, axis=0))


def transformer_block(model: Model) -> None:
    """Attention and a two-layer perceptron on a dynamic batch of sequences: 77 nodes."""
    x = model.tokens
    normal = layer_norm(model, x)
    query, key, value = (linear(model, normal, HIDDEN, HIDDEN) for _ in range(3))
    parts: list[str] = []
    for part, perm in ((query, [0, 2, 1, 3]), (key, [0, 2, 3, 1]), (value, [0, 2, 1, 3])):
        heads = reshape(model, part, part, HEADS, HIDDEN // HEADS)
        parts.append(model.op("Transpose", heads, perm=perm))
    scores = model.op(
        "Div", model.op("MatMul", *parts[:2]), model.constant(np.sqrt(HIDDEN / HEADS))
    )
    mixed = model.op("MatMul", model.op("Softmax", scores, axis=-1), parts[2])
    mixed = reshape(model, model.op("Transpose", mixed, perm=[0, 2, 1, 3]), x, HIDDEN)
    x = model.op("Add", x, linear(model, mixed, HIDDEN, HIDDEN))
    wide = linear(model, layer_norm(model, x), HIDDEN, 2 * HIDDEN)
    erf = model.op("Erf", model.op("Div", wide, model.constant(np.sqrt(2.0))))
    bell = model.op("Mul", wide, model.op("Add", erf, model.constant(1.0)))
    active = model.op("Mul", bell, model.constant(0.5))
    model.tokens = model.op("Add", x, linear(model, active, 2 * HIDDEN, HIDDEN))


def shape_block(model: Model) -> None:
    """Arithmetic on shapes, and movements that undo each other: 26 nodes."""
    x = model.tokens
    zero, end = model.constant([0], np.int64), model.constant([LARGEST_SLICE], np.int64)
    half = model.op("Div", dimension(model, x, 2), model.constant([2], np.int64))
    left = model.op("Slice", x, zero, half, model.constant([2], np.int64))
    right = model.op("Slice", x, half, end, model.constant([2], np.int64))
    x = model.op("Concat", model.op("Neg", right), left, axis=2)
    x = model.op("Transpose", model.op("Transpose", x, perm=[0, 2, 1]), perm=[0, 2, 1])
    x = reshape(model, reshape(model, x, x, HEADS, HIDDEN // HEADS), x, HIDDEN)
    x = model.op("Cast", model.op("Identity", x), to=onnx.TensorProto.FLOAT)
    x = model.op("Mul", x, model.constant(1.0))
    model.tokens = model.op("Squeeze", model.op("Unsqueeze", x, zero), zero)


def generate(ops: int) -> bytes:
    """An ONNX model of about so many nodes."""
    model = Model(np.random.default_rng(7))
    spent = {residual_block: 0, transformer_block: 0, shape_block: 0}
    while len(model.nodes) < ops:
        block = min(spent, key=lambda kind: spent[kind])
        before = len(model.nodes)
        block(model)
        spent[block] += len(model.nodes) - before
    floats = onnx.TensorProto.FLOAT
    image = ["N", CHANNELS, SIDE, SIDE]
    tokens = ["batch", "sequence", HIDDEN]
    graph = helper.make_graph(
        model.nodes,
        "generated",
        [
            helper.make_tensor_value_info("image", floats, image),
            helper.make_tensor_value_info("tokens", floats, tokens),
        ],
        [
            helper.make_tensor_value_info(model.image, floats, image),
            helper.make_tensor_value_info(model.tokens, floats, tokens),
        ],
        model.initializers,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    return made.SerializeToString()


@dataclass(frozen=True)
class Round:
    """Seconds of one model's way through the optimizer."""

    imported: float
    passes: tuple[tuple[str, float], ...]
    verified: float
    ops: tuple[int, int]
    """Ops of the module before and after the passes."""

    @property
    def total(self) -> float:
        """Seconds of all passes."""
        return sum(seconds for _, seconds in self.passes)


def ops_of(module: ModuleOp) -> int:
    """The pfrt ops of a module without constants."""
    return sum(op.name.startswith("pfrt.") and op.name != "pfrt.constant" for op in module.walk())


def run(
    model: bytes, passes: Sequence[ModulePass], profiler: cProfile.Profile | None = None
) -> Round:
    """Import and optimize a model."""
    gc.collect()
    start = time.process_time()
    program = compiler.load(model)
    imported = time.process_time() - start
    before = ops_of(program.module)
    marks: list[tuple[str, float]] = [("", time.process_time())]

    def mark(instance: ModulePass, module: ModuleOp) -> None:
        marks.append((instance.name, time.process_time()))

    if profiler is not None:
        profiler.enable()
    pipelines.run(program.ctx, program.module, passes, mark)
    if profiler is not None:
        profiler.disable()
    start = time.process_time()
    pipelines.verify_module(program.module)
    verified = time.process_time() - start
    steps = tuple((name, end - begin) for (_, begin), (name, end) in pairwise(marks))
    return Round(imported, steps, verified, (before, ops_of(program.module)))


def best(rounds: Sequence[Round]) -> Round:
    """The least time of each pass."""
    names = [name for name, _ in rounds[0].passes]
    least = [min(r.passes[i][1] for r in rounds) for i in range(len(names))]
    return Round(
        min(r.imported for r in rounds),
        tuple(zip(names, least, strict=True)),
        min(r.verified for r in rounds),
        rounds[0].ops,
    )


def report(rows: Sequence[Round]) -> str:
    """A Markdown table: a row a pass, a column a model, the last the ratio of first and last."""
    sizes = [row.ops[0] for row in rows]
    lines = [f"| | {' | '.join(f'{size} ops' for size in sizes)} | ratio |"]
    lines.append("|---|" + "---:|" * (len(rows) + 1))

    def line(name: str, seconds: Sequence[float]) -> None:
        ratio = seconds[-1] / seconds[0] if seconds[0] else 0.0
        cells = " | ".join(f"{each:.3f} s" for each in seconds)
        lines.append(f"| {name} | {cells} | {ratio:.1f} |")

    for i, (name, _) in enumerate(rows[0].passes):
        line(name, [row.passes[i][1] for row in rows])
    line("**all passes**", [row.total for row in rows])
    line("(import)", [row.imported for row in rows])
    line("(verification)", [row.verified for row in rows])
    after = " | ".join(str(row.ops[1]) for row in rows)
    lines.append(f"| (ops left) | {after} | |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ops", type=int, nargs="+", default=(5000, 20000))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pipeline", help="passes to run in place of the highest level's")
    parser.add_argument("--profile", type=int, metavar="N", help="show the N slowest functions")
    parser.add_argument("--json", action="store_true", help="figures as JSON, a line a model")
    args = parser.parse_args()
    passes = pipelines.parse(args.pipeline) if args.pipeline else optimization_levels.passes(LEVEL)
    if args.profile:
        profiler = cProfile.Profile()
        run(generate(max(args.ops)), passes, profiler)
        pstats.Stats(profiler, stream=sys.stdout).sort_stats("tottime").print_stats(args.profile)
        return
    models = [generate(ops) for ops in args.ops]
    # One after the other in each round: what else the machine does befalls all sizes.
    rounds = [[run(model, passes) for model in models] for _ in range(args.rounds)]
    rows = [best(column) for column in zip(*rounds, strict=True)]
    if args.json:
        for row in rows:
            print(json.dumps(vars(row) | {"total": row.total}))
        return
    print(report(rows))


if __name__ == "__main__":
    main()
