"""Where everything is in the simulator's one buffer of 32-bit words.

The whole state of a run is one buffer, seen as int32 (`S`), float32 (`F`) and int16 (`H`): a snapshot is a
copy of it. Sections follow the header; records refer to each other by absolute word numbers.
"""

from typing import Final

# Header.
SCRATCH: Final = 0
NOW: Final = 1
ERROR: Final = 2
ERROR_PE: Final = 3
ERROR_A: Final = 4
ERROR_B: Final = 5
PROGRESS: Final = 6
NEXT: Final = 7
NODES: Final = 8
NODE_COUNT: Final = 9
CODE: Final = 10
HALF: Final = 11
QUIET: Final = 12
TRACE: Final = 13
TRACE_CAPACITY: Final = 14
TRACE_COUNT: Final = 15
TRACE_LEVEL: Final = 16
SKIP: Final = 17
PES: Final = 18
PE_COUNT: Final = 19
FUNCTIONS: Final = 20
CODE_ROWS: Final = 21
SKIPPED: Final = 22
# The wheel of nodes to be visited (waking.py): whether marks are kept, slots with marks, nodes that wait for a
# time, where it is, words of a slot, words of a slot's summary.
WAKING: Final = 23
SOON: Final = 24
LATER: Final = 25
PENDING: Final = 26
WHEEL: Final = 27
WHEEL_WORDS: Final = 28
WHEEL_GROUPS: Final = 29
SLOTS: Final = 64
# An op that nobody sees may run ahead up to this cycle.
AHEAD: Final = 30
# The machine.
K_HOP: Final = 32
K_LINK: Final = 33
K_DOWN: Final = 34
K_UP: Final = 35
K_FABRIC_DISPATCH: Final = 36
K_EXECUTE: Final = 37
K_MEMORY_DISPATCH: Final = 38
K_VECTOR_ISSUE: Final = 39
K_TWO_SOURCE: Final = 40
K_CONFLICT: Final = 41
K_BANK_BYTES: Final = 42
K_BANK_CLASSES: Final = 43
K_DATA_TASK: Final = 44
K_LOCAL_TASK: Final = 45
K_FLOAT_LATENCY: Final = 46
K_BRANCH_NOT: Final = 47
K_BRANCH_TAKEN: Final = 48
K_DSR_READY: Final = 49
K_DEPTH: Final = 50
# Router queues: mask of a ring, words of a queue, words of a record with its five.
K_RING_MASK: Final = 51
K_QUEUE: Final = 52
K_RECORD: Final = 53
# Price of cost class c (-1, -2 …) is S[K_COSTS + c].
K_COSTS: Final = 79
HEADER: Final = 80

# A node: a PE that routes or computes.
N_FIRST: Final = 0
N_RECORDS: Final = 1
N_POINTER: Final = 2
N_WORDS: Final = 3
N_PE: Final = 4
N_NUMBER: Final = 5
# Words sent by each port, and when the port is free again in eighths of a cycle.
N_LOAD: Final = 6
N_FREE: Final = 11
NODE_FIELDS: Final = 16

# A route record: a (node, colour). Five queues follow, one a direction.
R_COLOUR: Final = 0
R_NODE: Final = 1
R_POSITIONS: Final = 2
R_POSITION: Final = 3
R_RING: Final = 4
R_POP: Final = 5
R_RX: Final = 6
R_TX: Final = 10
R_NEXT: Final = 14
R_INPUT: Final = 18
R_FILTER: Final = 19
R_COUNT: Final = 22
R_OCCUPIED: Final = 23
R_INITIAL: Final = 24
# Why the word that could move does not (0: it does), since which cycle; cycles by reason (LATE).
R_CAUSE: Final = 25
R_SINCE: Final = 26
R_LATE: Final = 27
# The node in each direction, or -1.
R_BESIDE: Final = 30
R_QUEUES: Final = 34

CAUSE_LINK: Final = 1
CAUSE_ROOM: Final = 2
CAUSE_SWITCH: Final = 3
LATE: Final = ("link busy", "no room", "closed switch")
# A queue of a router: tail counts words put in, head words taken out.
RQ_HEAD: Final = 0
RQ_TAIL: Final = 1
RQ_POPPED: Final = 2
RQ_HIGH: Final = 3
RQ_RING: Final = 4

# A queue of a PE.
Q_HEAD: Final = 0
Q_TAIL: Final = 1
Q_CAPACITY: Final = 2
Q_MASK: Final = 3
Q_RECORD: Final = 4
Q_TASK: Final = 5
Q_USERS: Final = 6
Q_HIGH: Final = 7
Q_NUMBER: Final = 8
Q_RING: Final = 9

