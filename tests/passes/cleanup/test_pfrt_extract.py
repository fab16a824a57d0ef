"""A part cut from a model computes what it computes in the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from xdsl.dialects.builtin import StringAttr

from pyflame_rt import compiler, model_runs, pipelines
from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.cleanup.pfrt_extract import PfrtExtractPass

CNN = Path(__file__).resolve().parents[3] / "examples" / "digits" / "cnn.onnx"
X = np.random.default_rng(0).standard_normal((2, 1, 8, 8), dtype=np.float32)


def compiled(*, inputs=(), outputs=()) -> compiler.CompiledModel:
    program = compiler.load(CNN)
    passes = (PfrtExtractPass(inputs=tuple(inputs), outputs=tuple(outputs)),)
    # As text and back, since names may hold anything.
    passes = pipelines.parse(pipelines.to_text(passes))
    pipelines.run(program.ctx, program.module, passes, verify=True)
    return compiler.compile_module(program.module, program.ctx)


@pytest.fixture(scope="module")
def values() -> dict[str, np.ndarray]:
    """Every named value of the whole model."""
    program = compiler.load(CNN)
    return {"images": X, **model_runs.reference_values(program, "", {"images": X}, layers=True)}


def test_every_value_from_the_ones_before_it(values):
    """Each step of the model on its own, weights included; inputs it has no use for stay inputs."""
    names = list(values)
    for index, name in enumerate(names[1:], 1):
        before = names[:index]
        model = compiled(inputs=before, outputs=[name])
        assert [spec.name for spec in model.inputs] == before
        assert [spec.name for spec in model.outputs] == [name]
        (found,) = model.run([values[given] for given in before])
        largest = np.abs(values[name]).max()
        np.testing.assert_allclose(found, values[name], rtol=0, atol=1e-5 * largest)


def test_several_outputs_in_the_order_asked_for(values):
    first, *_, last = list(values)[1:]
    model = compiled(outputs=[last, first])
    for found, name in zip(model.run([X]), (last, first), strict=True):
        largest = np.abs(values[name]).max()
        np.testing.assert_allclose(found, values[name], rtol=0, atol=1e-5 * largest)


def test_a_module_without_main_has_nothing_to_extract():
    program = compiler.load(CNN)
    next(iter(program.module.ops)).sym_name = StringAttr("other")
    with pytest.raises(PassFailed, match="no function @main"):
        PfrtExtractPass().apply(program.ctx, program.module)
