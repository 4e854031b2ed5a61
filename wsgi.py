"""The example app for gunicorn and flask.

gunicorn -k geventwebsocket.gunicorn.workers.GeventWebSocketWorker wsgi:app
gunicorn -k fws_gevent.worker.FilteredWebSocketWorker wsgi:app
flask --app wsgi fws run

Several workers (gunicorn -w 4) need FWS_REDIS_URL, and SECRET_KEY and FWS_SIGNING_KEY to be set:
without these, each process has its own groups and secrets.
"""

from example_app.app import create_app

app = create_app()
