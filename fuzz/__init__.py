"""Fuzz targets of the protocol, and the inputs that once were interesting."""
