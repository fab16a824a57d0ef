"""Level 3 gives the answers of level 0 on ONNX's own test models, exported networks, real models.

The rule is that of `agreement.judging`: errors against a float64 run of the same module. Models of
quantised numbers and a few others have no float64 form: they are held against level 0 itself.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from agreement.ways import Examination
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests
from xdsl.dialects.builtin import ModuleOp

from pyflame_rt import compiler, feeds
from pyflame_rt.backends.base import get_backend
from pyflame_rt.dialects.pfrt.random import MakesAnew
from pyflame_rt.errors import PyFlameRTError

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "models"
NETWORKS = ROOT / "tests" / "networks"
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
PARTS = 4

pytestmark = pytest.mark.slow


def check(
    model: Path | bytes, given: Sequence[Mapping[str, Any]], *, large: bool = False
) -> Examination:
    """Level 3 is as good as level 0 on each feed; large models run on plans only."""
    examination = examine(compiler.load(model).module, given, () if large else (3,))
    examination.backend = "numpy" if large else "reference"
    assert examination.complaints() == []
    return examination


def examine(
    module: ModuleOp, given: Sequence[Mapping[str, Any]], specialise: Sequence[int]
) -> Examination:
    specs, _ = compiler.signature(module)
    arrays = [feeds.prepare(feed, specs) for feed in given]
    return Examination(module, arrays, levels=(3,), specialise=specialise)


def recorded(folder: Path) -> Iterator[list[Any]]:
    """The inputs of each recorded run beside a model, in the order of its inputs."""
    for run in sorted(folder.glob("test_data_set_*")):
        files = sorted(run.glob("input_*.pb"), key=lambda path: int(path.stem.split("_")[1]))
        yield [path.read_bytes() for path in files]


def decoded(data: bytes, kind: onnx.TypeProto) -> Any:
    """A recorded value of a type."""
    is_sequence = kind.WhichOneof("value") == "sequence_type"
    return plain((onnx.SequenceProto if is_sequence else onnx.TensorProto).FromString(data))


def recorded_feeds(path: Path) -> list[dict[str, Any]]:
    """What the recorded runs beside a model feed."""
    graph = onnx.load(path, load_external_data=False).graph
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    return [
        {v.name: decoded(data, v.type) for v, data in zip(inputs, run, strict=False)}
        for run in recorded(path.parent)
    ]


def draws(module: ModuleOp) -> bool:
    """Whether two runs need not agree."""
    return any(op.has_trait(MakesAnew) for op in module.walk())


@cache
def official() -> list[tuple[str, Path | bytes, list[dict[str, Any]]]]:
    """The models of ONNX's suite but the downloaded ones, and what it feeds them.

    The suite can be made but once in a process, and warns of what its own arithmetic does.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nodes = load_model_tests(kind="node")
    found: list[tuple[str, Path | bytes, list[dict[str, Any]]]] = []
    for case in nodes:
        names = [value.name for value in case.model.graph.input]
        given = [
            {name: plain(item) for name, item in zip(names, inputs, strict=False)}
            for inputs, _ in case.data_sets
        ]
        found.append((case.name, case.model.SerializeToString(), given))
    for kind in ("simple", "pytorch-converted", "pytorch-operator"):
        for case in load_model_tests(kind=kind):
            path = Path(case.model_dir) / "model.onnx"
            found.append((case.name, path, recorded_feeds(path)))
    return found


def plain(item: Any) -> Any:
    """A value of the suite as it is fed."""
    match item:
        case onnx.TensorProto():
            return numpy_helper.to_array(item)
        case onnx.SequenceProto():
            return numpy_helper.to_list(item)
        case onnx.OptionalProto():
            return numpy_helper.to_optional(item)
        case _:
            return item


