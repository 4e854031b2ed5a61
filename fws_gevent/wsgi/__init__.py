"""The HTTP side of our own server: requests, bodies, listeners and answers.

Imports a node, `upgrade/` and `startup/`, and no server: that is known as `hosting.HostingServer`.
Begin to read with `handler`, then `upgrading`.
"""
