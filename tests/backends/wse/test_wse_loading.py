"""What is loaded from text runs in the same cycles, to the same data, as the hand-assembled program."""

from __future__ import annotations

import numpy as np
import pytest
from wse_by_hand import MACHINES, dense, loaded, same, timeline

from pyflame_rt.backends.wse.machine import WSE2, WSE3, Machine
from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim.assembly import Assembler, ProgramBuilder
from pyflame_rt.backends.wse.sim.image import EAST, NORTH, RAMP, SOUTH, WEST
from pyflame_rt.backends.wse.sim.simulator import Simulator


def _receiver(asm: Assembler, words: int) -> ProgramBuilder:
    program = asm.program("receive")
    data = program.array("data", words)
    main, done = program.declare("main"), program.declare("done")
    program.define(main, active=True)
    program.vector(
        "mov32", program.mem1d(data), program.fabin(0, words), microthread=0, activate=done
    )
    program.end()
    program.define(done)
    program.end()
    return program


def _sender(asm: Assembler, words: int) -> ProgramBuilder:
    program = asm.program("send")
    data = program.array("data", words, values=np.arange(words))
    program.task("main", active=True)
    program.li(63, 0, cost=100)
    program.vector("mov32", program.fabout(0, words), program.mem1d(data))
    program.end()
    return program


_SEND = """
  wse.tile @send {
    wse.buffer @data export : memref<8xf32> = dense<[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]>
    wse.output_queue @oq = 0 color @c
    wse.fabout_dsd @tx = @oq length 8
    wse.mem1d_dsd @v = @data
    wse.task @main local active {
      wse.declare_cost "receivers are armed", 100
      wse.mov32 @tx, @v
    }
  }"""
_RECEIVE = """
  wse.tile @receive {
    wse.buffer @data export : memref<8xf32>
    wse.input_queue @iq = 0 color @c
    wse.fabin_dsd @rx = @iq length 8
    wse.mem1d_dsd @v = @data
    wse.task @main local active {
      wse.mov32 @v, @rx async 0 activate @done
    }
    wse.task @done local {
    }
  }"""


@MACHINES
@pytest.mark.parametrize("hops", [1, 5])
def test_point_to_point(machine: Machine, hops: int) -> None:
    """A stream over routers that pass it on; a microthread receives it and activates a task."""
    middle = f"wse.route @c at [1:{hops}, 0] rx [west] tx [east]" if hops > 1 else ""
    text = f"""wse.program @p2p width {hops + 1} height 1 {{
      wse.color @c = 3
      wse.route @c at [0, 0] rx [ramp] tx [east]
      {middle}
      wse.route @c at [{hops}, 0] rx [west] tx [ramp]
      wse.place @send at [0, 0]
      wse.place @receive at [{hops}, 0]
      {_SEND}{_RECEIVE}
    }}"""
    asm = Assembler(hops + 1)
    asm.place(_sender(asm, 8), 0, 0, outputs={0: 3})
    asm.place(_receiver(asm, 8), hops, 0, inputs={0: 3})
    asm.route(0, 0, 3, ([RAMP], [EAST]))
    for x in range(1, hops):
        asm.route(x, 0, 3, ([WEST], [EAST]))
    asm.route(hops, 0, 3, ([WEST], [RAMP]))
    runtime = same(text, asm, machine)
    assert runtime.loaded.costs == {"receivers are armed": (100,)}
    assert np.array_equal(runtime.memcpy_d2h("data", hops, 0)[0, 0], np.arange(8))


@MACHINES
def test_multicast_in_two_dimensions(machine: Machine) -> None:
    """Routes of rectangles that transmit to several directions; one colour, numbered by the loader."""
    text = f"""wse.program @broadcast width 3 height 3 {{
      wse.color @c
      wse.route @c at [0, 0] rx [ramp] tx [east, south]
      wse.route @c at [1, 0] rx [west] tx [east, south, ramp]
      wse.route @c at [2, 0] rx [west] tx [south, ramp]
      wse.route @c at [0:3, 1] rx [north] tx [south, ramp]
      wse.route @c at [0:3, 2] rx [north] tx [ramp]
      wse.place @send at [0, 0]
      wse.place @receive at [1:3, 0]
      wse.place @receive at [0:3, 1:3]
      {_SEND}{_RECEIVE}
    }}"""
    asm = Assembler(3, 3)
    sender, receiver = _sender(asm, 8), _receiver(asm, 8)
    for y in range(3):
        for x in range(3):
            onward = ([EAST] if y == 0 and x < 2 else []) + ([SOUTH] if y < 2 else [])
            if x == y == 0:
                asm.place(sender, x, y, outputs={0: 0})
                asm.route(x, y, 0, ([RAMP], onward))
            else:
                asm.place(receiver, x, y, inputs={0: 0})
                asm.route(x, y, 0, ([NORTH if y else WEST], [RAMP, *onward]))
    runtime = same(text, asm, machine)
    assert np.array_equal(runtime.read("data"), np.tile(np.arange(8), (3, 3, 1)))


