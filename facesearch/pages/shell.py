"""What all pages have around their content: head, style, and the promise that nothing is loaded or sent."""

from __future__ import annotations

import base64
import hashlib
import html

from facesearch.text import shown

MARK = '<meta name="generator" content="facesearch">'
"""By which a page is known as one of facesearch's."""

# Text on its ground has a contrast of 4.5:1 or more in both schemes (WCAG 2.2, 1.4.3).
_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --panel: #f4f5f7; --line: #d5d9df; --ink: #1b1e23;
  --quiet: #545b66; --link: #0b57d0; --yes: #0a6639; --no: #8a3400; --genuine: #1f6feb; --impostor: #c2410c; }
@media (prefers-color-scheme: dark) { :root { --ground: #131518; --panel: #1d2024; --line: #363b43; --ink: #e9ebee;
  --quiet: #a9b0bb; --link: #8ab4f8; --yes: #71d6a0; --no: #ffb080; --genuine: #6ea8fe; --impostor: #ff9757; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem clamp(.9rem, 3vw, 2rem) 4rem; background: var(--ground);
  color: var(--ink); font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; padding-top: 1rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
p { margin: .5rem 0; max-width: 50rem; } .quiet { color: var(--quiet); font-size: .875rem; }
pre, code { font: .875rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: .4rem; padding: .75rem 1rem;
  overflow-x: auto; }
figure { margin: 0; } figcaption { font-size: .8125rem; line-height: 1.4; color: var(--quiet); }
figcaption b { color: var(--ink); } img { display: block; max-width: 100%; height: auto; }
.missing { display: flex; align-items: center; justify-content: center; text-align: center; padding: .4rem;
  border: 1px dashed var(--quiet); color: var(--quiet); font-size: .75rem; line-height: 1.3; }
.yes { color: var(--yes); font-weight: 600; } .no { color: var(--no); font-weight: 600; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; } th, td { padding: .2rem .8rem .2rem 0;
  text-align: left; vertical-align: top; } th { font-weight: 600; color: var(--quiet); }
@media print { :root { color-scheme: light; --ground: #fff; --panel: #fff; --line: #999; --ink: #000; --quiet: #333;
  --yes: #000; --no: #000; --genuine: #1f6feb; --impostor: #c2410c; } body { max-width: none; padding: 0; }
  figure, .card { break-inside: avoid; } h2, h3 { break-after: avoid; } .screen { display: none; } }
"""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def text(value: object) -> str:
    """A text as HTML, in attributes too, on one line: markup is shown, and so is what cannot be printed (`\\n`, `\\xff`
    for a byte of a file name that is not UTF-8)."""
    return html.escape(shown(value))


def render_page(title: str, body: str, *, style: str = "", script: str = "") -> str:
    """The page. title: plain text. body: HTML. style: rules besides the common ones. script: what may run, and nothing
    else may; a page must be whole without it."""
    allowed = script and f"; script-src 'sha256-{_digest(script)}'"
    ending = f"<script>{script}</script>\n" if script else ""
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">{MARK}
<title>{text(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}{allowed}">
<meta name="referrer" content="no-referrer"><meta name="robots" content="noindex">
<style>{_STYLE}{style}</style></head><body>
<h1>{text(title)}</h1>
{body}
{ending}</body></html>
"""


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
