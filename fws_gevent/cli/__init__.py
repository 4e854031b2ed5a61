"""The commands: fws_server and `flask fws`."""