def _chain(width: int, words: int) -> str:
    places = [f"wse.place @inner at [{x}, 0] params {{in = @{'ab'[x % 2]}, out = @{'ba'[x % 2]}}}"
              for x in range(1, width - 1)]  # fmt: skip
    last = "ba"[(width - 1) % 2]
    return f"""wse.program @chain width {width} height 1 {{
      wse.color @a = 0
      wse.color @b = 1
      wse.route @a at [0:{width - 1}:2, 0] rx [east] tx [ramp]
      wse.route @b at [1:{width - 1}:2, 0] rx [east] tx [ramp]
      wse.route @a at [1:{width}:2, 0] rx [ramp] tx [west]
      wse.route @b at [2:{width}:2, 0] rx [ramp] tx [west]
      wse.place @root at [0, 0] params {{in = @a}}
      {" ".join(places)}
      wse.place @last at [{width - 1}, 0] params {{out = @{last}}}
      wse.tile @root {{
        wse.param @in : !wse.color
        wse.buffer @data export : memref<{words}xf32>
        wse.input_queue @iq = 0 color @in
        wse.fabin_dsd @rx = @iq length {words}
        wse.mem1d_dsd @v = @data
        wse.task @main local active {{
          wse.fadds @v, @rx, @v
        }}
      }}
      wse.tile @inner {{
        wse.param @in : !wse.color
        wse.param @out : !wse.color
        wse.buffer @data export : memref<{words}xf32>
        wse.input_queue @iq = 0 color @in
        wse.output_queue @oq = 0 color @out
        wse.fabin_dsd @rx = @iq length {words}
        wse.fabout_dsd @tx = @oq length {words}
        wse.mem1d_dsd @v = @data
        wse.task @main local active {{
          wse.fadds @tx, @rx, @v
        }}
      }}
      wse.tile @last {{
        wse.param @out : !wse.color
        wse.buffer @data export : memref<{words}xf32>
        wse.output_queue @oq = 0 color @out
        wse.fabout_dsd @tx = @oq length {words}
        wse.mem1d_dsd @v = @data
        wse.task @main local active {{
          wse.declare_cost "armed", 100
          wse.mov32 @tx, @v
        }}
      }}
    }}"""


@MACHINES
@pytest.mark.parametrize(("width", "words"), [(3, 32), (5, 64), (8, 20)])
def test_chain_reduce(machine: Machine, width: int, words: int) -> None:
    """Tiles whose queues have the colours that their placement gives; the stream is timed (B4)."""
    asm = Assembler(width)
    data = np.random.default_rng(width).integers(-99, 99, (1, width, words)).astype(np.float32)
    for x in range(width):
        program = asm.program(f"pe{x}")
        own = program.array("data", words, values=data[0, x])
        program.task("main", active=True)
        into, vector = program.fabin(0, words), program.mem1d(own)
        if x == width - 1:
            program.li(63, 0, cost=100)
            program.vector("mov32", program.fabout(0, words), vector)
        else:
            dest = program.fabout(0, words) if x else vector
            program.vector("fadds", dest, into, vector)
        program.end()
        out, receive = 1 - x % 2, x % 2
        asm.place(
            program, x, 0, outputs={0: out} if x else {},
            inputs={0: receive} if x < width - 1 else {},
        )  # fmt: skip
        if x:
            asm.route(x, 0, out, ([RAMP], [WEST]))
        if x < width - 1:
            asm.route(x, 0, receive, ([EAST], [RAMP]))
    runtime = loaded(_chain(width, words), machine)
    runtime.write("data", data)
    runtime.run()
    by_hand = Simulator(asm.image(), machine, jit=False, trace="ops")
    by_hand.run()
    assert timeline(runtime.simulator) == timeline(by_hand)
    assert np.array_equal(runtime.memcpy_d2h("data")[0, 0], data.sum((0, 1)))
    if machine is WSE2:
        events = runtime.simulator.events()
        start = next(e.cycle for e in events if e.kind == "op" and e.text == "mov32")
        end = next(e.cycle for e in events if e.kind == "op end" and e.x == 0)
        assert end + 1 - start == words + 6 * (width - 1) - 1


