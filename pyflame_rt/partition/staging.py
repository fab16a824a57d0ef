"""What the stages of a plan run, each a module of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp, StringAttr
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.traits import ConstantLike

from pyflame_rt import pipelines
from pyflame_rt.backends.base import find_function
from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.compiler import join, optimization_pipeline
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.communication import (
    AllGatherOp,
    AllReduceOp,
    BroadcastOp,
    ReceiveOp,
    SendOp,
)
from pyflame_rt.dialects.targets import TARGET
from pyflame_rt.passes.partitioning.devices import DeviceSpec
from pyflame_rt.passes.partitioning.nodes import input_names, output_names
from pyflame_rt.passes.partitioning.pfrt_partition import partitioned
from pyflame_rt.passes.partitioning.plan_files import PartitionPlan
from pyflame_rt.universe import make_context

_REPEATED = (AllGatherOp, AllReduceOp)
"""What each device that needs the result computes for itself."""
_PASSED = (SendOp, ReceiveOp, BroadcastOp)
"""What changes no value."""


@dataclass(frozen=True)
class Stage:
    """A part of a model that a device runs, `module`, with a function `@main` of its own.

    `inputs` and `outputs` are names of values, in the function's order: inputs and outputs of the
    model have their own names. `partition` is the plan's partition that it is part of.
    """

    name: str
    device: DeviceSpec
    module: ModuleOp
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    partition: int


def stages(module: ModuleOp, plan: PartitionPlan, ctx: Context | None = None) -> list[Stage]:
    """What runs where, in an order in which it can; the module is left as it is.

    Every value is an input of the model or the output of one stage. Modules are optimised and laid
    out: they only have to be lowered, at level 0. Raises PassFailed when the plan does not suit the
    model.
    """
    ctx = make_context() if ctx is None else ctx
    prepared = module.clone()
    pipelines.run(ctx, prepared, pipelines.parse(plan.preparation))
    spread = partitioned(ctx, prepared, plan)
    found = _Cutting(spread, plan).stages()
    if plan.splits:
        # Layers were cut before they were fused and laid out.
        for stage in found:
            layout = NumpyBackend.before_plan(2) if stage.device.backend == "numpy" else ""
            text = join(optimization_pipeline(2), layout)
            pipelines.run(ctx, stage.module, pipelines.parse(text))
    return found


@dataclass
class _Cutting:
    """A partitioned module on its way to stages."""

    module: ModuleOp
    plan: PartitionPlan
    names: dict[SSAValue, str] = field(default_factory=dict[SSAValue, str])
    taken: set[str] = field(default_factory=set[str])
    rows: dict[str, DictionaryAttr] = field(default_factory=dict[str, DictionaryAttr])

    def stages(self) -> list[Stage]:
        """The stages, in order."""
        main = find_function(self.module, "main")
        block = main.body.block
        last = block.last_op
        assert last is not None
        inputs, outputs = input_names(main), output_names(main)
        self.names.update(zip(block.args, inputs, strict=True))
        self.taken.update(inputs)
        for names, attrs in ((outputs, main.res_attrs), (inputs, main.arg_attrs)):
            if attrs is not None:
                self.rows.update(zip(names, attrs, strict=True))
        kept: list[tuple[SSAValue, str]] = []
        for value, name in zip(last.operands, outputs, strict=True):
            source = _origin(value)
            owner = source.owner
            runs = isinstance(owner, Operation) and not isinstance(owner, _REPEATED)
            is_free = runs and not cast(Operation, owner).has_trait(ConstantLike)
            if is_free and source not in self.names and name not in self.taken:
                self.names[source] = name
                self.taken.add(name)
            elif self.names.get(source) != name:
                kept.append((value, name))
        # No part of an output may be called as the whole is.
        self.taken.update(outputs)
        found = [
            self._stage(op)
            for op in block.ops
            if op is not last
            and not isinstance(op, _PASSED + _REPEATED)
            and not op.has_trait(ConstantLike)
        ]
        if kept:
            found.append(self._ending(kept))
        return found

    def _stage(self, op: Operation) -> Stage:
        """A call of a device's function, or what the host does, which the first device is."""
        for place, result in enumerate(op.results):
            self._name(result, op, place)
        block, values, inputs = self._taking(op.operands)
        if isinstance(op, func.CallOp):
            symbol = op.callee.root_reference.data
            function = find_function(self.module, symbol)
            inner: dict[SSAValue, SSAValue] = dict(
                zip(function.body.block.args, values, strict=True)
            )
            for nested in function.body.block.ops:
                if isinstance(nested, func.ReturnOp):
                    returned = [inner.get(value, value) for value in nested.operands]
                    block.add_op(func.ReturnOp(*returned))
                    break
                copy = nested.clone(inner)
                _locate(nested, copy)
                block.add_op(copy)
            tag = function.attributes[TARGET]
            assert isinstance(tag, StringAttr)
            partition = next(p.id for p in self.plan.partitions if p.device.target == tag.data)
        else:
            symbol = f"{op.name.removeprefix('pfrt.')}_{len(self.names)}"
            copy = op.clone(dict(zip(op.operands, values, strict=True)))
            _locate(op, copy)
            block.add_op(copy)
            block.add_op(func.ReturnOp(*copy.results))
            partition = 0
        outputs = tuple(self.names[result] for result in op.results)
        return self._made(symbol, partition, block, inputs, outputs)

    def _ending(self, kept: list[tuple[SSAValue, str]]) -> Stage:
        """The outputs of the model that no stage has as one of its own under that name."""
        block, values, inputs = self._taking([value for value, _ in kept])
        block.add_op(func.ReturnOp(*values))
        return self._made("outputs", 0, block, inputs, tuple(name for _, name in kept))

    def _taking(
        self, operands: Sequence[SSAValue]
    ) -> tuple[Block, list[SSAValue], tuple[str, ...]]:
        """A block that has these values, from arguments of the names that it takes."""
        block = Block()
        known: dict[SSAValue, SSAValue] = {}
        inputs: list[str] = []

        def value_of(value: SSAValue) -> SSAValue:
            source = _origin(value)
            if source in known:
                return known[source]
            owner = source.owner
            if isinstance(owner, _REPEATED) or (
                isinstance(owner, Operation) and owner.has_trait(ConstantLike)
            ):
                copy = owner.clone({operand: value_of(operand) for operand in owner.operands})
                _locate(owner, copy)
                block.add_op(copy)
                known[source] = copy.results[0]
                return copy.results[0]
            argument = block.insert_arg(source.type, len(block.args))
            known[source] = argument
            inputs.append(self.names[source])
            return argument

        values = [value_of(value) for value in operands]
        return block, values, tuple(inputs)

    def _name(self, value: SSAValue, op: Operation, place: int) -> None:
        if value in self.names:
            return
        name = ""
        inner: Operation = op
        if isinstance(op, func.CallOp):
            function = find_function(self.module, op.callee.root_reference.data)
            last = function.body.block.last_op
            assert last is not None
            source = last.operands[place]
            if isinstance(source.owner, Operation):
                inner, place = source.owner, list(source.owner.results).index(source)  # pyright: ignore
        if isinstance(inner, PfrtOp) and inner.names is not None:
            name = tuple(inner.names.data)[place]
        name = name or f"value{len(self.names)}"
        found, number = name, 1
        while found in self.taken:
            found = f"{name}@{number}"
            number += 1
        self.names[value] = found
        self.taken.add(found)

    def _made(
        self,
        name: str,
        partition: int,
        block: Block,
        inputs: tuple[str, ...],
        outputs: tuple[str, ...],
    ) -> Stage:
        last = block.last_op
        assert last is not None
        kinds = [a.type for a in block.args], [v.type for v in last.operands]
        function = func.FuncOp("main", kinds, Region(block))
        function.properties["arg_attrs"] = self._rows(inputs)
        function.properties["res_attrs"] = self._rows(outputs)
        module = ModuleOp([function])
        about = self.module.attributes.get("pfrt.model")
        if about is not None:
            module.attributes["pfrt.model"] = about
        device = self.plan.partitions[partition].device
        return Stage(name, device, module, inputs, outputs, partition)

    def _rows(self, names: tuple[str, ...]) -> ArrayAttr[DictionaryAttr]:
        """Attributes of arguments or results of these names; those of the model keep their own."""
        named = (DictionaryAttr({"pfrt.name": StringAttr(name)}) for name in names)
        return ArrayAttr([self.rows.get(name, row) for name, row in zip(names, named, strict=True)])


def _origin(value: SSAValue) -> SSAValue:
    """Where a value comes from that was only passed on."""
    while isinstance(value.owner, _PASSED):
        value = value.owner.operands[0]
    return value


def _locate(old: Operation, new: Operation) -> None:
    for a, b in zip(old.walk(), new.walk(), strict=True):
        b.location = a.location
