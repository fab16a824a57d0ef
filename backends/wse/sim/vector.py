"""Vector ops: dispatch, one SIMD group at a time, completion."""

from __future__ import annotations

from typing import Any

from pyflame_rt.backends.wse.sim.image import FABIN, FABOUT, FIFO, FMACS, MEM1D, MEM4D
from pyflame_rt.backends.wse.sim.layout import (
    A_DSR,
    A_KIND,
    A_PLACE,
    A_STRIDE,
    A_WIDTH,
    AHEAD,
    E_ALIGNMENT,
    E_BOUNDS,
    E_LENGTH,
    E_NO_QUEUE,
    E_OPERANDS,
    ERROR,
    F_BASE,
    F_CAPACITY,
    F_HEAD,
    F_TAIL,
    F_WIDTH,
    FIFO_FIELDS,
    FUNCTIONS,
    IN_VECTOR,
    K_BANK_BYTES,
    K_BANK_CLASSES,
    K_CONFLICT,
    K_EXECUTE,
    K_FABRIC_DISPATCH,
    K_MEMORY_DISPATCH,
    K_TWO_SOURCE,
    K_VECTOR_ISSUE,
    O_DEST,
    O_DONE,
    O_DSR_FLAGS,
    O_DUE,
    O_FABRIC,
    O_FLAGS,
    O_FRACTION,
    O_FUNCTION,
    O_INTERVAL,
    O_LANES,
    O_LATENCY,
    O_LENGTH,
    O_PC,
    O_REASON,
    O_SCALAR,
    O_SRC0,
    O_SRC1,
    O_STARTED,
    OP_FIELDS,
    P_ACTIVE,
    P_BLOCKED,
    P_BYTES,
    P_CONFLICT_CYCLES,
    P_CONFLICTS,
    P_DSRS,
    P_FIFOS,
    P_GROUPS,
    P_IN_WORDS,
    P_INPUTS,
    P_MAIN_GROUPS,
    P_MEMORY,
    P_NUMBER,
    P_OPS,
    P_OUT_WORDS,
    P_OUTPUTS,
    P_PC,
    P_READY,
    P_REGISTERS,
    P_STATE,
    P_TASK_AT,
    P_THREADS,
    PATH_ACT,
    PATH_GROUP,
    PATH_OPERAND,
    PROGRESS,
    Q_CAPACITY,
    Q_HEAD,
    Q_HIGH,
    Q_MASK,
    Q_RING,
    Q_TAIL,
    Q_USERS,
    REASON_INPUT,
    REASON_OUTPUT,
    REASON_WORK,
    RUNNING,
    THREADS,
    TRACE_LEVEL,
    TRACE_OP,
    TRACE_OP_END,
)  # fmt: skip
from pyflame_rt.backends.wse.sim.numbers import (
    single,
    single_bits,
    vector_op,
    wrap16,
    wrap32,
)
from pyflame_rt.backends.wse.sim.router import event, fail, trace


def read_memory(S: Any, H: Any, p: int, address: int, width: int) -> int:
    """A word of 2 or 4 bytes at a byte address; 32-bit words may sit at any even address."""
    if address < 0 or address + width > S[p + P_BYTES]:
        fail(S, E_BOUNDS, S[p + P_NUMBER], address, width)
        return 0
    if address & 1:
        fail(S, E_ALIGNMENT, S[p + P_NUMBER], address, width)
        return 0
    place = S[p + P_MEMORY] + (address >> 1)
    if width == 2:
        return H[place] * 1
    if place & 1:
        return (H[place] & 0xFFFF) | (H[place + 1] << 16)
    return S[place >> 1] * 1


def write_memory(S: Any, H: Any, p: int, address: int, width: int, value: int) -> None:
    """Store the low 2 or 4 bytes of a value."""
    if address < 0 or address + width > S[p + P_BYTES]:
        fail(S, E_BOUNDS, S[p + P_NUMBER], address, width)
        return
    if address & 1:
        fail(S, E_ALIGNMENT, S[p + P_NUMBER], address, width)
        return
    place = S[p + P_MEMORY] + (address >> 1)
    if width == 2:
        H[place] = wrap16(value)
    elif place & 1:
        H[place] = wrap16(value)
        H[place + 1] = value >> 16
    else:
        S[place >> 1] = wrap32(value)


