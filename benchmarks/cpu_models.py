"""The models of benchmarks/cpu.py: where their files are, and what they are fed."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Model:
    """A model by name; `dims` are its symbols' values but for the batch."""

    name: str
    dims: dict[str, int] = field(default_factory=dict)

    def path(self, folder: Path) -> Path:
        """Its file."""
        return folder / (
            f"{self.name}.onnx" if self.name in SMALL else f"{self.name}.torchscript.onnx"
        )

    def feed(self, folder: Path, batch: int) -> dict[str, np.ndarray]:
        """Drawn inputs."""
        rng = np.random.default_rng(0)
        if self.name in SMALL:
            return {"x": rng.standard_normal((batch, *SMALL[self.name])).astype(np.float32)}
        manifest = json.loads((folder / "manifest.json").read_text())
        dims = {"batch": batch, **self.dims}
        fed: dict[str, np.ndarray] = {}
        for name, about in manifest["networks"][self.name]["inputs"].items():
            shape = [dims[dim] if isinstance(dim, str) else dim for dim in about["shape"]]
            if about["limit"]:
                fed[name] = rng.integers(about["limit"], size=shape).astype(about["dtype"])
            else:
                fed[name] = rng.standard_normal(shape).astype(about["dtype"])
        return fed


MODELS = (
    Model("resnet50"),
    Model("mobilenet_v2"),
    Model("bert_base", {"sequence": 128}),
    Model("gpt2", {"sequence": 1, "past": 128}),
    Model("mlp"),
    Model("lenet"),
)
SMALL = {"mlp": (784,), "lenet": (1, 28, 28)}
"""Those that are made here, without torch: the shape of an input without its batch."""


def make(folder: Path, names: list[str]) -> None:
    """Write the files that are not there yet. The large networks need torch."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in set(names) & SMALL.keys():
        (folder / f"{name}.onnx").write_bytes(_small(name).SerializeToString())
    missing = [n for n in names if n not in SMALL and not Model(n).path(folder).exists()]
    if missing:
        script = ROOT / "scripts" / "make_networks.py"
        options = ["--size", "full", "--folder", folder, "--exporter", "torchscript"]
        subprocess.run([sys.executable, script, *options, "--only", *missing], check=True)


class _Graph:
    """Nodes in a row, each on the result of the one before."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.value = "x"
        self._rng = np.random.default_rng(7)

    def add(self, op: str, *shapes: tuple[int, ...], **attributes: object) -> None:
        """A node with drawn weights of such shapes."""
        names: list[str] = []
        for shape in shapes:
            names.append(f"w{len(self.weights)}")
            scale = (1.5 / max(1, np.prod(shape[1:]))) ** 0.5
            drawn = (self._rng.standard_normal(shape) * scale).astype(np.float32)
            self.weights.append(numpy_helper.from_array(drawn, names[-1]))
        result = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, [self.value, *names], [result], **attributes))
        self.value = result

    def linear(self, inputs: int, outputs: int) -> None:
        """A fully connected layer."""
        self.add("Gemm", (outputs, inputs), (outputs,), transB=1)


def _small(name: str) -> onnx.ModelProto:
    graph, shape = _Graph(), SMALL[name]
    if name == "mlp":
        graph.linear(784, 256)
        graph.add("Relu")
        graph.linear(256, 10)
    else:
        for channels, features, pads in ((1, 6, [2, 2, 2, 2]), (6, 16, [0, 0, 0, 0])):
            graph.add("Conv", (features, channels, 5, 5), (features,), pads=pads)
            graph.add("Relu")
            graph.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
        graph.add("Flatten")
        for inputs, outputs in ((400, 120), (120, 84)):
            graph.linear(inputs, outputs)
            graph.add("Relu")
        graph.linear(84, 10)
    fed = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *shape])
    given = helper.make_tensor_value_info(graph.value, TensorProto.FLOAT, ["N", 10])
    made = helper.make_graph(graph.nodes, name, [fed], [given], graph.weights)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
