"""An atheris harness for each format: coverage finds the way that chance does not.

    python tests/fuzz/atheris_formats.py FORMAT CORPUS [-max_total_time=300 -timeout=20 …]

FORMAT is one of `mutants.formats()`; or `run`: `.onnx` models that are read and also run, at levels 0
and 3; or `feeds`: what is fed to a session. CORPUS is a folder, filled with seeds when it is empty or absent. What follows are libFuzzer's
options. The custom mutator is that of the format, so that mutants keep their structure; every third
is libFuzzer's own. Anything but a PyFlameRTError ends the run with the input in a `crash-…` file.
Needs `pip install atheris`.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path[:0] = [
    str(Path(__file__).resolve().parents[up] / part)
    for up, part in ((0, "."), (1, "frontends/torch"), (2, "."))
]

MAX_SIZE = 1 << 20


def harness(name: str) -> Callable[[bytes], object]:
    """What is called with each input: raises for what must not be."""
    from campaign.running import Skipped, agree
    from campaign.worker import outcome
    from mutants import feeds

    if name == "feeds":
        return feeds.feed
    kind = _format(name)

    def test_one_input(data: bytes) -> None:
        _, module = outcome(kind, data)
        if name == "run" and module is not None:
            try:
                agree(module, random.Random(len(data)))
            except Skipped:
                return

    return test_one_input


def _format(name: str) -> Any:
    """The format whose seeds and mutants are used."""
    from mutants import formats

    return formats()["onnx" if name == "run" else name]


def mutator(name: str, atheris: Any) -> Callable[[bytes, int, int], bytes]:
    """libFuzzer's custom mutator of a format."""
    from mutants.base import changed_bytes

    change = changed_bytes if name == "feeds" else _format(name).mutate

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        if seed % 3 == 0:
            return atheris.Mutate(data, max_size)
        try:
            return change(data, random.Random(seed))[:max_size]
        except Exception:
            # An input that has left its format: a message that is none, an archive that is none.
            return atheris.Mutate(data, max_size)

    return mutate


def fill(name: str, folder: Path) -> None:
    """Write seeds to a folder that has no files; a file is an input to be tried again."""
    from mutants import feeds

    if folder.is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        return
    seeds = feeds.seeds() if name == "feeds" else _format(name).seeds()
    for number, data in enumerate(dict.fromkeys(seeds)):
        (folder / f"seed-{number:05}").write_bytes(data)


def main(arguments: list[str]) -> None:
    """Fuzz until libFuzzer ends."""
    atheris: Any = import_module("atheris")
    with atheris.instrument_imports(include=["pyflame_rt"]):
        import_module("pyflame_rt")
        test_one_input = harness(arguments[0])
    fill(arguments[0], Path(arguments[1]))
    options = [
        sys.argv[0],
        arguments[1],
        f"-max_len={MAX_SIZE}",
        "-rss_limit_mb=1024",
        "-timeout=10",
    ]
    atheris.Setup(
        [*options, *arguments[2:]], test_one_input, custom_mutator=mutator(arguments[0], atheris)
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
