"""The command line: on files without a cluster, on a cluster, and the sandbox. Wiring and words; decisions are core's."""
