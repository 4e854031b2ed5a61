"""Log lines: the loggers of the package, their formats, and outputs that never block.

It may import `clock` alone, and gevent. Begin with `loggers.py`; docs/monitoring.md lists the
loggers by name.
"""
