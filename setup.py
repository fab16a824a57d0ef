"""Names the packages of the wheel: every package under the folders that pyproject.toml maps."""

import tomllib
from pathlib import Path

from setuptools import find_packages, setup

settings = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
folders: dict[str, str] = settings["tool"]["setuptools"]["package-dir"]

setup(
    package_dir=folders,
    packages=sorted(
        {*folders}
        | {f"{name}.{sub}" for name, folder in folders.items() for sub in find_packages(folder)}
    ),
)
