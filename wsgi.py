"""gunicorn -k geventwebsocket.gunicorn.workers.GeventWebSocketWorker wsgi:app"""

from example_app.page import chat_page
from fws_gevent.application import build_application

app = build_application(chat_page)
