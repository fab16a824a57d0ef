"""Writes in place: every name that sees them sees them, and what cannot be proven is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from script_archives import Ran, Thing, archive, model, run

from pyflame_rt.errors import UnsupportedOperatorError
from pyflame_rt.frontends.torch.script import import_torchscript

X = np.arange(6, dtype=np.float32).reshape(2, 3) - 2
SHAPED: dict[str, Any] = {"input_shapes": [[None, None]]}


def results(body: str) -> list[Any]:
    return run(archive(model(body)), X, **SHAPED).results


def test_all_names_of_a_tensor_see_a_write() -> None:
    body = """
y = torch.clone(x)
l = [y]
d = {"k": y}
_0 = torch.add_(y, 1)
_1 = torch.mul_(l[0], 2)
_2 = torch.relu_(d["k"])
return (y, l[0], x)
"""
    wanted = np.maximum((X + 1) * 2, 0)
    y, z, x = results(body)
    np.testing.assert_array_equal(y, wanted)
    np.testing.assert_array_equal(z, wanted)
    np.testing.assert_array_equal(x, X)


def test_a_write_to_a_view_reaches_its_base_and_other_views() -> None:
    body = """
y = torch.clone(x)
row = torch.select(y, 0, 1)
flat = torch.view(y, [-1])
_0 = torch.fill_(torch.slice(torch.t(y), 0, 1, None), 7)
_1 = torch.add_(row, 1)
_2 = torch.copy_(torch.select(flat, 0, 0), torch.sum(x))
return (y, row, flat)
"""
    y, row, flat = results(body)
    wanted = X.copy()
    wanted[:, 1:] = 7
    wanted[1] += 1
    wanted[0, 0] = X.sum()
    np.testing.assert_array_equal(y, wanted)
    np.testing.assert_array_equal(row, wanted[1])
    np.testing.assert_array_equal(flat, wanted.reshape(-1))


def test_writes_in_arms_and_loops_of_the_run() -> None:
    body = """
y = torch.clone(x)
v = torch.select(y, 0, 0)
if bool(torch.gt(torch.sum(x), 0)):
  _0 = torch.mul_(y, 2)
else:
  _1 = torch.zero_(v)
for i in range(torch.size(x, 0)):
  _2 = torch.add_(torch.select(y, 0, i), i)
return (y, v)
"""
    for sign in (1, -1):
        x = X * sign
        y, v = run(archive(model(body)), x, **SHAPED).results
        wanted = x.copy()
        if x.sum() > 0:
            wanted *= 2
        else:
            wanted[0] = 0
        wanted[1] += 1
        np.testing.assert_array_equal(y, wanted)
        np.testing.assert_array_equal(v, wanted[0])


def test_the_element_type_stays_and_out_is_written_to() -> None:
    body = """
n = torch.to(x, 4)
_0 = torch.mul_(n, 1.5)
y = torch.zeros([2, 3])
_1 = torch.add(x, 1, out=y)
return (n, y)
"""
    n, y = results(body.replace("torch.mul_(n, 1.5)", "torch.mul_(n, 3)"))
    assert n.dtype == np.int64
    np.testing.assert_array_equal(n, X.astype(np.int64) * 3)
    np.testing.assert_array_equal(y, X + 1)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (
            # reshape is a view or a copy, by strides that are not known.
            "y = torch.clone(x)\nz = torch.reshape(torch.t(y), [-1])\n_0 = torch.add_(z, 1)\nreturn y",
            "may have been changed in place at model.pt: code/__torch__.py:7",
        ),
        (
            "if bool(torch.sum(x)):\n  y = x\nelse:\n  y = torch.neg(x)\n_0 = torch.add_(y, 1)\nreturn x",
            "may have been changed in place at model.pt: code/__torch__.py:9",
        ),
        (
            "_0 = torch.add_(CONSTANTS.c0, 1)\nreturn x",
            "changes a constant of the model in place",
        ),
        (
            """l = annotate(List[Tensor], [])
y = torch.clone(x)
for i in range(torch.size(x, 0)):
  _0 = torch.add_(y, 1)
  _1 = torch.append(l, y)
return torch.stack(l)""",
            "in a list whose length depends on the run",
        ),
        (
            """l = annotate(List[Tensor], [])
for i in range(torch.size(x, 0)):
  _1 = torch.append(l, torch.select(x, 0, i))
_0 = torch.add_(l[0], 1)
return torch.stack(l)""",
            "a list whose length depends on the run",
        ),
        (
            """y = torch.clone(x)
r = y
for i in range(torch.size(x, 0)):
  r = torch.select(y, 0, i)
