"""Archives made to run away: each ends with one error, soon, and with little memory."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from script_archives import archive, model

from pyflame_rt.errors import InvalidModelError, PyFlameRTError
from pyflame_rt.frontends.torch.script import import_torchscript
from pyflame_rt.limits import Limits

SOON = 10.0
SMALL = Limits(script_steps=20_000, script_operations=500, script_unrolled=64, script_elements=1000)


def refused(data: bytes, limits: Limits = SMALL, **options: Any) -> str:
    """The error's text; the import must end with one of ours, in time."""
    start = time.monotonic()
    with pytest.raises(PyFlameRTError) as error:
        import_torchscript(data, name="model.pt", limits=limits, **options)
    assert time.monotonic() - start < SOON
    assert len(str(error.value)) < 2048
    return str(error.value)


def chain(body: str, count: int = 40) -> str:
    """Functions that each call the next."""
    functions = "".join(
        f"def f{i}(x: Tensor) -> Tensor:\n{body.replace('NEXT', f'__torch__.f{i + 1}')}"
        for i in range(count)
    )
    last = f"def f{count}(x: Tensor) -> Tensor:\n  return x\n"
    return model("return __torch__.f0(x)", more=functions + last)


@pytest.mark.parametrize(
    ("body", "limit"),
    [
        ("return (self).forward(x, )", "call_depth"),
        ("while True:\n  pass\nreturn x", "unrolled"),
        ("for i in range(60):\n  for j in range(60):\n    for k in range(60):\n      a = i\nreturn x",
         "steps"),
        ("for i in range(60):\n  for j in range(60):\n    x = torch.neg(x)\nreturn x", "operations"),
        ("for i in [" + "1, " * 100 + "]:\n  pass\nreturn x", "unrolled"),
        ("l = [1]\n" + "l = torch.add(l, l)\n" * 60 + "return x", "elements"),
        ("l = [1]\n" + "_0 = torch.extend(l, l)\n" * 60 + "return x", "elements"),
        ('l = "a"\n' + "l = torch.add(l, l)\n" * 60 + "return x", "elements"),
        ("l = torch.mul([0], 1000000000000)\nreturn x", "elements"),
        ('l = torch.mul("a", 1000000000000)\nreturn x', "elements"),
        ('l = torch.ljust("a", 1000000000000)\nreturn x', "elements"),
        ('a = torch.mul("a", 999)\nb = torch.replace(a, "a", a)\nreturn x', "elements"),
        ("".join("  " * k + "while bool(torch.sum(x)):\n" for k in range(8))
         + "  " * 8 + "x = torch.neg(x)\nreturn x", "loop_nesting"),
    ],
    ids=["recursion", "while True", "nested loops", "unrolled ops", "long list", "doubled list",
         "extended list", "doubled text", "repeated list", "repeated text", "padded text",
         "replaced text", "nested loops of the run"],
)  # fmt: skip
def test_limits(body: str, limit: str) -> None:
    """The message names the limit that can be raised."""
    text = refused(archive(model(body)), input_shapes=[[2]])
    assert f"raise Limits.script_{limit} if the file can be trusted" in text


def test_calls_that_double() -> None:
    """2 to the power of 40 calls, and 40 nested in deep blocks."""
    assert "Limits.script_steps" in refused(archive(chain("  a = NEXT(x)\n  return NEXT(a)\n")))
    blocks = "".join("  " * (k + 1) + "if True:\n" for k in range(20))
    deep = blocks + "  " * 21 + "y = NEXT(x)\n  return y\n"
    assert "Limits.script_frames" in refused(archive(chain(deep)))


def test_the_default_limits_are_reached_in_time() -> None:
    body = "for i in range(1000):\n  for j in range(1000):\n    a = torch.add(i, j)\nreturn x"
    start = time.process_time()
    assert "Limits.script_steps" in refused_by_default(archive(model(body)))
    assert time.process_time() - start < SOON


def refused_by_default(data: bytes) -> str:
    with pytest.raises(InvalidModelError) as error:
        import_torchscript(data, name="model.pt")
    return str(error.value)


def test_a_range_that_cannot_be_unrolled_is_a_loop_of_the_run() -> None:
    body = "for i in range(1000000000):\n  x = torch.neg(x)\nreturn x"
    import_torchscript(archive(model(body)), limits=SMALL)
    body = "for i in range(9223372036854775807):\n  pass\nreturn x"
    assert "is not believed" in refused(archive(model(body)))


