"""docs/api_status.md says the truth: its first table exists, its second does not."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

import pyflame_rt

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT.parent / "shared" / "spec"
PAGES = ("api_reference.md", "developer_guide.md")


@cache
def names(title: str) -> list[str]:
    """The names in the table below a title."""
    text = (ROOT / "docs" / "api_status.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| [^|]+ \| (`.*`) \|$", section, re.M)
    return [name for row in rows for name in re.findall(r"`([\w.]+)`", row)]


def exists(name: str) -> bool:
    """Whether a name below pyflame_rt can be reached, by import or as an attribute."""
    found: object = pyflame_rt
    for part in name.split("."):
        fields: dict[str, object] = getattr(found, "__dataclass_fields__", {})
        if part in fields:
            found = fields[part]
        elif hasattr(found, part):
            found = getattr(found, part)
        else:
            try:
                found = import_module(f"{getattr(found, '__name__', '')}.{part}")
            except ImportError:
                return False
    return True


@pytest.mark.parametrize("name", names("There"))
def test_what_is_there_exists(name: str):
    assert exists(name)


@pytest.mark.parametrize("name", names("To come"))
def test_what_is_to_come_does_not(name: str):
    """A name that has come moves to the other table."""
    assert not exists(name)


def test_nothing_is_listed_twice():
    listed = [*names("There"), *names("To come")]
    assert len(listed) == len(set(listed)) > 150


@pytest.mark.skipif(not SPEC.is_dir(), reason="the specification is not there")
@pytest.mark.parametrize("page", PAGES)
def test_every_name_that_a_block_uses_is_listed(page: str):
    """Of modules and classes; attributes of objects are what the blocks themselves test."""
    text = (SPEC / page).read_text(encoding="utf-8")
    used: set[str] = set()
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S):
        used.update(re.findall(r"\bpyflame_rt\.([a-z_]+\.[A-Z]\w*|[A-Z]\w*|[a-z]\w*(?=\())", block))
        for home, imported in re.findall(
            r"^from pyflame_rt(?:\.([\w.]+))? import (.+)$", block, re.M
        ):
            used.update(f"{home}.{name}".strip(".") for name in imported.split(", "))
    listed = {*names("There"), *names("To come")}
    listed |= {name.partition(".")[0] for name in listed}
    assert sorted(used - listed) == []
