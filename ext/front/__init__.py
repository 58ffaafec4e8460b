"""Hold the fast front: an HTTP/2 server on libnghttp2, built where that library is there."""
