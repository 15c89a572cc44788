"""The doors of the API, one module a noun."""
