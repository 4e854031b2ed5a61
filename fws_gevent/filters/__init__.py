"""Filters: the base classes and chains, and bundled filters, a module each.

The base imports errors, messages, logs and the clock only; a bundled filter imports base.py alone,
so that users can copy it. Begin with base.py, then read broadcast_message_filter.py.
"""
