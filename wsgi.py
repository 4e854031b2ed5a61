"""The example for gunicorn and flask.

gunicorn -k geventwebsocket.gunicorn.workers.GeventWebSocketWorker wsgi:app
gunicorn -k fws_gevent.worker.FilteredWebSocketWorker wsgi:app
flask --app wsgi fws run

One worker, gunicorn's default: who is in a room, and the secrets unless SECRET_KEY and
FWS_SIGNING_KEY are set, are one process's own.
"""

from example_app.app import create_app

app = create_app()
