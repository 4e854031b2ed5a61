"""An application made of filters: a chat with a page for browsers."""
