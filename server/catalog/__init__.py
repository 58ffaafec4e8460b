"""The stored catalogue: what is imported, checked, merged, kept by revision, and made into plans.

`imports` changes it, `settings` follows the markets, `snapshots` reads it for plans, and
`server.plans` holds what was compiled of it. The rows are those of `server.storage.catalogs`.
"""
