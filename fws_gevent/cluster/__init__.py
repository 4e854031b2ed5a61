"""The broker over Redis, which joins many nodes to one server.

It imports `broker` and the rows below it, such as `redis_io` and `loop`, but not `node`. Begin to
read with redis_broker.py, then stream_reader.py (receive), publish_queue.py (send) and presence.py
(members).
"""
