"""Nodes left after the highest optimization level, beside the graph that onnxruntime saves.

    python benchmarks/node_counts.py [FILE.onnx …] [--networks FOLDER] [--ops] [--passes] [--json]

Without files: the nine light models of the onnx package, ultraface where it lies beside the
repository, and the networks that scripts/make_networks.py wrote to FOLDER (its tiny ones by
default: fewer layers, the same forms). Counted are all nodes with those of subgraphs: ours but
constants and yields, a `pfrt.fused` region as one; onnxruntime's but Constant, in the graph that it
saves at ORT_ENABLE_ALL on this machine. `--passes` tells by how many nodes each pass changed ours,
`--ops` how many there are of each kind.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnxruntime
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, Region
from xdsl.passes import ModulePass
from xdsl.traits import ConstantLike, IsTerminator

from pyflame_rt import compiler, pipelines
from pyflame_rt.passes import optimization_levels

ROOT = Path(__file__).resolve().parent.parent
TINY = ROOT / "tests" / "networks"
SHARED = ROOT.parent / "shared" / "models" / "ultraface_rfb320"
NETWORKS = ("resnet50", "mobilenet_v2", "bert_base", "gpt2")
LEVEL = 3


@dataclass(frozen=True)
class Counts:
    """The nodes of one model by kind: ours as imported and optimized, and onnxruntime's."""

    model: str
    imported: int
    ours: Counter[str]
    onnxruntime: Counter[str]
    passes: tuple[tuple[str, int], ...]
    """Each pass of the pipeline in order, with the nodes it added (below 0: removed)."""


def nodes(region: Region) -> Iterator[Operation]:
    """The ops of a region that count as nodes."""
    for op in region.walk():
        if not op.name.startswith("pfrt."):
            continue
        if op.has_trait(ConstantLike) or op.has_trait(IsTerminator):
            continue
        parent = op.parent_op()
        if parent is None or parent.name != "pfrt.fused":
            yield op


def main_nodes(module: ModuleOp) -> Counter[str]:
    """The nodes of a module's @main by op name."""
    counts: Counter[str] = Counter()
    for op in module.ops:
        if op.name == "func.func" and op.regions[0].blocks:
            counts.update(node.name for node in nodes(op.regions[0]))
    return counts


def onnx_nodes(graph: onnx.GraphProto) -> Iterator[str]:
    """The op types of a graph and its subgraphs."""
    for node in graph.node:
        if node.op_type != "Constant":
            yield node.op_type
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from onnx_nodes(attribute.g)


def by_onnxruntime(path: Path) -> Counter[str]:
    """The nodes of the graph that onnxruntime saves."""
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.optimized_model_filepath = f"{folder}/optimized.onnx"
        options.log_severity_level = 3
        onnxruntime.InferenceSession(path, options)
        saved = onnx.load(options.optimized_model_filepath, load_external_data=False)
    return Counter(onnx_nodes(saved.graph))


def measure(path: Path, passes: Sequence[ModulePass]) -> Counts:
    """Both counts of a model."""
    program = compiler.load(path)
    imported = main_nodes(program.module).total()
    steps: list[tuple[str, int]] = []

    def count(instance: ModulePass, module: ModuleOp) -> None:
        before = imported + sum(change for _, change in steps)
        steps.append((instance.name, main_nodes(module).total() - before))

    pipelines.run(program.ctx, program.module, passes, count, verify=True)
    name = f"{path.parent.name}/{path.stem}" if path.stem.startswith("model") else path.stem
    return Counts(name, imported, main_nodes(program.module), by_onnxruntime(path), tuple(steps))


def paths(networks: Path) -> list[Path]:
    """The models that are measured when none are named."""
    light = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    made = [networks / f"{name}.{by}.onnx" for name in NETWORKS for by in ("torchscript", "dynamo")]
    return [
        *sorted(light.glob("*.onnx")),
        *sorted(SHARED.glob("*.onnx")),
        *(path for path in made if path.exists()),
    ]


def by_pass(counts: Counts) -> str:
    """What each pass changed, the most first: `pfrt-fuse-activations -49`."""
    totals: Counter[str] = Counter()
    for name, change in counts.passes:
        totals[name] += change
    changed = sorted((change, name) for name, change in totals.items() if change)
    return ", ".join(f"{name} {change:+}" for change, name in changed)


def table(rows: list[Counts], *, passes: bool) -> Iterator[str]:
    """A Markdown table of the counts."""
    heads = ["model", "as imported", "ours", "onnxruntime", "", *(["passes"] if passes else [])]
    yield f"| {' | '.join(heads)} |"
    yield "|---|---:|---:|---:|---|" + ("---|" if passes else "")
    for row in rows:
        ours, theirs = row.ours.total(), row.onnxruntime.total()
        verdict = (
            "fewer" if ours < theirs else "equal" if ours == theirs else f"**+{ours - theirs}**"
        )
        cells = [row.model, str(row.imported), str(ours), str(theirs), verdict]
        yield f"| {' | '.join(cells + ([by_pass(row)] if passes else []))} |"


def kinds(row: Counts) -> str:
    """All kinds of nodes of a model, ours and theirs."""
    sides = ((name, counter.most_common()) for name, counter in
             (("ours", row.ours), ("onnxruntime", row.onnxruntime)))  # fmt: skip
    lines = (
        f"  {side}: " + ", ".join(f"{name.removeprefix('pfrt.')} {n}" for name, n in counts)
        for side, counts in sides
    )
    return "\n".join([row.model, *lines])


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", type=Path, metavar="FILE.onnx")
    parser.add_argument("--networks", type=Path, default=TINY, metavar="FOLDER")
    parser.add_argument("--pipeline", help="passes to run in place of the highest level's")
    parser.add_argument("--passes", action="store_true", help="what each pass changed")
    parser.add_argument("--ops", action="store_true", help="the nodes of each kind")
    parser.add_argument("--json", action="store_true", help="figures as JSON, a line a model")
    args = parser.parse_args()
    passes = pipelines.parse(args.pipeline) if args.pipeline else optimization_levels.passes(LEVEL)
    onnxruntime.set_default_logger_severity(3)
    rows: list[Counts] = []
    for path in args.models or paths(args.networks):
        rows.append(measure(path, passes))
        if args.json:
            print(json.dumps(vars(rows[-1])))
    if args.json:
        return
    print("\n".join(table(rows, passes=args.passes)))
    if args.ops:
        print("\n" + "\n".join(map(kinds, rows)))


if __name__ == "__main__":
    main()
