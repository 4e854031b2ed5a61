"""The engine: sockets on one side, chains on the other, greenlets only where filters run."""
