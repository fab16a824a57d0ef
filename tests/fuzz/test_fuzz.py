"""Whatever is in a file of any format: a module, tensors, or one error of ours; and that others are seen."""

from __future__ import annotations

import mmap
import signal
import sys
from collections import Counter, deque
from contextlib import nullcontext, suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import atheris_formats
import numpy as np
import pytest
from campaign import runner, worker
from campaign.running import Disagreement, agree
from campaign.worker import Order, Worker, outcome
from mutants import feeds, formats, ir, pickles
from mutants.base import changed_bytes

from pyflame_rt import module_files
from pyflame_rt.errors import InvalidModelError, UnsupportedOperatorError
from pyflame_rt.universe import make_context

QUICK = 110
"""Mutants of each format in the quick test; a thousand of all."""


@pytest.mark.parametrize("name", formats())
def test_some_mutants_of(name: str):
    """Mutants of the first seeds: read or refused, and some of them get through to the end."""
    kind = formats()[name]
    seeds = list(islice(kind.seeds(), 40))
    ends = Counter(outcome(kind, kind.mutant(seeds, 0, index))[0] for index in range(QUICK))
    assert ends["read"] < QUICK * 0.9
    assert ends["InvalidModelError"] > QUICK * 0.1
    again = kind.mutant(seeds, 0, 7)
    assert kind.mutant(seeds, 0, 7) == again != kind.mutant(seeds, 0, 8)


def test_odd_feeds_run_or_are_refused():
    """Whatever is given to a session's run: of any type, shape, layout, or no array at all."""
    draw = Random(0)
    good = feeds.seeds()[0]
    given = [changed_bytes(good, draw) if n % 2 else draw.randbytes(120) for n in range(400)]
    assert feeds.feed(good)
    assert 10 < sum(map(feeds.feed, given)) < 390


@pytest.mark.slow
def test_twenty_thousand_mutants():
    """All formats in less than three minutes of two cores; 200 accepted ones agree at levels 0 and 3."""
    names = list(formats())
    found = runner.run(runner.orders(names, 20_000, 0, 250), 2, names)
    assert not found.findings, "\n".join(f"{f.format}:{f.index}: {f.what}" for f in found.findings)
    assert found.mutants >= 20_000
    assert found.ran >= 100
    assert found.peak < worker.RESIDENT
    # Of CPU: other work may have the cores too.
    assert found.total_seconds < 2 * 180
    # Every format's mutants reach beyond the checks of its container.
    assert all(ends["read"] > 10 for ends in found.ends.values()), found.ends


def test_a_mutant_is_the_same_as_long_as_its_seeds_are():
    """A number in a report leads back to the bytes."""
    seeds = list(islice(formats()["pickle"].seeds(), 2))
    first, second = ([formats()["pickle"].mutant(seeds, 5, n) for n in range(50)] for _ in range(2))
    assert first == second
    assert len(set(first)) > 40


def test_seeds_are_good():
    """What is mutated is read as it is, so that one change is what is wrong with a mutant."""
    for name in ("onnx", "pfm", "pickle", "legacy", "safetensors", "pt2", "ir", "torchscript"):
        for data in islice(formats()[name].seeds(), 3):
            assert outcome(formats()[name], data)[0] == "read", name


def test_pickles_are_taken_apart_without_loss():
    """Changes of operations are of operations."""
    data = b"\x80\x02}X\1\0\0\0aK\1s."
    assert pickles.operations(data) == [b"\x80\x02", b"}", b"X\1\0\0\0a", b"K\1", b"s", b"."]


@pytest.fixture
def trying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Tries mutants of a format whose reader is given, in this process."""
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "0").write_bytes(b"seed")
    row = formats()["onnx"]

    def tried(read: Any, count: int = 3) -> worker.Tally:
        kind = replace(row, read=read, mutate=lambda data, _: data)
        monkeypatch.setattr(worker, "formats", lambda: {"onnx": kind})
        with mmap.mmap(-1, 8) as progress:
            return Worker(tmp_path, progress, None).tally(Order("onnx", 0, 5, count, 1))

    worker._seeds.cache_clear()
    yield tried
    worker._seeds.cache_clear()


def test_other_exceptions_are_found(trying):
    """Each mutant that ends so is reported by its number, with the place."""

    def read(_: bytes) -> None:
        raise KeyError("x")

    found = trying(read)
    assert [finding.index for finding in found.findings] == [5, 6, 7]
    assert "KeyError: 'x' [test_fuzz.py:" in found.findings[0].what
    assert found.ends == {"!KeyError": 3}


def test_errors_of_ours_are_counted_by_class_and_kept_short(trying):
    """A message that repeats the file is as bad as a traceback."""

    class Special(UnsupportedOperatorError):
        pass

    Special.__name__ = "_Special"

    def read(_: bytes) -> None:
        raise Special("x")

    class Long(InvalidModelError):
        def __str__(self) -> str:
            return "x" * 5000

    def long(_: bytes) -> None:
        raise Long("x")

    assert trying(read).ends == {"UnsupportedOperatorError": 3}
    assert trying(long).ends == {"!AssertionError": 3}


def test_hangs_are_found(trying, monkeypatch: pytest.MonkeyPatch):
    """The time of a mutant ends; no handler of the reader's own takes it for an error."""
    monkeypatch.setattr(worker, "SECONDS", 0.05)
    before = signal.signal(signal.SIGPROF, worker._too_slow)

    def read(_: bytes) -> None:
        while True:
            with suppress(Exception):
                sum(range(1000))

    try:
        found = trying(read, 1)
    finally:
        signal.signal(signal.SIGPROF, before)
    assert found.ends == {"!TooSlow": 1}


