"""What a model file may ask for: one table of caps that all loaders read, with overrides.

A loader compares a length, count or depth of the file with its cap before it allocates, recurses
or loops. The defaults let every real model through (each field says how they were chosen); a
caller with an unusual model passes `Limits(field=value)`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Caps of all loaders; fields begin with the part of a file that they are about."""

    name_bytes: int = 4096
    """UTF-8 bytes of any name: of a member, global, attribute, value or symbol."""

    tensor_rank: int = 32
    """Dimensions of a tensor; NumPy 1 has arrays of no more."""

    tensor_bytes: int = 2**40
    """Bytes of one tensor, counted in Python's integers before an array exists."""

    expansion_ratio: int = 8
    expansion_bytes: int = 256 * 2**20
    """All tensors of a file together may have `ratio` times the bytes of their storages plus
    `bytes`: views may overlap and repeat (tied and expanded weights), but a small file must not
    turn into terabytes when views become arrays of their own. A sparse tensor made dense counts.
    Writers keep to it too (`Expansion`), with dense tensors where sparse ones would be too small."""

    zip_members: int = 1_000_000
    """Members of a ZIP archive; the largest checkpoints have some 10,000 tensors."""

    zip_member_bytes: int = 2**30
    """Inflated bytes of one compressed member. Tensors are stored, so these are code and JSON."""

    zip_inflated_bytes: int = 4 * 2**30
    """Inflated bytes of all compressed members of an archive."""

    zip_ratio: int = 200
    zip_ratio_slack: int = 1 << 16
    """Inflated bytes of a member are at most `ratio` times the compressed ones plus `slack`;
    source text deflates to a tenth, zeros to a thousandth."""

    pickle_bytes: int = 256 * 2**20
    """Bytes of one pickle, which holds no tensor data: about 150 a tensor."""

    pickle_opcodes: int = 5_000_000
    """Opcodes of one pickle: about 45 a tensor, and a few seconds of work at the most."""

    pickle_containers: int = 1_000_000
    """Tuples, lists, dicts and records that one pickle may make: about six a tensor. An empty
    dict is one byte of a pickle and 80 bytes of memory."""

    pickle_stack: int = 1_000_000
    """Values on the stack: the longest list that a pickle holds."""

    pickle_string_bytes: int = 16 * 2**20
    """UTF-8 bytes of one string of a pickle."""

    pickle_depth: int = 128
    """Nesting of lists, dicts, tuples and objects in what a pickle holds."""

    pickle_nodes: int = 3_000_000
    """Values met in a walk over what a pickle holds that visits shared ones each time."""

    script_source_bytes: int = 4 << 20
    """Bytes of all source files of a TorchScript archive that are parsed."""

    script_nesting: int = 64
    """Blocks, brackets and chained accessors inside each other in the text."""

    script_call_depth: int = 64
    """Calls inside each other."""

    script_frames: int = 600
    """Calls, blocks and expressions inside each other while the code is interpreted, each as many as
    it takes of Python's own frames."""

    script_steps: int = 1_000_000
    """Expressions and statements that are interpreted, in all attempts together."""

    script_unrolled: int = 1024
    """Iterations of one loop that are interpreted one by one."""

    script_elements: int = 1 << 20
    """Of one list, dict or text that is computed."""

    script_operations: int = 50_000
    """Operations that are built, in all attempts together."""

    script_loop_nesting: int = 4
    """Loops inside each other that run at run time; each is interpreted up to five times."""

    safetensors_header_bytes: int = 24 * 2**20
    """Bytes of a safetensors header: about 100 a tensor. The format allows 100 MB, which could hold
    33 million lists of 64 bytes each."""

    json_bytes: int = 256 * 2**20
    """Bytes of one JSON document, such as the graph of a .pt2 archive."""

    json_depth: int = 64
    """Nesting of a JSON document."""

    external_hard_links: int = 1
    """Names that a file of external data may have. A second one may be the way to a file outside
    of the model's folder, which no other check can see; packages that share files have more."""

    pfm_graph_bytes: int = 2**30
    """Bytes of everything in a .pfm file but its tensors: about 200 a node."""

    pfm_rank: int = 64
    """Dimensions of an input, output or tensor of a .pfm file, as of an ONNX file."""

    pfm_depth: int = 64
    """Nesting of regions, and of attributes in each other."""

    pfm_attribute_ratio: int = 64
    pfm_attribute_slack: int = 1 << 20
    """Attributes, each counted with all that is in it wherever it is used, are at most `ratio`
    times the words of the graph plus `slack`: a file holds each attribute once, so that a few
    lists in each other could stand for billions."""

    pfm_integer_bits: int = 4096
    """Width of an integer type, and of a number in an attribute."""

    pfm_text_bytes: int = 1 << 16
    """Bytes of an attribute that is held as IR text: affine maps, and foreign dialects' own."""


DEFAULT_LIMITS = Limits()
"""The table as it stands."""


@dataclass
class Expansion:
    """What the sparse tensors of a file come to when they are dense: see `Limits.expansion_ratio`."""

    limits: Limits = DEFAULT_LIMITS
    stored: int = 0
    """Bytes in the file."""
    expanded: int = 0
    """Bytes that what is sparse there has in memory."""

    def add(self, stored: int, expanded: int = 0) -> None:
        """Count a tensor."""
        self.stored += stored
        self.expanded += expanded

    def admits(self, stored: int = 0, expanded: int = 0) -> bool:
        """Whether what has been counted, and such a tensor, is believed."""
        most = self.limits.expansion_ratio * (self.stored + stored) + self.limits.expansion_bytes
        return self.expanded + expanded <= most
