"""Kill and freeze nodes, Redis and clients at random, and check all messages against the books."""
