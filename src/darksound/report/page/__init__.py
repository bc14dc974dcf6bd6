"""The page of a run: one file to look at, to listen to and to name clusters in."""
