"""Objects of some files as the operator would see them, without a cluster and without AWS.

What only S3 knows, the versions of the inputs, is left open: names that depend on them are provisional.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sagemaker_gitops.api.kinds import KINDS
from sagemaker_gitops.api.model_endpoint import ModelEndpointSpec
from sagemaker_gitops.api.monitor_policy import MonitorPolicySpec
from sagemaker_gitops.api.parse import M, ValidationFailed, read
from sagemaker_gitops.api.tenant import TenantSpec
from sagemaker_gitops.api.training_run import TrainingRunSpec
from sagemaker_gitops.aws.kinds.batch import request_findings as job_findings
from sagemaker_gitops.aws.kinds.monitor_code import job_code
from sagemaker_gitops.aws.kinds.monitor_findings import request_findings as check_findings
from sagemaker_gitops.cli.files import Manifest, is_name, of_kind
from sagemaker_gitops.core import tenancy
from sagemaker_gitops.core.actions import Action, AwsRequest
from sagemaker_gitops.core.errors import Finding, InvalidResource
from sagemaker_gitops.core.kinds.model_endpoint.effective import findings_of, models_of
from sagemaker_gitops.core.kinds.model_endpoint.facts import Asked, BatchJob, ModelEndpointFacts, ModelFact
from sagemaker_gitops.core.kinds.model_endpoint.preview import preview, standing_for
from sagemaker_gitops.core.kinds.model_endpoint.situation import Pass, build_serving
from sagemaker_gitops.core.kinds.model_endpoint.transform import create_transform_job, job_of
from sagemaker_gitops.core.kinds.monitor_policy.checks import absent_scripts
from sagemaker_gitops.core.kinds.monitor_policy.completion import circle_findings, circle_of
from sagemaker_gitops.core.kinds.monitor_policy.effective import findings_of as policy_findings
from sagemaker_gitops.core.kinds.monitor_policy.facts import PolicyFacts
from sagemaker_gitops.core.kinds.monitor_policy.preview import preview as policy_preview
from sagemaker_gitops.core.kinds.monitor_policy.preview import stand_in
from sagemaker_gitops.core.kinds.monitor_policy.publish import alarm_findings
from sagemaker_gitops.core.kinds.monitor_policy.situation import Pass as PolicyPass
from sagemaker_gitops.core.kinds.training_run.effective import effective_of
from sagemaker_gitops.core.kinds.training_run.facts import InputVersion, Source
from sagemaker_gitops.core.kinds.training_run.run import Run, entry_points, input_uris
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.kinds.training_run.wanted import wanted_of
from sagemaker_gitops.core.resource import GROUP, VERSION, Snapshot
from sagemaker_gitops.core.tenancy import Bound

INSTALL = "offline"
UNRESOLVED = "resolved-at-the-start-of-the-run"
UNRESOLVED_MODEL = "the-model-that-serves-then"
SOME_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
# The API server's own words.
_NAME_WORDS = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with"
    " an alphanumeric character (e.g. 'example.com')"
)


@dataclass(frozen=True, slots=True)
class Offline:
    """What can be said about one TrainingRun; `run` is None while findings or a missing Tenant forbid one."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    run: Run | None = None


def examine(manifest: Manifest, everything: Sequence[Manifest]) -> Offline:
    """Frame, parse, fence and source of one TrainingRun among the manifests it came with."""
    spec, findings = _parsed(TrainingRunSpec, manifest)
    if spec is None:
        return Offline(findings)
    files, notes = _files(manifest, spec, everything)
    findings += _absent_files(spec, files) if files is not None else ()
    tenant = _bound(manifest, everything)
    if tenant is None:
        return Offline(findings, (*notes, f"{_unbound(manifest, everything)}: limits and requests are not checked"))
    try:
        effective = effective_of(spec, tenant.spec)
    except InvalidResource as error:
        return Offline((*findings, *error.findings), notes)
    findings += tenancy.findings(tenant.name, tenant.spec, wanted_of(spec, effective))
    inputs = {name: InputVersion(uri, UNRESOLVED, 0, 0) for name, uri in input_uris(spec).items()}
    run = Run(INSTALL, manifest.key, spec, tenant, effective, Source(files or {}), inputs)
    return Offline(findings, notes, None if findings else run)