def element_address(S: Any, operand: int, k: int) -> int:
    """The byte address of element k of a memory operand."""
    if S[operand + A_KIND] == MEM1D:
        return S[operand + A_PLACE] + k * S[operand + A_STRIDE]
    dsr = S[operand + A_DSR]
    address = S[operand + A_PLACE]
    for dimension in range(3, -1, -1):
        size = max(S[dsr + 8 + dimension], 1)
        address += (k % size) * S[dsr + 12 + dimension]
        k = k // size
    return address


def fetch(S: Any, H: Any, p: int, operand: int, k: int, scalar: int) -> int:
    """Element k of a source, or the scalar when there is no such operand."""
    kind = S[operand + A_KIND]
    if kind < 0:
        return scalar
    if kind <= MEM4D:
        return read_memory(S, H, p, element_address(S, operand, k), S[operand + A_WIDTH])
    place = S[operand + A_PLACE]
    if kind == FABIN:
        head = S[place + Q_HEAD]
        S[place + Q_HEAD] = head + 1
        S[p + P_IN_WORDS] -= 1
        word = S[place + Q_RING + 2 * (head & S[place + Q_MASK])]
        return word if S[operand + A_WIDTH] == 4 else wrap16(word)
    head = S[place + F_HEAD]
    S[place + F_HEAD] = head + 1
    width = S[place + F_WIDTH]
    return read_memory(S, H, p, S[place + F_BASE] + (head % S[place + F_CAPACITY]) * width, width)


def deliver(S: Any, H: Any, p: int, o: int, k: int, value: int, now: int) -> None:
    """Write element k of the destination."""
    operand = o + O_DEST
    kind = S[operand + A_KIND]
    if kind < 0:
        return
    width = S[operand + A_WIDTH]
    if kind <= MEM4D:
        write_memory(S, H, p, element_address(S, operand, k), width, value)
        return
    place = S[operand + A_PLACE]
    if kind == FIFO:
        tail = S[place + F_TAIL]
        S[place + F_TAIL] = tail + 1
        width = S[place + F_WIDTH]
        write_memory(
            S, H, p, S[place + F_BASE] + (tail % S[place + F_CAPACITY]) * width, width, value
        )
        return
    flags = S[o + O_DSR_FLAGS] & 255
    tag = (now + 1 + S[o + O_LATENCY]) * 4
    if flags & 4:
        tag += 1
    if flags & 2 and k + 1 == S[o + O_LENGTH]:
        tag += 2
    tail = S[place + Q_TAIL]
    slot = place + Q_RING + 2 * (tail & S[place + Q_MASK])
    S[slot] = wrap32(value) if width == 4 else value & 0xFFFF
    S[slot + 1] = tag
    S[place + Q_TAIL] = tail + 1
    if tail + 1 - S[place + Q_HEAD] > S[place + Q_HIGH]:
        S[place + Q_HIGH] = tail + 1 - S[place + Q_HEAD]
    S[p + P_OUT_WORDS] += 1


def source_ready(S: Any, operand: int, now: int) -> bool:
    """Whether a source has its next element."""
    kind = S[operand + A_KIND]
    if kind < FABIN:
        return True
    place = S[operand + A_PLACE]
    if kind == FIFO:
        return S[place + F_HEAD] < S[place + F_TAIL]
    head = S[place + Q_HEAD]
    if head == S[place + Q_TAIL]:
        return False
    tag = S[place + Q_RING + 2 * (head & S[place + Q_MASK]) + 1]
    if tag >> 2 > now:
        event(S, tag >> 2)
        return False
    # A control word is not data: it waits for the main thread to start its task.
    return tag & 1 == 0


