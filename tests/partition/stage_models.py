"""Small models in stages, written by hand."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp

from pyflame_rt import compiler, module_files
from pyflame_rt.compiler import TensorSpec
from pyflame_rt.partition.config import DeviceSpec
from pyflame_rt.universe import make_context

F32 = "tensor<?x4xf32>"


@dataclass(frozen=True)
class Written:
    """A stage, as the executor takes it."""

    name: str
    device: DeviceSpec
    module: ModuleOp
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    partition: int = 0


def stage(
    name: str, device: int, inputs: str, outputs: str, body: str, kind: str = F32, made: str = ""
) -> Written:
    """A stage of a function body, in which inputs are %a, %b … and outputs %x, %y …"""
    taken, given = inputs.split(), outputs.split()
    made = made or kind
    dims = ', pfrt.dims = ["N", ""]' if kind == F32 else ""
    arguments = [f'%{"abcd"[k]}: {kind} {{pfrt.name = "{n}"{dims}}}' for k, n in enumerate(taken)]
    dims = ', pfrt.dims = ["N", ""]' if made == F32 else ""
    results = [f'{made} {{pfrt.name = "{n}"{dims}}}' for n in given]
    values = ", ".join(f"%{'xyzw'[k]}" for k in range(len(given)))
    text = (
        f"func.func @main({', '.join(arguments)}) -> ({', '.join(results)}) {{\n{body}\n"
        f"  func.return {values} : {', '.join([made] * len(given))}\n}}\n"
    )
    module = module_files.parse(text, make_context(), name)
    return Written(name, DeviceSpec(device_id=device), module, tuple(taken), tuple(given))


def signature(
    stages: list[Written], inputs: str, outputs: str
) -> tuple[list[TensorSpec], list[TensorSpec]]:
    """Inputs and outputs of the model that stages make, by name."""
    found = [compiler.signature(stage.module) for stage in stages]
    taken = {spec.name: spec for ins, _ in found for spec in ins}
    given = {spec.name: spec for _, outs in found for spec in outs}
    return [taken[name] for name in inputs.split()], [given[name] for name in outputs.split()]


def unary(op: str, source: str = "a", result: str = "x") -> str:
    """A line of a body."""
    return f"  %{result} = pfrt.{op} %{source} : {F32} -> {F32}"


def binary(op: str, left: str = "a", right: str = "b", result: str = "x") -> str:
    """A line of a body."""
    return f"  %{result} = pfrt.{op} %{left}, %{right} : ({F32}, {F32}) -> {F32}"


def diamond() -> list[Written]:
    """y = exp(relu(p)) + abs(relu(p)) * p, z = relu(p): two branches, and p skips two stages."""
    return [
        stage("first", 0, "p", "z", unary("relu")),
        stage("left", 1, "z", "e", unary("exp")),
        stage("right", 2, "z p", "m", unary("abs", "a", "t") + "\n" + binary("mul", "t", "b")),
        stage("last", 3, "e m", "y", binary("add")),
    ]
