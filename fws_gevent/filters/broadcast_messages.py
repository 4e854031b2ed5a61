"""The name of `broadcast_message_filter` in the library filtered_websocket."""

from .broadcast_message_filter import BroadcastMessageFilter as BroadcastMessagesFilter

__all__ = ["BroadcastMessagesFilter"]
