"""Own the generated code of Tillcore's protobuf packages; each version is a package of its own."""
