"""Strings as operands of every op: refused in one line by the verifier, or computed.

Each op's own example is taken with strings in place of one operand, of all of that operand's type,
and of all. What verifies must then give the same values however it is run.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import numpy as np
import pytest
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, TensorType, UnrankedTensorType
from xdsl.ir import Attribute, Block, Operation, Region
from xdsl.parser import Parser
from xdsl.utils.exceptions import VerifyException

from pyflame_rt import compiler, module_files
from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.containers import StringType
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, numpy_dtype, tensor
from pyflame_rt.universe import make_context

WORDS = ("20", "-3", "1.5", "7")
"""Numbers, so that a cast can read them."""

TENSORS = (TensorType, UnrankedTensorType)
OPS = {n: op for n, op in operations().items() if issubclass(op, PfrtOp)}

MOVED = {
    "cast", "center_crop_pad", "compress", "concat", "depth_to_space", "equal", "expand", "flatten",
    "gather", "gather_elements", "gather_nd", "identity", "non_zero", "one_hot", "optional", "pad",
    "reshape", "reverse_sequence", "scatter_nd", "sequence_construct", "shape", "size", "slice",
    "space_to_depth", "split", "split_to_sequence", "squeeze", "tensor_scatter", "tile",
    "transpose", "trilu", "unique", "unsqueeze", "where",
}  # fmt: skip
"""Ops that ONNX defines on strings too, as their examples are."""

NUMERIC = {"add", "conv", "einsum", "gemm", "less", "matmul", "prelu", "relu", "top_k"}


def examples(name: str) -> Iterator[Operation]:
    """The ops in the examples of an op's documentation."""
    documentation = inspect.cleandoc(OPS[name].__doc__ or "")
    for text in re.findall(r"```mlir\n(.*?)```", documentation, re.S):
        if "…" in text:
            continue
        parser = Parser(make_context(), text)
        ops = list(iter(parser.parse_optional_operation, None))
        block = Block()
        for values in parser.forward_ssa_references.values():
            for value in values.values():
                value.replace_all_uses_with(block.insert_arg(value.type, len(block.args)))
        yield from (op for op in ops if op.name == name)


def groups(op: Operation) -> set[tuple[int, ...]]:
    """The operands to replace together."""
    kinds = [value.type for value in op.operands]
    tensors = [k for k, kind in enumerate(kinds) if isinstance(kind, TENSORS)]
    alike = {
        tuple(j for j in tensors if kinds[j].element_type == kinds[k].element_type) for k in tensors
    }
    return {*((k,) for k in tensors), *alike, tuple(tensors)} - {()}


def sized(kind: Attribute, size: int) -> Attribute:
    """A tensor type with that size for each `?`, or `?` for each size."""
    shape = kind.get_shape() if isinstance(kind, TensorType) else (2, 2)
    if size == DYNAMIC:
        return tensor(kind.element_type, (DYNAMIC,) * len(shape))
    return tensor(kind.element_type, [size if dim == DYNAMIC else dim for dim in shape])


def module_of(op: Operation, kinds: list[Attribute], constants: list | None = None) -> ModuleOp:
    """A function of one op. Raises VerifyException when the op does not take such operands."""
    block = Block(arg_types=() if constants is not None else kinds)
    operands = list(block.args)
    for array in constants or ():
        operands.append(ConstantOp.get(array).result)
        block.add_op(operands[-1].owner)
    new = op.clone()
    new.operands = operands
    block.add_op(new)
    new.check()
    new.set_inferred_types()
    new.verify()
    block.add_op(func.ReturnOp(*new.results))
    signature = ([value.type for value in block.args], list(new.result_types))
    return ModuleOp([func.FuncOp("main", signature, Region(block))])


def array(kind: Attribute) -> np.ndarray:
    """Words, ones where a bool is wanted, and zeros, which are the safest indices."""
    dtype, shape = numpy_dtype(kind.element_type), kind.get_shape()
    if dtype != np.object_:
        return np.ones(shape, bool) if dtype == np.bool_ else np.zeros(shape, dtype)
    words = np.empty(int(np.prod(shape)), object)
    words[:] = [WORDS[k % len(WORDS)] for k in range(words.size)]
    return words.reshape(shape)


