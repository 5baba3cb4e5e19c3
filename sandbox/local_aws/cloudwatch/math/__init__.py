"""CloudWatch's metric math: expressions over time series. Pure.

`grammar` reads an expression, `functions` knows what each function does, `evaluate` resolves a list of MetricDataQueries. Source:
CloudWatch user guide, "Using math expressions with CloudWatch metrics".
"""
