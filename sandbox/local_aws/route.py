"""Finds out what an HTTP request is: which service and operation, on which resource, signed with which
access key.

Exact for the services that are ours; for S3 and other REST services behind the fall-through the operation's
name is a best effort, for the ledger and for faults.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from local_aws.errors import AwsError
from local_aws.hosting import rest
from local_aws.ledger import request_hash
from local_aws.model import OWN_TARGETS, REST, SIGNING_NAMES, name_members, noun, rest_operation, split_target
from local_aws.moto_backend import Environ, buffered
from local_aws.wire import Protocol, load_json, load_query

_CREDENTIAL: Final = re.compile(r"Credential=([^/,\s]+)/[^/]+/([^/]+)/([^/,]+)/")
_CBOR_PATH: Final = re.compile(r"/service/([^/]+)/operation/([A-Za-z]+)$")
_KEBAB: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_S3_BUCKET: Final = {
    "GET": "ListObjects",
    "HEAD": "HeadBucket",
    "PUT": "CreateBucket",
    "DELETE": "DeleteBucket",
    "POST": "PostObject",
}
_S3_OBJECT: Final = {
    "GET": "GetObject",
    "HEAD": "HeadObject",
    "PUT": "PutObject",
    "DELETE": "DeleteObject",
    "POST": "PostObject",
}
_S3_SPECIAL: Final = {
    ("GET", "list-type"): "ListObjectsV2",
    ("GET", "versions"): "ListObjectVersions",
    ("GET", "uploads"): "ListMultipartUploads",
    ("GET", "uploadId"): "ListParts",
    ("PUT", "partNumber"): "UploadPart",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
    ("POST", "uploads"): "CreateMultipartUpload",
    ("POST", "uploadId"): "CompleteMultipartUpload",
    ("POST", "delete"): "DeleteObjects",
}
_S3_SUBRESOURCES: Final = {
    "versioning": "BucketVersioning",
    "lifecycle": "BucketLifecycleConfiguration",
    "notification": "BucketNotificationConfiguration",
    "encryption": "BucketEncryption",
    "policy": "BucketPolicy",
    "location": "BucketLocation",
    "acl": "Acl",
    "tagging": "Tagging",
}
_S3_VERBS: Final = {"GET": "Get", "PUT": "Put", "DELETE": "Delete"}
_S3_ACTIONS: Final = {
    "HeadObject": "GetObject",
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListBuckets": "ListAllMyBuckets",
    "DeleteObjects": "DeleteObject",
    "CopyObject": "PutObject",
    "UploadPart": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "CompleteMultipartUpload": "PutObject",
}


@dataclass(frozen=True, slots=True)
class Request:
    """What is known before anything is checked. `params` are the raw parameters of JSON and query requests.

    `access_key_id` is "" for an unsigned request; `region` is "" unless the signature's scope says it.
    """

    service: str
    operation: str
    protocol: Protocol
    resource: str
    region: str
    access_key_id: str
    session_token: str | None
    params: dict[str, Any]
    digest: str

    @property
    def action(self) -> str:
        """The IAM action, for example "s3:ListBucket" for ListObjectsV2."""
        name = _S3_ACTIONS.get(self.operation, self.operation) if self.service == "s3" else self.operation
        return f"{self._prefix}:{name}"

    @property
    def _prefix(self) -> str:
        """The service in an action and an ARN: the runtime's is that of SageMaker itself."""
        return "sagemaker" if self.service == rest.SERVICE else self.service

    def arn(self, region: str, account: str) -> str:
        """The ARN that a denial names; "*" where the resource is not known."""
        if self.service == "s3":
            return f"arn:aws:s3:::{self.resource}" if self.resource else "*"
        if self._prefix not in ("sagemaker", "glue") or not self.resource or self.operation.startswith("List"):
            return "*"
        if self.resource.startswith("arn:"):
            return self.resource
        kind = _KEBAB.sub("-", noun(self.operation)).lower()
        kind = "job" if self.service == "glue" and kind.startswith("job-") else kind
        kind = "endpoint" if self.service == rest.SERVICE else kind
        return f"arn:aws:{self._prefix}:{region}:{account}:{kind}/{self.resource}"


def identify(environ: Environ) -> Request:
    """The request; raises AwsError when its body is not what its protocol asks for."""
    key, region, scope = _signature(environ)
    token = environ.get("HTTP_X_AMZ_SECURITY_TOKEN")
    if scope != "s3" and environ.get("HTTP_CONTENT_ENCODING") == "gzip":
        _decompress(environ)
    service, operation, protocol, resource, params, digest = _what(environ, scope)
    return Request(service, operation, protocol, resource, region, key, token, params, digest)


