"""The broker over Redis, which joins many nodes to one server.

It imports `broker`, `redis_io`, `tokens` and `loop`, but not `node`. Begin to read with
redis_broker.py, then stream_reader.py (receive), publish_queue.py (send) and presence.py (members).
"""
