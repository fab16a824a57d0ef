"""A run of machine code by several threads that Ctrl-C interrupts, wherever it meets the interpreter."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="machine code needs llvmlite")

from pyflame_rt import pipelines
from pyflame_rt.backends.base import Threads
from pyflame_rt.backends.native import processors, running
from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.backends.numpy_backend.compiled import steps
from pyflame_rt.module_files import parse
from pyflame_rt.universe import make_context

TEXT = """
func.func @main(%x: tensor<128x512xf32>) -> tensor<128x512xf32> {
  %w = pfrt.constant dense<0.5> : tensor<512x512xf32>
  %y = pfrt.matmul %x, %w : tensor<128x512xf32>, tensor<512x512xf32> -> tensor<128x512xf32>
  func.return %y : tensor<128x512xf32>
}
"""
X = np.random.default_rng(0).integers(-9, 9, (128, 512)).astype(np.float32)


class Interrupting:
    """Inside, the interpreter is interrupted before an instruction of a module, by its number."""

    def __init__(self, file: str, number: int) -> None:
        self._file, self._left = file, number

    def __enter__(self) -> None:
        self._before = sys.gettrace()
        sys.settrace(self._trace)

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _trace(self, frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code.co_filename != self._file:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            self._left -= 1
            if self._left == 0:
                raise KeyboardInterrupt
        return self._trace


def test_interrupts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between any two instructions: then no helper works on memory of a run that is over, or will, and the
    next run is right."""
    programs: list[running.Program] = []

    class Seen(running.Program):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            programs.append(self)

    monkeypatch.setattr(steps, "Program", Seen)
    context = make_context()
    module = parse(TEXT, context, "test")
    native = f"convert-plan-to-native{{cpu={processors.best()} threads=2}}"
    pipelines.run(context, module, pipelines.parse(f"convert-pfrt-to-plan,{native},plan-allocate"))
    executable = NumpyBackend().with_threads(Threads(2)).compile(module)
    wanted = X.sum(1, keepdims=True) / 2 * np.ones((1, 512), np.float32)
    interrupted = 0
    for number in range(1, 1000):
        executable.run([X])
        try:
            with Interrupting(steps.__file__, number):
                executable.run([X])
        except KeyboardInterrupt:
            interrupted += 1
            assert executable.kernels
            assert all(program.helpers and not program.is_open for program in programs)
            np.testing.assert_array_equal(executable.run([X])[0], wanted)
        else:
            break
    assert interrupted > 20
