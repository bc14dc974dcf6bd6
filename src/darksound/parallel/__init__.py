"""Work shared among threads, processes and Dask workers, and the resources of this machine."""
