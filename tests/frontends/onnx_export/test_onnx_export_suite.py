"""ONNX's official models survive the way into IR and back: onnxruntime gives what it gave before.

`exceptions.txt` names the models that are not compared, and why.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from xdsl.dialects.builtin import ModuleOp

from pyflame_rt import InferenceSession, pipelines
from pyflame_rt.errors import UnsupportedOperatorError
from pyflame_rt.frontends.onnx import import_onnx
from pyflame_rt.frontends.onnx.export import export_onnx
from pyflame_rt.universe import make_context

HERE = Path(__file__).parent
EXCEPTIONS = dict(
    line.split(": ", 1) for line in (HERE / "exceptions.txt").read_text().splitlines()
)
WAYS = ((0, None), (3, 17))
"""Optimization level and opset: as models are, and after all optimisations for an old opset."""
PARTS = 4
SAMPLE = 8
"""The quick test takes every so many of the recorded models, which are there at once."""
OWN = 4
"""Of so many models one is also run by our own session: its answers say more than they cost."""

_CODES = {
    "bfloat16": 16, "float8_e4m3fn": 17, "float8_e4m3fnuz": 18, "float8_e5m2": 19,
    "float8_e5m2fnuz": 20,
}  # fmt: skip
_TOLERANCES = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 1e-5, "float64": 1e-9}
_SUITE = 1e-3
"""What the suite itself allows."""


class Model(NamedTuple):
    """A model of the suite, its inputs and what it expects."""

    name: str
    proto: onnx.ModelProto
    inputs: list[Any]
    outputs: list[Any]


@cache
def suite() -> tuple[Model, ...]:
    """Every model of the suite that comes with onnx."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nodes = [
            Model(case.name, case.model, *map(_values, case.data_sets[0]))
            for case in load_model_tests(kind="node")
        ]
    return (*nodes, *map(_recorded, folders()))


@cache
def folders() -> tuple[Path, ...]:
    """Where onnx has models in files."""
    from onnx.backend.test.loader import load_model_tests

    kinds = ("simple", "pytorch-converted", "pytorch-operator")
    cases = [case for kind in kinds for case in load_model_tests(kind=kind)]
    return tuple(sorted(Path(str(case.model_dir)) for case in cases))


def _values(items: Sequence[Any]) -> list[Any]:
    return [numpy_helper.to_array(v) if isinstance(v, onnx.TensorProto) else v for v in items]


def _recorded(folder: Path) -> Model:
    proto = onnx.load(folder / "model.onnx")
    data = folder / "test_data_set_0"

    def read(kind: str, values: Sequence[Any]) -> Iterator[Any]:
        for index, value in enumerate(values):
            path = data / f"{kind}_{index}.pb"
            if not path.exists():
                continue
            what = value.type.WhichOneof("value")
            if what == "sequence_type":
                yield numpy_helper.to_list(onnx.SequenceProto.FromString(path.read_bytes()))
            else:
                yield numpy_helper.to_array(onnx.TensorProto.FromString(path.read_bytes()))

    graph = proto.graph
    return Model(
        folder.name, proto, list(read("input", graph.input)), list(read("output", graph.output))
    )


def ort_run(proto: onnx.ModelProto, inputs: Sequence[Any]) -> list[Any] | None:
    """What onnxruntime computes; None when it does not run the model."""
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is the oracle of these tests")
    ort.set_default_logger_severity(4)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(proto.SerializeToString(), options)
        names = [value.name for value in session.get_inputs()]
        fed = [_fed(ort, value) for value in inputs]
        return session.run(None, dict(zip(names, fed, strict=False)))
    except Exception:
        # Whatever it lacks, it says so with exceptions of many classes.
        return None


def _fed(ort: Any, value: Any) -> Any:
    code = _CODES.get(getattr(getattr(value, "dtype", None), "name", ""))
    if code is None:
        return value
    stored = np.ascontiguousarray(value).view(np.uint16 if code == 16 else np.uint8)
    return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(stored, code)


