"""Names of ONNX Runtime's API that there is nothing behind: using them raises NotImplemented."""

from __future__ import annotations

from typing import ClassVar, NoReturn

from pyflame_rt.ort.errors import NotImplemented as Unsupported


class Absent:
    """A class that cannot be used, and why."""

    WHY: ClassVar[str] = ""

    def __init__(self, *arguments: object, **keywords: object):
        raise Unsupported(f"{type(self).__name__}: {self.WHY}")


class SparseTensor(Absent):
    """Sparse tensors."""

    WHY = "sparse tensors are not supported; feed dense ones"

    @classmethod
    def sparse_coo_from_numpy(cls, *arguments: object) -> NoReturn:
        """Raises NotImplemented."""
        raise Unsupported(f"SparseTensor: {cls.WHY}")

    @classmethod
    def sparse_csr_from_numpy(cls, *arguments: object) -> NoReturn:
        """Raises NotImplemented."""
        raise Unsupported(f"SparseTensor: {cls.WHY}")


class LoraAdapter(Absent):
    """Adapters of weights."""

    WHY = "adapters are not supported; merge them into the model's weights"


class AdapterFormat(Absent):
    """Files of adapters."""

    WHY = LoraAdapter.WHY

    @staticmethod
    def read_adapter(file_path: object) -> NoReturn:
        """Raises NotImplemented."""
        raise Unsupported(f"AdapterFormat: {LoraAdapter.WHY}")


class ModelCompiler(Absent):
    """Models compiled for an execution provider."""

    WHY = "models are compiled when a session is made; save_reproducer keeps what led to the plan"


class OrtArenaCfg(Absent):
    """Settings of an allocator."""

    WHY = "buffers are laid out by the plan, not by an allocator"


class OrtMemoryInfo(Absent):
    """Kinds of memory."""

    WHY = "everything lies in the CPU's memory"


class OrtExternalInitializerInfo(Absent):
    """Where an initializer lies."""

    WHY = "external data is named by the model file"


class OrtEpDevice(Absent):
    """Devices of execution providers."""

    WHY = "devices are not enumerated; ask for providers by name"


class OrtHardwareDevice(Absent):
    """Devices."""

    WHY = OrtEpDevice.WHY


class OrtSyncStream(Absent):
    """Streams of devices."""

    WHY = "the CPU has no streams"


def get_ep_devices() -> NoReturn:
    """Raises NotImplemented."""
    raise Unsupported(OrtEpDevice.WHY)


def register_execution_provider_library(name: str, path: str) -> NoReturn:
    """Raises NotImplemented."""
    raise Unsupported(
        f"{name}: providers are backends written in Python, registered with BackendRegistry"
    )


def unregister_execution_provider_library(name: str) -> NoReturn:
    """Raises NotImplemented."""
    raise Unsupported(
        f"{name}: providers are backends written in Python, registered with BackendRegistry"
    )


def create_and_register_allocator(*arguments: object) -> NoReturn:
    """Raises NotImplemented."""
    raise Unsupported(OrtArenaCfg.WHY)


def create_and_register_allocator_v2(*arguments: object) -> NoReturn:
    """Raises NotImplemented."""
    raise Unsupported(OrtArenaCfg.WHY)


def set_global_thread_pool_sizes(intra_op: int, inter_op: int) -> NoReturn:
    """Raises NotImplemented."""
    raise Unsupported("threads are set by SessionOptions.num_threads")


class AbsentFromSessions:
    """Methods of ONNX Runtime's sessions that there is nothing behind."""

    def set_tuning_results(self, results: object, *, error_on_invalid: bool = False) -> NoReturn:
        """Raises NotImplemented."""
        raise Unsupported("tuning results cannot be set")

    def set_ep_dynamic_options(self, options: object) -> NoReturn:
        """Raises NotImplemented."""
        raise Unsupported("execution providers have no dynamic options")

    def run_with_ortvaluevector(self, *arguments: object) -> NoReturn:
        """Raises NotImplemented."""
        raise Unsupported("use run_with_ort_values, or run_with_iobinding")

    def get_provider_graph_assignment_info(self) -> NoReturn:
        """Raises NotImplemented."""
        raise Unsupported("which provider runs what is said by the session's pipeline")

    def get_input_memory_infos(self) -> NoReturn:
        """Raises NotImplemented."""
        raise Unsupported(OrtMemoryInfo.WHY)

    def get_output_memory_infos(self) -> NoReturn:
        """Raises NotImplemented."""
        raise Unsupported(OrtMemoryInfo.WHY)

    def get_input_epdevices(self) -> NoReturn:
        """Raises NotImplemented."""
        raise Unsupported(OrtEpDevice.WHY)
