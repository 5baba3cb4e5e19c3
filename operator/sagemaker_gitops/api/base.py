"""What every model of the API is built from: frozen models, bounded text, lists and maps, and rules.

Lowest layer; imports nothing of the project. One declaration serves both doors: pydantic checks it in code, and the same
declaration becomes schema and CEL in crds/ (api/crd.py), so the API server and `lint` refuse the same things in the same words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

Problem = tuple[str, str]  # (path relative to the model, message); a path is "" or starts with "." or "["


Path = tuple[str | int, ...]


def dotted(path: Path) -> str:
    """`path` as Kubernetes prints it, with a leading dot: .inputs[0].s3Uri."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)


def problem(message: str) -> PydanticCustomError:
    """A refusal whose text is `message`, braces included."""
    return PydanticCustomError("refused", "{message}", {"message": message})


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition on one model, said twice: `cel` for the API server, `holds` for code. `field` is CEL's fieldPath."""

    cel: str
    message: str
    holds: Callable[[Any], bool]
    field: str = ""

    def schema(self) -> dict[str, str]:
        """The entry of x-kubernetes-validations."""
        entry = {"rule": self.cel, "message": self.message}
        return entry | ({"fieldPath": self.field} if self.field else {})


class Model(BaseModel):
    """Base of every block of a spec or status: frozen, camelCase outside, nothing unknown.

    `rules` are seen by the API server and by code. `checks` are seen by code alone: they need what CEL cannot see or afford
    (keys of maps, templates, text that has to be parsed).
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )
    rules: ClassVar[tuple[Rule, ...]] = ()
    checks: ClassVar[tuple[Callable[[Any], Iterable[Problem]], ...]] = ()

    def templated(self) -> Iterable[tuple[Path, str]]:
        """Fields in which templates stand, as path in the YAML and the text with the templates replaced."""
        return ()

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        made = handler.resolve_ref_schema(handler(schema))
        if cls.rules:
            made["x-kubernetes-validations"] = [rule.schema() for rule in cls.rules]
        return made


def field_of(model: Model, alias: str) -> Any:
    """The value of the field that YAML calls `alias`."""
    for name, info in type(model).model_fields.items():
        if info.alias == alias:
            return getattr(model, name)
    raise KeyError(alias)


def _present(model: Model, aliases: Iterable[str]) -> int:
    return sum(field_of(model, alias) not in (None, (), {}) for alias in aliases)


def _has(aliases: Iterable[str]) -> str:
    return "[" + ", ".join(f"has(self.{alias})" for alias in aliases) + "]"


def exactly_one(*aliases: str) -> Rule:
    """A union: one of the fields, not none and not two."""
    message = f"exactly one of {', '.join(aliases[:-1])} or {aliases[-1]} must be given"
    return Rule(f"{_has(aliases)}.exists_one(x, x)", message, lambda model: _present(model, aliases) == 1)


def together(first: str, second: str) -> Rule:
    """Two fields that mean something only side by side."""
    message = f"{first} and {second} must be given together"
    return Rule(f"has(self.{first}) == has(self.{second})", message, lambda model: _present(model, (first, second)) != 1)


@dataclass(frozen=True, slots=True)
class Text:
    """A string with a form. `pattern` is RE2 and Python alike and is matched against the whole text.

    `convert` turns the accepted text into the value that code sees; it raises ValueError with the words for the user.
    `cel` adds a condition that no pattern can say; `convert` must refuse the same.
    """

    pattern: str
    message: str
    max_length: int
    cel: str = ""
    convert: Callable[[str], Any] | None = None

    def parse(self, value: Any) -> Any:
        """The value, or a refusal in the words that the API server uses too."""
        if not isinstance(value, str):
            raise PydanticCustomError("string_type", "must be a string")
        if len(value) > self.max_length:
            raise problem(f"Too long: may not be more than {self.max_length} bytes")
        if not re.fullmatch(self.pattern, value, re.ASCII):
            raise problem(self.message)
        try:
            return self.convert(value) if self.convert else value
        except ValueError as error:
            raise problem(str(error)) from error

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.parse)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        rule = f"self.matches({quoted(f'^(?:{self.pattern})$')})"
        if self.cel:
            rule = f"{rule} && {self.cel}"
        validations = [{"rule": rule, "message": self.message}]
        return {"type": "string", "maxLength": self.max_length, "x-kubernetes-validations": validations}


def quoted(text: str) -> str:
    """`text` as a CEL string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


@dataclass(frozen=True, slots=True)
class Prose:
    """Free text of at most `max_length` characters, in one language that every YAML reader agrees on."""

    max_length: int
    min_length: int = 0

    def parse(self, value: Any) -> str:
        if not isinstance(value, str):
            raise PydanticCustomError("string_type", "must be a string")
        if len(value) > self.max_length:
            raise problem(f"Too long: may not be more than {self.max_length} bytes")
        if len(value) < self.min_length:
            raise problem(f"should be at least {self.min_length} chars long")
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.parse)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        bounds = {"minLength": self.min_length} if self.min_length else {}
        return {"type": "string", "maxLength": self.max_length, **bounds}


@dataclass(frozen=True, slots=True)
class Items:
    """Bounds of a list. `kind` is Kubernetes' x-kubernetes-list-type; a map list is keyed by its items' field `key`."""

    max_items: int
    min_items: int = 0
    kind: Literal["atomic", "set", "map"] = "atomic"
    key: str = "name"

    def check(self, items: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(items) > self.max_items:
            raise problem(f"Too many: {len(items)}: must have at most {self.max_items} items")
        if len(items) < self.min_items:
            raise problem(f"should have at least {self.min_items} items")
        if self.kind != "atomic":
            names = [item if self.kind == "set" else field_of(item, self.key) for item in items]
            for index, name in enumerate(names):
                if name in names[:index]:
                    raise PydanticCustomError("duplicate", "{message}", {"message": f'Duplicate value: "{name}"', "index": index})
        return items

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        made = handler(schema)
        made |= {"maxItems": self.max_items, "x-kubernetes-list-type": self.kind}
        if self.min_items:
            made["minItems"] = self.min_items
        if self.kind == "map":
            made["x-kubernetes-list-map-keys"] = [self.key]
        return made


@dataclass(frozen=True, slots=True)
class Entries:
    """Bounds of a map from string to value. A schema cannot bound keys, so CEL and code do.

    `code_only`: no rule for the API server, because the values are untyped, which hides the map from CEL, or because it is part of
    a status, whose writing nothing may forbid. `cel` are more (rule, message) pairs, which code must find too.
    """

    max_properties: int
    key_pattern: str
    key_message: str
    max_key_length: int = 128
    code_only: bool = False
    cel: tuple[tuple[str, str], ...] = ()

    def check(self, entries: Mapping[str, Any]) -> Mapping[str, Any]:
        if len(entries) > self.max_properties:
            raise problem(f"Too many: {len(entries)}: must have at most {self.max_properties} items")
        for key in entries:
            if len(key) > self.max_key_length or not re.fullmatch(self.key_pattern, key, re.ASCII):
                raise problem(f'{self.key_message}: "{key[:64]}" does not')
        return entries

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        made = handler(schema)
        made["maxProperties"] = self.max_properties
        if not self.code_only:
            form = quoted(f"^(?:{self.key_pattern})$")
            rule = f"self.all(k, k.size() <= {self.max_key_length} && k.matches({form}))"
            rules = ((rule, self.key_message), *self.cel)
            made["x-kubernetes-validations"] = [{"rule": text, "message": message} for text, message in rules]
        return made
