"""A local AWS that is strict and does the work: SageMaker, Glue and STS are ours, moto does the rest.

Never imported by the operator. `local_aws.client.LocalAws` starts one, `python -m local_aws` serves one.
"""
