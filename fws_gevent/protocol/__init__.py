"""The WebSocket protocol, pure: bytes in, events out; no socket, greenlet or clock."""
