"""Redis at the level of commands: servers, URLs, keys, Lua scripts and the entries of streams.

It imports settings, errors and `redis`, but not gevent, so that scripts can publish. Begin to read
with servers.py, then keys.py and entries.py; `cluster` is built on these.
"""