def _decompress(environ: Environ) -> None:
    """The body of a request that the SDK compressed, as it does with PutMetricData from 10 KB on; an object of S3 stays as it is."""
    try:
        body = gzip.decompress(buffered(environ))
    except (OSError, EOFError) as error:
        raise AwsError("SerializationException", "Could not decompress the request body") from error
    del environ["HTTP_CONTENT_ENCODING"]
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))


_What = tuple[str, str, Protocol, str, dict[str, Any], str]


def _what(environ: Environ, scope: str) -> _What:
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target is not None:
        service, operation = split_target(target)
        params = load_json(buffered(environ))
        return service, operation, "json", _named(service, operation, params), params, request_hash(params)
    if scope != "s3" and environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        service = SIGNING_NAMES.get(scope, scope) or "sts"
        flat = load_query(buffered(environ))
        operation = flat.get("Action", "")
        return service, operation, "query", _named(service, operation, flat), dict(flat), request_hash(flat)
    path = environ["PATH_INFO"]
    if found := _CBOR_PATH.match(path):
        service, _ = split_target(f"{found.group(1)}.x")
        if service in OWN_TARGETS.values():
            raise AwsError("SerializationException", f"local_aws speaks JSON and query with {service}, not CBOR")
        return service, found.group(2), "json", "", {}, _digest(buffered(environ))
    if scope in ("", "s3"):
        operation, resource = _s3(environ)
        line = f"{environ['REQUEST_METHOD']} {path}?{environ.get('QUERY_STRING', '')}"
        return "s3", operation, "rest-xml", resource, {}, _digest(line.encode())
    body = buffered(environ)
    if scope == "sagemaker" and (invoked := rest.identify(environ, body)) is not None:
        operation, endpoint, params = invoked
        return rest.SERVICE, operation, "json", endpoint, params, _digest(body)
    if scope in REST and (known := rest_operation(scope, environ["REQUEST_METHOD"], path)) is not None:
        operation, named = known
        return scope, operation, "json", named.get("Name", ""), {**(load_json(body) if body else {}), **named}, _digest(body)
    operation = f"{environ['REQUEST_METHOD']} {path}"
    return SIGNING_NAMES.get(scope, scope), operation, "json", "", {}, _digest(body)


def _signature(environ: Environ) -> tuple[str, str, str]:
    """(access key id, region, service) of the signature's scope; empty strings for an unsigned request."""
    found = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    if found is None and "X-Amz-Credential=" in environ.get("QUERY_STRING", ""):
        query = dict(parse_qsl(environ["QUERY_STRING"]))
        if token := query.get("X-Amz-Security-Token"):
            environ["HTTP_X_AMZ_SECURITY_TOKEN"] = token
        found = _CREDENTIAL.search(f"Credential={query.get('X-Amz-Credential', '')}")
    return (found.group(1), found.group(2), found.group(3)) if found else ("", "", "")


def _named(service: str, operation: str, params: dict[str, Any]) -> str:
    for member in name_members(service, operation):
        value = params.get(member)
        if isinstance(value, str) and value:
            return value
    return ""


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _s3(environ: Environ) -> tuple[str, str]:
    """(operation, bucket or bucket/key) of a path-style S3 request."""
    method: str = environ["REQUEST_METHOD"]
    # WSGI hands over the bytes of the path as Latin-1.
    resource = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace").strip("/")
    if not resource:
        return "ListBuckets", ""
    is_object = "/" in resource
    for name, _ in parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True):
        special = _S3_SPECIAL.get((method, name)) or _s3_subresource(method, name, is_object)
        if special is not None:
            return special, resource
    if is_object and method == "PUT" and "HTTP_X_AMZ_COPY_SOURCE" in environ:
        return "CopyObject", resource
    names = _S3_OBJECT if is_object else _S3_BUCKET
    return names.get(method, method), resource


def _s3_subresource(method: str, name: str, is_object: bool) -> str | None:
    """GetBucketVersioning for GET with `?versioning`; None when the parameter is no subresource."""
    subresource = _S3_SUBRESOURCES.get(name)
    if subresource is None or method not in _S3_VERBS:
        return None
    kind = "" if subresource.startswith("Bucket") else "Object" if is_object else "Bucket"
    return _S3_VERBS[method] + kind + subresource


def unreadable(environ: Environ) -> Request:
    """What is known of a request whose body cannot be read: it is answered and recorded all the same."""
    key, region, scope = _signature(environ)
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    service, operation = split_target(target) if target else (scope, "")
    token = environ.get("HTTP_X_AMZ_SECURITY_TOKEN")
    return Request(service, operation, "json", "", region, key, token, {}, _digest(b""))
