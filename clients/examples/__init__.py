"""Show Tillcore at work: a sample context, basket and catalogue, and a client that sends them."""
