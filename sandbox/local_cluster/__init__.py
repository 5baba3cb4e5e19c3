"""A real Kubernetes control plane on this machine, without Docker.

etcd, kube-apiserver, kube-controller-manager and kubectl of one release, found or built. Part of the
sandbox; never imported by the operator.
"""

from local_cluster.cluster import ClusterError, LocalCluster
from local_cluster.guardian import AlreadyRunningError
from local_cluster.instance import InstanceError

__all__ = ["AlreadyRunningError", "ClusterError", "InstanceError", "LocalCluster"]
