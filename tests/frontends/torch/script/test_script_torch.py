"""Modules that torch scripts and traces: the importer's answers are torch's own, run after run."""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pyflame_rt import pipelines
from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.compiler import signature
from pyflame_rt.frontends.torch.script import import_torchscript
from pyflame_rt.universe import make_context

pytestmark = pytest.mark.torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    torch = pytest.importorskip("torch", reason="needs torch")

import script_networks  # noqa: E402, F401
from script_modules import CASES, Case  # noqa: E402

UNTRACEABLE = {
    # torch traces neither numbers nor dicts as outputs, nor numbers and lists as inputs.
    "DynIfListLen", "WhileDyn", "WhileInplace", "StateTensor", "Named", "IntOps", "TupleState",
    "ListIn", "ScalarsIn", "DictLoop", "Nested", "StateLoop", "IntLoop", "Booleans",
    # What a trace does not see: which way the recorded run did not go.
    "DynIf", "DynIfInplace", "DynIfList", "EarlyReturn", "BreakContinue", "OptDyn", "ItemIf",
    "StateConditional",
}  # fmt: skip


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """torch deprecates what these tests are about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def leaves(value: Any) -> list[Any]:
    """The arrays in what torch returns, in the order of the importer's outputs."""
    match value:
        case torch.Tensor():
            return [value.detach().numpy().copy()]
        case list() | tuple():
            return [leaf for item in value for leaf in leaves(item)]
        case dict():
            return [leaf for item in value.values() for leaf in leaves(item)]
        case None:
            return []
        case _:
            return [np.array(value)]


def saved(module: Any) -> bytes:
    stream = io.BytesIO()
    torch.jit.save(module, stream)
    return stream.getvalue()


def check(data: bytes, case: Case) -> None:
    """Compare run by run, also with inputs of the other sign: other arms of ifs are taken."""
    module = import_torchscript(data, name="model.pt", **case.options)
    pipelines.run(make_context(), module, (), verify=True)
    inputs, _ = signature(module)
    executable = ReferenceBackend().compile(module, "main")
    for sign in (1, -1):
        oracle = torch.jit.load(io.BytesIO(data))
        states = [spec.default for spec in inputs if spec.default is not None]
        for run in range(1, case.runs + 1):
            given = [
                item * sign * run
                if isinstance(item, torch.Tensor) and item.is_floating_point()
                else copy.deepcopy(item)
                for item in case.inputs
            ]
            feeds: list[Any] = []
            for item in given:
                feeds += [leaves(item)] if isinstance(item, list) else leaves(item)
            results = executable.run([*feeds, *states])
            wanted = leaves(oracle(*given))
            if states:
                results, states = results[: -len(states)], results[-len(states) :]
            found = [
                leaf for item in results for leaf in (item if isinstance(item, list) else [item])
            ]
            assert len(found) == len(wanted)
            for got, want in zip(found, wanted, strict=True):
                assert got.dtype == want.dtype
                np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_scripted(name: str) -> None:
    torch.manual_seed(0)
    case = CASES[name]
    check(saved(torch.jit.script(case.module().eval())), case)


@pytest.mark.parametrize("name", [name for name in CASES if name not in UNTRACEABLE])
def test_traced(name: str) -> None:
    torch.manual_seed(0)
    case = CASES[name]
    traced = torch.jit.trace(case.module().eval(), case.inputs, check_trace=False)
    check(saved(traced), case)


@pytest.mark.parametrize("name", ["Mob", "UNet", "Lstm", "Enc", "MHA", "Norms"])
def test_frozen(name: str) -> None:
    """In frozen archives all weights are constants, and default arguments are left out."""
    torch.manual_seed(0)
    case = CASES[name]
    check(saved(torch.jit.freeze(torch.jit.script(case.module().eval()))), case)
