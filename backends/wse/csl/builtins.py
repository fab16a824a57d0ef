"""The builtins of CSL that are known here: how many arguments each takes, and fields of their structs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pyflame_rt.backends.wse.csl.names import words

_VECTOR: Final = {
    # Operands of each: destination and sources.
    4: "fmacs fmach fmachs",
    3: (
        "fadds faddh faddhs fsubs fsubh fmuls fmulh fmaxs fmaxh fmins fminh add16 sub16 and16 or16 "
        "xor16 add32 addc16 fnorms fnormh fscales fscaleh sll16 sar16 slr16 xp16"
    ),
    2: "fnegs fnegh fmovs fmovh mov16 mov32 fs2h fh2s fabss fabsh xp162fh xp162fs fh2xp16 fs2xp16 clz ctz popcnt",
    1: "dfilt",
}

VECTOR: Final[Mapping[str, int]] = {
    f"@{name}": count for count, names in _VECTOR.items() for name in names.split()
}
"""Builtins on DSDs: operands, after which may come a struct of settings."""

_MANY: Final = 1 << 30

ARITY: Final[Mapping[str, tuple[int, int]]] = {
    name: (count, count + 1) for name, count in VECTOR.items()
} | {
    "@activate": (1, 1),
    "@allocate_fifo": (1, 2),
    "@as": (2, 2),
    "@assert": (1, 1),
    "@bind_control_task": (2, 2),
    "@bind_data_task": (2, 2),
    "@bind_local_task": (2, 2),
    "@bitcast": (2, 2),
    "@block": (1, 1),
    "@comptime_assert": (1, 2),
    "@comptime_print": (1, _MANY),
    "@concat_structs": (2, 2),
    "@constants": (2, 2),
    "@element_count": (1, 1),
    "@element_type": (1, 1),
    "@export_name": (2, 3),
    "@export_symbol": (1, 2),
    "@field": (2, 2),
    "@fp16": (0, 0),
    "@get_array": (1, 1),
    "@get_color": (1, 1),
    "@get_color_id": (1, 1),
    "@get_control_task_id": (1, 1),
    "@get_data_task_id": (1, 1),
    "@get_dsd": (2, 2),
    "@get_dsr": (2, 2),
    "@get_input_queue": (1, 1),
    "@get_int": (1, 1),
    "@get_local_task_id": (1, 1),
    "@get_output_queue": (1, 1),
    "@get_rectangle": (0, 0),
    "@get_ut_id": (1, 1),
    "@has_field": (2, 2),
    "@import_module": (1, 2),
    "@increment_dsd_offset": (3, 3),
    "@initialize_queue": (2, 2),
    "@is_arch": (1, 1),
    "@is_comptime": (1, 1),
    "@is_same_type": (2, 2),
    "@load_to_dsr": (2, 3),
    "@map": (2, _MANY),
    "@ptrcast": (2, 2),
    "@queue_flush": (1, 1),
    "@random16": (0, 0),
    "@range": (2, 4),
    "@range_start": (1, 1),
    "@range_step": (1, 1),
    "@range_stop": (1, 1),
    "@rank": (1, 1),
    "@rpc": (1, 1),
    "@set_active_prng": (1, 1),
    "@set_color_config": (4, 4),
    "@set_control_task_table": (0, 1),
    "@set_dsd_base_addr": (2, 2),
    "@set_dsd_length": (2, 2),
    "@set_dsd_stride": (2, 2),
    "@set_empty_queue_handler": (2, 2),
    "@set_fifo_read_length": (2, 2),
    "@set_fifo_write_length": (2, 2),
    "@set_local_color_config": (2, 2),
    "@set_rectangle": (2, 2),
    "@set_teardown_handler": (2, 2),
    "@set_tile_code": (3, 4),
    "@sizeof": (1, 1),
    "@strcat": (2, _MANY),
    "@strlen": (1, 1),
    "@type_of": (1, 1),
    "@unblock": (1, 1),
    "@zeros": (1, 1),
}
"""How many arguments, at least and at most."""

LAYOUT_ONLY: Final = frozenset(
    ("@set_rectangle", "@set_tile_code", "@set_color_config", "@export_name")
)
"""What only a layout says."""

COMPTIME_ONLY: Final = frozenset(
    (
        "@bind_control_task",
        "@bind_data_task",
        "@bind_local_task",
        "@export_symbol",
        "@initialize_queue",
        "@set_local_color_config",
    )
)
"""What only a comptime block of a tile says."""

SETTINGS: Final = words("async activate unblock priority ut_id index on_control save_address")
"""Settings of vector builtins and of `@load_to_dsr`."""

DSD_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "mem1d_dsd": words("tensor_access base_address extent stride offset wavelet_index_offset"),
    "mem4d_dsd": words("tensor_access base_address extent stride offset wavelet_index_offset"),
    "circbuf_dsd": words("tensor_access base_address extent offset wavelet_index_offset"),
    "fabin_dsd": words("extent fabric_color input_queue simd_mode control priority"),
    "fabout_dsd": words(
        "extent fabric_color output_queue advance_switch control control_transform "
        "wavelet_index_offset simd_mode priority"
    ),
}
"""Fields of each kind of DSD."""

CONFIG_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "": words("routes switches filter teardown"),
    "routes": words("rx tx color_swap_x color_swap_y pos1 pos2 pos3"),
    "switches": words("pos1 pos2 pos3 current_switch_pos ring_mode pop_mode"),
    "filter": words(
        "kind min_idx max_idx count_data count_control init_counter max_counter limit1 limit2 "
        "fast_mode"
    ),
    "pos1": frozenset(("rx", "tx")),
    "pos2": frozenset(("rx", "tx")),
    "pos3": frozenset(("rx", "tx")),
    "pop_mode": words("no_pop always_pop pop_on_advance pop_on_header"),
    "kind": words("range counter sparse"),
}
"""Fields of what `@set_color_config` sets, by the field that holds them."""
