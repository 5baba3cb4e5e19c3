"""Everything that speaks to the Kubernetes API except the watch, which is kopf's (shell.py)."""
