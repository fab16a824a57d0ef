"""One router in one cycle: every output takes at most one word, every colour moves at most one."""

from __future__ import annotations

from typing import Any

from pyflame_rt.backends.wse.sim.layout import (
    CAUSE_LINK,
    CAUSE_ROOM,
    CAUSE_SWITCH,
    E_CLASH,
    E_DANGLING,
    E_NO_QUEUE,
    ERROR,
    ERROR_A,
    ERROR_B,
    ERROR_PE,
    K_DEPTH,
    K_HOP,
    K_LINK,
    K_QUEUE,
    K_RECORD,
    K_RING_MASK,
    K_UP,
    N_FIRST,
    N_FREE,
    N_LOAD,
    N_NUMBER,
    N_PE,
    N_POINTER,
    N_RECORDS,
    N_WORDS,
    NEXT,
    P_IN_WORDS,
    PATH_MOVE,
    PATH_SWITCH,
    PATH_UP,
    PROGRESS,
    Q_CAPACITY,
    Q_HEAD,
    Q_HIGH,
    Q_MASK,
    Q_RING,
    Q_TAIL,
    R_BESIDE,
    R_CAUSE,
    R_COLOUR,
    R_COUNT,
    R_FILTER,
    R_INITIAL,
    R_INPUT,
    R_LATE,
    R_NEXT,
    R_NODE,
    R_OCCUPIED,
    R_POP,
    R_POSITION,
    R_POSITIONS,
    R_QUEUES,
    R_RING,
    R_RX,
    R_SINCE,
    R_TX,
    RQ_HEAD,
    RQ_HIGH,
    RQ_POPPED,
    RQ_RING,
    RQ_TAIL,
    TRACE,
    TRACE_CAPACITY,
    TRACE_COUNT,
    TRACE_LEVEL,
    WAKING,
)  # fmt: skip
from pyflame_rt.backends.wse.sim.waking import lowest, wake


def fail(S: Any, code: int, number: int, a: int, b: int) -> None:
    """Record the first error of the run."""
    if S[ERROR] == 0:
        S[ERROR] = code
        S[ERROR_PE] = number
        S[ERROR_A] = a
        S[ERROR_B] = b


def event(S: Any, cycle: int) -> None:
    """Something becomes possible in that cycle without anything else happening before."""
    if cycle < S[NEXT]:
        S[NEXT] = cycle


def trace(S: Any, kind: int, now: int, p: int, a: int, b: int) -> None:
    """Append a row to the trace; rows that do not fit are counted only."""
    count = S[TRACE_COUNT]
    S[TRACE_COUNT] = count + 1
    if count < S[TRACE_CAPACITY]:
        row = S[TRACE] + 5 * count
        S[row] = kind
        S[row + 1] = now
        S[row + 2] = p
        S[row + 3] = a
        S[row + 4] = b


def moves_again(S: Any, r: int, now: int) -> None:
    """Account the cycles that a colour was held up."""
    cause = S[r + R_CAUSE]
    if cause != 0:
        S[r + R_LATE + cause - 1] += now - S[r + R_SINCE]
        S[r + R_CAUSE] = 0


def held_up(S: Any, r: int, cause: int, now: int) -> None:
    """The word of a colour that could move does not; counted by times, so that cycles may be skipped."""
    if S[r + R_CAUSE] != cause:
        moves_again(S, r, now)
        S[r + R_CAUSE] = cause
        S[r + R_SINCE] = now


def arrived_now(S: Any, queue: int, now: int) -> bool:
    """Whether the newest words of a router's queue include one that arrives in this cycle."""
    place = S[queue + RQ_TAIL]
    while place > S[queue + RQ_HEAD]:
        place -= 1
        stamp = S[queue + RQ_RING + 2 * (place & S[K_RING_MASK]) + 1] >> 2
        if stamp == now:
            return True
        if stamp < now:
            return False
    return False


def chosen_direction(S: Any, r: int, candidates: int, now: int) -> int:
    """The direction whose word came first among those that may move; a clash is an error."""
    if candidates & (candidates - 1) == 0:
        return lowest(candidates)
    best = -1
    earliest = 0
    arrivals = 0
    for direction in range(5):
        if candidates >> direction & 1:
            queue = r + R_QUEUES + direction * S[K_QUEUE]
            head = S[queue + RQ_HEAD]
            stamp = S[queue + RQ_RING + 2 * (head & S[K_RING_MASK]) + 1] >> 2
            if best < 0 or stamp < earliest:
                best = direction
                earliest = stamp
            if arrived_now(S, queue, now):
                arrivals += 1
    if arrivals > 1:
        fail(S, E_CLASH, S[S[r + R_NODE] + N_NUMBER], S[r + R_COLOUR], candidates)
    return best


