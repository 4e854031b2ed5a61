"""The steps of a start: log lines, filters, storage and broker, and the search for a Flask app.

Imports the node and everything below it, and Flask. Begin with `parts.py`.
"""
