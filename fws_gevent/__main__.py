"""`python -m fws_gevent` and the script `fws_server`."""

from gevent import monkey

monkey.patch_all()  # before any other import, since filters may wait in socket or time

from .cli.command import main  # noqa: E402

if __name__ == "__main__":
    main()