def test_a_death_is_found_and_its_batch_is_done_again():
    """What a dead worker had not told is given to another, without the mutant that it died of."""
    dead = SimpleNamespace(at=lambda: 40, end=lambda: None)
    sums, again = runner.Sums(), deque[Order]()
    runner._bury(dead, Order("onnx", 1, 0, 100, 3), "SIGSEGV", sums, again)  # type: ignore[arg-type]
    assert [(order.first, order.count) for order in again] == [(0, 40), (41, 59)]
    assert [(finding.index, finding.what) for finding in sums.findings] == [
        (40, "the process died: SIGSEGV")
    ]


def test_orders_are_of_as_many_mutants_as_asked():
    """Each number once, shares as the table says."""
    given = list(runner.orders(list(formats()), 2000, 0, 10))
    numbers = [(o.format, n) for o in given for n in range(o.first, o.first + o.count)]
    assert len(numbers) == len(set(numbers))
    assert 2000 <= len(numbers) < 2000 + len(formats())


def test_answers_that_differ_are_found(monkeypatch: pytest.MonkeyPatch):
    """An optimised module that computes something else."""
    from campaign import running

    module = ir.read(next(iter(ir.seeds())))
    assert agree(module, Random(0)) == "results"
    answers = iter([[np.float32([1, 2])], [np.float32([1, 2.1])]])
    monkeypatch.setattr(running, "_answer", lambda *_: next(answers))
    with pytest.raises(Disagreement, match=r"output 0: differ by 0\.1"):
        agree(module, Random(0))


def test_stacks_of_no_iterations_may_differ_in_their_empty_dimensions():
    """How long the dimensions of no elements are depends on what is inferred of the elements."""
    text = b"""
    func.func @main(%x: tensor<4xf32>) -> (tensor<?xf32>, tensor<?x?xf32>) {
      %m = pfrt.constant dense<0> : tensor<i64>
      %r, %s = pfrt.loop trip(%m) carry(%x) -> (tensor<?xf32>, tensor<?x?xf32>) {
      ^bb0(%i: tensor<i64>, %go: tensor<i1>, %v: tensor<?xf32>):
        pfrt.yield %go, %v, %v : tensor<i1>, tensor<?xf32>, tensor<?xf32>
      } : trip tensor<i64> carry(tensor<4xf32>)
      func.return %r, %s : tensor<?xf32>, tensor<?x?xf32>
    }"""
    assert agree(module_files.parse(text, make_context(), "m.mlir"), Random(0)) == "results"


@pytest.mark.parametrize("name", ["safetensors", "run", "feeds"])
def test_the_harnesses_for_atheris_work(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With a stand-in for the library, which few have: seeds are written, mutants are tried."""
    tried = []

    def setup(arguments: list[str], one_input: Any, custom_mutator: Any) -> None:
        assert arguments[-1] == "-runs=5"
        seed = next(Path(arguments[1]).iterdir()).read_bytes()
        for number in range(6):
            tried.append(custom_mutator(seed, 1 << 16, number))
            one_input(tried[-1])

    stand_in = SimpleNamespace(
        instrument_imports=lambda include: nullcontext(),
        Mutate=lambda data, size: data[: size // 2],
        Setup=setup,
        Fuzz=lambda: None,
    )
    monkeypatch.setitem(sys.modules, "atheris", stand_in)  # type: ignore[arg-type]
    sample = formats()["onnx"]
    few = replace(sample, seeds=lambda: islice(sample.seeds(), 1))
    monkeypatch.setattr("mutants.formats", lambda: {**formats(), "onnx": few})
    atheris_formats.main([name, str(tmp_path / "corpus"), "-runs=5"])
    assert len(set(tried)) > 2
