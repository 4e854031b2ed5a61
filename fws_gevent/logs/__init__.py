"""Log lines: the loggers of the package, their format, and outputs that never wait."""