def kept(S: Any, r: int, word: int) -> bool:
    """Whether the filter lets a word up the ramp; it counts only when the word moves."""
    kind = S[r + R_FILTER]
    if kind == 1:
        high = (word >> 16) & 0xFFFF
        return S[r + R_FILTER + 1] <= high <= S[r + R_FILTER + 2]
    return S[r + R_COUNT] <= S[r + R_FILTER + 2]


def opened(S: Any, r: int, before: int, now: int) -> None:
    """A switch has gone to another position: words that it kept waiting may move from the next cycle on."""
    position = S[r + R_POSITION]
    news = S[r + R_RX + position] & ~S[r + R_RX + before]
    for direction in range(5):
        if (S[r + R_OCCUPIED] & news) >> direction & 1:
            queue = r + R_QUEUES + direction * S[K_QUEUE]
            place = queue + RQ_RING + 2 * (S[queue + RQ_HEAD] & S[K_RING_MASK])
            since = max(S[place + 1] >> 2, S[queue + RQ_POPPED] + 1)
            if since <= now:
                S[r + R_LATE + CAUSE_SWITCH - 1] += now + 1 - since
    if S[TRACE_LEVEL] >= 3:
        trace(S, PATH_SWITCH, now, S[r + R_NODE], r, news)


def switch(S: Any, r: int, command: int, now: int) -> None:
    """Obey a switch command."""
    before = S[r + R_POSITION] * 1
    if command == 1:
        position = S[r + R_POSITION] + 1
        if position >= S[r + R_POSITIONS]:
            position = 0 if S[r + R_RING] else position - 1
        S[r + R_POSITION] = position
    elif command == 2:
        S[r + R_POSITION] = S[r + R_INITIAL]
    elif command == 3:
        for position in range(4):
            S[r + R_RX + position] = 0
    if S[r + R_POSITION] != before:
        opened(S, r, before, now)


def room(S: Any, node: int, r: int, ports: int, now: int) -> bool:
    """Whether every target has room, as of the start of the cycle."""
    rest = ports & 15
    while rest:
        direction = lowest(rest)
        rest &= rest - 1
        if S[K_LINK] != 8 and S[node + N_FREE + direction] >= 8 * now + 8:
            event(S, now + 1)
            held_up(S, r, CAUSE_LINK, now)
            return False
        target = S[r + R_NEXT + direction]
        if target < 0:
            fail(S, E_DANGLING, S[node + N_NUMBER], S[r + R_COLOUR], direction)
            return False
        queue = target + R_QUEUES + ((direction + 2) & 3) * S[K_QUEUE]
        used = S[queue + RQ_TAIL] - S[queue + RQ_HEAD]
        if S[queue + RQ_POPPED] == now:
            used += 1
        if used >= S[K_DEPTH]:
            held_up(S, r, CAUSE_ROOM, now)
            return False
    if ports & 16:
        queue = S[r + R_INPUT]
        if queue < 0:
            fail(S, E_NO_QUEUE, S[node + N_NUMBER], S[r + R_COLOUR], 0)
            return False
        if S[queue + Q_TAIL] - S[queue + Q_HEAD] >= S[queue + Q_CAPACITY]:
            held_up(S, r, CAUSE_ROOM, now)
            return False
    return True


def put(S: Any, r: int, direction: int, data: int, tag: int) -> None:
    """Put a word in the queue of a direction of a record."""
    queue = r + R_QUEUES + direction * S[K_QUEUE]
    tail = S[queue + RQ_TAIL]
    place = queue + RQ_RING + 2 * (tail & S[K_RING_MASK])
    S[place] = data
    S[place + 1] = tag
    S[queue + RQ_TAIL] = tail + 1
    if tail + 1 - S[queue + RQ_HEAD] > S[queue + RQ_HIGH]:
        S[queue + RQ_HIGH] = tail + 1 - S[queue + RQ_HEAD]
    S[r + R_OCCUPIED] |= 1 << direction
    S[S[r + R_NODE] + N_WORDS] += 1


