"""The documentation works: its code runs, its links lead somewhere, its generated pages are fresh."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$", re.M | re.S)
QUOTE = re.compile(r"^```python title=(\S+)\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(#[^)\s]*)?\)")
EXAMPLES = [page for page in PAGES if BLOCK.search(page.read_text(encoding="utf-8"))]


def named(page: Path) -> str:
    """A page's path in the project."""
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def commands() -> Iterator[str]:
    """A folder of our commands, which do not start Python for each line of the documentation."""
    file = ROOT / "lit_tests" / "tool_server.py"
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None and spec.loader is not None
    server = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(server)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        with server.folder_of_clients() as folder:
            yield folder


@pytest.fixture
def checkout(commands: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory that has the digits where the project has them, and our commands."""
    for folder in ("digits", "extending"):
        shutil.copytree(ROOT / "examples" / folder, tmp_path / "examples" / folder)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", EXAMPLES, ids=named)
def test_examples_run(page: Path, checkout: Path):
    """Python blocks share a namespace; lines of sh blocks that start with pfrt- exit with 0."""
    text = page.read_text(encoding="utf-8")
    namespace: dict[str, object] = {"__name__": "__main__"}
    for match in BLOCK.finditer(text):
        language, code = match.groups()
        line = text.count("\n", 0, match.start()) + 1
        if language == "python":
            exec(compile("\n" * line + code, str(page), "exec"), namespace)
            continue
        for command in code.replace("\\\n", " ").splitlines():
            if command.startswith("pfrt-"):
                result = subprocess.run(
                    command, shell=True, cwd=checkout, capture_output=True, text=True, timeout=60
                )
                assert result.returncode == 0, f"{named(page)}: {command}\n{result.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_quoted_code_is_the_projects(page: Path):
    """A block with `title=file` is what that file says."""
    for match in QUOTE.finditer(page.read_text(encoding="utf-8")):
        path, code = match.groups()
        assert code in (ROOT / path).read_text(encoding="utf-8"), f"{path} says otherwise"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path):
    """A relative link is a file of the project."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    targets = [match.group(1) for match in LINK.finditer(text)]
    local = [target for target in targets if "://" not in target]
    assert not [target for target in local if not (page.parent / target).exists()]


def test_every_page_is_on_the_map():
    """docs/index.md links to every page beside and below it."""
    index = ROOT / "docs" / "index.md"
    linked = {match.group(1) for match in LINK.finditer(index.read_text(encoding="utf-8"))}
    pages = {p.relative_to(index.parent).as_posix() for p in PAGES if index.parent in p.parents}
    assert pages - {"index.md"} <= linked


def test_generated_pages_are_fresh():
    """docs/passes.md and docs/dialects/ say what the docstrings say."""
    command = [sys.executable, str(ROOT / "scripts" / "generate_docs.py"), "--check"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert result.returncode == 0, result.stderr