def dest_ready(S: Any, operand: int) -> bool:
    """Whether the destination takes another element."""
    kind = S[operand + A_KIND]
    place = S[operand + A_PLACE]
    if kind == FABOUT:
        return S[place + Q_TAIL] - S[place + Q_HEAD] < S[place + Q_CAPACITY]
    if kind == FIFO:
        return S[place + F_TAIL] - S[place + F_HEAD] < S[place + F_CAPACITY]
    return True


def stays_inside(S: Any, p: int, operand: int, n: int) -> bool:
    """Whether no element of an operand is anything but a word of the PE's memory, or there is none."""
    kind = S[operand + A_KIND]
    if kind < 0:
        return True
    if kind > MEM4D:
        return False
    low = high = odd = S[operand + A_PLACE] * 1
    if kind == MEM1D:
        reach = (n - 1) * S[operand + A_STRIDE]
        low += min(reach, 0)
        high += max(reach, 0)
        odd |= S[operand + A_STRIDE]
    else:
        for dimension in range(4):
            stride = S[S[operand + A_DSR] + 12 + dimension]
            reach = (max(S[S[operand + A_DSR] + 8 + dimension], 1) - 1) * stride
            low += min(reach, 0)
            high += max(reach, 0)
            odd |= stride
    return low >= 0 and high + S[operand + A_WIDTH] <= S[p + P_BYTES] and odd & 1 == 0


def run_ahead(S: Any, F: Any, H: Any, p: int, o: int, k: int) -> int:
    """Run all groups but the last at once, for nobody can tell: how many elements are done then.

    The op is the only one in flight, the main thread waits for it, and it touches memory only. The last
    group runs when it is due; groups that are due after the end of the run are left too.
    """
    n = S[o + O_LENGTH]
    lanes = S[o + O_LANES]
    inside = stays_inside(S, p, o + O_DEST, n) and stays_inside(S, p, o + O_SRC0, n)
    if S[o + O_INTERVAL] < 100 or not (inside and stays_inside(S, p, o + O_SRC1, n)):
        return k
    start = k
    while k + lanes < n and S[o + O_DUE] < S[AHEAD]:
        k += lanes
        S[p + P_GROUPS] += 1
        after = S[o + O_INTERVAL] + S[o + O_FRACTION]
        S[o + O_DUE] += after // 100
        S[o + O_FRACTION] = after % 100
    run_elements(S, F, H, p, o, start, k)
    return k


def first_word(S: Any, p: int, o: int, operand: int, k: int) -> int:
    """The place of element k of an operand that is whole aligned words, or of the scalar; else -1."""
    if S[operand + A_KIND] < 0:
        return o + O_SCALAR
    half_words = S[p + P_MEMORY] + (element_address(S, operand, k) >> 1)
    words = S[operand + A_KIND] == MEM1D and S[operand + A_WIDTH] == 4
    if words and S[operand + A_STRIDE] & 3 == 0 and half_words & 1 == 0:
        return half_words >> 1
    return -1


def run_elements(S: Any, F: Any, H: Any, p: int, o: int, k: int, end: int) -> None:
    """Elements k to `end` of an op that stays inside its PE's memory."""
    function = S[o + O_FUNCTION]
    scalar = S[o + O_SCALAR]
    first = first_word(S, p, o, o + O_SRC0, k)
    second = first_word(S, p, o, o + O_SRC1, k)
    to = first_word(S, p, o, o + O_DEST, k) if S[o + O_DEST + A_KIND] == MEM1D else -1
    if first < 0 or second < 0 or to < 0:
        while k < end:
            a = fetch(S, H, p, o + O_SRC0, k, scalar)
            b = fetch(S, H, p, o + O_SRC1, k, scalar)
            deliver(S, H, p, o, k, vector_op(S, F, function, a, b, scalar), 0)
            k += 1
        return
    step = S[o + O_SRC0 + A_STRIDE] >> 2 if S[o + O_SRC0 + A_KIND] == MEM1D else 0
    other = S[o + O_SRC1 + A_STRIDE] >> 2 if S[o + O_SRC1 + A_KIND] == MEM1D else 0
    forth = S[o + O_DEST + A_STRIDE] >> 2
    times = single(S, F, scalar)
    while k < end:
        if function == FMACS:
            total = single(S, F, S[first]) + single(S, F, S[second]) * times
            S[to] = single_bits(S, F, total)
        else:
            S[to] = wrap32(vector_op(S, F, function, S[first], S[second], scalar))
        first += step
        second += other
        to += forth
        k += 1


