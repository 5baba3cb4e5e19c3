"""Who may do what: keys, roles, trust, sessions, denials, in AWS's words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_frame import ACCOUNT, TEAM, Local, wsgi
from botocore.exceptions import ClientError

from local_aws.identity import OPERATOR_KEY, Role

OPERATOR = f"arn:aws:iam::{ACCOUNT}:role/sagemaker-gitops-operator"
OPERATOR_SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/sagemaker-gitops-operator/local"
TENANT = f"arn:aws:iam::{ACCOUNT}:role/tenant"


@pytest.fixture
def tenant(local: Local) -> Local:
    """With a role that the operator may assume with an external id and one session tag."""
    trust = {"principals": [OPERATOR], "externalId": "secret-1", "sessionTags": ["namespace"]}
    local.world.identity.register(Role.from_json({"name": "tenant", "trust": trust}, ACCOUNT))
    return local


def assume(local: Local, **arguments: Any) -> dict[str, Any]:
    given = {"RoleArn": TENANT, "RoleSessionName": "run-1", "ExternalId": "secret-1"} | arguments
    client = local.client("sts", OPERATOR_KEY)
    answer: dict[str, Any] = client.assume_role(**{key: given[key] for key in given if given[key] is not None})
    return answer


def session_client(local: Local, service: str, answer: dict[str, Any]) -> Any:
    credentials = answer["Credentials"]
    return local.client(service, credentials["AccessKeyId"], credentials["SessionToken"])


def test_assume_role_gives_a_session(tenant: Local) -> None:
    """The session is who it says it is, for an hour of AWS time."""
    answer = assume(tenant)
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/tenant/run-1"
    assert answer["AssumedRoleUser"]["Arn"] == arn
    left = answer["Credentials"]["Expiration"].timestamp() - tenant.world.clock.time()
    assert 3590 < left <= 3600
    identity = session_client(tenant, "sts", answer).get_caller_identity()
    assert (identity["Arn"], identity["Account"]) == (arn, ACCOUNT)
    assert identity["UserId"] == answer["AssumedRoleUser"]["AssumedRoleId"]


@pytest.mark.parametrize(
    ("arguments", "action"),
    [
        ({"ExternalId": None}, "sts:AssumeRole"),
        ({"ExternalId": "wrong"}, "sts:AssumeRole"),
        ({"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/absent"}, "sts:AssumeRole"),
        ({"RoleArn": TEAM}, "sts:AssumeRole"),
        ({"Tags": [{"Key": "owner", "Value": "x"}]}, "sts:TagSession"),
    ],
)
def test_assume_role_is_denied_in_awss_words(tenant: Local, arguments: dict[str, Any], action: str) -> None:
    """Missing trust, external id, role or permission to tag all look alike."""
    with pytest.raises(ClientError) as caught:
        assume(tenant, **arguments)
    error = caught.value.response["Error"]
    arn = arguments.get("RoleArn", TENANT)
    assert error["Code"] == "AccessDenied"
    assert error["Message"].startswith(f"User: {OPERATOR_SESSION} is not authorized to perform: {action} on resource: {arn}")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_session_tags_stay_with_the_session(tenant: Local) -> None:
    """The ledger shows them for every later call."""
    tagged = assume(tenant, Tags=[{"Key": "namespace", "Value": "team-a"}])
    session_client(tenant, "sqs", tagged).list_queues()
    entry = tenant.world.ledger.entries()[-1]
    assert (entry.role, entry.session_tags) == (TENANT, {"namespace": "team-a"})


def test_a_session_that_is_too_long_is_refused(tenant: Local) -> None:
    """A role assumed by a role lasts an hour at most."""
    with pytest.raises(ClientError, match="1 hour session limit for roles assumed by role chaining"):
        assume(tenant, DurationSeconds=3601)


def test_the_roles_own_session_limit_holds(local: Local) -> None:
    """For users too."""
    with pytest.raises(ClientError, match="exceeds the MaxSessionDuration set for this role"):
        local.client("sts").assume_role(RoleArn=TEAM, RoleSessionName="run", DurationSeconds=7200)


def test_session_policies_are_refused(tenant: Local) -> None:
    """Ignoring a policy that restricts would be worse than refusing it."""
    with pytest.raises(ClientError, match="does not evaluate session policies"):
        assume(tenant, Policy="{}")


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("sagemaker", lambda c: c.list_experiments(), "ExpiredTokenException"),
        ("sts", lambda c: c.get_caller_identity(), "ExpiredToken"),
        ("s3", lambda c: c.list_buckets(), "ExpiredToken"),
    ],
)
def test_sessions_end_by_the_aws_clock(tenant: Local, service: str, call: Any, code: str) -> None:
    """In the words of each protocol."""
    client = session_client(tenant, service, assume(tenant, DurationSeconds=900))
    call(client)
    tenant.world.clock.advance(901)
    with pytest.raises(ClientError, match="expired") as caught:
        call(client)
    assert caught.value.response["Error"]["Code"] == code


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("sagemaker", lambda c: c.list_experiments(), "UnrecognizedClientException"),
        ("sts", lambda c: c.get_caller_identity(), "InvalidClientTokenId"),
        ("s3", lambda c: c.list_buckets(), "InvalidAccessKeyId"),
        ("sqs", lambda c: c.list_queues(), "UnrecognizedClientException"),
        ("sns", lambda c: c.list_topics(), "InvalidClientTokenId"),
    ],
)
def test_unknown_keys_are_refused_everywhere(local: Local, service: str, call: Any, code: str) -> None:
    """Also by the services that moto answers."""
    with pytest.raises(ClientError) as caught:
        call(local.client(service, "NOBODY"))
    assert caught.value.response["Error"]["Code"] == code


def test_a_session_key_needs_its_token(local: Local) -> None:
    """The access key alone is not enough."""
    credentials = local.world.identity.mint(TEAM, "run", None)
    with pytest.raises(ClientError, match="security token included in the request is invalid"):
        local.client("sqs", credentials.access_key_id).list_queues()


def test_a_revoked_session_is_unknown(local: Local) -> None:
    """A job's credentials end with the job."""
    credentials = local.world.identity.mint(TEAM, "run", None)
    client = local.client("sqs", credentials.access_key_id, credentials.session_token)
    client.list_queues()
    local.world.identity.revoke(credentials.access_key_id)
    with pytest.raises(ClientError, match="security token included in the request is invalid"):
        client.list_queues()


