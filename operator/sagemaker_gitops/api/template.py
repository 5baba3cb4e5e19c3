"""`${parameters.name}` in texts of a spec: one form, plain substitution, nothing is evaluated (failure-modes.md K8).

Allowed in arguments, in hyperparameters that are texts and in S3 URIs. Anything else that begins with `${` is refused there, so
that a slip never reaches AWS as literal text; `$${` stands for `${`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_TOKEN = re.compile(r"\$\$\{|\$\{parameters\.([A-Za-z][A-Za-z0-9_]*)\}|\$\{")


class TemplateError(ValueError):
    """A template that cannot be resolved; the text names the parameter and the fix."""


def problems(text: str, parameters: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with the templates in `text`, one message each."""
    for token in _TOKEN.finditer(text):
        name = token.group(1)
        if token.group() == "${":
            yield "only ${parameters.<name>} is replaced; write $${ for a literal ${"
        elif name and name not in parameters:
            known = ", ".join(sorted(parameters)) or "none"
            yield f'unknown parameter "{name}": add it to spec.parameters (known: {known})'


def resolve(text: str, parameters: Mapping[str, str]) -> str:
    """`text` with every template replaced. TemplateError when one cannot be."""
    for message in problems(text, parameters):
        raise TemplateError(message)
    return _TOKEN.sub(lambda token: parameters[token.group(1)] if token.group(1) else "${", text)
