"""How pages write dates: the same everywhere, and with the zone."""
