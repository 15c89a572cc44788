"""Django's Postgres, with a pool that looks whether a connection still stands in the stead of asking over it."""
