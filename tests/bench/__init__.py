"""What the operator costs, as counts and ratios beside the API server's own rate in the same run. `make bench`. Not tests."""
