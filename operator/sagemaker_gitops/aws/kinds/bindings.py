"""Which Tenant a namespace belongs to. None or two: no AWS call (design.md section 4)."""

from __future__ import annotations

from collections.abc import Mapping

from sagemaker_gitops.api.parse import ValidationFailed, read
from sagemaker_gitops.api.tenant import LabelExpression, NamespaceSelector, TenantSpec
from sagemaker_gitops.aws.kinds.references import References
from sagemaker_gitops.core.resource import Snapshot
from sagemaker_gitops.core.tenancy import Binding, Bound, Unbound


def binding_of(references: References, namespace: str) -> Binding:
    """The one Tenant that names or selects `namespace`."""
    found = [bound for bound in references.tenants() if _covers(bound.spec, namespace, references)]
    return found[0] if len(found) == 1 else Unbound(tuple(sorted(bound.name for bound in found)))


def tenant_of(snapshot: Snapshot) -> Bound | None:
    """A Tenant object as something to be bound to; an invalid one, or one on its way out, names nothing."""
    try:
        return None if snapshot.deleting else Bound(snapshot.key.name, read(TenantSpec, snapshot.spec))
    except ValidationFailed:
        return None


def _covers(spec: TenantSpec, namespace: str, references: References) -> bool:
    if spec.namespaces is not None:
        return namespace in spec.namespaces
    return spec.namespace_selector is not None and _selects(spec.namespace_selector, references.namespace_labels(namespace))


def _selects(selector: NamespaceSelector, labels: Mapping[str, str]) -> bool:
    if not selector.match_labels and not selector.match_expressions:
        return False
    equal = all(labels.get(key) == value for key, value in selector.match_labels.items())
    return equal and all(_holds(expression, labels) for expression in selector.match_expressions)


def _holds(expression: LabelExpression, labels: Mapping[str, str]) -> bool:
    value = labels.get(expression.key)
    match expression.operator:
        case "In":
            return value in expression.values
        case "NotIn":
            return value not in expression.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
