"""A chat with rooms, as a small Flask application: app.py is where to begin to read."""
