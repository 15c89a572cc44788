"""HTTP: one module a noun. It validates, makes one call and serializes."""
