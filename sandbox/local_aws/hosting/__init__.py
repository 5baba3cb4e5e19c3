"""Real-time hosting: endpoint configs, endpoints with a model server process per variant, their rollouts and their invocations.

A part of SageMaker that `sagemaker.operations` mounts through `hosting.service`; it uses that package's store, tags and words.
"""