def test_unsigned_requests_are_refused(local: Local) -> None:
    """Nobody is anonymous here."""
    target = {"HTTP_X_AMZ_TARGET": "SageMaker.ListModels", "HTTP_AUTHORIZATION": ""}
    status, _, body = wsgi(local.app, "POST", "/", b"{}", target)
    assert (status, json.loads(body)["__type"]) == (400, "MissingAuthenticationTokenException")
    status, _, body = wsgi(local.app, "GET", "/bucket/key", b"", {"HTTP_AUTHORIZATION": ""})
    assert (status, b"<Code>AccessDenied</Code>" in body) == (403, True)


def test_the_internal_key_is_of_no_use_from_outside(local: Local) -> None:
    """Nothing that comes over a socket can keep itself out of the ledger."""
    signed = {
        "HTTP_X_AMZ_TARGET": "SageMaker.ListExperiments",
        "HTTP_AUTHORIZATION": "Credential=LOCALAWSINTERNAL/20260101/eu-central-1/sagemaker/aws4_request",
    }
    status, _, body = wsgi(local.app, "POST", "/", b"{}", signed)
    assert (status, json.loads(body)["__type"]) == (400, "UnrecognizedClientException")
    assert local.world.ledger.last == 1


def test_presigned_urls_carry_their_caller(local: Local) -> None:
    """The key is taken from the query string."""
    local.client("s3").create_bucket(Bucket="presigned-bucket", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    local.client("s3").put_object(Bucket="presigned-bucket", Key="k", Body=b"data")
    parameters = {"Bucket": "presigned-bucket", "Key": "k"}
    url = local.team_client("s3").generate_presigned_url("get_object", Params=parameters)
    path = url.removeprefix("http://127.0.0.1:9")
    status, _, body = wsgi(local.app, "GET", path, b"", {"HTTP_AUTHORIZATION": ""})
    assert (status, body) == (200, b"data")
    assert local.world.ledger.entries()[-1].role == TEAM


def test_a_denied_action_names_user_action_and_resource(local: Local) -> None:
    """An explicit denial of the admin API, before the call is executed."""
    local.world.identity.deny("team", "sagemaker:CreateTrainingJob")
    body = json.dumps({"TrainingJobName": "Job-1"}).encode()
    credentials = local.world.identity.mint(TEAM, "run", None)
    signed = {
        "HTTP_X_AMZ_TARGET": "SageMaker.CreateTrainingJob",
        "HTTP_AUTHORIZATION": f"Credential={credentials.access_key_id}/20260101/eu-central-1/sagemaker/x",
        "HTTP_X_AMZ_SECURITY_TOKEN": credentials.session_token,
    }
    status, _, answer = wsgi(local.app, "POST", "/", body, signed)
    assert (status, json.loads(answer)) == (
        400,
        {
            "__type": "AccessDeniedException",
            "message": "User: arn:aws:sts::123456789012:assumed-role/team/run is not authorized to perform: "
            "sagemaker:CreateTrainingJob on resource: "
            "arn:aws:sagemaker:eu-central-1:123456789012:training-job/Job-1 "
            "with an explicit deny in an identity-based policy",
        },
    )


def test_an_allow_list_allows_nothing_else(local: Local) -> None:
    """Actions that no pattern allows are refused as identity-based policies refuse them."""
    local.world.identity.register(Role(arn=TEAM, allow=("sqs:*", "s3:GetObject")))
    local.team_client("sqs").list_queues()
    with pytest.raises(ClientError, match="no identity-based policy allows the s3:ListAllMyBuckets action"):
        local.team_client("s3").list_buckets()


def test_a_roles_own_denials_win(local: Local) -> None:
    """Over its allow-list."""
    local.world.identity.register(Role(arn=TEAM, allow=("*",), deny=("sqs:List*",)))
    with pytest.raises(ClientError, match="explicit deny"):
        local.team_client("sqs").list_queues()


def test_a_deleted_role_can_do_nothing(local: Local) -> None:
    """Its sessions stay valid but have no permissions."""
    client = local.team_client("sqs")
    assert local.world.identity.remove(TEAM)
    with pytest.raises(ClientError, match="not authorized to perform: sqs:ListQueues"):
        client.list_queues()


def test_denials_do_not_touch_users(local: Local) -> None:
    """The admin user may do everything."""
    local.world.identity.deny("*", "*")
    local.client("sqs").list_queues()
    assert local.world.ledger.entries()[-1].accepted


def test_pass_role(local: Local) -> None:
    """A role passes what its patterns allow, users pass everything."""
    identity = local.world.identity
    identity.register(Role(arn=TEAM, pass_roles=(f"arn:aws:iam::{ACCOUNT}:role/exec-*",)))
    credentials = identity.mint(TEAM, "run", None)
    team = identity.authenticate(credentials.access_key_id, credentials.session_token)
    user = identity.authenticate("LOCALADMIN", None)
    execution, other = f"arn:aws:iam::{ACCOUNT}:role/exec-1", f"arn:aws:iam::{ACCOUNT}:role/other"
    assert [identity.may_pass(team, arn) for arn in (execution, other)] == [True, False]
    assert identity.may_pass(user, other)


def test_execution_roles_exist_and_trust_a_service(local: Local) -> None:
    """What CreateTrainingJob checks before it accepts a role."""
    identity = local.world.identity
    trust = {"principals": ["sagemaker.amazonaws.com"]}
    identity.register(Role.from_json({"name": "exec", "trust": trust}, ACCOUNT))
    execution = f"arn:aws:iam::{ACCOUNT}:role/exec"
    assert identity.service_may_assume(execution, "sagemaker.amazonaws.com")
    assert not identity.service_may_assume(execution, "glue.amazonaws.com")
    assert not identity.service_may_assume(execution + "-absent", "sagemaker.amazonaws.com")
    assert identity.role_exists(execution)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, "role.name"),
        ({"name": "r", "trusts": {}}, "trusts"),
        ({"name": "r", "trust": {"principal": []}}, "role.trust"),
        ({"name": "r", "trust": {"principals": "x"}}, "role.trust.principals"),
        ({"name": "r", "allow": "x"}, "role.allow"),
        ({"name": "r", "maxSessionDuration": "long"}, "role.maxSessionDuration"),
    ],
)
def test_a_wrong_role_names_the_field(document: dict[str, Any], field: str) -> None:
    """A seed file with a typo must not make a role that trusts nobody."""
    with pytest.raises(ValueError, match=field.replace(".", r"\.")):
        Role.from_json(document, ACCOUNT)


def test_roles_are_registered_over_http(local: Local) -> None:
    """And removed."""
    document = {"name": "new", "trust": {"principals": ["glue.amazonaws.com"]}, "allow": ["s3:*"]}
    status, _, body = wsgi(local.app, "POST", "/_local/roles", json.dumps(document).encode())
    arn = json.loads(body)["arn"]
    assert (status, arn) == (200, f"arn:aws:iam::{ACCOUNT}:role/new")
    assert local.world.identity.role(arn) is not None
    assert json.loads(wsgi(local.app, "DELETE", "/_local/roles?name=new")[2]) == {"removed": True}
    assert local.world.identity.role(arn) is None
