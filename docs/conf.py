"""How `make docs` builds these pages: Sphinx with MyST's Markdown, warnings are errors."""

project = "facesearch"
project_copyright = "the facesearch authors"
extensions = ["myst_parser"]
exclude_patterns = ["conf.py"]
html_theme = "furo"
html_title = "facesearch"
html_show_sourcelink = False
html_show_copyright = False
myst_heading_anchors = 3
myst_links_external_new_tab = False
