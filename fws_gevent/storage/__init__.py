"""Storage objects: where filters keep the data that they share."""
