"""Serve the engine over gRPC, keeping nothing: the only part of engine that imports grpc."""
