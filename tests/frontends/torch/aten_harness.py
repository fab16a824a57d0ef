"""Runs a rule of an operator of torch on the reference interpreter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, UnknownLoc
from xdsl.ir import Block, Region

from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.dialects.pfrt.types import DYNAMIC, element_type, tensor
from pyflame_rt.frontends.torch.aten import rules
from pyflame_rt.frontends.torch.aten.builder import AtenBuilder
from pyflame_rt.frontends.torch.aten.sizes import Size
from pyflame_rt.frontends.torch.aten.values import (
    TensorValue,
    dtype_of_code,
)

Array = np.ndarray[Any, Any]

CODES = {
    dtype: code
    for code, dtype in enumerate(
        (
            torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16,
            torch.float32, torch.float64, None, torch.complex64, torch.complex128, torch.bool,
            torch.qint8, torch.quint8, torch.qint32, torch.bfloat16,
        )
    )
}  # fmt: skip


def array_of(given: torch.Tensor) -> Array:
    """A tensor as an array of our dtypes."""
    if given.dtype == torch.bfloat16:
        import ml_dtypes

        return given.float().numpy().astype(ml_dtypes.bfloat16)
    return given.detach().contiguous().numpy()


Build = Callable[["Built", list[Any], dict[str, Any]], Any]


class Built:
    """A module made of one rule's ops."""

    def __init__(
        self,
        name: str,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        *,
        dynamic: bool | Sequence[int],
        constants: Sequence[int] = (),
        build: Build | None = None,
    ):
        self.tensors: list[torch.Tensor] = []
        self._constants = constants
        self._values: list[TensorValue] = []
        self._seen = 0
        self._dynamic = dynamic
        self.block = Block()
        self.builder = AtenBuilder(self.block, UnknownLoc(), name)
        arguments = [self._argument(item) for item in args]
        keywords = {key: self._argument(item) for key, item in kwargs.items()}
        namespace, _, rest = name.partition("::")
        base, _, overload = rest.partition(".")
        rule = rules.lookup(base, overload, namespace)
        assert rule is not None, f"{name} has no rule"
        if build is None:
            self.result = rule.call(self.builder, arguments, keywords)
        else:
            self.result = build(self, arguments, keywords)
        self.outputs = self._flat(self.result)
        types = [value.ssa.type for value in self.outputs]
        self.block.add_op(func.ReturnOp(*(value.ssa for value in self.outputs)))
        inputs = [argument.type for argument in self.block.args]
        self.module = ModuleOp([func.FuncOp("main", (inputs, types), Region(self.block))])
        self.module.verify()

    def _argument(self, item: Any) -> Any:
        if isinstance(item, torch.Tensor):
            return self._tensor(item)
        if isinstance(item, torch.dtype):
            return (
                dtype_of_code(CODES[item]) if not str(item).startswith("torch.q") else CODES[item]
            )
        if isinstance(item, list | tuple):
            return [self._argument(entry) for entry in item]
        return item

    def _tensor(self, given: torch.Tensor) -> TensorValue:
        position = self._seen
        self._seen += 1
        array = array_of(given)
        if position in self._constants:
            return self.builder.constant(array)
        self.tensors.append(given)
        dynamic = self._dynamic
        is_dynamic = dynamic if isinstance(dynamic, bool) else position in dynamic
        shape = [DYNAMIC] * array.ndim if is_dynamic else list(array.shape)
        kind = tensor(element_type(array.dtype), shape)
        return TensorValue(self.block.insert_arg(kind, len(self.block.args)))

    def _flat(self, result: Any) -> list[TensorValue]:
        if result is None:
            return []
        if isinstance(result, TensorValue):
            return [result]
        if isinstance(result, list | tuple):
            return [value for item in result for value in self._flat(item)]
        if isinstance(result, Size):
            return [self.builder.number(result)]
        return [self.builder.constant(np.array(result))]

    def run(self) -> list[Array]:
        """The results, one after another."""
        executable = ReferenceBackend().compile(self.module, "main")
        return executable.run([array_of(item) for item in self.tensors])


def by_torch(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> list[Array]:
    """What torch computes, one result after another."""
    namespace, _, rest = name.partition("::")
    base, _, overload = rest.partition(".")
    if name == "aten::tensor":
        return _flat(torch.tensor(*args, **kwargs))
    function = getattr(getattr(getattr(torch.ops, namespace), base), overload or "default")
    return _flat(function(*args, **kwargs))


def _flat(result: Any) -> list[Array]:
    if result is None:
        return []
    if isinstance(result, torch.Tensor):
        return [array_of(result.int_repr() if result.is_quantized else result)]
    if isinstance(result, list | tuple):
        return [array for item in result for array in _flat(item)]
    return [np.array(result)]
