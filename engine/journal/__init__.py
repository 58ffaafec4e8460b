"""The signed journal: entries in a chain, their bytes, keys, totals, export and verification."""
