"""IOBinding: inputs and outputs of a session bound to memory once, for runs without arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from pyflame_rt.errors import (
    PyFlameRTError,
    SettingError,
    UnfeedableError,
    ValidationError,
)
from pyflame_rt.ort.value import OrtDevice, OrtValue, at_address, element_dtype

if TYPE_CHECKING:
    from pyflame_rt.ort.run_options import RunOptions
    from pyflame_rt.session import InferenceSession

Array: TypeAlias = npt.NDArray[Any]


class IOBinding:
    """What `InferenceSession.io_binding()` gives. Bound arrays are not copied: what they hold when
    the session runs is what it reads."""

    def __init__(self, session: InferenceSession):
        self._session = session
        self._inputs: dict[str, object] = {}
        self._outputs: dict[str, Array | None] = {}
        self._results: list[OrtValue] = []
        overridable = session.get_overridable_initializers()
        self._known = {arg.name for arg in (*session.get_inputs(), *overridable)}

    def bind_cpu_input(self, name: str, arr_on_cpu: Array) -> None:
        """Bind an input to an array. Raises SettingError for an unknown name, UnfeedableError."""
        if name not in self._known:
            raise SettingError(f"Failed to find NodeArg with name: {name} in the def list")
        if not isinstance(cast(object, arr_on_cpu), np.ndarray):
            raise UnfeedableError("Unable to create OrtValue from the given python object")
        self._inputs[name] = arr_on_cpu

    def bind_input(
        self,
        name: str,
        device_type: str,
        device_id: int,
        element_type: npt.DTypeLike | int,
        shape: Sequence[int],
        buffer_ptr: int,
    ) -> None:
        """Bind an input to the memory at an address, which the caller keeps alive.

        Raises SettingError for an unknown name, UnfeedableError for another device than the CPU.
        """
        OrtDevice.make(device_type, device_id).require_memory()
        self.bind_cpu_input(name, at_address(buffer_ptr, element_dtype(element_type), shape))

    def bind_ortvalue_input(self, name: str, ortvalue: OrtValue) -> None:
        """Bind an input to a value. Raises SettingError for an unknown name."""
        if name not in self._known:
            raise SettingError(
                f"Error when binding input: Failed to find input name in the mapping: {name}"
            )
        self._inputs[name] = ortvalue

    def bind_output(
        self,
        name: str,
        device_type: str = "cpu",
        device_id: int = 0,
        element_type: npt.DTypeLike | int | None = None,
        shape: Sequence[int] | None = None,
        buffer_ptr: int | None = None,
    ) -> None:
        """Ask for an output: in fresh memory, or in that at an address, of the given type.

        Raises ValidationError when the type is missing, UnfeedableError for another device.
        """
        OrtDevice.make(device_type, device_id).require_memory()
        if buffer_ptr is None:
            self._outputs[name] = None
            return
        if element_type is None or shape is None:
            raise _MissingType(
                "`element_type` and `shape` are to be provided if pre-allocated memory is provided"
            )
        self._outputs[name] = at_address(buffer_ptr, element_dtype(element_type), shape)

    def bind_ortvalue_output(self, name: str, ortvalue: OrtValue) -> None:
        """Ask for an output in a value's memory."""
        self._outputs[name] = ortvalue.numpy() if ortvalue.is_tensor() else None

    def synchronize_inputs(self) -> None:
        """Without effect: the CPU's memory is always up to date."""

    def synchronize_outputs(self) -> None:
        """Without effect: the CPU's memory is always up to date."""

    def get_outputs(self) -> list[OrtValue]:
        """The outputs of the last run, in the order in which they were bound."""
        return list(self._results)

    def get_outputs_as_ortvaluevector(self) -> list[OrtValue]:
        """As `get_outputs`."""
        return self.get_outputs()

    def copy_outputs_to_cpu(self) -> list[Any]:
        """Copies of the outputs of the last run."""
        values = (result.value for result in self._results)
        return [v.copy() if isinstance(v, np.ndarray) else v for v in values]

    def clear_binding_inputs(self) -> None:
        """Bind no inputs any more."""
        self._inputs.clear()

    def clear_binding_outputs(self) -> None:
        """Ask for no outputs any more."""
        self._outputs.clear()
        self._results.clear()

    def run(self, session: InferenceSession, run_options: RunOptions | None) -> None:
        """What `InferenceSession.run_with_iobinding` does.

        Raises ValidationError for another session's binding, SettingError when no output is
        bound or one does not fit, and what `run` raises.
        """
        if session is not self._session:
            raise _ForeignBinding("IOBinding must be used with the session that created it.")
        if not self._outputs:
            raise _failed("At least one output should be requested.")
        names = list(self._outputs)
        try:
            found = session.run_into(self._outputs, self._inputs, run_options)
        except PyFlameRTError as error:
            text = error.message.replace("Invalid output name:", "Invalid output name: ")
            raise _failed(text) from error
        self._results = [
            OrtValue(value if (given := self._outputs[name]) is None else _into(given, value, name))
            for name, value in zip(names, found, strict=True)
        ]


class _MissingType(ValidationError, ValueError):
    """Memory without a type."""


class _ForeignBinding(ValidationError, ValueError):
    """A binding of another session."""


def _failed(text: str) -> SettingError:
    return SettingError(f"Error in execution: {text}")


def _into(target: Array, value: Array, name: str) -> Array:
    if target.dtype != value.dtype:
        kinds = [OrtValue(array).data_type() for array in (target, value)]
        raise _failed(f"Unexpected output data type. Actual: ({kinds[0]}) , expected: ({kinds[1]})")
    if target.shape != value.shape:
        shapes = ["{" + ",".join(map(str, array.shape)) + "}" for array in (target, value)]
        raise _failed(
            f"The output OrtValue provided for output '{name}' has shape {shapes[0]} but the "
            f"computed output shape for this run is {shapes[1]}."
        )
    if value is not target:
        np.copyto(target, value)
    return target
