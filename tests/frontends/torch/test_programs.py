"""The programs of scripts/make_torch_programs.py give what torch recorded, without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torch_runs import assert_agree, feeds, recorded, run_without_torch, torch_is_absent

from pyflame_rt import InferenceSession, OptLevel, SessionOptions
from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.compiler import signature
from pyflame_rt.frontends import frontend_for

__all__ = ["torch_is_absent"]

FOLDER = Path(__file__).with_name("programs")
RUNS = recorded(FOLDER / "expected.npz")
"""Inputs and outputs by program; a name ends with "@again" for its second run."""


def path_of(run: str) -> Path:
    """The file of a program."""
    (path,) = FOLDER.glob(f"{run.partition('@')[0]}.pt*")
    return path


def test_every_file_has_recorded_values() -> None:
    """No program is there that these tests leave out."""
    assert {path_of(run) for run in RUNS} == set(FOLDER.glob("*.pt*"))


@pytest.mark.parametrize("run", RUNS)
def test_the_reference_interpreter_gives_what_torch_gave(run: str) -> None:
    """The imported module is right before anything optimizes it."""
    path, (inputs, outputs) = path_of(run), RUNS[run]
    module = frontend_for(path)(path)
    module.verify()
    assert len(signature(module)[0]) == len(inputs)
    assert_agree(ReferenceBackend().compile(module, "main").run(inputs), outputs)


@pytest.mark.parametrize("level", [OptLevel.NONE, OptLevel.ALL])
@pytest.mark.parametrize("run", RUNS)
def test_sessions_give_what_torch_gave(run: str, level: OptLevel) -> None:
    """A session that optimizes nothing, and one that optimizes all it can."""
    inputs, outputs = RUNS[run]
    options = SessionOptions()
    options.optimization_level = level
    session = InferenceSession(path_of(run), options)
    assert_agree(session.run(None, feeds(session, inputs)), outputs)


def test_state_goes_from_run_to_run() -> None:
    """What a stateful program gives as its state is what the next run takes for it."""
    inputs, outputs = RUNS["counter_script"]
    session = InferenceSession(path_of("counter_script"))
    first = session.run(None, {session.get_inputs()[0].name: inputs[0]})
    assert_agree(first, outputs)
    names = [spec.name for spec in session.get_outputs()]
    again = session.run(None, {**feeds(session, inputs[:1]), names[1]: first[1]})
    assert_agree(again, RUNS["counter_script@again"][1])
    assert not np.array_equal(first[1], again[1])


def test_nothing_needs_torch() -> None:
    """A program of each kind loads and runs where torch cannot be imported."""
    run_without_torch(
        FOLDER / "expected.npz",
        [path_of("cnn_script"), path_of("rnn"), path_of("quantized_script")],
    )
