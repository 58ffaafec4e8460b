"""Keep and send what the engine evaluates: the command line and everything with state."""
