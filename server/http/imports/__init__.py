"""The import endpoints: what integrations send of catalogue, stock and orders."""
