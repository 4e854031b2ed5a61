"""One connection: from bytes to events, its states, its output and its end."""
