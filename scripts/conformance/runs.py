"""Runs tests in processes of their own: one that crashes or hangs is counted, the next goes on."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

WORKER = Path(__file__).with_name("worker.py")
STARTING = 120.0
"""Seconds until a worker has made the suite, which takes four when nothing else runs."""


@dataclass(frozen=True)
class Part:
    """Every `of`-th of the tests whose name has the pattern `include`, from `which` on.

    `levels` are the optimization levels that each runs at, `timeout` the seconds it may take.
    """

    backend: str
    levels: tuple[int, ...]
    timeout: float
    include: str = ""
    which: int = 0
    of: int = 1


@dataclass(frozen=True)
class Result:
    """How a test ended: pass, fail (wrong answer), error, skip, timeout or crash."""

    category: str
    name: str
    level: int
    status: str
    seconds: float
    message: str


@dataclass(frozen=True)
class Outcome:
    """Results, and of what suite: the names of all its tests and the version of onnx."""

    results: tuple[Result, ...]
    names: tuple[str, ...]
    onnx: str


def run(part: Part) -> Outcome:
    """The results of a part, whatever its tests do to their process."""
    results: list[Result] = []
    suite: dict[str, Any] = {}
    finished = False
    with tempfile.TemporaryDirectory() as folder:
        while not finished:
            about: dict[str, Any] | None = None
            for message in _messages(part, len(results), Path(folder)):
                if "names" in message:
                    suite = message
                elif "name" in message:
                    about = message
                elif about is not None:
                    results.append(Result(**about, **message))
                    about = None
                else:
                    finished = message["status"] == "finished"
                    if not finished:
                        raise SystemExit(f"no test ran: {message['message']}")
    return Outcome(tuple(results), tuple(suite["names"]), suite["onnx"])


def _messages(part: Part, done: int, folder: Path) -> Iterator[dict[str, Any]]:
    """What a worker tells, and how the test ended of which it can tell no more."""
    command = [sys.executable, "-X", "faulthandler", str(WORKER), part.backend, part.include]
    command += [str(part.which), str(part.of), ",".join(map(str, part.levels)), str(done)]
    # The suite keeps models there.
    environment = {**os.environ, "ONNX_HOME": str(folder)}
    errors = folder / "errors.txt"
    with (
        errors.open("wb") as stderr,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr,
            env=environment, text=True, encoding="utf-8",
        ) as worker,
    ):  # fmt: skip
        assert worker.stdout is not None
        lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=_pass_on, args=(worker.stdout, lines), daemon=True).start()
        allowed = STARTING
        try:
            while line := lines.get(timeout=allowed):
                allowed = part.timeout
                yield json.loads(line)
            worker.wait()
        except queue.Empty:
            yield _ended("timeout", allowed, f"over {allowed:.0f} s")
            return
        finally:
            worker.kill()
    if worker.returncode == 0:
        yield _ended("finished")
    else:
        said = errors.read_text(encoding="utf-8", errors="replace").split("\n")
        fatal = [text for text in said if text.startswith("Fatal")] or said[-2:]
        yield _ended("crash", 0.0, f"exit status {worker.returncode}: {' '.join(fatal)[:600]}")


def _ended(status: str, seconds: float = 0.0, message: str = "") -> dict[str, Any]:
    return {"status": status, "seconds": seconds, "message": message}


def _pass_on(stream: IO[str], lines: queue.SimpleQueue[str]) -> None:
    """Whole lines of a stream, then ""."""
    for line in stream:
        if line.endswith("\n"):
            lines.put(line)
    lines.put("")
