"""api/fields.py, template.py and secret_names.py: the small functions behind the models."""

from __future__ import annotations

import pytest

from sagemaker_gitops.api.base import quoted
from sagemaker_gitops.api.fields import aws_string, seconds
from sagemaker_gitops.api.secret_names import secret_key
from sagemaker_gitops.api.template import TemplateError, resolve
from sagemaker_gitops.api.tenant import matches


@pytest.mark.capability("C6")
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (200, "200"),
        (0.1, "0.1"),
        (1e-05, "1e-05"),
        (1e22, "1e+22"),
        ("gini", "gini"),
        ("3.0", "3.0"),
    ],
)
def test_hyperparameters_as_aws_wants_them(value: float | bool | str, text: str) -> None:
    """Numbers and booleans become the texts that AWS takes."""
    assert aws_string(value) == text


@pytest.mark.parametrize(("text", "expected"), [("90m", 5400), ("1h30m", 5400), ("45s", 45), ("24h", 86400), ("1h0m1s", 3601)])
def test_seconds(text: str, expected: int) -> None:
    """A duration in hours, minutes and seconds."""
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "1", "1d", "m", "1m1h", "-1m", "1.5h", "1h ", "99999h"])
def test_no_duration(text: str) -> None:
    """Everything else is refused with an example of the right form."""
    with pytest.raises(ValueError, match="such as 90m"):
        seconds(text)


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "DB_PASSWORD",
        "dbPasswd",
        "api_key",
        "apiKey",
        "--api-key",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "HF_TOKEN",
        "token",
        "credentials",
        "pwd",
    ],
)
def test_secret_keys(key: str) -> None:
    """Keys that name a secret, in any spelling."""
    assert secret_key(key)


@pytest.mark.parametrize(
    "key",
    [
        "max_tokens",
        "num_tokens",
        "tokenizer",
        "pad_token",
        "eos_token",
        "pad_token_id",
        "secret_arn",
        "password_file",
        "key",
        "keys",
        "monkey",
        "n_estimators",
        "cwd",
    ],
)
def test_harmless_keys(key: str) -> None:
    """Pointers to secrets, and tokens of language models."""
    assert not secret_key(key)


def test_resolve() -> None:
    """Every occurrence is replaced, values are not templates themselves."""
    assert resolve("${parameters.a}/${parameters.a}-$${x}", {"a": "${parameters.b}"}) == "${parameters.b}/${parameters.b}-${x}"


@pytest.mark.parametrize("text", ["${parameters.b}", "${HOME}", "${", "${parameters.}"])
def test_resolve_refuses(text: str) -> None:
    """An unknown parameter or another form is refused."""
    with pytest.raises(TemplateError):
        resolve(text, {"a": "1"})


@pytest.mark.parametrize(
    ("pattern", "value", "allowed"),
    [
        ("ml.m5.*", "ml.m5.large", True),
        ("ml.m5.*", "ml.m5d.large", False),
        ("ml.g5.xlarge", "ml.g5.xlarge", True),
        ("ml.g5.xlarge", "ml.g5.xlarge2", False),
        ("a.c", "abc", False),
        ("[a]*", "a", False),
    ],
)
def test_matches(pattern: str, value: str, allowed: bool) -> None:
    """Only a * at the end is special."""
    assert matches([pattern], value) is allowed


def test_quoted() -> None:
    """A CEL literal keeps backslashes and quotes."""
    assert quoted(r"a\.b'c") == r"'a\\.b\'c'"
