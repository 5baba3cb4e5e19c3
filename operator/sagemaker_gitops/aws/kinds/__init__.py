"""observe and execute for each kind: the only place where facts are made and actions become AWS calls."""
