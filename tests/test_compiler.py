"""What a function takes and gives: names, element types and shapes, or what is wrong with them."""

from __future__ import annotations

import pytest

from pyflame_rt import compiler
from pyflame_rt.errors import BackendError, ValidationError
from pyflame_rt.ir_text import parse
from pyflame_rt.universe import make_context


def function(arguments: str) -> str:
    return f"func.func @main({arguments}) {{ func.return }}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (function("%a: index"), 'input of @main "arg0": index cannot cross'),
        (function("%a: tensor<2xindex>"), r"tensor<2xindex> cannot cross a function's boundary"),
        (function("%a: tensor<2xf32> {pfrt.dims = []}"), '"arg0": pfrt.dims is not a string for'),
        (function("%a: tensor<2xf32> {pfrt.dims = [1]}"), "pfrt.dims is not a string for each"),
        (function("%a: tensor<2xf32> {pfrt.dims = 1}"), "pfrt.dims is not a string for each"),
        (
            function('%a: tensor<2xf32> {pfrt.name = "x"}, %b: tensor<2xf32> {pfrt.name = "x"}'),
            'input of @main "x": 2 of them have this name',
        ),
        (
            function('%a: tensor<2xf32> {pfrt.name = "arg1"}, %b: tensor<2xf32>'),
            'input of @main "arg1": 2 of them have this name',
        ),
    ],
)
def test_what_cannot_be_fed_is_named(text: str, message: str) -> None:
    module = parse(text, make_context(), "m.mlir")
    with pytest.raises(ValidationError, match=message):
        compiler.signature(module)


@pytest.mark.parametrize("backend", ["reference", "numpy"])
def test_branches_between_blocks_are_refused(backend: str) -> None:
    text = """func.func @main(%a: tensor<2xf32>) -> tensor<2xf32> {
      cf.br ^end(%a : tensor<2xf32>)
    ^end(%x: tensor<2xf32>):
      func.return %x : tensor<2xf32>
    }"""
    ctx = make_context()
    module = parse(text, ctx, "m.mlir")
    with pytest.raises(Exception, match="@main has branches between blocks") as caught:
        compiler.compile_module(module, ctx, backend, "")
    assert backend == "numpy" or isinstance(caught.value, BackendError)
