"""TorchScript archives: their code is parsed and interpreted, and never run."""

from pyflame_rt.frontends.torch.script.importer import import_torchscript
from pyflame_rt.frontends.torch.script.signature import Shape

__all__ = ["Shape", "import_torchscript"]
