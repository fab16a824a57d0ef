"""The interpreter of archives' code, on archives written by hand: no torch is needed."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from script_archives import Thing, archive, model, run

from pyflame_rt.dialects.pfrt.control import IfOp, LoopOp
from pyflame_rt.errors import InvalidModelError, UnsupportedOperatorError
from pyflame_rt.frontends.torch.script import import_torchscript
from pyflame_rt.module_files import to_text

X = np.arange(6, dtype=np.float32).reshape(2, 3) - 2


def answer(body: str, *arrays: Any, more: str = "", **options: Any) -> Any:
    """The first result of a forward with this body."""
    return run(archive(model(body, more=more)), *(arrays or (X,)), **options).results[0]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("torch.add(2, 3)", 5),
        ("torch.div(7, 2)", 3.5),
        ("torch.floordiv(-7, 2)", -4),
        ("torch.remainder(-7, 2)", 1),
        ("torch.__round_to_zero_floordiv(-7, 2)", -3),
        ("torch.pow(2, 10)", 1024.0),
        ("torch.__lshift__(3, 4)", 48),
        ("torch.neg(torch.mul(2.5, 2))", -5.0),
        ("torch.floor(2.7)", 2),
        ("torch.ceil(2.2)", 3),
        ("torch.sqrt(16)", 4.0),
        ("ops.prim.max(3, 9)", 9),
        ("ops.prim.min([3, 1, 2])", 1),
        ("ops.prim.abs(-3)", 3),
        ("torch.eq([1, 2], [1, 2])", True),
        ("torch.ne((1, 2), (1, 3))", True),
        ('torch.eq("a", "b")', False),
        ("torch.__is__(None, None)", True),
        ("torch.__isnot__(1, None)", True),
        ("torch.__not__(torch.__and__(True, False))", True),
        ("torch.__contains__([1, 2], 2)", True),
        ('torch.__contains__({"a": 1}, "b")', False),
        ("torch.len([1, 2, 3])", 3),
        ('torch.len("four")', 4),
        ("[1, 2, 3][-1]", 3),
        ('{"a": 7}["a"]', 7),
        ("(1, (2, 3))[1][0]", 2),
        ("torch.slice([1, 2, 3, 4], 1, None, 2)[1]", 4),
        ("torch.add([1], [2, 3])[2]", 3),
        ("torch.mul([1, 2], 3)[5]", 2),
        ("sorted([3, 1, 2])[0]", 1),
        ("torch.index([5, 6], 6)", 1),
        ("torch.count([5, 6, 5], 5)", 2),
        ('torch.get({"a": 1}, "b", 9)', 9),
        ('torch.len(torch.split("a b c"))', 3),
        ('torch.find("abc", "c")', 2),
        ('torch.eq(torch.format("{}-{}", 1, [2, 3]), "1-[2, 3]")', True),
        ('torch.eq(torch.join(",", ["a", "b"]), "a,b")', True),
        ('int("12")', 12),
        ("float(3)", 3.0),
        ("bool(0)", False),
        ("torch.sum([1, 2, 3])", 6),
        ("torch.any([False, True])", True),
        ("isinstance(1, int)", True),
        ("isinstance([1], List[int])", True),
        ("isinstance(x, (int, Tensor))", True),
        ("annotate(Optional[int], 3)", 3),
        ("torch.size(x, 1)", 3),
        ("torch.mul(torch.size(x, 0), 5)", 10),
        ("torch.floordiv(torch.size(x, 0), 2)", 1),
        ("torch.dim(torch.zeros([2, 3]))", 2),
        ("int(torch.sum(torch.ones([4])))", 4),
    ],
)
def test_values(expression: str, value: Any) -> None:
    """What is known is computed at import; what is not, at run time."""
    found = answer(f"y = {expression}\nreturn y", input_shapes=[[None, 3]])
    assert found.item() == value
    assert type(found.item()) is type(value)


def test_lists_and_dicts_are_objects() -> None:
    body = """