def test_much_text_is_refused_before_it_is_parsed() -> None:
    text = model("return x") + "class A:\n" + "  pass\n" * (10 << 20)
    assert len(text) > 64 << 20
    start = time.monotonic()
    message = refused_by_default(archive(text))
    assert "the code has more than 4194304 bytes" in message
    assert time.monotonic() - start < SOON


def test_deep_expressions() -> None:
    for n in (65, 200_000):
        text = refused(archive(model("return " + "torch.neg(" * n + "x" + ")" * n)))
        assert "nested too deeply" in text


def test_values_that_hold_themselves() -> None:
    body = "l = annotate(List[Any], [])\n_0 = torch.append(l, l)\n"
    for rest in (
        "return l",
        "return torch.cat(l)",
        "y = torch.eq(l, l)\nreturn x",
        "if bool(torch.sum(x)):\n  l = [x]\nelse:\n  pass\nreturn l",
        'return torch.format("{}", l)',
    ):
        assert "nested too deeply" in refused(archive(model(body + rest)))


@pytest.mark.parametrize(
    "body",
    [
        "return torch.arange(1000000000000)",
        "return torch.linspace(0, 1, 1000000000000)",
        "return torch.eye(1000000000)",
        "l = torch.pow(9223372036854775807, 9223372036854775807)\nreturn l",
        "l = torch.__lshift__(1, 1000000000000)\nreturn l",
        "l = torch.exp(1000000.)\nreturn l",
        "l = torch.floor(inf)\nreturn l",
        'l = int("' + "9" * 5000 + '")\nreturn l',
        "y = isinstance(x, " + "Optional[" * 50 + "int" + "]" * 50 + ")\nreturn x",
        "return torch.select(torch.ones([4]), 0, 9223372036854775807)",
        'y = {"a": x}[x]\nreturn y',
        "y = {[1]: x}\nreturn x",
        'y = sorted([1, "a"])\nreturn x',
        "return torch.size()",
        "return torch.append()",
        "return torch.__is__(x)",
        "return torch.device()",
        "return ops.prim.dtype()",
        "return ops.quantized.linear(x)",
        "return ops.quantized.conv2d_relu(x, x, 1., 0)",
        "return torch.quantize_per_tensor(x, 0., 0, 13)",
        "return torch.quantize_per_tensor(x, 1., 999999, 13)",
        "return torch.quantize_per_tensor(x, 1., 0, 99)",
        "return torch.add(x, x, foo=1)",
        "return torch.stack(x)",
        "return torch.cat([])",
        "return torch.__range_length(0, 5, 0)",
        "x.a.b.c = 1\nreturn x",
        "a, b = b, a\nreturn x",
        "self.forward = 1\nreturn (self).forward(x, )",
        "return __torch__.M.__new__(__torch__.M)",
        "return getattr(self, x)",
        "return fork()",
        "return annotate(int)",
        "return range(x)",
        "return isinstance(x)",
        "f = self.forward\nreturn f(x, x, x)",
    ],
)
def test_arguments_that_make_no_sense(body: str) -> None:
    refused(archive(model(body)))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "model.pt"),
        (archive({"x.py": ""}), 'class "__torch__.M" is not in the archive'),
        (archive("class M(Module):\n  training : bool\n"), "methods are none"),
        (archive("def M() -> int:\n  return 1\n"), "is not in the archive"),
        (archive(model("return x"), {"0 1": {}}), ""),
        (archive("class M(Module):\n  def forward(self) -> int:\n    return 1\n"), ""),
        (archive(model("return self.l"), {"l": [[[[1]]]]}), ""),
    ],
    ids=["nothing", "no code", "no method", "a function", "odd name", "no inputs", "lists"],
)
def test_archives_that_are_none(data: bytes, why: str) -> None:
    if not why:
        import_torchscript(data, name="model.pt")
    else:
        assert why in refused(data)


def test_text_of_a_file_is_escaped_and_cut() -> None:
    text = refused(
        archive(model('ops.prim.RaiseException("\\033[31m' + "a" * 5000 + '")\nreturn x'))
    )
    assert "\033" not in text
    assert "\\x1b[31ma" in text
    assert len(text) < 300


def test_nothing_of_the_file_is_a_name_of_ours() -> None:
    """Attributes are looked up in what the archive defines, and nowhere else."""
    for name in ("__class__", "__dict__", "info", "attributes", "serial"):
        text = refused(archive(model(f"return self.{name}")))
        assert re.search(rf'no attribute "{name}"', text)
