"""The CRD contract as typed models; crds/ is generated from it. The lowest layer: imports nothing of the project."""
