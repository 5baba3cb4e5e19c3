"""The command lines of etcd, kube-apiserver and kube-controller-manager."""

from __future__ import annotations

from local_cluster.binaries import Binaries
from local_cluster.certificates import CA_CERTIFICATE, SERVER_CERTIFICATE, SERVER_KEY, SERVICE_ACCOUNT_KEY
from local_cluster.instance import Instance
from local_cluster.release import Program
from local_cluster.users import CONTROLLER_MANAGER

# What namespace deletion, ownerReferences and default service accounts need, and nothing else.
CONTROLLERS = "namespace-controller,garbage-collector-controller,serviceaccount-controller"
AUDIT_LOG_MEGABYTES = 4096


def etcd(instance: Instance, binaries: Binaries) -> list[str]:
    """etcd with one member; no fsync, because a sandbox may lose its state in a power cut."""
    return [
        str(binaries.path(Program.ETCD)),
        f"--data-dir={instance.etcd_data}",
        f"--listen-client-urls={instance.etcd_url}",
        f"--advertise-client-urls={instance.etcd_url}",
        "--listen-peer-urls=http://127.0.0.1:0",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def apiserver(instance: Instance, binaries: Binaries) -> list[str]:
    """kube-apiserver with TLS, RBAC, static tokens and the audit log."""
    pki = instance.pki
    return [
        str(binaries.path(Program.APISERVER)),
        f"--etcd-servers={instance.etcd_url}",
        # Should another instance's etcd answer on our port for a moment, it would not be harmed.
        f"--etcd-prefix=/{instance.ca_sha256[:16]}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={instance.apiserver_port}",
        f"--tls-cert-file={pki / SERVER_CERTIFICATE}",
        f"--tls-private-key-file={pki / SERVER_KEY}",
        f"--token-auth-file={instance.tokens}",
        "--authorization-mode=RBAC",
        f"--service-account-key-file={pki / SERVICE_ACCOUNT_KEY}",
        f"--service-account-signing-key-file={pki / SERVICE_ACCOUNT_KEY}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--endpoint-reconciler-type=none",
        f"--audit-policy-file={instance.audit_policy}",
        f"--audit-log-path={instance.audit_log}",
        "--audit-log-mode=blocking",
        f"--audit-log-maxsize={AUDIT_LOG_MEGABYTES}",
        "--profiling=false",
    ]


def controller_manager(instance: Instance, binaries: Binaries) -> list[str]:
    """kube-controller-manager with `CONTROLLERS`, each under its own service account as in a real cluster."""
    return [
        str(binaries.path(Program.CONTROLLER_MANAGER)),
        f"--kubeconfig={instance.kubeconfig_of(CONTROLLER_MANAGER)}",
        f"--controllers={CONTROLLERS}",
        f"--root-ca-file={instance.pki / CA_CERTIFICATE}",
        f"--service-account-private-key-file={instance.pki / SERVICE_ACCOUNT_KEY}",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--secure-port=0",
    ]
