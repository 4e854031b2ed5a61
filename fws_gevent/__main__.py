"""`python -m fws_gevent` and the script `fws_server`."""

from gevent import monkey

monkey.patch_all()  # before anything imports socket or time: filters may block on them

from .cli.command import main  # noqa: E402

if __name__ == "__main__":
    main()
