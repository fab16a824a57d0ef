"""Where the words of a colour come from: the routes of an image, followed backwards."""

from __future__ import annotations

from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim import layout as lo
from pyflame_rt.backends.wse.sim.building import Built
from pyflame_rt.backends.wse.sim.checking import at
from pyflame_rt.backends.wse.sim.inspection import STATES


class Sources:
    """The routes of a run, all switch positions together, from receivers to senders."""

    def __init__(self, image: im.Image, buffer: im.Int32s, built: Built):
        self._image = image
        self._buffer = buffer
        self._built = built

    def through(self, pe: int, colour: int, direction: int) -> list[int]:
        """The PEs whose words come to a router on a colour from a direction."""
        start = self._built.records[pe, colour]
        if direction == im.RAMP:
            return [pe]
        senders, _ = self._senders([r for r, way in self._into(start) if way == direction])
        return senders

    def texts(self, pe: int, colour: int) -> list[str]:
        """Who could send words to a PE on a colour, and what it does instead."""
        start = self._built.records.get((pe, colour))
        senders, ends = ([], []) if start is None else self._senders([start])
        if not senders:
            names = ", ".join(at(self._image, end) for end in ends[:4]) or "it"
            return [f"colour {colour} comes from no PE: nothing sends it to {names}"]
        return [f"colour {colour} comes from {self._doing(sender)}" for sender in senders]

    def _senders(self, found: list[int]) -> tuple[list[int], list[int]]:
        """The PEs whose words can come to routers, and those whose router has the colour from nobody."""
        seen = set(found)
        senders: set[int] = set()
        ends: set[int] = set()
        while found:
            r = found.pop()
            accepted = self._mask(r, lo.R_RX)
            into = [before for before, way in self._into(r) if accepted >> way & 1]
            if accepted >> im.RAMP & 1:
                senders.add(self._number(r))
            elif not into:
                ends.add(self._number(r))
            found += [before for before in into if before not in seen]
            seen.update(into)
        return sorted(senders), sorted(ends)

    def _number(self, r: int) -> int:
        return int(self._buffer[int(self._buffer[r + lo.R_NODE]) + lo.N_NUMBER])

    def _into(self, r: int) -> list[tuple[int, int]]:
        """The routes of the routers beside that send words to a route, and the direction they come from."""
        pe, width = self._number(r), self._image.width
        found: list[tuple[int, int]] = []
        step = int(self._buffer[lo.K_RECORD])
        for way, (dx, dy) in enumerate(((0, -1), (1, 0), (0, 1), (-1, 0))):
            node = self._built.nodes.get(pe + dy * width + dx)
            if node is None:
                continue
            out = (way + 2) & 3
            first, count = (
                int(self._buffer[node + lo.N_FIRST]),
                int(self._buffer[node + lo.N_RECORDS]),
            )
            for other in range(first, first + count * step, step):
                target = int(self._buffer[other + lo.R_NEXT + out])
                if target == r and self._mask(other, lo.R_TX) >> out & 1:
                    found.append((other, way))
        return found

    def _doing(self, pe: int) -> str:
        p = self._built.elements.get(pe)
        if p is None:
            return f"{at(self._image, pe)}, which runs no program"
        state = int(self._buffer[p + lo.P_STATE])
        runs = self._buffer[p + lo.P_TASK_RUNS : p + lo.P_TASK_RUNS + im.MAX_TASKS].sum()
        if not runs:
            return f"{at(self._image, pe)}, none of whose tasks ever started"
        task = int(self._buffer[p + lo.P_TASK])
        names = self._image.programs[int(self._buffer[p + lo.P_PROGRAM])].task_names
        doing = "idle, its last task was" if state == lo.IDLE else f"{STATES[state]} in task"
        return f"{at(self._image, pe)}, which is {doing} {names[task]!r}"

    def _mask(self, r: int, columns: int) -> int:
        positions = int(self._buffer[r + lo.R_POSITIONS])
        mask = 0
        for position in range(positions):
            mask |= int(self._buffer[r + columns + position])
        return mask
