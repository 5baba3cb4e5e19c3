"""Random kill -9, SIGSTOP, lost answers and edits against the real API server and the local AWS. `make chaos`."""
