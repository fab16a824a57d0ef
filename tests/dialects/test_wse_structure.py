"""The wse dialect keeps the rules of documented ops: examples that parse, constraints that are tested."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from xdsl.ir import Operation
from xdsl.irdl import IRDLOperation
from xdsl.parser import Parser

from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.dialects.wse import builtins, get_wse
from pyflame_rt.dialects.wse.attributes import DIRECTIONS, POP_MODES
from pyflame_rt.dialects.wse.dsds import DSR_FILES
from pyflame_rt.dialects.wse.scalars import COMMANDS, control_word
from pyflame_rt.dialects.wse.vector import VectorOp
from pyflame_rt.universe import make_context

LIT = Path(__file__).resolve().parents[2] / "lit_tests"
OPS: dict[str, type[IRDLOperation]] = {
    op.name: op for op in get_wse().operations if issubclass(op, IRDLOperation)
}


@cache
def _lit() -> str:
    return "\n".join(path.read_text() for path in sorted(LIT.rglob("wse/*.mlir")))


def _examples(name: str) -> list[str]:
    documentation = inspect.cleandoc(OPS[name].__doc__ or "")
    return re.findall(r"^```mlir\n(.*?)^```$", documentation, re.M | re.S)


def _parsed(example: str) -> Iterator[Operation]:
    return iter(Parser(make_context(), example).parse_optional_operation, None)


@pytest.mark.parametrize("name", OPS)
def test_example_parses_and_verifies(name: str) -> None:
    """The example in an op's docstring is IR that parser and verifier take."""
    ops = [op for example in _examples(name) for op in _parsed(example)]
    assert name in [inner.name for op in ops for inner in op.walk()]
    for op in ops:
        op.verify()


def _cited(op: type) -> set[str]:
    sources = (
        inspect.getsource(owner).replace(owner.__doc__ or "\0", "")
        for owner in op.__mro__
        if owner.__module__.startswith("pyflame_rt.")
    )
    return set(re.findall(r'"(C\d+)"', "".join(sources)))


# Where constraints of ops are checked together.
_ELSEWHERE = {
    "wse.color": {"C2"},
    "wse.data": {"C2", "C3", "C4"},
    "wse.call": {"C2"},
    "wse.dsr": {"C3"},
    "wse.fabin_dsd": {"C2"},
    "wse.fabout_dsd": {"C2"},
    "wse.fifo_dsd": {"C2"},
    "wse.place": {"C4", "C5", "C6", "C7", "C8", "C9"},
    "wse.route": {"C4", "C5", "C6", "C7", "C8"},
    "wse.tile": {"C1", "C2", "C3", "C4", "C5", "C6"},
}


@pytest.mark.parametrize("name", [name for name, op in OPS.items() if not issubclass(op, VectorOp)])
def test_constraints_are_those_documented(name: str) -> None:
    """Every "C1" that is cited is explained in the docstring and violated in a lit test."""
    explained = set(re.findall(r"\b(C\d+):", inspect.cleandoc(OPS[name].__doc__ or "")))
    assert explained == _cited(OPS[name]) | _ELSEWHERE.get(name, set())
    assert explained == set(re.findall(rf"CHECK.*{re.escape(name)}: (C\d+)\b", _lit()))


def test_constraints_of_vector_ops_are_those_documented() -> None:
    """They are said once for all builtins."""
    explained = set(re.findall(r"\b(C\d+):", builtins.__doc__ or ""))
    assert explained == _cited(VectorOp)
    names = "|".join(op.name for op in builtins.OPS)
    assert explained == set(re.findall(rf"CHECK.*(?:{names}): (C\d+)\b", _lit()))


def test_every_builtin_of_the_machine_has_an_op() -> None:
    """The image's functions, directions, modes and commands, and nothing more."""
    assert sorted(op.name for op in builtins.OPS) == sorted(
        f"wse.{function}" for function in im.VECTOR_FUNCTIONS
    )
    assert DIRECTIONS == im.DIRECTIONS
    assert [POP_MODES.index(mode) for mode in ("no_pop", "always_pop", "pop_on_advance")] == [
        im.POP_NEVER, im.POP_ALWAYS, im.POP_ON_ADVANCE,
    ]  # fmt: skip
    codes = [im.SWITCH_NOP, im.SWITCH_ADV, im.SWITCH_RST, im.TEARDOWN]
    assert [COMMANDS.index(c) for c in ("nop", "switch_adv", "switch_rst", "teardown")] == codes
    assert len(DSR_FILES) * 16 == im.DSRS


@pytest.mark.parametrize("task", [-1, 0, 7, 62])
@pytest.mark.parametrize("ignore", [False, True])
def test_control_words_are_the_machines(task: int, ignore: bool) -> None:
    """The payload that an op stands for has the bits that routers read."""
    assert control_word("switch_adv", task=task, ignore=ignore) == im.control_word(
        im.SWITCH_ADV, task=task, ignore=ignore
    )
    assert control_word("nop", "teardown", task=task) == im.control_word(
        im.SWITCH_NOP, im.TEARDOWN, task=task
    )


def test_the_program_of_the_documentation_is_valid() -> None:
    """The page shows a whole program: it verifies, and its text is what is printed."""
    page = (LIT.parent / "docs" / "wse_dialect.md").read_text()
    (example,) = re.findall(r"^```mlir\n(.*?)^```$", page, re.M | re.S)
    (program,) = _parsed(example)
    program.verify()
    assert str(program) == example.strip()
