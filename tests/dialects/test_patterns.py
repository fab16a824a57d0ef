"""Patterns as text: what they match, what they leave alone and say why, what is no pattern."""

from __future__ import annotations

import re

import pytest
from xdsl.dialects.builtin import ModuleOp

from pyflame_rt import module_files
from pyflame_rt.dialects.patterns import Match, Pattern, apply_patterns
from pyflame_rt.dialects.rewriting import explaining
from pyflame_rt.errors import ValidationError
from pyflame_rt.pipelines import verify_module
from pyflame_rt.universe import make_context

X = "%x: tensor<?x4xf32>"
T = "tensor<?x4xf32>"
SWISH = Pattern("swish", source="mul(x, sigmoid(x))", target="swish(x)")
SCALED = Pattern("swish", source="mul(x, sigmoid(mul(x, a:scalar)))", target="swish(x) {alpha=a}")
HALF = Pattern("half", source="mul(x, 0.5)", target="neg(x)")


def function(arguments: str, body: str, result: str = T) -> ModuleOp:
    """A module of one function, whose last op defines `%y`."""
    text = f"func.func @main({arguments}) -> {result} {{\n{body}\nfunc.return %y : {result}\n}}"
    module = module_files.parse(text.encode(), make_context(), "test.mlir")
    verify_module(module)
    return module


def names(module: ModuleOp) -> list[str]:
    """The ops of a module but constants, in order."""
    found = [op.name.removeprefix("pfrt.") for op in module.walk() if op.name.startswith("pfrt.")]
    return [name for name in found if name != "constant"]


def after(module: ModuleOp, *patterns: Pattern) -> list[str]:
    """The ops of a module rewritten by some patterns."""
    apply_patterns(module, patterns)
    verify_module(module)
    return names(module)


@pytest.mark.parametrize("operands", ["%x, %s", "%s, %x"])
def test_commutative_ops_match_in_both_orders(operands: str):
    """x * sigmoid(x) is sigmoid(x) * x."""
    module = function(
        X, f"%s = pfrt.sigmoid %x : {T} -> {T}\n%y = pfrt.mul {operands} : ({T}, {T}) -> {T}"
    )
    assert after(module, SWISH) == ["swish"]


def test_a_variable_is_one_value():
    """x * sigmoid(z) is no swish."""
    body = f"%s = pfrt.sigmoid %z : {T} -> {T}\n%y = pfrt.mul %x, %s : ({T}, {T}) -> {T}"
    assert after(function(f"{X}, %z: {T}", body), SWISH) == ["sigmoid", "mul"]


@pytest.mark.parametrize(
    ("constant", "kind", "matches"),
    [
        ("dense<0.5>", "tensor<f32>", True),
        ("dense<0.5000003>", "tensor<f32>", False),
        ("dense<0.501>", "tensor<f32>", False),
        ("dense<0.5>", "tensor<1x1xf32>", True),
        ("dense<0.5>", "tensor<4xf32>", True),
        ("dense<[0.5, 0.5, 0.5, 0.5]>", "tensor<4xf32>", True),
        ("dense<[0.5, 0.5, 0.6, 0.5]>", "tensor<4xf32>", False),
        # The first could enlarge the result, the second surely does.
        ("dense<0.5>", "tensor<3x4xf32>", False),
        ("dense<0.5>", "tensor<1x1x1xf32>", False),
    ],
)
def test_numbers_match_constants(constant: str, kind: str, *, matches: bool):
    """A number is a constant all of whose elements are that, and leaves the shape as it is."""
    result = {"tensor<3x4xf32>": "tensor<3x4xf32>", "tensor<1x1x1xf32>": "tensor<1x?x4xf32>"}
    y = result.get(kind, T)
    body = f"%c = pfrt.constant {constant} : {kind}\n%y = pfrt.mul %c, %x : ({kind}, {T}) -> {y}"
    assert after(function(X, body, y), HALF) == (["neg"] if matches else ["mul"])


def test_numbers_are_rounded_like_the_constant():
    """0.7071067811865476 is 0.70703125 in f16, and not in f32."""
    root = Pattern("root", source="mul(x, 0.7071067811865476)", target="neg(x)")
    for kind, expected in (("f16", ["neg"]), ("f32", ["mul"])):
        t = f"tensor<4x{kind}>"
        body = (
            f"%c = pfrt.constant dense<0.70703125> : tensor<{kind}>\n"
            f"%y = pfrt.mul %x, %c : ({t}, tensor<{kind}>) -> {t}"
        )
        assert after(function(f"%x: {t}", body, t), root) == expected


