"""plan(resource, facts, now) for each kind."""
