"""The pages under /fws/: tokens, the status page, health, metrics, publishing, groups.

It may import nodes, tokens, settings and all rows below them, and is the only row with Flask views.
Begin with blueprint.py, which lists the pages, then service.py.
"""
