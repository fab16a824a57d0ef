"""What the host of a network does with tensors, for `run.py`: the arrays of the files beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp, StringAttr
from xdsl.ir import Attribute, SSAValue

from pyflame_rt.dialects.pfrt.base import constant_of
from pyflame_rt.dialects.pfrt.types import dtype_of, static_shape_of
from pyflame_rt.dialects.wse.base import number
from pyflame_rt.dialects.wse.host import GatherOp, RunOp, ScatterOp, StreamOp
from pyflame_rt.errors import BackendError

Array: TypeAlias = npt.NDArray[Any]

WEIGHTS: Final = "weights.npz"
PLACES: Final = "places.npz"


@dataclass(frozen=True)
class Tensors:
    """Tensors of a function of the host, and the buffers of PEs that they are in.

    `weights` are buffers of the whole rectangle; `places` has for each (tensor, buffer) the index that
    `wse.scatter` or `wse.gather` goes by, under the name that `place` gives it.
    """

    weights: dict[str, Array] = field(default_factory=dict[str, Array])
    places: dict[str, Array] = field(default_factory=dict[str, Array])
    inputs: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    outputs: dict[str, tuple[str, tuple[int, ...], str]] = field(
        default_factory=dict[str, tuple[str, tuple[int, ...], str]]
    )

    def files(self) -> Mapping[str, Mapping[str, Array]]:
        """The arrays of each file."""
        return {WEIGHTS: self.weights, PLACES: self.places}


def place(tensor: str, buffer: str) -> str:
    """What the index of a tensor in a buffer is called."""
    return f"{tensor}:{buffer}"


def tensors_of(module: ModuleOp) -> Tensors | None:
    """What the module's function does; None without one. Raises BackendError when there are several."""
    functions = [op for op in module.body.ops if isinstance(op, func.FuncOp)]
    working = [
        op for op in functions if any(isinstance(o, ScatterOp | GatherOp) for o in op.walk())
    ]
    if not working:
        return None
    if len(working) > 1:
        raise BackendError("several functions have tensors on the wafer", where="run.py")
    return _read(working[0])


def _read(function: func.FuncOp) -> Tensors:
    found = Tensors()
    block = function.body.block
    given = _names(function.arg_attrs, len(block.args), "input")
    names: dict[SSAValue, str] = dict(zip(block.args, given, strict=True))
    gathers: dict[SSAValue, GatherOp] = {}
    for op in block.ops:
        if isinstance(op, ScatterOp):
            buffer, index = op.names[1], _index(op.index)
            if (weight := constant_of(op.tensor)) is not None:
                flat = np.append(np.asarray(weight).reshape(-1), np.zeros(1, weight.dtype))
                found.weights[buffer] = flat[index]
            elif op.tensor in names:
                name = names[op.tensor]
                found.inputs.setdefault(name, []).append(buffer)
                found.places[place(name, buffer)] = index
            else:
                raise BackendError("scatters what is neither an argument nor a constant")
        elif isinstance(op, StreamOp) or (isinstance(op, RunOp) and number(op.runs, 1) > 1):
            what = "images in several runs" if isinstance(op, RunOp) else "weights in rounds"
            raise BackendError(f"sends no {what}", where="run.py", hint="use more PEs, or f16")
        elif isinstance(op, GatherOp):
            gathers[op.result] = op
        elif isinstance(op, func.ReturnOp):
            results = _names(function.res_attrs, len(op.operands), "output")
            for name, value in zip(results, op.operands, strict=True):
                if value not in gathers:
                    raise BackendError(f"the result {name} does not come from the wafer")
                gather = gathers[value]
                shape, dtype = static_shape_of(value), np.dtype(dtype_of(value))
                if shape is None:
                    raise BackendError(f"the shape of the result {name} is not static")
                found.outputs[name] = gather.names[1], shape, dtype.name
                found.places[place(name, gather.names[1])] = _index(gather.index)
    return found


def _names(attributes: ArrayAttr[DictionaryAttr] | None, count: int, stem: str) -> list[str]:
    """The names of arguments or results in the model."""
    names = [f"{stem}{index}" for index in range(count)]
    for index, row in enumerate(attributes or ()):
        name = cast("Mapping[str, Attribute]", row.data).get("pfrt.name")
        if isinstance(name, StringAttr):
            names[index] = name.data
    return names


def _index(value: SSAValue) -> npt.NDArray[np.int32]:
    found = constant_of(value)
    if found is None:
        raise BackendError("an index of the host is no constant", where="run.py")
    return found.astype(np.int32)
