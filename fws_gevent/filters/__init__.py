"""Filters: the base classes and chains, and bundled filters, a module each.

base.py and chain.py import errors, messages and logs only; a bundled filter imports base.py alone,
so that users can copy it. Begin with base.py, then read broadcast_message_filter.py.
"""
