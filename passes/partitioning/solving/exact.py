"""The exact search: CP-SAT of OR-tools, started from the dynamic programme's answer."""

from __future__ import annotations

import time
from typing import Any

from pyflame_rt.errors import ValidationError
from pyflame_rt.passes.partitioning.solving.linear import best_split
from pyflame_rt.passes.partitioning.solving.problem import Placement, Problem

_UNITS = 10**9
"""Integer steps of the time of one device that does everything."""


def solve(
    problem: Problem, seconds: float = 10.0, *, workers: int = 2, gap: float = 0.0
) -> Placement:
    """The best placement that can be found in so many seconds, with a proven bound.

    Without OR-tools (extra `partition`) it is the dynamic programme's, and the bound is what all
    devices together need. Raises ValidationError when the nodes do not fit the devices.
    """
    began = time.perf_counter()
    problem.require_sound()
    hint = best_split(problem)
    best = None if hint is None else _placed(problem, hint, problem.bound(), "linear order", began)
    if best is not None and best.gap <= max(gap, 1e-9):
        return best
    try:
        from ortools.sat.python import cp_model
    except ImportError:
        if best is None:
            raise ValidationError(
                "no order of the nodes fits the devices' memory",
                where="memory",
                hint="install the extra `partition`, which searches further",
            ) from None
        return best
    model = _Model(problem, cp_model.CpModel(), problem.bound())
    if best is not None:
        model.hint(best.places, best.load)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = max(0.2, seconds - (time.perf_counter() - began))
    solver.parameters.num_workers = workers
    solver.parameters.random_seed = 1
    solver.parameters.relative_gap_limit = gap
    status = solver.solve(model.model)
    if status == cp_model.INFEASIBLE and best is None:
        raise ValidationError("the nodes do not fit the devices", where="memory")
    bound = max(problem.bound(), model.bound(solver.best_objective_bound))
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        if best is None:
            raise ValidationError(
                f"no placement was found in {seconds:g} s", where="memory", hint="give it more time"
            )
        return _placed(problem, best.places, bound, "linear order", began)
    places = model.places(solver)
    if best is not None and max(problem.loads(places)) >= best.load:
        return _placed(problem, best.places, bound, "linear order, CP-SAT's bound", began)
    return _placed(problem, places, bound, "CP-SAT", began)


def _placed(
    problem: Problem, places: tuple[int, ...], bound: float, method: str, began: float
) -> Placement:
    loads = problem.loads(places)
    load = max(loads)
    took = time.perf_counter() - began
    return Placement(places, load, min(bound, load), method, took, tuple(loads))


