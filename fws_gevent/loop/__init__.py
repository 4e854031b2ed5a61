"""The event loop: the reactor and its runners, the poller, timers and calls from threads."""
