"""What is kept on disk has a bound, and what was used longest ago goes first."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pyflame_rt.backends.native import store

MEGABYTE = bytes((1 << 20) - 100)
"""With what stands before it, a little less than one."""


def key(number: int) -> str:
    return store.key_of(str(number))


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def age(path: Path, seconds: float) -> None:
    os.utime(path, (seconds, seconds))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One that may take five megabytes."""
    monkeypatch.setenv(store.ROOM, "5")
    return tmp_path / "native"


def test_writing_makes_room(folder: Path) -> None:
    """The files that were neither written nor read for the longest time make room for others, before
    there are more than there may be."""
    for number in range(4):
        store.write(folder, key(number), MEGABYTE)
        age(folder / key(number), number)
    assert store.read(folder, key(0)) == MEGABYTE
    store.write(folder, key(4), MEGABYTE)
    store.write(folder, key(5), MEGABYTE)
    assert names(folder) == sorted(map(key, (0, 3, 4, 5)))


def test_folders_are_looked_at_when_something_is_written_only(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once a process, and when it has written more than there is room for; never for what is read."""
    looks: list[object] = []
    monkeypatch.setattr(os, "scandir", lambda path, of=os.scandir: looks.append(path) or of(path))
    for number in range(3):
        store.write(folder, key(number), MEGABYTE)
        assert store.read(folder, key(number)) == MEGABYTE
    assert len(looks) == 1
    for number in range(3, 6):
        store.write(folder, key(number), MEGABYTE)
    assert len(looks) == 2


def test_what_others_have_written_counts(folder: Path) -> None:
    """A process begins with what is there."""
    code = (
        "import sys; from pathlib import Path; from pyflame_rt.backends.native import store; "
        "[store.write(Path(sys.argv[1]), store.key_of(n), bytes((1 << 20) - 100)) for n in sys.argv[2:]]"
    )
    for numbers in (("1", "2", "3", "4"), ("5", "6")):
        subprocess.run([sys.executable, "-c", code, str(folder), *numbers], check=True)
        assert sum(file.stat().st_size for file in folder.iterdir()) <= 5 << 20
    assert store.read(folder, key(6)) == MEGABYTE


def test_only_what_was_kept_is_removed(folder: Path) -> None:
    """Other files and folders stay, and links are not followed; what a process that died was writing
    goes, what is being written does not."""
    store.write(folder, key(0), b"")
    (folder / "notes").write_bytes(MEGABYTE)
    (folder / key(1)).mkdir()
    (folder / key(2)).symlink_to(folder / "notes")
    died, current = (folder / f".{key(3)}.{name}" for name in ("died", "current"))
    for path in (died, current):
        path.write_bytes(MEGABYTE)
    for path in (died, folder / key(0), folder / "notes"):
        age(path, 1)
    store.make_room(folder, 0)
    assert names(folder) == sorted(("notes", key(1), key(2), current.name))


def test_several_threads_and_processes_at_once(folder: Path) -> None:
    """Files that another one removes meanwhile are no error; what is read is whole."""
    found: list[bytes | None] = []

    def work(first: int) -> None:
        for number in range(first, first + 12):
            store.write(folder, key(number % 9), MEGABYTE)
            found.append(store.read(folder, key(number % 7)))

    threads = [threading.Thread(target=work, args=(first,)) for first in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) <= {None, MEGABYTE}
    store.make_room(folder, 5 << 20)
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 5 << 20


@pytest.mark.parametrize(
    ("said", "kind", "megabytes"),
    [
        ("", "native", 256), ("", "plans", 512), ("10", "plans", 10), ("0.5", "native", 0.5),
        ("-1", "native", 256), ("much", "plans", 512), ("nan", "native", 256), ("inf", "native", 256),
        ("0", "native", 0),
    ],
)  # fmt: skip
def test_room(
    said: str, kind: str, megabytes: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Megabytes of each kind; what is no number of them says nothing."""
    monkeypatch.setenv(store.ROOM, said)
    assert store.room_of(tmp_path / kind) == megabytes * (1 << 20)


def test_no_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is larger than all there may be is not written."""
    monkeypatch.setenv(store.ROOM, "0")
    store.write(folder, key(0), b"code")
    assert not folder.exists()


def test_use_is_noted_once_an_hour(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading what was written or read lately changes nothing on disk."""
    store.write(folder, key(0), b"code")
    before = (folder / key(0)).stat().st_mtime_ns
    monkeypatch.setattr(os, "utime", lambda *_: pytest.fail("was written to"))
    assert store.read(folder, key(0)) == b"code"
    assert (folder / key(0)).stat().st_mtime_ns == before
