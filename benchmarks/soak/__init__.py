"""Nodes, Redis and clients killed and frozen at random moments, and the books that are kept."""
