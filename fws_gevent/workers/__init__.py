"""Support for gunicorn's workers, ours and gevent-websocket's.

Imports `upgrade/` and all below it, and neither gunicorn nor a worker. Begin to read with `upgrade`
for our own worker, with `stock_worker` for the other one.
"""