a = [x]
b = a
_0 = torch.append(b, torch.neg(x))
d = {"k": a}
_1 = torch._set_item(d, "j", b)
_2 = torch.pop(d["k"], 0)
return a[0]
"""
    np.testing.assert_array_equal(answer(body), -X)


def test_classes_tuples_enums_and_functions_of_the_archive() -> None:
    more = """
class Acc:
  n : int
  def __init__(self: __torch__.Acc, n: int) -> NoneType:
    self.n = n
    return None
  def add(self: __torch__.Acc, k: int=2) -> int:
    self.n = torch.add(self.n, k)
    return self.n
class Pair(NamedTuple):
  a : Tensor
  b : int
class Color(Enum):
  RED = "r"
  BLUE = "b"
def twice(x: Tensor, scale: float=2.) -> Tensor:
  return torch.mul(x, scale)
"""
    body = """
acc = __torch__.Acc.__new__(__torch__.Acc)
_0 = (acc).__init__(3, )
_1 = (acc).add()
p = __torch__.Pair(x, (acc).add(5, ))
if torch.eq(__torch__.Color.RED, __torch__.Color.BLUE):
  y = x
else:
  f = __torch__.twice
  y = f(p.a, scale=3., )
z, n, = p
return torch.add(y, n)
"""
    np.testing.assert_array_equal(answer(body, more=more), X * 3 + 10)


def test_submodules_and_the_names_of_their_ops() -> None:
    code = {
        "__torch__.py": model(
            'l = getattr(self.layers, "0")\nreturn (l).forward(x, )',
            fields="layers : __torch__.lib.List",
        ),
        "__torch__/lib.py": """class List(Module):
  __annotations__["0"] = __torch__.lib.Scale
class Scale(Module):
  w : Tensor
  k : Final[int] = 2
  def forward(self: __torch__.lib.Scale, x: Tensor) -> Tensor:
    w = self.w
    return torch.mul(torch.mul(x, w), self.k)
""",
    }
    w = np.array([1, 2, 3], np.float32)
    scale = Thing("__torch__.lib.Scale", {"w": w})
    found = run(archive(code, {"layers": Thing("__torch__.lib.List", {"0": scale})}), X)
    np.testing.assert_array_equal(found.results[0], X * w * 2)
    text = to_text(found.module)
    assert 'loc("layers.0"("code/__torch__/lib.py":8:0))' in text
    assert 'as "layers.0.w"' in text


def test_names_of_inputs_and_outputs() -> None:
    """torch numbers the name of an input that is used; outputs have their keys, or numbers."""
    code = model(
        'return {"a": x, "b": (x, None, [2, y])}', parameters="x: Tensor, y: float, unused: int"
    )
    found = run(archive(code), X, np.array(1.5), np.array(1))
    assert [spec.name for spec in found.inputs] == ["x.1", "y.1", "unused"]
    assert [spec.type for spec in found.inputs] == [
        "tensor(float)",
        "tensor(double)",
        "tensor(int64)",
    ]
    assert [spec.name for spec in found.outputs] == ["a", "b.0", "b.2.0", "b.2.1"]
    plain = run(archive(model("return (x, x)")), X)
    assert [spec.name for spec in plain.outputs] == ["output.1", "output.2"]


def test_a_known_condition_takes_one_arm() -> None:
    body = """
if self.training:
  y = torch.no_such_operator(x)
else:
  y = torch.relu(x)
return y
"""
    assert not any(isinstance(op, IfOp) for op in run(archive(model(body)), X).module.walk())


IF = """
if bool(torch.gt(torch.sum(x), 0)):
  y = torch.mul(x, 2)
  n = 1
else:
  y = torch.sub(x, 1)
  n = 2
return (y, n)
"""


def test_a_condition_of_the_run_becomes_an_if() -> None:
    found = run(archive(model(IF)), np.ones((2, 2), np.float32))
    assert any(isinstance(op, IfOp) for op in found.module.walk())
    assert found.results[1] == 1
    assert run(archive(model(IF)), -np.ones((2, 2), np.float32)).results[1] == 2


def test_an_arm_that_raises_is_never_run() -> None:
    body = """
