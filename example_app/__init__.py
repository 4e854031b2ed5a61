"""A chat with rooms, as a small Flask application. Begin with app.py."""
