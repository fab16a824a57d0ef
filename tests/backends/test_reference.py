"""The interpreter of pfrt: the observer, what it refuses, what it checks, what it keeps."""

from __future__ import annotations

import numpy as np
import pytest

from pyflame_rt import kernels
from pyflame_rt.backends.base import backend_names, get_backend
from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.errors import BackendError, MissingWeightsError

CHAIN = """
func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32>) {
  %k = pfrt.constant dense<2.0> : tensor<f32>
  %a = pfrt.mul %x, %k as "doubled" : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %y = pfrt.relu %a : tensor<4xf32> -> tensor<4xf32> loc("act"("model.onnx":2:0))
  func.return %y : tensor<4xf32>
}
"""


def test_observer_sees_every_op_but_constants(parse):
    """Calibration and per-layer comparison tap values by the model's own names."""
    seen = []
    executable = ReferenceBackend().compile(parse(CHAIN))
    executable.run(
        [np.array([-1, 0, 1, 2], np.float32)],
        lambda op, names, arrays: seen.append((op.name, names, [a.tolist() for a in arrays])),
    )
    assert seen == [
        ("pfrt.mul", ("doubled",), [[-2, 0, 2, 4]]),
        ("pfrt.relu", ("",), [[0, 0, 2, 4]]),
    ]


def test_observer_sees_regions(parse):
    """Ops inside a branch, then the if itself."""
    text = """
func.func @main(%c: tensor<i1>, %x: tensor<1xf32>) -> (tensor<1xf32>) {
  %y = pfrt.if %c -> (tensor<1xf32>) as "chosen" {
    %e = pfrt.neg %x : tensor<1xf32> -> tensor<1xf32>
    pfrt.yield %e : tensor<1xf32>
  } else {
    pfrt.yield %x : tensor<1xf32>
  } : tensor<i1>
  func.return %y : tensor<1xf32>
}
"""
    seen = []
    ReferenceBackend().compile(parse(text)).run(
        [np.array(True), np.ones(1, np.float32)], lambda op, names, _: seen.append((op.name, names))
    )
    assert seen == [("pfrt.neg", ("",)), ("pfrt.if", ("chosen",))]


@pytest.mark.parametrize(
    ("result", "why"),
    [
        (np.zeros(4, np.float64), "the kernel's result is float64, declared float32"),
        (np.zeros((4, 1), np.float32), r"has shape \[4, 1\], declared \[4\]"),
        ((np.zeros(4, np.float32),) * 2, "longer"),
    ],
)
def test_kernels_that_break_their_promise(result, why, parse, monkeypatch):
    """What inference declares and what the kernel gives are compared in every run."""
    table = dict(kernels.table(), relu=lambda x: result)
    monkeypatch.setattr(kernels, "table", lambda: table)
    with pytest.raises(BackendError, match=why) as caught:
        ReferenceBackend().compile(parse(CHAIN)).run([np.zeros(4, np.float32)])
    assert str(caught.value).startswith('pfrt.relu (node "act", model.onnx:2): ')


def test_any_exception_of_a_kernel_is_one_line(parse, monkeypatch):
    """An exception without a text is named by its class."""

    def exhausted(x: np.ndarray) -> np.ndarray:
        raise MemoryError

    table = dict(kernels.table(), relu=exhausted)
    monkeypatch.setattr(kernels, "table", lambda: table)
    executable = ReferenceBackend().compile(parse(CHAIN))
    with pytest.raises(BackendError, match=r"pfrt.relu \(.*\): MemoryError$"):
        executable.run([np.zeros(4, np.float32)])


def test_ops_without_kernel_are_listed(parse, monkeypatch):
    """All at once, when the module is compiled."""
    table = {name: k for name, k in kernels.table().items() if name not in ("relu", "mul")}
    monkeypatch.setattr(kernels, "table", lambda: table)
    with pytest.raises(BackendError, match=r"no kernel for pfrt\.mul, pfrt\.relu"):
        ReferenceBackend().compile(parse(CHAIN))


def test_missing_weights(parse):
    """A weight whose side file is absent is missed where its values are needed."""
    text = CHAIN.replace("pfrt.constant dense<2.0>", 'pfrt.constant #pfrt.weight<"0123">')
    with pytest.raises(MissingWeightsError, match='"0123" are missing'):
        ReferenceBackend().compile(parse(text)).run([np.zeros(4, np.float32)])


def test_outputs_are_not_inputs_or_constants(parse):
    """A function that returns its argument, twice, and a constant."""
    text = """
func.func @main(%x: tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) {
  %k = pfrt.constant dense<[1.0, 2.0]> : tensor<2xf32>
  func.return %x, %x, %k : tensor<2xf32>, tensor<2xf32>, tensor<2xf32>
}
"""
    x = np.ones(2, np.float32)
    outputs = ReferenceBackend().compile(parse(text)).run([x])
    for index, output in enumerate(outputs):
        assert output.flags.writeable
        assert not any(np.shares_memory(output, other) for other in (x, *outputs[:index]))


def test_registry():
    """Backends are found by name, and an unknown name says which exist."""
    assert [get_backend(name).name for name in backend_names()] == ["numpy", "reference"]
    with pytest.raises(BackendError, match='no backend "cuda"; use numpy or reference'):
        get_backend("cuda")


def test_unknown_function(parse):
    """The name is in the message."""
    with pytest.raises(BackendError, match="no function @other"):
        ReferenceBackend().compile(parse(CHAIN), "other")
