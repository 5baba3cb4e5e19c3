"""The sagemaker-gitops operator: Kubernetes resources in, Amazon SageMaker and AWS Glue calls out.

Layers, top to bottom, enforced by import-linter: shell > runtime > (aws | kube) > core > api.
"""
