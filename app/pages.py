"""Small pages for people who sign in: a few sentences, links and buttons, and nothing that comes from anywhere else."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from jinja2 import Environment, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse

STYLE = """
:root { color-scheme: light dark; font: 100%/1.5 system-ui, sans-serif }
main { max-width: 34rem; margin: 12vh auto 0; padding: 0 1.5rem }
h1 { font-size: 1.4rem }
button { display: block; width: 100%; margin: .5rem 0; padding: .7rem 1rem; font: inherit; text-align: start; cursor: pointer }
"""
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
TEMPLATE = Environment(autoescape=True, undefined=StrictUndefined).from_string(
    """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ page.title }} · PLOG</title><style>{{ style | safe }}</style></head>
<body><main><h1>{{ page.title }}</h1>
{%- for sentence in page.sentences %}
<p>{{ sentence }}</p>
{%- endfor %}
{%- if page.buttons %}
<form method="post">
{%- for value, label in page.buttons.items() %}
<button name="{{ page.button_name }}" value="{{ value }}">{{ label }}</button>
{%- endfor %}
</form>
{%- endif %}
{%- for address, label in page.links.items() %}
<p><a href="{{ address }}">{{ label }}</a></p>
{%- endfor %}
</main></body></html>
"""
)
PRIVATE_HEADERS = {"cache-control": "no-store", "referrer-policy": "no-referrer", "x-content-type-options": "nosniff"}
HEADERS = {
    **PRIVATE_HEADERS,
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What stands on a page. All of it is text, whoever wrote it; `links` and `buttons` are labels by address and by value."""

    title: str
    sentences: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    button_name: str = ""
    buttons: Mapping[str, str] = field(default_factory=dict)

    def response(self, status: int = 200) -> HTMLResponse:
        """The page as it is sent; nobody keeps it."""
        return HTMLResponse(TEMPLATE.render(page=self, style=STYLE), status, HEADERS)


def leading_to(address: str) -> RedirectResponse:
    """Lead the browser on, by GET whatever it came with; nobody keeps that."""
    return RedirectResponse(address, status_code=303, headers=PRIVATE_HEADERS)
