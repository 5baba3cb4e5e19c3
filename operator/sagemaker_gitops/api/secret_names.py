"""Keys and values that look like a secret. AWS shows hyperparameters, environment and arguments in plain text to everyone who may
describe a job, so they are refused before they get there (failure-modes.md J1).

The patterns are RE2 and Python alike: the API server evaluates the same ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from sagemaker_gitops.api.base import Problem, quoted

SECRET = r"(?i)passwd|password|secret|credential|(api|access|private)[-_.]?key|(^|[-_.])pwd$|token$"
# A pointer to a secret, or a token of a language model: pad_token, eosToken, words_per_token.
HARMLESS = r"(?i)(arn|name|uri|path|file|ref)$|(pad|eos|bos|unk|mask|sep|cls|special|stop|start|end|image|per)[-_.]?token$"
_ACCESS_KEY = re.compile(r"(?:^|[^A-Z0-9])A(?:KIA|SIA)[A-Z0-9]{16}(?:[^A-Z0-9]|$)")
MESSAGE = (
    "looks like a secret, and AWS shows it in plain text to everyone who may describe the job:"
    " keep it in AWS Secrets Manager and pass its ARN, under a key that ends in _arn"
)
CEL = f"self.all(k, !k.matches({quoted(SECRET)}) || k.matches({quoted(HARMLESS)}))"


def secret_key(key: str) -> bool:
    """Whether `key` names a secret itself, not a pointer to one (db_password_arn) and not a model's token (pad_token, max_tokens)."""
    return bool(re.search(SECRET, key)) and not re.search(HARMLESS, key)


def map_problems(field: str, entries: Mapping[str, object]) -> Iterator[Problem]:
    """Secrets in a map such as environment."""
    for key, value in entries.items():
        if secret_key(key) or (isinstance(value, str) and _ACCESS_KEY.search(value)):
            yield f"{field}.{key}", MESSAGE


def list_problems(field: str, arguments: Sequence[str]) -> Iterator[Problem]:
    """Secrets in a list of arguments such as --api-key=..."""
    for index, argument in enumerate(arguments):
        key = argument.partition("=")[0]
        if (key.startswith("-") and secret_key(key)) or _ACCESS_KEY.search(argument):
            yield f"{field}[{index}]", MESSAGE
