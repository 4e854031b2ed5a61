"""Our own HTTP server: requests, bodies, listeners and answers."""
