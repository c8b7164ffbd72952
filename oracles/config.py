"""Settings files: TOML read for a pydantic model, faults told by the name of the setting."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeGuard, get_args, get_origin

from pydantic import BaseModel, ValidationError

from oracles.errors import ConfigError, InputError
from oracles.evidence.store import is_node


def read_toml(path: Path, model: type[BaseModel]) -> dict[str, Any]:
    """Values in a settings file, not yet checked; relative paths become relative to the file.

    Args:
        path: TOML file.
        model: says which values are paths. A list of store names has the schema extra `stores`.

    Raises:
        ConfigError: the file cannot be read, or is not TOML.
    """
    try:
        values = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the settings in {path}: {error}") from error
    _anchor(model, values, path.resolve().parent)
    return values


def settings_error(error: ValidationError) -> ConfigError:
    """What is wrong with which setting, without its value, which may be a secret."""
    problems = "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'settings'}: {problem['msg']}"
        for problem in error.errors(include_input=False, include_context=False)
    )
    return ConfigError(f"settings are wrong: {problems}")


def _anchor(model: type[BaseModel], values: dict[str, Any], base: Path) -> None:
    """Make the relative paths among the values absolute."""
    for name, field in model.model_fields.items():
        value, kind = values.get(name), field.annotation
        extra = field.json_schema_extra
        inner = next((k for k in (kind, *get_args(kind)) if _is_model(k)), None)
        if isinstance(value, dict) and inner is not None:
            _anchor(inner, value, base)
        elif isinstance(value, str) and (kind is Path or Path in get_args(kind)):
            values[name] = str(base / value)
        elif isinstance(value, str) and isinstance(extra, dict) and extra.get("stores"):
            values[name] = _anchored(value, base)
        elif isinstance(value, list) and isinstance(extra, dict) and extra.get("stores"):
            values[name] = [_anchored(str(each), base) for each in value]
        elif isinstance(value, list) and get_origin(kind) is list and Path in get_args(kind):
            values[name] = [str(base / str(each)) for each in value]


def _is_model(kind: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _anchored(store: str, base: Path) -> str:
    try:
        return store if is_node(store) else str(base / store)
    except InputError:
        return store  # the model refuses it, by the name of the setting
