"""The WebSocket protocol (RFC 6455) and its HTTP requests, pure: bytes in, events out.

It may import `errors` and `message`, but no socket, greenlet or clock. Begin with `receiver.py` for
frames that come in, `frames.py` for those that go out, and `handshake.py` for upgrade requests.
"""