def step_op(S: Any, F: Any, H: Any, p: int, thread: int, now: int) -> int:
    """Advance an op by one group: 0 it did not move, 1 it did, 2 it did without taking the issue slot."""
    o = p + P_OPS + thread * OP_FIELDS
    due = S[o + O_DUE]
    if due > now:
        event(S, due)
        S[o + O_REASON] = REASON_WORK
        return 0
    if not (source_ready(S, o + O_SRC0, now) and source_ready(S, o + O_SRC1, now)):
        S[o + O_REASON] = REASON_INPUT
        return 0
    if not dest_ready(S, o + O_DEST):
        S[o + O_REASON] = REASON_OUTPUT
        return 0
    S[o + O_REASON] = REASON_WORK
    k = S[o + O_DONE]
    end = min(k + S[o + O_LANES], S[o + O_LENGTH])
    function = S[o + O_FUNCTION]
    scalar = S[o + O_SCALAR]
    while k < end:
        a = fetch(S, H, p, o + O_SRC0, k, scalar)
        b = fetch(S, H, p, o + O_SRC1, k, scalar)
        deliver(S, H, p, o, k, vector_op(S, F, function, a, b, scalar), now)
        k += 1
    S[o + O_DONE] = k
    S[p + P_GROUPS] += 1
    if S[TRACE_LEVEL] >= 3:
        trace(S, PATH_GROUP, now, p, thread, due)
    S[PROGRESS] = 1
    after = S[o + O_INTERVAL]
    if due == now:
        after += S[o + O_FRACTION]
    # Hardly ever anything else, and a division is as dear as the rest.
    if after == 100:
        S[o + O_DUE] = now + 1
        S[o + O_FRACTION] = 0
    else:
        S[o + O_DUE] = now + after // 100
        S[o + O_FRACTION] = after % 100
    if k == S[o + O_LENGTH]:
        finish(S, p, thread, o, now)
    elif (
        S[o + O_DEST + A_KIND] < FABIN
        and S[o + O_SRC0 + A_KIND] < FABIN
        and S[p + P_THREADS] == 1
        and S[AHEAD] > now
        and S[TRACE_LEVEL] < 3
    ):
        S[o + O_DONE] = run_ahead(S, F, H, p, o, k)
    if S[o + O_FABRIC] and S[K_EXECUTE] == 0:
        return 2
    return 1


def advance(S: Any, operand: int, n: int, flags: int) -> None:
    """Keep the advanced address of a DSR that saves it; a fabric operand's queue has one user less."""
    kind = S[operand + A_KIND]
    if kind == MEM1D:
        dsr = S[operand + A_DSR]
        if flags & 1:
            S[dsr + 5] = wrap32(S[dsr + 5] + n * S[operand + A_STRIDE])
    elif kind == FABIN or kind == FABOUT:
        S[S[operand + A_PLACE] + Q_USERS] -= 1


def act(S: Any, p: int, action: int, slot: int, at: int) -> None:
    """Activate or unblock a task with effect from a cycle on."""
    bit = 1 << slot
    if action == 1:
        if S[p + P_ACTIVE] & bit == 0:
            S[p + P_TASK_AT + slot] = max(at, S[p + P_TASK_AT + slot])
        S[p + P_ACTIVE] |= bit
    elif action == 2:
        S[p + P_BLOCKED] &= ~bit
        S[p + P_TASK_AT + slot] = max(at, S[p + P_TASK_AT + slot])