if bool(torch.gt(torch.sum(x), 100)):
  ops.prim.RaiseException("too much", "builtins.ValueError")
  y = uninitialized(Tensor)
else:
  y = torch.neg(x)
return y
"""
    np.testing.assert_array_equal(answer(body), -X)


def test_an_exception_that_is_always_raised() -> None:
    with pytest.raises(InvalidModelError, match=r'__torch__\.py:5: the model raises "no good"'):
        answer('ops.prim.RaiseException("no good")\nreturn x')


OPTIONAL = """
if bool(torch.gt(torch.sum(x), 0)):
  y : Optional[Tensor] = torch.mul(x, 2)
else:
  y = None
if torch.__isnot__(y, None):
  z = unchecked_cast(Tensor, y)
  w = torch.add(z, 1)
else:
  w = x
return w
"""


@pytest.mark.parametrize("sign", [1, -1])
def test_a_value_that_is_none_in_one_arm(sign: int) -> None:
    x = np.full((2, 2), sign, np.float32)
    np.testing.assert_array_equal(answer(OPTIONAL, x), x * 2 + 1 if sign > 0 else x)


def test_loops_of_known_length_are_unrolled() -> None:
    body = "y = x\nfor i in range(3):\n  y = torch.add(y, i)\nreturn y"
    found = run(archive(model(body)), X)
    assert not any(isinstance(op, LoopOp) for op in found.module.walk())
    np.testing.assert_array_equal(found.results[0], X + 3)


def test_long_and_unknown_loops_are_run() -> None:
    body = """
y = x
for i in range(2000):
  y = torch.add(y, i)
n = 0
for j in range(1, torch.size(x, 0), 2):
  n = torch.add(n, j)
return (y, n)
"""
    x = np.zeros((6, 1), np.float32)
    found = run(archive(model(body)), x, input_shapes=[[None, 1]])
    assert sum(isinstance(op, LoopOp) for op in found.module.walk()) == 2
    assert found.results[0][0, 0] == 1999 * 1000
    assert found.results[1] == 1 + 3 + 5


def test_a_list_that_grows_in_a_loop_of_the_run_is_a_sequence() -> None:
    body = """
l = annotate(List[Tensor], [])
k = 0
while bool(torch.lt(torch.sum(x), 20)):
  x = torch.add(x, 1)
  _0 = torch.append(l, x)
  k = torch.add(k, 1)
return (torch.stack(l), torch.len(l), l[0], k)
"""
    found = run(archive(model(body)), X)
    stacked, length, first, count = found.results
    assert stacked.shape == (length, 2, 3)
    assert length == count == 3
    np.testing.assert_array_equal(first, X + 1)


def test_forks_and_contexts_are_inlined() -> None:
    body = """
def forked(y: Tensor) -> Tensor:
  return torch.mul(y, x)
f = fork(forked, torch.neg(x))
c = __torch__.Ctx.__new__(__torch__.Ctx)
with c as n:
  z = torch.wait(f)
return torch.add(z, n)
"""
    more = """
class Ctx:
  n : int
  def __enter__(self: __torch__.Ctx) -> int:
    self.n = 4
    return self.n
  def __exit__(self: __torch__.Ctx, a: Any, b: Any, c: Any) -> NoneType:
    return None
