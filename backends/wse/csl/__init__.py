"""CSL: printing wafer programs as the source of an SDK project, and checking such sources."""