def difference(actual: Any, expected: Any, tolerance: float | None = None) -> str:
    """What is wrong with a value, "" when nothing is."""
    if isinstance(expected, list | tuple):
        if not isinstance(actual, list | tuple) or len(actual) != len(expected):
            return f"{actual}, not {expected}"
        found = (difference(a, e, tolerance) for a, e in zip(actual, expected, strict=True))
        return next((text for text in found if text), "")
    if expected is None or actual is None or isinstance(expected, dict):
        return "" if actual == expected else f"{actual}, not {expected}"
    left, right = np.asarray(actual), np.asarray(expected)
    if (left.dtype, left.shape) != (right.dtype, right.shape):
        return f"{left.dtype}{left.shape}, not {right.dtype}{right.shape}"
    if right.dtype.kind in "OUSiub":
        return "" if left.tolist() == right.tolist() else f"{left}, not {right}"
    bound = tolerance or _TOLERANCES.get(right.dtype.name, 0)
    x, y = left.astype(np.complex128), right.astype(np.complex128)
    same = np.allclose(x, y, rtol=bound, atol=bound, equal_nan=True)
    return "" if same else f"{left}, not {right}"


def exported(
    model: Model, level: int, opset: int | None
) -> tuple[ModuleOp, onnx.ModelProto] | None:
    """The model optimised and written again; None when the opset cannot say it."""
    module = import_onnx(model.proto.SerializeToString())
    if level:
        passes = pipelines.parse(f"pfrt-optimize{{level={level}}}")
        pipelines.run(make_context(), module, passes)
    try:
        return module, export_onnx(module, opset=opset)
    except UnsupportedOperatorError as error:
        assert opset is not None, f"{model.name}: {error}"
        assert "needs opset" in str(error), f"{model.name}: {error}"
        return None


def wrong(model: Model, *, own: bool) -> Iterator[str]:
    """What is wrong with what a model becomes, in each of the ways."""
    expected, bound = ort_run(model.proto, model.inputs), None
    runs = expected is not None
    if expected is None:
        # Many models are of opsets that onnxruntime has not got, which ours need not be.
        expected, bound = model.outputs, _SUITE
    for level, opset in WAYS:
        found = exported(model, level, opset)
        if found is None:
            continue
        module, proto = found
        if not _has_unknown_rank(module):
            onnx.checker.check_model(proto, full_check=True)
        actual = ort_run(proto, model.inputs)
        if actual is None and runs:
            yield f"onnxruntime does not run it at level {level}"
        elif actual is not None and (text := difference(actual, expected, bound)):
            yield f"at level {level}: {text}"
        if own and not level:
            before, after = (own_run(p, model.inputs) for p in (model.proto, proto))
            if text := difference(after, before):
                yield f"our own session: {text}"


def own_run(proto: onnx.ModelProto, inputs: Sequence[Any]) -> list[Any]:
    """What our own session computes."""
    session = InferenceSession(proto.SerializeToString())
    names = [value.name for value in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=False)))


def _has_unknown_rank(module: ModuleOp) -> bool:
    """Whether an output has no shape, which onnx's checker wants and ONNX does not."""
    (function, *_) = module.ops
    return any("tensor<*x" in str(kind) for kind in function.function_type.outputs)


def check(models: Sequence[Model]) -> None:
    """Every model is what it was."""
    failures = [
        f"{model.name}: {text[:400]}"
        for index, model in enumerate(models)
        if model.name not in EXCEPTIONS
        for text in wrong(model, own=index % OWN == 0)
    ]
    assert not failures, "\n".join(failures)


def test_a_sample() -> None:
    """Some models."""
    check([_recorded(folder) for folder in folders()[::SAMPLE]])


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_all(part: int) -> None:
    """All models."""
    check(suite()[part::PARTS])


@pytest.mark.slow
def test_exceptions_name_models() -> None:
    """None is left over from another version of the suite."""
    assert set(EXCEPTIONS) <= {model.name for model in suite()}
    assert all(EXCEPTIONS.values())
