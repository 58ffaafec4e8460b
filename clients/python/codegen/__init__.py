"""Generate the messages and the calls of `tillcore_client.v1` from Tillcore's .proto files."""