def _parsed(model: type[M], manifest: Manifest) -> tuple[M | None, tuple[Finding, ...]]:
    """The spec, None while it does not parse, and what is wrong with it and with its frame."""
    findings = frame_findings(manifest)
    try:
        return (read(model, manifest.spec) if manifest.spec is not None else None), findings
    except ValidationFailed as error:
        return None, findings + tuple(Finding(path, message) for path, message in error.findings)


def _tenants(everything: Sequence[Manifest]) -> list[Bound]:
    read_ = ((manifest, *_parsed(TenantSpec, manifest)) for manifest in of_kind(everything, "Tenant"))
    return [Bound(manifest.name, spec) for manifest, spec, findings in read_ if spec is not None and not findings]


def _naming(manifest: Manifest, everything: Sequence[Manifest]) -> list[Bound]:
    return [tenant for tenant in _tenants(everything) if manifest.namespace in (tenant.spec.namespaces or ())]


def _bound(manifest: Manifest, everything: Sequence[Manifest]) -> Bound | None:
    """The one Tenant among the manifests that names this one's namespace; None when there is none or more than one."""
    found = _naming(manifest, everything)
    return found[0] if len(found) == 1 else None


def _unbound(manifest: Manifest, everything: Sequence[Manifest]) -> str:
    tenants = _naming(manifest, everything)
    if tenants:
        return f"more than one Tenant names its namespace ({', '.join(tenant.name for tenant in tenants)})"
    if not manifest.namespace:
        return "metadata.namespace is left out, and a Tenant is found by it"
    if selecting := [tenant.name for tenant in _tenants(everything) if tenant.spec.namespace_selector]:
        return f"only the cluster knows whether Tenant {', '.join(selecting)} selects namespace {manifest.namespace}"
    return f"no Tenant among the files names namespace {manifest.namespace}"


def frame_findings(manifest: Manifest) -> tuple[Finding, ...]:
    """What the API server says of an object before it looks into the spec."""
    name = () if is_name(manifest.name) else (Finding("metadata.name", f'"{manifest.name[:64]}": {_NAME_WORDS}'),)
    return name if manifest.spec is not None else (*name, Finding("spec", "Required value"))


def unserved(manifest: Manifest) -> Finding | None:
    """What is wrong with an object of our group that the API server knows no kind for."""
    if not manifest.ours or manifest.served:
        return None
    version = manifest.body["apiVersion"]
    known = f"{GROUP}/{VERSION} has {' and '.join(KINDS)}"
    path = "apiVersion" if manifest.kind in KINDS else "kind"
    return Finding(path, f'no matches for kind "{manifest.kind}" in version "{version}": {known}')


def lint_tenant(manifest: Manifest) -> tuple[Finding, ...]:
    return _parsed(TenantSpec, manifest)[1]


def lint_endpoint(manifest: Manifest, everything: Sequence[Manifest]) -> tuple[Finding, ...]:
    """Frame, parse and fence of one ModelEndpoint; what the registry would say is left open."""
    spec, findings = _parsed(ModelEndpointSpec, manifest)
    tenant = _bound(manifest, everything)
    if spec is None or tenant is None:
        return findings
    try:
        findings += _absent_payload(manifest, spec, everything) + findings_of(spec, tenant, {})
    except InvalidResource as error:
        return findings + error.findings
    return findings if findings or spec.batch is None else job_findings(*_batch(manifest, spec, tenant))


def lint_policy(manifest: Manifest, everything: Sequence[Manifest]) -> tuple[Finding, ...]:
    """Frame, parse, fence and requests of one MonitorPolicy; what the endpoint and its captured data would say is left open."""
    spec, findings = _parsed(MonitorPolicySpec, manifest)
    if spec is None:
        return findings
    others = {item.name: item.spec for item in of_kind(everything, "MonitorPolicy") if item.namespace == manifest.namespace}
    findings += circle_findings(circle_of(manifest.name, spec, others.get))
    tenant = _bound(manifest, everything)
    if tenant is None:
        return findings
    try:
        findings += policy_findings(spec, tenant)
        here, known = _checking(manifest, spec, tenant, everything)
        findings += (absent_scripts(here) if known else ()) + alarm_findings(here)
        return findings + (() if findings else check_findings(here, stand_in(here)))
    except InvalidResource as error:
        return findings + error.findings


