"""The operator's own passes on an in-memory API server and an in-memory AWS, in virtual time, under chosen faults."""
