"""The ancestor's name for `broadcast_message_filter`."""

from .broadcast_message_filter import BroadcastMessageFilter as BroadcastMessagesFilter

__all__ = ["BroadcastMessagesFilter"]
