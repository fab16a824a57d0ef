"""The ways to execute a model, and how its answers are judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyflame_rt import compiler
from pyflame_rt.compiler import CompiledModel, Program

Feed = Mapping[str, np.ndarray]
Compile = Callable[[Program, Sequence[np.ndarray]], CompiledModel]


def reference(program: Program, arrays: Sequence[np.ndarray]) -> CompiledModel:
    """The interpreter on the module as imported."""
    return compiler.compile_module(program.module, program.ctx, "reference", "")


def dynamic_plan(program: Program, arrays: Sequence[np.ndarray]) -> CompiledModel:
    """The plan a session runs a new input signature on."""
    return compiler.compile_module(program.module, program.ctx)


def specialized_plan(program: Program, arrays: Sequence[np.ndarray]) -> CompiledModel:
    """The plan for exactly these input shapes."""
    inputs, _ = compiler.signature(program.module)
    pipeline = compiler.join(
        compiler.optimization_pipeline(2),
        compiler.specialization_pipeline(inputs, [array.shape for array in arrays]),
    )
    return compiler.compile_module(program.module, program.ctx, pipeline=pipeline)


WAYS: tuple[Compile, ...] = (reference, dynamic_plan, specialized_plan)


def check_agreement(
    actual: Sequence[np.ndarray],
    expected: Sequence[np.ndarray],
    tolerance: float | Sequence[float] = 1e-5,
    what: str = "",
) -> None:
    """max |actual - expected| <= tolerance * max |expected| for each output, or its tolerance."""
    assert len(actual) == len(expected), what
    allowed = [tolerance] * len(expected) if isinstance(tolerance, float) else tolerance
    for index, (ours, theirs) in enumerate(zip(actual, expected, strict=True)):
        where = f"{what} output {index}"
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype), where
        if theirs.size:
            scale = float(np.abs(theirs).max())
            assert np.isfinite(scale) and scale > 0, f"{where}: a degenerate reference"
            assert float(np.abs(ours - theirs).max()) <= allowed[index] * scale, where


def check_every_way(
    model: Path | bytes,
    feeds: Sequence[tuple[Feed, Sequence[np.ndarray]]],
    tolerance: float | Sequence[float] = 1e-5,
) -> None:
    """A model gives the expected outputs for each feed on interpreter, dynamic and static plan.

    What does not depend on the feed's shapes is compiled once for all of them.
    """
    program = compiler.load(model)
    names = [spec.name for spec in compiler.signature(program.module)[0]]
    compiled: dict[tuple[str, object], CompiledModel] = {}
    for way in WAYS:
        for feed, expected in feeds:
            arrays = [feed[name] for name in names]
            shapes = tuple(array.shape for array in arrays)
            key = (way.__name__, shapes if way is specialized_plan else None)
            if key not in compiled:
                compiled[key] = way(program, arrays)
            what = f"{way.__name__} on {shapes}"
            check_agreement(compiled[key].run(arrays), expected, tolerance, what)
        compiled.clear()


def onnxruntime_session(model: Path | bytes) -> Any:
    """onnxruntime's session that runs a model as it is written."""
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is the oracle of these tests")
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


@pytest.fixture
def agrees() -> Callable[..., None]:
    """`check_every_way`."""
    return check_every_way


@pytest.fixture
def agreement() -> Callable[..., None]:
    """`check_agreement`."""
    return check_agreement


@pytest.fixture
def oracle() -> Callable[[Path | bytes], Any]:
    """`onnxruntime_session`."""
    return onnxruntime_session
