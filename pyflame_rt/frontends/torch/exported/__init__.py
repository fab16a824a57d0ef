"""The frontend for `.pt2`: what `torch.export.save` writes, read without torch or its pickles."""

from pyflame_rt.frontends.torch.exported.importer import import_exported

__all__ = ["import_exported"]
