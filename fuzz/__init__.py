"""Fuzz targets of the protocol, and inputs that a fuzzer found."""
