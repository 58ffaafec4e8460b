"""Hold the modules generated from the .proto files of this directory when the package is built."""
