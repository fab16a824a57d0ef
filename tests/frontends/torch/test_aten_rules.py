"""Every rule of an operator of torch's gives what torch gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the rules are compared with torch")

import torch
from aten_cases import all_cases
from aten_cases.case import Case, Draw
from aten_harness import Built, by_torch

from pyflame_rt.dialects.pfrt.types import static_shape_of
from pyflame_rt.errors import PyFlameRTError, UnsupportedOperatorError
from pyflame_rt.frontends.torch.aten import rules

pytestmark = pytest.mark.torch
CASES = all_cases()


def _label(case: Case) -> str:
    return f"{case.name}-{case.label}" if case.label else case.name


def _agree(case: Case, ours: list[Any], theirs: list[Any]) -> None:
    ours, theirs = ours[: case.results], theirs[: case.results]
    assert len(ours) == len(theirs)
    for mine, wanted in zip(ours, theirs, strict=True):
        assert mine.shape == wanted.shape
        assert mine.dtype == wanted.dtype
        if not case.values:
            continue
        if wanted.dtype.kind in "biu":
            np.testing.assert_array_equal(mine, wanted)
            continue
        wide = [
            array.astype(np.complex128 if wanted.dtype.kind == "c" else np.float64)
            for array in (mine, wanted)
        ]
        np.testing.assert_allclose(wide[0], wide[1], rtol=case.tolerance, atol=case.tolerance)


@pytest.mark.parametrize("case", CASES, ids=_label)
def test_static_shapes(case: Case) -> None:
    """The operator on tensors of known shapes, whose results' shapes are known then."""
    for seed in range(2):
        args, kwargs = case.make(Draw(seed))
        built = Built(case.name, args, kwargs, dynamic=False, constants=case.constants)
        if not case.loose:
            assert all(static_shape_of(value.ssa) is not None for value in built.outputs)
        args, kwargs = case.make(Draw(seed))
        _agree(case, built.run(), by_torch(case.name, args, kwargs))


@pytest.mark.parametrize("case", CASES, ids=_label)
def test_dynamic_shapes(case: Case) -> None:
    """The same where no size is known, or a refusal that says so."""
    args, kwargs = case.make(Draw(2))
    if case.static_only:
        with pytest.raises(PyFlameRTError):
            Built(case.name, args, kwargs, dynamic=True, constants=case.constants)
        return
    which = True if case.dynamic is None else case.dynamic
    built = Built(case.name, args, kwargs, dynamic=which, constants=case.constants)
    args, kwargs = case.make(Draw(2))
    _agree(case, built.run(), by_torch(case.name, args, kwargs))


def test_every_rule_has_a_case() -> None:
    """No rule is left out."""
    named = {case.name for case in CASES}
    table = {rule.full_name for rows in rules.table().values() for rule in rows}
    assert table == named


def test_unsupported_forms_are_told() -> None:
    """A form that is not supported is an error that says what and where."""
    args, kwargs = [Draw(0).f(2, 3), 0.5, True], {}
    with pytest.raises(UnsupportedOperatorError, match="aten::dropout: is in training mode"):
        Built("aten::dropout", args, kwargs, dynamic=False)


def _views() -> list[Case]:
    found = []
    for case in CASES:
        namespace, _, rest = case.name.partition("::")
        name, _, overload = rest.partition(".")
        rule = rules.lookup(name, overload, namespace)
        assert rule is not None
        if rule.view is not None and rule.view.scatter is not None:
            found.append(case)
    return found


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
@pytest.mark.parametrize("case", _views(), ids=_label)
def test_writes_through_views(case: Case, dynamic: bool) -> None:
    """What is written to a result that is a view of the first argument shows there."""
    args, kwargs = case.make(Draw(3))
    base = args[0].clone()
    namespace, _, rest = case.name.partition("::")
    name, _, overload = rest.partition(".")
    operator = getattr(getattr(getattr(torch.ops, namespace), name), overload or "default")
    made = operator(base, *args[1:], **kwargs)
    index = len(made) - 1 if isinstance(made, list | tuple) else None
    view = made if index is None else made[index]
    if view.untyped_storage().data_ptr() != base.untyped_storage().data_ptr() or not view.numel():
        pytest.skip("a copy, or nothing, as torch has it here")
    part = torch.arange(view.numel()).reshape(view.shape).to(view.dtype)
    if dynamic and (case.static_only or case.dynamic == ()):
        pytest.skip("needs the sizes of its arguments")
    view.copy_(part)

    def scatter(built: Built, arguments: list[Any], keywords: dict[str, Any]) -> Any:
        rule = rules.lookup(name, overload, namespace)
        assert rule is not None
        return rule.scatter(built.builder, arguments[1:], keywords, arguments[0], index or 0)

    built = Built(
        case.name, [part, *args], kwargs, dynamic=dynamic, constants=case.constants, build=scatter
    )
    (ours,) = built.run()
    np.testing.assert_array_equal(ours, base.numpy())
