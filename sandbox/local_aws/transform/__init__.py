"""Batch transform: a model's containers started as for hosting, fed with objects of S3, their answers stored beside each other.

A part of SageMaker that `sagemaker.operations` mounts; `hosting` runs the containers.
"""