# A processing element.
P_NODE: Final = 0
P_STATE: Final = 1
P_PC: Final = 2
P_READY: Final = 3
P_TASK: Final = 4
P_ACTIVE: Final = 5
P_BLOCKED: Final = 6
P_POINTER: Final = 7
P_THREADS: Final = 8
P_TURN: Final = 9
P_OUT_WORDS: Final = 10
P_IN_WORDS: Final = 11
P_OUT_TURN: Final = 12
P_DSR_READY: Final = 13
P_GROUPS: Final = 14
P_FLOAT_READY: Final = 15
P_MEMORY: Final = 16
P_BYTES: Final = 17
P_CODE: Final = 18
P_TASKS: Final = 19
P_TASK_COUNT: Final = 20
P_DSDS: Final = 21
P_DSRS: Final = 22
P_FIFOS: Final = 23
P_REASON: Final = 24
P_SINCE: Final = 25
P_STARTED: Final = 26
P_WAS_DATA: Final = 27
P_ROWS: Final = 28
P_NUMBER: Final = 29
P_PROGRAM: Final = 30
P_FIRST: Final = 31
P_LAST: Final = 32
P_CONFLICTS: Final = 33
P_CONFLICT_CYCLES: Final = 34
P_INSTRUCTIONS: Final = 35
P_FLOAT_REGISTER: Final = 36
P_DSR_COUNT: Final = 37
# Cycles that the main thread waited for a loaded DSR, for a float result.
P_DSR_WAIT: Final = 38
P_FLOAT_WAIT: Final = 39
# Cycles by reason (REASONS).
P_CYCLES: Final = 40
# Cycles that it waited for a microthread (busy, or using the DSR to be loaded); since which cycle, plus one.
P_THREAD_WAIT: Final = 46
P_WAIT_SINCE: Final = 47
P_INPUTS: Final = 48
P_OUTPUTS: Final = 56
P_REGISTERS: Final = 64
P_TASK_AT: Final = 128
P_TASK_CYCLES: Final = 160
P_TASK_RUNS: Final = 192
# Groups of the main thread's ops that are done; P_GROUPS has those of all threads.
P_MAIN_GROUPS: Final = 224
P_OPS: Final = 225
OP_FIELDS: Final = 32
THREADS: Final = 9
PE_FIELDS: Final = P_OPS + OP_FIELDS * THREADS

IDLE: Final = 0
RUNNING: Final = 1
IN_VECTOR: Final = 2
HALTED: Final = 3

# What a PE's main thread is doing: the columns of P_CYCLES.
REASON_IDLE: Final = 0
REASON_WORK: Final = 1
REASON_INPUT: Final = 2
REASON_OUTPUT: Final = 3
REASON_LATENCY: Final = 4
REASON_SHARED: Final = 5
REASONS: Final = ("idle", "working", "no input", "output full", "latency", "slot taken")

# A vector op in flight. Its operands are five words each: dest, src0, src1.
O_FUNCTION: Final = 0
O_LENGTH: Final = 1
O_DONE: Final = 2
O_DUE: Final = 3
O_FRACTION: Final = 4
O_INTERVAL: Final = 5
O_LANES: Final = 6
O_SCALAR: Final = 7
O_FLAGS: Final = 8
O_FABRIC: Final = 9
O_LATENCY: Final = 10
O_STARTED: Final = 11
O_DEST: Final = 12
O_SRC0: Final = 17
O_SRC1: Final = 22
O_REASON: Final = 27
O_PC: Final = 28
# Flags of the three DSRs as of the dispatch, eight bits each.
O_DSR_FLAGS: Final = 29
# An operand: DSD_KIND (or -1: absent), its DSR's word number, address (or queue, or fifo) and stride.
A_KIND: Final = 0
A_DSR: Final = 1
A_PLACE: Final = 2
A_STRIDE: Final = 3
A_WIDTH: Final = 4

# A fifo: base, capacity, width of an element, words put in and taken out.
F_BASE: Final = 0
F_CAPACITY: Final = 1
F_WIDTH: Final = 2
F_HEAD: Final = 3
F_TAIL: Final = 4
FIFO_FIELDS: Final = 5

NEVER: Final = 2_000_000_000
# Cycle numbers are kept with two flags beside them.
MAX_CYCLES: Final = 500_000_000

# Trace rows: kind, cycle, PE record, a, b.
TRACE_FIELDS: Final = 5
TRACE_PRINT: Final = 0
TRACE_TASK: Final = 1
TRACE_TASK_END: Final = 2
TRACE_OP: Final = 3
TRACE_OP_END: Final = 4
TRACE_STAMP: Final = 5
# Rows of trace level 3, from which the critical path is read (see recording.py).
PATH_MOVE: Final = 6
PATH_UP: Final = 7
PATH_DOWN: Final = 8
PATH_GROUP: Final = 9
PATH_OPERAND: Final = 10
PATH_ACT: Final = 11
PATH_WORD: Final = 12
PATH_LATE: Final = 13
PATH_SWITCH: Final = 14

# Errors.
E_CLASH: Final = 1
E_DANGLING: Final = 2
E_NO_QUEUE: Final = 3
E_BOUNDS: Final = 4
E_ALIGNMENT: Final = 5
E_PC: Final = 6
E_OPCODE: Final = 7
E_SPIN: Final = 8
E_OPERANDS: Final = 9
E_NO_CONTROL_TASK: Final = 10
E_REGISTER: Final = 11
E_SLOT: Final = 12
E_DSR: Final = 13
E_LENGTH: Final = 14
E_TRACE: Final = 15
E_COLOUR: Final = 16
