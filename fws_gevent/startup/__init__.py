"""What a server is put together from: filters, storage, logs."""