def finish(S: Any, p: int, thread: int, o: int, now: int) -> None:
    """The last group has executed: the main thread goes on, the completion action is due."""
    saved = S[o + O_DSR_FLAGS] * 1
    advance(S, o + O_DEST, S[o + O_LENGTH], saved)
    advance(S, o + O_SRC0, S[o + O_LENGTH], saved >> 8)
    advance(S, o + O_SRC1, S[o + O_LENGTH], saved >> 16)
    S[p + P_THREADS] &= ~(1 << thread)
    flags = S[o + O_FLAGS]
    done = now + S[K_EXECUTE]
    if S[o + O_FABRIC] == 0:
        done += S[o + O_LATENCY]
    act(S, p, flags >> 8 & 15, flags >> 12 & 31, done)
    if S[TRACE_LEVEL] >= 3 and flags >> 8 & 15:
        trace(S, PATH_ACT, now, p, (flags >> 12 & 31) | (thread + 1) << 8, done)
    if thread == 0:
        S[p + P_MAIN_GROUPS] += (S[o + O_LENGTH] + S[o + O_LANES] - 1) // S[o + O_LANES]
        S[p + P_STATE] = RUNNING
        S[p + P_READY] = S[o + O_DUE] + S[K_VECTOR_ISSUE]
    if S[TRACE_LEVEL] >= 2:
        trace(S, TRACE_OP_END, now, p, thread, S[o + O_FUNCTION])