def test_values_used_elsewhere_block_a_match():
    """The sigmoid is needed anyway: nothing is saved, and the reason is given."""
    body = (
        f"%s = pfrt.sigmoid %x : {T} -> {T}\n%m = pfrt.mul %x, %s : ({T}, {T}) -> {T}\n"
        f"%y = pfrt.add %m, %s : ({T}, {T}) -> {T}"
    )
    module = function(X, body)
    with explaining() as explanation:
        assert after(module, SWISH) == ["sigmoid", "mul", "add"]
    (declined,) = explanation.take()
    assert declined.op == "pfrt.mul"
    assert declined.why == 'pfrt.sigmoid is also used by pfrt.add (pattern "swish")'
    assert explanation.take() == ()


def test_a_value_may_be_used_twice_inside():
    """d = x - z; d * d uses d twice, but nothing else does."""
    body = f"%d = pfrt.sub %x, %z : ({T}, {T}) -> {T}\n%y = pfrt.mul %d, %d : ({T}, {T}) -> {T}"
    square = Pattern("square", source="d = sub(a, b); mul(d, d)", target="add(a, b)")
    assert after(function(f"{X}, %z: {T}", body), square) == ["add"]


def test_constants_become_properties():
    """The factor in a sigmoid is the swish's alpha."""
    body = (
        "%c = pfrt.constant dense<1.5> : tensor<f32>\n"
        f"%m = pfrt.mul %x, %c : ({T}, tensor<f32>) -> {T}\n%s = pfrt.sigmoid %m : {T} -> {T}\n"
        f"%y = pfrt.mul %x, %s : ({T}, {T}) -> {T}"
    )
    module = function(X, body)
    assert after(module, SCALED) == ["swish"]
    assert "alpha = 1.500000e+00 : f32" in module_files.to_text(module)


def test_properties_that_are_not_named_have_their_defaults():
    """gelu(x) is the exact one, not its approximation."""
    pattern = Pattern("neg", source="neg(gelu(x))", target="gelu(x)")
    approximate = Pattern("neg", source="neg(gelu(x) {*p})", target="gelu(x) {*p}")
    body = f'%g = pfrt.gelu %x {{approximate = "tanh"}} : {T} -> {T}\n%y = pfrt.neg %g : {T} -> {T}'
    assert after(function(X, body), pattern) == ["gelu", "neg"]
    module = function(X, body)
    assert after(module, approximate) == ["gelu"]
    assert 'approximate = "tanh"' in module_files.to_text(module)


@pytest.mark.parametrize(
    ("arguments", "axis", "expected"),
    [
        (X, -1, ["log_softmax"]),
        (X, 0, ["softmax", "log"]),
        ("%x: tensor<*xf32>", 1, ["softmax", "log"]),
    ],
)
def test_axes_are_compared_from_the_start(arguments: str, axis: int, expected: list[str]):
    """Axis -1 is axis 1 of two, which is not known of an unknown rank."""
    kind = arguments.removeprefix("%x: ")
    pattern = Pattern("log", source="log(softmax(x) {axis=-1})", target="log_softmax(x) {axis=-1}")
    body = (
        f"%s = pfrt.softmax %x {{axis = {axis} : i64}} : {kind} -> {kind}\n"
        f"%y = pfrt.log %s : {kind} -> {kind}"
    )
    assert after(function(arguments, body, kind), pattern) == expected


def test_absent_operands_have_a_name():
    """clip(x) without bounds as operands; what a source does not mention is not there."""
    pattern = Pattern("clip", source="clip(x, none, none) {*p}", target="clip(x) {*p}")
    relu = Pattern("relu", source="relu(clip(x, none, m) {*p})", target="clip(x, none, m) {*p}")
    body = (
        f"%c = pfrt.clip %x max(%m : tensor<f32>) {{min = 1.0 : f32}} : {T} -> {T}\n"
        f"%y = pfrt.relu %c : {T} -> {T}"
    )
    assert pattern.roots == {"pfrt.clip"}
    assert after(function(f"{X}, %m: tensor<f32>", body), relu) == ["clip"]


