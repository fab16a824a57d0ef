"""The wafer-scale engine: machine profiles, a simulator of its fabric, reports."""
