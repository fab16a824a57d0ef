"""Passes on programs for the wafer."""
