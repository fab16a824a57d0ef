"""ONNX's own test models and real ones as `.pfm`: the same module, the same bytes, the same answers."""

from __future__ import annotations

import io
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.backend.test.loader import load_model_tests
from xdsl.dialects.builtin import ModuleOp

import pyflame_rt as rt
from pyflame_rt import collecting, compiler, module_files
from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.frontends.onnx import import_onnx
from pyflame_rt.frontends.pfm import dump_pfm, read_pfm
from pyflame_rt.random_inputs import random_array, resolve_shapes
from pyflame_rt.universe import make_context

ROOT = Path(__file__).resolve().parents[3]
SHARED = ROOT.parent / "shared" / "models"
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
PARTS = 2

pytestmark = pytest.mark.slow


@cache
def suite() -> tuple[tuple[str, bytes], ...]:
    """Every node test's model."""
    with warnings.catch_warnings():
        # The suite computes what it expects, overflows included.
        warnings.simplefilter("ignore")
        tests = load_model_tests(kind="node")
    return tuple((t.name, t.model.SerializeToString()) for t in tests if t.model is not None)


def dumped(module: ModuleOp) -> bytes:
    stream = io.BytesIO()
    dump_pfm(module, stream)
    return stream.getvalue()


def round_trip(module: ModuleOp) -> bytes:
    """The bytes of a module's file, which reads back as the same text and the same bytes."""
    data = dumped(module)
    again = read_pfm(data, make_context(), verify=True)
    assert module_files.to_text(again) == module_files.to_text(module)
    assert dumped(again) == data
    return data


@pytest.mark.parametrize("part", range(PARTS))
def test_every_model_of_the_suite(part: int):
    """All that can be imported, to the last attribute and location."""
    count = 0
    with collecting.paused():
        for name, data in suite()[part::PARTS]:
            try:
                module = import_onnx(data, name=f"{name}.onnx")
            except PyFlameRTError:
                continue
            round_trip(module)
            count += 1
    assert count > 900


def outputs(source: Path | bytes, feed: dict[str, Any]) -> list[Any]:
    options = rt.SessionOptions()
    options.specialize_after = 0
    return rt.InferenceSession(source, options).run(None, feed)


def same(one: Any, other: Any) -> bool:
    """Whether two results are equal in every bit."""
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if not isinstance(one, np.ndarray):
        return one == other
    if one.dtype == object:
        return one.tolist() == other.tolist()
    return (
        one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    )


def feed_of(module: ModuleOp) -> dict[str, Any] | None:
    """Random inputs of a model that takes tensors of numbers only."""
    inputs, _ = compiler.signature(module)
    if any(spec.container is not None or spec.dtype == object for spec in inputs):
        return None
    generator = np.random.default_rng(0)
    shapes = resolve_shapes(inputs, {})
    return {
        spec.name: random_array(spec.dtype, shape, generator)
        for spec, shape in zip(inputs, shapes, strict=True)
    }


def test_answers_of_the_suite():
    """Sessions on both files of every eighth model give the same bits on random inputs."""
    count = 0
    for name, data in suite()[::8]:
        try:
            module = import_onnx(data)
            feed = feed_of(module)
            if feed is None:
                continue
            expected = outputs(data, feed)
        except PyFlameRTError:
            continue
        found = outputs(dumped(module), feed)
        if not any(word in name for word in ("random", "bernoulli", "dropout", "multinomial")):
            assert all(map(same, found, expected)), name
        count += 1
    assert count > 120


@pytest.mark.parametrize("path", sorted(LIGHT.glob("*.onnx")), ids=lambda path: path.stem)
def test_models_of_the_suite(path: Path):
    round_trip(compiler.load(path).module)


@pytest.mark.parametrize(
    "path", sorted(SHARED.glob("*/*.onnx")), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_real_models(path: Path, tmp_path: Path):
    module = compiler.load(path).module
    target = tmp_path / "m.pfm"
    target.write_bytes(round_trip(module))
    feed = feed_of(module)
    assert feed is not None
    assert all(map(same, outputs(target, feed), outputs(path, feed)))