def bank_class(S: Any, address: int) -> int:
    """The class of banks that the read of an operand begins in: the one place that knows the rule."""
    return (address // S[K_BANK_BYTES]) % S[K_BANK_CLASSES]


def bind(S: Any, p: int, operand: int, number: int) -> bool:
    """Copy what an op needs of a DSR; False (and an error) when the DSR names no queue."""
    if number < 0:
        S[operand + A_KIND] = -1
        return True
    dsr = S[p + P_DSRS] + 16 * number
    kind = S[dsr]
    S[operand + A_KIND] = kind
    S[operand + A_DSR] = dsr
    S[operand + A_WIDTH] = S[dsr + 7]
    if kind <= MEM4D:
        S[operand + A_PLACE] = wrap32(S[dsr + 2] + S[dsr + 5])
        S[operand + A_STRIDE] = S[dsr + 4]
        return True
    if kind == FIFO:
        S[operand + A_PLACE] = S[p + P_FIFOS] + FIFO_FIELDS * S[dsr + 1]
        return True
    table = p + P_INPUTS if kind == FABIN else p + P_OUTPUTS
    queue = S[table + (S[dsr + 1] & 7)]
    if queue < 0:
        fail(S, E_NO_QUEUE, S[p + P_NUMBER], S[dsr + 1], 1 + kind)
        return False
    S[operand + A_PLACE] = queue
    S[queue + Q_USERS] += 1
    return True


def held(S: Any, p: int, dsr: int) -> bool:
    """Whether an op in flight still reads a DSR (mem4d) or will write it (save_address)."""
    for thread in range(THREADS):
        if S[p + P_THREADS] >> thread & 1 == 0:
            continue
        o = p + P_OPS + thread * OP_FIELDS
        for place in range(3):
            operand = o + O_DEST + 5 * place
            kind = S[operand + A_KIND]
            if kind >= 0 and kind <= MEM4D and S[operand + A_DSR] == dsr:
                return kind == MEM4D or S[o + O_DSR_FLAGS] >> (8 * place) & 1 == 1
    return False


def length_of(S: Any, p: int, dest: int, src0: int, src1: int) -> int:
    """The number of elements: the destination's, or the first source's."""
    number = dest
    if number < 0:
        number = src0 if src0 >= 0 else src1
    if number < 0:
        return -1
    dsr = S[p + P_DSRS] + 16 * number
    if S[dsr] != 1:
        return S[dsr + 3] * 1
    product = 1
    for dimension in range(4):
        if S[dsr + 8 + dimension] <= 0:
            return 0
        product *= S[dsr + 8 + dimension]
        if product > 1000000:
            return -1
    return product


def trace_operands(S: Any, p: int, o: int, now: int, thread: int) -> None:
    """Record the queues and fifos of an op: one row an operand."""
    for place in range(3):
        operand = o + O_DEST + 5 * place
        kind = S[operand + A_KIND]
        if kind >= FABIN:
            trace(S, PATH_OPERAND, now, p, thread | place << 4 | kind << 8, S[operand + A_PLACE])


def dispatch(S: Any, p: int, i: int, thread: int, now: int) -> None:
    """Begin the vector op of instruction row i on a thread."""
    o = p + P_OPS + thread * OP_FIELDS
    function = S[i + 2]
    dest = S[i + 3]
    src0 = S[i + 4]
    src1 = S[i + 5]
    n = length_of(S, p, dest, src0, src1)
    if n < 0 or n > 1000000:
        fail(S, E_LENGTH, S[p + P_NUMBER], n, S[p + P_PC])
        return
    bound = bind(S, p, o + O_DEST, dest)
    bound = bind(S, p, o + O_SRC0, src0) and bound
    bound = bind(S, p, o + O_SRC1, src1) and bound
    if not bound:
        return
    a = S[o + O_SRC0 + A_KIND]
    b = S[o + O_SRC1 + A_KIND]
    c = S[o + O_DEST + A_KIND]
    same = a == FABIN and b == FABIN and S[o + O_SRC0 + A_PLACE] == S[o + O_SRC1 + A_PLACE]
    if a == FABOUT or b == FABOUT or c == FABIN or same:
        fail(S, E_OPERANDS, S[p + P_NUMBER], function, S[p + P_PC])
        return
    saved = 0
    for place in range(3):
        if S[i + 3 + place] >= 0:
            saved |= (S[S[p + P_DSRS] + 16 * S[i + 3 + place] + 6] & 255) << (8 * place)
    S[o + O_DSR_FLAGS] = saved
    S[o + O_FUNCTION] = function
    S[o + O_LENGTH] = n
    S[o + O_DONE] = 0
    S[o + O_FRACTION] = 0
    S[o + O_FLAGS] = S[i + 7]
    S[o + O_SCALAR] = S[p + P_REGISTERS + S[i + 6]] if S[i + 6] >= 0 else 0
    S[o + O_STARTED] = now
    S[o + O_PC] = S[p + P_PC]
    S[o + O_REASON] = REASON_WORK
    takes_words = 1 if a == FABIN or b == FABIN else 0
    streams = takes_words == 1 or a == FIFO or b == FIFO or c == FABOUT or c == FIFO
    table = S[FUNCTIONS] + 2 * function
    lanes = 1 if streams else S[table]
    interval = S[table + 1]
    if (a == MEM1D or a == MEM4D) and (b == MEM1D or b == MEM4D):
        if lanes > 1:
            interval *= S[K_TWO_SOURCE]
        first = element_address(S, o + O_SRC0, 0)
        second = element_address(S, o + O_SRC1, 0)
        if bank_class(S, first) == bank_class(S, second):
            S[p + P_CONFLICTS] += 1
            groups = (n + lanes - 1) // lanes
            S[p + P_CONFLICT_CYCLES] += groups * interval * (S[K_CONFLICT] - 1) // 100
            interval *= S[K_CONFLICT]
    S[o + O_LANES] = lanes
    S[o + O_INTERVAL] = interval
    S[o + O_FABRIC] = takes_words
    if takes_words:
        S[o + O_DUE] = now + S[K_FABRIC_DISPATCH]
        S[o + O_LATENCY] = S[K_EXECUTE]
    else:
        S[o + O_DUE] = now
        S[o + O_LATENCY] = S[K_FABRIC_DISPATCH] if c == FABOUT else S[K_MEMORY_DISPATCH]
    if S[TRACE_LEVEL] >= 2:
        trace(S, TRACE_OP, now, p, thread, function)
        if S[TRACE_LEVEL] >= 3:
            trace_operands(S, p, o, now, thread)
    S[p + P_THREADS] |= 1 << thread
    if thread == 0:
        S[p + P_STATE] = IN_VECTOR
    if n == 0 and S[ERROR] == 0:
        S[o + O_DUE] = now
        finish(S, p, thread, o, now)
        if thread == 0:
            S[p + P_READY] = now + 1
