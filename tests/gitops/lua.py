"""Runs Argo CD's customization scripts without Argo CD, and less leniently: nothing but what Argo CD opens (util/lua/lua.go) is there.

gopher-lua is Lua 5.1 with base and table libraries and an `os` that must be required; no string library, not even as methods.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lupa.lua51 as lupa

ALLOWED = """
local date, time = os.date, os.time
local loaded = { os = { date = date, time = time }, table = table }
require = function(name) return loaded[name] or error("no module " .. name) end
debug.setmetatable("", nil)
for _, name in ipairs({"string", "io", "os", "math", "debug", "package", "coroutine", "jit", "module", "dofile", "loadfile", "python"}) do
  _G[name] = nil
end
"""


def run(script: Path, body: Mapping[str, Any]) -> Any:
    """What the script returns for an object, as JSON values. lupa's LuaError when it fails."""
    lua = lupa.LuaRuntime(unpack_returned_tuples=True)
    lua.execute(ALLOWED)
    lua.globals()["obj"] = _table(lua, body)
    return _value(lua.execute(script.read_text()), body)


def _table(lua: Any, value: Any) -> Any:
    """null does not exist in Lua: a key without a value is not there."""
    if isinstance(value, Mapping):
        return lua.table_from({key: _table(lua, item) for key, item in value.items() if item is not None})
    if isinstance(value, list):
        return lua.table_from([_table(lua, item) for item in value])
    return value


def _value(found: Any, like: Any = None) -> Any:
    """The inverse; an empty table is what it was in `like`, as Argo CD does it, else an object."""
    if lupa.lua_type(found) != "table":
        return found
    keys = list(found.keys())
    if keys and all(isinstance(key, int) for key in keys):
        before = like if isinstance(like, list) else []
        return [_value(found[key], before[key - 1] if key <= len(before) else None) for key in sorted(keys)]
    if not keys and isinstance(like, list):
        return []
    return {key: _value(found[key], like.get(key) if isinstance(like, Mapping) else None) for key in keys}
