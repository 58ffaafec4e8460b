"""Programs that record a sale with the web services, in six languages."""
