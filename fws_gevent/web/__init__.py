"""What a server says over HTTP: tokens, the status page, health and metrics, a Flask blueprint."""
