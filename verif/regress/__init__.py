"""`heron regress`: many seeds of many suites, on this machine or on a Dask cluster, and a report of what failed."""
