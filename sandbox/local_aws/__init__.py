"""A local AWS that is strict and does the work: SageMaker, Glue and STS of our own, moto for the rest, one
port.

Never imported by the operator; see `/docs` and `local_aws.client.LocalAws` for the way to start one from a
test.
"""
