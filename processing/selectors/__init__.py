"""Reads: each function answers one question of a page, an endpoint or the engine; none changes anything."""
