"""Prunes whole models by channels and checks what is left against the dense model with zeros.

    python scripts/check_pruning.py MODEL.onnx … [--light] [--amounts 0.3 0.5]
        [--of channels flops parameters] [--level 1] [--dims batch=1 sequence=16]

For each model, amount and measure one line of a table: parameters and flops before and after, what
was planned and what a recount of the pruned model finds, and how far onnxruntime's outputs of the
pruned model (after export, checked by onnx) are from those of the dense model whose channels are
zero, over the largest output. `--light` adds the light models of the onnx package, with drawn
weights in place of their fills.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.frontends.onnx import import_onnx
from pyflame_rt.frontends.onnx.export import export_onnx
from pyflame_rt.passes.cleanup.pfrt_optimize import PfrtOptimizePass
from pyflame_rt.passes.pruning.channel_costs import Cost, CostModel
from pyflame_rt.passes.pruning.channel_groups import ChannelGroups
from pyflame_rt.passes.pruning.channels import MEASURES, Budget, plan_channels
from pyflame_rt.passes.pruning.relations.kept import Kept
from pyflame_rt.universe import make_context

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
TOLERANCE = 1e-4

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Line:
    """What came of pruning one model to one budget."""

    model: str
    budget: Budget
    before: Cost
    planned: Cost
    counted: Cost
    groups: int
    fixed: int
    error: float

    @property
    def problem(self) -> str:
        """What is wrong, "" for nothing."""
        if self.groups == 0:
            return "nothing can go"
        if self.planned != self.counted:
            return f"planned {self.planned}, counted {self.counted}"
        return "" if self.error <= TOLERANCE else "outputs differ"

    def __str__(self) -> str:
        parts = (
            self.model,
            f"{self.budget.amount:.0%} {self.budget.of}",
            f"{1 - self.planned.channels / self.before.channels:.1%}",
            f"{self.before.parameters / 1e6:.2f} → {self.planned.parameters / 1e6:.2f}",
            f"{self.before.flops / 1e9:.3f} → {self.planned.flops / 1e9:.3f}",
            f"{1 - self.planned.flops / self.before.flops:.1%}",
            f"{self.groups}",
            f"{self.fixed}",
            f"{self.error:.1e}",
            self.problem or "ok",
        )
        return f"| {' | '.join(parts)} |"


HEADER = (
    "| model | budget | channels less | parameters (M) | flops (G) | flops less | groups | fixed "
    "weights | error | |\n|---|---|---|---|---|---|---|---|---|---|"
)


def with_random_weights(path: Path) -> bytes:
    """A light model with drawn weights of variance 2 / fan-in in place of its fills."""
    model = onnx.load(path)
    generator = np.random.default_rng(0)
    shapes = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    for node in [node for node in model.graph.node if node.op_type == "ConstantOfShape"]:
        shape = tuple(int(size) for size in shapes[node.input[0]])
        if len(shape) > 1:
            array = generator.standard_normal(shape, np.float32)
            array *= np.float32(np.sqrt(2 / np.prod(shape[1:])))
        else:
            array = generator.random(shape, np.float32) + np.float32(0.5)
        model.graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
        model.graph.node.remove(node)
    last = model.graph.node[-1]
    if last.op_type == "Softmax":
        # A softmax of large numbers hides all but one of them.
        model.graph.output[0].name = last.input[0]
        model.graph.node.remove(last)
    return model.SerializeToString()


def outputs(module: ModuleOp, feeds: Mapping[str, Array]) -> list[Array]:
    """What onnxruntime computes of a module after export."""
    model = export_onnx(module, opset=None)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    names = {value.name for value in session.get_inputs()}
    return session.run(None, {name: array for name, array in feeds.items() if name in names})


def drawn_feeds(source: str | bytes, dims: Mapping[str, int]) -> dict[str, Array]:
    """Inputs for a model: normal floats, integers 0 and 1."""
    model = onnx.load(source) if isinstance(source, str) else onnx.load_from_string(source)
    fixed = {tensor.name for tensor in model.graph.initializer}
    generator = np.random.default_rng(1)
    feeds: dict[str, Array] = {}
    for value in model.graph.input:
        if value.name in fixed:
            continue
        kind = value.type.tensor_type
        shape = [dim.dim_value or dims.get(dim.dim_param, 16) for dim in kind.shape.dim]
        if shape and kind.shape.dim[0].dim_param not in ("", *dims):
            shape[0] = 2
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
        array = generator.standard_normal(shape)
        feeds[value.name] = (array if dtype.kind == "f" else array > 0).astype(dtype)
    return feeds


def recounted(module: ModuleOp) -> Cost:
    """What a module costs as it is."""
    groups = ChannelGroups.of(module)
    everything = Kept(groups.slots, np.ones(len(groups.slots), bool))
    return CostModel(module, groups).cost(everything)


def difference(found: list[Array], expected: list[Array]) -> float:
    """The largest difference over the largest output."""
    worst = 0.0
    for mine, theirs in zip(found, expected, strict=True):
        if mine.shape != theirs.shape or mine.dtype != theirs.dtype:
            return float("inf")
        if mine.size:
            scale = float(np.abs(theirs.astype(np.float64)).max()) or 1.0
            gap = float(np.abs(mine.astype(np.float64) - theirs).max()) / scale
            worst = max(worst, gap if np.isfinite(gap) else float("inf"))
    return worst


def check(name: str, source: str | bytes, budget: Budget, args: argparse.Namespace) -> Line:
    """Prune a model and compare."""
    module = import_onnx(source)
    PfrtOptimizePass(args.level).apply(make_context(), module)
    plan = plan_channels(module, budget, scope=args.scope)
    feeds = drawn_feeds(source, dict(args.dims))
    expected = outputs(plan.masked(), feeds)
    report = plan.apply()
    module.verify()
    error = difference(outputs(module, feeds), expected)
    counted = recounted(module)
    groups, fixed = len(report.groups), len(report.fixed)
    return Line(name, budget, report.before, report.after, counted, groups, fixed, error)


def sources(args: argparse.Namespace) -> Iterator[tuple[str, str | bytes]]:
    """The models by name."""
    for path in args.models:
        yield path.stem if path.stem != "model" else path.parent.name, str(path)
    for path in sorted(LIGHT.glob("light_*.onnx")) if args.light else ():
        yield path.stem, with_random_weights(path)


def dimension(text: str) -> tuple[str, int]:
    """A symbol and its size."""
    name, _, size = text.partition("=")
    return name, int(size)


def main() -> int:
    """Check all, print the table; 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--light", action="store_true", help="the light models of the onnx package")
    parser.add_argument("--amounts", nargs="+", type=float, default=[0.3, 0.5])
    parser.add_argument("--of", nargs="+", choices=MEASURES, default=["channels"])
    parser.add_argument("--scope", choices=("global", "group"), default="global")
    parser.add_argument("--level", type=int, default=1, help="optimization level before pruning")
    parser.add_argument(
        "--dims",
        nargs="*",
        type=dimension,
        default=[],
        help="sizes of symbols, else 2 for a first dimension and 16 for others",
    )
    args = parser.parse_args()
    print(HEADER)
    wrong = 0
    for name, source in sources(args):
        for measure in args.of:
            for amount in args.amounts:
                line = check(name, source, Budget(amount, measure), args)
                wrong += bool(line.problem)
                print(line, flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main())
