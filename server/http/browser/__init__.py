"""The RPCs for browsers: Connect and gRPC-Web over HTTP, streams in both directions as sockets."""
