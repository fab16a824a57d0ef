"""The cycle loop over all processing elements."""

from __future__ import annotations

from typing import Any

from pyflame_rt.backends.wse.sim.layout import (
    AHEAD,
    ERROR,
    HALTED,
    IDLE,
    IN_VECTOR,
    K_DEPTH,
    K_DOWN,
    K_QUEUE,
    N_PE,
    N_WORDS,
    NEVER,
    NEXT,
    NODE_COUNT,
    NODE_FIELDS,
    NODES,
    NOW,
    O_FLAGS,
    O_REASON,
    OP_FIELDS,
    P_ACTIVE,
    P_BLOCKED,
    P_CYCLES,
    P_IN_WORDS,
    P_INSTRUCTIONS,
    P_OPS,
    P_OUT_TURN,
    P_OUT_WORDS,
    P_OUTPUTS,
    P_READY,
    P_REASON,
    P_SINCE,
    P_STATE,
    P_THREADS,
    P_TURN,
    PATH_DOWN,
    PENDING,
    PROGRESS,
    Q_HEAD,
    Q_MASK,
    Q_RECORD,
    Q_RING,
    Q_TAIL,
    QUIET,
    R_QUEUES,
    REASON_IDLE,
    REASON_LATENCY,
    REASON_SHARED,
    REASON_WORK,
    RQ_HEAD,
    RQ_TAIL,
    RUNNING,
    SKIP,
    SKIPPED,
    SOON,
    THREADS,
    TRACE_LEVEL,
    WHEEL,
    WHEEL_GROUPS,
    WHEEL_WORDS,
)  # fmt: skip
from pyflame_rt.backends.wse.sim.numbers import wrap32
from pyflame_rt.backends.wse.sim.router import event, put, router, trace
from pyflame_rt.backends.wse.sim.scalar import issue
from pyflame_rt.backends.wse.sim.vector import step_op
from pyflame_rt.backends.wse.sim.waking import (
    clear,
    expect,
    lowest,
    unfold,
    upcoming,
    wake,
    wake_all,
)

# How long a busy fabric is run, at most, without looking which of its nodes wait.
BUSY_CYCLES = 64


def ramp_down(S: Any, p: int, now: int) -> None:
    """One word comes down from the output queues, which take turns."""
    for turn in range(8):
        number = (S[p + P_OUT_TURN] + turn) & 7
        queue = S[p + P_OUTPUTS + number]
        if queue < 0:
            continue
        head = S[queue + Q_HEAD]
        if head == S[queue + Q_TAIL]:
            continue
        place = queue + Q_RING + 2 * (head & S[queue + Q_MASK])
        tag = S[place + 1]
        if tag >> 2 > now:
            event(S, tag >> 2)
            continue
        r = S[queue + Q_RECORD]
        ramp = r + R_QUEUES + 4 * S[K_QUEUE]
        if S[ramp + RQ_TAIL] - S[ramp + RQ_HEAD] >= S[K_DEPTH] + S[K_DOWN] - 1:
            continue
        put(S, r, 4, S[place], (now + S[K_DOWN] - 1) * 4 + (tag & 3))
        if S[TRACE_LEVEL] >= 3:
            trace(S, PATH_DOWN, now, p, queue, r)
        S[queue + Q_HEAD] = head + 1
        left = S[p + P_OUT_WORDS] - 1
        S[p + P_OUT_WORDS] = left
        # A queue that has all the words stays in turn, so that the others need no look.
        S[p + P_OUT_TURN] = number if S[queue + Q_TAIL] - head - 1 == left else number + 1
        S[PROGRESS] = 1
        return


def step_shared(S: Any, F: Any, H: Any, p: int, now: int) -> int:
    """Several ops are in flight: the highest priority, then the next in turn, that can move moves."""
    turn = S[p + P_TURN]
    for priority in range(2, -1, -1):
        for offset in range(THREADS):
            thread = turn + offset
            if thread >= THREADS:
                thread -= THREADS
            if S[p + P_THREADS] >> thread & 1 == 0:
                continue
            if S[p + P_OPS + thread * OP_FIELDS + O_FLAGS] >> 4 & 15 != priority:
                continue
            moved = step_op(S, F, H, p, thread, now)
            if moved:
                S[p + P_TURN] = thread + 1 if thread + 1 < THREADS else 0
                return moved
    return 0


def step_thread(S: Any, F: Any, H: Any, p: int, now: int) -> int:
    """Advance the vector ops in flight by one group."""
    threads = S[p + P_THREADS]
    if threads & (threads - 1):
        return step_shared(S, F, H, p, now)
    return step_op(S, F, H, p, lowest(threads), now)


def account(S: Any, p: int, reason: int, now: int) -> None:
    """From this cycle on the main thread does something else."""
    S[p + P_CYCLES + S[p + P_REASON]] += now - S[p + P_SINCE]
    S[p + P_REASON] = reason
    S[p + P_SINCE] = now