@MACHINES
def test_a_data_task_and_variables(machine: Machine) -> None:
    """The word is in a register for nothing, and a variable is computed where it is kept (B13)."""
    text = f"""wse.program @count width 2 height 1 {{
      wse.color @c = 3
      wse.route @c at [0, 0] rx [ramp] tx [east]
      wse.route @c at [1, 0] rx [west] tx [ramp]
      wse.place @send at [0, 0]
      wse.place @count at [1, 0]
      {_SEND}
      wse.tile @count {{
        wse.var @n : i32
        wse.var @largest : i32
        wse.buffer @data export : memref<1xf32>
        wse.input_queue @iq = 0 color @c
        wse.task @word data @iq (%w: i32) {{
          {
        "".join(
            f'''
          %v{n} = wse.get @n : i32
          %one{n} = arith.constant 1 : i32
          %m{n} = arith.addi %v{n}, %one{n} : i32
          wse.set @n, %m{n} : i32'''
            for n in range(10)
        )
    }
          %old = wse.get @largest : i32
          %new = arith.maxsi %old, %w : i32
          wse.set @largest, %new : i32
        }}
      }}
    }}"""
    asm = Assembler(2)
    asm.place(_sender(asm, 8), 0, 0, outputs={0: 3})
    program = asm.program("count")
    program.array("data", 1)
    program.task("word", kind=im.DATA, queue=0)
    for _ in range(10):
        program.alui("add", 1, 1, 1)
    program.alu("max", 2, 2, 0)
    program.end()
    asm.place(program, 1, 0, inputs={0: 3})
    asm.route(0, 0, 3, ([RAMP], [EAST]))
    asm.route(1, 0, 3, ([WEST], [RAMP]))
    runtime = same(text, asm, machine)
    assert runtime.variable("n", 1, 0) == 80
    starts = [e.cycle for e in runtime.simulator.events() if (e.kind, e.x) == ("task", 1)]
    assert set(np.diff(starts)) == {31 if machine is WSE3 else 20}


@MACHINES
def test_switches_and_control_words(machine: Machine) -> None:
    """Words end at a PE on the way until a control word opens its switch; `advance_switch` is one's own."""
    text = """wse.program @switch width 3 height 1 {
      wse.color @c = 2
      wse.route @c at [0, 0] positions [rx [ramp] tx [east], rx [ramp] tx [east]] ring_mode
      wse.route @c at [1, 0] positions [rx [west] tx [ramp], rx [west] tx [east]] pop_mode always_pop
      wse.route @c at [2, 0] rx [west] tx [ramp]
      wse.place @send at [0, 0]
      wse.place @near at [1, 0]
      wse.place @far at [2, 0]
      wse.tile @send {
        wse.buffer @data export : memref<6xf32> = dense<[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]>
        wse.output_queue @oq = 1 color @c
        wse.fabout_dsd @first = @oq length 2
        wse.fabout_dsd @command = @oq length 1 control
        wse.fabout_dsd @second = @oq length 4 advance_switch
        wse.mem1d_dsd @head = @data length 2
        wse.mem1d_dsd @tail = @data offset 2
        wse.task @main local active {
          wse.declare_cost "armed", 100
          wse.mov32 @first, @head
          %w = wse.control_word switch_adv ignore : i32
          wse.mov32 @command, %w : i32
          wse.mov32 @second, @tail
        }
      }
      wse.tile @near {
        wse.buffer @data export : memref<2xf32>
        wse.input_queue @iq = 0 color @c
        wse.fabin_dsd @rx = @iq length 2
        wse.mem1d_dsd @v = @data
        wse.task @main local active {
          wse.mov32 @v, @rx
        }
      }
      wse.tile @far {
        wse.buffer @data export : memref<4xf32>
        wse.input_queue @iq = 0 color @c
        wse.fabin_dsd @rx = @iq length 4
        wse.mem1d_dsd @v = @data
        wse.task @main local active {
          wse.mov32 @v, @rx async 2 priority high
        }
      }
    }"""
    asm = Assembler(3)
    send, near, far = (asm.program(name) for name in ("send", "near", "far"))
    data = send.array("data", 6, values=np.arange(1, 7))
    send.task("main", active=True)
    send.li(63, 0, cost=100)
    send.vector("mov32", send.fabout(1, 2), send.mem1d(data, 2))
    # The loader puts the constant where the program has it: before the operand's load.
    send.emit(im.LI, 4, im.control_word(im.SWITCH_ADV, ignore=True))
    send.vector("mov32", send.fabout(1, 1, control=True), scalar=4)
    send.vector("mov32", send.fabout(1, 4, advance_switch=True), send.mem1d(data, 4, offset=2))
    send.end()
    for program, words, thread, priority in ((near, 2, -1, 1), (far, 4, 2, 2)):
        data = program.array("data", words)
        program.task("main", active=True)
        program.vector(
            "mov32", program.mem1d(data), program.fabin(0, words), microthread=thread,
            priority=priority,
        )  # fmt: skip
        program.end()
    asm.place(send, 0, 0, outputs={1: 2})
    asm.place(near, 1, 0, inputs={0: 2})
    asm.place(far, 2, 0, inputs={0: 2})
    asm.route(0, 0, 2, ([RAMP], [EAST]), ([RAMP], [EAST]), ring=True)
    asm.route(1, 0, 2, ([WEST], [RAMP]), ([WEST], [EAST]), pop=im.POP_ALWAYS)
    asm.route(2, 0, 2, ([WEST], [RAMP]))
    runtime = same(text, asm, machine)
    assert runtime.memcpy_d2h("data", 2)[0, 0].tolist() == [3, 4, 5, 6]


