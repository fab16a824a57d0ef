"""What an installation gets: the wheel's contents, and the commands that it declares."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("backends", "dialects", "passes", "tools")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names in a wheel built from a copy of the sources, so that nothing lands beside them."""
    if importlib.util.find_spec("setuptools") is None:
        pytest.skip("needs setuptools, to build a wheel without the network")
    version = int(import_module("setuptools").__version__.split(".")[0])
    if version < 77:
        pytest.skip("needs setuptools 77 or newer, to build a wheel without the network")
    source = tmp_path_factory.mktemp("source")
    for name in ("LICENSE", "README.md", "pyproject.toml", "setup.py"):
        shutil.copy(ROOT / name, source)
    ignore = shutil.ignore_patterns("__pycache__")
    for folder in ("pyflame_rt", *FOLDERS):
        shutil.copytree(ROOT / folder, source / folder, symlinks=True, ignore=ignore)
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*command, "--wheel-dir", str(target), str(source)], check=True, timeout=120)
    (built,) = target.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return archive.namelist()


def test_wheel_holds_the_package_only(wheel: list[str]):
    """No top-level `dialects`, `tests` or `docs` in anybody's site-packages."""
    tops = {name.split("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"pyflame_rt"}


def test_wheel_holds_every_module_once(wheel: list[str]):
    """The symlinks and the package-dir map name the same files: neither none nor two of each."""
    expected = {
        path.relative_to(ROOT).as_posix()
        for folder in ("", *FOLDERS)
        for path in (ROOT / "pyflame_rt" / folder).rglob("*.py")
    }
    counted = Counter(name for name in wheel if name.endswith(".py"))
    assert set(counted) == expected
    assert set(counted.values()) == {1}


def test_wheel_carries_its_licence(wheel: list[str]):
    """The Apache licence asks for a copy with every distribution."""
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel)


@pytest.mark.parametrize("command", PROJECT["scripts"])
def test_commands_lead_to_functions(command: str):
    """A console script whose target is gone fails only at the user's."""
    module, _, function = PROJECT["scripts"][command].partition(":")
    assert callable(getattr(import_module(module), function))


def test_entry_point_is_the_universe():
    """Plain xdsl-opt finds our dialects and passes through this entry point."""
    (reference,) = PROJECT["entry-points"]["xdsl.universe"].values()
    module, _, name = reference.partition(":")
    assert getattr(import_module(module), name).all_passes


def test_version_is_said_once_more_only_in_the_package():
    """`pyflame_rt.__version__` and the wheel's version are one."""
    assert import_module("pyflame_rt").__version__ == PROJECT["version"]