def element_step(S: Any, F: Any, H: Any, p: int, now: int) -> None:
    """One processing element in one cycle."""
    if S[p + P_OUT_WORDS] > 0:
        ramp_down(S, p, now)
    moved = 0
    # A synchronous op that ends now has still had this cycle.
    before = S[p + P_STATE] * 1
    if S[p + P_THREADS]:
        # In the order of the machine: the op in flight moves, else a thread issues.
        moved = step_thread(S, F, H, p, now)
    if before == IN_VECTOR:
        reason = S[p + P_OPS + O_REASON] * 1
    elif before == HALTED:
        reason = REASON_IDLE
    else:
        waiting = before == RUNNING and S[p + P_READY] > now
        threads = S[p + P_THREADS] * 1
        instructions = S[p + P_INSTRUCTIONS] * 1
        if waiting:
            event(S, S[p + P_READY])
        else:
            issue(S, F, H, p, now, moved != 1 or before == IDLE)
        after = S[p + P_STATE]
        if after == IDLE:
            reason = REASON_IDLE
        elif before == RUNNING and moved == 1 and not waiting:
            reason = REASON_SHARED
        elif after == RUNNING and S[p + P_INSTRUCTIONS] == instructions:
            reason = REASON_LATENCY
        else:
            reason = REASON_WORK
        # An op that was dispatched just now executes its first group in the same cycle.
        threads = S[p + P_THREADS] & ~threads
        if threads != 0 and moved == 0 and S[ERROR] == 0:
            step_op(S, F, H, p, lowest(threads), now)
    if reason != S[p + P_REASON]:
        account(S, p, reason, now)


def visit(S: Any, F: Any, H: Any, node: int, now: int) -> None:
    """One node in one cycle: its router, then its processing element."""
    if S[node + N_WORDS] > 0:
        router(S, node, now)
    p = S[node + N_PE]
    if p < 0:
        return
    working = (
        S[p + P_THREADS]
        | S[p + P_OUT_WORDS]
        | S[p + P_IN_WORDS]
        | (S[p + P_ACTIVE] & ~S[p + P_BLOCKED])
    )
    if working != 0 or S[p + P_STATE] == RUNNING:
        element_step(S, F, H, p, now)
    elif S[p + P_REASON] != REASON_IDLE and S[p + P_STATE] != IN_VECTOR:
        account(S, p, REASON_IDLE, now)


def visit_all(S: Any, F: Any, H: Any, now: int) -> None:
    """One cycle of every node."""
    node = S[NODES] * 1
    end = node + S[NODE_COUNT] * NODE_FIELDS
    S[PROGRESS] = 0
    S[NEXT] = NEVER
    while node < end:
        visit(S, F, H, node, now)
        node += NODE_FIELDS


def visit_marked(S: Any, F: Any, H: Any, now: int) -> int:
    """One cycle of the nodes that are marked for it; how many did something."""
    unfold(S, now)
    moved = 0
    base = S[WHEEL] + (now & 31) * S[WHEEL_WORDS]
    S[SOON] = wrap32(S[SOON] & ~(1 << (now & 31)))
    for group in range(S[WHEEL_GROUPS]):
        words = S[base + group] & 0xFFFFFFFF
        S[base + group] = 0
        while words:
            word = 32 * group + lowest(words)
            words &= words - 1
            place = base + S[WHEEL_GROUPS] + word
            bits = S[place] & 0xFFFFFFFF
            S[place] = 0
            while bits:
                node = S[NODES] + (32 * word + lowest(bits)) * NODE_FIELDS
                bits &= bits - 1
                S[PROGRESS] = 0
                S[NEXT] = NEVER
                visit(S, F, H, node, now)
                if S[PROGRESS]:
                    moved += 1
                    wake(S, node, now + 1, now)
                else:
                    expect(S, node, S[NEXT] != NEVER)
                    if S[NEXT] != NEVER:
                        wake(S, node, S[NEXT], now)
    return moved


def run(S: Any, F: Any, H: Any, until: int) -> None:
    """Run cycles up to `until`, an error, or until nothing can ever move again (QUIET)."""
    now = S[NOW] * 1
    skip = S[SKIP] * 1
    # Cycles to go in which most nodes have something to do: marks would only cost. The longer that has been so,
    # the longer it is taken to last.
    busy = 0
    stretch = 1
    S[QUIET] = 0
    S[AHEAD] = until if skip else 0
    if skip:
        wake_all(S, now)
    while now < until and S[ERROR] == 0:
        if skip and busy == 0:
            target = upcoming(S, now, until)
            S[SKIPPED] += target - now
            now = target
            if now == until:
                break
            moved = visit_marked(S, F, H, now)
            if moved == 0 and S[PENDING] == 0:
                S[QUIET] = 1
                break
            now += 1
            if 2 * moved > S[NODE_COUNT]:
                busy = stretch
                stretch = min(2 * stretch, BUSY_CYCLES)
                clear(S)
            else:
                stretch = 1
            continue
        visit_all(S, F, H, now)
        if S[PROGRESS] == 0 and S[NEXT] == NEVER:
            S[QUIET] = 1
            break
        now += 1
        if skip:
            busy -= 1
            if S[PROGRESS] == 0:
                busy = 0
            if busy == 0:
                wake_all(S, now)
    if skip:
        clear(S)
    S[NOW] = now


def pointer(array: Any) -> Any:
    """The array itself; in compiled form its address, which is one word to pass and never checked."""
    return array


def enter(S: Any, F: Any, H: Any, until: int) -> None:
    """Run from the host: the three views of the buffer."""
    run(pointer(S), pointer(F), pointer(H), until)
