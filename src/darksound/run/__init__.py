"""The run directory: its manifest, journal, lock and result files, written and read here only."""
