"""The Python blocks of the specification do what they say, on models that fit them.

The specification is no part of the project; where it is not there, docs/api.md, whose blocks run as
well, is what tells. Every block is run, or has its signature or declaration compared with ours, or
is in `TO_COME` with the reason: none is left out by a wildcard.
"""

from __future__ import annotations

import inspect
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyflame_rt
from pyflame_rt import (
    Graph,
    InferenceSession,
    custom,
    import_module,
    opt,
    partition,
    pruning,
    quantization,
    registrations,
    save_model,
)
from pyflame_rt.import_module import ImportResult

SPEC = Path(__file__).resolve().parents[3] / "shared" / "spec"
PAGES = ("api_reference.md", "developer_guide.md")
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
IMAGE = (1, 3, 224, 224)

NAMES = ("api_reference.md:57",)
"""Blocks that list names, as calls without arguments."""

SIGNATURES: dict[str, Callable[..., Any]] = {
    "api_reference.md:94": InferenceSession,
    "api_reference.md:138": InferenceSession.run,
    "api_reference.md:181": InferenceSession.get_inputs,
    "api_reference.md:201": InferenceSession.get_outputs,
    "api_reference.md:211": InferenceSession.get_modelmeta,
    "api_reference.md:232": InferenceSession.get_providers,
    "api_reference.md:242": InferenceSession.get_profiling_start_time_ns,
    "api_reference.md:252": InferenceSession.end_profiling,
    "api_reference.md:268": pyflame_rt.SessionOptions,
    "api_reference.md:290": pyflame_rt.SessionOptions.validate,
    "api_reference.md:317": pyflame_rt.RunOptions,
    "api_reference.md:346": pyflame_rt.CompileOptions,
    "api_reference.md:386": pyflame_rt.Tensor.numpy,
    "api_reference.md:396": pyflame_rt.Tensor.clone,
    "api_reference.md:406": pyflame_rt.Tensor.reshape,
    "api_reference.md:531": pyflame_rt.from_numpy,
    "api_reference.md:546": pyflame_rt.to_numpy,
    "api_reference.md:559": pyflame_rt.get_available_providers,
    "api_reference.md:576": pyflame_rt.get_device_count,
    "api_reference.md:595": pyflame_rt.from_onnx,
    "api_reference.md:640": pyflame_rt.ImportOptions,
    "api_reference.md:726": import_module.ONNXImporter.import_model,
    "api_reference.md:753": import_module.ONNXImporter.supported_opsets,
    "api_reference.md:777": import_module.PyTorchImporter.import_model,
    "api_reference.md:838": import_module.TorchScriptImporter.import_model,
    "api_reference.md:923": quantization.QuantConfig,
    "api_reference.md:962": quantization.QuantConfig.is_valid,
    "api_reference.md:972": quantization.QuantConfig.validation_error,
    "api_reference.md:1043": quantization.QuantParams.is_per_channel,
    "api_reference.md:1051": quantization.QuantParams.num_channels,
    "api_reference.md:1093": quantization.GraphQuantInfo.has_params,
    "api_reference.md:1101": quantization.GraphQuantInfo.get_params,
    "api_reference.md:1145": quantization.QuantizationStats.compression_ratio,
    "api_reference.md:1155": quantization.QuantizationStats.original_size_mb,
    "api_reference.md:1163": quantization.QuantizationStats.quantized_size_mb,
    "api_reference.md:1177": quantization.Quantizer,
    "api_reference.md:1191": quantization.Quantizer.convert_to_fp16,
    "api_reference.md:1204": quantization.Quantizer.convert_to_bfloat16,
    "api_reference.md:1212": quantization.Quantizer.quantize_dynamic,
    "api_reference.md:1220": quantization.Quantizer.quantize,
    "api_reference.md:1234": quantization.Quantizer.quantize_with_calibration,
    "api_reference.md:1276": quantization.Calibrator,
    "api_reference.md:1291": quantization.Calibrator.observe,
    "api_reference.md:1302": quantization.Calibrator.compute_quant_params,
    "api_reference.md:1312": quantization.Calibrator.calibrate,
    "api_reference.md:1327": quantization.Calibrator.get_stats,
}
"""Blocks that are signatures, and what has them here."""

FACTORIES: dict[str, type] = {
    "api_reference.md:931": quantization.QuantConfig,
    "api_reference.md:1005": quantization.QuantParams,
}
"""Blocks of several signatures `Class.name(...) -> Class`, and the class."""

