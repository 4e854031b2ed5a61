"""One connection: its socket, its deadlines, the close handshake, its messages, its filters' view.

Imports the loop and all below it, and never a node: that is known as `host.Host` alone. Begin to
read with `connection` and go down its bases: `groups`, `inbound`, `conversation`, `keepalive`,
`transport`.
"""
