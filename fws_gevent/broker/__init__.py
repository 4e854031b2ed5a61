"""Brokers carry the messages of groups: the contract, and the broker of a single node.

It imports `connection` and the rows below, but neither `node` nor Redis. Begin to read with
base.py; `cluster/redis_broker.py` has the broker of many nodes.
"""
