"""Writes manifests/base/admission/<kind>.yaml: the tenant's fence as ValidatingAdmissionPolicies, one for each namespaced kind.

The rules are those of core/tenancy.py, evaluated once per
Tenant, so each is an implication: "this Tenant does not name the namespace, or ...". What the API server cannot see (registered models,
images of frameworks) stays with the operator, which judges everything again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import yaml

import generated
from policy_fields import LIST, Field, by_subject, fields_of
from policy_fields import Path as FieldPath
from sagemaker_gitops.api import secret_names
from sagemaker_gitops.api.base import quoted
from sagemaker_gitops.api.fields import IMAGE_FORM
from sagemaker_gitops.api.kinds import GROUP, KINDS, VERSION, ApiKind
from sagemaker_gitops.core.tenancy import UNJUDGED_WORDS

HEADER = "# Generated from operator/sagemaker_gitops by tools/generate_policies.py; do not edit.\n"
OURS = """!has(params.metadata.deletionTimestamp) && (has(params.spec.namespaces)
  ? request.namespace in params.spec.namespaces
  : variables.selector.?matchLabels.orValue({}).all(k, variables.labels[?k].orValue('') == variables.selector.matchLabels[k])
    && variables.selector.?matchExpressions.orValue([]).all(e,
      e.operator == 'Exists' ? e.key in variables.labels
      : e.operator == 'DoesNotExist' ? !(e.key in variables.labels)
      : e.operator == 'In' ? e.key in variables.labels && variables.labels[e.key] in e.?values.orValue([])
      : !(e.key in variables.labels) || !(variables.labels[e.key] in e.?values.orValue([]))))"""
MATCHES = "(p.endsWith('*') ? x[1].startsWith(p.substring(0, p.size() - 1)) : x[1] == p)"
TEMPLATES = """x[1].split('${parameters.').map(t, t.contains('}')
  ? object.spec.?parameters.orValue({})[?t.substring(0, t.indexOf('}'))].orValue('') + t.substring(t.indexOf('}') + 1) : t).join('')"""
PREFIXES = "params.spec.allow.s3Prefixes"


def _listed(field: str) -> str:
    return f"params.spec.allow.?{field}.orValue([])"


def _pattern(field: str) -> tuple[str, str]:
    """Bad values (x is [path, value]) and the end of their message."""
    return f"!{_listed(field)}.exists(p, {MATCHES}) || x[1].contains('..') || x[1].contains('*')", _allows(field)


def _allows(field: str) -> str:
    return f"""'" is not allowed: Tenant ' + params.metadata.name + ' allows {field} [' + {_listed(field)}.join(', ') + ']'"""


def _above(value: str, limit: str, convert: str) -> tuple[str, str]:
    bound = f"params.spec.?limits.?{limit}"
    words = f"""'" is more than Tenant ' + params.metadata.name + ' allows (limits.{limit}: ' + string({bound}.orValue('')) + ')'"""
    return f"{bound}.hasValue() && {value} > {convert}({bound}.value())", words


_OUTSIDE = f"""!{PREFIXES}.exists(p, (x[1] + '/').startsWith(p)) || (x[1] + '/').contains('/../') || (x[1] + '/').contains('/./')"""
_TOPICS = _listed("snsTopicArns")
_TOPIC = f"""(x[1].split(':').size() < 6 || x[1].split(':')[3] != params.spec.region || x[1].split(':')[4] != params.spec.account
  || ({_TOPICS}.size() > 0 && !{_TOPICS}.exists(p, {MATCHES})))"""
_TOPIC_WORDS = f"""'" is not allowed: Tenant ' + params.metadata.name + ' allows ' + ({_TOPICS}.size() > 0
  ? 'snsTopicArns [' + {_TOPICS}.join(', ') + ']' : 'SNS topics of account ' + params.spec.account + ' in ' + params.spec.region)"""
_ROLE_OR_TOPIC = f"""!(x[1].contains(':iam:') && {_listed("executionRoleArns")}.exists(p, {MATCHES}))
  && (!x[1].contains(':sns:') || {_TOPIC})"""
_UNJUDGED = f"""'" is not allowed: {UNJUDGED_WORDS}'"""
_IMAGES = _pattern("images")
_GROUP = _pattern("modelPackageGroups")
# Class of field -> (what makes a value bad, the end of its message, what the rule is about).
RULES: dict[str, tuple[str, str, str]] = {
    "roles": (*_pattern("executionRoleArns"), "a role outside of allow.executionRoleArns"),
    "s3": (_OUTSIDE, _allows("s3Prefixes"), "a place in S3 outside of allow.s3Prefixes"),
    "locations": (
        f"x[1].split(',').exists(u, u.trim().lowerAscii().startsWith('s3://') && !{PREFIXES}.exists(p, (u.trim() + '/').startsWith(p)))",
        _allows("s3Prefixes"),
        "a place in S3 outside of allow.s3Prefixes",
    ),
    "kms": (*_pattern("kmsKeyArns"), "a key outside of allow.kmsKeyArns"),
    "images": (f"{_IMAGES[0]} || !x[1].matches({quoted(f'^(?:{IMAGE_FORM})$')})", _IMAGES[1], "an image outside of allow.images"),
    "instanceTypes": (*_pattern("instanceTypes"), "an instance type outside of allow.instanceTypes"),
    "subnets": (*_pattern("subnetIds"), "a subnet outside of allow.subnetIds"),
    "securityGroups": (*_pattern("securityGroupIds"), "a security group outside of allow.securityGroupIds"),
    "endpointNames": (*_pattern("endpointNames"), "an endpoint name outside of allow.endpointNames"),
    "groups": (f"{_listed('modelPackageGroups')}.size() > 0 && ({_GROUP[0]})", _GROUP[1], "a group outside of allow.modelPackageGroups"),
    "topics": (_TOPIC, _TOPIC_WORDS, "an SNS topic that the Tenant does not allow"),
    "counts": (*_above("double(x[1])", "maxInstanceCount", "double"), "more instances than limits.maxInstanceCount"),
    "durations": (*_above("duration(x[1])", "maxRuntime", "duration"), "longer than limits.maxRuntime"),
    "seconds": (*_above("duration(x[1] + 's')", "maxRuntime", "duration"), "longer than limits.maxRuntime"),
    "minutes": (*_above("duration(x[1] + 'm')", "maxRuntime", "duration"), "longer than limits.maxRuntime"),
    "arns": (_ROLE_OR_TOPIC, _UNJUDGED, "something that no list of a Tenant can allow"),
    "unjudged": ("true", _UNJUDGED, "something that no list of a Tenant can allow"),
    "owned": ("true", """'" is set by the operator and cannot be overridden: leave it out'""", "a member that is the operator's own"),
}
_PRESENCE = frozenset({"unjudged", "owned"})


def _value(root: str, path: Iterable[str]) -> str:
    """An optional: the value at `path` below `root`."""
    return root + "".join(f".?{name}" if name.isidentifier() else f"[?'{name}']" for name in path)


def _single(field: Field) -> str:
    """An optional element of a list: [path, value as text]."""
    value = "''" if field.subject in _PRESENCE else "string(v)"
    return f"?{_value('object.spec', field.path[1:])}.optMap(v, ['{field.words}', {value}])"


def _several(field: Field) -> str:
    """A list of [path, value as text]: all that stand at a path with lists."""
    presence = field.subject in _PRESENCE
    kept = "''" if presence else "v"
    values = f"{_joined('object.spec', field.path[1:], presence, 0)}.split(' ').filter(v, v != '')"
    return f"{values}.map(v, ['{field.words}', {kept}])"


def _joined(root: str, path: FieldPath, presence: bool, depth: int) -> str:
    """All values below lists in one text with spaces, which no value may hold: lists of lists cannot be flattened otherwise."""
    item, at = "abcd"[depth], path.index(LIST)
    items, rest = f"{_value(root, path[:at])}.orValue([])", path[at + 1 :]
    if LIST in rest:
        each = _joined(item, rest, presence, depth + 1)
    elif presence:
        each = f"{_value(item, rest)}.hasValue() ? 'x' : ''"
    else:
        each = f"string({_value(item, rest)}.orValue(''))" if rest else f"string({item})"
    return f"{items}.map({item}, {each}).join(' ')"


def _variables(subjects: dict[str, list[Field]]) -> list[dict[str, str]]:
    made = [
        {"name": "selector", "expression": "params.spec.?namespaceSelector.orValue({})"},
        {"name": "labels", "expression": "namespaceObject.metadata.?labels.orValue({})"},
        {"name": "ours", "expression": OURS},
    ]
    for subject, found in subjects.items():
        if subject not in RULES:
            continue
        single = [_single(field) for field in found if LIST not in field.path]
        several = [_several(field) for field in found if LIST in field.path]
        lists = ["[\n  " + ",\n  ".join(single) + "]"] * bool(single) + several
        values = "(" + "\n  + ".join(lists) + ")"
        if subject == "s3":
            values += f".map(x, [x[0], {TEMPLATES}])"
        bad = f"variables.ours ? {values}.filter(x, {RULES[subject][0]}) : []"
        made.append({"name": subject, "expression": bad})
    return made


def _validations(kind: ApiKind, subjects: dict[str, list[Field]]) -> list[dict[str, str]]:
    made = [
        {
            "expression": f"variables.{subject}.size() == 0",
            "message": f"spec names {words}",
            "messageExpression": f"variables.{subject}.map(x, x[0] + ': \"' + x[1] + {end}).join('; ')",
        }
        for subject, (_, end, words) in RULES.items()
        if subject in subjects
    ]
    return made + _requirements(kind) + _secrets(subjects)


def _requirements(kind: ApiKind) -> list[dict[str, str]]:
    def rule(word: str, given: str, field: str) -> dict[str, str]:
        required = f"variables.ours && params.spec.?require.orValue([]).exists(r, r == '{word}')"
        end = f" is required by Tenant ' + params.metadata.name + ' (require: [{word}])'"
        return {"expression": f"!({required}) || {given}", "messageExpression": f"'{field}:{end}", "message": f"{field} is required"}

    network = "(has(object.spec.network) ? object.spec.network : params.spec.defaults.?network.orValue({})).?subnetIds.hasValue()"
    rules = {
        "kms_key_arn": rule("kms", "has(object.spec.kmsKeyArn) || has(params.spec.defaults.kmsKeyArn)", "spec.kmsKeyArn"),
        "network": rule("vpc", network, "spec.network.subnetIds"),
    }
    return [made for name, made in rules.items() if name in kind.spec.model_fields]


def _secrets(subjects: dict[str, list[Field]]) -> list[dict[str, str]]:
    """Keys of hyperparameters: untyped values hide the map from the rules of the CRD."""
    found = []
    for field in subjects.get("hyperparameters", ()):
        keys = f"{_value('object.spec', field.path[1:])}.orValue({{}})"
        secret = f"k.matches({quoted(secret_names.SECRET)}) && !k.matches({quoted(secret_names.HARMLESS)})"
        words = f"'{field.words}.' + {keys}.filter(k, {secret}).join(', {field.words}.') + ': {secret_names.MESSAGE}'"
        found.append({"expression": f"{keys}.all(k, !({secret}))", "message": secret_names.MESSAGE, "messageExpression": words})
    return found


def policy(kind: ApiKind) -> list[dict[str, Any]]:
    """The policy of one kind and its bindings. Without any Tenant nothing is created, but what exists can still be mended and deleted."""
    subjects = dict(by_subject(fields_of(kind.spec)))
    name = f"{kind.plural}.tenants.{GROUP}"
    rule = {"apiGroups": [GROUP], "apiVersions": [VERSION], "resources": [kind.plural]}
    spec = {
        "failurePolicy": "Fail",
        "paramKind": {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Tenant"},
        "matchConstraints": {"resourceRules": [{**rule, "operations": ["CREATE", "UPDATE"]}]},
        "matchConditions": [
            {"name": "not-deleting", "expression": "!has(object.metadata.deletionTimestamp)"},
            {"name": "spec-changed", "expression": "oldObject == null || object.spec != oldObject.spec"},
        ],
        "variables": _variables(subjects),
        "validations": _validations(kind, subjects),
    }
    made = [_object("ValidatingAdmissionPolicy", name, spec)]
    for operation, absent in (("CREATE", "Deny"), ("UPDATE", "Allow")):
        binding = {
            "policyName": name,
            "validationActions": ["Deny"],
            "matchResources": {"resourceRules": [{**rule, "operations": [operation]}]},
            "paramRef": {"selector": {}, "parameterNotFoundAction": absent},
        }
        made.append(_object("ValidatingAdmissionPolicyBinding", f"{operation.lower()}.{name}", binding))
    return made


def _object(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def files() -> dict[str, str]:
    """Path below the repository -> text."""
    namespaced = [kind for kind in KINDS.values() if kind.scope == "Namespaced"]
    dumped = {kind.plural: yaml.dump_all(policy(kind), Dumper=_Dumper, sort_keys=False, width=10_000) for kind in namespaced}
    listed = yaml.safe_dump({"resources": ["guards.yaml", *(f"{plural}.yaml" for plural in dumped)]}, sort_keys=False)
    kustomization = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n" + listed
    made = {f"{plural}.yaml": text for plural, text in dumped.items()} | {"kustomization.yaml": kustomization}
    return {f"manifests/base/admission/{name}": HEADER + text for name, text in made.items()}


if __name__ == "__main__":
    sys.exit(generated.run(sys.argv[1:], files()))
