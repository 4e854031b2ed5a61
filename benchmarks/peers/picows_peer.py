"""Run picows' core interface on uvloop: echo at /, broadcast at /fan. Argument: PORT."""

from __future__ import annotations

import sys

import picows  # type: ignore[import,unused-ignore]
import uvloop  # type: ignore[import,unused-ignore]

BACKLOG = 4096

listeners: set[picows.WSTransport] = set()


class Echo(picows.WSListener):  # type: ignore[misc,unused-ignore]
    """Send each frame back."""

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """Answer one frame."""
        if frame.msg_type == picows.WSMsgType.CLOSE:
            agree_to_close(transport, frame)
        else:
            transport.send(frame.msg_type, frame.get_payload_as_memoryview())


class Fan(picows.WSListener):  # type: ignore[misc,unused-ignore]
    """Send each frame to all other connections."""

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        """Add the connection."""
        listeners.add(transport)

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        """Remove the connection."""
        listeners.discard(transport)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """Send one frame to the others."""
        if frame.msg_type == picows.WSMsgType.CLOSE:
            agree_to_close(transport, frame)
            return
        kind, payload = frame.msg_type, frame.get_payload_as_bytes()
        for other in tuple(listeners):
            if other is not transport:
                other.send(kind, payload)


def agree_to_close(transport: picows.WSTransport, frame: picows.WSFrame) -> None:
    """Answer a Close frame with its own code."""
    transport.send_close(frame.get_close_code(), frame.get_close_message())
    transport.disconnect()


def choose(request: picows.WSUpgradeRequest) -> picows.WSListener:
    """Return the listener for a request's path."""
    return Fan() if request.path == b"/fan" else Echo()


async def main() -> None:
    """Serve on the port in the first argument until ended by a signal."""
    server = await picows.ws_create_server(choose, "127.0.0.1", int(sys.argv[1]), backlog=BACKLOG)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
