"""The main thread: which task starts, and the instructions that it issues."""

from __future__ import annotations

from typing import Any

from pyflame_rt.backends.wse.sim.image import (
    ACTIVATE,
    ADD_DSD,
    ADD_DSD_CONSTANT,
    ALU,
    ALUI,
    BLOCK,
    BRANCH,
    CALL,
    CONVERT,
    END,
    F16,
    F32,
    FMA,
    HALT,
    I32,
    JUMP,
    LI,
    LOAD,
    LOAD_DSR,
    MAP_BEGIN,
    MAP_ELEMENT,
    MAP_NEXT,
    MAP_STORE,
    MOVE,
    PRINT,
    RETURN,
    SET_COLOUR,
    SET_DSD,
    SET_DSD_CONSTANT,
    STORE,
    TIMESTAMP,
    U16,
    U32,
    UNBLOCK,
    VECTOR,
)  # fmt: skip
from pyflame_rt.backends.wse.sim.layout import (
    E_COLOUR,
    E_NO_CONTROL_TASK,
    E_OPERANDS,
    E_PC,
    E_SPIN,
    ERROR,
    HALTED,
    IDLE,
    K_BRANCH_NOT,
    K_BRANCH_TAKEN,
    K_COSTS,
    K_DATA_TASK,
    K_DSR_READY,
    K_FLOAT_LATENCY,
    K_LOCAL_TASK,
    K_RECORD,
    N_FIRST,
    N_RECORDS,
    P_ACTIVE,
    P_BLOCKED,
    P_CODE,
    P_DSDS,
    P_DSR_READY,
    P_DSR_WAIT,
    P_DSRS,
    P_FIRST,
    P_FLOAT_READY,
    P_FLOAT_REGISTER,
    P_FLOAT_WAIT,
    P_IN_WORDS,
    P_INPUTS,
    P_INSTRUCTIONS,
    P_LAST,
    P_NODE,
    P_NUMBER,
    P_OUTPUTS,
    P_PC,
    P_POINTER,
    P_READY,
    P_REGISTERS,
    P_ROWS,
    P_STARTED,
    P_STATE,
    P_TASK,
    P_TASK_AT,
    P_TASK_COUNT,
    P_TASK_CYCLES,
    P_TASK_RUNS,
    P_TASKS,
    P_THREAD_WAIT,
    P_THREADS,
    P_WAIT_SINCE,
    P_WAS_DATA,
    PATH_ACT,
    PATH_LATE,
    PATH_WORD,
    PROGRESS,
    Q_HEAD,
    Q_MASK,
    Q_RECORD,
    Q_RING,
    Q_TAIL,
    Q_TASK,
    Q_USERS,
    R_COLOUR,
    R_INPUT,
    RUNNING,
    TRACE_LEVEL,
    TRACE_PRINT,
    TRACE_STAMP,
    TRACE_TASK,
    TRACE_TASK_END,
)  # fmt: skip
from pyflame_rt.backends.wse.sim.numbers import (
    from_float,
    half,
    half_bits,
    integer,
    scalar_op,
    single,
    single_bits,
    to_float,
    wrap32,
)  # fmt: skip
from pyflame_rt.backends.wse.sim.router import event, fail, trace
from pyflame_rt.backends.wse.sim.vector import (
    act,
    dispatch,
    held,
    read_memory,
    write_memory,
)  # fmt: skip

# More instructions than this in one cycle, all of them free, are a loop that never ends.
FREE_INSTRUCTIONS = 4096


def start(S: Any, p: int, slot: int, now: int, cost: int) -> None:
    """Start a task."""
    S[p + P_STATE] = RUNNING
    S[p + P_TASK] = slot
    S[p + P_PC] = S[S[p + P_TASKS] + 6 * slot + 2]
    S[p + P_READY] = now + cost
    S[p + P_STARTED] = now
    S[p + P_TASK_RUNS + slot] += 1
    S[PROGRESS] = 1
    if S[p + P_FIRST] < 0:
        S[p + P_FIRST] = now
    if S[TRACE_LEVEL] >= 1:
        trace(S, TRACE_TASK, now, p, slot, 0)


