"""The commands `fws_server` and `flask fws …`, and the reload on SIGHUP.

Imports everything below, Flask and click; only `__main__` imports it. Begin with `command.py`.
"""
