"""Upgrade requests: what is known of one, the socket taken over, and refusals."""
