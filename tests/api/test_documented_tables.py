"""The tables of the specification about pruning and partitioning: methods take what they say, and
properties have the defaults that they say."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pyflame_rt import partition, pruning

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "spec" / "api_reference.md"
TEXT = REFERENCE.read_text(encoding="utf-8") if REFERENCE.is_file() else ""
MODULES: dict[str, ModuleType] = {"Pruning": pruning, "Partitioning": partition}
FUNCTIONS: dict[str, str] = {"Convenience Functions": "", "WSE Submodule": "wse"}
"""Headings over functions of the module, or of what it has."""

pytestmark = pytest.mark.skipif(not TEXT, reason="the specification is not there")


def chapters() -> list[tuple[str, str, str]]:
    """Module, heading and text of what has a heading of its own."""
    found: list[tuple[str, str, str]] = []
    for title in MODULES if TEXT else ():
        section = TEXT.partition(f"\n### {title}\n")[2].partition("\n### ")[0]
        parts = re.split(r"^#### (.+)$", section, flags=re.M)
        found += [(title, *pair) for pair in zip(parts[1::2], parts[2::2], strict=True)]
    return found


def home_of(title: str, heading: str) -> Any:
    """What has the names below a heading."""
    name = FUNCTIONS.get(heading, heading)
    return getattr(MODULES[title], name) if name else MODULES[title]


def rows(wanted: str) -> list[Any]:
    """(module, heading, cells) of tables whose first column is called so."""
    found: list[Any] = []
    for title, heading, text in chapters():
        for table in re.findall(rf"^\| {wanted} .*\n\|[-|]+\n((?:\|.*\n)+)", text, re.M):
            for line in table.splitlines():
                cells = tuple(cell.strip() for cell in line.strip("|").split("|"))
                found.append(pytest.param(title, heading, cells, id=f"{heading}.{cells[0]}"))
    return found


@pytest.mark.parametrize(("title", "heading", "cells"), [*rows("Method"), *rows("Function")])
def test_a_method_takes_what_is_listed(title: str, heading: str, cells: tuple[str, ...]):
    """As many arguments by position; those that have no name of one letter by name as well."""
    name, listed = re.fullmatch(r"`(\w+)\((.*)\)`", cells[0]).groups()  # type: ignore[union-attr]
    home = home_of(title, heading)
    method = getattr(home, name)
    arguments = [part.strip() for part in listed.split(",") if part.strip()]
    parameters = inspect.signature(method).parameters
    own = ["self"] if "self" in parameters else []
    inspect.signature(method).bind(*own, *arguments)
    known = [each for each in parameters if each != "self"]
    for given, ours in zip(arguments, known, strict=False):
        assert given == ours or len(given) == 1


@pytest.mark.parametrize(("title", "heading", "cells"), rows("Property"))
def test_a_property_is_there_with_its_default(title: str, heading: str, cells: tuple[str, ...]):
    value = getattr(home_of(title, heading)(), cells[0].strip("`"))
    if len(cells) == 4:
        assert cells[2] in (str(value), getattr(value, "name", ""))


@pytest.mark.skipif(not TEXT, reason="the specification is not there")
def test_no_table_is_passed_over():
    """The figures of the tables that there are, so that none is lost to a changed layout."""
    counts = [len(rows(kind)) for kind in ("Method", "Function", "Property")]
    assert counts == [32, 5, 29]