def start_from_queue(S: Any, p: int, now: int) -> bool:
    """Start the data or control task of the first queue that has a word for one."""
    for number in range(8):
        queue = S[p + P_INPUTS + number]
        if queue < 0 or S[queue + Q_HEAD] == S[queue + Q_TAIL]:
            continue
        place = queue + Q_RING + 2 * (S[queue + Q_HEAD] & S[queue + Q_MASK])
        tag = S[place + 1]
        if tag >> 2 > now:
            event(S, tag >> 2)
            continue
        slot = S[queue + Q_TASK] * 1
        if tag & 1:
            slot = -1
            wanted = (S[place] & 63) - 1
            for task in range(S[p + P_TASK_COUNT]):
                row = S[p + P_TASKS] + 6 * task
                if S[row] == 2 and S[row + 1] == wanted:
                    slot = task
            if slot < 0:
                fail(
                    S, E_NO_CONTROL_TASK, S[p + P_NUMBER], wanted, S[S[queue + Q_RECORD] + R_COLOUR]
                )
                return False
        elif S[queue + Q_USERS] > 0:
            continue
        if slot < 0 or S[p + P_BLOCKED] >> slot & 1:
            continue
        if S[p + P_TASK_AT + slot] > now:
            event(S, S[p + P_TASK_AT + slot])
            continue
        S[p + P_REGISTERS] = S[place]
        S[queue + Q_HEAD] += 1
        S[p + P_IN_WORDS] -= 1
        if S[TRACE_LEVEL] >= 3:
            trace(S, PATH_WORD, now, p, slot, queue)
        start(S, p, slot, now, S[K_DATA_TASK])
        return True
    return False


def start_local(S: Any, p: int, now: int) -> bool:
    """Start the first active unblocked task after the one that was started last."""
    ready = S[p + P_ACTIVE] & ~S[p + P_BLOCKED]
    if ready == 0:
        return False
    count = S[p + P_TASK_COUNT]
    for turn in range(count):
        slot = (S[p + P_POINTER] + turn) % count
        if ready >> slot & 1:
            if S[p + P_TASK_AT + slot] > now:
                event(S, S[p + P_TASK_AT + slot])
                continue
            S[p + P_ACTIVE] &= ~(1 << slot)
            S[p + P_POINTER] = slot + 1
            start(S, p, slot, now, S[K_LOCAL_TASK])
            return True
    return False


def pick(S: Any, p: int, now: int) -> bool:
    """Start a task if one is ready; word tasks and local ones take turns when both are."""
    if S[p + P_WAS_DATA]:
        if start_local(S, p, now):
            S[p + P_WAS_DATA] = 0
            return True
        return S[p + P_IN_WORDS] > 0 and start_from_queue(S, p, now)
    if S[p + P_IN_WORDS] > 0 and start_from_queue(S, p, now):
        S[p + P_WAS_DATA] = 1
        return True
    return start_local(S, p, now)


def waits_for_float(S: Any, p: int, i: int, opcode: int) -> bool:
    """Whether an instruction reads the float result that is not there yet."""
    register = S[p + P_FLOAT_REGISTER]
    if opcode == ALU:
        return S[i + 3] == register or S[i + 4] == register
    if opcode == ALUI or opcode == MOVE or opcode == CONVERT:
        return S[i + 3] == register
    if opcode == FMA:
        return S[i + 3] == register or S[i + 4] == register or S[i + 5] == register
    if opcode == STORE or opcode == BRANCH:
        return S[i + 2] == register
    if opcode == VECTOR:
        return S[i + 6] == register
    return False


def convert(S: Any, F: Any, bits: int, source: int, target: int) -> int:
    """A register's value from one type to another."""
    if source < F16 and target < F16:
        return integer(bits, target)
    return from_float(S, F, to_float(S, F, bits, source), target)


def set_colour(S: Any, p: int, output: int, number: int, colour: int) -> None:
    """Bind a queue to another colour of its router."""
    queue = S[(p + P_OUTPUTS if output else p + P_INPUTS) + number]
    node = S[p + P_NODE]
    for index in range(S[node + N_RECORDS]):
        r = S[node + N_FIRST] + index * S[K_RECORD]
        if S[r + R_COLOUR] == colour and queue >= 0:
            if output == 0:
                S[S[queue + Q_RECORD] + R_INPUT] = -1
                S[r + R_INPUT] = queue
            S[queue + Q_RECORD] = r
            return
    fail(S, E_COLOUR, S[p + P_NUMBER], colour, number)


def element(S: Any, F: Any, H: Any, p: int, i: int, opcode: int) -> None:
    """MAP_ELEMENT and MAP_STORE on the current element of a DSR; its column 5 is the place."""
    dsr = S[p + P_DSRS] + 16 * S[i + 2]
    address = S[dsr + 2] + S[dsr + 5]
    register = p + P_REGISTERS + S[i + 4]
    if opcode == MAP_ELEMENT:
        value = read_memory(S, H, p, address, S[dsr + 7])
        S[register] = value & 0xFFFF if S[i + 6] == U16 or S[i + 6] == F16 else value
    else:
        write_memory(S, H, p, address, S[dsr + 7], S[register])


