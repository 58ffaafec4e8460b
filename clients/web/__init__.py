"""A till in the browser: static files, which the server serves at /till/."""
