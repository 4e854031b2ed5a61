"""Redis as a wire: servers, URLs, keys, scripts and the entries of streams."""
