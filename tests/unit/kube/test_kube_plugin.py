"""Credential plugins: a person with an EKS kubeconfig gets in, the operator never runs one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sagemaker_gitops.kube.credentials import LoginError, from_kubeconfig

ANSWER = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "from-the-plugin"}}


def _kubeconfig(folder: Path, script: str, **plugin: Any) -> Path:
    """A kubeconfig whose user logs in with a Python program."""
    program = folder / "plugin.py"
    program.write_text(script)
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": sys.executable, "args": [str(program)]} | plugin}
    path = folder / "kubeconfig"
    path.write_text(
        yaml.safe_dump(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
                "clusters": [{"name": "k", "cluster": {"server": "https://example.com"}}],
                "users": [{"name": "u", "user": user}],
            }
        )
    )
    return path


def test_the_token_of_a_plugin_logs_in(tmp_path: Path) -> None:
    """It is told what is asked of it, and gets the variables of the kubeconfig."""
    script = (
        "import json, os\n"
        "asked = json.loads(os.environ['KUBERNETES_EXEC_INFO'])\n"
        "assert asked['kind'] == 'ExecCredential' and asked['spec'] == {'interactive': False}\n"
        "assert os.environ['AWS_PROFILE'] == 'team-a'\n"
        f"print(json.dumps({ANSWER!r}))\n"
    )
    path = _kubeconfig(tmp_path, script, env=[{"name": "AWS_PROFILE", "value": "team-a"}])
    assert from_kubeconfig(path, plugins=True).token == "from-the-plugin"


def test_the_operator_runs_no_plugin(tmp_path: Path) -> None:
    """Its image has neither the programs nor a shell."""
    with pytest.raises(LoginError, match="service account token"):
        from_kubeconfig(_kubeconfig(tmp_path, "raise SystemExit(1)\n"))


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("import sys\nsys.exit('token expired: run aws sso login')\n", "ended with 1: token expired: run aws sso login"),
        ("print('hello')\n", "printed no ExecCredential"),
        (f"print({json.dumps(json.dumps({'status': None}))})\n", "printed no ExecCredential"),
    ],
)
def test_a_plugin_that_fails_is_told(tmp_path: Path, script: str, words: str) -> None:
    """With what it said itself."""
    with pytest.raises(LoginError, match=words):
        from_kubeconfig(_kubeconfig(tmp_path, script), plugins=True)


def test_a_plugin_that_is_not_there_is_told_with_its_hint(tmp_path: Path) -> None:
    """The kubeconfig knows how to install it."""
    path = _kubeconfig(tmp_path, "", command="no-such-program", installHint="install the AWS CLI")
    with pytest.raises(LoginError, match=r"no-such-program.*install the AWS CLI"):
        from_kubeconfig(path, plugins=True)
