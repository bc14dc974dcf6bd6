"""A run on disk, and the jobs that make one."""