def test_conditions_decide_and_add_variables():
    """`where` sees shapes, types and numbers, and gives the target what it computed."""
    seen: list[object] = []

    def condition(match: Match) -> str | None:
        seen.extend((match.shape("x")[1:], match.rank("x"), match.dtype("x"), match.number("c")))
        match.let("alpha", match.number("c") / 2)
        return "it is too large" if match.number("c") > 2 else None

    pattern = Pattern(
        "leaky",
        source="mul(relu(x), c:scalar)",
        target="leaky_relu(x) {alpha=alpha}",
        where=condition,
    )
    for number, expected in ((1.0, ["leaky_relu"]), (3.0, ["relu", "mul"])):
        body = (
            f"%c = pfrt.constant dense<{number}> : tensor<f32>\n%r = pfrt.relu %x : {T} -> {T}\n"
            f"%y = pfrt.mul %r, %c : ({T}, tensor<f32>) -> {T}"
        )
        assert after(function(X, body), pattern) == expected
    assert seen[:4] == [(4,), 2, "float32", 1.0]


def test_ops_of_other_blocks_are_not_moved():
    """A value computed before a loop is not computed in each turn of it."""
    text = """
    func.func @main(%x: tensor<4xf32>, %n: tensor<i64>, %c: tensor<i1>) -> tensor<4xf32> {
      %s = pfrt.sigmoid %x : tensor<4xf32> -> tensor<4xf32>
      %y = pfrt.if %c -> (tensor<4xf32>) {
        %m = pfrt.mul %x, %s : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
        pfrt.yield %m : tensor<4xf32>
      } else {
        pfrt.yield %x : tensor<4xf32>
      } : tensor<i1>
      func.return %y : tensor<4xf32>
    }
    """
    module = module_files.parse(text.encode(), make_context(), "test.mlir")
    assert apply_patterns(module, [SWISH]) == 0


def test_refused_targets_leave_nothing_behind():
    """A target that cannot be built has no uses: the values it would have used are free."""
    pattern = Pattern("no", source="neg(x)", target="hard_sigmoid(x)")
    body = "%y = pfrt.neg %x : tensor<4xi32> -> tensor<4xi32>"
    module = function("%x: tensor<4xi32>", body, "tensor<4xi32>")
    with explaining() as explanation:
        assert after(module, pattern) == ["neg"]
    assert len(explanation.take()) == 1
    (op,) = [op for op in module.walk() if op.name == "pfrt.neg"]
    assert op.operands[0].has_one_use()


@pytest.mark.parametrize(
    ("source", "target", "why"),
    [
        ("mul(x, sigmoid(x)", "swish(x)", 'has "the end" where ","'),
        ("mul(x, $)", "swish(x)", "which is no token"),
        ("mul(x; y)", "swish(x)", 'has ";"'),
        ("mull(x, x)", "swish(x)", 'names an op "mull"'),
        ("x", "swish(x)", "no op at the root"),
        ("mul(x, y, z)", "swish(x)", "gives mul 3 operands"),
        ("softmax(x) {axes=1}", "swish(x)", "softmax has no property axes"),
        ("cast(x)", "swish(x)", "does not say what to of cast is"),
        ("sigmoid(x)", "swish(y)", "uses y, which its source has not"),
        ("sigmoid(x)", "swish(x) {alpha=a}", "uses a, which its source has not"),
        ("sigmoid(x)", "swish(x) {*p}", "uses p, which its source has not"),
        ("sigmoid(x)", "swish(x) | x", "two forms of its target"),
        ("sigmoid(x:vector)", "swish(x)", "can only be any, const, scalar"),
        ("a = neg(x); a = neg(x); sigmoid(a)", "swish(x)", 'names "a" twice'),
        ("reduce_sum(x) {axes=[1.5]}", "swish(x)", "where a whole number should be"),
        ("softmax(x) {axis=}", "swish(x)", "where a property's value should be"),
        ("softmax(x) {*p, *q}", "swish(x)", "two names for the other properties"),
    ],
)
def test_wrong_patterns_are_explained(source: str, target: str, why: str):
    """One line that says what is wrong, before any op is looked at."""
    with pytest.raises(ValidationError, match=re.escape(why)):
        apply_patterns(ModuleOp([]), [Pattern("p", source=source, target=target)])
