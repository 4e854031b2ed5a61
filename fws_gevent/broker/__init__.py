"""Brokers, which carry the messages of groups: the contract, and the one of a single node.

Imports a connection and all below it, and neither a node nor Redis. Begin to read with `base`;
`cluster.redis_broker` fulfils the same contract for many nodes.
"""
