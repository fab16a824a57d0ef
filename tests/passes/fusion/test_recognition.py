"""Recognised forms: each one that a pattern names is found, and computed as exactly as before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice, product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from xdsl.dialects.builtin import FunctionType, ModuleOp
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Region, SSAValue

from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.dialects.patterns import Pattern, apply_patterns
from pyflame_rt.dialects.patterns.text import (
    Call,
    Either,
    Let,
    Number,
    PropertyName,
    Term,
    Variable,
    parse,
)
from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, element_type, tensor
from pyflame_rt.passes.fusion import (
    pfrt_recognize_activations,
    pfrt_recognize_normalization,
    pfrt_recognize_softmax,
)

Array = npt.NDArray[Any]

PATTERNS: dict[str, tuple[Pattern, ...]] = {
    "activations": pfrt_recognize_activations.PATTERNS,
    "layer": pfrt_recognize_normalization.LAYER,
    "rms": pfrt_recognize_normalization.RMS,
    "softmax": pfrt_recognize_softmax.PATTERNS,
}
CASES = [
    pytest.param(family, index, id=patterns[index].name.replace(" ", "-"))
    for family, patterns in PATTERNS.items()
    for index in range(len(patterns))
    if "wider type" not in patterns[index].name
]
SCALARS = {"a": 0.25, "b": 0.5, "epsilon": 1e-5}
PROPERTIES = {"axes": (-1,), "axis": -1, "alpha": 1 / 6, "beta": 0.5}
MOST_FORMS = 60


def forms(term: Term) -> Iterator[Term]:
    """A term with each of its choices made."""
    match term:
        case Either(forms=inner):
            for form in inner:
                yield from forms(form)
        case Let(term=inner):
            for form in forms(inner):
                yield replace(term, term=form)
        case Call(operands=operands):
            for chosen in product(*(tuple(forms(operand)) for operand in operands)):
                yield replace(term, operands=chosen)
        case _:
            yield term


class Chain:
    """The ops of a form, in a module of their own."""

    def __init__(self, term: Term, dtype: str):
        self.kind = np.dtype(dtype)
        self.arguments = {"x": (DYNAMIC, 3, 8), "scale": (8,), "bias": (8,)}
        element = element_type(self.kind)
        self.block = Block(arg_types=[tensor(element, s) for s in self.arguments.values()])
        self.values: dict[str, SSAValue] = dict(zip(self.arguments, self.block.args, strict=True))
        result = self.value(term)
        self.block.add_op(ReturnOp(result))
        types = FunctionType.from_lists([a.type for a in self.block.args], [result.type])
        self.module = ModuleOp([FuncOp("main", types, Region(self.block))])
        self.module.verify()

    def value(self, term: Term) -> SSAValue:
        """The value of a term, made if it is not there yet."""
        match term:
            case Variable(name=name):
                if name not in self.values:
                    self.values[name] = self.constant(SCALARS[name])
                return self.values[name]
            case Number(value=number):
                return self.constant(number)
            case Let(name=name, term=inner):
                if name not in self.values:
                    self.values[name] = self.value(inner)
                return self.values[name]
            case Call():
                return self.call(term)
            case _:
                raise AssertionError(term)

    def constant(self, number: float) -> SSAValue:
        op = ConstantOp.get(np.array(number, self.kind))
        self.block.add_op(op)
        return op.result

    def call(self, term: Call) -> SSAValue:
        kind = operations()[f"pfrt.{term.op}"]
        operands: list[Any] = [self.value(operand) for operand in term.operands]
        slots = len(kind.get_irdl_definition().operands)
        operands = [operands] if slots < len(operands) else operands
        operands += [None] * (slots - len(operands))
        properties: dict[str, Any] = {
            name: PROPERTIES[value.name] if isinstance(value, PropertyName) else value
            for name, value in term.properties
        }
        if term.op == "clip":
            properties = {name: float(value) for name, value in properties.items()}
        op = kind.create_op(operands, properties)
        self.block.add_op(op)
        return op.results[0]

    def run(self, feed: Mapping[str, Array]) -> Array:
        arrays = [feed[name].astype(self.kind) for name in self.arguments]
        return ReferenceBackend().compile(self.module, "main").run(arrays)[0]


@pytest.fixture(scope="module")
def feed() -> dict[str, Array]:
    """Values as they occur in networks."""
    random = np.random.default_rng(0)
    return {
        "x": random.standard_normal((5, 3, 8)) * 3,
        "scale": random.standard_normal(8),
        "bias": random.standard_normal(8),
    }


@pytest.mark.parametrize(("family", "index"), CASES)
def test_each_form_is_recognised_and_as_exact(family: str, index: int, feed: dict[str, Array]):
    """One op is left; its error against float64 is at most twice the chain's, or 4 ulp."""
    pattern = PATTERNS[family][index]
    target = parse(pattern.target)
    assert isinstance(target, Call)
    for form in islice(forms(parse(pattern.source)), MOST_FORMS):
        chain = Chain(form, "float32")
        before = chain.run(feed)
        apply_patterns(chain.module, PATTERNS[family])
        chain.module.verify()
        left = [op.name for op in chain.module.walk() if op.name.startswith("pfrt.")]
        assert [n for n in left if n != "pfrt.constant"] == [f"pfrt.{target.op}"], form
        after = chain.run(feed)
        exact = Chain(form, "float64").run(feed)
        ulp = np.spacing(np.float32(np.max(np.abs(exact))))
        allowed = max(2 * np.max(np.abs(before - exact)), 4 * ulp)
        assert np.max(np.abs(after - exact)) <= allowed, form
        assert after.dtype == before.dtype