def ways(op: Operation, kinds: list[Attribute]) -> Iterator[tuple[str, list]]:
    """The results of an op, by how they were computed."""
    ctx = make_context()
    module, feed = module_of(op, kinds), [array(kind) for kind in kinds]
    for backend in ("reference", "numpy"):
        yield backend, compiler.compile_module(module, ctx, backend).run(feed)
    text = module_files.to_text(module)
    again = module_files.parse(text.encode(), ctx, "again.mlir")
    assert module_files.to_text(again) == text
    yield "text", compiler.compile_module(again, ctx, pipeline="").run(feed)
    folded = compiler.compile_module(module_of(op, kinds, feed), ctx)
    yield "folded", folded.run([])
    try:
        dynamic = module_of(op, [sized(kind, DYNAMIC) for kind in kinds])
    except VerifyException:
        # Some ops must know the shape of a parameter.
        return
    yield "dynamic", compiler.compile_module(dynamic, ctx).run(feed)
    specs, _ = compiler.signature(dynamic)
    pipeline = compiler.specialization_pipeline(specs, [a.shape for a in feed])
    yield "specialized", compiler.compile_module(dynamic, ctx, pipeline=pipeline).run(feed)


def plain(value: object) -> object:
    return [plain(item) for item in value] if isinstance(value, list) else value.tolist()


def check(name: str) -> set[tuple[int, ...]]:
    """Run an op with every group of strings that it takes; the groups."""
    taken = set()
    for op in examples(name):
        for group in groups(op):
            kinds = [
                tensor(StringType(), v.type.get_shape() if isinstance(v.type, TensorType) else None)
                if k in group
                else v.type
                for k, v in enumerate(op.operands)
            ]
            try:
                module_of(op, kinds)
                # A `?` of the example stands for any size; where 2 is none of them, 4 is.
                kinds = [sized(kind, 2) for kind in kinds] if _tensors(kinds) else kinds
                module_of(op, kinds)
            except VerifyException as error:
                assert str(error)
                continue
            taken.add(group)
            if not _tensors(kinds) or name.startswith("pfrt.random"):
                continue
            results = dict(ways(op, kinds))
            expected = plain(results["reference"])
            assert {way: plain(r) for way, r in results.items()} == dict.fromkeys(results, expected)
    return taken


def _tensors(kinds: list[Attribute]) -> bool:
    return all(isinstance(kind, TENSORS) for kind in kinds)


@pytest.mark.parametrize("name", [name for name, op in OPS.items() if next(examples(name), None)])
def test_ops_refuse_strings_or_take_them(name: str):
    check(name)


@pytest.mark.parametrize("name", sorted(MOVED))
def test_what_moves_elements_moves_strings(name: str):
    assert check(f"pfrt.{name}"), "the example does not verify with strings"


@pytest.mark.parametrize("name", sorted(NUMERIC))
def test_arithmetic_refuses_strings(name: str):
    assert not check(f"pfrt.{name}")


def test_any_text_is_written_and_read():
    """Constants are quoted in IR whatever they hold."""
    texts = [
        '"',
        "\\",
        "\n",
        "\t",
        "\0",
        "\\n",
        "é",
        "\u2028",
        "\U0001f600",
        "\x7f",
        "\x85",
        "\x1b",
        "",
    ]
    array = np.array(texts, object)
    constant = ConstantOp.get(array)
    block = Block([constant, func.ReturnOp(constant.result)])
    module = ModuleOp([func.FuncOp("main", ([], [constant.result.type]), Region(block))])
    ctx = make_context()
    again = module_files.parse(module_files.to_text(module).encode(), ctx, "again.mlir")
    assert compiler.compile_module(again, ctx).run([])[0].tolist() == texts