DECLARATIONS: dict[str, type] = {
    "api_reference.md:1386": pruning.PruningGranularity,
    "api_reference.md:1396": pruning.PruningCriterion,
    "api_reference.md:1407": pruning.PruningSchedule,
    "api_reference.md:1573": custom.BackendType,
    "api_reference.md:1641": partition.DeviceType,
    "api_reference.md:1651": partition.PartitionStrategy,
    "api_reference.md:1779": pyflame_rt.PyFlameRTError,
    "api_reference.md:1787": pyflame_rt.InvalidModelError,
    "api_reference.md:1800": pyflame_rt.UnsupportedOperatorError,
    "api_reference.md:1812": pyflame_rt.ValidationError,
}
"""Blocks that declare a class, and ours."""

TO_COME: dict[str, dict[str, tuple[int, ...]]] = {
    "distillation": {
        "api_reference.md": (1471, 1477),
        "developer_guide.md": (2553, 2607, 2619, 2629, 2645),
    },
    "memory pools": {"developer_guide.md": (1457,)},
    "a cache of compiled models": {"developer_guide.md": (1536,)},
    "dynamic batching": {"developer_guide.md": (1720,)},
    "asynchronous sessions": {"developer_guide.md": (1864,)},
    "serving": {
        "api_reference.md": (2978, 3004, 3024, 3043),
        "developer_guide.md": (2031, 2177, 2215, 2229, 2296),
    },
}
"""What is not there yet -> the blocks that are about it."""

needs_spec = pytest.mark.skipif(not SPEC.is_dir(), reason="the specification is not there")


@cache
def blocks() -> dict[str, str]:
    """The Python blocks by page and line."""
    found: dict[str, str] = {}
    for page in PAGES if SPEC.is_dir() else ():
        text = (SPEC / page).read_text(encoding="utf-8")
        for match in BLOCK.finditer(text):
            found[f"{page}:{text.count(chr(10), 0, match.start()) + 1}"] = match.group(1)
    return found


def to_come() -> dict[str, str]:
    """Block -> what it waits for."""
    return {
        f"{page}:{line}": what
        for what, pages in TO_COME.items()
        for page, lines in pages.items()
        for line in lines
    }


LISTED = (*NAMES, *SIGNATURES, *FACTORIES, *DECLARATIONS)
RUN = [b for b in blocks() if b not in {*LISTED, *to_come()}]
TORCH = {"traced_model.pt", "model.pt", "model.pth", "checkpoint.pt"}


def classifier(outputs: tuple[str, ...] = ("output",)) -> Graph:
    """Images to the logits of 1000 classes, with a node for every optimization."""
    rng = np.random.default_rng(0)
    graph = Graph("classifier")
    graph.add_input("input", [None, *IMAGE[1:]])
    graph.add_initializer("weight", rng.normal(size=(3, 1000)).astype(np.float32))
    graph.add_initializer("bias", rng.normal(size=1000).astype(np.float32))
    graph.add_node("pool", "GlobalAveragePool", ["input"], ["pooled"])
    graph.add_node("flatten", "Flatten", ["pooled"], ["flat"])
    graph.add_node("same", "Identity", ["flat"], ["also_flat"])
    for name in outputs:
        graph.add_node(f"fc_{name}", "Gemm", ["also_flat", "weight", "bias"], [name])
        graph.add_output(name, [None, 1000])
    return graph


def convolutional() -> Graph:
    """Images to classes by two convolutions, whose channels can go, and which devices can share."""
    rng = np.random.default_rng(1)
    graph = Graph("convolutional")
    graph.add_input("input", [None, *IMAGE[1:]])
    graph.add_output("output", [None, 10])
    shapes = {"conv1": (16, 3, 7, 7), "conv2": (16, 16, 3, 3), "final_classifier": (10, 16)}
    for name, shape in shapes.items():
        graph.add_initializer(f"{name}.weight", rng.normal(size=shape).astype(np.float32))
    graph.add_node("conv1", "Conv", ["input", "conv1.weight"], ["a"], strides=[8, 8])
    graph.add_node("relu1", "Relu", ["a"], ["b"])
    graph.add_node("conv2", "Conv", ["b", "conv2.weight"], ["c"])
    graph.add_node("relu2", "Relu", ["c"], ["d"])
    graph.add_node("pool", "GlobalAveragePool", ["d"], ["e"])
    graph.add_node("flat", "Flatten", ["e"], ["f"])
    inputs = ["f", "final_classifier.weight"]
    graph.add_node("final_classifier", "Gemm", inputs, ["output"], transB=1)
    return graph


