"""Seeds in a folder, made once by a process of its own: `python -m campaign.seeds FOLDER FORMAT…`."""

from __future__ import annotations

import sys
from pathlib import Path

from mutants import formats, from_torch


def write(folder: Path, names: list[str]) -> None:
    """Write the seeds of formats: a folder each, seeds by number."""
    more = from_torch.archives() if set(names) & {"torchscript", "pt2", "pickle", "legacy"} else {}
    for name in names:
        target = folder / name
        target.mkdir(parents=True)
        for number, data in enumerate([*formats()[name].seeds(), *more.get(name, ())]):
            (target / f"{number:05}").write_bytes(data)


def read(folder: Path, name: str) -> list[bytes]:
    """The seeds of a format in order."""
    return [path.read_bytes() for path in sorted((folder / name).iterdir())]


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2:])
