"""Keys made on a Dask cluster, each sealed to the run before it leaves the worker that made it.

========================  ============================================================================
``address``               a scheduler's address, and which ones are refused
``job``                   what a worker does: make a key, seal it
``channel``               the run's side of the seal: what comes back is opened and looked at
``client``                Dask's client, which hears nobody but whom it asked
``connection``            one of these, with TLS as Dask's own configuration has it
``versions``              what must be the same at the run, the scheduler and each worker
``executor``              the cluster as a ``concurrent.futures.Executor``
``making``                keys for a run: ordered, opened, stored
========================  ============================================================================

Dask is an extra: nothing here imports it before a run asks for a cluster.
"""