def define_model(graph: Graph, weights: dict[str, pyflame_rt.Tensor]) -> None:
    graph.add_input("x", [None, 784])
    graph.add_initializer("w", weights["fc.weight"])
    graph.add_node("mm", "MatMul", ["x", "w"], ["y"])
    graph.add_output("y", [None, 10])


@pytest.fixture(autouse=True)
def taken_back() -> Iterator[None]:
    """Operators that a block registers are gone after it."""
    with registrations.recording() as undo:
        yield
        registrations.undo_all(undo)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every model file that the blocks read."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("model.pfm", "model.onnx", "resnet50.onnx"):
        save_model(classifier(), folder / name)
    save_model(convolutional(), folder / "large_model.pfm")
    try:
        import torch
    except ImportError:
        return folder
    shapes = {"fc": (784, 10), "fc1": (784, 16), "fc2": (16, 10)}
    weights = {f"{name}.weight": torch.zeros(shape) for name, shape in shapes.items()}
    weights |= {f"{name}.bias": torch.zeros(shape[1]) for name, shape in shapes.items()}
    torch.save(weights, folder / "model.pth")
    torch.save({"model_state_dict": weights}, folder / "checkpoint.pt")
    layers = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.ReLU())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        traced = torch.jit.trace(layers.eval(), torch.zeros(IMAGE))
        for name in ("traced_model.pt", "model.pt"):
            torch.jit.save(traced, folder / name)
    return folder


def surroundings(block: str) -> dict[str, Any]:
    """What a block takes for granted, mostly because blocks above it say it."""
    session = InferenceSession(classifier(), providers=["CPUExecutionProvider"])
    image = np.ones(IMAGE, np.float32)
    found: dict[str, Any] = {
        "np": np,
        "pyflame_rt": pyflame_rt,
        "opt": opt,
        "partition": partition,
        "pruning": pruning,
        "quantization": quantization,
        **{name: getattr(quantization, name) for name in quantization.__all__},
        "options": pyflame_rt.SessionOptions(),
        "test_input": image,
        "load_calibration_image": lambda index: image * index,
        "get_calibration_data": lambda: {"input": image},
        "OptLevel": pyflame_rt.OptLevel,
        "session": session,
        "graph": session.graph(),
        "input_data": image,
        "data": image,
        "inputs": {"input": image},
        "data_loader": [image, image],
        "numpy_array": image,
        "tensor": pyflame_rt.from_numpy(np.ones((2, 3, 4), np.float32)),
        "result": ImportResult(True, session.graph()),
        "define_model": define_model,
        "importer": import_module.TorchScriptImporter(),
        "logger": logging.getLogger(__name__),
        "CustomOpBuilder": custom.CustomOpBuilder,
        "BackendType": custom.BackendType,
    }
    if block == "api_reference.md:164":
        found["session"] = InferenceSession(classifier(("output1", "output2")))
    if "pruning" in blocks()[block] or "partition" in blocks()[block]:
        layers = InferenceSession(convolutional(), providers=["CPUExecutionProvider"])
        found |= {"session": layers, "graph": layers.graph()}
        found["input_tensor"] = pyflame_rt.from_numpy(image)
    if "SparseTensor" in blocks()[block]:
        found["input_tensor"] = np.ones((3 * 7 * 7, 5), np.float32)
    if "partition" in blocks()[block]:
        found["config"] = partition.PartitionConfig()
    if "PartitionedExecutor" in blocks()[block]:
        found["plan"] = partition.auto_partition(found["graph"], num_devices=2)
    return found


def marked(block: str) -> object:
    """A block, marked where it reads what torch writes."""
    needs_torch = any(f'"{name}"' in blocks()[block] for name in TORCH)
    return pytest.param(block, marks=pytest.mark.torch) if needs_torch else block


@needs_spec
@pytest.mark.parametrize("block", [marked(block) for block in RUN])
def test_a_block_runs(block: str, models: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    code = blocks()[block]
    if any(f'"{name}"' in code for name in TORCH):
        pytest.importorskip("torch")
    for file in models.iterdir():
        (tmp_path / file.name).symlink_to(file)
    monkeypatch.chdir(tmp_path)
    page, line = block.split(":")
    namespace = surroundings(block)
    exec(compile("\n" * int(line) + code, page, "exec"), namespace)
    result = namespace["result"]
    assert not isinstance(result, ImportResult) or result.success, result.error
    executor = namespace.get("executor")
    if isinstance(executor, partition.PartitionedExecutor):
        (expected,) = namespace["session"].run(None, {"input": np.ones(IMAGE, np.float32)})
        found = namespace["outputs"]["output"].numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)
        executor.close()
    for function in ("process_model", "test_model_outputs", "process_in_batches", "safe_inference"):
        if function in namespace:
            called(namespace, function)


