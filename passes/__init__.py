"""Passes over IR, one a file; a pass's file stem is its command-line name with underscores."""
