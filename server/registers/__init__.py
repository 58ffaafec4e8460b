"""Open, read and close registers: the work of RegisterService inside one transaction each."""