def called(namespace: dict[str, Any], name: str) -> None:
    """Call a function that a block defines."""
    image = np.zeros(IMAGE, np.float32)
    session = InferenceSession("model.pfm")
    arguments: dict[str, tuple[Any, ...]] = {
        "process_model": ("model.pfm", image),
        "process_in_batches": (session, np.repeat(image, 3, axis=0), 2),
        "safe_inference": (session, {"input": image}),
    }
    namespace[name](*arguments.get(name, ()))


@needs_spec
@pytest.mark.parametrize("block", NAMES)
def test_listed_names_exist(block: str):
    for name in re.findall(r"^pyflame_rt\.(\w+)", blocks()[block], re.M):
        assert getattr(pyflame_rt, name) is not None


@needs_spec
@pytest.mark.parametrize("block", SIGNATURES)
def test_a_signature_is_ours(block: str):
    """Documented parameters can be given by name, and in the documented order."""
    text = blocks()[block]
    name, listed = re.match(r"(\w+)\((.*?)\)(?: -> [^)]*)?\s*$", text, re.S).groups()  # type: ignore[union-attr]
    target = SIGNATURES[block]
    assert target.__name__ == name
    documented = re.findall(r"(?:^|,)\s*(\w+)\s*:", listed, re.M)
    signature = inspect.signature(target)
    own = ["self"] if next(iter(signature.parameters), "") == "self" else []
    signature.bind(*own, *documented)
    for parameter in documented:
        assert parameter in signature.parameters


@needs_spec
@pytest.mark.parametrize("block", FACTORIES)
def test_factories_are_ours(block: str):
    """As for a signature; defaults of parameters are those that are documented, too."""
    text, ours = blocks()[block], FACTORIES[block]
    found = re.findall(r"^(\w+)\.(\w+)\((.*?)\) -> (\w+)$", text, re.M | re.S)
    assert found
    for name, method, listed, result in found:
        assert name == result == ours.__name__
        parameters = inspect.signature(getattr(ours, method)).parameters
        documented = re.findall(r"(\w+): [\w\[\]]+(?: = ([\w.]+))?", listed)
        assert list(parameters) == [each for each, _ in documented]
        for each, default in documented:
            theirs = (
                eval(default, {"DType": pyflame_rt.DType}) if default else inspect.Parameter.empty
            )
            assert parameters[each].default == theirs


@needs_spec
@pytest.mark.parametrize("block", DECLARATIONS)
def test_a_declared_class_is_ours(block: str):
    text, ours = blocks()[block], DECLARATIONS[block]
    name, base = re.match(r"class (\w+)\((\w+)\)", text).groups()  # type: ignore[union-attr]
    assert ours.__name__ == name
    assert base in [kind.__name__ for kind in ours.__mro__]
    for member, value in re.findall(r"^    (\w+) = (\d+)", text, re.M):
        assert ours[member].value == int(value)  # type: ignore[index]


@needs_spec
def test_every_block_is_in_one_table():
    """A table that names a block that is not there, or one twice, is out of date."""
    listed = [*LISTED, *to_come()]
    assert len(listed) == len(set(listed))
    assert set(listed) <= set(blocks())


def names_in(code: str) -> set[str]:
    """Names of modules and what is in them, as a block uses or imports them."""
    names = set(re.findall(r"pyflame_rt\.([a-z_]+\.[A-Za-z]\w*)\b", code))
    names.update(re.findall(r"from pyflame_rt\.(\w+) import wse", code))
    for module, imported in re.findall(r"^from pyflame_rt(?:\.(\w+))? import (.+)$", code, re.M):
        names.update(f"{module}.{name}".strip(".") for name in imported.split(", "))
    return names - {name for name in names if name.startswith("import_module")}


def resolves(name: str) -> bool:
    """Whether a name below pyflame_rt is there."""
    found: object = pyflame_rt
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is not None


@needs_spec
@pytest.mark.parametrize("what", TO_COME)
def test_what_is_to_come_is_not_there(what: str):
    """When its first name is there, its blocks are to be run."""
    names = {n for block, w in to_come().items() if w == what for n in names_in(blocks()[block])}
    assert names
    assert not [name for name in names if resolves(name)]
