"""How a PE stores what a contraction works on: its input with zero borders, and its sums.

Both classes of banks have `unit` elements of the network's type in turn. Input features and sums of one output
feature are a multiple of two units apart, lines of a bordered image as well: the class that a read begins in
then depends on the tap's column only.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyflame_rt.passes.wse.emitting.interface import Contraction, DType, Value, Window


@dataclass(frozen=True)
class Geometry:
    """Pitches and offsets in elements."""

    # Elements of a turn through both classes of banks.
    turn: int
    # Lines of a slot of the input, elements of a line, and where they go in a feature of the work buffer.
    slot_lines: int
    width: int
    line_pitch: int
    feature_pitch: int
    origin: int
    # Lines and width of the whole output; the elements of a line of sums, of a feature of sums.
    out_lines: int
    out_width: int
    sum_line: int
    sum_pitch: int
    # Distance of two output elements in the work buffer, down and to the right.
    step_down: int
    step_right: int
    # The window: rows and columns of taps, their distances in the work buffer.
    taps: tuple[int, int]
    tap_down: int
    tap_right: int
    # Borders: (offset, lines, width) of what is not written by the input.
    borders: tuple[tuple[int, int, int], ...] = ()
    # Where the first window begins; the first and last slot of an image that windows reach.
    first_tap: int = 0
    slots: tuple[int, int] | None = None

    def tap_class(self, column: int) -> int:
        """The bank class of the reads of a tap's column, relative to that of the buffer."""
        return column * self.tap_right % self.turn // (self.turn // 2)

    @property
    def vector(self) -> int:
        """Elements of the inner op: one output feature's sums."""
        return self.sum_pitch


def up(number: int, multiple: int) -> int:
    """The next multiple."""
    return -(-number // multiple) * multiple


def geometry(step: Contraction, source: Value, result: Value, dtype: DType) -> Geometry:
    """Of a contraction from one value to another."""
    turn = 4 if dtype == "f16" else 2
    if step.window is None:
        rows = up(max(source.padded_rows, 1 if step.flatten else result.padded_rows), turn)
        if source.rows == 1 and source.slots == 1:
            rows = 1
        sums = 1 if step.flatten else rows
        return Geometry(
            turn, source.slot_rows, 1, 1, rows, 0, sums, 1, 1, sums, 1, 1, (1, 1), 1, 1
        )  # fmt: skip
    return bordered(step.window, source, turn)


def bordered(window: Window, source: Value, turn: int, block: int = 0, blocks: int = 1) -> Geometry:
    """Of a window over an image: one of `blocks` equal parts of the output's lines, and what it takes."""
    assert source.image is not None
    width = source.image[1]
    left, right = window.pads[1], window.pads[3]
    down, across = window.strides
    out_height, out_width = window.output(source.image)
    out_lines = out_height // blocks
    # A wider line of sums, the rest of which nobody reads, keeps features in one class of banks.
    sum_line = out_width
    while out_lines * sum_line % turn:
        sum_line += 1
    reach = window.dilations[1] * (window.kernel[1] - 1) + 1
    line = up(max(width + left + right, (sum_line - 1) * across + reach), turn)
    spans = [_Span.of(window, source, out_lines, number) for number in range(blocks)]
    span = spans[block]
    height = (span.last + 1 - span.first) * (source.image[0] // source.slots)
    borders = (
        (0, span.above, line),
        ((span.above + height) * line, span.lines - span.above - height, line),
        (span.above * line, height, left),
        (span.above * line + left + width, height, line - left - width),
    )
    return Geometry(
        turn=turn,
        slot_lines=source.image[0] // source.slots,
        width=width,
        line_pitch=line,
        feature_pitch=max(each.lines for each in spans) * line,
        origin=span.above * line + left,
        out_lines=out_lines,
        out_width=out_width,
        sum_line=sum_line,
        sum_pitch=out_lines * sum_line,
        step_down=down * line,
        step_right=across,
        taps=window.kernel,
        tap_down=window.dilations[0] * line,
        tap_right=window.dilations[1],
        borders=tuple(border for border in borders if border[1] > 0 and border[2] > 0),
        first_tap=span.skipped * line,
        slots=(span.first, span.last),
    )


@dataclass(frozen=True)
class _Span:
    """The lines of the input that a block of output lines takes, in whole slots."""

    # First and last slot; lines above the first one; lines before the first window; lines in all.
    first: int
    last: int
    above: int
    skipped: int
    lines: int

    @classmethod
    def of(cls, window: Window, source: Value, out_lines: int, block: int) -> _Span:
        """Of one block."""
        height = source.image[0] if source.image else 1
        each = height // source.slots
        reach = window.dilations[0] * (window.kernel[0] - 1) + 1
        low = block * out_lines * window.strides[0] - window.pads[0]
        high = low + (out_lines - 1) * window.strides[0] + reach
        first = min(max(low, 0), height - 1) // each
        last = max(min(high, height) - 1, 0) // each
        last = max(first, last)
        base = min(low, first * each)
        return cls(
            first, last, first * each - base, low - base, max(high, (last + 1) * each) - base
        )