@MACHINES
def test_fifos_control_tasks_and_task_states(machine: Machine) -> None:
    """A microthread fills a fifo that the main thread empties; a control word starts its task."""
    text = f"""wse.program @fifo width 2 height 1 {{
      wse.color @c = 3
      wse.color @d = 4
      wse.route @c at [0, 0] rx [ramp] tx [east]
      wse.route @c at [1, 0] rx [west] tx [ramp]
      wse.route @d at [0, 0] rx [ramp] tx [east]
      wse.route @d at [1, 0] rx [west] tx [ramp]
      wse.place @send at [0, 0]
      wse.place @fifo at [1, 0]
      wse.tile @send {{
        wse.buffer @data export : memref<20xf32> = {dense(np.arange(20))}
        wse.output_queue @oq = 0 color @c
        wse.output_queue @commands = 1 color @d
        wse.fabout_dsd @tx = @oq length 20
        wse.fabout_dsd @command = @commands length 1 control
        wse.mem1d_dsd @v = @data
        wse.task @main local active {{
          wse.declare_cost "armed", 200
          wse.mov32 @tx, @v
          %w = wse.control_word nop task 7 : i32
          wse.mov32 @command, %w : i32
        }}
      }}
      wse.tile @fifo {{
        wse.buffer @store : memref<4xf32>
        wse.buffer @data export : memref<20xf32>
        wse.input_queue @iq = 0 color @c
        wse.input_queue @commands = 1 color @d
        wse.fabin_dsd @rx = @iq length 20
        wse.mem1d_dsd @v = @data
        wse.fifo @queue = @store
        wse.fifo_dsd @push = @queue length 20
        wse.fifo_dsd @take = @queue length 20
        wse.task @main local active {{
          wse.block @last
          wse.mov32 @push, @rx async 3
          wse.fnegs @v, @take
          wse.activate @last
        }}
        wse.task @stop control id 7 (%w: i32) {{
          wse.unblock @last
        }}
        wse.task @last local {{
          wse.print "last"
          wse.halt
        }}
      }}
    }}"""
    asm = Assembler(2)
    send, fifo = asm.program("send"), asm.program("fifo")
    data = send.array("data", 20, values=np.arange(20))
    send.task("main", active=True)
    send.li(63, 0, cost=200)
    send.vector("mov32", send.fabout(0, 20), send.mem1d(data))
    send.emit(im.LI, 4, im.control_word(im.SWITCH_NOP, task=7))
    send.vector("mov32", send.fabout(1, 1, control=True), scalar=4)
    send.end()
    store, data = fifo.array("store", 4), fifo.array("data", 20)
    main, stop, last = (fifo.declare(name) for name in ("main", "stop", "last"))
    end = fifo.fifo(store, 20)
    fifo.define(main, active=True)
    fifo.block(last)
    fifo.vector("mov32", end, fifo.fabin(0, 20), microthread=3)
    fifo.vector("fnegs", fifo.mem1d(data), fifo.fifo_end(end, 20))
    fifo.activate(last)
    fifo.end()
    fifo.define(stop, kind=im.CONTROL, id=7)
    fifo.unblock(last)
    fifo.end()
    fifo.define(last)
    fifo.print(asm.string("last"))
    fifo.emit(im.HALT)
    fifo.end()
    asm.place(send, 0, 0, outputs={0: 3, 1: 4})
    asm.place(fifo, 1, 0, inputs={0: 3, 1: 4})
    for colour in (3, 4):
        asm.route(0, 0, colour, ([RAMP], [EAST]))
        asm.route(1, 0, colour, ([WEST], [RAMP]))
    runtime = same(text, asm, machine)
    assert [(p.text, p.value) for p in runtime.prints()] == [("last", None)]
    assert np.array_equal(runtime.memcpy_d2h("data", 1)[0, 0], -np.arange(20, dtype="f"))
