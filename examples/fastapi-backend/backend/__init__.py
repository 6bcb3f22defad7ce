"""A backend that keeps API keys: users' own in its table, shared ones in a vault."""
