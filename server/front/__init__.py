"""The fast front: a second gRPC port for the hot methods, at the speed of C (docs/front.md)."""
