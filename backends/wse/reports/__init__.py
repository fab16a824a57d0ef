"""What a run of the simulator tells: tables, JSON, a trace for Perfetto, heat maps, sensitivities."""
