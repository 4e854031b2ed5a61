"""The event loop: the reactor with its runners, the poller, timers, and calls from other threads.

Imports settings, logs, errors and the clock, and knows no connection: it runs any `tasks.Task`.
Begin to read with `reactor`; its bases are `flushing` and `calls`.
"""