@pytest.mark.parametrize("part", range(PARTS))
def test_official_models(part: int):
    """Every model of ONNX's suite that runs at level 0: what does not, its own test knows."""
    found: list[str] = []
    ran = 0
    for name, model, given in official()[part::PARTS]:
        try:
            module = compiler.load(model).module
            specs, _ = compiler.signature(module)
            reference = get_backend("reference").compile(module)
            for feed in given:
                reference.run(feeds.prepare(feed, specs))
        except PyFlameRTError:
            continue
        if not draws(module):
            ran += 1
            found += [f"{name}: {why}" for why in examine(module, given, ()).complaints()]
    assert not found, "\n".join(found)
    assert ran > 450


@pytest.mark.parametrize("path", sorted(NETWORKS.glob("*.onnx")), ids=lambda path: path.stem)
def test_networks(path: Path):
    """Exported networks, for two sets of sizes of their symbols."""
    manifest = json.loads((NETWORKS / "manifest.json").read_text())["networks"]
    entry = next(e for e in manifest.values() if path.name in e["files"].values())
    check(path, [drawn(entry, scale) for scale in (0, 1)])


def drawn(entry: Mapping[str, Any], scale: int) -> dict[str, np.ndarray]:
    """Inputs of a network of the manifest; each symbol `scale` steps above its lowest size."""
    generator = np.random.default_rng(scale)
    sizes = {symbol: low + scale * step for symbol, (low, _, step) in entry["dims"].items()}
    arrays: dict[str, np.ndarray] = {}
    for name, given in entry["inputs"].items():
        shape = [sizes.get(dim, dim) for dim in given["shape"]]
        if given["limit"]:
            arrays[name] = generator.integers(given["limit"], size=shape, dtype=given["dtype"])
        else:
            arrays[name] = generator.standard_normal(shape).astype(given["dtype"])
    if "attention_mask" in arrays:
        arrays["attention_mask"][:, 0] = 1
    return arrays


@pytest.mark.parametrize("model", ["cnn", "mlp"])
def test_digits(model: str):
    """The digits networks, on two batches."""
    path = ROOT / "examples" / "digits" / f"{model}.onnx"
    images = np.load(path.parent / "test.npz")["images"]
    check(path, [{"images": images[:batch]} for batch in (1, 7)])


@pytest.mark.parametrize(
    "name", ["mnist_cntk/model", "ultraface_rfb320/model", "ultraface_rfb320/model_nopost"]
)
def test_recorded_models(name: str):
    """Real models, on what was recorded with them."""
    path = SHARED / f"{name}.onnx"
    if not path.exists():
        pytest.skip(f"{path.name} is not at hand")
    check(path, recorded_feeds(path))


# VGG-19 is operators of AlexNet again, in half a gigabyte.
LIGHT_MODELS = sorted(set(LIGHT.glob("light_*.onnx")) - {LIGHT / "light_vgg19.onnx"})


@pytest.mark.parametrize("path", LIGHT_MODELS, ids=lambda path: path.stem)
def test_light_models(path: Path):
    """The ImageNet architectures of the onnx wheel, with drawn weights."""
    data = with_drawn_weights(path)
    graph = onnx.load_from_string(data).graph
    weights = {tensor.name for tensor in graph.initializer}
    (given,) = (value for value in graph.input if value.name not in weights)
    shape = [dim.dim_value for dim in given.type.tensor_type.shape.dim]
    image = np.random.default_rng(1).random(shape, np.float32)
    check(data, [{given.name: image}], large=True)


def with_drawn_weights(path: Path) -> bytes:
    """A light model with random weights of variance 2 / fan-in in place of its fills.

    What goes into its last softmax is an output too: that of large numbers hides all but one.
    """
    model = onnx.load(path)
    generator = np.random.default_rng(0)
    shapes = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in [n for n in model.graph.node if n.op_type == "ConstantOfShape"]:
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
        logits = onnx.ValueInfoProto()
        logits.CopyFrom(model.graph.output[0])
        logits.name = last.input[0]
        model.graph.output.append(logits)
    return model.SerializeToString()