def forward(S: Any, node: int, r: int, ports: int, data: int, flags: int, now: int) -> None:
    """Send a word through the ports."""
    tag = (now + S[K_HOP]) * 4 + flags
    rest = ports & 15
    while rest:
        direction = lowest(rest)
        rest &= rest - 1
        S[node + N_LOAD + direction] += 1
        if S[K_LINK] != 8:
            free = S[node + N_FREE + direction]
            S[node + N_FREE + direction] = max(free, 8 * now) + S[K_LINK]
        there = S[r + R_NEXT + direction]
        put(S, there, (direction + 2) & 3, data, tag)
        if S[WAKING]:
            # It is to say itself when the word can move.
            wake(S, S[there + R_NODE], now + 1, now)
    if ports & 16:
        queue = S[r + R_INPUT]
        tail = S[queue + Q_TAIL]
        place = queue + Q_RING + 2 * (tail & S[queue + Q_MASK])
        S[place] = data
        S[place + 1] = (now + S[K_UP]) * 4 + flags
        S[queue + Q_TAIL] = tail + 1
        if tail + 1 - S[queue + Q_HEAD] > S[queue + Q_HIGH]:
            S[queue + Q_HIGH] = tail + 1 - S[queue + Q_HEAD]
        S[node + N_LOAD + 4] += 1
        S[S[node + N_PE] + P_IN_WORDS] += 1
        if S[TRACE_LEVEL] >= 3:
            trace(S, PATH_UP, now, node, queue, r)


def router(S: Any, node: int, now: int) -> None:
    """Move what can move; the pointer goes to the first colour that lost a port to another."""
    count = S[node + N_RECORDS]
    pointer = S[node + N_POINTER]
    loser = -1
    taken = 0
    for turn in range(count):
        index = pointer + turn
        if index >= count:
            index -= count
        r = S[node + N_FIRST] + index * S[K_RECORD]
        position = S[r + R_POSITION]
        candidates = S[r + R_OCCUPIED] & S[r + R_RX + position]
        if candidates == 0:
            continue
        direction = chosen_direction(S, r, candidates, now)
        queue = r + R_QUEUES + direction * S[K_QUEUE]
        head = S[queue + RQ_HEAD]
        place = queue + RQ_RING + 2 * (head & S[K_RING_MASK])
        tag = S[place + 1]
        if tag >> 2 > now:
            event(S, tag >> 2)
            continue
        ports = S[r + R_TX + position]
        if ports == 0:
            continue
        data = S[place]
        control = tag & 1
        filtered = ports & 16 != 0 and control == 0 and S[r + R_FILTER] != 0
        if filtered and not kept(S, r, data):
            ports &= 15
        if control and data >> 6 & 1:
            ports &= 15
        if ports & taken:
            if loser < 0:
                loser = index
            held_up(S, r, CAUSE_LINK, now)
            continue
        if not room(S, node, r, ports, now):
            continue
        taken |= ports
        if filtered and S[r + R_FILTER] == 2:
            S[r + R_COUNT] = S[r + R_COUNT] + 1 if S[r + R_COUNT] < S[r + R_FILTER + 1] else 0
        command = 0
        if control:
            command = data >> 16 & 3
            pop = S[r + R_POP]
            if pop == 1 or (pop == 2 and command == 1):
                data = (data & 0xFFFF) | ((data >> 18 & 0x3FFF) << 16)
        if S[r + R_CAUSE] != 0:
            moves_again(S, r, now)
        if S[TRACE_LEVEL] >= 3:
            trace(S, PATH_MOVE, now, node, r, direction | ports << 3)
        forward(S, node, r, ports, data, control, now)
        S[queue + RQ_HEAD] = head + 1
        S[queue + RQ_POPPED] = now
        if S[WAKING] and direction < 4 and S[queue + RQ_TAIL] - head >= S[K_DEPTH]:
            # Whoever feeds the queue saw it full.
            wake(S, S[r + R_BESIDE + direction], now + 1, now)
        if head + 1 == S[queue + RQ_TAIL]:
            S[r + R_OCCUPIED] &= ~(1 << direction)
        S[node + N_WORDS] -= 1
        S[PROGRESS] = 1
        if command != 0:
            switch(S, r, command, now)
        if tag & 2:
            switch(S, r, 1, now)
    if loser >= 0:
        S[node + N_POINTER] = loser
