"""One node: connections, groups, chains, admission, tokens, limits, statistics.

Imports the broker's contract, a connection and all below them; no cluster and no server. Begin to
read with `node`, which is composed of all the others, then `admission` and `events`.
"""
