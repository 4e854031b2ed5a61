"""Upgrade requests: their facts in a WSGI environ, refusals, and the socket that is taken over.

Imports a connection and all below it, and no server. Begin to read with `contract`, by which a
gunicorn worker and the application in it know each other.
"""