"""
    np.testing.assert_array_equal(answer(body, more=more), -X * X + 4)


# Inputs.


def test_shapes_and_types_follow_from_operators() -> None:
    w = np.ones((4, 3, 3, 3), np.float32)
    body = "return torch.conv2d(torch.relu(x), self.w, None)"
    found = run(
        archive(model(body, fields="w : Tensor"), {"w": w}), np.ones((1, 3, 5, 5), np.float32)
    )
    assert found.inputs[0].shape == (None, 3, None, None)
    table = np.arange(8, dtype=np.float32).reshape(4, 2)
    body = "return torch.embedding(self.w, x)"
    found = run(archive(model(body, fields="w : Tensor"), {"w": table}), np.array([[1, 2]]))
    assert found.inputs[0].type == "tensor(int64)"


def test_a_rank_that_nothing_tells_is_found_by_what_fits() -> None:
    found = run(archive(model("b, c, d, = torch.size(x)\nreturn torch.mul(x, d)")), X[None])
    assert found.inputs[0].shape == (None, None, None)


def test_the_caller_tells_what_inputs_are() -> None:
    data = archive(model("return torch.add(x, 1)"))
    found = run(
        data, X.astype(np.int32), input_shapes={"x": ["N", 3]}, input_types={"x.1": "int32"}
    )
    assert found.inputs[0].shape == ("N", 3)
    assert found.results[0].dtype == np.int32


def test_parameters_with_defaults_are_inputs_when_they_are_named() -> None:
    body = "if torch.__is__(m, None):\n  y = x\nelse:\n  y = torch.mul(x, unchecked_cast(Tensor, m))\nreturn torch.mul(y, n)"
    data = archive(model(body, parameters="x: Tensor, m: Optional[Tensor]=None, n: int=2"))
    np.testing.assert_array_equal(run(data, X).results[0], X * 2)
    given = run(data, X, X, input_types={"m": "float32"}, values={"n": 5})
    assert [spec.name for spec in given.inputs] == ["x.1", "m.1"]
    np.testing.assert_array_equal(given.results[0], X * X * 5)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"input_shapes": {"y": [1]}}, '"y" is not an input; inputs are x.1'),
        ({"input_types": {"x": "quaternion"}}, "is no element type"),
        ({"method": "backward"}, 'no method "backward"; methods are forward'),
    ],
)
def test_what_the_caller_gets_wrong(options: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidModelError, match=re.escape(why)):
        run(archive(model("return x")), X, **options)


def test_a_parameter_that_cannot_be_fed() -> None:
    data = archive(model("return x", parameters="x: Tensor, mode: str"))
    with pytest.raises(InvalidModelError, match="fixed value: values="):
        run(data, X)
    run(data, X, values={"mode": "a"})


# Errors.


def test_all_operators_without_a_rule_are_listed() -> None:
    """With their lines, also those that depend on the results of others, in all arms."""
    body = """
y = torch.first_missing(x)
if bool(y):
  z = ops.mine.second(y)
else:
  z = torch.third_(torch.relu(y))
for i in range(torch.size(z, 0)):
  z = torch.fourth(z, [y])
return torch.add(z, 1)
"""
    with pytest.raises(UnsupportedOperatorError) as error:
        import_torchscript(archive(model(body)), name="model.pt")
    text = str(error.value)
    assert text.startswith("model.pt: 4 operators are not supported: aten::first_missing at ")
    for name, line in [("first_missing", 5), ("second", 7), ("third_", 9), ("fourth", 11)]:
        assert re.search(rf"::{name} at model\.pt: code/__torch__\.py:{line}\b", text)
    assert "relu" not in text


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("return y", 'variable "y" has no value'),
        ("return self.w", 'no attribute "w"'),
        ("return __torch__.nothing(x)", '"__torch__.nothing" is not in the archive'),
        ("return CONSTANTS.c0", "is not in the archive"),
        ("return eval(x)", '"eval" is neither'),
        ("return torch.add(x, [1])", "do not fit aten::add"),
        ("a, b, = [x]\nreturn a", "takes apart 1 values into 2"),
        ("return [x][1]", "index 1 is outside a list of 1"),
        ("return torch.div(1, 0)", "divides by zero"),
        ("return torch.mul(9223372036854775807, 2)", "does not fit 64 bits"),
        ("return x(x)", "calls what is no function"),
        ("a = uninitialized(Tensor)\nreturn torch.neg(a)", "before it has a value"),
        ("return (x).clone()", 'method "clone" of what is no object'),
        ("x.a = 1\nreturn x", "sets an attribute of what is no object"),
        ("return self", "returns an object"),
    ],
)
def test_code_that_contradicts_itself(body: str, why: str) -> None:
    with pytest.raises((InvalidModelError, UnsupportedOperatorError)) as error:
        answer(body)
    assert why in str(error.value)
    assert str(error.value).startswith("model.pt")