_0 = torch.add_(r, 1)
return y""",
            "may have been changed in place",
        ),
    ],
    ids=["reshape", "either", "constant", "appended", "taken", "last of a loop"],
)
def test_what_cannot_be_proven_is_refused(body: str, why: str) -> None:
    data = archive(model(body), constants=[np.ones((2, 3), np.float32)])
    with pytest.raises(UnsupportedOperatorError) as error:
        import_torchscript(data, name="model.pt", **SHAPED)
    assert why in str(error.value)


def test_a_copy_that_nobody_reads_again_is_no_matter() -> None:
    (found,) = results("z = torch.reshape(torch.t(x), [-1])\n_0 = torch.add_(z, 1)\nreturn z")
    np.testing.assert_array_equal(found, X.T.reshape(-1) + 1)


# State.


def twice(data: bytes, **options: Any) -> tuple[Ran, list[Any]]:
    """Run a model, and again with the states that the first run left."""
    first = run(data, X, **options)
    count = sum(spec.default is not None for spec in first.inputs)
    again = run(data, X, *first.results[-count:], **options)
    return first, again.results


def test_attributes_that_are_set_are_state() -> None:
    body = """
h = self.h
self.h = torch.add(h, x)
self.n = torch.add(self.n, 2)
return (self.h, self.n)
"""
    attributes = {"h": np.zeros((2, 3), np.float32), "n": 5}
    data = archive(model(body, fields="h : Tensor\nn : int"), attributes)
    first, again = twice(data)
    assert [(spec.name, spec.default is not None) for spec in first.inputs] == [
        ("x.1", False),
        ("h", True),
        ("n", True),
    ]
    assert [spec.name for spec in first.outputs] == ["output.1", "output.2", "h", "n"]
    assert first.results[1] == 7
    assert again[1] == 9
    np.testing.assert_array_equal(again[0], X * 2)
    marks = [attr.data.get("pfrt.state") for attr in first.module.body.block.first_op.arg_attrs]
    assert [mark and mark.data for mark in marks] == [None, "h", "n"]


def test_buffers_that_are_written_to_in_place_are_state() -> None:
    code = {
        "__torch__.py": model("return (self.sub).forward(x, )", fields="sub : __torch__.s.Sub"),
        "__torch__/s.py": """class Sub(Module):
  h : Tensor
  def forward(self: __torch__.s.Sub, x: Tensor) -> Tensor:
    h = self.h
    _0 = torch.add_(torch.select(h, 0, 0), torch.select(x, 0, 1))
    return torch.neg(h)
""",
    }
    data = archive(code, {"sub": Thing("__torch__.s.Sub", {"h": np.zeros((2, 3), np.float32)})})
    first, again = twice(data, **SHAPED)
    assert [spec.name for spec in first.inputs] == ["x.1", "sub.h"]
    np.testing.assert_array_equal(again[0], -np.stack([X[1] * 2, X[1] * 0]))


def test_state_that_grows_has_a_dimension_that_varies() -> None:
    body = "self.seen = torch.cat([self.seen, x])\nreturn self.seen"
    data = archive(model(body, fields="seen : Tensor"), {"seen": np.zeros((1, 3), np.float32)})
    first, again = twice(data, **SHAPED)
    assert first.inputs[1].shape == (None, 3)
    assert again[0].shape == (5, 3)


def test_what_is_written_before_it_is_read_is_no_state() -> None:
    body = "self.last = torch.neg(x)\nreturn self.last"
    data = archive(model(body, fields="last : Tensor"), {"last": np.zeros(1, np.float32)})
    assert [spec.name for spec in run(data, X).inputs] == ["x.1"]


def test_what_only_one_arm_writes_is_state() -> None:
    body = """
if bool(torch.gt(torch.sum(x), 0)):
  self.h = torch.mul(x, 2)
else:
  pass
return self.h
"""
    data = archive(model(body, fields="h : Tensor"), {"h": np.ones((2, 3), np.float32)})
    first, again = twice(data, **SHAPED)
    assert [spec.name for spec in first.inputs] == ["x.1", "h"]
    np.testing.assert_array_equal(again[0], X * 2)


def test_statistics_of_training_are_not_there() -> None:
    """num_batches_tracked is counted in training only."""
    body = """
if self.training:
  _0 = torch.add_(self.seen, 1)
else:
  pass
return x
"""
    data = archive(model(body, fields="seen : Tensor"), {"seen": np.array(0)})
    assert len(run(data, X).inputs) == 1


@pytest.mark.parametrize(
    ("body", "attributes", "why"),
    [
        ("_0 = torch.append(self.l, x)\nreturn x", {"l": []}, "a list or dict that belongs"),
        ('y = self.n\nself.n = "a"\nreturn x', {"n": 1}, "another kind"),
        ("y = self.n\nself.n = x\nreturn x", {"n": None}, "is no tensor or number"),
    ],
)
def test_state_that_cannot_be_carried(body: str, attributes: dict[str, Any], why: str) -> None:
    with pytest.raises(UnsupportedOperatorError, match=why):
        run(archive(model(body), attributes), X)
