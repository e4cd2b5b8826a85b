"""/docs without any outside host: a page made from our own OpenAPI description, and /health."""
# Routes are used by their decorator.
# pyright: reportUnusedFunction=false

import html
import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import HTMLResponse, Response

VERBS = ("get", "post", "put", "patch", "delete")
Tree = Mapping[str, Any]


def manual_routes(app: FastAPI) -> APIRouter:
    """/docs and /health."""
    router = APIRouter(include_in_schema=False)
    page: list[str] = []

    @router.get("/docs")
    def get_docs(http: Request) -> HTMLResponse:
        """Every address of the API with its parameters, readable offline."""
        if not page:
            page.append(write_page(app.openapi()))
        root = html.escape(str(http.scope.get("root_path", "")))
        return HTMLResponse(page[0].replace("$ROOT", root))

    @router.get("/health")
    def get_health() -> dict[str, str]:
        """Whether the server answers; open without a login, so it says nothing else."""
        return {"status": "ok"}

    @router.get("/favicon.ico")
    def get_favicon() -> Response:
        """A small drawing, so that browsers stop asking."""
        return Response(
            ICON, headers={"Cache-Control": "max-age=86400"}, media_type="image/svg+xml"
        )

    return router


def write_page(schema: Tree) -> str:
    """The manual as HTML; every text in it is escaped."""
    schemas = cast("Tree", schema.get("components", {})).get("schemas", {})
    parts: list[str] = []
    groups: dict[str, list[str]] = {}
    for path, verbs in cast("Tree", schema["paths"]).items():
        for verb in VERBS:
            if verb in verbs:
                operation = cast("Tree", verbs[verb])
                tag = (operation.get("tags") or ["more"])[0]
                groups.setdefault(tag, []).append(_operation(path, verb, operation))
    for tag, operations in groups.items():
        parts.append(f"<h2>{html.escape(tag)}</h2>" + "".join(operations))
    parts.append("<h2>types</h2>" + "".join(_type(n, s) for n, s in sorted(schemas.items())))
    info = cast("Tree", schema["info"])
    title = html.escape(f"{info['title']} {info['version']}")
    return (
        PAGE.replace("$TITLE", title)
        .replace("$BODY", "".join(parts))
        .replace("$DESCRIPTION", html.escape(str(info.get("description", ""))))
    )


def _operation(path: str, verb: str, operation: Tree) -> str:
    rows = list(_parameters(operation))
    body = _body_of(operation)
    table = f"<table>{''.join(rows)}</table>" if rows else ""
    takes = f"<p>Takes {body}.</p>" if body else ""
    says = html.escape(str(operation.get("description") or operation.get("summary") or ""))
    first = says.partition(". ")[0].partition("\n")[0].rstrip(".")
    gives = ", ".join(
        f"{code} {html.escape(str(answer.get('description', '')))}{_content(answer)}"
        for code, answer in cast("Tree", operation.get("responses", {})).items()
    )
    return (
        f"<details><summary><b>{verb.upper()}</b> <code>{html.escape(path)}</code> "
        f"<span>{first}</span></summary><p>{says}</p>"
        f"{table}{takes}<p>Answers: {gives}</p></details>"
    )


def _parameters(operation: Tree) -> Iterator[str]:
    for parameter in cast("list[Tree]", operation.get("parameters", [])):
        yield _row(
            f"{parameter['name']} ({parameter['in']})",
            _name(cast("Tree", parameter.get("schema", {}))),
            str(parameter.get("description", "")),
        )


def _body_of(operation: Tree) -> str:
    return _content(cast("Tree", operation.get("requestBody", {}))).strip(": ")


def _content(holder: Tree) -> str:
    found = [
        f"{html.escape(kind)} {_name(cast('Tree', content.get('schema', {})))}"
        for kind, content in cast("Tree", holder.get("content", {})).items()
    ]
    return f": {', '.join(found)}" if found else ""


def _type(name: str, schema: Tree) -> str:
    required = set(cast("list[str]", schema.get("required", [])))
    rows = [
        _row(
            f"{field}{' *' if field in required else ''}", _name(cast("Tree", inner)), _note(inner)
        )
        for field, inner in cast("Tree", schema.get("properties", {})).items()
    ]
    says = html.escape(str(schema.get("description", "")))
    plain = "" if rows else f"<p>{_name(schema)} {html.escape(str(schema.get('enum', '')))}</p>"
    anchor = html.escape(name)
    return (
        f"<details id='{anchor}'><summary><code>{anchor}</code></summary><p>{says}</p>{plain}"
        f"<table>{''.join(rows)}</table></details>"
    )


def _note(schema: Tree) -> str:
    words = {
        "minimum": "at least",
        "maximum": "at most",
        "multipleOf": "a multiple of",
        "maxLength": "at most this long:",
    }
    found = [f"{words[key]} {schema[key]}" for key in words if key in schema]
    if "default" in schema:
        found.append(f"default {json.dumps(schema['default'])}")
    return ". ".join(filter(None, [str(schema.get("description", "")), ", ".join(found)]))


def _row(*cells: str) -> str:
    first, kind, last = cells
    return (
        f"<tr><td><code>{html.escape(first)}</code></td><td>{kind}</td>"
        f"<td>{html.escape(last)}</td></tr>"
    )


def _name(schema: Tree) -> str:
    """A type as HTML, with a link to where it is described."""
    if "$ref" in schema:
        name = html.escape(str(schema["$ref"]).rsplit("/", 1)[-1])
        return f"<a href='#{name}'>{name}</a>"
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return " or ".join(_name(part) for part in cast("list[Tree]", schema[key]))
    if schema.get("type") == "array" and isinstance(schema.get("items"), dict):
        return f"list of {_name(cast('Tree', schema['items']))}"
    if "const" in schema:
        return html.escape(json.dumps(schema["const"]))
    kind = str(schema.get("format") or schema.get("type") or "anything")
    return html.escape(kind)


ICON = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32"
rx="6" fill="#1c6b5e"/><path d="M8 9h16M8 16h10M8 23h16" stroke="#fff" stroke-width="3"
stroke-linecap="round"/><path d="M10 26 24 6" stroke="#bfe3da" stroke-width="2"/></svg>"""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>$TITLE: the API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
details { border: 1px solid #8885; border-radius: .4rem; padding: .4rem .8rem; margin: .4rem 0 }
summary { cursor: pointer }
summary span { opacity: .7; margin-left: .8rem }
summary b { display: inline-block; min-width: 4rem }
table { border-collapse: collapse; display: block; overflow-x: auto }
td { border-top: 1px solid #8884; padding: .2rem .8rem .2rem 0; vertical-align: top }
a:target, details:target { background: #1c6b5e22 }
</style></head><body>
<h1>$TITLE</h1>
<p>$DESCRIPTION</p>
<p>The machine-readable description is at <a href="$ROOT/openapi.json">$ROOT/openapi.json</a>.</p>
$BODY
<script>
const open = () => { const d = document.getElementById(location.hash.slice(1));
  if (d && "open" in d) d.open = true };
addEventListener("hashchange", open); open();
</script>
</body></html>
"""