class _Model:
    """The problem in integers: node `v` is at position `k` of the row of devices."""

    def __init__(self, problem: Problem, model: Any, least: float):
        self.problem = problem
        self.model = model
        total = sum(problem.costs) + sum(problem.bytes) * max(m.beta for m in problem.machines)
        slowest = min(machine.speed for machine in problem.machines)
        self._scale = _UNITS * slowest / total if total > 0 else 1.0
        self._error = 0.0
        count, nodes = len(problem.machines), len(problem.costs)
        self.at: list[list[Any]] = [
            [model.new_bool_var("") for _ in range(count)] for _ in range(nodes)
        ]
        for row in self.at:
            model.add_exactly_one(row)
        for group in problem.together:
            for node in group[1:]:
                for k in range(count):
                    model.add(self.at[node][k] == self.at[group[0]][k])
        self._memory()
        if problem.is_pipeline:
            self._in_a_row()
        self.crossing = self._crossing()
        self._rows: list[list[Any]] | None = None
        self.worst = model.new_int_var(max(0, int(least * self._scale) - 1), 4 * _UNITS, "")
        self._loads()
        model.minimize(self.worst)

    def _memory(self) -> None:
        """Uneven limits of a pipeline hold for devices, which may stand anywhere in the row."""
        self._limits = [machine.memory for machine in self.problem.machines]
        if len(set(self._limits)) == 1 or not self.problem.is_pipeline:
            for k, limit in enumerate(self._limits):
                if limit is not None:
                    self.model.add(self._used(k) <= limit)

    def _used(self, k: int) -> Any:
        terms = [size * self.at[v][k] for v, size in enumerate(self.problem.memory) if size]
        return sum(terms) if terms else 0

    def _in_a_row(self) -> None:
        """A node is at no earlier position than what it reads."""
        count = len(self.problem.machines)
        self.until: list[list[Any]] = []
        for row in self.at:
            line: list[Any] = [row[0]]
            for k in range(1, count - 1):
                var = self.model.new_bool_var("")
                self.model.add(var == line[-1] + row[k])
                line.append(var)
            self.until.append(line[: count - 1])
        for source, target in self.problem.edges:
            for k in range(count - 1):
                self.model.add_implication(self.until[target][k], self.until[source][k])

    def _crossing(self) -> list[tuple[int, list[Any], list[Any]]]:
        """For each value that somebody reads, whether it enters and leaves each position."""
        count = len(self.problem.machines)
        if all(m.alpha == 0 and m.beta == 0 for m in self.problem.machines):
            return []
        found: list[tuple[int, list[Any], list[Any]]] = []
        for node, readers in enumerate(self.problem.readers):
            if not readers:
                continue
            coming: list[Any] = []
            going: list[Any] = []
            for k in range(count):
                enters, leaves = self.model.new_bool_var(""), self.model.new_bool_var("")
                for reader in readers:
                    self.model.add(enters >= self.at[reader][k] - self.at[node][k])
                    self.model.add(leaves >= self.at[node][k] - self.at[reader][k])
                coming.append(enters)
                going.append(leaves)
            found.append((node, coming, going))
        return found

    def _loads(self) -> None:
        problem, count = self.problem, len(self.problem.machines)
        if problem.is_uniform or not problem.is_pipeline:
            for k in range(count):
                self.model.add(self.worst >= self._load(k, k))
            if problem.is_uniform and not problem.is_pipeline:
                # Devices that are alike: the first node is on the first one, and so on.
                for node in range(min(count - 1, len(problem.costs))):
                    for k in range(node + 1, count):
                        self.model.add(self.at[node][k] == 0)
            return
        rows = [[self.model.new_bool_var("") for _ in range(count)] for _ in range(count)]
        for k in range(count):
            self.model.add_exactly_one(rows[k])
            self.model.add_exactly_one([row[k] for row in rows])
        self._rows = rows
        for k in range(count):
            for device, machine in enumerate(problem.machines):
                self.model.add(self.worst >= self._load(k, device)).only_enforce_if(rows[k][device])
                if machine.memory is not None:
                    used = self.model.add(self._used(k) <= machine.memory)
                    used.only_enforce_if(rows[k][device])

    def _load(self, k: int, device: int) -> Any:
        """The load of a device at a position, in steps."""
        machine = self.problem.machines[device]
        terms: list[Any] = []
        for node, cost in enumerate(self.problem.costs):
            terms.append(round(cost / machine.speed * self._scale) * self.at[node][k])
        for node, coming, going in self.crossing:
            weight = machine.alpha + machine.beta * self.problem.bytes[node]
            if steps := round(weight * self._scale):
                terms += [steps * coming[k], steps * going[k]]
        self._error = max(self._error, 0.5 * len(terms))
        return sum(terms)

    def bound(self, steps: float) -> float:
        """A proven bound as a time: what was rounded may have been rounded the wrong way."""
        return (steps - self._error) / self._scale

    def hint(self, places: tuple[int, ...], load: float) -> None:
        """Start from a placement."""
        positions = self._positions(places)
        for node, row in enumerate(self.at):
            for k, var in enumerate(row):
                self.model.add_hint(var, int(positions[places[node]] == k))
        self.model.add(self.worst <= int(load * self._scale + self._error) + 1)

    def _positions(self, places: tuple[int, ...]) -> dict[int, int]:
        """Where in the row each device of a placement stands."""
        count = len(self.problem.machines)
        if self.problem.is_uniform and not self.problem.is_pipeline:
            order = list(dict.fromkeys(places))
            return {
                d: k for k, d in enumerate([*order, *(d for d in range(count) if d not in order)])
            }
        if self._rows is None:
            return {device: device for device in range(count)}
        after: dict[int, set[int]] = {device: set() for device in range(count)}
        for source, target in self.problem.edges:
            if places[source] != places[target]:
                after[places[target]].add(places[source])
        order: list[int] = []
        while len(order) < count:
            ready = [d for d in range(count) if d not in order and after[d] <= set(order)]
            order.append(ready[0] if ready else next(d for d in range(count) if d not in order))
        positions = {device: k for k, device in enumerate(order)}
        for device, k in positions.items():
            for other, var in enumerate(self._rows[k]):
                self.model.add_hint(var, int(other == device))
        return positions

    def places(self, solver: Any) -> tuple[int, ...]:
        """The placement that was found."""
        count = len(self.problem.machines)
        devices = list(range(count))
        if self._rows is not None:
            devices = [
                next(d for d in range(count) if solver.value(self._rows[k][d]))
                for k in range(count)
            ]
        return tuple(
            devices[next(k for k in range(count) if solver.value(row[k]))] for row in self.at
        )
