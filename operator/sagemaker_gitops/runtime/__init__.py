"""Queue, store and reconciler: one pass for every kind, knowing none of them."""