def wait(S: Any, p: int, now: int) -> None:
    """The main thread waits for a microthread from this cycle on."""
    if S[p + P_WAIT_SINCE] == 0:
        S[p + P_WAIT_SINCE] = now + 1


def waited(S: Any, p: int, now: int) -> None:
    """The main thread waits no more."""
    if S[p + P_WAIT_SINCE] != 0:
        S[p + P_THREAD_WAIT] += now + 1 - S[p + P_WAIT_SINCE]
        S[p + P_WAIT_SINCE] = 0


def issue(S: Any, F: Any, H: Any, p: int, now: int, slot_free: bool) -> None:
    """Start a task and issue instructions until one takes time."""
    for _ in range(FREE_INSTRUCTIONS):
        if S[ERROR] != 0:
            return
        if S[p + P_STATE] == IDLE and not pick(S, p, now):
            return
        if S[p + P_STATE] != RUNNING:
            return
        if S[p + P_READY] > now:
            event(S, S[p + P_READY])
            return
        if not slot_free:
            return
        pc = S[p + P_PC]
        if pc < 0 or pc >= S[p + P_ROWS]:
            fail(S, E_PC, S[p + P_NUMBER], pc, 0)
            return
        i = S[p + P_CODE] + 8 * pc
        opcode = S[i]
        if S[p + P_FLOAT_READY] > now and waits_for_float(S, p, i, opcode):
            S[p + P_READY] = S[p + P_FLOAT_READY]
            S[p + P_FLOAT_WAIT] += S[p + P_FLOAT_READY] - now
            event(S, S[p + P_READY])
            return
        if (opcode == VECTOR or opcode == MAP_BEGIN) and S[p + P_DSR_READY] > now:
            S[p + P_READY] = S[p + P_DSR_READY]
            S[p + P_DSR_WAIT] += S[p + P_DSR_READY] - now
            event(S, S[p + P_READY])
            return
        if opcode == VECTOR:
            thread = S[i + 7] & 15
            if S[p + P_THREADS] >> thread & 1:
                # The microthread is still busy: the main thread waits for it.
                wait(S, p, now)
                return
        busy = opcode == LOAD_DSR and S[p + P_THREADS] != 0
        if busy and held(S, p, S[p + P_DSRS] + 16 * S[i + 2]):
            wait(S, p, now)
            return
        if S[TRACE_LEVEL] >= 3 and S[p + P_READY] < now:
            trace(S, PATH_LATE, now, p, S[p + P_READY], opcode)
        cost = S[i + 1] * 1
        if cost < 0:
            cost = S[K_COSTS + cost] * 1
        S[p + P_INSTRUCTIONS] += 1
        S[PROGRESS] = 1
        target = pc + 1
        a = S[i + 2]
        to = p + P_REGISTERS + a
        b = p + P_REGISTERS + S[i + 3]
        c = p + P_REGISTERS + S[i + 4]
        kind = S[i + 6]
        if opcode == ALU:
            S[to] = scalar_op(S, F, S[i + 5], kind, S[b], S[c])
        elif opcode == ALUI:
            S[to] = scalar_op(S, F, S[i + 5], kind, S[b], S[i + 4])
        elif opcode == VECTOR:
            waited(S, p, now)
            dispatch(S, p, i, S[i + 7] & 15, now)
            S[p + P_PC] = target
            if S[p + P_STATE] == RUNNING:
                S[p + P_READY] = now + max(cost, 1)
            return
        elif opcode == LOAD_DSR:
            waited(S, p, now)
            source = S[p + P_DSDS] + 16 * S[i + 3]
            dsr = S[p + P_DSRS] + 16 * a
            for column in range(16):
                S[dsr + column] = S[source + column]
            S[p + P_DSR_READY] = now + S[K_DSR_READY]
        elif opcode == BRANCH:
            taken = (S[to] != 0) == (S[i + 4] == 0)
            if S[i + 1] < 0:
                cost = S[K_BRANCH_NOT] * 1
            if taken:
                target = S[i + 3]
                cost = S[i + 5] if S[i + 5] >= 0 else S[K_BRANCH_TAKEN]
        elif opcode == JUMP:
            target = a
        elif opcode == END:
            stop_task(S, p, now)
            continue
        elif opcode == HALT:
            stop_task(S, p, now)
            S[p + P_STATE] = HALTED
            return
        elif opcode == LI:
            S[to] = S[i + 3]
        elif opcode == MOVE:
            S[to] = S[b]
        elif opcode == FMA:
            d = p + P_REGISTERS + S[i + 5]
            if kind == F32:
                value = single(S, F, S[b]) * single(S, F, S[c]) + single(S, F, S[d])
                S[to] = single_bits(S, F, value)
            elif kind == F16:
                S[to] = half_bits(half(S, F, S[b]) * half(S, F, S[c]) + half(S, F, S[d]))
            else:
                S[to] = integer(wrap32(S[b] * S[c]) + S[d], kind)
        elif opcode == CONVERT:
            S[to] = convert(S, F, S[b], S[i + 5], kind)
        elif opcode == LOAD or opcode == STORE:
            address = S[i + 4] * 1
            if S[i + 3] >= 0:
                address += S[b]
            width = 4 if kind == I32 or kind == U32 or kind == F32 else 2
            if opcode == STORE:
                write_memory(S, H, p, address, width, S[to])
            else:
                value = read_memory(S, H, p, address, width)
                S[to] = value & 0xFFFF if kind == U16 or kind == F16 else value
        elif opcode == CALL:
            S[b] = target
            target = a
        elif opcode == RETURN:
            target = S[to]
        elif opcode == TIMESTAMP:
            S[to] = now
            trace(S, TRACE_STAMP, now, p, a, pc)
        elif opcode == PRINT:
            trace(S, TRACE_PRINT, now, p, a | kind << 24, S[b] if S[i + 3] >= 0 else 0)
        elif opcode == ACTIVATE:
            act(S, p, 1, a, now + cost)
            if S[TRACE_LEVEL] >= 3:
                trace(S, PATH_ACT, now, p, a, now + cost)
        elif opcode == BLOCK:
            S[p + P_BLOCKED] |= 1 << a
        elif opcode == UNBLOCK:
            act(S, p, 2, a, now + cost)
            if S[TRACE_LEVEL] >= 3:
                trace(S, PATH_ACT, now, p, a, now + cost)
        elif opcode == SET_DSD:
            S[S[p + P_DSDS] + 16 * a + S[i + 3]] = S[c]
        elif opcode == SET_DSD_CONSTANT:
            S[S[p + P_DSDS] + 16 * a + S[i + 3]] = S[i + 4]
        elif opcode == ADD_DSD:
            column = S[p + P_DSDS] + 16 * a + S[i + 3]
            S[column] = wrap32(S[column] + S[c])
        elif opcode == ADD_DSD_CONSTANT:
            column = S[p + P_DSDS] + 16 * a + S[i + 3]
            S[column] = wrap32(S[column] + S[i + 4])
        elif opcode == MAP_BEGIN:
            dsr = S[p + P_DSRS] + 16 * a
            # Elements done, in a column that a mem1d does not use.
            if S[dsr] != 0:
                fail(S, E_OPERANDS, S[p + P_NUMBER], -1, pc)
                return
            S[dsr + 8] = 0
            if S[dsr + 3] <= 0:
                target = S[i + 3]
        elif opcode == MAP_ELEMENT or opcode == MAP_STORE:
            element(S, F, H, p, i, opcode)
        elif opcode == MAP_NEXT:
            dsr = S[p + P_DSRS] + 16 * a
            S[dsr + 8] += 1
            S[dsr + 5] = wrap32(S[dsr + 5] + S[dsr + 4])
            if S[dsr + 8] < S[dsr + 3]:
                target = S[i + 3]
        elif opcode == SET_COLOUR:
            set_colour(S, p, a, S[i + 3], S[i + 4])
        if kind >= F16 and ALU <= opcode <= CONVERT:
            S[p + P_FLOAT_REGISTER] = a
            S[p + P_FLOAT_READY] = now + S[K_FLOAT_LATENCY]
        S[p + P_PC] = target
        if cost > 0:
            S[p + P_READY] = now + cost
            return
    fail(S, E_SPIN, S[p + P_NUMBER], S[p + P_PC], 0)


def stop_task(S: Any, p: int, now: int) -> None:
    """The task has ended."""
    slot = S[p + P_TASK]
    S[p + P_STATE] = IDLE
    S[p + P_TASK_CYCLES + slot] += now - S[p + P_STARTED]
    S[p + P_LAST] = now
    if S[TRACE_LEVEL] >= 1:
        trace(S, TRACE_TASK_END, now, p, slot, 0)