def policy_requests(manifest: Manifest, everything: Sequence[Manifest]) -> tuple[tuple[str, Action], ...] | None:
    """(step, call) of a MonitorPolicy that lints clean; None when its Tenant is not among the manifests."""
    tenant = _bound(manifest, everything)
    if tenant is None:
        return None
    here, _ = _checking(manifest, read(MonitorPolicySpec, manifest.spec), tenant, everything)
    return policy_preview(here, stand_in(here))


def _checking(manifest: Manifest, spec: MonitorPolicySpec, tenant: Bound, everything: Sequence[Manifest]) -> tuple[PolicyPass, bool]:
    """A pass over the policy, and whether the files of its source are known."""
    files, _ = _files(manifest, spec, everything)
    facts = PolicyFacts(tenant, source=Source(files or {}))
    snapshot = Snapshot(manifest.key, "", "", 0, spec=dict(manifest.spec or {}))
    return PolicyPass(snapshot, spec, facts, Settings(INSTALL), job_code(), SOME_MOMENT), files is not None


def endpoint_requests(manifest: Manifest, everything: Sequence[Manifest]) -> tuple[tuple[str, AwsRequest], ...] | None:
    """(step, request) of a ModelEndpoint that lints clean; None when its Tenant is not among the manifests."""
    tenant = _bound(manifest, everything)
    if tenant is None:
        return None
    spec = read(ModelEndpointSpec, manifest.spec)
    models: dict[str, ModelFact] = {name: standing_for(model) for name, (_, model) in models_of(spec).items()}
    facts = ModelEndpointFacts(tenant, models=models)
    snapshot = Snapshot(manifest.key, "", "", 0, spec=dict(manifest.spec or {}))
    served = preview(build_serving(Pass(snapshot, spec, facts, Settings(INSTALL), datetime.min))) if spec.variants else ()
    return (*served, *((("batch", create_transform_job(*_batch(manifest, spec, tenant))),) if spec.batch is not None else ()))


def _batch(manifest: Manifest, spec: ModelEndpointSpec, tenant: Bound) -> tuple[Pass, BatchJob]:
    """The job as far as files tell: which model serves, and what lies in S3, is left open."""
    snapshot = Snapshot(manifest.key, "", "", 0, spec=dict(manifest.spec or {}))
    here = Pass(snapshot, spec, ModelEndpointFacts(tenant), Settings(INSTALL), datetime.min)
    return here, job_of(here, Asked("", UNRESOLVED_MODEL, ""), UNRESOLVED, 1)


def _absent_payload(manifest: Manifest, spec: ModelEndpointSpec, everything: Sequence[Manifest]) -> tuple[Finding, ...]:
    """A key that the ConfigMap of the smoke test does not have, where that is among the files."""
    if spec.smoke_test is None:
        return ()
    wanted = spec.smoke_test.payload.config_map_ref
    found = [item for item in of_kind(everything, "ConfigMap") if (item.namespace, item.name) == (manifest.namespace, wanted.name)]
    if not found or wanted.key in found[0].files:
        return ()
    held = ", ".join(sorted(found[0].files)[:10]) or "nothing"
    path = "spec.smokeTest.payload.configMapRef.key"
    return (Finding(path, f"ConfigMap {wanted.name} has no {wanted.key}, it holds {held}"),)


def _files(
    manifest: Manifest, spec: TrainingRunSpec | MonitorPolicySpec, everything: Sequence[Manifest]
) -> tuple[dict[str, bytes] | None, tuple[str, ...]]:
    if spec.source is None:
        return {}, ()
    if spec.source.config_map_ref is None:
        return None, ("the packed source is in S3: its files are not checked",)
    name = spec.source.config_map_ref.name
    found = next((item for item in of_kind(everything, "ConfigMap") if (item.namespace, item.name) == (manifest.namespace, name)), None)
    if found is None:
        return None, (f"ConfigMap {name} is not among the files: its files are not checked",)
    return found.files, ()


def _absent_files(spec: TrainingRunSpec, files: dict[str, bytes]) -> tuple[Finding, ...]:
    held = ", ".join(sorted(files)[:10])
    absent = {step: name for step, name in entry_points(spec).items() if name not in files}
    return tuple(Finding(f"spec.{step}", f"{name} is not in the source, which holds: {held}") for step, name in sorted(absent.items()))
