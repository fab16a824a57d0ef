"""The threads that help runs: one team for all plans of the process.

A run does its parallel steps itself, and whoever of the team is free takes parts of them. So a run
never waits for a thread to become free, and no more threads compute than there are runs and helpers.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from queue import SimpleQueue
from typing import TypeAlias

from pyflame_rt.backends.numpy_backend.quiet import be_quiet

Job: TypeAlias = Callable[[], object]
_Queue: TypeAlias = "SimpleQueue[Job | None]"


class Team:
    """Threads that do what they are asked to; they end when nobody holds the team any more."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Have no threads, and be asked nothing."""
        self._requests: _Queue = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        weakref.finalize(self, _end, self._requests, self._threads).atexit = False

    def ask(self, job: Job, helpers: int) -> None:
        """Ask for so many threads to call a function, now or when they are free."""
        if len(self._threads) < helpers:
            self._grow(helpers)
        for _ in range(helpers):
            self._requests.put(job)

    def finish(self) -> None:
        """End the threads and wait until they have ended."""
        _end(self._requests, self._threads)
        for thread in self._threads:
            thread.join()

    def _grow(self, count: int) -> None:
        with self._lock:
            while len(self._threads) < count:
                thread = threading.Thread(
                    target=_serve, args=(self._requests,), name="pyflame_rt", daemon=True
                )
                try:
                    thread.start()
                except RuntimeError:
                    # There may be no more of them, or the process is about to end.
                    return
                self._threads.append(thread)


class Together:
    """A step of several parts that are done at the same time, by one run at a time."""

    __slots__ = ("_done", "_helpers", "_parts", "_team", "_todo")

    def __init__(self, parts: Sequence[Job], team: Team):
        self._parts = tuple(parts)
        self._team = team
        self._helpers = len(self._parts) - 1
        self._todo: deque[int] = deque()
        self._done: SimpleQueue[tuple[int, BaseException | None]] = SimpleQueue()

    def __call__(self) -> None:
        """Do all parts. Raises what the first of them has raised, when all that had begun have
        ended."""
        todo, helpers = self._todo, self._helpers
        todo.extend(range(helpers, 0, -1))
        self._team.ask(self.help, helpers)
        errors: dict[int, BaseException] = {}
        left, index = helpers, 0
        while index is not None:
            if (error := self._try(index)) is not None:
                errors[index] = error
                # What nobody has begun is not needed any more.
                while self._take() is not None:
                    left -= 1
            if (index := self._take()) is not None:
                left -= 1
        for _ in range(left):
            index, error = self._wait()
            if error is not None:
                errors[index] = error
        if errors:
            raise errors[min(errors)]

    def help(self) -> None:
        """Do a part that nobody has begun, if there is one. A request may come late, and is then
        of use to another run of the step."""
        index = self._take()
        if index is not None:
            self._done.put((index, self._try(index)))

    def _take(self) -> int | None:
        try:
            return self._todo.pop()
        except IndexError:
            return None

    def _try(self, index: int) -> BaseException | None:
        try:
            self._parts[index]()
        except BaseException as error:
            return error
        return None

    def _wait(self) -> tuple[int, BaseException | None]:
        """The end of a part that another thread does. It uses this run's memory, so that not even
        an interrupt is a reason to go on without it."""
        interrupt: BaseException | None = None
        while True:
            try:
                index, error = self._done.get()
            except KeyboardInterrupt as raised:
                interrupt = raised
            else:
                return index, error if interrupt is None else interrupt


class Teams:
    """The team there is, as long as somebody holds it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._team: Callable[[], Team | None] = lambda: None
        # Daemons would be stopped in the middle of what they do.
        atexit.register(self._finish)
        if hasattr(os, "register_at_fork"):
            # Threads do not live on in a child.
            os.register_at_fork(after_in_child=self._begin)

    def join(self) -> Team:
        """The team; its threads are started when they are asked for something."""
        with self._lock:
            team = self._team()
            if team is None:
                team = Team()
                self._team = weakref.ref(team)
            return team

    def _begin(self) -> None:
        self._lock = threading.Lock()
        if (team := self._team()) is not None:
            team.begin()

    def _finish(self) -> None:
        if (team := self._team()) is not None:
            team.finish()


@cache
def teams() -> Teams:
    """The only one."""
    return Teams()


def _serve(requests: _Queue) -> None:
    be_quiet()
    while (job := requests.get()) is not None:
        job()
        # Not to be kept until the next one comes.
        del job


def _end(requests: _Queue, threads: Sequence[threading.Thread]) -> None:
    for _ in threads:
        requests.put(None)
