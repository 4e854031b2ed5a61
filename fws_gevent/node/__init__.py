"""One node: its connections, groups, chains, limits, tokens and figures."""
