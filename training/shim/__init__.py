"""The detached process that watches one workload's process and outlives the worker.

`python -m training.shim <workload id> <fence>`: holds `shim.lock` for life, starts the runner
(or finds the one that an earlier shim started), writes its events and log to the database while its
fencing number is current, and passes on what people ask for.
"""
